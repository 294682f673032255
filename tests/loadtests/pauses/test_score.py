"""Decisions held against labels: whose pause a decision was for, and what the delay is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.pauses.lines import TAIL_MS, Line, line_of
from loadtests.pauses.policies import FixedSilence, Listener
from loadtests.pauses.score import (
    GRACE_MS,
    Cut,
    Decision,
    Verdict,
    by_kind,
    decisions,
    figures,
    judge,
    summarise,
)
from loadtests.pauses.utterances import Piece, Utterance, load_utterances
from voice_runtime.events import CHUNK_MS

pytestmark = pytest.mark.anyio

UTTERANCES = {utterance.id: utterance for utterance in load_utterances()}
CHUNK = CHUNK_MS * 8


def at(*samples: int) -> list[Decision]:
    return [Decision(sample, "made up") for sample in samples]


def scored(verdict: Verdict) -> tuple[str, tuple[bool, ...], int, float | None]:
    return verdict.kind, verdict.cut, verdict.early, verdict.delay_ms


@pytest.fixture
def line(needs_system: Callable[..., None]) -> Line:
    needs_system("flite")
    return line_of(UTTERANCES["phone-three-groups"], 0, "slt")


class Oracle:
    """Knows the labels: ends the turn with the chunk that brings the caller's last sample."""

    name = "oracle"

    def listen(self, line: Line) -> Listener:
        return _Oracle(line.end)


class _Oracle:
    def __init__(self, end: int) -> None:
        self._left = end

    async def chunk(self, pcm: bytes) -> str:
        before, self._left = self._left, self._left - len(pcm) // 2
        return "knew it" if before > 0 >= self._left else ""

    async def close(self) -> None:
        pass


async def test_an_oracle_cuts_nobody_off_and_waits_for_nothing(line: Line) -> None:
    verdict = judge(line, await decisions(Oracle(), line))
    assert verdict.cut == (False, False)
    assert verdict.early == 0
    assert verdict.delay_ms is not None
    assert 0 <= verdict.delay_ms < CHUNK_MS  # decisions come with whole chunks
    row = figures([verdict])
    assert (row.cut_off_percent, row.never_ended, row.thinking_pauses) == (0, 0, 2)


def test_a_decision_belongs_to_its_pause_also_when_it_comes_a_little_late(line: Line) -> None:
    one, two = line.pauses
    late = GRACE_MS * 8
    assert judge(line, at(one.start, line.end)).cut == (True, False)
    assert judge(line, at(one.end + late - 1, line.end)).cut == (True, False)
    assert judge(line, at(two.start + 8, line.end)).cut == (False, True)
    assert judge(line, at(one.start, one.start + 8, line.end)).cut == (True, False)
    verdict = judge(line, at(one.start - 8, one.end + late, line.end + 80))
    assert (verdict.cut, verdict.early, verdict.delay_ms) == ((False, False), 2, 10)


def test_the_first_decision_after_the_end_counts_and_none_is_never(line: Line) -> None:
    assert judge(line, at(line.end, line.end + 800)).delay_ms == 0
    assert judge(line, at()).delay_ms is None
    assert judge(line, at(line.end - 800)).delay_ms == -100
    assert scored(judge(line, at(line.end - 800, line.end + 800))) == ("spelled", (False, False), 1, 100)
    assert scored(judge(line, at(line.end - GRACE_MS * 8 - 1))) == ("spelled", (False, False), 1, None)


def test_pauses_after_a_whole_sentence_are_not_counted(needs_system: Callable[..., None]) -> None:
    needs_system("flite")
    line = line_of(UTTERANCES["cancel-the-friday-one"], 0, "slt")
    (pause,) = line.pauses
    assert scored(judge(line, at(pause.start + 800, line.end))) == ("addition", (), 0, 0)


def test_two_numbers_are_summed_up_by_nearest_rank() -> None:
    verdicts = [Verdict(f"um-{n}", "filler", (n < 5, True), 0, float(n)) for n in range(19)]
    verdicts.append(Verdict("yes", "answer", (), 0, None))
    row = figures(verdicts)
    assert row.cut_off_percent == pytest.approx(63.2)  # 24 of 38
    assert (row.delay_p50_ms, row.delay_p95_ms, row.delay_max_ms) == (9, None, TAIL_MS)
    many = figures(10 * verdicts)
    assert (many.ends, many.delay_p95_ms) == (200, 18)
    assert (row.thinking_pauses, row.ends, row.never_ended) == (38, 20, 1)
    assert figures(verdicts[-1:]).delay_max_ms == TAIL_MS
    assert {kind: len(found) for kind, found in by_kind(verdicts).items()} == {"answer": 1, "filler": 19}


# -- properties, on lines of nothing but edges ---------------------------------------------------------

#: Pieces and pauses in turn, in chunks, and which pauses leave the turn open; the last piece has no pause.
DRAWN = st.tuples(
    st.lists(st.tuples(st.integers(5, 60), st.integers(3, 100), st.booleans()), max_size=4),
    st.integers(5, 60),
)


def labelled(drawn: tuple[list[tuple[int, int, bool]], int]) -> Line:
    """A line that begins at once and has no audio."""
    before, last = drawn
    lengths = [n * CHUNK for said, silent, _ in before for n in (said, silent)] + [last * CHUNK]
    edges = list(accumulate(lengths, initial=0))
    pieces = tuple((edges[n], edges[n + 1] - 1) for n in range(0, len(lengths), 2))
    written = [Piece.model_construct(text="word", open=is_open) for *_, is_open in before]
    utterance = Utterance.model_construct(
        id="drawn", kind="thinking", pieces=(*written, Piece.model_construct(text="word"))
    )
    ulaw = bytes(edges[-1] + TAIL_MS * 8)
    return Line(bytes(2 * len(ulaw)), ulaw, pieces, (), utterance, "nobody")


@st.composite
def decided(draw: st.DrawFn) -> tuple[Line, list[int]]:
    """A line and decisions on it, as a policy makes them: at the ends of chunks, at most one each."""
    line = labelled(draw(DRAWN))
    chunks = st.integers(1, len(line.ulaw) // CHUNK)
    return line, [CHUNK * n for n in sorted(draw(st.sets(chunks, max_size=8)))]


@given(decided())
def test_an_open_pause_is_cut_by_any_decision_in_it_and_by_none_far_from_it(
    made: tuple[Line, list[int]],
) -> None:
    line, ends = made
    verdict = judge(line, at(*ends))
    opened = [pause for pause in line.pauses if pause.open]
    assert len(verdict.cut) == len(opened)
    for cut, pause in zip(verdict.cut, opened, strict=True):
        if any(pause.start <= end < pause.end for end in ends):
            assert cut
        if not any(pause.start <= end < pause.end + GRACE_MS * 8 for end in ends):
            assert not cut


@given(decided())
def test_every_decision_counts_once(made: tuple[Line, list[int]]) -> None:
    line, ends = made
    verdict = judge(line, at(*ends))
    before = sum(end < line.end for end in ends)
    ended_early = verdict.delay_ms is not None and verdict.delay_ms < 0
    in_pauses = before - verdict.early - ended_early
    assert in_pauses >= sum(verdict.cut)
    if not line.pauses:
        assert in_pauses == 0
    assert verdict.delay_ms is None or -GRACE_MS <= verdict.delay_ms <= TAIL_MS
    assert (verdict.delay_ms is not None) or not any(end >= line.end for end in ends)


@given(decided(), st.data())
def test_one_more_decision_cuts_no_fewer_pauses_off(
    made: tuple[Line, list[int]], data: st.DataObject
) -> None:
    line, ends = made
    more = CHUNK * data.draw(st.integers(1, len(line.ulaw) // CHUNK))
    cut = judge(line, at(*sorted({*ends, more}))).cut
    assert all(now or not then for now, then in zip(cut, judge(line, at(*ends)).cut, strict=True))


@given(DRAWN, st.sampled_from((200, 400, 600, 800, 1000, 1500)))
def test_with_a_perfect_detector_a_silence_cuts_the_longer_pauses_and_delays_by_itself(
    drawn: tuple[list[tuple[int, int, bool]], int], silence_ms: int
) -> None:
    line = labelled(drawn)

    def speech_of(line: Line) -> list[bool]:
        starts = range(0, len(line.ulaw), CHUNK)
        return [any(a <= at <= b for a, b in line.pieces) for at in starts]

    verdict = judge(line, asyncio.run(decisions(FixedSilence(silence_ms, speech_of), line)))
    assert verdict.cut == tuple((p.end - p.start) / 8 >= silence_ms for p in line.pauses if p.open)
    assert (verdict.early, verdict.delay_ms) == (0, silence_ms)


VERDICTS = st.lists(
    st.builds(
        Verdict,
        id=st.just("drawn"),
        kind=st.just("thinking"),
        cut=st.lists(st.booleans(), max_size=3).map(tuple),
        early=st.integers(0, 3),
        delay_ms=st.none() | st.integers(-GRACE_MS, TAIL_MS + CHUNK_MS).map(float),
    ),
    min_size=1,
    max_size=60,
).map(lambda found: [replace(one, id=f"drawn-{n}") for n, one in enumerate(found)])


@given(VERDICTS)
def test_a_turn_that_was_never_ended_stays_in_at_the_cap(verdicts: list[Verdict]) -> None:
    row = figures(verdicts)
    assert -GRACE_MS <= row.delay_p50_ms <= row.delay_max_ms <= TAIL_MS
    assert row.ends == len(verdicts)
    if 2 * row.never_ended > row.ends:
        assert row.delay_p50_ms == TAIL_MS
    if row.never_ended:
        assert row.delay_max_ms == TAIL_MS
    worse = figures([*verdicts, Verdict("worse", "thinking", (), 0, None)])
    assert worse.delay_p50_ms >= row.delay_p50_ms
    assert worse.delay_max_ms == TAIL_MS
    assert worse.cut_off_percent == row.cut_off_percent


@given(VERDICTS, st.randoms(use_true_random=False))
def test_the_two_numbers_do_not_depend_on_the_order(verdicts: list[Verdict], random: Random) -> None:
    shuffled = list(verdicts)
    random.shuffle(shuffled)
    assert figures(shuffled) == figures(verdicts)


def test_a_decision_in_the_next_pause_is_that_pauses_own() -> None:
    """Two pauses with a short word between: it was counted for the first, which was hardly over."""
    line = labelled(([(20, 20, True), (10, 30, True)], 20))
    one, two = line.pauses
    assert two.start < one.end + GRACE_MS * 8
    assert judge(line, at(two.start + CHUNK, line.end)).cut == (False, True)


def test_a_decision_in_the_last_pause_ends_no_turn_that_goes_on_shortly() -> None:
    line = labelled(([(20, 30, True)], 10))
    (pause,) = line.pauses
    assert pause.end - CHUNK >= line.end - GRACE_MS * 8
    assert scored(judge(line, at(pause.end - CHUNK))) == ("thinking", (True,), 0, None)


def test_nothing_has_no_two_numbers() -> None:
    with pytest.raises(ValueError, match="of 0 values"):
        figures([])


def test_an_interval_rests_on_different_pauses_and_not_on_how_many_voices_said_them() -> None:
    one_voice = [Verdict(f"um-{n}", "filler", (n < 5,), 0, 0.0) for n in range(50)]
    four_voices = figures(4 * one_voice)
    assert four_voices.cut_off_ci == figures(one_voice).cut_off_ci == (4.3, 21.4)
    assert (four_voices.thinking_pauses, four_voices.labelled_pauses) == (200, 50)
    more = figures([replace(one, id=f"{one.id}-{n}") for n in range(4) for one in one_voice])
    assert more.cut_off_ci is not None
    assert more.cut_off_ci[1] - more.cut_off_ci[0] < 21.4 - 4.3


def test_what_cannot_be_cut_off_has_no_share() -> None:
    row = figures([Verdict("yes", "answer", (), 0, 40.0)])
    assert (row.cut_off_percent, row.cut_off_ci, row.labelled_pauses) == (None, None, 0)


def test_a_policy_is_summed_up_kind_by_kind_on_its_set() -> None:
    verdicts = [Verdict("um", "filler", (True,), 0, 40.0), Verdict("yes", "answer", (), 0, None)]
    row = summarise("made up", verdicts, "held_out")
    assert (row.policy, row.labelled, row.overall) == ("made up", "held_out", figures(verdicts))
    assert row.kinds == {"answer": figures(verdicts[1:]), "filler": figures(verdicts[:1])}
    assert list(row.kinds) == ["answer", "filler"]


def test_a_cut_says_where_it_came_and_why() -> None:
    line = labelled(([(20, 20, True), (10, 30, False), (10, 30, True)], 20))
    one, two, three = line.pauses
    verdict = judge(
        line,
        [
            Decision(one.start + CHUNK, "first"),
            Decision(one.start + 2 * CHUNK, "later"),
            Decision(two.start + CHUNK, "no fault"),
            Decision(three.end + CHUNK, "a little late"),
            Decision(line.end, "the end"),
        ],
    )
    assert verdict.cut == (True, True)
    assert verdict.cuts == (Cut("word", 400, 20, "first"), Cut("word", 600, 620, "a little late"))
    assert verdict.id == "drawn"
    assert verdict.voice == "nobody"
