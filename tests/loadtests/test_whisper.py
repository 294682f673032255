"""What Whisper costs: every figure is timed; the table says what short windows and batches gain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from loadtests import whisper
from loadtests.whisper import Cost, report
from loadtests.whisper_model import Sentence, build


def test_encoding_decoding_and_batches_are_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[object] = []

    def once(run: Callable[[], object], rounds: int) -> tuple[float, float, float]:
        ran.append(run())
        return 3.0, 2.0, 1.0

    monkeypatch.setattr(whisper, "_timed", once)
    folder = build(tmp_path, [Sentence("no thank you")], shape="micro")
    found = list(whisper.costs(folder, "micro", [2.0, 30.0], [2], 1, "int8"))
    assert [(c.what, c.window_s, c.callers) for c in found] == [
        ("encode", 2.0, 1), ("decode", 2.0, 1), ("encode", 30.0, 1), ("decode", 30.0, 1),
        ("one by one", 2.0, 2), ("batch", 2.0, 2),
    ]  # fmt: skip
    one = [" no thank you"]
    assert (ran[1], ran[4], ran[5]) == (one, [one, one], [*one, *one]), "in full: the sentence was decoded"


def test_the_table_says_what_is_gained() -> None:
    def cost(what: str, window_s: float, callers: int, cpu_ms: float) -> Cost:
        return Cost("tiny", what, window_s, callers, 2 * cpu_ms, cpu_ms, cpu_ms, 9)

    shown = report(
        [cost("encode", 2.0, 1, 10.0), cost("encode", 30.0, 1, 300.0),
         cost("one by one", 2.0, 8, 400.0), cost("batch", 2.0, 8, 140.0)]
    )  # fmt: skip
    assert "tiny: encoding 2.0 s takes 1/30 of the processor time of 30.0 s" in shown
    assert "tiny: 8 callers in a batch: 35 % of the processor time" in shown


@pytest.mark.parametrize(("median_ms", "least_ms", "rounds"), [(1.0, 2.0, 9), (1.0, 0.0, 9), (2.0, 1.0, 2)])
def test_a_figure_that_cannot_be_right_is_none(median_ms: float, least_ms: float, rounds: int) -> None:
    with pytest.raises(ValueError, match="cannot be right"):
        Cost("tiny", "encode", 2.0, 1, median_ms, least_ms, 1.0, rounds)
