"""What goes through a browser call: speech and what was played of it, captions, keys and typed words."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise

import av
import numpy as np
import pytest
from av.audio.codeccontext import AudioCodecContext
from pipecat.frames.frames import InputDTMFFrame
from pipecat.processors.frame_processor import FrameDirection

from controls.errors import InternalError, ProviderError
from controls.ledger.records import Evidence
from tests.simulators.browser_door import TONE, Agents, RawCaller, browser_door, eventually, raw_caller
from voice_runtime.events import AgentSpeakingFrame, AudioReadyFrame, ThinkingFrame, TypedWordsFrame
from voice_runtime.ingress.webrtc import BrowserCall
from voice_runtime.ingress.webrtc_audio import AudioReceiver
from voice_runtime.ingress.webrtc_timeline import PACKET

pytestmark = pytest.mark.anyio

READY = {"type": "ready", "echo_cancellation": "on", "microphone": True}
LOUD = 25  # bytes: a packet of speech is longer, one of silence shorter


def loud(caller: RawCaller) -> list[int]:
    """RTP timestamps of the packets with speech in them."""
    return [stamp for stamp, payload in caller.packets if len(payload) > LOUD]


def newest(caller: RawCaller) -> int:
    return caller.packets[-1][0]


async def started(agents: Agents) -> None:
    await eventually(lambda: agents.all and agents.all[0].audio)


async def test_speech_arrives_as_opus_and_packets_never_stop() -> None:
    agents = Agents()
    async with browser_door(agents) as seen, raw_caller(seen.url) as caller:
        await started(agents)
        before = len(caller.packets)
        seen.calls[0].timeline.write(10 * TONE)  # at once: no packet may be due between two pieces of it
        await eventually(lambda: len(loud(caller)) >= 10)
        await eventually(lambda: len(caller.packets) >= before + 40)
        stamps = [stamp for stamp, _ in caller.packets]
        steps = [(b - a) % (1 << 32) for a, b in pairwise(stamps)]
        assert {step % PACKET for step in steps} == {0}
        missing = sum(step // PACKET - 1 for step in steps)  # none but what a stalled loop had to skip
        assert missing * 20 <= seen.calls[0].timeline.stats.skipped_ms
        decoder = av.CodecContext.create("libopus", "r")
        assert isinstance(decoder, AudioCodecContext)
        decoder.sample_rate, decoder.layout, decoder.format = 48000, "mono", "s16"
        peaks = [
            max(int(np.abs(f.to_ndarray()).max()) for f in decoder.decode(av.Packet(payload)))
            for _, payload in caller.packets
        ]
        at = stamps.index(loud(caller)[0])
        assert max(peaks[:at]) < 50  # silence before
        assert min(peaks[at + 2 : at + 9]) > 3000
        assert max(peaks[at + 14 :]) < 50  # and after
        assert seen.calls[0].stats.underruns == 0


async def test_a_mark_comes_back_when_the_browser_reports_its_samples_as_played() -> None:
    agents = Agents()
    async with browser_door(agents) as seen, raw_caller(seen.url) as caller:
        await started(agents)
        [agent], [call] = agents.all, seen.calls
        assert call.link.evidence is Evidence.CLIENT_REPORT
        back: list[str] = []
        call.link.on_mark(lambda name, at_ns: back.append(name))
        await agent.say(TONE)
        await agent.mark("first")
        await agent.say(TONE)
        await agent.mark("second")
        await eventually(lambda: len(call.timeline._sent) == 2)
        # Media time of each: silence may lie between them when a packet was due before the second came.
        first, second = ((call.peer.origin or 0) + packet.tick * PACKET for packet in call.timeline._sent)
        await eventually(lambda: call.timeline.tick > call.timeline._sent[-1].tick + 5)
        for rtp, expected in (
            (first, []),
            (first + PACKET, []),  # 6.5 ms of it are still in the decoder
            (first + 2 * PACKET, ["first"]),
            (second + 2 * PACKET, ["first", "second"]),
        ):
            reports = call.stats.reports
            caller.send({"type": "playing", "rtp": rtp % (1 << 32)})
            await eventually(lambda n=reports: call.stats.reports > n)
            assert back == expected
        assert call.timeline.played == 320


async def test_a_lying_browser_cannot_have_played_more_than_was_sent() -> None:
    agents = Agents()
    async with browser_door(agents) as seen, raw_caller(seen.url) as caller:
        await started(agents)
        [agent], [call] = agents.all, seen.calls
        back: list[str] = []
        call.link.on_mark(lambda name, at_ns: back.append(name))
        await eventually(lambda: caller.packets and call.peer.origin is not None)
        now = newest(caller)
        lies = [now + 1000 * PACKET, now + (1 << 31), now - 10_000 * PACKET]
        await agent.say(TONE)
        await agent.mark("end")
        for rtp in lies:
            caller.send({"type": "playing", "rtp": rtp % (1 << 32)})
        await eventually(lambda: call.stats.bad_reports == 3)
        assert back == []
        assert call.timeline.played == 0


async def test_an_interruption_empties_the_speech_at_once_and_its_marks_never_come_back() -> None:
    agents = Agents()
    async with browser_door(agents) as seen, raw_caller(seen.url) as caller:
        await started(agents)
        [agent], [call] = agents.all, seen.calls
        back: list[str] = []
        call.link.on_mark(lambda name, at_ns: back.append(name))
        await agent.say(240 * TONE)  # 4.8 s: far more than is sent before the interruption
        await agent.mark("never")
        await eventually(lambda: [name for _, name in call.timeline._marks] == ["never"])
        await eventually(lambda: len(loud(caller)) >= 3)
        await agent.interrupt()
        await agent.mark("afterwards")
        await eventually(lambda: [name for _, name in call.timeline._marks] == ["afterwards"])
        sent = call.timeline.stats.speech_packets
        assert sent < 240
        caller.send({"type": "ping"})
        packets = len(caller.packets)
        await eventually(lambda: len(caller.packets) > packets + 10)
        caller.send({"type": "playing", "rtp": newest(caller)})
        await eventually(lambda: back)
        assert back == ["afterwards"]
        assert call.timeline.played == sent * 160
        assert call.timeline.stats.cleared_samples == (240 - sent) * 160


@pytest.mark.parametrize("other_aiortc", [False, True])
async def test_the_caller_is_taken_in(other_aiortc: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if other_aiortc:  # without the names that the short way for packets relies on

        def no_short_way(self: AudioReceiver) -> None:
            raise InternalError("not as read")

        monkeypatch.setattr(AudioReceiver, "go_straight", no_short_way)
    agents = Agents(echoes=True)
    async with browser_door(agents) as seen, raw_caller(seen.url) as caller:
        await started(agents)
        await eventually(lambda: agents.all[0].audio > 25)
        assert seen.calls[0].peer.receiver.stats.received > 10
        assert caller.of("closed") == []


async def test_ready_keys_and_typed_words_reach_the_pipeline_in_order() -> None:
    agents = Agents()
    async with browser_door(agents) as seen, raw_caller(seen.url) as caller:
        facts: list[tuple[str, bool]] = []
        caller.send(READY)
        caller.send({**READY, "echo_cancellation": "off"})  # again: the call has begun already
        caller.send({"type": "say", "text": "can i see\ndr. patel"})
        caller.send({"type": "key", "key": "7"})
        caller.send({"type": "person"})
        await eventually(lambda: agents.all and len(agents.all[0].of(InputDTMFFrame)) == 2)
        [agent], [call] = agents.all, seen.calls
        call.on_ready(lambda echo, microphone: facts.append((echo, microphone)))
        assert facts == [("on", True)] == [call.media]
        kinds = (AudioReadyFrame, TypedWordsFrame, InputDTMFFrame)
        found = [frame for frame in agent.frames if isinstance(frame, kinds)]
        assert [type(frame) for frame in found] == [kinds[0], kinds[1], kinds[2], kinds[2]]
        assert agent.of(AudioReadyFrame)[0].microphone is True
        assert agent.of(TypedWordsFrame)[0].text == "can i see dr. patel"
        assert [frame.button.value for frame in agent.of(InputDTMFFrame)] == ["7", "0"]


async def test_a_typed_caller_needs_no_microphone_and_media_time_goes_on() -> None:
    agents = Agents()
    async with browser_door(agents) as seen, raw_caller(seen.url, microphone=False) as caller:
        caller.send({"type": "ready", "echo_cancellation": "unknown", "microphone": False})
        await eventually(lambda: agents.all and agents.all[0].audio > 25)
        await eventually(lambda: agents.all[0].of(AudioReadyFrame))
        assert agents.all[0].of(AudioReadyFrame)[0].microphone is False
        await agents.all[0].say(TONE)
        await eventually(lambda: loud(caller))
        assert seen.calls[0].media == ("unknown", False)


async def test_captions_and_the_floor_are_shown_and_nothing_else_is() -> None:
    agents = Agents()
    async with browser_door(agents) as seen, raw_caller(seen.url) as caller:
        await started(agents)
        [agent], [call] = agents.all, seen.calls
        caption = call.link.caption("agent", "We open at 8:30 AM.", id="k1", state="begin")
        assert caption is not None
        await agent.show(caption)
        await agent.show({"type": "llm-text", "text": "raw"})
        await agent.show({**caption, "prompt": "secret"})
        await agent.push_frame(ThinkingFrame(True, 1), FrameDirection.UPSTREAM)
        await agent.push_frame(AgentSpeakingFrame(True), FrameDirection.UPSTREAM)
        await agent.push_frame(ThinkingFrame(False, 1), FrameDirection.UPSTREAM)
        await agent.push_frame(AgentSpeakingFrame(False), FrameDirection.UPSTREAM)
        await eventually(lambda: len(caller.of("state")) == 3)
        assert [m["agent"] for m in caller.of("state")] == ["thinking", "speaking", "listening"]
        # States travel upstream and overtake what is shown downstream: wait for both to be through.
        await eventually(lambda: call.stats.dropped_out == 2 and caller.of("caption"))
        assert caller.of("caption") == [caption]
        assert "raw" not in json.dumps(caller.messages)


async def test_the_page_is_told_up_to_where_to_report_what_it_plays() -> None:
    """One report from there on proves all that was said; while the agent speaks there is no such end."""
    agents = Agents()
    async with browser_door(agents) as seen, raw_caller(seen.url) as caller:
        await started(agents)
        [agent], [call] = agents.all, seen.calls
        back: list[str] = []
        call.link.on_mark(lambda name, at_ns: back.append(name))
        await eventually(lambda: call.peer.origin is not None)
        await agent.push_frame(AgentSpeakingFrame(True), FrameDirection.UPSTREAM)
        await agent.say(3 * TONE)
        await agent.mark("end")
        await eventually(lambda: call.timeline._marks and not call.timeline.unsent)
        await agent.push_frame(AgentSpeakingFrame(False), FrameDirection.UPSTREAM)
        await eventually(lambda: len(caller.of("state")) == 2)
        speaking, listening = caller.of("state")
        assert speaking == {"type": "state", "agent": "speaking", "until": None}
        end = listening["until"]
        await eventually(lambda: (newest(caller) - end) % (1 << 32) < 1 << 31)
        caller.send({"type": "playing", "rtp": (end - 1) % (1 << 32)})
        await eventually(lambda: call.stats.reports == 1)
        assert back == []
        caller.send({"type": "playing", "rtp": end})
        await eventually(lambda: call.stats.reports == 2)
        assert back == ["end"]


async def test_words_that_find_no_open_channel_are_shown_when_there_is_one() -> None:
    agents = Agents()
    async with browser_door(agents) as seen, raw_caller(seen.url) as caller:
        await started(agents)
        call = seen.calls[0]
        call.link.detach()
        for i in range(3):
            call.link.tell(call.link.caption("caller", f"word {i}", id=f"s{i}", state="begin") or {})
        call.link.attach(call.peer.send)
        await eventually(lambda: len(caller.of("caption")) == 3)
        assert [m["text"] for m in caller.of("caption")] == ["word 0", "word 1", "word 2"]
        assert caller.messages.index(caller.of("caption")[0]) > 0


async def test_a_flood_of_nonsense_ends_the_call() -> None:
    agents = Agents()
    async with browser_door(agents) as seen, raw_caller(seen.url) as caller:
        await started(agents)
        for _ in range(600):
            caller.send("nonsense")
        await eventually(lambda: seen.over)
        assert seen.calls[0].stats.flooded > 400


async def test_only_our_channel_is_listened_to() -> None:
    agents = Agents()
    async with browser_door(agents) as seen, raw_caller(seen.url) as caller:
        await started(agents)
        others = [
            caller.open_channel("rtvi"),
            caller.open_channel("sayso"),  # a second one while the first is open
            caller.open_channel("sayso", ordered=False),
        ]
        await eventually(lambda: all(channel.readyState == "closed" for channel in others))
        caller.send(READY)
        await eventually(lambda: agents.all[0].of(AudioReadyFrame))


async def test_a_page_that_never_gets_ready_is_closed() -> None:
    async with browser_door(Agents(), ready_s=0.5) as seen, raw_caller(seen.url) as caller:
        await eventually(lambda: caller.of("closed"))
        assert caller.of("closed")[0]["reason"] == "timed_out"
        await eventually(lambda: seen.over)


async def test_a_browser_cannot_be_put_through_to_a_telephone() -> None:
    failed = asyncio.Event()

    async def transferring(call: BrowserCall) -> None:
        with pytest.raises(ProviderError) as caught:
            await call.control.transfer("+12025550188", announce="One moment.")
        assert caught.value.transient is False
        failed.set()

    async with browser_door(transferring) as seen, raw_caller(seen.url):
        async with asyncio.timeout(30):
            await failed.wait()
