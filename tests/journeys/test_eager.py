"""The model begins before the turn is over, on the carrier's protocol: the gain by the order of events.

The profile waits for six seconds at a pause, and the model answers when it is told to: what it is
asked within that wait it is asked before the turn is over, however slow the machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from controls.ledger import records as r
from controls.ledger.reader import Opened
from tests.journeys.conftest import Server
from tests.journeys.test_played import newest
from tests.simulators.model_server import STALL, ModelServer, Request, say, serving
from tests.simulators.speech_server import SpeechServer
from tests.simulators.whole import problems
from voice_runtime.caller.script import HangUp, Say, Silence, Wait

pytestmark = pytest.mark.anyio

#: The caller's words, as recognised: the first turn's, and the second's at its pause and at its end.
FIRST = "i need to know when you open"
HALF, WHOLE = "i need an appointment today", "i need an appointment today or tomorrow"
ANSWERS = ("We open at eight.", "We are on Mill Street.")
_WAIT_MS = 6000
_PATIENCE = {"complete_wait_ms": _WAIT_MS, "unsure_wait_ms": _WAIT_MS, "incomplete_wait_ms": _WAIT_MS}


@dataclass
class ToldWhen(ModelServer):
    """Answers once ``may`` is set."""

    may: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        if request.method == "POST":
            await self.may.wait()
        return await super().answer(request, writer)

    @property
    def asked(self) -> list[str]:
        """The caller's words it was asked on, request by request."""
        return [x.json["messages"][-1]["content"] for x in self.requests if x.method == "POST"]

    async def until_asked(self, n: int) -> None:
        async with asyncio.timeout(60):
            while len(self.asked) < n:
                self.arrived.clear()
                await self.arrived.wait()


def profile(model: ModelServer, recogniser: SpeechServer) -> dict[str, object]:
    """Our own servers behind the stages, and a turn that stays open for seconds after each pause."""
    endpoint = {"name": "local", "base_url": f"{model.url}/v1", "model": "told", "outside": False}
    ears = {"engine": "openai", "name": "speaches", "base_url": f"{recogniser.url}/v1", "model": "told"}
    deadlines = {"first_token_s": 60, "total_s": 90, "retries": 0}
    return {
        "model": {"standin": False, "endpoints": [endpoint], **deadlines},
        "recogniser": {"engines": [{**ears, "outside": False}], "deadline_s": 30},
        "turn": {"patience": dict.fromkeys(("quick", "normal", "unhurried"), _PATIENCE)},
    }


def first_leaf(opened: list[Opened], kind: type[r.Record]) -> int:
    return next(o.leaf for o in opened if isinstance(o.record, kind))


async def test_an_answer_is_there_when_the_turn_ends_and_one_begun_too_early_is_never_heard(
    make_server: Callable[..., Server],
) -> None:
    recogniser = SpeechServer(transcripts=[{"text": FIRST}])
    model = ToldWhen(plans=[say(ANSWERS[0]), [STALL], say(ANSWERS[1])])
    async with serving(model), serving(recogniser):
        server = await asyncio.to_thread(make_server, start=False, **profile(model, recogniser))
        await server.up()
        calling = asyncio.create_task(
            server.call(
                Wait(),
                Say(text="when are you open"),
                Say(text="when are you open", wait=False),
                Silence(seconds=3),  # shorter than the wait: the caller goes on
                Say(text="where are you"),
                HangUp(),
            )
        )
        await model.until_asked(1)
        await server.until(r.TurnProvisional)
        before = {type(x) for x in await asyncio.to_thread(server.records)}
        assert r.CallerSaid not in before, "the model was asked while the turn was open"
        model.may.set()
        await server.until(r.CallerSaid)
        recogniser.transcripts = [{"text": HALF}]
        await model.until_asked(2)
        recogniser.transcripts = [{"text": WHOLE}]
        result = await calling
        assert not result.error
        opened = await newest(server)
        trace = await server.ended()
        await server.down()

    # The first turn: asked and answered before it was over, and spoken once it was.
    order = [first_leaf(opened, kind) for kind in (r.TurnDecided, r.CallerSaid, r.ClauseCleared)]
    assert order == sorted(order)
    first, second = trace.turns[1:3]
    assert [b.outcome for b in first.begun] == ["taken"]
    assert first.played is not None
    assert first.played.played_text == ANSWERS[0]
    assert first.latency_ms.first_token == 0, "nobody waited for the model once the turn was over"
    assert (first.latency_ms.eager or 0) > 0

    # The second: begun on half of it, and nobody ever heard of that.
    assert [(b.outcome, b.said) for b in second.begun] == [("withdrawn", HALF), ("taken", WHOLE)]
    assert second.said is not None
    assert (second.said.text, second.withdrawn) == (WHOLE, None)
    assert second.played is not None
    assert second.played.played_text == ANSWERS[1]
    assert second.cost.wasted_in > 0
    assert model.asked == [FIRST, HALF, WHOLE]
    requests = [o.record for o in opened if isinstance(o.record, r.TurnDecided)]
    assert [(x.outcome, x.provisional) for x in requests] == [
        ("answered", True), ("withdrawn", True), ("answered", True)
    ]  # fmt: skip
    assert problems([(o.record, o.personal) for o in opened], (FIRST, WHOLE)) == []
