"""A server's signing process: its child, back after kill -9, gone with the server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import pytest

from controls.errors import InternalError, LedgerError
from controls.ids import new_id
from controls.ledger.envelope import statement_of
from controls.ledger.notes import key_digest
from tests.controls.ledger.support import closed
from voice_runtime import signer as module
from voice_runtime.signer import SigningProcess

pytestmark = pytest.mark.anyio
LOG = new_id("o")


async def test_it_is_started_again_and_its_keys_sign_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_LOOK_S", 0.01)
    signing = SigningProcess(tmp_path / "keys", tmp_path / "signing.sock")
    await signing.start()
    try:
        log = await asyncio.to_thread(signing.keys.log_signer, LOG, create=True)
        record, key = closed(new_id("c"), 3), key_digest(log.verifier.public)
        payload = statement_of(record, origin=LOG, key=key, leaf=0)
        before, first = await asyncio.to_thread(log.sign_statements, [payload]), signing.pid
        os.kill(first, signal.SIGKILL)
        while signing.pid in (0, first):  # until the next one is ready
            await asyncio.sleep(0.01)
        assert await asyncio.to_thread(log.sign_statements, [payload]) == before
    finally:
        await signing.stop()
    await signing.stop()
    assert not (tmp_path / "signing.sock").exists()
    with pytest.raises(LedgerError):
        log.sign_statements([payload])


async def test_one_that_cannot_begin_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    (tmp_path / "keys").mkdir(mode=0o755)
    signing = SigningProcess(tmp_path / "keys", tmp_path / "signing.sock")
    with pytest.raises(InternalError):
        await signing.start()
    await signing.stop()
    assert "chmod 700" in capfd.readouterr().err
    with contextlib.suppress(FileNotFoundError):
        (tmp_path / "signing.sock").unlink()
