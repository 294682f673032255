"""The simulated browser's playout and messages, without a socket."""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import ProviderError
from voice_runtime.caller import audible
from voice_runtime.caller.recorded import RecordedFlite
from voice_runtime.caller.webrtc_wire import (
    BUFFER_TICKS,
    PACKET,
    Decoder,
    Encoder,
    PacketPlayout,
    Reports,
    checked,
    parse_message,
)

WRAP = 1 << 32


def ticks(playout: PacketPlayout, count: int) -> list[bytes | None]:
    return [playout.tick() for _ in range(count)]


@given(first=st.integers(0, WRAP - 1), order=st.permutations(range(8)), early=st.integers(0, 5))
def test_packets_play_at_the_time_their_timestamp_says(first: int, order: list[int], early: int) -> None:
    """Whatever order they come in, a buffer's length after the first one came, across the wrap."""
    playout = PacketPlayout()
    assert ticks(playout, early) == [None] * early
    playout.put(first, b"0")
    for i in order:
        if i:
            playout.put((first + i * PACKET) % WRAP, str(i).encode())
    assert ticks(playout, BUFFER_TICKS) == [None] * BUFFER_TICKS
    assert ticks(playout, 8) == [str(i).encode() for i in range(8)]
    assert playout.playing == (first + 7 * PACKET) % WRAP
    assert playout.lost == 0


def test_a_lost_packet_costs_its_own_20_ms_and_no_more() -> None:
    playout = PacketPlayout()
    for i in (0, 1, 3):
        playout.put(i * PACKET, str(i).encode())
    ticks(playout, BUFFER_TICKS)
    assert ticks(playout, 4) == [b"0", b"1", None, b"3"]
    assert playout.lost == 1


def test_what_comes_after_its_time_is_not_played() -> None:
    playout = PacketPlayout()
    playout.put(0, b"0")
    ticks(playout, BUFFER_TICKS + 2)
    playout.put(PACKET, b"late")
    playout.put(2 * PACKET, b"2")
    assert ticks(playout, 1) == [b"2"]
    assert playout.lost == 1


def test_a_path_that_has_become_longer_for_good_is_followed() -> None:
    playout = PacketPlayout()
    playout.put(0, b"0")
    ticks(playout, 20)
    played = []
    for i in range(1, 40):
        playout.put(i * PACKET, str(i).encode())
        played += ticks(playout, 1)
    assert played.index(next(filter(None, played))) >= 25
    assert played[-1] is not None


def test_a_burst_after_a_stall_costs_what_it_missed_and_no_delay_for_good() -> None:
    playout = PacketPlayout()
    playout.put(0, b"0")
    ticks(playout, 12)
    for i in range(1, 14):
        playout.put(i * PACKET, str(i).encode())
    assert ticks(playout, 4) == [b"10", b"11", b"12", b"13"]


def test_opus_there_and_back_keeps_what_is_audible() -> None:
    encoder, decoder = Encoder(), Decoder()
    tone = audible.to_ulaw((8000 * np.sin(2 * np.pi * 440 * np.arange(1600) / 8000)).astype("<i2").tobytes())
    back = b"".join(decoder.decode(encoder.encode(tone[at : at + 160])) for at in range(0, len(tone), 160))
    assert len(back) == len(tone)
    assert audible.windows(audible.to_pcm(back))[4:].all()
    assert decoder.decode(b"") == b""
    assert decoder.decode(b"\xff" * 9) in (b"", decoder.decode(b"\xff" * 9))


@pytest.mark.parametrize(
    "data",
    [
        b"{}", "", "[]", "{}", '{"type":1}', '{"type":"tool"}', '{"type":"caption","who":"agent"}',
        '{"type":"closed","reason":5}', '{"type":"pong","x":"' + "a" * 70_000 + '"}', "[" * 5000,
    ],
)  # fmt: skip
def test_messages_that_a_page_would_not_take(data: str | bytes) -> None:
    assert parse_message(data) is None


def test_messages_that_a_page_takes() -> None:
    for message in (
        {"type": "opened", "call": "c_1", "language": "en-US"},
        {"type": "caption", "who": "agent", "id": "k", "text": "Hello.", "state": "begin"},
        {"type": "state", "agent": "speaking"},
        {"type": "pong"},
        {"type": "closed", "reason": "ended"},
    ):
        assert parse_message(json.dumps(message)) == message


def reported(reports: Reports, positions: Iterable[int | None]) -> list[int]:
    return [at for at in positions if reports.due(at) and at is not None]


@given(first=st.integers(0, WRAP - 1), end=st.integers(1, 60))
def test_what_plays_is_reported_five_times_a_second_and_at_its_end(first: int, end: int) -> None:
    reports = Reports()
    assert reported(reports, [None] * 20) == []
    play = [(first + i * PACKET) % WRAP for i in range(200)]
    reports.until(None)
    assert reported(reports, play[:40]) == play[:40:10]
    reports.until((play[40] + end * PACKET - 100) % WRAP)
    expected = {*range(40, 40 + end, 10), 40 + end}
    assert reported(reports, play[40:130]) == [play[i] for i in sorted(expected)]
    reports.until(play[41])  # another end, which is proven already
    assert reported(reports, play[130:150]) == []
    reports.until(None)
    assert reported(reports, play[150:]) == play[150::10]


def test_the_same_position_is_not_reported_twice() -> None:
    """The packets have stopped."""
    assert reported(Reports(), [7] * 50) == [7]


def test_an_answer_with_something_missing_is_an_error() -> None:
    assert checked({"sdp": "v=0", "call": "c", "more": 1}, "sdp", "call") == {"sdp": "v=0", "call": "c"}
    for bad in (None, [], {}, {"sdp": 1, "call": "c"}):
        with pytest.raises(ProviderError):
            checked(bad, "sdp", "call")


def test_a_first_packet_that_was_held_up_delayed_every_later_one_for_good() -> None:
    """Bare pipecat's first packet is: 280 ms of the caller's own buffer counted against it."""
    playout, played_at, count = PacketPlayout(), dict[int, int](), 120
    for tick in range(count):
        for n in range(count):
            if max(n, 12) == tick:  # the first twelve came together
                playout.put(n * PACKET, bytes([n]))
        if (payload := playout.tick()) is not None:
            played_at[payload[0]] = tick
    assert played_at[20] == 20 + 12 + BUFFER_TICKS
    assert played_at[count - 1 - BUFFER_TICKS] == count - 1


def test_nothing_is_drained_of_packets_that_come_in_time() -> None:
    playout = PacketPlayout()
    played: list[bytes | None] = []
    for tick in range(200):
        playout.put(tick * PACKET, bytes([tick]))
        played.append(playout.tick())
    assert played[BUFFER_TICKS:] == [bytes([n]) for n in range(200 - BUFFER_TICKS)]


def spoken(milliseconds: int) -> list[bytes]:
    count = milliseconds * 8
    tone = 8000 * np.sin(2 * np.pi * 440 * np.arange(count) / 8000)
    ulaw = audible.to_ulaw(tone.astype("<i2").tobytes())
    return [ulaw[at : at + 160] for at in range(0, count, 160)]


SILENT = audible.ULAW_SILENCE * 160


def test_silence_that_goes_on_is_the_packet_the_codec_would_make() -> None:
    """Two coders, of which one is asked every time."""
    quick, asked = Encoder(), Encoder()
    said = [*spoken(200), *[SILENT] * 300]
    assert [quick.encode(ulaw) for ulaw in said] == [asked._encoded(ulaw) for ulaw in said]


@pytest.mark.anyio
async def test_speech_after_a_long_silence_begins_and_ends_where_it_did() -> None:
    """What the coder was not asked about leaves no trace that a caller's figures could show."""
    said = await RecordedFlite("rms").say("can i see doctor patel on tuesday")
    speech = [said.ulaw[at : at + 160].ljust(160, b"\xff") for at in range(0, len(said.ulaw), 160)]
    line = [*spoken(200), *[SILENT] * 300, *speech, *[SILENT] * 10]
    quick, asked, decoders = Encoder(), Encoder(), (Decoder(), Decoder())
    one = b"".join(decoders[0].decode(quick.encode(ulaw)) for ulaw in line)
    other = b"".join(decoders[1]._decoded(asked._encoded(ulaw)) for ulaw in line)
    first, second = (audible.bounds(audible.to_pcm(ulaw[310 * 160 :])) for ulaw in (one, other))
    assert first is not None
    assert second is not None
    assert max(abs(a - b) for a, b in zip(first, second, strict=True)) <= 8  # 1 ms


def test_a_repeated_packet_of_sound_is_decoded_every_time() -> None:
    encoder, decoder, asked = Encoder(), Decoder(), Decoder()
    packet = [encoder.encode(ulaw) for ulaw in spoken(200)][-1]
    assert [decoder.decode(packet) for _ in range(60)] == [asked._decoded(packet) for _ in range(60)]
