"""The ledger a profile asks for: its period, its signing process, what the register says of its lines."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from controls.errors import OperatorError
from controls.ids import new_id
from controls.ledger import witnesses as house_witnesses
from controls.ledger.keys import FileKeys
from controls.ledger.log import Log
from controls.ledger.notes import COSIGNER, VerifierKey
from controls.ledger.reader import Reader
from controls.ledger.records import REGISTER
from controls.ledger.register import Known, read_register
from controls.ledger.signing_client import ProcessKeys
from controls.ledger.verify import verify_directory
from controls.ledger.witness_client import WitnessAddress
from tests.controls.ledger.support import closed, tagger
from voice_runtime import record_keeping as module
from voice_runtime.lines import Line
from voice_runtime.settings import Settings, load_settings

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).resolve().parents[2]
LINES = [
    Line("front-desk", "phone", "healthcare", "clinic", "us", "us-il", number="+12025550143"),
    Line("web-desk", "web", "healthcare", "clinic", "us", "us-il"),
    Line("garage", "phone", "automotive", "garage", "us", "us-il", number="+12025550144"),
]


def settings(tmp_path: Path, ledger: str) -> Settings:
    text = (ROOT / "configs/profiles/offline.yaml").read_text()
    given = "ledger: {receipt_deadline_ms: 1000, spool_mb: 4}"
    assert "data_dir: .sayso" in text and given in text
    profile = tmp_path / "profile.yaml"
    data_dir = tmp_path / "data"
    text = text.replace("data_dir: .sayso", f"data_dir: {data_dir}")
    profile.write_text(text.replace(given, f"ledger: {ledger}"))
    return load_settings(profile, environ={}, root=ROOT)


def registered(root: Path) -> Known:
    """What the ledger's register says."""
    with Reader.open(root) as reader:
        (register,) = (view for view in reader.views() if view.tenant == REGISTER)
        return read_register(register, routes=True)


@pytest.mark.parametrize("signer", ["in_process", "own_process"])
async def test_logs_are_opened_as_the_profile_says(tmp_path: Path, signer: str) -> None:
    wanted = settings(tmp_path, f"{{signer: {signer}, period: month, kept_months: 12, publish: false}}")
    taggers = {"clinic": tagger, "garage": tagger}
    async with AsyncExitStack() as stack:
        ledger, keys = await module.open_ledger(wanted, taggers, LINES, stack)
        assert isinstance(keys, FileKeys if signer == "in_process" else ProcessKeys)
        tenants = {log.tenant: log for log in ledger.logs()}
        assert tenants.keys() == {REGISTER, "clinic", "garage"} and ledger.healthy
        period = tenants["clinic"].period
        assert 28 * 86_400 <= period.end - period.start <= 31 * 86_400
        assert period.kept_until - period.end >= 365 * 86_400
        record = closed(new_id("c"), 0).model_copy(update={"tenant": "clinic"})
        await asyncio.wrap_future(ledger.append(record))
    root = wanted.data_dir / "ledger"
    assert wanted.data_dir.stat().st_mode & 0o777 == 0o700
    known = await asyncio.to_thread(registered, root)
    origins = {tenant: log.directory.name for tenant, log in tenants.items()}
    assert {route for route, active in known.routes.items() if active} == {
        ("clinic", origins["clinic"], "+12025550143", "front-desk"),
        ("clinic", origins["clinic"], "/call/healthcare", "web-desk"),
        ("garage", origins["garage"], "+12025550144", "garage"),
    }
    assert [key.role for key in known.keys.values()].count("node") == 1
    async with AsyncExitStack() as stack:  # a second start registers nothing twice
        await module.open_ledger(wanted, taggers, LINES, stack)
    assert len((await asyncio.to_thread(registered, root)).routes) == 3
    assert (await asyncio.to_thread(verify_directory, root)).ok


async def test_witnesses_are_asked_and_tiles_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[Log, tuple[WitnessAddress, ...], float]] = []
    found: list[tuple[str, bool]] = []
    started = threading.Semaphore(0)

    class Asked:
        """A cosigner that asks nobody. An assertion in it would be taken for its own failure, and logged."""

        closed, standings = False, ()

        def __init__(
            self, log: Log, witnesses: tuple[WitnessAddress, ...], every_s: float, **_: object
        ) -> None:
            made.append((log, witnesses, every_s))
            self.log = log

        def start(self) -> None:
            found.append(("ready", self.log.ready))
            started.release()

        def close(self) -> None:
            found.append(("healthy", self.log.healthy))

    monkeypatch.setattr(house_witnesses, "Cosigner", Asked)
    key = VerifierKey("witness.example/w1", bytes(range(32)), COSIGNER)
    witness = f"{{url: 'https://witness.example/add', key: '{key}'}}"
    wanted = settings(tmp_path, f"{{cosign_every_s: 20, witnesses: [{witness}]}}")
    async with AsyncExitStack() as stack:
        ledger, _ = await module.open_ledger(wanted, {"clinic": tagger}, LINES[:1], stack)
        directories = [log.directory for log in ledger.logs()]
        for _ in directories:  # each in its log's own thread, which wakes whoever waits for the log first
            assert await asyncio.to_thread(started.acquire, timeout=60)
        assert {log.tenant for log, _, _ in made} == {REGISTER, "clinic"}
        assert all(([w.key for w in ws], every) == ([key], 20) for _, ws, every in made)
    assert found == [("ready", True)] * 2 + [("healthy", True)] * 2, "it is closed before its log is"
    assert all((directory / "tlog" / "checkpoint").exists() for directory in directories)
    with pytest.raises(OperatorError):
        witness = witness.replace(str(key), str(VerifierKey("witness.example/w1", bytes(32))))
        wanted = settings(tmp_path, f"{{witnesses: [{witness}]}}")
        await module.open_ledger(wanted, {"clinic": tagger}, LINES[:1], AsyncExitStack())
