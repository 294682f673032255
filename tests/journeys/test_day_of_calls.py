"""A day of calls, and then every byte outside sealed ciphertext: no caller's word, name or number anywhere.

Callers of all agents, in both languages, typed and spoken, tell names, dates of
birth, telephone numbers, addresses and symptoms (all fictional). Then everything
the day left is searched: leaves decoded, tiles, checkpoints, the register, names of
files, every page and row of the databases, spools, /metrics, and what the server
wrote to its outputs. What is searched for are the callers' own words, and besides
them everything that was sealed, opened again with the keys.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest

from controls.ledger import records as r
from controls.ledger.reader import Reader
from controls.ledger.verify import verify_directory
from tests.journeys.byte_scan import SHORTEST, Needles, decoded, digested, places
from tests.journeys.conftest import CALLER, ROOT, Server, unhurried
from tests.simulators.tone import ToneSynthesiser
from voice_runtime.caller.script import HangUp, Press, Say, Script, Silence, TypeWords, Wait
from voice_runtime.caller.webrtc import WebRtcCaller
from voice_runtime.eval_file import EvalFile
from voice_runtime.evals import CALLER as TYPED_CALLER
from voice_runtime.evals import run_eval
from voice_runtime.rehearsal import rehearsing
from voice_runtime.settings import load_settings

pytestmark = pytest.mark.anyio

#: What callers say, by agent and language. Nobody of these is anybody.
CLINIC = (
    "can i see doctor patel on tuesday",
    "at ten, i am guadalupe wintersgill, born on the fourth of march nineteen seventy three",
    "yes",
    "i have a throbbing migraine and blurred vision, my mother had glaucoma",
    "write to g.wintersgill@mailbox.example or call me on (202) 555-0187",
)
HOMES = (
    "can somebody call me about seven mill road",
    "my number is 202 555 0187",
    "yes",
    "my name is thaddeus okonkwo-brill and i use a wheelchair",
)
SALON = ("i am thaddeus okonkwo-brill and want a haircut on friday", "at eleven", "yes")
SALON_ES = (
    "me llamo guadalupe wintersgill y quiero un corte el viernes",
    "a las once",
    "mi numero es 2025550187 y me duele muchísimo la rodilla izquierda",
)
#: Words of theirs that nothing of ours holds, and the numbers they called from or gave.
NAMES = (
    "guadalupe", "wintersgill", "thaddeus", "okonkwo", "nineteen seventy three", "migraine", "blurred vision",
    "glaucoma", "mailbox.example", "wheelchair", "rodilla izquierda",
)  # fmt: skip
NUMBERS = (CALLER.removeprefix("+1"), TYPED_CALLER.removeprefix("+1"), "2025550187")


@dataclass
class Day:
    """What the day left: places to search, and all that was sealed."""

    places: list[tuple[str, bytes]] = field(default_factory=list)
    sealed: set[str] = field(default_factory=set)
    types: set[str] = field(default_factory=set)
    calls: int = 0


def strings(value: Any) -> Iterator[str]:
    """Every string in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (s for v in value.values() for s in strings(v))
    elif isinstance(value, list):
        yield from (s for v in value for s in strings(v))


def gather(day: Day, data_dir: Path) -> None:
    """Take up everything under ``data_dir`` but appointment books and rules, which are the business's own."""
    ledger = data_dir / "ledger"
    assert verify_directory(ledger).ok
    day.places += [
        (name, data) for name, data in places(data_dir) if not is_book(name) and not is_rules(name)
    ]
    with Reader.open(ledger) as reader:
        for info in reader.calls():
            day.calls += 1
            for entry in reader.opened(info.call):
                day.types.add(entry.record.type)
                fixed = isinstance(entry.record, r.AgentPlayed) and entry.record.fixed
                if entry.personal is not None and not fixed:  # fixed words are the release's
                    day.sealed |= set(strings(entry.personal.model_dump(mode="json")))
                    day.sealed.add(entry.personal.model_dump_json())


def is_book(name: str) -> bool:
    return "ledger" not in name and any(b in name for b in ("appointments", "salon", "viewings"))


def is_rules(name: str) -> bool:
    """The packs of a release as kept by digest: configuration, with made-up sentences as its examples."""
    return name.startswith("rules/") and name.endswith(".json")


async def typed(day: Day, root: Path, agent: str, conversations: dict[str, tuple[str, ...]]) -> None:
    """Conversations on an agent's real parts, without sound; in this process."""
    settings = unhurried(
        await asyncio.to_thread(load_settings, ROOT / "configs" / "profiles" / "offline.yaml")
    )
    voice = None if find_spec("espeakng_loader") else ToneSynthesiser()
    async with rehearsing(settings, agent, root, synthesiser=voice) as parts:
        for language, words in conversations.items():
            case = EvalFile.model_validate(
                {"format": 1, "title": "a day", "about": ["day"], "language": language or None, "outcome": {},
                 "steps": [*({"caller": w} for w in words), {"hangs_up": True}]}
            )  # fmt: skip
            result = await run_eval("day", case, parts.agent, parts.house, rows=parts.rows)
            assert not [f for f in result.failures if "rows:" not in f]  # what they book is not the point
    await asyncio.to_thread(gather, day, root)


def in_browser(server: Server, agent: str, *words: str) -> Any:
    steps = [Wait(quiet_ms=300), *(TypeWords(text=w, quiet_ms=300) for w in words), HangUp()]
    return WebRtcCaller(server.address, agent).run(Script(steps=tuple(steps)))


async def served(day: Day, server: Server) -> None:
    """Calls to a real server: by telephone and from browsers, at the same time."""
    by_telephone = server.call(
        Wait(quiet_ms=300),
        Say(text="can i see doctor patel on tuesday", quiet_ms=300),
        Press(keys="0", quiet_ms=1000),
        Silence(seconds=1.0),
        Press(keys=NUMBERS[2] + "#", quiet_ms=300),
        HangUp(),
    )
    results = await asyncio.gather(
        by_telephone,
        in_browser(server, "healthcare", *CLINIC[1:4]),
        in_browser(server, "real_estate", *HOMES),
    )
    assert not any(result.error for result in results)
    async with httpx.AsyncClient() as client:
        for path in ("/metrics", "/health", "/ready"):
            answer = await client.get(server.address + path)
            day.places.append((path, answer.content))
            assert path != "/metrics" or b"sayso_calls" in answer.content


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.timeout(300)
@pytest.mark.leaves("socket", why="the rehearsals' clients keep connections until they are collected")
async def test_a_day_of_calls_leaves_nothing_of_its_callers(
    make_server: Callable[..., Server], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    day = Day()
    server = await asyncio.to_thread(make_server, start=False)
    await server.up()
    async with asyncio.timeout(240), asyncio.TaskGroup() as calls:
        calls.create_task(served(day, server))
        calls.create_task(typed(day, tmp_path / "clinic", "healthcare", {"": CLINIC}))
        calls.create_task(typed(day, tmp_path / "salon", "salon", {"": SALON, "es-US": SALON_ES}))
    assert await server.down() == 0
    await asyncio.to_thread(gather, day, server.settings.data_dir)
    captured = capfd.readouterr()
    day.places += [("stderr", captured.err.encode()), ("stdout", captured.out.encode())]

    assert day.calls == 6
    assert day.types >= {"caller.said", "turn.decided", "clause.cleared", "agent.played", "tool.executed"}
    kept = " ".join(day.sealed).lower()
    assert all(name in kept for name in NAMES), "the day did not hold what is searched for"

    found, planted = await asyncio.to_thread(search, day)
    assert not found
    assert planted == {"wintersgill"}


def search(day: Day) -> tuple[dict[str, set[str]], set[str]]:
    """What is found of the callers and where; and what of a word that is planted in every place."""
    # What was sealed, but for words that are in the configuration: those are nobody's.
    ours = " ".join(
        p.read_text(encoding="utf-8").lower()
        for folder in ("agents", "configs")
        for p in (ROOT / folder).rglob("*.*")
    )
    theirs = {s for s in day.sealed if len(s) >= SHORTEST and s.lower() not in ours}
    needles = Needles({*NAMES, *CLINIC, *HOMES, *SALON, *SALON_ES, *theirs}, NUMBERS)
    assert len(needles) > 60
    found = {name: hits for name, data in day.places if (hits := needles.found_in(data))}
    one = Needles(["wintersgill"])
    planted = [one.found_in(d[: len(d) // 2] + b"Wintersgill" + d[len(d) // 2 :]) for _, d in day.places]
    return found, set.intersection(*planted)


# --- the search itself can find -------------------------------------------------------------------

_WORDS, _NUMBER = "guadalupe wintersgill", "2025550187"


@pytest.mark.parametrize(
    "planted",
    [
        b"... Guadalupe Wintersgill ...",
        "GUADALUPE WINTERSGILL".encode("utf-16-le"),
        b"x" + base64.b64encode(b"she is guadalupe wintersgill."),
        base64.b64encode(b'{"payload": "' + base64.b64encode(b"is guadalupe wintersgill") + b'"}'),
        base64.urlsafe_b64encode(b"??>>guadalupe wintersgill>>"),
        b"guadalupe wintersgill".hex().encode(),
        b"/calls?name=guadalupe%20wintersgill",
        b"/calls/guadalupe-wintersgill.json",
        *sorted(digested(b"guadalupe wintersgill")),
    ],
)  # fmt: skip
def test_planted_words_are_found(planted: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(1000) + planted + bytes(10))
    needles = Needles([_WORDS])
    assert [name for name, data in places(tmp_path) if needles.found_in(data)] == ["file"]


@pytest.mark.parametrize(
    "planted",
    [
        b"2025550187", b"+12025550187", b"0012025550187", b"(202) 555-0187", b"202.555.0187", b"202 555 0187",
        b"1-202-555-0187", b"two oh two five five five oh one eight seven", b"2, 0, 2, 5, 5, 5, 0, 1, 8, 7",
        base64.b64encode(b'{"to": "+12025550187"}'), base64.b64encode(b"+12025550187"),
        *sorted(digested(b"+12025550187")),
    ],
)  # fmt: skip
def test_planted_numbers_are_found(planted: bytes) -> None:
    assert Needles([], [_NUMBER]).found_in(b"called " + planted + b" today") == {_NUMBER}


def test_planted_rows_and_names_are_found(tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "log.db") as db:
        db.execute("CREATE TABLE t(a)")
        db.execute("INSERT INTO t VALUES(?)", ("x" * 4060 + _WORDS + "x" * 9000,))
    db.close()
    (tmp_path / _WORDS).mkdir()
    needles = Needles([_WORDS])
    hits = [name for name, data in places(tmp_path) if needles.found_in(data)]
    assert hits == [f"the name {_WORDS}", "rows of log.db"] or hits == [
        f"the name {_WORDS}", "log.db", "rows of log.db"
    ]  # fmt: skip


def test_other_bytes_are_not_taken_for_words() -> None:
    needles = Needles([_WORDS, "migraine"], [_NUMBER])
    assert not needles.found_in(bytes(range(256)) * 400)
    assert not needles.found_in(b"a" * 10_000 + b"202555018" + b"20255501870 f2025550187")
    assert list(decoded(base64.b64encode(b"a long enough text of ours"))) == [b"a long enough text of ours"]
