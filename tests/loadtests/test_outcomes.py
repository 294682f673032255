"""What became of a call, against real servers that do it wrong: never an exception, never long."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from http import HTTPStatus

import pytest
from websockets.asyncio.server import Request, Response, ServerConnection, serve

from loadtests.outcomes import awaited, outcome_of, patience_ms
from tests.simulators import bad_servers as bad
from voice_runtime.caller.playout import Onset
from voice_runtime.caller.results import CallResult, TurnResult
from voice_runtime.caller.script import (
    Backchannel,
    HangUp,
    Interrupt,
    MakeSound,
    Press,
    Say,
    Script,
    Silence,
    Step,
    TypeWords,
    Wait,
)
from voice_runtime.caller.speech import sound
from voice_runtime.caller.twilio import TwilioCaller

pytestmark = pytest.mark.anyio

SCRIPT = Script(
    steps=(
        Wait(quiet_ms=250, timeout_s=2),
        Press(keys="1", quiet_ms=250, timeout_s=1.5),
        Press(keys="2", quiet_ms=250, timeout_s=1.5),
        HangUp(),
    )
)
BRIEF = 30.0


async def test_streams_gone_wrong_are_outcomes() -> None:
    """All of them at once: each takes its callers a second or two of real time."""
    expected = {
        bad.answer: "completed",
        bad.stay_silent: "stalled",
        bad.never_answer: "no_answer",
        bad.close_early: "closed_early",
        bad.break_off: "closed_early",
        bad.say_nonsense: "out_of_protocol",
    }

    async def outcome(act: bad.Act) -> str:
        async with bad.streaming(act) as address:
            return outcome_of(await bad.telephone(address).run(SCRIPT), SCRIPT)

    async with asyncio.timeout(BRIEF):
        found = await asyncio.gather(*map(outcome, expected))
    assert dict(zip(expected, found, strict=True)) == expected


async def test_an_agent_that_speaks_on_over_the_caller_is_an_outcome() -> None:
    class Voice:
        """A voice without flite: half a second of tone for anything."""

        async def say(self, text: str) -> object:
            return sound("tone", 0.5)

    script = Script(steps=(Interrupt(text="stop it", after_ms=200, timeout_s=2.5), HangUp()))
    async with asyncio.timeout(BRIEF), bad.streaming(bad.speak_on) as address:
        caller = TwilioCaller(address, "", "+12025550143", "+12025550142", voice=Voice())  # type: ignore[arg-type]
        result = await caller.run(script)
    assert outcome_of(result, script) == "spoke_over"
    assert result.turns[0].barge_in_commit_ms is None
    assert result.turns[0].timed_out


async def test_a_server_that_ends_the_call_when_all_is_answered_has_completed_it() -> None:
    script = Script(steps=(*SCRIPT.steps[:2], Silence(seconds=5)))
    async with asyncio.timeout(BRIEF), bad.streaming(bad.answer_and_close) as address:
        result = await bad.telephone(address).run(script)
    assert result.ended_by == "server"
    assert outcome_of(result, script) == "completed"


async def test_a_server_that_is_not_there_is_an_outcome() -> None:
    async with bad.gone() as address:
        for result in await asyncio.gather(
            bad.telephone(address).run(SCRIPT), bad.browser(address).run(SCRIPT)
        ):
            assert outcome_of(result, SCRIPT) == "unreachable"
    assert await outcome_of_stream(address.replace("http", "ws")) == "unreachable"


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (bad.http(503, "<Response/>"), "refused"),
        (bad.http(403, "no"), "refused"),
        (bad.http(200, "<Response><Reject/></Response>"), "refused"),
        (bad.http(200, "<Response><Connect/></Response>"), "out_of_protocol"),
        (bad.http(200, "{}", "application/json"), "out_of_protocol"),
        (bad.twiml("ws://voice.example:port/"), "out_of_protocol"),
        (bad.twiml("ws://[::1/"), "out_of_protocol"),
        (bad.twiml("ws://voice..example/"), "out_of_protocol"),
        (bad.twiml("media"), "out_of_protocol"),
        (bad.http(200, "<Response>" + 9000 * "<a>" + 9000 * "</a>" + "</Response>"), "out_of_protocol"),
        (b"\x16\x03\x01 this is no HTTP\r\n\r\n", "out_of_protocol"),
        (None, "stalled"),
    ],
)
async def test_a_webhook_answered_wrong_is_an_outcome(reply: bad.Reply, outcome: str) -> None:
    async with asyncio.timeout(BRIEF), bad.answering(lambda path: reply) as address:
        result = await bad.telephone(address).run(SCRIPT)
    assert outcome_of(result, SCRIPT) == outcome


async def test_a_stream_that_never_opens_is_an_outcome() -> None:
    async def no(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(HTTPStatus.FORBIDDEN, "no\n")

    async def unused(connection: ServerConnection) -> None: ...

    async with bad.answering(lambda path: None) as mute:  # takes the connection, and says nothing
        assert await outcome_of_stream(mute.replace("http", "ws")) == "stalled"
    async with serve(unused, "127.0.0.1", 0, process_request=no) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        assert await outcome_of_stream(f"ws://127.0.0.1:{port}/") == "refused"


async def outcome_of_stream(url: str) -> str:
    """The outcome of a call whose webhook names the stream ``url``."""
    async with bad.answering(lambda path: bad.twiml(url)) as web:
        return outcome_of(await bad.telephone(web).run(SCRIPT), SCRIPT)


def json_reply(status: int, body: object) -> Callable[[str], bad.Reply]:
    return lambda path: bad.http(status, json.dumps(body), "application/json")


def page(path: str) -> bad.Reply:
    """Grants a token, and then answers an offer with what is no SDP."""
    body = {"token": "x"} if path.endswith("/token") else {"sdp": "nothing", "call": "c1"}
    return bad.http(200, json.dumps(body), "application/json")


def page_that_never_connects(path: str) -> bad.Reply:
    return page(path) if path.endswith("/token") else None


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (json_reply(503, {"error": "all places are taken"}), "refused"),
        (json_reply(200, {"something": "else"}), "out_of_protocol"),
        (lambda path: bad.http(200, "<html/>", "text/html"), "out_of_protocol"),
        (page, "out_of_protocol"),
        (page_that_never_connects, "stalled"),
        (lambda path: None, "stalled"),
    ],
)
async def test_a_page_answered_wrong_is_an_outcome(reply: Callable[[str], bad.Reply], outcome: str) -> None:
    serving: AbstractAsyncContextManager[str] = bad.answering(reply)
    async with asyncio.timeout(BRIEF), serving as address:
        result = await bad.browser(address).run(SCRIPT)
    assert outcome_of(result, SCRIPT) == outcome


def test_which_answers_a_script_waits_for() -> None:
    script = Script(
        steps=(
            Say(text="a"),
            Say(text="b", wait=False),
            Backchannel(text="mhmm"),
            Wait(),
            Press(keys="1", wait=False),
            MakeSound(),
            TypeWords(text="c", wait=False),
            Silence(seconds=1),
            Wait(),
            Press(keys="2", wait=False),
            HangUp(),
            Say(text="never said"),
        )
    )
    assert awaited(script) == {0, 1, 6}


@pytest.mark.parametrize(
    ("behind", "waits_ms"),
    [
        ((Wait(timeout_s=4),), 4000),
        ((Interrupt(text="b", timeout_s=3),), 3000),  # it comes into an answer, and waits for one
        ((Backchannel(text="mhmm", timeout_s=2), Wait(timeout_s=9)), 2000),
        ((Silence(seconds=1.5), MakeSound(seconds=0.5), Wait(timeout_s=4)), 6000),
        ((Say(text="b"),), None),  # the caller goes on
        ((Press(keys="1"), Wait()), None),
        ((Silence(seconds=9),), None),
        ((HangUp(), Wait()), None),
        ((), None),
    ],
)
def test_a_turn_is_waited_for_by_what_comes_before_the_next_one(
    behind: tuple[Step, ...], waits_ms: float | None
) -> None:
    script = Script(steps=(Say(text="a", wait=False), *behind))
    assert patience_ms(script).get(0) == waits_ms
    own = script.model_copy(update={"steps": (Say(text="a", timeout_s=7), *behind)})
    assert patience_ms(own)[0] == 7000


def test_an_interruption_that_finds_no_answer_has_waited_in_vain() -> None:
    script = Script(steps=(Say(text="a", wait=False), Interrupt(text="b"), HangUp()))
    turns = [TurnResult(1, step=0), TurnResult(2, "interrupt", 1, first_audio_out_ms=500.0)]
    heard = [Onset(0, 800)]
    result = CallResult("CA", answered_ns=1, ended_by="caller", heard=heard, turns=turns)
    assert outcome_of(result, script) == "no_answer"
    turns[0].first_audio_out_ms = 900.0
    assert outcome_of(result, script) == "completed"


def test_a_machine_without_sockets_left_says_nothing_about_the_server() -> None:
    result = CallResult("CA", failure="exhausted", error="stream not opened: OSError")
    assert outcome_of(result, SCRIPT) == "harness_failed"


def test_an_answer_nobody_waits_for_may_be_missing() -> None:
    turn = TurnResult(1, "press", 1, keys="0")
    result = CallResult("CA", answered_ns=1, ended_by="caller", heard=[], turns=[turn])
    script = Script(steps=(Silence(seconds=1), Press(keys="0", wait=False), HangUp()))
    assert outcome_of(result, script) == "completed"
    waiting = script.model_copy(update={"steps": (*script.steps[:2], Wait(), HangUp())})
    assert outcome_of(result, waiting) == "stalled"
    assert outcome_of(replace(result, opening_first_ms=1.0, heard=[object()]), waiting) == "no_answer"  # type: ignore[list-item]


def test_a_call_whose_time_was_over_before_its_script_says_nothing_about_the_server() -> None:
    """A script of more than ten minutes was once booked as a server that stalled."""
    script = Script(steps=(Press(keys="1"), Silence(seconds=600), Press(keys="2"), HangUp()))
    first, second = TurnResult(1, "press", 0), TurnResult(2, "press", 2)
    first.first_audio_out_ms = second.first_audio_out_ms = 500.0
    cut = CallResult("CA", answered_ns=1, ended_by="caller", error="the call took too long")
    cut.heard, cut.turns = [Onset(0, 800)], [first]
    assert outcome_of(cut, script) == "harness_failed"
    assert outcome_of(replace(cut, error="", turns=[first, second]), script) == "completed"


def test_what_stands_behind_the_hanging_up_is_never_waited_for() -> None:
    script = Script(steps=(Press(keys="1"), HangUp(), Press(keys="2")))
    turn = TurnResult(1, "press", 0, first_audio_out_ms=500.0)
    result = CallResult("CA", answered_ns=1, ended_by="caller", heard=[Onset(0, 800)], turns=[turn])
    assert outcome_of(result, script) == "completed"
