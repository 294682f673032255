"""The load tests' kept results as the tables of README and docs/measuring: made by command, never by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from loadtests.reporting import sheets
from loadtests.reporting.loads import (
    PROFILES,
    SYSTEMS,
    TRANSPORTS,
    Load,
    Setting,
    commit_words,
    loads,
    tested,
)
from loadtests.reporting.sheets import NONE, Sheet, ms, number
from loadtests.reporting.verdict import error_ms, error_words, judge, knee, targets
from loadtests.results import TARGETS_MS, Profile, Results, Spread, read_results

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
    """README: each profile and transport at its first load and around its knee; ratios; where it ran."""
    return "\n".join(_short(found))


def long(found: dict[str, Results]) -> str:
    """docs/measuring: every load, outcome and ratio of every kept test."""
    return "\n".join(_long(found))


def _short(found: dict[str, Results]) -> Iterator[str]:
    rows: list[tuple[str, ...]] = []
    settings = _best(found)
    for profile in (*EXPECTED, *(s.profile for s in settings if s.profile not in EXPECTED)):
        mine = {setting: of for setting, of in settings.items() if setting.profile == profile}
        for setting, of in mine.items():
            rows += [_row(setting, load, of[0]) for load in _telling(of[1])]
        if not mine:
            rows.append((PROFILES[profile], "not measured yet", *[NONE] * 8))
    limits = [f"target p95 {ms(limit)}" for limit in TARGETS_MS.values()]
    columns = (
        "engines, transport", "calls at once", f"ASR to first token, ms ({limits[0]})",
        f"first audio out, ms ({limits[1]})", "both targets",
        "with the network's allowance", "turns", "calls completed",
        "CPU ms per call-second", "MB per added call",
    )  # fmt: skip
    yield markdown(Sheet("", columns, tuple(dict.fromkeys(rows))))
    yield ""
    compared = [results for results in found.values() if results.comparison and results.comparison.rows]
    for results in compared:
        if results.comparison:
            yield from _compared(results)
    if not compared:
        yield "Against bare pipecat: not measured yet."
        yield ""
    yield from (f"- {name}: {_where(results)}." for name, results in found.items())


def _compared(results: Results) -> Iterator[str]:
    comparison = results.comparison
    if comparison is None:
        return
    yield markdown(sheets.headline_ratios(comparison))
    yield ""
    if not comparison.valid:
        yield f"This comparison does not count: {'; '.join(comparison.invalid_because)}."
        yield ""


def _best(found: dict[str, Results]) -> dict[Setting, tuple[Results, list[Load]]]:
    """For each setting the kept test with the most loads of ours."""
    best: dict[Setting, tuple[Results, list[Load]]] = {}
    for results in found.values():
        for setting, of_setting in loads(results.runs).items():
            ours = tested(of_setting)
            if ours and (setting not in best or len(ours) > len(best[setting][1])):
                best[setting] = results, ours
    return best


def _both(load: Load, results: Results, allowance_ms: float) -> str:
    """The worse of the two targets' verdicts."""
    error = error_ms(results.calibration(load.setting.transport))
    made = [judge(load, goal, allowance_ms=allowance_ms, error_ms=error).verdict for goal in targets()]
    return next(verdict for verdict in ("missed", "not decidable", "met") if verdict in made)


def _telling(of: Sequence[Load]) -> list[Load]:
    """The first load, the last that was carried, and the first that was not."""
    ordered = sorted(of, key=lambda load: load.concurrency)
    bend = knee(ordered)
    wanted = {ordered[0].concurrency, bend.carried, bend.missed}
    return [load for load in ordered if load.concurrency in wanted]


def _row(setting: Setting, load: Load, results: Results) -> tuple[str, ...]:
    allowance = results.network_allowance_ms if setting.transport == "twilio" else 0.0
    audio = load.summary.get("first_audio_out_ms")
    what = setting.title + (" (random weights)" if load.random_weights else "")
    return (
        what, f"{load.concurrency}{'' if load.valid else ' (does not count)'}",
        _percentiles(load.summary.get("asr_to_first_token_ms")), _percentiles(audio),
        _both(load, results, 0.0),
        f"{_both(load, results, allowance)} ({ms(allowance)} ms)" if allowance else NONE,
        f"{audio.n:,}" if audio else "0", f"{load.completed} of {load.offered}",
        number(load.cost("cpu_ms_per_call_s")), number(load.cost("rss_mb_per_call")),
    )  # fmt: skip


def _percentiles(spread: Spread | None) -> str:
    if spread is None:
        return NONE
    parts = [f"p50 {ms(spread.p50)}"]
    parts += [
        f"{name} {ms(value)}"
        for name, value in (("p95", spread.p95), ("p99", spread.p99))
        if value is not None
    ]
    if spread.p95 is None:
        parts.append(f"max {ms(spread.max)}")
    if spread.censored:
        parts.append(f"{spread.censored} never answered")
    return ", ".join(parts)


def _where(results: Results) -> str:
    """When, on what, with which error, and how to run it again."""
    parts = [results.started_at[:10]]
    if results.runs:
        environment = results.runs[0].environment
        device = f", {environment.accelerator}" if environment.accelerator else ""
        parts.append(f"{commit_words(environment)}, {environment.cpu}, {environment.cores} cores{device}")
        parts.append(error_words(results.calibration(results.runs[0].transport)))
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
        tables = [sheets.verdicts(results, by_setting)]
        for setting, of in by_setting.items():
            what = f"{PROFILES[setting.profile]}, {TRANSPORTS[setting.transport]}"
            made = (sheets.waits(of), sheets.costs(of), sheets.openings(of), sheets.outcomes(of))
            tables += [Sheet(f"{what}: {s.title}", s.columns, s.rows, s.note) for s in made]
        tables.append(sheets.cold_starts(results.runs))
        if results.comparison:
            tables.append(sheets.ratio_rows(results.comparison))
        tables.append(sheets.pauses(results.pauses))
        for sheet in tables:
            if sheet.rows:
                yield f"**{sheet.title}**"
                yield ""
                yield markdown(sheet)
                yield ""
                yield from ([sheet.note, ""] if sheet.note else [])
        reasons = [f"- {what}: {why}." for what, why in sheets.validity(by_setting)]
        sentences, drawn = sheets.notes(results)
        notes = [f"- {note}" for note in (*_systems(by_setting), *sentences)]
        yield from [*reasons, *notes, "", *drawn, *([""] if drawn else [])]


def _systems(by_setting: dict[Setting, tuple[Load, ...]]) -> Iterator[str]:
    """Which engines answered in which system, each once."""
    seen = {(SYSTEMS[load.system], load.engines): None for of in by_setting.values() for load in of}
    for system, engines in seen:
        yield f"{system}: {'; '.join(engines)}"


def markdown(sheet: Sheet) -> str:
    """A sheet as a table of Markdown; whatever would end a cell is escaped."""
    lines = [_line(sheet.columns), "|" + "---|" * len(sheet.columns)]
    return "\n".join([*lines, *(_line(row) for row in sheet.rows)])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
