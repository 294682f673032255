"""Several load tests' results as one, for one report."""

from __future__ import annotations

from collections.abc import Sequence

from loadtests.results import Comparison, Results


def merged(found: Sequence[Results], command: str) -> Results:
    """All runs, rows, policies and notes in order; the rest from the newest that has it.

    Args:
        found: at least one.
        command: reruns the merging.
    """
    if len(found) == 1:
        return found[0]
    newest_first = sorted(found, key=lambda results: results.started_at, reverse=True)
    newest = newest_first[0]
    comparisons = [results.comparison for results in found if results.comparison is not None]
    commands = [f"made by: {results.command}" for results in found]
    return Results(
        command=command,
        started_at=newest.started_at,
        interrupted=any(results.interrupted for results in found),
        network_allowance_ms=max(results.network_allowance_ms for results in found),
        agent=next((results.agent for results in newest_first if results.agent), ""),
        objectives=next((results.objectives for results in newest_first if results.objectives), {}),
        calibrations=tuple({c.transport: c for r in reversed(newest_first) for c in r.calibrations}.values()),
        runs=tuple(run for results in found for run in results.runs),
        comparison=_together(comparisons) if comparisons else None,
        pauses=tuple(policy for results in found for policy in results.pauses),
        notes=(*dict.fromkeys(note for results in found for note in results.notes), *commands),
    )


def _together(comparisons: Sequence[Comparison]) -> Comparison:
    return Comparison(
        valid=all(comparison.valid for comparison in comparisons),
        invalid_because=tuple(why for comparison in comparisons for why in comparison.invalid_because),
        blocks=tuple(block for comparison in comparisons for block in comparison.blocks),
        rows=tuple(row for comparison in comparisons for row in comparison.rows),
    )
