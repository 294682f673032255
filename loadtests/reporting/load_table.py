"""The load tests' kept results as the tables of README and docs/measuring: made by command, never by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from loadtests.memory import mb_per_added_call, memory_points
from loadtests.reporting import tables
from loadtests.reporting.comparison import headline_ratios, ratio_rows
from loadtests.reporting.loads import (
    PROFILES,
    SYSTEMS,
    Conditions,
    Load,
    Machine,
    Setting,
    commit_words,
    loads,
    machine_words,
    setting_of,
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
from loadtests.results import Profile, Results, Spread, read_results

#: Load tests are kept in ``load/NAME/results.json``, turn policies in ``pauses/results.json``.
KEPT = Path("loadtests/results")
#: What a reader looks for; each is named as missing until a run of it is kept.
EXPECTED: tuple[Profile, ...] = ("mock", "cpu-offline", "cpu-whisper", "gpu")


def kept(folder: Path = KEPT) -> dict[str, Results]:
    """Kept load tests by the name of their folder.

    Raises:
        ConfigurationError: one of them is no ``results.json`` of ours.
    """
    files = [*sorted(folder.glob("load/*/results.json")), *folder.glob("pauses/results.json")]
    return {path.parent.name: read_results(path) for path in files}


def short(found: dict[str, Results]) -> str:
    """README: each profile and transport at its first load, the last carried and the first not; ratios."""
    return "\n".join(_short(found))


def long(found: dict[str, Results]) -> str:
    """docs/measuring: every load, outcome and ratio of every kept test."""
    return "\n".join(_long(found))


def _short(found: dict[str, Results]) -> Iterator[str]:
    rows: list[tuple[str, ...]] = []
    settings = _best(found)
    machines = {setting.machine for setting in settings}
    for profile in (*EXPECTED, *(s.profile for s in settings if s.profile not in EXPECTED)):
        mine = {setting: of for setting, of in settings.items() if setting.profile == profile}
        for setting, (results, of) in mine.items():
            where = f", on {setting.machine.words}" if len(machines) > 1 else ""
            allowance, added = network_ms(results, setting.transport), _mb_per_added_call(results, setting)
            rows += [_row(setting.of.title + where, load, results, added) for load in _telling(of, allowance)]
        if not mine:
            rows.append((PROFILES[profile], "not measured yet", *[NONE] * (len(_columns()) - 2)))
    yield markdown(Table("", _columns(), tuple(dict.fromkeys(rows))))
    yield ""
    compared = [results for results in found.values() if results.comparison and results.comparison.rows]
    for results in compared:
        if results.comparison:
            yield from _compared(results)
    if not compared:
        yield "Against bare pipecat: not measured yet."
        yield ""
    yield from (f"- {name}: {_where(results)}." for name, results in found.items())


def _columns() -> tuple[str, ...]:
    percentiles = [f"{MEASURES[goal.measure]} p50 / p95 / p99, ms" for goal in targets()]
    limits = " and ".join(f"{goal.limit_ms:,.0f}" for goal in targets())
    return (
        "engines, transport", "calls at once", *percentiles, "turns (never answered)",
        f"p95 below {limits} ms (with the telephone network's allowance)", "carried", "calls completed",
        "CPU ms per call-second", "MB per added call", "error of the instrument", "commit",
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
    """The first load, the last carried and the first that was not, without and with the allowance."""
    ordered = sorted(of, key=lambda load: load.concurrency)
    bends = knee(ordered), knee(ordered, allowance_ms)
    wanted = {ordered[0].concurrency, *(n for bend in bends for n in (bend.carried, bend.missed))}
    return [load for load in ordered if load.concurrency in wanted]


def _row(what: str, load: Load, results: Results, added: str) -> tuple[str, ...]:
    transport = load.setting.transport
    allowance = network_ms(results, transport)
    calibration = results.calibration(transport)
    token, audio = load.summary.get("asr_to_first_token_ms"), load.summary.get("first_audio_out_ms")
    near, far = _both(load, results, 0.0), _both(load, results, allowance)
    farther = f" ({'also' if far == near else far} with {ms(allowance)} ms)" if allowance else ""
    return (
        what + (" (random weights)" if load.random_weights else ""),
        load.at_once + ("" if load.valid else " (does not count)"),
        _percentiles(token), _percentiles(audio), _turns(audio),
        near + farther, _carried(load, error_ms(calibration), allowance),
        f"{load.completed} of {load.offered}",
        number(load.cost("cpu_ms_per_call_s")), added,
        f"±{calibration.error_p95_ms:.1f} ms" if calibration else "unknown", load.commit,
    )  # fmt: skip


def _percentiles(spread: Spread | None) -> str:
    """p50 / p95 / p99; where turns are too few for one, the maximum too."""
    if spread is None:
        return NONE
    figures = f"{ms(spread.p50)} / {ms(spread.p95)} / {ms(spread.p99)}"
    return figures if spread.p95 is not None else f"{figures}, max {ms(spread.max)}"


def _turns(audio: Spread | None) -> str:
    """Turns that were waited for, and how many of them stand at their cap: never answered."""
    return f"{audio.n:,} ({audio.censored:,})" if audio is not None else "0"


def _carried(load: Load, error: float, allowance_ms: float) -> str:
    """Whether a load was carried; where it was, whether it is with the allowance."""
    near = carried_words(load, error)
    if near != "yes" or not allowance_ms:
        return near
    also = "also" if carried_words(load, error, allowance_ms) == "yes" else "not"
    return f"yes ({also} with {ms(allowance_ms)} ms)"


def _mb_per_added_call(results: Results, setting: Setting) -> str:
    """By one line through all loads of the one server tested; none where blocks of others stand between."""
    runs = [run for run in results.runs if setting_of(run) == setting]
    if len({(run.system, run.resources.idle_mb) for run in runs}) != 1:
        return NONE
    return number(mb_per_added_call(memory_points(runs)))


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
        made.append(tables.pauses(results.pauses, results.environment))
        for table in made:
            if table.rows:
                yield f"**{table.title}**"
                yield ""
                yield markdown(table)
                yield ""
                yield from ([table.note, ""] if table.note else [])
        reasons = [f"- {what}: {why}." for what, why in tables.validity(by_setting)]
        sentences, drawn = tables.notes(results)
        notes = [f"- {note}" for note in (*_systems(by_setting), *sentences)]
        yield from [*reasons, *notes, "", *drawn, *([""] if drawn else [])]


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
