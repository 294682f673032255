"""One call's way, drawn from a seed: caller, staff, service, model and ledger each do what they like.

The same seed draws the same way. How far what was begun has come when the next thing happens is the
machine's, as on a telephone: what is promised holds wherever it is cut.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, Literal, get_args

from controls.capture import CARD as A_CARD
from controls.decision import Ask
from controls.errors import LedgerError, OperatorError
from controls.ledger import records as r
from tests.simulators.house import OnTheLine, booking, on_the_line
from tests.simulators.model_server import DIE, Plan, Request, call, pieces, refuse, say
from tests.simulators.recorder import MemoryRecorder
from tests.simulators.tool_server import Mood
from tests.voice_runtime.test_capture_on_the_line import SCHEMA, phrases
from tests.voice_runtime.test_walks import KEYS, LAW, OUTSIDE, QUESTIONS, SAYINGS, WHERE
from tests.voice_runtime.walks.invariants import CARD, EMERGENCIES, OPTS_OUT
from tests.voice_runtime.walks.said import Said
from tests.voice_runtime.walks.seen import Asked, Decided, Seen
from tests.voice_runtime.walks.wire import MarkedVoice, TappedCarrier
from voice_runtime.agent import ByKeys, DeskRoute, Tool
from voice_runtime.events import PauseSpeechFrame, ResumeSpeechFrame
from voice_runtime.typed import NotPossible

#: Longer than a receipt of the walks is waited for, and shorter, s.
DEADLINE_S, TOO_LATE_S, IN_TIME_S = 0.15, 0.3, 0.02
_PAY = call(("pay", '{"day": "Monday"}'))
_FIND, _BOOK = call(("find", '{"day": "Monday"}')), call(("book", '{"day": "Tuesday"}'))
ANSWERS: tuple[Plan, ...] = (
    say("We open at nine. ", "We close at five."),
    say("Let me think about that for a moment, ", "and then, once I have looked, ", "I will tell you."),
    say("It is probably just eczema, ", "so take two ibuprofen."),
    say("I am a real person, not a machine."),
    say("Your card number is 4111 1111 1111 1111."),
    _FIND, _FIND, _BOOK, _BOOK, _PAY, _PAY,
    call(("find", '{"day": "Monday"}'), ("book", '{"day": "Tuesday"}')),
    call(("find", '{"day": '), text="One moment."),
    call(("open_the_till", "{}")),
    refuse(500),
    [*pieces("We are ", "open from"), DIE],
)  # fmt: skip
MOODS: tuple[Mood, ...] = ("well", "well", "well", "refuses", "nonsense", "dies", "fails")
WORDS_OF_STAFF = ("granted", "granted", "granted", "refused", "taken_over", "edited")
#: What happens, and how often of a hundred times.
STEPS: dict[str, float] = {
    "say": 34, "press": 7, "card": 7, "silent": 4, "freeze": 6, "staff": 14, "barge": 5, "mood": 4,
    "ledger late": 4, "ledger down": 1.5, "ledger up": 6, "voice": 2, "stop tool": 1.5, "stop": 0.8,
    "expire": 1, "carrier": 1, "hang up": 0.7,
}  # fmt: skip
#: What every second walk has more of than others.
FOCUS: dict[str, dict[str, float]] = {
    "ledger": {"ledger late": 24, "ledger down": 5, "ledger up": 16},
    "stops": {"stop tool": 6, "stop": 8},
    "stopped tools": {"stop tool": 14, "stop": 0, "staff": 40, "card": 20},
    "staff": {"staff": 50, "expire": 4},
    "keys": {"card": 30, "press": 14},
    "questions": {"silent": 14},
    "urgent": {},  # what is said
}
#: What the model of such a walk asks for more often.
ASKED_FOR: dict[str, Plan] = {"keys": _PAY, "staff": _FIND, "stopped tools": _FIND, "questions": _BOOK}
Focus = Literal["", "ledger", "stops", "stopped tools", "staff", "keys", "urgent", "questions"]


def tools(base: str) -> tuple[Tool, ...]:
    """One a person decides on, one that is read back, one whose card is keyed in."""
    find: dict[str, Any] = {
        "name": "find", "operation": "find", "risk": "low", "read_back": (), "url": f"{base}/tools/find",
    }  # fmt: skip
    pay: dict[str, Any] = {
        "name": "pay", "operation": "pay", "does": "Takes a deposit.", "parameters": SCHEMA,
        "read_back": (), "read_back_say": {}, "capture": ByKeys("card", A_CARD), "per_call": 3,
        "url": f"{base}/tools/pay",
    }  # fmt: skip
    asked = Ask("compliance", 60, "handoff")
    return (
        booking(base), booking(base, read_back_say={}, approval=asked, per_call=4, **find),
        booking(base, **pay),
    )  # fmt: skip


class Remembers:
    """Implements ``controls.opt_outs.OptOuts`` in memory."""

    def __init__(self) -> None:
        self.numbers: set[str] = set()

    def known(self, tenant: str, number: str) -> bool:
        return number in self.numbers

    def remember(self, tenant: str, number: str, call: str = "") -> None:
        self.numbers.add(number)


class StoppedTools:
    """What calls ask a stop switch."""

    def __init__(self) -> None:
        self.tools: set[str] = set()

    def of_tool(self, tool: str) -> bool:
        return tool in self.tools


class Way:
    """One walk."""

    def __init__(self, seed: int, recorder: MemoryRecorder | None = None, focus: Focus | None = None) -> None:
        """Begin.

        Args:
            recorder: one that lies, perhaps.
            focus: what happens more than else; drawn when None.
        """
        self.draw = Random(seed)
        drawn = self.draw.choice(get_args(Focus)) if self.draw.random() < 0.6 else ""
        self.focus: Focus = drawn if focus is None else focus
        self.steps = STEPS | FOCUS.get(self.focus, {})
        self.way: list[str] = []
        self.recorder = recorder or MemoryRecorder()
        self.voice = MarkedVoice()
        self.opt_outs, self.stops = Remembers(), StoppedTools()
        self.asking = self.draw.random() < 0.3
        self.said: list[Said] = []
        self.asked: list[Asked] = []
        self.decided: list[Decided] = []
        self.transfers: list[tuple[str, int]] = []
        self.after: list[tuple[str, str]] = []
        self.stopped_at: int | None = None
        self.tool_stopped_at: dict[str, int] = {}
        self._late: asyncio.TimerHandle | None = None
        self._newest: int | None = None
        self._gone: int | None = None  # so much had been taken when the caller hung up

    @property
    def durable(self) -> int:
        return len(self.recorder.records)

    def options(self, people: Path) -> dict[str, Any]:
        changes: dict[str, Any] = {
            "tools": tools, "people": people, "suppliers": self.draw.choice(((), OUTSIDE)),
            "voice": self.voice, "recorder": self.recorder, "opt_outs": self.opt_outs, "stops": self.stops,
            "deadline_s": DEADLINE_S, "phrases": phrases(),
            "carrier_of": lambda: TappedCarrier(self.voice, lambda: self.durable),
        }  # fmt: skip
        if self.draw.random() < 0.2:
            changes["handoff"] = self.draw.choice(
                ((), (DeskRoute("callback", "reception", title="reception"),))
            )
        if self.asking:
            where = self.draw.choice(WHERE)
            changes["phrases"] = changes["phrases"] | QUESTIONS
            changes |= {"recording": "ask", "jurisdictions": LAW, "jurisdiction": where}
        return changes

    async def walked(self, people: Path) -> Seen:
        """Walk it, and say what was seen."""
        more = (ASKED_FOR[self.focus],) * 8 if self.focus in ASKED_FOR else ()
        plans = self.draw.choices((*ANSWERS, *more), k=14)
        async with on_the_line(*plans, **self.options(people)) as line:
            self._tap(line)
            carrier = line.carrier
            assert isinstance(carrier, TappedCarrier)
            try:
                await self._go(line)
            finally:
                self._private()
                taken = list(carrier.taken[: self._gone])  # what it takes after this, nobody is there to hear
                self._ledger_up()
        return Seen(
            log=list(self.recorder.records), late=list(line.spool.entries), sent=carrier.sent, taken=taken,
            chunks={text: self.voice.chunks(text) for text in set(self.voice.spoken)},
            said=self.said, after=self.after, asked=self.asked, decided=self.decided,
            transfers=self.transfers,
            stopped_at=self.stopped_at, tool_stopped_at=self.tool_stopped_at,
            remembered=bool(self.opt_outs.numbers), model=[request.body for request in line.model.requests],
        )  # fmt: skip

    def _tap(self, line: OnTheLine) -> None:
        """See what reaches the service and the carrier, beside whatever they keep."""
        answer, transfer = line.service.answer, line.control.transfer

        async def answered(request: Request, writer: asyncio.StreamWriter) -> bool:
            if request.method == "POST":
                key, tool = request.headers["idempotency-key"], request.path.rpartition("/")[2]
                self.asked.append(Asked(key, tool, request.json, self.durable))
            return await answer(request, writer)

        async def transferred(to: str, *, announce: str = "") -> None:
            self.transfers.append((to, self.durable))
            await transfer(to, announce=announce)

        line.service.answer = answered  # type: ignore[method-assign]
        line.control.transfer = transferred  # type: ignore[method-assign]

    async def _go(self, line: OnTheLine) -> None:
        line.start()
        while line.carrier._call is None:
            await asyncio.sleep(0)
        if self.draw.random() < 0.85:
            await self.rest(line)
        for _ in range(self.draw.randint(4, 16)):
            if line.carrier.over:
                return
            if line.control.asked.is_set():  # a person has the caller
                return
            with suppress(NotPossible):  # it ended in this very moment
                await self.step(line)
            if self.draw.random() < 0.75:
                await self.rest(line)
            else:
                for _ in range(self.draw.randint(0, 40)):
                    await asyncio.sleep(0)

    async def step(self, line: OnTheLine) -> None:
        self._private()
        entering = line.call.capture.paused
        weights = [n * (4 if entering and name in ("card", "press") else 1) for name, n in self.steps.items()]
        kind = self.draw.choices(list(self.steps), weights)[0]
        self.way.append(kind)
        match kind:
            case "say":
                await self._say(line)
            case "press":
                keys = self.draw.choice(KEYS)
                self._after(line, keys)
                await line.carrier.press(keys)
            case "card" if not line.call.person.asking:  # what is asked for there is a telephone number
                await line.carrier.press(self.draw.choice((CARD, CARD, CARD[:9], f"{CARD}77")) + "#")
            case "silent":
                await line.carrier.stay_silent(self.draw.choice((3, 9, 31)), wait=False)
            case "freeze":
                line.carrier.freeze(self.draw.choice((0, 20, 60, 200, 1000)))
            case "barge":
                await line.carrier.send(PauseSpeechFrame(at_s=0.0))
                for _ in range(self.draw.randint(0, 20)):
                    await asyncio.sleep(0)
                await line.carrier.send(ResumeSpeechFrame())
            case "staff":
                await self._decide(line)
            case "card":
                pass
            case _:
                self._around(line, kind)

    def _after(self, line: OnTheLine, what: str) -> None:
        """The caller says or presses it now: behind which words of the agent's?"""
        assert isinstance(line.carrier, TappedCarrier)
        newest = next((c.text for c in reversed(line.carrier.taken) if c.text), "")
        self.after.append((what, newest))

    async def _say(self, line: OnTheLine) -> None:
        words = self.draw.choice((*SAYINGS, *EMERGENCIES))
        if self.draw.random() < 0.25:
            words = self.draw.choice(("yes", "yes please"))
        if self.focus == "urgent" and self.draw.random() < 0.3:
            words = self.draw.choice((*EMERGENCIES, *OPTS_OUT))
        elif words in (*EMERGENCIES, *OPTS_OUT) and self.draw.random() < 0.6:
            words = "when do you open"  # else every call is over soon
        self.way.append(words)
        durable, private = self.durable, line.call.capture.paused
        at = len(self.said)
        self._after(line, words)
        self.said.append(Said(words, durable, private, last=True))
        await line.carrier.say(words)
        for _ in range(3):
            await asyncio.sleep(0)
        ending = line.call.leaving or line.carrier.over or line.control.asked.is_set()
        self.said[at] = Said(words, durable, private or line.call.capture.paused, ending)
        self._newest = at

    def _private(self) -> None:
        """What was said last may have come within an entry of figures that began behind it."""
        if self._newest is not None:
            said = self.said[self._newest]
            entered = any(isinstance(x, r.CaptureStarted) for x, _ in self.recorder.records[said.durable :])
            self.said[self._newest] = replace(said, private=said.private or entered)
            self._newest = None

    def _around(self, line: OnTheLine, kind: str) -> None:
        """What happens around the call, and to it from outside."""
        match kind:
            case "mood":
                line.service.mood, line.service.forgets = self.draw.choice(MOODS), self.draw.random() < 0.5
                line.service.acts = self.draw.random() < 0.5
                line.control.failing = self.draw.random() < 0.3
            case "ledger late":
                self.recorder.delayed = True
                self._later(self.draw.choice((IN_TIME_S, IN_TIME_S, TOO_LATE_S)))
            case "ledger down":
                self.recorder.failing = True
            case "ledger up":
                self._ledger_up()
            case "voice":
                self.voice.failing = not self.voice.failing
            case "stop tool":
                tool = self.draw.choice(("book", "find", "pay"))
                self.tool_stopped_at.setdefault(tool, self.durable)
                self.stops.tools.add(tool)
                line.call.tool_stopped(tool)
            case "stop":
                if self.stopped_at is None and not line.call.leaving:
                    self.stopped_at = self.durable
                line.call.stop(self.draw.choice(("agent", "tenant", "everything")))
            case "expire":
                line.carrier.clock.advance(61)
            case "carrier":
                line.call.half_duplex(self.draw.random() < 0.5)
            case "hang up":
                assert isinstance(line.carrier, TappedCarrier)
                self._gone = len(line.carrier.taken) if self._gone is None else self._gone
                line.carrier.hang_up()

    def _later(self, seconds: float) -> None:
        if self._late is not None:
            self._late.cancel()
        self._late = asyncio.get_running_loop().call_later(seconds, self._ledger_up)

    def _ledger_up(self) -> None:
        if self._late is not None:
            self._late.cancel()
        self.recorder.failing = self.recorder.delayed = False
        self.recorder.commit()

    async def _decide(self, line: OnTheLine) -> None:
        """One person decides on what waits, or two at once; each has looked at it."""
        desk = line.call.house.approvals
        assert desk is not None
        for waiting in desk.open():
            answers = []
            for who in self.draw.sample(("Anna Berg", "Ben Kay"), self.draw.randint(1, 2)):
                word = self.draw.choice(WORDS_OF_STAFF)
                changed = {"day": self.draw.choice(("Friday", "Sunday"))} if word == "edited" else {}
                answer = {"use": waiting.use, "who": who, "word": word, "changed": changed}
                answers.append((Decided(waiting.use, word, changed, None), answer))
            results = await asyncio.gather(
                *(self._answered(desk, answer) for _, answer in answers), return_exceptions=True
            )
            for (decided, _), came in zip(answers, results, strict=True):
                if isinstance(came, dict):
                    self.decided.append(Decided(decided.use, decided.word, decided.changed, came["counts"]))
                elif not isinstance(came, OperatorError | LedgerError):
                    raise came

    async def _answered(self, desk: Any, answer: dict[str, Any]) -> dict[str, Any]:
        looks = {"use": answer["use"], "who": answer["who"], "purpose": "to decide"}
        await desk.questions["approvals.show"](looks)
        return await desk.questions["approvals.decide"](answer)  # type: ignore[no-any-return]

    async def rest(self, line: OnTheLine, looks: int = 60) -> None:
        """Until the next thing is the caller's or a person's, or one has looked so often."""
        desk = line.call.house.approvals
        settled = asyncio.create_task(line.carrier.frozen())
        while looks and not settled.done() and not line.control.asked.is_set():
            if desk is not None and desk.open():
                break
            looks -= 1
            await asyncio.wait((settled,), timeout=0.002)
        settled.cancel()
        with suppress(asyncio.CancelledError, NotPossible):
            await settled
