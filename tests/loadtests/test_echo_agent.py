"""The echo agent's delay, by count: pure, and over a real socket."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import OperatorError
from loadtests.echo_agent.agent import EchoDoors, serving
from loadtests.echo_agent.answers import LONGEST_MS, SHORTEST_MS, TWILIO_BIAS_MS, Echo, answer_of, voices
from loadtests.echo_agent.peer import WEBRTC_BIAS_MS, peers
from loadtests.systems import TwilioDoor, WebRtcDoor
from voice_runtime.caller import audible
from voice_runtime.caller.recorded import RecordedFlite
from voice_runtime.caller.script import HangUp, Say, Script
from voice_runtime.caller.speech import Spoken, sound
from voice_runtime.caller.twilio import TwilioCaller
from voice_runtime.caller.webrtc import WebRtcCaller

TONE = sound("tone", 0.3)


def conversation(echo: Echo, said: list[tuple[int, Spoken]], packets: int) -> bytes:
    """What the agent returns for ``said``, each sound at its sample; index for index."""
    line = bytearray(b"\xff" * packets * 160)
    for at, spoken in said:
        line[at : at + len(spoken.ulaw)] = spoken.ulaw
    back = b""
    for start in range(0, len(line), 160):
        out = echo.take(bytes(line[start : start + 160]))
        assert len(out) in (0, 160)
        back += out or b"\xff" * 160
    return back


@given(st.integers(0, 1000), st.integers(SHORTEST_MS, 1500), st.integers(100, 400))
def test_an_answer_comes_exactly_so_many_samples_after_the_last_audible_one(
    at: int, delay_ms: int, said_ms: int
) -> None:
    said = sound("tone", said_ms / 1000)
    back = conversation(Echo([delay_ms], TONE), [(at, said)], 180)
    edges = audible.bounds(audible.to_pcm(back))
    assert edges is not None
    # where windows of 5 ms lie decides by a sample or two what of a sine's edge is audible
    assert abs(edges[0] - (at + said.last + delay_ms * 8)) <= 4
    assert back.count(b"\xff") < len(back)


def test_each_utterance_has_its_delay_and_pauses_within_one_are_no_end() -> None:
    echo = Echo([300, 700], TONE)
    said = [(0, TONE), (2400 + 1200, TONE), (12_000, TONE)]  # the first two 150 ms apart: one utterance
    back = conversation(echo, said, 200)
    first = audible.bounds(audible.to_pcm(back[:12_000]))
    second = audible.bounds(audible.to_pcm(back[12_000:]))
    assert first is not None
    assert second is not None
    assert abs(first[0] - (3600 + TONE.last + 300 * 8)) <= 4
    assert abs(second[0] - (TONE.last + 700 * 8)) <= 4


def test_speech_over_an_answer_is_not_answered() -> None:
    echo = Echo([200], sound("tone", 1.0))
    back = conversation(echo, [(0, TONE), (6000, TONE)], 300)
    edges = audible.bounds(audible.to_pcm(back))
    assert edges is not None
    assert edges[1] < TONE.last + 200 * 8 + 8200


@pytest.mark.parametrize("delays", [[], [SHORTEST_MS - 1], [300, LONGEST_MS + 1]])
def test_a_delay_out_of_range_is_refused(delays: list[int]) -> None:
    with pytest.raises(OperatorError):
        Echo(delays, TONE)


@pytest.mark.parametrize(
    "asked", [{"delays_ms": "soon"}, {"answer": "song"}, {"answer_ms": "0"}, {"delays_ms": "5"}]
)
def test_what_is_not_to_be_had_is_refused(asked: dict[str, str]) -> None:
    with pytest.raises(OperatorError):
        answer_of(asked, {"tone": TONE, "speech": TONE})


def test_speech_repeats_itself_for_long_answers() -> None:
    made = voices([TONE])
    assert all(spoken.last > 59 * 8000 for spoken in made.values())


@pytest.mark.anyio
async def test_a_caller_measures_the_delay_and_never_less() -> None:
    said = await RecordedFlite("rms").say("yes")
    server = await serving(voices([said]), {})
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/echo"
    asked = {"delays_ms": "311,222", "answer_ms": "100"}
    caller = TwilioCaller(
        url.replace("ws", "http", 1), "", "+1", "+2",
        stream_url=url, parameters=asked, voice=RecordedFlite("rms"), longest_s=20,
    )  # fmt: skip
    try:
        script = Script(steps=(*(Say(text="yes", quiet_ms=100) for _ in range(2)), HangUp()))
        result = await caller.run(script)
    finally:
        server.close()
        await server.wait_closed()
    assert (result.ended_by, result.error, result.bad_messages) == ("caller", "", 0)
    for turn, delay_ms in zip(result.turns, (311, 222), strict=True):
        assert turn.first_audio_out_ms is not None
        assert turn.first_audio_out_ms >= delay_ms + TWILIO_BIAS_MS - 5  # an edge errs by a window at most
        # a busy machine makes it later by whole ticks, nothing by less
        late_ms = turn.first_audio_out_ms - delay_ms - TWILIO_BIAS_MS
        assert min(late_ms % 20, -late_ms % 20) <= 5
    assert [mark.name for mark in result.marks][:1] == ["said"]


@pytest.mark.anyio
async def test_over_webrtc_an_answer_is_later_by_codec_and_buffers_and_never_earlier() -> None:
    said = await RecordedFlite("rms").say("yes")
    async with peers(voices([said]), {}) as port:
        door = EchoDoors(0, port).door("webrtc", delays_ms="350", answer_ms="200")
        assert isinstance(door, WebRtcDoor)
        caller = WebRtcCaller(door.base_url, dialect="pipecat", voice=RecordedFlite("rms"), longest_s=20)
        script = Script(steps=(Say(text="yes", quiet_ms=100), HangUp()))
        result = await caller.run(script)
    assert (result.ended_by, result.error) == ("caller", "")
    [turn] = result.turns
    assert turn.first_audio_out_ms is not None
    assert turn.first_audio_out_ms >= 350 + WEBRTC_BIAS_MS - 20  # a codec smears edges


@pytest.mark.anyio
async def test_an_offer_that_asks_for_the_impossible_is_refused() -> None:
    async with peers({}, {}) as port:
        door = EchoDoors(0, port).door("webrtc", delays_ms="never")
        assert isinstance(door, WebRtcDoor)
        result = await WebRtcCaller(door.base_url, dialect="pipecat").run(Script(steps=(HangUp(),)))
    assert (result.ended_by, result.failure) == ("refused", "refused")


def test_what_is_asked_reaches_the_agent_by_either_door() -> None:
    doors = EchoDoors(1, 2)
    twilio = doors.door("twilio", delays_ms="300,400")
    assert isinstance(twilio, TwilioDoor)
    assert (twilio.stream_url, twilio.parameters) == ("ws://127.0.0.1:1/echo", {"delays_ms": "300,400"})
    webrtc = doors.door("webrtc", delays_ms="300,400", answer="tone")
    assert webrtc.base_url == "http://127.0.0.1:2/delays_ms=300,400&answer=tone"
