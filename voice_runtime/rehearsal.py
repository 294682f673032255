"""One agent with its real parts and no line: what scripted conversations run on.

The release, its rules, the ledger, the model's server, the voice and the
services the profile brings itself are those of a real call. Only the ear and
the carrier are missing (``typed`` stands for both), and the records lie in a
directory of the rehearsal's own.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

from controls import intents
from controls.errors import LedgerError, OperatorError
from controls.ledger.ledger import Ledger
from voice_runtime.agent import Release
from voice_runtime.approvals import ApprovalDesk
from voice_runtime.children import Child
from voice_runtime.clock import SystemClock
from voice_runtime.house import Agent, House, Supplier
from voice_runtime.lines import load_lines
from voice_runtime.offline.book_file import FOLDER as BOOKS
from voice_runtime.offline.standin import MODEL
from voice_runtime.people import People
from voice_runtime.ports import Synthesiser
from voice_runtime.resolve import load_release
from voice_runtime.settings import Settings
from voice_runtime.speak.espeak import EspeakSynthesiser, VoiceSettings
from voice_runtime.speak.spoken import spoken_phrases
from voice_runtime.speak.voice import Engine, PhraseCache
from voice_runtime.store.tool_uses import ToolUseBook
from voice_runtime.think.endpoints import Endpoint, Endpoints
from voice_runtime.think.judges import Judges
from voice_runtime.think.services import Service, ServiceClient

_STANDIN_NOTE = "rule-based stand-in, not a language model"


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What ``rehearsing`` yields.

    Attributes:
        region: where the agent's lines keep its records.
        jurisdiction: of its first line; "", which takes the strictest rule, where it has none.
        ledger: what ``house`` writes to; its files lie in ``ledger.root``.
        books: the databases of the appointment services its tools use.
    """

    agent: Agent
    house: House
    region: str
    ledger: Ledger
    books: tuple[Path, ...]
    jurisdiction: str = ""

    def rows(self) -> int:
        """Booked appointments that were not cancelled. Blocks for a read.

        Raises:
            OperatorError: a book cannot be read.
        """
        count = 0
        for book in self.books:
            with closing(self._connect(book)) as db:
                found = db.execute("SELECT count(*) FROM appointments WHERE cancelled_at IS NULL")
                count += int(found.fetchone()[0])
        return count

    def empty_book(self) -> None:
        """Forget every appointment, so that the next conversation finds the week as it was. Blocks."""
        for book in self.books:
            with closing(self._connect(book)) as db, db:
                db.execute("DELETE FROM appointments")

    @staticmethod
    def _connect(book: Path) -> sqlite3.Connection:
        try:
            return sqlite3.connect(f"{book.absolute().as_uri()}?mode=rw", uri=True, timeout=2.0)
        except sqlite3.Error as error:
            raise OperatorError(f"the appointment book cannot be read: {type(error).__name__}") from error


@asynccontextmanager
async def rehearsing(
    settings: Settings, name: str, directory: Path, *, synthesiser: Synthesiser | None = None
) -> AsyncIterator[Rehearsal]:
    """Start an agent's real parts; everything is stopped at the end.

    Args:
        name: the agent's folder below ``agents``.
        directory: where records and rows go; made when missing.
        synthesiser: a running one instead of the profile's espeak-ng.

    Raises:
        SayError: something cannot be used as configured.
    """
    async with AsyncExitStack() as stack:
        lines = await asyncio.to_thread(load_lines, settings.root)
        release = await asyncio.to_thread(load_release, settings.root, name, settings, lines)
        if release.rules is None:
            raise OperatorError(f"agent {name}: its rules were not compiled")
        rules_folder, packs = settings.root / "configs" / "rules", release.rules.packs
        intents.use(await asyncio.to_thread(intents.load_intents, rules_folder, packs))
        region = next((line.region for line in lines.of(name)), "local")
        await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)

        ledger = await _ledger(stack, settings, release, region, directory)
        services, books = await _services(stack, settings, release, directory)
        endpoints = await _model(stack, settings, name)
        if synthesiser is None:
            synthesiser = await _voice(stack, settings)
        phrases = PhraseCache()
        spoken = spoken_phrases(release.phrases, release.say_as)
        await phrases.fill(spoken, synthesiser, voice=release.voice)
        note = _STANDIN_NOTE if settings.model.standin else ""
        bound = [
            Supplier("model", e.name, e.model, e.region, e.outside, e.base_url, note)
            for e in endpoints.endpoints
        ]
        bound.append(Supplier("voice", synthesiser.name, release.voice))
        engine = Engine(synthesiser, first_piece_s=settings.voice.deadline_s)
        house = House(
            recorder=ledger, clock=SystemClock(), services=services, environment=settings.environment,
            spool=ledger.append_spooled, receipt_deadline_s=settings.ledger.receipt_deadline_ms / 1000,
            tool_uses=await asyncio.to_thread(ToolUseBook, directory),
            approvals=ApprovalDesk(ledger, People(directory)),
        )  # fmt: skip
        agent = Agent(
            release,
            release.rules,
            endpoints,
            [engine],
            phrases,
            tuple(bound),
            release.languages,
            spoken,
            Judges(endpoints),
        )
        jurisdiction = next((line.jurisdiction for line in lines.of(name)), "")
        yield Rehearsal(agent, house, region, ledger, books, jurisdiction)


async def _ledger(
    stack: AsyncExitStack, settings: Settings, release: Release, region: str, directory: Path
) -> Ledger:
    if release.retention is None:
        raise LedgerError(f"agent {release.name}: no retention schedule was resolved")
    tagger = release.retention.tagger(region, release.retention_shorter)
    ledger = await asyncio.to_thread(
        Ledger.open, directory / "ledger", tagger=tagger, publish=False,
        spool_bytes=settings.ledger.spool_mb * 1024 * 1024,
    )  # fmt: skip
    stack.push_async_callback(asyncio.to_thread, ledger.close)
    await asyncio.to_thread(ledger.prepare, release.tenant)
    return ledger


async def _services(
    stack: AsyncExitStack, settings: Settings, release: Release, directory: Path
) -> tuple[ServiceClient, tuple[Path, ...]]:
    """The services the agent's tools need, each started afresh: a rehearsal never touches a real one."""
    found: dict[str, Service] = {}
    books: list[Path] = []
    for name in sorted({tool.service for tool in release.tools}):
        address = settings.services.get(name)
        if address is None or not address.embedded:
            raise OperatorError(
                f"scripted conversations change rows, and service {name} of this profile is a real one: "
                "use a profile that brings it (embedded: true)"
            )
        key, path = secrets.token_hex(16), directory / f"{name}.db"
        child = Child(
            "voice_runtime.offline.appointments",
            "--db",
            str(path),
            "--book",
            str(settings.root / BOOKS / f"{name}.yaml"),
            environment={"SAYSO_APPOINTMENTS_KEY": key},
        )
        stack.push_async_callback(child.stop)
        await child.start()
        found[name] = Service(name, key.encode(), str(child.ready["address"]))
        books.append(path)
    client = ServiceClient(found)
    stack.push_async_callback(client.aclose)
    client.require(release.tools)
    return client, tuple(books)


async def _model(stack: AsyncExitStack, settings: Settings, name: str) -> Endpoints:
    standin: Endpoint | None = None
    if settings.model.standin:
        file = settings.root / "agents" / name / "offline.yaml"
        child = Child("voice_runtime.offline.standin", "--agent-file", str(file))
        stack.push_async_callback(child.stop)
        await child.start()
        standin = Endpoint("standin", f"{child.ready['address']}/v1", f"{MODEL}/{name}")
    endpoints = Endpoints.of(settings.model, standin)
    stack.push_async_callback(endpoints.aclose)
    await endpoints.warm()
    return endpoints


async def _voice(stack: AsyncExitStack, settings: Settings) -> Synthesiser:
    voices = {
        name: VoiceSettings(variant=v.variant, rate_wpm=v.rate_wpm, pitch=v.pitch)
        for name, v in settings.voice.voices.items()
    }
    synthesiser = EspeakSynthesiser(voices, settings.voice.deadline_s)
    stack.push_async_callback(synthesiser.close)
    await synthesiser.start()
    return synthesiser
