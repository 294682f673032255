"""The whole comparison on a few utterances: monotone where it must be, the same in one process or two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from statistics import fmean

import pytest

from loadtests.pauses import measure as measuring
from loadtests.pauses.measure import Judged, Said, joined, measure, measure_each, variant_of
from loadtests.pauses.overlaps import Overlap
from loadtests.pauses.score import Verdict, figures
from loadtests.pauses.settings import FIXED_MS, VOICES, Settings
from loadtests.pauses.utterances import (
    FILE,
    HELD_OUT,
    INTERRUPTIONS,
    KINDS,
    LISTENING,
    Utterance,
    load_labelled,
    load_utterances,
)
from tests.needs import needs_system as needs

SOME = ("see-patel-tuesday", "let-me-see", "zip-code", "friday-but")
SETTINGS = Settings(voices=("slt",))


def some(number: int = len(SOME)) -> list[Utterance]:
    return [utterance for utterance in load_utterances() if utterance.id in SOME[:number]]


@pytest.fixture(scope="module")
def verdicts() -> dict[str, list[Verdict]]:
    needs("flite")
    return measure(some(), SETTINGS).turns


def test_every_policy_judges_every_line(verdicts: dict[str, list[Verdict]]) -> None:
    fixed = [f"silence {ms} ms" for ms in FIXED_MS]
    assert list(verdicts) == ["ours", "ours, no text", "Smart Turn alone", *fixed]
    assert {len(found) for found in verdicts.values()} == {len(SOME)}


def test_a_longer_silence_cuts_off_less_and_answers_later(verdicts: dict[str, list[Verdict]]) -> None:
    rows = [figures(verdicts[f"silence {ms} ms"]) for ms in FIXED_MS]
    cut = [row.cut_off_percent for row in rows]
    delays = [row.delay_p50_ms for row in rows]
    assert cut == sorted(cut, reverse=True)
    assert delays == sorted(delays)
    assert cut[0] > cut[-1]
    # The detector's own error, not the policy's: it stops hearing before the last sound has died away.
    assert all(-120 <= row.delay_p50_ms - ms <= 20 for row, ms in zip(rows, FIXED_MS, strict=True))


def test_words_spare_callers_what_the_turn_model_alone_does_not(verdicts: dict[str, list[Verdict]]) -> None:
    ours, deaf = (figures(verdicts[name]) for name in ("ours", "ours, no text"))
    assert ours.cut_off_percent <= deaf.cut_off_percent
    assert ours.never_ended == deaf.never_ended == 0


@pytest.mark.parametrize("path", [FILE, HELD_OUT])
@pytest.mark.parametrize("nth", range(len(VOICES)))
def test_no_voice_has_only_the_short_pauses_or_only_the_long_ones(nth: int, path: Path) -> None:
    """As when the first voice took every first length: its mean was 421 ms, that of the last 1,070 ms."""

    def pauses(utterance: Utterance) -> list[int]:
        lengths = utterance.pauses_ms(variant_of(utterance, nth))
        return [ms for ms, piece in zip(lengths, utterance.pieces, strict=False) if piece.open]

    utterances = load_utterances(path)
    mine = [ms for utterance in utterances for ms in pauses(utterance)]
    every = [ms for u in utterances for piece in u.pieces if piece.open for ms in piece.pause_ms]
    assert fmean(mine) == pytest.approx(fmean(every), rel=0.1)


def test_each_voice_takes_another_length_of_the_same_utterance() -> None:
    (utterance,) = (u for u in load_utterances() if u.id == "zip-code")
    lengths = [utterance.pauses_ms(variant_of(utterance, nth)) for nth in range(4)]
    assert len(set(lengths)) == 4


class AtOnce:
    """A pool that does each job when it is given, and notes which were."""

    given: list[Said]

    def __init__(self, *_: object, **__: object) -> None:
        AtOnce.given = []

    def __enter__(self) -> AtOnce:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, work: object, said: Sequence[Said], settings: Settings) -> Future[Judged]:
        AtOnce.given += said
        done: Future[Judged] = Future()
        done.set_result(Judged())
        return done

    def shutdown(self, *, cancel_futures: bool) -> None:
        pass


def test_whatever_was_done_by_any_moment_has_all_kinds_in_it(
    monkeypatch: pytest.MonkeyPatch, needs_system: Callable[..., None]
) -> None:
    needs_system("flite")
    monkeypatch.setattr(measuring, "ProcessPoolExecutor", AtOnce)
    labelled = load_labelled()
    said: list[Said] = [*labelled.utterances, *labelled.interjections]
    found = dict(measure_each(said, SETTINGS))
    assert sorted(found) == list(range(len(said)))
    assert sorted(one.id for one in AtOnce.given) == sorted(one.id for one in said)
    assert {one.kind for one in AtOnce.given[: len(said) // 3]} == {*KINDS, *INTERRUPTIONS, *LISTENING}


def test_several_processes_find_the_same(needs_system: Callable[..., None]) -> None:
    needs_system("flite")
    said: list[Said] = [*some(1), *(one for one in load_labelled().interjections if one.id == "wait-no")]
    alone = measure(said, SETTINGS)
    found = dict(measure_each(said, SETTINGS, processes=2))
    assert sorted(found) == [0, 1]
    assert joined(found) == alone
    assert list(alone.overlaps) == ["ours", "ours, no text", "pipecat's defaults"]
    assert [one.id for one in alone.overlaps["ours"]] == ["wait-no"]


def test_what_was_found_is_joined_in_its_order_whichever_was_first() -> None:
    def found(n: int) -> Judged:
        return Judged(
            {"p": [Verdict(str(n), "answer", (), 0, 0.0)]}, {"p": [Overlap(str(n), "sound", None, None, 0)]}
        )

    assert joined({1: found(1), 0: found(0)}) == joined({0: found(0), 1: found(1)})
    assert [verdict.id for verdict in joined({1: found(1), 0: found(0)}).turns["p"]] == ["0", "1"]
    assert joined({}) == Judged()
