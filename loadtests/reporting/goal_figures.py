"""What kept results say of each goal: one figure, in words too, with where it was measured. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from loadtests.memory import mb_per_added_call, memory_points
from loadtests.pairs import later, neighbours
from loadtests.ramp import gaps_in_answers
from loadtests.ratios import beyond
from loadtests.reporting import goal_file as g
from loadtests.reporting.loads import SYSTEMS, Load, commit_words, loads, machine_words, where_words
from loadtests.reporting.tables import bound_words, ms
from loadtests.reporting.verdict import bend, calls_words, pooled
from loadtests.results import MIN_P99, Calibration, Comparison, Results, Run, SystemName, Transport
from loadtests.statistics import spread

#: How long ``equal_silence`` waits, as its engines' lines say it (``loadtests.baseline.system``).
RULE = re.compile(r"fixed silence of (\d+) ms")


class NotMeasured(Exception):
    """No kept result tells a figure; says why."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured.

    Attributes:
        value: in the goal's unit; null: it cannot be held against a limit.
        words: as it is shown.
        where: load, commit and machine.
        held: what decides instead of limits; null: limits do.
        but: a condition that was not kept: then the goal is missed, whatever the value.
    """

    value: float | None
    words: str
    where: str
    held: bool | None = None
    but: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """Kept results by the name of their folder, and calibrations kept apart."""

    results: Mapping[str, Results]
    calibrations: Sequence[Calibration] = field(default=())

    def of(self, name: str) -> Results:
        """One kept result.

        Raises:
            NotMeasured: there is none.
        """
        if name not in self.results:
            raise NotMeasured(f"no result is kept under {name}")
        return self.results[name]

    def comparison(self, name: str) -> Comparison:
        """The comparison of one kept result, if it counts.

        Raises:
            NotMeasured: there is none, or it does not.
        """
        found = self.of(name).comparison
        if found is None or not found.valid:
            why = "no comparison" if found is None else "; ".join(found.invalid_because)
            raise NotMeasured(f"{name} does not count: {why}")
        return found

    def error_ms(self, transport: Transport) -> float:
        """The instrument's own error on a transport, p95.

        Raises:
            NotMeasured: nothing was calibrated there.
        """
        found = self.calibration(transport)
        if found is None:
            raise NotMeasured(f"the instrument's error on {transport} is not kept")
        return found.error_p95_ms

    def calibration(self, transport: Transport) -> Calibration | None:
        """The calibration kept apart, or else one that was made beside a load test."""
        beside = (made for results in self.results.values() for made in results.calibrations)
        return next((made for made in (*self.calibrations, *beside) if made.transport == transport), None)

    def systems(self, place: g.Place, system: SystemName | None = None) -> list[Load]:
        """Loads of one system in a kept result, lightest first.

        Raises:
            NotMeasured: it is not there, or was not measured on one machine and commit.
        """
        wanted = system or place.system
        found = [
            [load for load in of if load.system == wanted] for of in loads(self.of(place.kept).runs).values()
        ]
        found = [of for of in found if of]
        if len(found) != 1:
            several = "several settings" if found else "nothing"
            raise NotMeasured(f"{place.kept} has {several} of {SYSTEMS[wanted]}")
        return found[0]

    def load(self, place: g.Place, calls: int, system: SystemName | None = None) -> Load:
        """One system at one load, if it counts.

        Raises:
            NotMeasured: it is not there, or does not count.
        """
        found = next((one for one in self.systems(place, system) if one.concurrency == calls), None)
        if found is None:
            raise NotMeasured(f"{place.kept} has no level of {calls_words(calls)}")
        if not found.valid:
            raise NotMeasured(
                f"{place.kept} at {calls_words(calls)} does not count: {'; '.join(found.why_not)}"
            )
        return found


def figure(reads: g.Reads, kept: Kept) -> Figure:
    """What kept results tell.

    Raises:
        NotMeasured: they do not tell it.
    """
    match reads:
        case g.Percentile():
            return _percentile(reads, kept)
        case g.Ratio():
            return _ratio(reads, kept)
        case g.BeyondRule():
            return _beyond_rule(reads, kept)
        case g.ControlsCost():
            return _controls(reads, kept)
        case g.Governance():
            return _governance(reads, kept)
        case g.AddedMemory():
            return _memory(reads, kept)
        case g.Carried() | g.CarriedRatio():
            return _carried(reads, kept)
        case g.CutOffs():
            return _cut_offs(reads, kept)
        case g.Backchannels():
            return _backchannels(reads, kept)
        case g.AudiblePauses():
            return _audible_pauses(reads, kept)
        case g.Gates():
            return _gates(reads, kept)


def place_words(load: Load, *, at: bool = True) -> str:
    """Load, commit, and machine with the cores that served."""
    parts = [f"{calls_words(load.concurrency)} at once"] if at else []
    served = len(load.environment.server_cores)
    on = f", server on {served} of them" if served else ""
    return "; ".join([*parts, f"commit {load.commit}", machine_words(load.environment) + on])


def _percentile(reads: g.Percentile, kept: Kept) -> Figure:
    load = kept.load(reads, reads.calls)
    found = load.summary.get(reads.measure)
    if found is None:
        raise NotMeasured(f"{reads.kept}: no turn has this figure")
    value = {50: found.p50, 95: found.p95, 99: found.p99}[reads.percent]
    if value is None:
        raise NotMeasured(f"{reads.kept}: {found.n} turns are too few for a p{reads.percent}")
    return Figure(value, f"{ms(value)} ms ({found.n:,} turns)", place_words(load))


def _ratio(reads: g.Ratio, kept: Kept) -> Figure:
    comparison = kept.comparison(reads.kept)
    wanted = (reads.measure, reads.against, reads.calls)
    row = next(
        (row for row in comparison.rows if (row.measure, row.baseline, row.concurrency) == wanted), None
    )
    if row is None:
        raise NotMeasured(f"{reads.kept} has no such ratio at {calls_words(reads.calls)}")
    low, high = row.ci
    of = "95 %" if row.ci_is == "95 %" else "range of blocks"
    words = f"{row.ratio:.2f} ({of}: {low:.2f} to {high:.2f}); {ms(row.ours)} against {ms(row.theirs)}"
    return Figure(row.ratio, words, place_words(kept.load(reads, reads.calls)))


def rule_ms(load: Load) -> float:
    """The fixed silence after which a baseline ends a turn, ms.

    Raises:
        NotMeasured: it does not say.
    """
    found = next((match for line in load.engines if (match := RULE.search(line))), None)
    if found is None:
        raise NotMeasured("the baseline does not say how long it waits")
    return float(found[1])


def _beyond_rule(reads: g.BeyondRule, kept: Kept) -> Figure:
    ours, theirs = kept.load(reads, reads.calls), kept.load(reads, reads.calls, "equal_silence")
    rule = rule_ms(theirs)
    made = beyond(ours.runs, theirs.runs, "first_audio_out_ms", reads.percent, rule)
    if made is None:
        raise NotMeasured(f"{reads.kept}: too few turns a side for a p{reads.percent}")
    interval = f" (95 %: {made.interval[0]:.2f} to {made.interval[1]:.2f})" if made.interval else ""
    words = (
        f"{made.ratio:.2f}{interval}; {ms(made.ours)} against {ms(made.theirs)} ms beyond {rule:.0f} ms, "
        f"n {made.n:,}"
    )
    return Figure(made.ratio, words, place_words(ours))


def _controls(reads: g.ControlsCost, kept: Kept) -> Figure:
    comparison = kept.comparison(reads.kept)
    on = kept.load(reads, reads.calls)
    kept.load(reads, reads.calls, "controls_off")  # that counts, too
    runs = kept.of(reads.kept).runs
    sides = neighbours(comparison.blocks, runs, "controls_off", reads.calls)
    made = later(sides, "first_audio_out_ms")
    if made is None:
        raise NotMeasured(f"{reads.kept}: too few turns were answered on both sides")
    words = (
        f"{made.mean:+.1f} ms (95 %: {made.interval[0]:+.1f} to {made.interval[1]:+.1f}; {made.n:,} turns "
        f"with and without; medians {ms(made.median_with)} and {ms(made.median_without)})"
    )
    return Figure(made.mean, words, place_words(on))


def _governance(reads: g.Governance, kept: Kept) -> Figure:
    load = kept.load(reads, reads.calls)
    found = load.governance
    if found is None or not found.n:
        raise NotMeasured(f"{reads.kept}: its server told of first clauses only")
    if reads.percent == 99 and found.n < MIN_P99:
        raise NotMeasured(f"{reads.kept}: {found.n:,} clauses are too few for a p99")
    every = ", ".join(
        f"{name} {bound_words(found, percent)}" for name, percent in (("p50", 50), ("p95", 95), ("max", 100))
    )
    words = f"{bound_words(found, reads.percent)} ms ({every}; {found.n:,} clauses)"
    return Figure(found.at_most_ms(reads.percent), words, place_words(load))


def _memory(reads: g.AddedMemory, kept: Kept) -> Figure:
    found = kept.systems(reads)
    value = _slope(found)
    if value is None:
        raise NotMeasured(f"{reads.kept} has too few loads that count")
    words = f"{value:.1f} MB"
    if reads.beside is not None:
        words += f"; {_beside_mb(reads.beside, kept)}"
    return Figure(value, words, f"{_levels(found)}; {place_words(found[0], at=False)}")


def _beside_mb(place: g.Place, kept: Kept) -> str:
    try:
        theirs = _slope(kept.systems(place))
    except NotMeasured:
        theirs = None
    said = f"{theirs:.1f} MB" if theirs is not None else "not measured"
    return f"{SYSTEMS[place.system]}: {said}"


def _slope(found: Sequence[Load]) -> float | None:
    runs = sorted((run for load in found for run in load.runs), key=lambda run: run.concurrency)
    points = memory_points(runs)
    return (
        mb_per_added_call(points) if len({calls for calls, _ in points}) > 2 else None
    )  # idle and two loads


def _levels(found: Sequence[Load]) -> str:
    return f"{', '.join(str(load.concurrency) for load in found)} calls at once"


def _carried(reads: g.Carried | g.CarriedRatio, kept: Kept) -> Figure:
    found = kept.systems(reads)
    value, words = _most_carried(found)
    if isinstance(reads, g.CarriedRatio):
        theirs = kept.systems(reads.against)
        other, said = _most_carried(theirs)
        if not other:
            raise NotMeasured(f"{SYSTEMS[reads.against.system]} carried no load of {reads.against.kept}")
        words = f"{value / other:.1f}: {words}; {SYSTEMS[reads.against.system]} {said}"
        value /= other
    elif reads.beside is not None:
        try:
            said = _most_carried(kept.systems(reads.beside))[1]
        except NotMeasured:
            said = "not measured"
        words += f"; {SYSTEMS[reads.beside.system]}: {said}"
    return Figure(value, words, f"{_levels(found)}; {place_words(found[0], at=False)}")


def _most_carried(found: Sequence[Load]) -> tuple[float, str]:
    """How many calls, and in words; 0 where not even the lightest was carried.

    Raises:
        NotMeasured: not on one core, or nothing counts.
    """
    if any(len(load.environment.server_cores) != 1 for load in found):
        raise NotMeasured("its server was not confined to one core")
    knee = bend(found)
    if knee.carried is None and knee.by == "test":
        raise NotMeasured("no load counts")
    if knee.carried is None:
        return 0.0, f"not even {found[0].concurrency} ({'; '.join(knee.why)})"
    load = next(one for one in found if one.concurrency == knee.carried)
    run = pooled(load)
    gaps, answers = gaps_in_answers(run.calls, run.turns)
    audio = load.summary.get("first_audio_out_ms")
    p95 = f"p95 {ms(audio.p95)} ms, " if audio is not None and audio.p95 is not None else ""
    end = "the most that was offered" if knee.missed is None else f"{knee.missed} was not"
    if knee.missed is not None and knee.by == "test":
        end = f"{knee.missed} does not count"
    return float(knee.carried), f"{knee.carried} ({p95}{gaps} gaps in {answers:,} answers; {end})"


def _policies(kept: Kept) -> tuple[Results, str]:
    results = kept.of(g.PAUSES)
    return results, where_words(results.environment)


def _cut_offs(reads: g.CutOffs, kept: Kept) -> Figure:
    results, where = _policies(kept)
    ours = next((p for p in results.pauses if (p.policy, p.labelled) == ("ours", reads.labelled)), None)
    if ours is None or ours.overall.cut_off_percent is None or ours.overall.cut_off_ci is None:
        raise NotMeasured("the labelled pauses kept have none of this set")
    of = ours.overall
    assert of.cut_off_percent is not None  # for the type's sake: looked at above
    assert of.cut_off_ci is not None
    words = (
        f"{of.cut_off_percent:.1f} % (95 %: {of.cut_off_ci[0]:.1f} to {of.cut_off_ci[1]:.1f}) at "
        f"{of.delay_p50_ms:.0f} ms; {of.labelled_pauses} different pauses"
    )
    late = of.delay_p50_ms > reads.delay_ms
    but = f"the median delay is over {reads.delay_ms:.0f} ms" if late else ""
    return Figure(of.cut_off_percent, words, where, but=but)


def _backchannels(reads: g.Backchannels, kept: Kept) -> Figure:
    results, where = _policies(kept)
    ours = next((b for b in results.barge_in if (b.policy, b.labelled) == ("ours", reads.labelled)), None)
    found = ours.kinds.get("backchannel") if ours is not None else None
    if found is None or found.audible_pause_ms is None:
        raise NotMeasured("the labelled pauses kept have no backchannels of this set")
    if reads.figure == "pause":
        pause = found.audible_pause_ms
        words = (
            f"{found.silenced} of {found.said} silenced the agent, for {ms(pause.p50)} ms at p50 "
            f"and at most {ms(pause.max)} ms"
        )
        return Figure(None, words, where)
    low, high = found.committed_ci
    words = (
        f"{found.committed_percent:.1f} % (95 %: {low:.1f} to {high:.1f}); {found.committed} of "
        f"{found.said}, {found.labelled} different"
    )
    return Figure(found.committed_percent, words, where)


def _audible_pauses(reads: g.AudiblePauses, kept: Kept) -> Figure:
    load = kept.load(reads, reads.calls)
    counted = [t for t in load.turns if t.kind == "backchannel" and not (t.cold or t.edge or t.never_said)]
    if not counted:
        raise NotMeasured(f"{reads.kept}: nobody nodded")
    pauses = [t.audible_pause_ms for t in counted if t.audible_pause_ms is not None]
    lasting = spread(pauses) if pauses else None
    words = f"{len(pauses)} of {len(counted)}"
    words += f", for {ms(lasting.p50)} ms at p50 and at most {ms(lasting.max)} ms" if lasting else ""
    return Figure(None, words, place_words(load))


def _gates(reads: g.Gates, kept: Kept) -> Figure:
    runs: list[Run] = [run for run in kept.of(reads.kept).runs if run.gates]
    if len(runs) != 1 or not runs[0].valid:
        why = "; ".join(runs[0].invalid_because) if runs else "it is no soak"
        raise NotMeasured(f"{reads.kept} does not count: {why}")
    run = runs[0]
    told = [gate.met for gate in run.gates]
    words = "; ".join(f"{gate.name} {gate.found}{'' if gate.met else _unmet(gate.met)}" for gate in run.gates)
    held = False if False in told else None if None in told else True
    at = f"{run.seconds / 60:.0f} min, {run.offered:,} calls, {run.completed:,} completed"
    where = f"{at}; commit {commit_words(run.environment)}; {machine_words(run.environment)}"
    if held is None:
        raise NotMeasured(f"{reads.kept}: not every gate could be told ({words})")
    return Figure(None, words, where, held=held)


def _unmet(met: bool | None) -> str:
    return " (not told)" if met is None else " (missed)"
