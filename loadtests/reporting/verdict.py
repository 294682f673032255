"""Met, missed, or not decidable: each target and objective against what was measured. Pure.

1. Only runs that count are judged.
2. A caller who got nothing (refused, stalled, closed early …) counts as missed: with over 5 % of the calls
   lost no p95 can be met, however quick the answers of the others were.
3. A p95 needs 200 turns and a p99 1,000. With fewer, a limit is missed when the median is over it already
   (of at least 20 turns) and otherwise not decidable.
4. A figure closer to its limit than the instrument's own error is not decidable.
5. Figures are at the carrier's socket. On the telephone they are judged a second time with the stated
   allowance for the network behind it added whole to both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from loadtests.ramp import Knee, missed
from loadtests.reporting.loads import Load, Setting, tested
from loadtests.results import MIN_P95, MIN_P99, TARGETS_MS, Calibration, Measure, Results

Verdict = Literal["met", "missed", "not decidable"]
MEASURES: dict[Measure, str] = {
    "asr_to_first_token_ms": "ASR to first token",
    "first_audio_out_ms": "first audio out",
    "barge_in_pause_ms": "barge-in: silent after",
    "barge_in_commit_ms": "barge-in: decided after",
    "disclosure_ms": "disclosure starts after",
    "governance_ms": "governance, first clause",
}
_NEEDED = {50: 1, 95: MIN_P95, 99: MIN_P99}
_LOST_PERCENT = 5.0
_MEDIAN_NEEDS = 20
_OBJECTIVE = re.compile(r"(?P<measure>[a-z_]+?)(?:_p(?P<percent>50|95|99))?_ms")


@dataclass(frozen=True, slots=True)
class Goal:
    """A limit in ms for a percentile of a measure, and whose it is."""

    measure: Measure
    percent: int
    limit_ms: float
    whose: str

    @property
    def title(self) -> str:
        """Measure, percentile and limit in words."""
        return f"{MEASURES[self.measure]}, p{self.percent} below {self.limit_ms:,.0f} ms"


@dataclass(frozen=True, slots=True)
class Judgement:
    """One goal at one load. ``ms`` is the figure it rests on, None where there was none."""

    load: Load
    verdict: Verdict
    ms: float | None
    why: str


def targets() -> list[Goal]:
    """The two that the product is measured by."""
    return [Goal(cast(Measure, measure), 95, limit, "target") for measure, limit in TARGETS_MS.items()]


def goals(results: Results) -> tuple[list[Goal], list[str]]:
    """Targets and objectives, one where they are the same limit; and objectives no load test measures."""
    found = {(goal.measure, goal.percent, goal.limit_ms): [goal.whose] for goal in targets()}
    other = []
    for name, limit in results.objectives.items():
        match = _OBJECTIVE.fullmatch(name)
        measure = f"{match['measure']}_ms" if match else ""
        if match is None or measure not in MEASURES:
            other.append(name)
        else:
            key = measure, int(match["percent"] or 95), float(limit)
            found.setdefault(key, []).append(f"objective of {results.agent or 'the agent'}")
    made = [Goal(*key, " and ".join(whose)) for key, whose in found.items()]
    return sorted(made, key=lambda goal: (list(MEASURES).index(goal.measure), goal.limit_ms)), other


def judge(load: Load, goal: Goal, *, allowance_ms: float = 0, error_ms: float = 0) -> Judgement:
    """One goal at one load, with ``allowance_ms`` added and read with an error of ``error_ms``."""
    spread = load.summary.get(goal.measure)
    if not load.valid:
        return Judgement(load, "not decidable", None, "the run does not count")
    if load.offered and 100 * load.lost > _LOST_PERCENT * load.offered:
        return Judgement(load, "missed", None, f"{load.lost} of {load.offered} calls got nothing")
    if spread is None:
        return Judgement(load, "not decidable", None, "no turn has this figure")
    value = {50: spread.p50, 95: spread.p95, 99: spread.p99}[goal.percent]
    turns = f"{spread.n:,} {'calls' if goal.measure == 'disclosure_ms' else 'turns'}"
    if value is None:
        if spread.n >= _MEDIAN_NEEDS and spread.p50 + allowance_ms > goal.limit_ms + error_ms:
            over = spread.p50 + allowance_ms
            return Judgement(load, "missed", over, f"the median is {over:,.0f} ms already, {turns}")
        worst = f"the slowest {spread.max + allowance_ms:,.0f} ms"
        return Judgement(
            load, "not decidable", None, f"{turns}, p{goal.percent} needs {_NEEDED[goal.percent]:,}; {worst}"
        )
    value += allowance_ms
    why = f"p{goal.percent} {value:,.0f} ms, {turns}"
    if abs(value - goal.limit_ms) < error_ms:
        return Judgement(load, "not decidable", value, f"{why}: closer than the error of {error_ms:.1f} ms")
    return Judgement(load, "met" if value < goal.limit_ms else "missed", value, why)


@dataclass(frozen=True, slots=True)
class Overall:
    """One verdict over all loads of a system.

    Attributes:
        verdict: *met* when the lowest load that could be decided met it, *missed* when that missed.
        up_to: the load it was met up to, when a higher one missed.
        why: figures and loads it rests on.
    """

    verdict: Verdict
    up_to: int | None
    why: str

    @property
    def words(self) -> str:
        """The verdict, with how far it goes."""
        return f"{self.verdict} up to {self.up_to}" if self.up_to is not None else self.verdict


def overall(judgements: Sequence[Judgement]) -> Overall:
    """All judgements of one goal, put together by load."""
    judgements = sorted(judgements, key=lambda j: j.load.concurrency)
    met = [j for j in judgements if j.verdict == "met"]
    failed = [j for j in judgements if j.verdict == "missed"]
    undecided = [j for j in judgements if j.verdict == "not decidable"]
    below = [j for j in met if not failed or j.load.concurrency < failed[0].load.concurrency]
    parts = []
    if below:
        parts.append(f"met up to {calls_words(below[-1].load.concurrency)} ({below[-1].why})")
    if failed:
        parts.append(f"missed at {calls_words(failed[0].load.concurrency)} ({failed[0].why})")
    if undecided and len(judgements) <= 3:
        parts += [f"not decidable at {calls_words(j.load.concurrency)} ({j.why})" for j in undecided]
    elif undecided:
        loads = ", ".join(str(j.load.concurrency) for j in undecided)
        parts.append(f"not decidable at {loads} ({undecided[-1].why})")
    verdict: Verdict = "met" if below else "missed" if failed else "not decidable"
    up_to = below[-1].load.concurrency if below and failed else None
    return Overall(verdict, up_to, "; ".join(parts) or "nothing was measured")


@dataclass(frozen=True, slots=True)
class Finding:
    """One goal in one setting over all its loads: at the socket, and with the allowance."""

    goal: Goal
    setting: Setting
    near: Overall
    farther: Overall | None


def findings(results: Results, by_setting: Mapping[Setting, Sequence[Load]]) -> list[Finding]:
    """Every goal in every setting in which ours, or a server somebody named, was called."""
    allowance = results.network_allowance_ms
    made = []
    for setting, found in by_setting.items():
        ours = tested(found)
        error = error_ms(results.calibration(setting.transport))
        for goal in goals(results)[0] if ours else ():
            farther = None
            if setting.transport == "twilio" and allowance:
                farther = overall(
                    [judge(load, goal, allowance_ms=allowance, error_ms=error) for load in ours]
                )
            near = overall([judge(load, goal, error_ms=error) for load in ours])
            made.append(Finding(goal, setting, near, farther))
    return made


def calls_words(n: int) -> str:
    """A number of calls in words."""
    return f"{n} call{'' if n == 1 else 's'}"


def knee(found: Iterable[Load]) -> Knee:
    """Where the loads bend, by the rule that ends a ramp; loads that do not count are skipped.

    Stricter than a verdict: with too few turns for a p95 the slowest one has to stay below the target.
    """
    carried: int | None = None
    for load in sorted(tested(found), key=lambda load: load.concurrency):
        if not load.valid:
            continue
        whole = {
            "summary": load.summary, "outcomes": load.outcomes,
            "offered": load.offered, "completed": load.completed,
        }  # fmt: skip
        if why := missed(load.runs[0].model_copy(update=whole)):
            return Knee(carried, load.concurrency, why)
        carried = load.concurrency
    return Knee(carried, None)


def error_ms(calibration: Calibration | None) -> float:
    """The figures' resolution: differences below it are none. 0 where nothing was calibrated."""
    return calibration.error_p95_ms if calibration else 0.0


def error_words(calibration: Calibration | None) -> str:
    """The resolution as a chart states it."""
    if calibration is None:
        return "error unknown: not calibrated"
    return f"error ±{calibration.error_p95_ms:.1f} ms (p95)"
