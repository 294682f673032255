"""Ours against theirs: ratios of percentiles and of cost, with intervals bootstrapped by call.

Turns of one call share a caller, a voice and a moment of the server: they are no
independent draws, so calls are drawn, with replacement, and their turns come with
them (the cluster bootstrap; Davison and Hinkley, Bootstrap Methods, 1997, 3.8). A
sample in which no call has a value has no percentile and is drawn again: intervals are
of the figure given that there is one. Every block has the same scripted callers on both
sides, so an interval is of these callers at other moments, not of other callers.

What is measured once a run (CPU time) is drawn by run, which is a block of the
comparison. With fewer than ``MIN_BLOCKS`` blocks a side there is nothing to draw from: then the row says
the *range*, from our cheapest block over their dearest to our dearest over their cheapest.
"""

from __future__ import annotations

import statistics as of_blocks
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal, cast, get_args

import numpy as np
import numpy.typing as npt

from loadtests.results import MIN_BLOCKS, MIN_P95, MIN_P99, Measure, Row, Run, Transport
from loadtests.statistics import rank
from loadtests.summary import TURN_MEASURES, turn_values

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Baseline = Literal["defaults", "equal_silence", "controls_off"]
#: A percentile and the number of values it needs, on both sides.
_NEEDS = {50: 20, 95: MIN_P95, 99: MIN_P99}
#: Calls, on both sides, that an interval drawn by call needs: of one call every draw is the same.
MIN_CALLS = 10
#: Pipecat without us: a recogniser that computes is none of its processes, and not weighed with it.
_BARE = ("defaults", "equal_silence")
#: What a call costs; each one number a run. Memory is none of it. A server that stays up through all
#: blocks keeps some of what earlier calls had, so that a block's peak above the idle server is of the blocks
#: before it, too, and ours has more of those than any baseline: one call at a time took bare pipecat to
#: 64 MB above idle in its first block and to 95 in its second. What an added call takes is told by
#: ``run``, of one server under growing loads (``loadtests.memory``).
COSTS = ("cpu_ms_per_call_s",)
#: Bounds of the interval, percent.
_LOW, _HIGH = 2.5, 97.5
#: Drawn weights computed at once: bounds memory to some 30 MB.
_CELLS = 4_000_000


class _Sample:
    """Values of one measure in ascending order; ``of_call[i]`` is the call that ``values[i]`` is of."""

    def __init__(self, values: Sequence[tuple[int, float]], units: int) -> None:
        ordered = sorted(values, key=lambda pair: pair[1])
        self.values: Floats = np.array([value for _, value in ordered], dtype=np.float64)
        self.of_call: Whole = np.array([unit for unit, _ in ordered], dtype=np.int64)
        self.units = units

    @property
    def calls(self) -> int:
        """Calls that brought a value."""
        return len(set(self.of_call.tolist()))

    def percentile(self, percent: int) -> float:
        return float(self.values[rank(len(self.values), percent) - 1])

    def drawn(self, percent: int, draws: int, random: np.random.Generator) -> Floats:
        """The percentile in each of ``draws`` samples of as many calls, of which one has a value at least."""
        found: list[Floats] = []
        step = max(1, _CELLS // max(len(self.values), self.units))
        left = draws
        while left:  # with one value there is one in 63 % of the samples at least
            times = random.multinomial(self.units, [1 / self.units] * self.units, size=min(step, left))
            below = np.cumsum(times[:, self.of_call], axis=1)
            below = below[below[:, -1] > 0]
            wanted = -(-percent * below[:, -1] // 100)
            found.append(self.values[(below < wanted[:, None]).sum(axis=1)])
            left -= len(below)
        return np.concatenate(found)


@dataclass(frozen=True, slots=True)
class _Figure:
    """One measure of both sides. ``interval``: of ours / theirs; None where zero or less was drawn."""

    name: str
    ours: float
    theirs: float
    interval: tuple[float, float] | None
    n: int
    of: Literal["95 %", "range"] = "95 %"


def ratios(
    ours: Sequence[Run],
    theirs: Sequence[Run],
    *,
    seed: int = 1,
    draws: int = 2000,
    left_out: Callable[[str], object] = lambda why: None,
) -> tuple[Row, ...]:
    """A row for every percentile and cost that both sides have, by baseline, transport and concurrency.

    Every run that is given counts: whoever calls this leaves invalid blocks out, or says so. A figure
    that is zero or below, on either side or in a draw, has no ratio; nor has a cost with fewer than two
    blocks a side, or a percentile with fewer turns, or of fewer calls, than it needs. Maxima are left out:
    drawn again, they say nothing.

    Args:
        ours: runs of ours, all with one profile and network.
        theirs: of one or more baselines, with the same.
        seed: the same seed draws the same intervals.
        draws: bootstrap samples.
        left_out: told of every row that one side at least has a figure for and that is not there, one
            sentence for each reason.

    Raises:
        ValueError: runs of more than one profile or network, or a run of ours among theirs.
    """
    if len({(run.profile, run.tier, run.network, run.variant) for run in (*ours, *theirs)}) > 1:
        raise ValueError("a ratio is of one profile and one network: mock and real engines never meet")
    mine = _by_load(ours)
    rows: list[Row] = []
    for baseline, runs in _by_baseline(theirs).items():
        for load, against in _by_load(runs).items():
            if load not in mine:
                continue
            transport, concurrency = load
            where = f"{baseline} at {concurrency} by {transport}"

            def missing(why: str, where: str = where) -> None:
                left_out(f"{where}: {why}")

            random = np.random.default_rng(seed)
            costs = _comparable_costs(mine[load][0], baseline, missing)
            for figure in chain(
                _percentiles(mine[load], against, draws, random, missing),
                _prices(costs, mine[load], against, draws, random, missing),
            ):
                if figure.interval is None or min(figure.ours, figure.theirs) <= 0:
                    missing(f"{figure.name}: a figure of zero or below has no ratio")
                else:
                    rows.append(_row(figure, figure.interval, baseline, mine[load][0]))
    return tuple(rows)


@dataclass(frozen=True, slots=True)
class Beyond:
    """A percentile of both sides less the same time, ms; ``interval``: 95 % of ours / theirs."""

    ours: float
    theirs: float
    interval: tuple[float, float] | None
    n: int

    @property
    def ratio(self) -> float:
        """Ours divided by theirs."""
        return self.ours / self.theirs


def beyond(
    ours: Sequence[Run],
    theirs: Sequence[Run],
    measure: Measure,
    percent: int,
    less_ms: float,
    *,
    seed: int = 1,
    draws: int = 2000,
) -> Beyond | None:
    """How much of a wait lies beyond a part that both sides have in common, with its interval, drawn by call.

    Args:
        ours, theirs: runs of one load.
        less_ms: the part, ms.

    Returns:
        None where one side has too few turns, or calls, or where theirs is no more than the part.
    """
    a, b = _sample(ours, measure), _sample(theirs, measure)
    n = min(len(a.values), len(b.values))
    if n < _NEEDS[percent] or min(a.calls, b.calls) < MIN_CALLS or b.percentile(percent) <= less_ms:
        return None
    random = np.random.default_rng(seed)
    interval = _interval(a.drawn(percent, draws, random) - less_ms, b.drawn(percent, draws, random) - less_ms)
    return Beyond(a.percentile(percent) - less_ms, b.percentile(percent) - less_ms, interval, n)


def _percentiles(
    ours: Sequence[Run],
    theirs: Sequence[Run],
    draws: int,
    random: np.random.Generator,
    missing: Callable[[str], None],
) -> Iterator[_Figure]:
    too_few: dict[int, list[str]] = defaultdict(list)
    few_calls: list[str] = []
    for measure in (*TURN_MEASURES, "disclosure_ms"):
        a, b = _sample(ours, measure), _sample(theirs, measure)
        n = min(len(a.values), len(b.values))
        if not n:
            if len(a.values) or len(b.values):
                missing(f"{measure}: only {'ours' if len(a.values) else 'theirs'} has it")
            continue
        calls = min(a.calls, b.calls)
        if calls < MIN_CALLS:
            few_calls.append(f"{measure} ({calls})")
            continue
        for percent, needed in _NEEDS.items():
            if n < needed:
                too_few[percent].append(f"{measure} ({n})")
                continue
            interval = _interval(a.drawn(percent, draws, random), b.drawn(percent, draws, random))
            name = f"{measure}.p{percent}"
            yield _Figure(name, a.percentile(percent), b.percentile(percent), interval, n)
    if few_calls:
        missing(f"an interval needs {MIN_CALLS} calls on each side: {', '.join(few_calls)}")
    for percent, measures in too_few.items():
        missing(f"p{percent} needs {_NEEDS[percent]} on each side: {', '.join(measures)}")


def _comparable_costs(run: Run, baseline: Baseline, missing: Callable[[str], None]) -> tuple[str, ...]:
    if run.profile != "gpu" or baseline not in _BARE:
        return COSTS
    missing("cpu_ms_per_call_s: ours recognises speech in its own processes, theirs in the engines'")
    return ()


def _prices(
    costs: Sequence[str],
    ours: Sequence[Run],
    theirs: Sequence[Run],
    draws: int,
    random: np.random.Generator,
    missing: Callable[[str], None],
) -> Iterator[_Figure]:
    for key in costs:
        mine, their = _costs(ours, key), _costs(theirs, key)
        n = min(len(mine), len(their))
        if n < 2:
            if mine or their:
                missing(f"{key}: needs two blocks on each side, there are {n}")
            continue
        a, b = of_blocks.median(mine), of_blocks.median(their)
        if n >= MIN_BLOCKS:
            interval = _interval(_medians(mine, draws, random), _medians(their, draws, random))
            yield _Figure(key, a, b, interval, n)
        else:
            above = min(*mine, *their) > 0
            span = (min(mine) / max(their), max(mine) / min(their)) if above else None
            yield _Figure(key, a, b, span, n, of="range")


def _interval(ours: Floats, theirs: Floats) -> tuple[float, float] | None:
    if not (bool((ours > 0).all()) and bool((theirs > 0).all())):
        return None
    low, high = np.percentile(ours / theirs, [_LOW, _HIGH])
    return float(low), float(high)


def _row(figure: _Figure, interval: tuple[float, float], baseline: Baseline, run: Run) -> Row:
    return Row(
        measure=figure.name, profile=run.profile, tier=run.tier, transport=run.transport, network=run.network,
        variant=run.variant, concurrency=run.concurrency, baseline=baseline, ours=figure.ours,
        theirs=figure.theirs, ratio=figure.ours / figure.theirs, ci=interval, ci_is=figure.of, n=figure.n,
    )  # fmt: skip


def _sample(runs: Sequence[Run], measure: Measure) -> _Sample:
    """Calls of all runs in a row; a call without a value is drawn too, and brings none."""
    values: list[tuple[int, float]] = []
    units = 0
    for run in runs:
        known = {call.n for call in run.calls} | {turn.call for turn in run.turns}
        index = {n: units + i for i, n in enumerate(sorted(known))}
        units += len(index)
        values += [(index[call], value) for call, value in _by_call(run, measure)]
    return _Sample(values, units)


def _by_call(run: Run, measure: Measure) -> list[tuple[int, float]]:
    if measure == "disclosure_ms":
        opened = [(call.n, call.disclosure_first_ms) for call in run.calls]
        return [(n, at) for n, at in opened if at is not None]
    return [(call, value) for call, value, _ in turn_values(run.turns, measure)]


def _costs(runs: Sequence[Run], key: str) -> list[float]:
    found = [getattr(run.resources, key) for run in runs]
    return [cast(float, value) for value in found if value is not None]


def _medians(blocks: Sequence[float], draws: int, random: np.random.Generator) -> Floats:
    drawn = random.choice(np.array(blocks, dtype=np.float64), size=(draws, len(blocks)))
    return np.asarray(np.median(drawn, axis=1), dtype=np.float64)


def _by_load(runs: Sequence[Run]) -> Mapping[tuple[Transport, int], list[Run]]:
    found: dict[tuple[Transport, int], list[Run]] = defaultdict(list)
    for run in runs:
        found[run.transport, run.concurrency].append(run)
    return found


def _by_baseline(runs: Sequence[Run]) -> Mapping[Baseline, list[Run]]:
    found: dict[Baseline, list[Run]] = defaultdict(list)
    for run in runs:
        if run.system not in get_args(Baseline):
            raise ValueError(f"{run.system} is no baseline")
        found[cast(Baseline, run.system)].append(run)
    return found
