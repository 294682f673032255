"""Ours against the others: ratios with their intervals as tables, and the blocks they rest on. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from loadtests.reporting.loads import SYSTEMS, Conditions, conditions_of
from loadtests.reporting.tables import NONE, Table, ms
from loadtests.reporting.verdict import MEASURES, calls_words
from loadtests.results import Block, Comparison, Row, SystemName

#: Ratios worth a glance.
_HEADLINES = (
    "asr_to_first_token_ms.p50", "asr_to_first_token_ms.p95",
    "first_audio_out_ms.p50", "first_audio_out_ms.p95",
    "cpu_ms_per_call_s",
)  # fmt: skip
_COSTS = {"cpu_ms_per_call_s": "CPU ms per second of a call"}
_INTERVALS = (
    "Intervals: 95 %, drawn by call; of a cost by block, or, where it says so, the range of its blocks."
)


@dataclass(frozen=True, slots=True)
class Compared:
    """What ratios of one chart have in common.

    Attributes:
        nth: 1, or more where several comparisons were put together and the same was compared again.
    """

    of: Conditions
    concurrency: int
    nth: int

    @property
    def title(self) -> str:
        """Engines, transport, network and load in words."""
        again = f" (comparison {self.nth})" if self.nth > 1 else ""
        return f"{self.of.title}, {self.concurrency} at once{again}"

    @property
    def key(self) -> str:
        """For ids of a page."""
        return f"{self.of.key}-{self.concurrency}" + (f"-{self.nth}" if self.nth > 1 else "")


def compared(rows: Iterable[Row]) -> dict[Compared, list[Row]]:
    """Rows by what they have in common, in order: no two of a group are of one measure and baseline."""
    seen: Counter[tuple[Conditions, int, str, str]] = Counter()
    found: dict[Compared, list[Row]] = {}
    for row in rows:
        key = conditions_of(row), row.concurrency, row.measure, row.baseline
        seen[key] += 1
        found.setdefault(Compared(key[0], row.concurrency, seen[key]), []).append(row)
    return found


def measure_words(measure: str) -> str:
    """``first_audio_out_ms.p95``, or a cost's key, in words."""
    stem, _, percent = measure.partition(".")
    known = {str(key): words for key, words in MEASURES.items()} | _COSTS
    return f"{known.get(stem, stem)}{' ' + percent if percent else ''}"


def ratio(row: Row) -> str:
    """A ratio with its interval, which is marked where it is only a range."""
    low, high = (f"{bound:.2f}" for bound in row.ci)
    return f"{row.ratio:.2f} ({low} to {high}{'' if row.ci_is == '95 %' else ', range of blocks'})"


def headline_ratios(comparison: Comparison) -> Table:
    """The ratios worth a glance, baselines side by side."""
    baselines = list(dict.fromkeys(row.baseline for row in comparison.rows))
    rows = []
    for what, found in compared(comparison.rows).items():
        by_key = {(row.measure, row.baseline): row for row in found}
        for measure in _HEADLINES:
            made = [by_key.get((measure, baseline)) for baseline in baselines]
            if any(made):
                cells = (ratio(row) if row else NONE for row in made)
                rows.append((measure_words(measure), what.title, *cells))
    columns = ("ours as a multiple of", "load", *(SYSTEMS[baseline] for baseline in baselines))
    return Table("Ratios with their intervals: below 1, ours is less", columns, tuple(rows), _INTERVALS)


def ratio_rows(rows: Sequence[Row]) -> Table:
    """Every ratio with its interval: ours divided by theirs."""
    made = tuple(
        (measure_words(row.measure), SYSTEMS[row.baseline], what.title, ms(row.ours), ms(row.theirs),
         ratio(row), str(row.n))
        for what, found in compared(rows).items()
        for row in found
    )  # fmt: skip
    columns = ("measure", "against", "load", "ours", "theirs", "ours / theirs (interval)", "n")
    note = f"{_INTERVALS} n: turns, or blocks, of the smaller side."
    return Table("Ours against the same pipeline without us", columns, made, note)


def block_lines(blocks: Sequence[Block]) -> Iterator[tuple[str, str]]:
    """For each baseline the order of its blocks: A is ours, B the baseline."""
    ordered = sorted(blocks, key=lambda block: block.n)
    for baseline in dict.fromkeys(block.baseline for block in ordered):
        by_load: dict[int, list[SystemName]] = {}
        for block in ordered:
            if block.baseline == baseline:
                by_load.setdefault(block.concurrency, []).append(block.system)
        parts = [
            f"{' '.join('B' if system == baseline else 'A' for system in systems)} at {calls_words(calls)}"
            for calls, systems in by_load.items()
        ]
        yield SYSTEMS[baseline], "; ".join(parts)
