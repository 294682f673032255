"""Kept load tests as the tables of README and docs/load-results: made by command, never by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from loadtests.reporting import pause_tables, tables
from loadtests.reporting.comparison import headline_ratios, ratio_rows
from loadtests.reporting.loads import (
    PROFILES,
    SYSTEMS,
    TRANSPORTS,
    Conditions,
    Load,
    Machine,
    Setting,
    commit_words,
    loads,
    machine_words,
    tested,
    where_words,
)
from loadtests.reporting.tables import NONE, Table, ms, number
from loadtests.reporting.verdict import (
    MEASURES,
    carried_words,
    error_ms,
    error_words,
    judge,
    knee,
    network_ms,
    targets,
)
from loadtests.results import Profile, Results, read_results
from loadtests.shapes import Spread

#: Load tests are kept in ``load/NAME/results.json``, turn policies in ``pauses/results.json``.
KEPT = Path("loadtests/results")
#: What a reader looks for; each is named as missing until a run of it is kept.
EXPECTED: tuple[Profile, ...] = ("mock", "cpu-offline", "cpu-whisper", "gpu")


def kept(folder: Path = KEPT) -> dict[str, Results]:
    """Kept load tests by the name of their folder, each with the instrument's error on its machine.

    Raises:
        ConfigurationError: one of them is no ``results.json`` of ours.
    """
    files = [*sorted(folder.glob("load/*/results.json")), *folder.glob("pauses/results.json")]
    made = calibrations(folder)
    return {path.parent.name: _calibrated(read_results(path), made) for path in files}


def calibrations(folder: Path = KEPT) -> list[Results]:
    """Calibrations that are kept apart, in ``calibrate-TRANSPORT``.

    Raises:
        ConfigurationError: one of them is no ``results.json`` of ours.
    """
    return [read_results(path) for path in sorted(folder.glob("calibrate-*/results.json"))]


def _calibrated(results: Results, made: Sequence[Results]) -> Results:
    """With what was calibrated apart on the same kind of machine, where it has none of its own."""
    places = {(run.environment.cpu, run.environment.cores) for run in results.runs}
    more = [
        found
        for other in made
        if other.environment is not None and places == {(other.environment.cpu, other.environment.cores)}
        for found in other.calibrations
        if results.calibration(found.transport) is None
    ]
    return results.model_copy(update={"calibrations": (*results.calibrations, *more)}) if more else results


def instrument(found: dict[str, Results], apart: Sequence[Results] = ()) -> str:
    """The instrument's bias and error on each transport, as it was calibrated last.

    Args:
        apart: calibrations kept apart; without one of a transport, that made beside a load test counts.
    """
    rows: list[tuple[str, ...]] = []
    for transport, words in TRANSPORTS.items():
        of = next((results for results in (*apart, *found.values()) if results.calibration(transport)), None)
        made = of.calibration(transport) if of is not None else None
        if of is None or made is None:
            rows.append((words, "not calibrated yet", *[NONE] * 4))
            continue
        where = of.environment or (of.runs[0].environment if of.runs else None)
        error = f"{made.error_p50_ms:.1f} / {made.error_p95_ms:.1f} / {made.error_max_ms:.1f}"
        rows.append(
            (words, f"{made.bias_ms:.1f}", error, str(made.n), of.started_at[:10], where_words(where))
        )
    columns = ("on the", "late by, ms", "error around it p50 / p95 / max, ms", "trials", "when", "where")
    return markdown(Table("", columns, tuple(rows)))


def short(found: dict[str, Results]) -> str:
    """README: each profile and transport at the last load carried and the first that was not; ratios."""
    return "\n".join(_short(found))


def long(found: dict[str, Results]) -> str:
    """docs/load-results: every load, outcome and ratio of every kept test."""
    return "\n".join(_long(found))


def _short(found: dict[str, Results]) -> Iterator[str]:
    rows: list[tuple[str, ...]] = []
    settings = _best(found)
    machines = {setting.machine for setting in settings}
    for profile in (*EXPECTED, *(s.profile for s in settings if s.profile not in EXPECTED)):
        mine = {setting: of for setting, of in settings.items() if setting.profile == profile}
        for setting, (results, of) in mine.items():
            where = f", on {setting.machine.words}" if len(machines) > 1 else ""
            allowance = network_ms(results, setting.transport)
            rows += [_row(setting.of.title + where, load, results) for load in _telling(of, allowance)]
        if not mine:
            rows.append((PROFILES[profile], "not measured yet", *[NONE] * (len(_columns()) - 2)))
    yield markdown(Table("", _columns(), tuple(dict.fromkeys(rows))))
    yield ""
    if len(machines) == 1:
        yield f"On {next(iter(machines)).words}."
        yield ""
    compared = [results for results in found.values() if results.comparison and results.comparison.rows]
    for results in compared:
        if results.comparison:
            yield from _compared(results)
    if not compared:
        yield "Against bare pipecat: not measured yet."
        yield ""


def _columns() -> tuple[str, ...]:
    percentiles = [f"{MEASURES[goal.measure]} p50 / p95, ms" for goal in targets()]
    limits = " and ".join(f"{goal.limit_ms:,.0f}" for goal in targets())
    return (
        "engines, transport", "calls at once", *percentiles, f"p95 below {limits} ms (with the network)",
        "carried", "CPU ms per call-second", "commit",
    )  # fmt: skip


def _compared(results: Results) -> Iterator[str]:
    comparison = results.comparison
    if comparison is None:
        return
    shown = headline_ratios(comparison)
    yield markdown(shown)
    yield ""
    yield shown.note
    yield ""
    if not comparison.valid:
        yield f"This comparison does not count: {'; '.join(comparison.invalid_because)}."
        yield ""


def _best(found: dict[str, Results]) -> dict[Setting, tuple[Results, list[Load]]]:
    """Of what was offered on each machine the kept test with the most loads of ours, whatever its commit."""
    best: dict[tuple[Conditions, Machine], tuple[Setting, Results, list[Load]]] = {}
    for results in found.values():
        for setting, of_setting in loads(results.runs).items():
            ours = tested(of_setting)
            key = setting.of, setting.machine
            if ours and (key not in best or len(ours) > len(best[key][2])):
                best[key] = setting, results, ours
    return {setting: (results, ours) for setting, results, ours in best.values()}


def _both(load: Load, results: Results, allowance_ms: float) -> str:
    """The worse of the two targets' verdicts."""
    error = error_ms(results.calibration(load.setting.transport))
    made = [judge(load, goal, allowance_ms=allowance_ms, error_ms=error).verdict for goal in targets()]
    return next(verdict for verdict in ("missed", "not decidable", "met") if verdict in made)


def _telling(of: Sequence[Load], allowance_ms: float) -> list[Load]:
    """The last load carried and the first that was not, without and with the allowance; or the first load."""
    ordered = sorted(of, key=lambda load: load.concurrency)
    bends = knee(ordered), knee(ordered, allowance_ms)
    wanted = {n for bend in bends for n in (bend.carried, bend.missed)}
    return [load for load in ordered if load.concurrency in wanted] or ordered[:1]


def _row(what: str, load: Load, results: Results) -> tuple[str, ...]:
    transport = load.setting.transport
    allowance = network_ms(results, transport)
    near, far = _both(load, results, 0.0), _both(load, results, allowance)
    return (
        what + (" (random weights)" if load.random_weights else ""),
        str(load.concurrency) + ("" if load.valid else " (does not count)"),
        _percentiles(load.summary.get("asr_to_first_token_ms")),
        _percentiles(load.summary.get("first_audio_out_ms")),
        near + (f" ({far})" if allowance else ""),
        carried_words(load, error_ms(results.calibration(transport))).partition(":")[0],
        number(load.cost("cpu_ms_per_call_s")), load.commit,
    )  # fmt: skip


def _percentiles(spread: Spread | None) -> str:
    """p50 / p95; where turns are too few for one, the maximum."""
    if spread is None:
        return NONE
    return f"{ms(spread.p50)} / " + (ms(spread.p95) if spread.p95 is not None else f"max {ms(spread.max)}")


def _where(results: Results) -> str:
    """When, on what, with which error, and how to run it again."""
    parts = [results.started_at[:10]]
    if results.runs:
        places = [run.environment for run in results.runs]
        parts += dict.fromkeys(machine_words(place) for place in places)
        parts.append(f"commit {', '.join(dict.fromkeys(map(commit_words, places)))}")
        parts += [
            error_words(results.calibration(t)) for t in dict.fromkeys(r.transport for r in results.runs)
        ]
    else:
        parts.append(where_words(results.environment))
    if results.interrupted:
        parts.append("stopped by hand")
    return f"{'; '.join(parts)}; `{results.command}`"


def _long(found: dict[str, Results]) -> Iterator[str]:
    missing = [p for p in EXPECTED if all(run.profile != p for r in found.values() for run in r.runs)]
    if missing:
        yield f"Not measured yet: {', '.join(PROFILES[profile] for profile in missing)}."
        yield ""
    for name, results in found.items():
        yield f"### {name}"
        yield ""
        yield f"{_where(results)}."
        yield ""
        by_setting = loads(results.runs)
        made = [tables.verdicts(results, by_setting)]
        for setting, of in by_setting.items():
            error = error_ms(results.calibration(setting.transport))
            allowance = network_ms(results, setting.transport)
            ours = tested(of)
            of_setting = (
                tables.carried(ours, error, allowance), tables.named_flaws(ours), tables.waits(of),
                tables.costs(of), tables.openings(of), tables.outcomes(of),
            )  # fmt: skip
            made += [replace(table, title=f"{setting.title}: {table.title}") for table in of_setting]
        made.append(tables.cold_starts(results.runs))
        if results.comparison:
            made.append(ratio_rows(results.comparison.rows))
        made += pause_tables.every(results)
        for table in made:
            if table.rows:
                yield f"**{table.title}**"
                yield ""
                yield markdown(table)
                yield ""
                yield from ([table.note, ""] if table.note else [])
        reasons = [f"- {what}: {why}." for what, why in tables.validity(by_setting)]
        notes = [f"- {note}" for note in (*_systems(by_setting), *results.notes)]
        yield from [*reasons, *notes, ""]


def _systems(by_setting: dict[Setting, tuple[Load, ...]]) -> Iterator[str]:
    """Which engines answered in which system, each once."""
    seen = {(SYSTEMS[load.system], load.engines): None for of in by_setting.values() for load in of}
    for system, engines in seen:
        yield f"{system}: {'; '.join(engines)}"


def markdown(table: Table) -> str:
    """A table as a table of Markdown; whatever would end a cell is escaped."""
    lines = [_line(table.columns), "|" + "---|" * len(table.columns)]
    return "\n".join([*lines, *(_line(row) for row in table.rows)])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
