"""What is given to verify: told apart, and never a traceback, whatever it is."""

from __future__ import annotations

import io
import json
import shutil
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controls.errors import OperatorError
from controls.ledger.__main__ import main
from controls.ledger.sources import verify
from tests.controls.ledger.forged import Forged
from tests.controls.ledger.support import open_log, small_call

ROOT = Path(__file__).parents[3]
#: What the verifier's machine need not have.
NOT_NEEDED = (
    "voice_runtime", "loadtests", "pipecat", "fastapi", "starlette", "uvicorn", "httpx", "aiohttp", "openai",
    "numpy", "onnxruntime", "typer", "rich", "prometheus_client", "opentelemetry", "jinja2",
    "loguru", "asyncio", "fcntl",
)  # fmt: skip


def zip_of(**files: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as container:
        for name, text in files.items():
            container.writestr(name, text)
    return made.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"", b"garbage", b"\x00" * 4096, b"PK\x03\x04", b"PK\x05\x06" + bytes(18), zip_of(), zip_of(a="b"),
        b"c2sp.org/tlog-proof@v1\n", b"SQLite format 3\x00" + bytes(200),
    ],
)  # fmt: skip
def test_a_file_that_is_nothing_of_ours_is_damage(data: bytes, tmp_path: Path) -> None:
    file, leaf = tmp_path / "file.zip", tmp_path / "leaf"
    file.write_bytes(data)
    leaf.write_bytes(b"")
    report = verify(file, leaf=leaf)
    assert not report.ok and any(c.detail for c in report.checks if not c.ok)
    assert main(["verify", str(file), "--leaf", str(leaf)]) == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.sampled_from([b"", b"PK\x03\x04", b"c2sp.org/tlog-proof@v1\n"]))
def test_no_file_is_a_traceback(tmp_path: Path, data: bytes, head: bytes) -> None:
    file = tmp_path / "file"
    file.write_bytes(head + data)
    assert not verify(file, leaf=file).ok


def test_usage_is_told_from_damage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place in (tmp_path / "nowhere", tmp_path, "ftp://127.0.0.1/log"):
        assert main(["verify", str(place)]) == 2
    assert main(["verify", "http://user@/x"]) == 2
    with pytest.raises(OperatorError):
        verify(tmp_path / "nowhere")
    capsys.readouterr()


def test_the_help_tells_the_exit_status_of_a_missing_file(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--help"], ["verify", "--help"]):
        with pytest.raises(SystemExit):
            main(words)
        assert "2 usage, or no such file" in " ".join(capsys.readouterr().out.split())


def test_an_unpacked_packet_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "leaves").mkdir()
    (tmp_path / "manifest.json").write_bytes(b"{}")
    (tmp_path / "checkpoint").write_bytes(b"")
    assert main(["verify", str(tmp_path)]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith(" 1 files        FAIL")
    assert "this looks like an unpacked packet; verify the zip itself" in told[0]
    assert all(" –  " in line for line in told[1:-1])


def test_a_terminal_that_has_no_dash_gets_its_report(tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"junk")
    done = subprocess.run(
        [sys.executable, "-m", "controls.ledger", "verify", str(tmp_path / "junk")],
        cwd=ROOT, env={"PYTHONIOENCODING": "ascii"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and not done.stderr and len(done.stdout.splitlines()) == 22


def test_a_refused_connection_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/log"
    report = verify(url)
    assert not report.ok and report.checks[0].detail == f"{url}: connection refused"
    assert [c.name for c in report.checks if not c.ok] == ["files"]


def test_a_ledger_whose_databases_are_gone_is_a_damaged_ledger(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log")
    log.close()
    Forged().publish(tmp_path / "log" / "tlog")
    (tmp_path / "log" / "log.db").unlink()
    for side in (tmp_path / "log").glob("log.db-*"):
        side.unlink()
    report = verify(tmp_path)
    assert not report.ok and report.checks[0].detail == "log: log.db is missing"


def test_every_check_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = open_log(tmp_path / "ledger" / "log")
    log.close()
    Forged().publish(tmp_path / "tiles")
    for place in (tmp_path / "ledger", tmp_path / "tiles"):
        assert main(["verify", str(place), "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert [c["number"] for c in report["checks"]] == list(range(1, 22))
        assert all(c["detail"] for c in report["checks"])
        assert all(c["ok"] for c in report["checks"])
        checked = {c["name"]: c["checked"] for c in report["checks"]}
        assert checked["parse"] and checked["root"] and not checked["trace"] and not checked["issuer"]


def test_it_needs_nothing_but_controls_and_small_packages(tmp_path: Path) -> None:
    """In a process of its own that refuses to import anything a server needs."""
    log = open_log(tmp_path / "ledger" / "log")
    for record, personal in small_call():
        log.append(record, personal).result(60)
    log.close()
    Forged().publish(tmp_path / "tiles")
    (tmp_path / "empty.zip").write_bytes(zip_of())
    shutil.copytree(ROOT / "controls", tmp_path / "alone" / "controls")  # the package and nothing beside it
    script = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {NOT_NEEDED!r}:
            raise AssertionError("imports " + name)
sys.meta_path.insert(0, Refuse())
from controls.ledger.__main__ import main
codes = [main(["verify", place]) for place in sys.argv[1:]]
sys.stdout.write(repr(codes))
"""
    places = [str(tmp_path / name) for name in ("ledger", "tiles", "empty.zip")]
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path / 'alone')!r})\n{script}",
         *places],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("[0, 0, 1]")
