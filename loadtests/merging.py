"""Several load tests' results as one, for one report.

Runs and rows say themselves which profile, tier, transport, network and variant they are of, so
that nothing here has to be kept apart: no figure is made anew of two tests' figures. What
they were measured on may differ; then a note says so. A calibration is of one machine and
commit, and objectives are of one agent: where the runs put together are of others, too, they
are left out, and a note says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from loadtests.results import Calibration, Comparison, Environment, Results


def merged(found: Sequence[Results], command: str) -> Results:
    """All runs, rows, policies and notes in order; the rest from the newest that has it and speaks for all.

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
    calibrations, uncalibrated = _calibrations(newest_first)
    agent, objectives, unjudged = _objectives(newest_first)
    return Results(
        command=command,
        started_at=newest.started_at,
        environment=next((results.environment for results in newest_first if results.environment), None),
        interrupted=any(results.interrupted for results in found),
        network_allowance_ms=max(results.network_allowance_ms for results in found),
        agent=agent,
        objectives=objectives,
        calibrations=calibrations,
        runs=tuple(run for results in found for run in results.runs),
        comparison=_together(comparisons) if comparisons else None,
        pauses=tuple(policy for results in found for policy in results.pauses),
        barge_in=tuple(policy for results in found for policy in results.barge_in),
        notes=(
            *dict.fromkeys(note for results in found for note in results.notes),
            *_differences(found),
            *uncalibrated,
            *unjudged,
            *commands,
        ),
    )


def _calibrations(newest_first: Sequence[Results]) -> tuple[tuple[Calibration, ...], list[str]]:
    """Of each transport the newest that was made where all its runs were; a sentence where there is none."""
    kept: list[Calibration] = []
    notes: list[str] = []
    made = [
        (calibration, _place(results)) for results in newest_first for calibration in results.calibrations
    ]
    for transport in dict.fromkeys(calibration.transport for calibration, _ in made):
        mine = [(calibration, place) for calibration, place in made if calibration.transport == transport]
        runs = [run for results in newest_first for run in results.runs if run.transport == transport]
        of_runs: set[str | None] = {_where(run.environment) for run in runs}
        places = of_runs or {place for _, place in mine}
        fitting = [calibration for calibration, place in mine if {place} == places]
        kept += fitting[:1]
        if not fitting:
            notes.append(f"{transport}: no calibration was made where every run was: left out")
    return tuple(kept), notes


def _objectives(newest_first: Sequence[Results]) -> tuple[str, dict[str, float], list[str]]:
    """Agent and objectives, if all tests that name one agree; otherwise none, and a sentence."""
    named = [results for results in newest_first if results.agent]
    agents = list(dict.fromkeys(results.agent for results in named))
    told = [results.objectives for results in named if results.objectives]
    if len(agents) > 1:
        return "", {}, [f"of several agents ({', '.join(agents)}): no objectives are judged"]
    agent = agents[0] if agents else ""
    if any(objectives != told[0] for objectives in told):
        return agent, {}, [f"{agent}: its objectives differ between these tests: none are judged"]
    return agent, told[0] if told else {}, []


def _place(results: Results) -> str | None:
    """Where a test's calibration was made: as kept, or as of its runs where they are of one place."""
    if results.environment is not None:
        return _where(results.environment)
    places = {_where(run.environment) for run in results.runs}
    return places.pop() if len(places) == 1 else None


def _where(place: Environment) -> str:
    return f"{_machine(place)}, {place.commit}{' (changed)' if place.changed else ''}"


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
