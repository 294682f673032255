"""Decisions held against labels: whose pause a decision was for, and what the delay is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from loadtests.pauses.lines import TAIL_MS, Line, line_of
from loadtests.pauses.policies import Listener
from loadtests.pauses.score import GRACE_MS, Verdict, by_kind, decisions, judge, summarise
from loadtests.pauses.utterances import load_utterances
from voice_runtime.events import CHUNK_MS

pytestmark = pytest.mark.anyio

UTTERANCES = {utterance.id: utterance for utterance in load_utterances()}
CHUNK = CHUNK_MS * 8


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

    async def chunk(self, pcm: bytes) -> bool:
        before, self._left = self._left, self._left - len(pcm) // 2
        return before > 0 >= self._left

    async def close(self) -> None:
        pass


async def test_an_oracle_cuts_nobody_off_and_waits_for_nothing(line: Line) -> None:
    verdict = judge(line, await decisions(Oracle(), line))
    assert verdict.cut == (False, False)
    assert verdict.early == 0
    assert verdict.delay_ms is not None
    assert 0 <= verdict.delay_ms < CHUNK_MS  # decisions come with whole chunks
    row = summarise("oracle", [verdict])
    assert (row.cut_off_percent, row.never_ended, row.thinking_pauses) == (0, 0, 2)


def test_a_decision_belongs_to_its_pause_also_when_it_comes_a_little_late(line: Line) -> None:
    one, two = line.pauses
    late = GRACE_MS * 8
    assert judge(line, [one.start, line.end]).cut == (True, False)
    assert judge(line, [one.end + late - 1, line.end]).cut == (True, False)
    assert judge(line, [two.start + 8, line.end]).cut == (False, True)
    assert judge(line, [one.start, one.start + 8, line.end]).cut == (True, False)
    verdict = judge(line, [one.start - 8, one.end + late, line.end + 80])
    assert (verdict.cut, verdict.early, verdict.delay_ms) == ((False, False), 2, 10)


def test_the_first_decision_after_the_end_counts_and_none_is_never(line: Line) -> None:
    assert judge(line, [line.end, line.end + 800]).delay_ms == 0
    assert judge(line, []).delay_ms is None
    assert judge(line, [line.end - 800]).delay_ms == -100
    assert judge(line, [line.end - 800, line.end + 800]) == Verdict("spelled", (False, False), 1, 100)
    assert judge(line, [line.end - GRACE_MS * 8 - 1]) == Verdict("spelled", (False, False), 1, None)


def test_pauses_after_a_whole_sentence_are_not_counted(needs_system: Callable[..., None]) -> None:
    needs_system("flite")
    line = line_of(UTTERANCES["cancel-the-friday-one"], 0, "slt")
    (pause,) = line.pauses
    assert judge(line, [pause.start + 800, line.end]) == Verdict("addition", (), 0, 0)


def test_two_numbers_are_summed_up_by_nearest_rank() -> None:
    verdicts = [Verdict("filler", (n < 5, True), 0, float(n)) for n in range(19)]
    verdicts.append(Verdict("answer", (), 0, None))
    row = summarise("made up", verdicts)
    assert row.cut_off_percent == pytest.approx(63.2)  # 24 of 38
    assert (row.delay_p50_ms, row.delay_p95_ms) == (9, 18)
    assert (row.thinking_pauses, row.ends, row.never_ended) == (38, 20, 1)
    assert summarise("made up", verdicts[-1:]).delay_p95_ms == TAIL_MS
    assert {kind: len(found) for kind, found in by_kind(verdicts).items()} == {"answer": 1, "filler": 19}
