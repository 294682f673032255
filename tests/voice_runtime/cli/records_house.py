"""A profile whose records lie in a folder of the test's own, and the commands that read them."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controls.ledger import records as r
from controls.ledger.keys import Keys
from controls.ledger.ledger import Ledger
from controls.ledger.notes import COSIGNER, VerifierKey, cosignature_line, parse_note, with_signatures
from controls.ledger.reader import Reader
from tests.controls.evidence.calls import CallScript
from voice_runtime.cli.app import run
from voice_runtime.key_operations import key_operations
from voice_runtime.local import LocalSocket, Question, socket_path
from voice_runtime.roster import Roster

ROOT = Path(__file__).resolve().parents[3]


R = TypeVar("R", bound=r.Record)


def tagger(kind: str, at: int) -> r.RetentionTag:
    return r.RetentionTag(
        retention_class="transcripts",
        purpose="service",
        legal_basis="contract",
        region="us",
        expires_at=at + 86_400,
    )


@dataclass
class House:
    """A profile whose records lie in a folder of the test's own."""

    profile: Path
    data_dir: Path
    capsys: pytest.CaptureFixture[str]

    @property
    def ledger(self) -> Path:
        return self.data_dir / "ledger"

    def fill(self, *scripts: CallScript) -> None:
        ledger = Ledger.open(self.ledger, tagger=tagger)
        try:
            for script in scripts:
                futures = [ledger.append(record, personal) for _, record, personal in script.opened]
                for future in futures:
                    future.result(timeout=60)
        finally:
            ledger.close()

    def sayso(self, *args: str) -> tuple[int, str, str]:
        code = run([*args, "--config", str(self.profile)])
        out, err = self.capsys.readouterr()
        return code, out, err

    def json(self, *args: str) -> Any:
        code, out, err = self.sayso(*args, "--json")
        assert code == 0, err
        return json.loads(out)

    def access(self) -> list[tuple[r.AccessViewed, r.AccessDetails]]:
        with Reader.open(self.ledger) as reader:
            found = [e.record for e in reader.records() if isinstance(e.record, r.AccessViewed)]
            return [(record, reader.personal(record)) for record in found]  # type: ignore[misc]

    def of(self, kind: type[R]) -> list[tuple[int, R]]:
        """Each record of a type, with its leaf."""
        with Reader.open(self.ledger) as reader:
            return [(e.leaf, e.record) for e in reader.records() if isinstance(e.record, kind)]

    def cosign(self, tenant: str) -> VerifierKey:
        """An invented witness cosigns the tenant's newest checkpoint, at 1790000999 s."""
        private = Ed25519PrivateKey.from_private_bytes(b"w" * 32)
        key = VerifierKey("witness.example", private.public_key().public_bytes_raw(), COSIGNER)
        ledger = Ledger.open(self.ledger, tagger=tagger)
        try:
            log = ledger.prepare(tenant)
            checkpoint = log.checkpoint()
            line = cosignature_line(parse_note(checkpoint.note)[0], key, 1_790_000_999, private)
            log.add_cosigned(with_signatures(checkpoint, line)).result(timeout=60)
        finally:
            ledger.close()
        return key

    def environment(self, name: str) -> None:
        """The same records under a profile of another environment, with real suppliers."""
        text = (
            self.profile.read_text().split("model:")[0].replace("environment: demo", f"environment: {name}")
        )
        model = "model:\n  endpoints: [{name: local, base_url: 'http://127.0.0.1:9/v1', model: m}]\n"
        voice = "voice:\n  voices:\n    warm: {}\n    clear: {}\n"
        self.profile.write_text(text + model + voice)


class Served(Protocol):
    """What a server needs of a house."""

    data_dir: Path

    @property
    def ledger(self) -> Path: ...


@contextmanager
def serving(
    house: Served,
    *,
    keys: Keys | None = None,
    publish: bool = True,
    questions: Callable[[Ledger], Awaitable[Mapping[str, Question]]] | None = None,
    closing: Sequence[Callable[[], Awaitable[None]]] = (),
) -> Iterator[Ledger]:
    """A server's ledger and local socket, in a thread of their own.

    Args:
        keys: it rotates them, too.
        questions: made on the server's own loop; what else it can be asked.
        closing: closes what they need, on that loop.
    """
    ledger = Ledger.open(house.ledger, tagger=tagger, publish=publish)
    operations = None if keys is None else key_operations(ledger, keys)
    ready, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        answers = await questions(ledger) if questions is not None else {}
        local = LocalSocket(ledger, socket_path(house.data_dir), operations, answers)
        await local.start()
        ready.set()
        await asyncio.to_thread(stop.wait)
        await local.close()
        for close in closing:
            await close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="server")
    thread.start()
    try:
        assert ready.wait(20)
        yield ledger
    finally:
        stop.set()
        thread.join()
        ledger.close()


def one_account() -> Roster:
    """A house where everybody acts by the account that runs the tests."""
    login = Path("/proc/self/loginuid")
    mine = {os.getuid(), *([int(login.read_text())] if login.exists() else [])}
    return Roster(shared=frozenset(mine))
