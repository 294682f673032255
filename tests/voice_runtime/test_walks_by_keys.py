"""Calls that go any way while figures are entered by keys: framed, private, and used at most once.

Each call is walked by a seed. A few run here, more by ``SAYSO_WALKS=10000 pytest …``.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import suppress
from random import Random

import pytest

from controls.ledger import records as r
from tests.simulators.house import OnTheLine
from tests.simulators.model_server import DIE, Plan, call, pieces, say
from tests.simulators.whole import problems
from tests.voice_runtime.test_capture_on_the_line import PAY, SCHEMA, line_of, paying, shown
from voice_runtime.agent import Tool
from voice_runtime.judging import Part, settled
from voice_runtime.typed import NotPossible

pytestmark = pytest.mark.anyio

WALKS, EACH = max(20, int(os.environ.get("SAYSO_WALKS", "120")) // 2), 20
#: Keyed in whole and in part; said aloud; and one too short. Test numbers that nobody has.
CARD = "5555341244441115"
KEYS = (CARD, CARD, CARD[:9], CARD[9:], f"{CARD}77", "*", "#", "0", "12", "0#")
SAYINGS = (
    "i would like to pay", "yes", "no", "stop", "let me talk to a person", "i have chest pain",
    "never call me again", "i do not want to be recorded", "what did you say", "hello", "mhm",
    "my card is five five five five three four one two",
)  # fmt: skip
ANSWERS: tuple[Plan, ...] = (
    PAY, PAY, PAY, say("We open at nine. ", "We close at five."), [*pieces("We are ", "open"), DIE],
    call(("pay", '{"day": "Monday", "card": "1"}')), call(("pay", '{"day": ')),
)  # fmt: skip


def tools(base: str) -> tuple[Tool, ...]:
    """One that is used at once, or after a yes."""
    return paying(base, parameters=SCHEMA, per_call=4)


def asks_first(base: str) -> tuple[Tool, ...]:
    question = {"en-US": "{day}. Shall I take a deposit?"}
    return paying(base, read_back=("day",), read_back_say=question, per_call=4)


async def step(line: OnTheLine, draw: Random, way: list[str]) -> None:
    entering = line.call.capture.paused
    kinds = ("say", "press", "silent", "stop", "tool")
    kind = draw.choices(kinds, (3, 6, 1, 0.1, 0.3) if entering else (8, 1, 1, 0.1, 0.3))[0]
    way.append(kind)
    match kind:
        case "say":
            words = draw.choice(SAYINGS) if entering or draw.random() < 0.4 else SAYINGS[draw.randint(0, 1)]
            way.append(words)
            await line.carrier.say(words)
        case "press":
            keys = draw.choice(KEYS)
            way.append(keys)
            for key in keys + draw.choice(("", "#")):
                await line.carrier.press(key)
        case "silent":
            await line.carrier.stay_silent(draw.choice((9, 31)), wait=False)
        case "stop":
            line.call.stop()
        case "tool":
            line.call.tool_stopped("pay")


async def rest(line: OnTheLine, looks: int = 3000) -> None:
    """Until the next thing is the caller's, or a person has been asked for, or one has looked so often."""
    settling = asyncio.create_task(line.carrier.settled())
    while looks and not settling.done() and not line.control.asked.is_set():
        looks -= 1
        await asyncio.wait((settling,), timeout=0.002)
    settling.cancel()
    with suppress(asyncio.CancelledError, NotPossible):
        await settling


async def walked(seed: int) -> list[str]:
    """What is wrong with one call, with the way it went."""
    draw, way = Random(seed), list[str]()
    plans = draw.choices(ANSWERS, k=12)
    async with line_of(*plans, tools=draw.choice((tools, asks_first))) as line:
        line.service.result = {"card": CARD}
        line.start()
        while line.carrier._call is None:
            await asyncio.sleep(0)
        await line.settled()
        for _ in range(draw.randint(3, 10)):
            if line.carrier.over or line.control.asked.is_set():
                break
            with suppress(NotPossible):
                await step(line, draw, way)
                await rest(line, draw.choice((0, 3, 3000)))
    return [f"seed {seed} ({', '.join(way)}): {problem}" for problem in wrong(line)]


def wrong(line: OnTheLine) -> list[str]:
    entries = line.recorder.records
    found = [*problems(entries), *settled(Part(entries))]
    text = shown(line)
    found += [f"{part} is left" for part in (CARD, CARD[:9], CARD[9:]) if part in text]
    captured = [x.use for x, _ in line.of("capture.ended") if x.outcome == "captured"]
    sent = [(use.headers["idempotency-key"], json.loads(use.body)["card"]) for use in line.service.uses]
    if len({use for use, _ in sent}) != len(sent) or not {use for use, _ in sent} <= set(captured):
        found.append(f"{len(sent)} requests, {len(captured)} entries")
    if any(card != CARD for _, card in sent):
        found.append("the service got something else")
    entering = ""
    for record, personal in entries:
        match record:
            case r.CaptureStarted():
                found += [f"{record.use} began within {entering}"] if entering else []
                entering = record.use
            case r.CaptureEnded():
                entering = ""
            case r.CallerSaid() if entering and getattr(personal, "text", "") not in ("", "[withheld]"):
                found.append(f"turn {record.turn} is kept, and was said during an entry")
            case r.TurnDecided() if entering:
                found.append(f"the model answered turn {record.turn} during an entry")
    return found


@pytest.mark.parametrize("first", range(0, WALKS, EACH))
async def test_whatever_happens_an_entry_is_framed_and_leaves_nothing(first: int) -> None:
    found = [problem for seed in range(first, first + EACH) for problem in await walked(seed)]
    assert not found, "\n".join(found)


async def test_the_walks_come_to_every_end() -> None:
    """Else they would prove little."""
    ends: set[str] = set()
    for seed in range(60):
        draw = Random(seed)
        async with line_of(PAY, say("Well."), tools=tools) as line:
            line.start()
            await line.settled()
            await line.say("i would like to pay")
            for _ in range(6):
                if line.carrier.over or line.control.asked.is_set() or not line.call.capture.paused:
                    break
                with suppress(NotPossible):
                    await step(line, draw, [])
                    await rest(line)
        ends |= {record.outcome for record, _ in line.of("capture.ended")}
        if ends >= {"captured", "gave_up", "stopped", "person", "emergency", "hung_up"}:
            return
    raise AssertionError(f"only {sorted(ends)}")
