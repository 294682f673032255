"""Whether a server stands at the end of a soak as it did at its beginning: gates, each met or not. Pure.

- *memory*: of its process tree, over the last tenth of the standing load against the first: at most 5 %, or
  10 MB, more. How many calls go on varies by chance, and so does memory with them.
- *tasks*, *descriptors*: when every call is over, against before the first: what each call left behind would
  be there as often as there were calls. A few may be more: connections to suppliers are kept open.
- *threads*: as memory; pools grow to their bound as they are first needed, and stay.
- *p95*: first audio out of calls that began in the last ten minutes of the standing load against the first
  ten: at most a tenth and 20 ms more. A third of it, if that is less; a few minutes more where chance brought
  fewer turns to an end than a p95 needs.
- *ledger*: every call that has records has all of them (``ours.completeness``).

And whether it kept to its budget of stalls (``voice_runtime.budget``) all the while:

- *loop lag*: 99th percentile of how late its event loop was, the worst of all parts of the run.
- *garbage*: no collection took longer than the audio that lay at the callers then.
- *gaps*: silences of 40 ms and more in the agent's speech, as callers heard it, for each hundred answers.
- *underruns*: those of its own making that it counted itself, for each hundred answers.

What could not be told (too few calls or turns, a server elsewhere) is neither met nor missed. What each is
held to stands beside it (``Gate.tolerance``).
"""

from __future__ import annotations

from dataclasses import dataclass

from loadtests.results import MIN_P95, Gate, Run
from loadtests.statistics import percentile
from loadtests.steady_stretch import Stretch
from loadtests.summary import turn_values
from loadtests.systems import Stalls
from voice_runtime.budget import GAPS_PER_100_ANSWERS, LOOP_LAG_P99_MS, UNDERRUNS_PER_100_ANSWERS

#: Memory: how much more there may be.
MOST_GROWTH, MOST_GROWTH_MB = 0.05, 10.0
#: Things: how many more there may be, whatever the number of calls.
MOST_TASKS, MOST_THREADS, MOST_DESCRIPTORS = 3, 4, 10
#: With fewer calls, one thing left behind by each could hide behind those, and memory is a matter of chance.
FEWEST_CALLS = 50
#: With fewer answers one silence would be more than the budget has.
FEWEST_ANSWERS = 100
#: Time at either end over which p95 is taken, s, and by how much it grows where that has too few turns.
P95_S, P95_MORE_S = 600.0, 60.0
#: How much worse the last p95 may be.
MOST_SLOWER, MOST_SLOWER_MS = 0.10, 20.0


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a server has open at one moment; None: it does not tell, or is elsewhere.

    Attributes:
        tasks: of its event loop.
        threads, descriptors: of its process tree.
    """

    tasks: int | None = None
    threads: int | None = None
    descriptors: int | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """The server at one end of a soak: memory of its process tree (median), MB, and loop lag, ms."""

    memory_mb: float | None = None
    loop_lag_p99_ms: float | None = None
    threads: int | None = None


def gates(
    run: Run,
    stretch: Stretch,
    edges: tuple[Edge, Edge],
    idle: tuple[Footprint, Footprint],
    stood: tuple[Stalls | None, Stalls | None] = (None, None),
) -> tuple[Gate, ...]:
    """The gates of one soak.

    Args:
        run: its ``resources.loop_lag_p99_ms`` is the worst of all its parts.
        stretch: in which the load was meant to stand.
        edges: at both ends of it.
        idle, stood: before the first call and after the last.
    """
    first, last = edges
    before, after = idle
    return (
        _memory(first.memory_mb, last.memory_mb, run.offered),
        _things("tasks", before.tasks, after.tasks, MOST_TASKS, run.offered),
        _things("threads", first.threads, last.threads, MOST_THREADS, run.offered),
        _things("descriptors", before.descriptors, after.descriptors, MOST_DESCRIPTORS, run.offered),
        _p95(run, stretch),
        _ledger(run),
        _lag(run.resources.loop_lag_p99_ms),
        _garbage(stood[1]),
        _gaps(run),
        _underruns(run, *stood),
    )


def _memory(first: float | None, last: float | None, calls: int) -> Gate:
    tolerance = f"at most {MOST_GROWTH:.0%} or {MOST_GROWTH_MB:.0f} MB more"
    if first is None or last is None:
        return Gate(name="memory", found="unknown", tolerance=tolerance)
    found = f"{first:.1f} MB → {last:.1f} MB"
    if calls < FEWEST_CALLS:  # then it is how many happened to go on at either end
        return Gate(name="memory", found=f"{found}, of too few calls to tell", tolerance=tolerance)
    met = last <= first + max(MOST_GROWTH * first, MOST_GROWTH_MB)
    return Gate(name="memory", met=met, found=found, tolerance=tolerance)


def _things(name: str, before: int | None, after: int | None, most_more: int, calls: int) -> Gate:
    tolerance = f"at most {most_more} more"
    if before is None or after is None:
        return Gate(name=name, found="unknown", tolerance=tolerance)
    found = f"{before} → {after}"
    if after - before > most_more:
        return Gate(name=name, met=False, found=found, tolerance=tolerance)
    if calls < FEWEST_CALLS:
        return Gate(name=name, found=f"{found}, of too few calls to tell", tolerance=tolerance)
    return Gate(name=name, met=True, found=found, tolerance=tolerance)


def _p95(run: Run, stretch: Stretch) -> Gate:
    longest_s = (stretch.to_s - stretch.from_s) / 3
    length_s = min(P95_S, longest_s)
    values = _ends(run, stretch, length_s)
    while min(map(len, values)) < MIN_P95 and length_s < longest_s:
        length_s = min(length_s + P95_MORE_S, longest_s)
        values = _ends(run, stretch, length_s)
    tolerance = f"at most {MOST_SLOWER:.0%} and {MOST_SLOWER_MS:.0f} ms more"
    fewest = min(map(len, values))
    if fewest < MIN_P95:
        found_few = f"{fewest} turns at an end, a p95 needs {MIN_P95}"
        return Gate(name="p95", found=found_few, tolerance=tolerance)
    first, last = (percentile(end, 95) for end in values)
    met = last <= first * (1 + MOST_SLOWER) + MOST_SLOWER_MS
    found = f"{first:.0f} ms → {last:.0f} ms, {length_s / 60:.0f} min at either end"
    return Gate(name="p95", met=met, found=found, tolerance=tolerance)


def _ends(run: Run, stretch: Stretch, length_s: float) -> tuple[list[float], list[float]]:
    """First audio out of the calls that began in the first and in the last ``length_s``, ms."""
    began_s = {call.n: call.intended_at_s for call in run.calls}
    values = [(began_s.get(call, -1.0), ms) for call, ms, _ in turn_values(run.turns, "first_audio_out_ms")]
    first = Stretch(stretch.from_s, stretch.from_s + length_s)
    last = Stretch(stretch.to_s - length_s, stretch.to_s)
    return [ms for at_s, ms in values if at_s in first], [ms for at_s, ms in values if at_s in last]


def _ledger(run: Run) -> Gate:
    tolerance = "all of them"
    known = [call.completeness for call in run.calls if call.completeness is not None]
    if not known:
        return Gate(name="ledger", found="no record could be read", tolerance=tolerance)
    broken = sum(not found.whole for found in known)
    found = f"{len(known) - broken} of {len(known)} calls whole"
    return Gate(name="ledger", met=not broken, found=found, tolerance=tolerance)


# --- the budget of stalls -------------------------------------------------------------------------


def _lag(p99_ms: float | None) -> Gate:
    tolerance = f"p99 at most {LOOP_LAG_P99_MS} ms"
    if p99_ms is None:
        return Gate(name="loop lag", found="unknown", tolerance=tolerance)
    found = f"p99 {p99_ms:.1f} ms"
    return Gate(name="loop lag", met=p99_ms <= LOOP_LAG_P99_MS, found=found, tolerance=tolerance)


def _garbage(after: Stalls | None) -> Gate:
    tolerance = "no pause longer than what was sent ahead"
    if after is None:
        return Gate(name="garbage", found="unknown", tolerance=tolerance)
    found = f"{1000 * after.uncovered_s:.0f} ms longer"
    return Gate(name="garbage", met=after.uncovered_s <= 0, found=found, tolerance=tolerance)


def _gaps(run: Run) -> Gate:
    return _silences("gaps", sum(len(call.gaps) for call in run.calls), run, GAPS_PER_100_ANSWERS)


def _underruns(run: Run, before: Stalls | None, after: Stalls | None) -> Gate:
    count = None if before is None or after is None else after.underruns - before.underruns
    return _silences("underruns", count, run, UNDERRUNS_PER_100_ANSWERS)


def _silences(name: str, count: int | None, run: Run, most: float) -> Gate:
    """So many of them for each hundred answers that sounded, at most."""
    tolerance = f"at most {most:g} in 100 answers"
    if count is None:
        return Gate(name=name, found="unknown", tolerance=tolerance)
    answers = sum(turn.first_audio_out_ms is not None and not turn.censored for turn in run.turns)
    if answers < FEWEST_ANSWERS:
        found = f"{count} in {answers} answers, too few to tell"
        return Gate(name=name, found=found, tolerance=tolerance)
    rate = 100 * count / answers
    return Gate(
        name=name, met=rate <= most, found=f"{rate:.2f} in 100 of {answers} answers", tolerance=tolerance
    )
