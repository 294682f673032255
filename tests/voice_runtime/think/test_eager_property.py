"""Pauses, answers, interruptions and turns in any order: nothing leaks, and all is on record once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pipecat.processors.aggregators.llm_context import LLMContext

from controls.errors import ProviderError
from voice_runtime.events import CallerPausedFrame, ProvisionalTurnFrame
from voice_runtime.think.answer import Outcome, Reply
from voice_runtime.think.eager import EagerAnswer, Eagerness

WORDS = ("i need an appointment", "i need an appointment today", "never mind")


@dataclass
class Request:
    """One request under way: what it was asked on, and what the step functions let it do next."""

    messages: list[Any]
    reply: Reply
    told: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    pieces: list[str] = field(default_factory=list)


class Willing:
    """Stands for endpoints that may be asked at any time, and for tools at rest or not."""

    at_rest = True

    def may_begin(self, *, outside: bool) -> bool:
        return True


@dataclass
class Side:
    """The model stage around ``Eagerness``, reduced to what the order of events can reach."""

    turn: int = 0
    records: list[tuple[str, int]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    spoken: list[tuple[int, str]] = field(default_factory=list)
    context: LLMContext = field(default_factory=LLMContext)
    written: list[Any] = field(default_factory=list)
    taken: list[tuple[int, EagerAnswer, list[Any]]] = field(default_factory=list)
    speaking: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.tools = Willing()
        self.eagerness = Eagerness(
            "inside", self.context, endpoints=Willing(), journal=self, tools=self.tools, ask=self.ask,  # type: ignore[arg-type]
            decided=self.decided, before_sending=None, prompt="", now_ns=lambda: 1,
        )  # fmt: skip

    # -- what Eagerness is given ----------------------------------------------------------------------

    def current_turn(self) -> int:
        return self.turn

    def provisional(self, frame: ProvisionalTurnFrame) -> None:
        self.records.append(("provisional", frame.turn))

    def asked(self, turn: int, at_ns: int = 0) -> None:
        assert turn == self.turn, "a mark of a turn that has not come"

    def first_token(self, turn: int, at_ns: int) -> None:
        assert turn <= self.turn, "a mark of a turn that has not come"

    def withdrawn(self, turn: int, *, eager: bool = False, **tokens: Any) -> None:
        self.records.append(("withdrawn" if eager else "interrupted", turn))

    def decided(self, turn: int, reply: Reply, outcome: Outcome, **kind: bool) -> None:
        assert kind["provisional"]
        [request] = [r for r in self.requests if r.reply is reply]
        self.records.append((f"decided {self.requests.index(request)}", turn))

    async def ask(self, context: LLMContext, reply: Reply, *, on_first: Any, on_text: Any, **_: Any) -> None:
        request = Request(list(context.get_messages()), reply)
        self.requests.append(request)
        while (told := await request.told.get()) != "end":
            if told == "fail":
                raise ProviderError("broke off", supplier="test")
            if not request.pieces:
                on_first()
            reply.words.append(told)
            request.pieces.append(told)
            await on_text(told)

    # -- what happens ---------------------------------------------------------------------------------

    def pause(self, words: str) -> None:
        paused = CallerPausedFrame(text=words, confidence=1.0, started_s=0, ended_s=1, engine="test")
        self.eagerness.begin(ProvisionalTurnFrame(self.turn + 1, paused))

    def add(self, role: str, content: str) -> None:
        self.written.append({"role": role, "content": content})
        self.context.add_message({"role": role, "content": content})  # type: ignore[misc, arg-type]

    async def ends(self, words: str) -> None:
        await self.cut()
        self.turn += 1
        self.add("user", words)
        answer = self.eagerness.take(self.turn, self.context)
        if answer is not None:
            self.records.append(("taken", self.turn))
            self.taken.append((self.turn, answer, list(self.written)))
            self.speaking = asyncio.create_task(self.speak(self.turn, answer))
            await asyncio.sleep(0)  # the model stage is at work on it by then

    async def speak(self, turn: int, answer: EagerAnswer) -> None:
        try:
            while (piece := await answer.next()) is not None:
                self.spoken.append((turn, piece))
        except asyncio.CancelledError:
            answer.cancel()
            raise

    async def stop_speaking(self) -> None:
        """An interruption, as the frame processor does it."""
        self.eagerness.withdraw()
        await self.cut()

    async def cut(self) -> None:
        """Cut the answer to an older turn."""
        speaking, self.speaking = self.speaking, None
        if speaking is not None:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)

    async def step(self, kind: str, value: int) -> None:
        match kind:
            case "pause":
                self.pause(WORDS[value])
            case "go on":
                self.eagerness.withdraw()
            case "interrupt":
                await self.stop_speaking()
            case "ends":
                await self.ends(WORDS[value])
            case "played":
                self.add("assistant", "Are you still there?")
            case "busy":
                self.tools.at_rest = not self.tools.at_rest
            case "piece" | "end" | "fail" if self.requests:
                self.requests[-1].told.put_nowait(f"piece {value}" if kind == "piece" else kind)
        for _ in range(value * 3):  # sometimes nothing gets to run before the next thing happens
            await asyncio.sleep(0)


KINDS = ("pause", "pause", "ends", "ends", "go on", "interrupt", "played", "busy", "piece", "end", "fail")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.integers(0, 2),
    ),
    max_size=30,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_nothing_leaks_and_every_request_and_every_pause_is_settled_once(
    steps: list[tuple[str, int]],
) -> None:
    asyncio.run(_holds(steps))


async def _holds(steps: list[tuple[str, int]]) -> None:
    side = Side()
    for kind, value in steps:
        await side.step(kind, value)
    await side.stop_speaking()
    await side.eagerness.aclose()
    assert len(asyncio.all_tasks()) == 1, "something runs on"

    # What was spoken is, piece by piece, what the request on that very conversation brought.
    for turn, answer, conversation in side.taken:
        spoken = [piece for at, piece in side.spoken if at == turn]
        for request in side.requests:
            if request.reply is answer.reply:
                assert request.messages == conversation
                assert spoken == request.pieces[: len(spoken)]
                break
        else:
            assert not spoken, "words of no request"
    assert {turn for turn, _ in side.spoken} <= {turn for turn, _, _ in side.taken}
    assert side.context.get_messages() == side.written, (
        "the conversation holds what others wrote, and no more"
    )

    # Every request has its one record; every pause is taken or withdrawn before the next one.
    told = [name for name, _ in side.records if name.startswith("decided")]
    assert sorted(told) == sorted(f"decided {n}" for n in range(len(side.requests)))
    open_turn = 0
    for name, turn in side.records:
        if name == "provisional":
            assert not open_turn
            open_turn = turn
        elif name in ("taken", "withdrawn"):
            assert turn == open_turn
            open_turn = 0
    assert not open_turn
