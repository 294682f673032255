"""The speech timeline: samples to packets, reports to samples, and never more played than was sent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from voice_runtime.events import CHUNK_BYTES, CHUNK_SAMPLES
from voice_runtime.ingress.webrtc_timeline import LOOKAHEAD, MOST_UNSENT, PACKET, PER_SAMPLE, Timeline

SPEECH = b"\x01\x02" * CHUNK_SAMPLES
SILENCE = bytes(CHUNK_BYTES)
WRAP = 1 << 32

origins = st.integers(0, WRAP - 1) | st.integers(WRAP - 20 * PACKET, WRAP - 1)


def report(timeline: Timeline, media: int, origin: int = 0) -> list[str] | None:
    return timeline.report((media + origin) % WRAP, origin)


def test_speech_goes_out_in_order_and_silence_when_there_is_none() -> None:
    timeline = Timeline()
    assert timeline.take() == SILENCE
    timeline.write(SPEECH[:100])
    timeline.write(SPEECH[100:] + b"\x05\x06")
    assert timeline.take() == SPEECH
    assert timeline.take() == b"\x05\x06" + bytes(CHUNK_BYTES - 2)
    assert timeline.take() == SILENCE
    assert (timeline.tick, timeline.position) == (4, CHUNK_SAMPLES + 1)


@given(origin=origins, before=st.integers(0, 5), chunks=st.integers(1, 8), late=st.integers(0, PACKET * 9))
def test_a_report_is_mapped_to_the_exact_sample(origin: int, before: int, chunks: int, late: int) -> None:
    """A sample counts once its own media time, and the codec's delay, lie before what began to play."""
    timeline = Timeline()
    for _ in range(before):
        timeline.take()
    timeline.write(SPEECH * chunks)
    for _ in range(chunks + 2):
        timeline.take()
    media = min(before * PACKET + late, (timeline.tick - 1) * PACKET)
    assert report(timeline, media, origin) == []
    surely = (media - LOOKAHEAD - before * PACKET) // PER_SAMPLE
    assert timeline.played == min(max(0, surely), chunks * CHUNK_SAMPLES)


def test_a_mark_comes_back_once_everything_before_it_has_sounded() -> None:
    timeline = Timeline()
    timeline.write(SPEECH)
    timeline.place("first")
    timeline.write(SPEECH)
    timeline.place("second")
    for _ in range(6):
        timeline.take()
    assert report(timeline, PACKET) == []  # the decoder holds back 6.5 ms: its end has not sounded yet
    assert report(timeline, PACKET + LOOKAHEAD) == ["first"]
    assert report(timeline, 2 * PACKET + LOOKAHEAD - 1) == []
    assert report(timeline, 5 * PACKET) == ["second"]
    assert report(timeline, 5 * PACKET) == []


def test_what_an_interruption_threw_away_is_never_played() -> None:
    timeline = Timeline()
    timeline.write(SPEECH * 3)
    timeline.place("cut")
    timeline.take()
    timeline.clear()
    timeline.place("after the cut")
    timeline.write(SPEECH)
    timeline.place("next")
    for _ in range(5):
        timeline.take()
    assert report(timeline, 1 * PACKET + LOOKAHEAD) == ["after the cut"]
    assert timeline.played == CHUNK_SAMPLES
    assert report(timeline, 4 * PACKET) == ["next"]
    assert timeline.stats.cleared_samples == 2 * CHUNK_SAMPLES


def test_a_mark_behind_what_is_sent_already_survives_the_interruption() -> None:
    timeline = Timeline()
    timeline.write(SPEECH)
    timeline.place("sent")
    timeline.take()
    timeline.clear()
    timeline.take()
    timeline.take()
    assert report(timeline, 2 * PACKET) == ["sent"]


def test_reports_of_the_future_the_past_and_of_nothing_are_refused() -> None:
    timeline = Timeline()
    assert timeline.report(0, 0) is None  # nothing was sent
    timeline.write(SPEECH * 4)
    for _ in range(4):
        timeline.take()
    assert report(timeline, 4 * PACKET) is None  # the next packet, not sent yet
    assert report(timeline, -PACKET) is None  # before the first
    assert report(timeline, 2 * PACKET) == []
    played = timeline.played
    assert report(timeline, 2 * PACKET - 1) is None
    assert timeline.played == played


def test_the_clock_wraps_in_the_middle_of_a_word() -> None:
    timeline = Timeline()
    origin = WRAP - 2 * PACKET
    timeline.write(SPEECH * 4)
    timeline.place("end")
    for _ in range(8):
        timeline.take()
    assert timeline.report(WRAP - PACKET, origin) == []
    assert timeline.report(0, origin) == []
    assert timeline.played == 2 * CHUNK_SAMPLES - LOOKAHEAD // PER_SAMPLE
    assert timeline.report(4 * PACKET, origin) == ["end"]


def test_a_new_connection_has_another_origin_on_the_same_timeline() -> None:
    timeline = Timeline()
    timeline.write(SPEECH)
    timeline.take()
    timeline.write(SPEECH)
    timeline.place("end")
    for _ in range(3):
        timeline.take()
    assert report(timeline, 3 * PACKET, origin=3_000_000_000) == ["end"]


@given(origin=origins, chunks=st.integers(1, 4))
def test_the_end_is_the_first_timestamp_that_proves_it(origin: int, chunks: int) -> None:
    timeline = Timeline()
    timeline.write(SPEECH * chunks)
    timeline.place("end")
    assert timeline.end(origin) is None  # who knows which packets it will be in
    for _ in range(chunks + 3):
        timeline.take()
    end = timeline.end(origin)
    assert end is not None
    assert timeline.report((end - 1) % WRAP, origin) == []
    assert timeline.report(end, origin) == ["end"]


def test_a_mark_behind_what_has_been_reported_asks_for_one_more_report() -> None:
    timeline = Timeline()
    for _ in range(4):
        timeline.take()
    assert report(timeline, 2 * PACKET) == []
    timeline.place("nothing was said")
    end = timeline.end(0)
    assert end == 2 * PACKET + 1
    assert report(timeline, end) == ["nothing was said"]


def test_dry_in_mid_speech_is_an_underrun_and_dry_at_a_mark_is_not() -> None:
    timeline = Timeline()
    timeline.write(SPEECH)
    for _ in range(4):
        timeline.take()
    timeline.write(SPEECH)  # 60 ms too late
    assert (timeline.stats.underruns, timeline.stats.underrun_ms) == (1, 60)
    timeline.place("end of the clause")
    for _ in range(9):
        timeline.take()
    timeline.write(SPEECH)
    timeline.take()
    timeline.clear()
    timeline.take()
    timeline.write(SPEECH)
    for _ in range(100):
        timeline.take()
    timeline.write(SPEECH)  # two seconds later: another utterance
    assert timeline.stats.underruns == 1


def test_speech_that_nobody_takes_is_bounded() -> None:
    timeline = Timeline()
    timeline.write(SPEECH * 400)
    timeline.write(SPEECH)
    assert timeline.unsent == MOST_UNSENT // 2 == timeline.position
    assert timeline.stats.overflowed_samples == 401 * CHUNK_SAMPLES - timeline.unsent


class Playing(RuleBasedStateMachine):
    """Any order of writing, marking, cutting, sending and reporting, lies included."""

    def __init__(self) -> None:
        super().__init__()
        self.timeline = Timeline()
        self.origin = 0
        self.placed = 0
        self.returned: list[int] = []
        self.sent_samples = 0
        self.highest = 0

    @rule(samples=st.integers(1, 500))
    def write(self, samples: int) -> None:
        self.timeline.write(b"\x01\x02" * samples)

    @rule()
    def mark(self) -> None:
        self.timeline.place(str(self.placed))
        self.placed += 1

    @rule()
    def cut(self) -> None:
        self.timeline.clear()

    @rule()
    def send(self) -> None:
        unsent = self.timeline.unsent
        chunk = self.timeline.take()
        assert len(chunk) == CHUNK_BYTES
        self.sent_samples += unsent - self.timeline.unsent

    @rule(ticks=st.integers(1, 50))
    def stall(self, ticks: int) -> None:
        self.timeline.skip(ticks)

    @precondition(lambda self: self.timeline.tick > 0)
    @rule(behind=st.integers(0, 20 * PACKET))
    def told(self, behind: int) -> None:
        self.take(self.timeline.report((self.timeline.tick - 1) * PACKET - behind, 0) or [])

    @rule(rtp=st.integers(0, WRAP - 1))
    def lied_to(self, rtp: int) -> None:
        self.take(self.timeline.report(rtp, 0) or [])

    @rule()
    def told_to_the_end(self) -> None:
        """Who reports from there on proves all there is; one who reports before does not."""
        end = self.timeline.end(0)
        assert (end is None) == bool(self.timeline.unsent)
        if end is None:
            return
        while (self.timeline.tick - 1) * PACKET < end:
            self.timeline.take()
        due = [name for _, name in self.timeline._marks]
        names = self.timeline.report(end, 0)
        assert names == due
        assert not self.timeline._sent
        self.take(names)

    def take(self, names: list[str]) -> None:
        self.returned += [int(name) for name in names]
        assert self.timeline.played >= self.highest
        self.highest = self.timeline.played

    @invariant()
    def nothing_is_played_that_was_not_sent(self) -> None:
        assert self.timeline.played <= self.timeline.position - self.timeline.unsent
        assert self.sent_samples + self.timeline.unsent + self.timeline.stats.cleared_samples == (
            self.timeline.position
        )

    @invariant()
    def marks_come_back_once_and_in_order(self) -> None:
        assert self.returned == sorted(set(self.returned))


TestPlaying = Playing.TestCase
