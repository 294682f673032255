"""Met, missed, or not decidable: each target and objective against what was measured. Pure.

1. Only runs that count are judged.
2. A caller who got nothing (refused, stalled, closed early …) counts as missed: the turns such a call never
   came to stand at their cap among the others (``loadtests.censoring``). With over 5 % of the calls lost no
   limit is met, whatever it is a limit of; nor is a target where not one turn was answered.
3. A p95 needs 200 turns and a p99 1,000. With fewer, a limit is missed when the median is over it already
   (of at least 20 turns) and otherwise not decidable.
4. A figure closer to its limit than the instrument's own error is not decidable.
5. Over several loads a limit is *met* only when every load measured met it. Otherwise it is met *up to* the
   highest load below the first that missed, and what was missed, undecided or did not count is named.
6. Figures are at the carrier's socket. On the telephone they are judged a second time with the stated
   allowance for the network behind it added whole to both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from loadtests.ramp import Knee, missed
from loadtests.reporting.loads import Load, Setting, tested
from loadtests.results import MIN_P95, MIN_P99, TARGETS_MS, Calibration, Measure, Results, Run, Transport

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
#: Instead of reasons.
NOTHING = "nothing was measured"
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
    if spread is None and goal.measure in TARGETS_MS and (asked := _unanswered(load)):
        return Judgement(load, "missed", None, f"none of {asked:,} turns was answered")
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


def _unanswered(load: Load) -> int:
    """How many turns there were when none of them was answered; 0 when one was."""
    audio = load.summary.get("first_audio_out_ms")
    return audio.n if audio is not None and audio.censored == audio.n else 0


@dataclass(frozen=True, slots=True)
class Overall:
    """One verdict over all loads of a system.

    Attributes:
        verdict: *met* when a load met it and none below that missed it; *missed* when the first decided did.
        up_to: the highest load it was met at, wherever some load was not met; None: every load met it.
        words: the verdict, how far it goes, and the loads beyond.
        why: figures and loads it rests on.
    """

    verdict: Verdict
    up_to: int | None
    words: str
    why: str


def overall(judgements: Sequence[Judgement]) -> Overall:
    """All judgements of one limit, put together by load."""
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
        parts.append(f"not decidable at {_numbers(undecided)} ({undecided[-1].why})")
    verdict: Verdict = "met" if below else "missed" if failed else "not decidable"
    up_to = below[-1].load.concurrency if below and len(met) < len(judgements) else None
    return Overall(verdict, up_to, _words(verdict, up_to, judgements), "; ".join(parts) or NOTHING)


def _words(verdict: Verdict, up_to: int | None, judgements: Sequence[Judgement]) -> str:
    """“met up to 16; 32 missed; 64 does not count”."""
    if len(judgements) < 2 or verdict == "not decidable" or (verdict == "met" and up_to is None):
        return verdict
    failed = [j for j in judgements if j.verdict == "missed"]
    open_ = [j for j in judgements if j.verdict == "not decidable"]
    not_counting = [j for j in open_ if not j.load.valid]
    undecided = [j for j in open_ if j.load.valid]
    if len(failed) == len(judgements):
        return verdict
    parts = [f"met up to {up_to}" if verdict == "met" else f"missed at {failed[0].load.concurrency}"]
    if failed and verdict == "met":
        parts.append(f"{_numbers(failed)} missed")
    if undecided:
        parts.append(f"{_numbers(undecided)} not decidable")
    if not_counting:
        verb = "does" if len(not_counting) == 1 else "do"
        parts.append(f"{_numbers(not_counting)} {verb} not count")
    return "; ".join(parts)


def _numbers(judgements: Sequence[Judgement]) -> str:
    return ", ".join(str(j.load.concurrency) for j in judgements)


@dataclass(frozen=True, slots=True)
class Finding:
    """One goal in one setting over all its loads: at the socket, and with the allowance."""

    goal: Goal
    setting: Setting
    near: Overall
    farther: Overall | None


def findings(results: Results, by_setting: Mapping[Setting, Sequence[Load]]) -> list[Finding]:
    """Every goal in every setting in which ours, or a server somebody named, was called."""
    made = []
    for setting, found in by_setting.items():
        ours = tested(found)
        error = error_ms(results.calibration(setting.transport))
        allowance = network_ms(results, setting.transport)
        for goal in goals(results)[0] if ours else ():
            farther = None
            if allowance:
                farther = overall(
                    [judge(load, goal, allowance_ms=allowance, error_ms=error) for load in ours]
                )
            near = overall([judge(load, goal, error_ms=error) for load in ours])
            made.append(Finding(goal, setting, near, farther))
    return made


def calls_words(n: int) -> str:
    """A number of calls in words."""
    return f"{n} call{'' if n == 1 else 's'}"


def network_ms(results: Results, transport: Transport) -> float:
    """What a network behind the carrier adds, stated: a browser has none that is not measured."""
    return results.network_allowance_ms if transport == "twilio" else 0.0


def knee(found: Iterable[Load], allowance_ms: float = 0) -> Knee:
    """Where the loads bend, by the rule that ends a ramp.

    Stricter than a verdict: with too few turns for a p95 the slowest one has to stay below the target. A load
    that does not count is skipped where a higher one does; where none does, the test and not the server
    ended the ramp.
    """
    return bend(tested(found), allowance_ms)


def bend(found: Iterable[Load], allowance_ms: float = 0) -> Knee:
    """The same of any one system's loads, a baseline's among them."""
    carried: int | None = None
    spoilt: Load | None = None
    for load in sorted(found, key=lambda load: load.concurrency):
        if not load.valid:
            spoilt = spoilt or load
            continue
        spoilt = None
        if why := missed(pooled(load), allowance_ms):
            return Knee(carried, load.concurrency, why, by="server")
        carried = load.concurrency
    if spoilt is None:
        return Knee(carried, None)
    return Knee(carried, spoilt.concurrency, spoilt.why_not, by="test")


def pooled(load: Load) -> Run:
    """All blocks of a load as one run."""
    whole = {
        "summary": load.summary, "outcomes": load.outcomes, "calls": load.calls, "turns": load.turns,
        "offered": load.offered, "completed": load.completed,
    }  # fmt: skip
    return load.runs[0].model_copy(update=whole)


def carried_words(load: Load, error: float = 0, allowance_ms: float = 0) -> str:
    """Whether a load was carried, and where not, what of it was: one phrase for tables."""
    if not load.valid:
        return "does not count"
    why = missed(pooled(load), allowance_ms)
    if not why:
        return "yes"
    made = [judge(load, goal, allowance_ms=allowance_ms, error_ms=error) for goal in targets()]
    verdicts = {judgement.verdict for judgement in made}
    no = "targets met, not carried" if verdicts == {"met"} else "no"
    return measures_named(f"{no}: {'; '.join(why)}")


def measures_named(text: str) -> str:
    """A sentence with its measures in plain words."""
    for measure, words in MEASURES.items():
        text = text.replace(measure, words)
    return text


def error_ms(calibration: Calibration | None) -> float:
    """The figures' resolution: differences below it are none. 0 where nothing was calibrated."""
    return calibration.error_p95_ms if calibration else 0.0


def error_words(calibration: Calibration | None) -> str:
    """The resolution as a chart states it."""
    if calibration is None:
        return "error unknown: not calibrated"
    return f"error ±{calibration.error_p95_ms:.1f} ms (p95)"
