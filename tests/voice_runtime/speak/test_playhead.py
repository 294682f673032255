"""The playhead: when what was sent has sounded, and silence that is meant and no longer than meant."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.events import CHUNK_SAMPLES
from voice_runtime.speak.playhead import CHUNK_NS, Playhead

MS = 1_000_000


def test_what_is_sent_in_time_sounds_behind_what_was_sent_before() -> None:
    head = Playhead()
    assert head.words(1000 * MS, 3, 0) == 1000 * MS
    assert head.words(1010 * MS, 3, 480) == 1060 * MS
    assert (head.ns, head.words_ns) == (1120 * MS, 1120 * MS)


def test_silence_moves_the_playhead_and_not_the_words() -> None:
    head = Playhead()
    head.words(1000 * MS, 3, 0)
    head.silence = 5
    assert [head.fall_silent(1000 * MS, 3, 480) for _ in range(3)] == [3, 2, 0]
    assert (head.ns, head.words_ns) == (1160 * MS, 1060 * MS)


def test_what_has_passed_in_silence_is_not_sent_as_well() -> None:
    head = Playhead()
    head.words(1000 * MS, 3, 0)
    head.silence = 12
    assert head.fall_silent(1060 * MS + 10 * CHUNK_NS, 3, 480) == 2
    assert head.silence == 0


@given(st.integers(1, 20), st.lists(st.integers(0, 300), min_size=30, max_size=30), st.integers(1, 3))
def test_however_late_it_is_sent_silence_ends_when_it_was_meant_to_or_at_once(
    meant: int, waits_ms: list[int], most: int
) -> None:
    """What follows comes ``meant`` chunks behind the words; at most a chunk later for each late sending."""
    head = Playhead()
    head.words(1000 * MS, 3, 0)
    ends = head.ns + meant * CHUNK_NS
    head.silence = meant
    now = 1000 * MS
    sent = late = 0
    for wait_ms in waits_ms:
        if not head.silence:
            break
        now += wait_ms * MS
        late += now > head.ns
        sent += head.fall_silent(now, most, 480)
    assert sent <= meant
    assert head.silence or head.ns <= max(ends, now) + max(1, late) * CHUNK_NS


def test_played_since_the_newest_mark_counts_only_where_there_was_no_gap() -> None:
    head = Playhead()
    head.words(1000 * MS, 9, 0)
    head.proven(1180 * MS, 9 * CHUNK_SAMPLES)
    assert head.played_since(1250 * MS) == 3 * CHUNK_SAMPLES
    head.words(1300 * MS, 9, 9 * CHUNK_SAMPLES)  # after a gap of 120 ms
    assert head.played_since(1350 * MS) == 0
    head.proven(1350 * MS, 9 * CHUNK_SAMPLES)  # a mark from before the gap
    assert head.played_since(1400 * MS) == 0
    head.proven(1480 * MS, 18 * CHUNK_SAMPLES)
    assert head.played_since(1500 * MS) == CHUNK_SAMPLES


def test_a_cut_and_taking_back_leave_no_silence_to_send() -> None:
    head = Playhead()
    head.words(1000 * MS, 3, 0)
    head.silence = 5
    head.taken_back(1020 * MS)
    assert (head.ns, head.words_ns, head.silence) == (1020 * MS, 1020 * MS, 0)
    head.silence = 5
    head.cut()
    assert (head.ns, head.words_ns, head.silence) == (0, 0, 0)
