"""From a telephone call to a packet that a stranger checks: witness, signing process, trust file, tampering.

Every party is a process of its own: the server, its signing process, the
witness, the command that makes the packet, the verifier.
"""

from __future__ import annotations

import asyncio
import base64
import http.server
import json
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from controls.evidence.shape import Trace
from controls.ledger import records as r
from controls.ledger.ledger import Ledger
from controls.ledger.notes import VerifierKey, cosigned_at, parse_checkpoint
from controls.ledger.reader import Reader
from tests.controls.ledger.support import tagger
from tests.controls.ledger.test_stranger import build_stranger, run
from tests.journeys.conftest import ROOT, Server
from tests.journeys.test_commands import sayso
from voice_runtime.caller.script import HangUp, Say, Wait

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def watched(state: Path, logs: Path) -> AsyncIterator[tuple[str, str]]:
    """A witness in a process of its own: its address and its verifier key."""
    process = await asyncio.to_thread(
        subprocess.Popen,
        [sys.executable, "-m", "voice_runtime.cli.app", "witness", "serve", "--state", str(state),
         "--logs", str(logs), "--port", "0", "--json"],
        stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        ready = json.loads(await asyncio.to_thread(process.stdout.readline))
        yield ready["address"], ready["key"]
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 30)
        process.stdout.close()  # type: ignore[union-attr]


def verified(*words: str) -> tuple[int, dict[str, Any]]:
    """What the verifier says, run with nothing but ``controls``."""
    ran = subprocess.run(
        [sys.executable, "-m", "controls.ledger", "verify", "--json", *words],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return ran.returncode, json.loads(ran.stdout)


def failed(report: dict[str, Any]) -> list[str]:
    return [check["name"] for check in report["checks"] if not check["ok"]]


@contextmanager
def web(folder: Path) -> Iterator[str]:
    """Any web server that hands out files."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def begun(server: Server) -> list[str]:
    """Begin the house's logs, and return their verifier keys: a witness is told whom to watch."""
    server.profile_file.write_text(json.dumps(server.profile), encoding="utf-8")
    ledger = Ledger.open(server.ledger, tagger=tagger)
    for tenant in ("riverside", "lake-and-larch", "copper-and-clay"):
        ledger.prepare(tenant)
    ledger.close()
    with Reader.open(server.ledger) as reader:
        return [view.vkey for view in reader.views()]


async def cosigned(server: Server, key: VerifierKey, tenant: str = "riverside", *, beyond: int = -1) -> None:
    """Wait until a witness's cosignature of the tenant's log is on record, over more than leaf ``beyond``."""
    async with asyncio.timeout(60):
        while True:
            ran = await asyncio.to_thread(
                sayso, "ledger", "checkpoint", "--cosigned", "--json", "--config", str(server.profile_file),
                cwd=server.root,
            )  # fmt: skip
            if ran.returncode == 0:
                for found in json.loads(ran.stdout)["checkpoints"]:
                    note = parse_checkpoint(found["note"].encode())
                    if found["tenant"] == tenant and note.size > beyond and cosigned_at(note, key):
                        return
            await asyncio.sleep(0.2)


async def test_a_stranger_checks_a_call(make_server: Callable[..., Server], tmp_path: Path) -> None:
    server = await asyncio.to_thread(
        make_server, start=False, ledger={"signer": "own_process", "cosign_every_s": 1}
    )
    logs = tmp_path / "logs.txt"
    logs.write_text("".join(key + "\n" for key in await asyncio.to_thread(begun, server)))
    config = ("--config", str(server.profile_file))
    async with watched(tmp_path / "witness", logs) as (address, key):
        watching = VerifierKey.parse(key)
        server.profile["ledger"]["witnesses"] = [{"url": address, "key": key}]
        await server.up()
        await cosigned(server, watching)

        await server.call(Wait(), Say(text="are you a robot"), Wait(), HangUp())
        await server.until(r.CallClosed)
        [trace] = await asyncio.to_thread(server.traces)
        call = trace.call.id
        [opened] = [x for x in await asyncio.to_thread(server.records) if isinstance(x, r.CallOpened)]
        assert opened.checkpoint is not None
        embedded = parse_checkpoint(base64.b64decode(opened.checkpoint))
        assert cosigned_at(embedded, watching)  # not before
        await cosigned(server, watching, beyond=trace.ledger.last_leaf)

        packet = tmp_path / "call.zip"
        made = await asyncio.to_thread(
            sayso, "audit", call, "-o", str(packet), "--as", "tester", "--purpose", "a test", *config,
            cwd=server.root,
        )  # fmt: skip
        assert made.returncode == 0, made.stdout + made.stderr
        assert await server.down() == 0

    await asyncio.to_thread(as_a_stranger, server, packet, key, logs, trace)


def as_a_stranger(server: Server, packet: Path, key: str, logs: Path, trace: Trace) -> None:
    """A trust file had by another way, the packet, and nothing else of ours that runs."""
    folder = packet.parent
    trust = folder / "auditor.keys"
    register = sayso(
        "keys", "list", "--trust", "--config", str(server.profile_file), cwd=server.root
    ).stdout.split()[0]
    trust.write_text(f"log {register}\nwitness w {key}\nquorum w\n")
    code, report = verified(str(packet), "--trust", str(trust))
    assert (code, report["verdict"]) == (0, "holds, issuer authenticated")
    code, report = verified(str(packet))
    assert (code, report["authenticated"]) == (0, False)
    assert report["verdict"] == "self-consistent, issuer not authenticated"

    with zipfile.ZipFile(packet) as whole:
        assert "are you a robot" in whole.read("trace.json").decode()
        page = whole.read("index.html").decode()
    assert "are you a robot" in page and "src=" not in page and "//" not in page.split("<body")[0]
    damaged = bytearray(packet.read_bytes())
    damaged[damaged.index(b"are you a robot")] ^= 1
    (folder / "damaged.zip").write_bytes(damaged)
    code, report = verified(str(folder / "damaged.zip"), "--trust", str(trust))
    assert code == 1 and failed(report)

    # --- and the whole log, as any web server hands it out ---
    [directory] = [p for p in server.ledger.glob("o_*") if trace.ledger.origin == p.name]
    [vkey] = [line for line in logs.read_text().splitlines() if directory.name in line]
    program = build_stranger(folder)  # Go's own note and tlog packages, on the real call's log
    code, told = run(program, directory / "tlog", vkey)
    assert code == 0, told
    altered = folder / "altered"
    shutil.copytree(directory / "tlog", altered)
    bundle = max((altered / "tile" / "entries").glob("000.p/*"), key=lambda partial: int(partial.name))
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    bundle.write_bytes(data)
    assert run(program, altered, vkey)[0] == 1

    with web(directory / "tlog") as url:
        code, report = verified(url, "--trust", str(trust))
        assert code == 1 and failed(report) == ["issuer"]  # the register's key alone does not name this log
        named = folder / "log.keys"
        named.write_text(
            "".join(line for line in logs.read_text().splitlines(True) if directory.name in line)
        )
        code, report = verified(url, "--trust", str(named))
        assert (code, report["verdict"]) == (0, "holds, issuer authenticated"), report
    code, report = verified(str(server.ledger), "--trust", str(trust))
    assert (code, report["verdict"]) == (0, "holds, issuer authenticated"), report
