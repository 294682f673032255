"""Ours against theirs: ratios of percentiles and of cost, with intervals bootstrapped by call.

Turns of one call share a caller, a voice and a moment of the server: they are no
independent draws, so calls are drawn, with replacement, and their turns come with
them (the cluster bootstrap; Davison and Hinkley, Bootstrap Methods, 1997, 3.8). What
is measured once a run (CPU, memory) is drawn by run, which is a block of the
comparison; with two blocks a side its interval is their whole range.
"""

from __future__ import annotations

import statistics as of_blocks
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, cast, get_args

import numpy as np
import numpy.typing as npt

from loadtests.results import MIN_P95, MIN_P99, Measure, Row, Run, Transport
from loadtests.statistics import rank
from loadtests.summary import TURN_MEASURES, turn_values

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Baseline = Literal["defaults", "equal_silence", "controls_off"]
#: A percentile and the number of values it needs, on both sides.
_NEEDS = {50: 1, 95: MIN_P95, 99: MIN_P99}
#: What a call costs; each one number a run. Memory is none of it: in a session that goes on, what a block
#: adds depends on the blocks before it. ``run`` tells it, of a server of its own.
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

    def percentile(self, percent: int) -> float:
        return float(self.values[rank(len(self.values), percent) - 1])

    def drawn(self, percent: int, draws: int, random: np.random.Generator) -> Floats:
        """The percentile in each of ``draws`` samples of as many calls; nan where no value was drawn."""
        found: list[Floats] = []
        step = max(1, _CELLS // max(len(self.values), self.units))
        for begun in range(0, draws, step):
            some = min(step, draws - begun)
            times = random.multinomial(self.units, [1 / self.units] * self.units, size=some)
            below = np.cumsum(times[:, self.of_call], axis=1)
            wanted = -(-percent * below[:, -1] // 100)
            at = np.minimum((below < wanted[:, None]).sum(axis=1), len(self.values) - 1)
            found.append(np.where(below[:, -1] > 0, self.values[at], np.nan))
        return np.concatenate(found)


def ratios(
    ours: Sequence[Run], theirs: Sequence[Run], *, seed: int = 1, draws: int = 2000
) -> tuple[Row, ...]:
    """A row for every percentile and cost that both sides have, by baseline, transport and concurrency.

    Every run that is given counts: whoever calls this leaves invalid blocks out, or says so. A figure that is
    zero, below or missing on either side or in any draw has no ratio and no row; nor has a cost with fewer
    than two blocks a side: no interval. Maxima are left out: drawn again, they say nothing.

    Args:
        ours: runs of ours, all with one profile and network.
        theirs: of one or more baselines, with the same.
        seed: the same seed draws the same intervals.
        draws: bootstrap samples.

    Raises:
        ValueError: runs of more than one profile or network, or a run of ours among theirs.
    """
    if len({(run.profile, run.tier, run.network, run.variant) for run in (*ours, *theirs)}) > 1:
        raise ValueError("a ratio is of one profile and one network: mock and real engines never meet")
    mine = _by_load(ours)
    rows: list[Row] = []
    for baseline, runs in _by_baseline(theirs).items():
        for load, against in _by_load(runs).items():
            if load in mine:
                rows += _rows(mine[load], against, baseline, load, seed, draws)
    return tuple(rows)


def _rows(
    ours: Sequence[Run],
    theirs: Sequence[Run],
    baseline: Baseline,
    load: tuple[Transport, int],
    seed: int,
    draws: int,
) -> Iterator[Row]:
    random = np.random.default_rng(seed)
    for measure in (*TURN_MEASURES, "disclosure_ms"):
        a, b = _sample(ours, measure), _sample(theirs, measure)
        n = min(len(a.values), len(b.values))
        for percent, needed in _NEEDS.items():
            if n >= needed:
                drawn = a.drawn(percent, draws, random), b.drawn(percent, draws, random)
                name = f"{measure}.p{percent}"
                yield from _row(
                    name, a.percentile(percent), b.percentile(percent), drawn, n, baseline, load, ours[0]
                )
    for key in COSTS:
        mine, their = _costs(ours, key), _costs(theirs, key)
        n = min(len(mine), len(their))
        if n >= 2:
            drawn = _medians(mine, draws, random), _medians(their, draws, random)
            a_cost, b_cost = of_blocks.median(mine), of_blocks.median(their)
            yield from _row(key, a_cost, b_cost, drawn, n, baseline, load, ours[0])


def _row(
    name: str,
    ours: float,
    theirs: float,
    drawn: tuple[Floats, Floats],
    n: int,
    baseline: Baseline,
    load: tuple[Transport, int],
    run: Run,
) -> Iterator[Row]:
    if ours <= 0 or theirs <= 0 or not all(bool((side > 0).all()) for side in drawn):
        return
    low, high = np.percentile(drawn[0] / drawn[1], [_LOW, _HIGH])
    transport, concurrency = load
    yield Row(
        measure=name, profile=run.profile, tier=run.tier, transport=transport, network=run.network,
        variant=run.variant, concurrency=concurrency, baseline=baseline,
        ours=ours, theirs=theirs, ratio=ours / theirs, ci=(float(low), float(high)), n=n,
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
