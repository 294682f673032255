"""Whether a run counts: the test kept pace, nobody took its CPU, the baseline stood still. Pure.

What the server does badly is a finding and never makes a run invalid; these are
the limits of the test itself (method: "How load tests measure" in docs/measuring).
"""

from __future__ import annotations

from collections.abc import Sequence

from loadtests.results import Beside, Generator, Measure, Resources, Run
from loadtests.statistics import percentile

#: Of one core, per generator process.
MOST_GENERATOR_CPU_PERCENT = 70.0
#: 99th percentile of how late a caller's 20 ms tick may be, ms.
MOST_TICK_LATE_P99_MS = 5.0
#: 99th percentile of how late a call may be started, after the moment drawn for it, ms.
MOST_START_LATE_P99_MS = 5.0
#: 99th percentile of how late the event loop of suppliers, or of a proxy, may be, ms: a late one answers, or
#: passes on, later than it was meant to, whichever system is behind it.
MOST_BESIDE_LATE_P99_MS = 10.0
#: CPU time that the hypervisor gave to others.
MOST_STEAL_PERCENT = 2.0
#: Between the blocks of one baseline, by their median.
MOST_DRIFT_PERCENT = 10.0
#: Drift is judged on the median of this.
DRIFT_MEASURE: Measure = "first_audio_out_ms"
#: As a sentence begins.
_SHOWN = {"suppliers": "suppliers' event loop was", "proxy": "proxy's event loop was"}


def why_invalid(
    generator: Generator | None,
    resources: Resources,
    *,
    beside: Sequence[Beside] = (),
    started_late_ms: Sequence[float] = (),
    failures: Sequence[str] = (),
) -> tuple[str, ...]:
    """Reasons why a run does not count; empty when it does.

    Args:
        generator: None: it told nothing about itself.
        resources: of the server's process tree.
        beside: what worked beside the server, as far as it told how late it was.
        started_late_ms: of every call, how long after its intended moment the generator placed it.
        failures: what went wrong in the test itself (a generator process that died).
    """
    found = list(failures)
    if generator is None:
        found.append("the generator did not tell how it kept pace")
    else:
        if generator.cpu_percent > MOST_GENERATOR_CPU_PERCENT:
            found.append(
                f"the generator used {generator.cpu_percent:.0f} % of a core, "
                f"over {MOST_GENERATOR_CPU_PERCENT:.0f} %"
            )
        if generator.tick_late_p99_ms > MOST_TICK_LATE_P99_MS:
            found.append(
                f"its ticks were {generator.tick_late_p99_ms:.1f} ms late at p99, "
                f"over {MOST_TICK_LATE_P99_MS:.0f} ms"
            )
    if started_late_ms and (late := percentile(started_late_ms, 99)) > MOST_START_LATE_P99_MS:
        found.append(f"calls were started {late:.1f} ms late at p99, over {MOST_START_LATE_P99_MS:.0f} ms")
    found.extend(
        f"the {_SHOWN[other.what]} late by {other.late_p99_ms:.1f} ms at p99, "
        f"over {MOST_BESIDE_LATE_P99_MS:.0f} ms"
        for other in beside
        if other.late_p99_ms > MOST_BESIDE_LATE_P99_MS
    )
    steal = resources.steal_percent
    if steal is not None and steal > MOST_STEAL_PERCENT:
        found.append(f"{steal:.1f} % of the CPU was stolen, over {MOST_STEAL_PERCENT:.0f} %")
    return tuple(found)


def drift_percent(blocks: Sequence[Run]) -> float | None:
    """How much the median answer differs between one system's blocks, of the smallest; None: unknown."""
    medians = [spread.p50 for run in blocks if (spread := run.summary.get(DRIFT_MEASURE)) is not None]
    if len(medians) < 2 or min(medians) <= 0:
        return None
    return 100 * (max(medians) - min(medians)) / min(medians)


def why_no_comparison(ours: Sequence[Run], theirs: Sequence[Run]) -> tuple[str, ...]:
    """Reasons why blocks of two systems at one load cannot be compared; empty when they can."""
    found = []
    for run in (*ours, *theirs):
        found += [f"block {run.block} ({run.system}): {why}" for why in run.invalid_because]
    drift = drift_percent(theirs)
    name = theirs[0].system if theirs else "baseline"
    if drift is None:
        found.append(f"{name}: fewer than two of its blocks were answered")
    elif drift > MOST_DRIFT_PERCENT:
        found.append(
            f"{name} drifted by {drift:.0f} % between its blocks, over {MOST_DRIFT_PERCENT:.0f} % "
            f"(median {DRIFT_MEASURE})"
        )
    return tuple(found)
