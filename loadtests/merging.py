"""Several load tests' results as one, for one report.

Runs and rows say themselves which profile, tier, transport, network and variant they are of, so
that nothing here has to be kept apart: no figure is made anew of two tests' figures. What
they were measured on may differ; then a note says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from loadtests.results import Comparison, Environment, Results


def merged(found: Sequence[Results], command: str) -> Results:
    """All runs, rows, policies and notes in order; the rest from the newest that has it.

    More than one commit or machine is said in a note.

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
        environment=next((results.environment for results in newest_first if results.environment), None),
        interrupted=any(results.interrupted for results in found),
        network_allowance_ms=max(results.network_allowance_ms for results in found),
        agent=next((results.agent for results in newest_first if results.agent), ""),
        objectives=next((results.objectives for results in newest_first if results.objectives), {}),
        calibrations=tuple({c.transport: c for r in reversed(newest_first) for c in r.calibrations}.values()),
        runs=tuple(run for results in found for run in results.runs),
        comparison=_together(comparisons) if comparisons else None,
        pauses=tuple(policy for results in found for policy in results.pauses),
        notes=(
            *dict.fromkeys(note for results in found for note in results.notes),
            *_differences(found),
            *commands,
        ),
    )


def _differences(found: Sequence[Results]) -> Iterator[str]:
    """What the environments of all tests differ in."""
    places = [place for results in found for place in _environments(results)]
    commits = dict.fromkeys(place.commit + (" (changed)" if place.changed else "") for place in places)
    if len(commits) > 1:
        yield f"from {len(commits)} commits: {', '.join(commits)}"
    machines = dict.fromkeys(_machine(place) for place in places)
    if len(machines) > 1:
        yield f"from {len(machines)} machines: {'; '.join(machines)}"
    versions = {tuple(sorted(place.packages.items())) for place in places}
    if len(versions) > 1:
        each = [dict(of) for of in versions]
        names = sorted({name for of in each for name in of if len({other.get(name) for other in each}) > 1})
        yield f"with {len(versions)} sets of packages, which differ in {', '.join(names)}"


def _environments(results: Results) -> Iterator[Environment]:
    if results.environment is not None:
        yield results.environment
    for run in results.runs:
        yield run.environment


def _machine(place: Environment) -> str:
    accelerator = f", {place.accelerator}" if place.accelerator else ""
    return f"{place.cpu}, {place.cores} cores, {place.memory_gb:.0f} GB{accelerator}, {place.system}"


def _together(comparisons: Sequence[Comparison]) -> Comparison:
    return Comparison(
        valid=all(comparison.valid for comparison in comparisons),
        invalid_because=tuple(why for comparison in comparisons for why in comparison.invalid_because),
        blocks=tuple(block for comparison in comparisons for block in comparison.blocks),
        rows=tuple(row for comparison in comparisons for row in comparison.rows),
    )
