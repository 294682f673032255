"""One page that says what a load test found: the verdict first, then everything it rests on.

For a sceptic with one minute, and for one with an afternoon. ``report.html`` needs
nothing but itself: Plotly's script comes from its wheel, and the page's policy lets it fetch nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

from controls.evidence.markup import Html, joined, tag
from loadtests.reporting import page, pause_tables, tables
from loadtests.reporting.charts import Chart, against_load, ecdf
from loadtests.reporting.comparison import block_lines, compared
from loadtests.reporting.first_page import BySetting, minute
from loadtests.reporting.loads import (
    SYSTEMS,
    Load,
    Setting,
    commit_words,
    cores_words,
    listed,
    loads,
    where_words,
)
from loadtests.reporting.pause_chart import pause_dots
from loadtests.reporting.ratio_charts import ratio_dots
from loadtests.reporting.verdict import error_words, knee
from loadtests.reporting.waterfall import shown_load, waterfall
from loadtests.results import Calibration, Environment, Results, Tier

_TIERS: dict[Tier, tuple[str, str]] = {
    "mock": (
        "Mock suppliers: what the runtime itself costs",
        "Suppliers answer after fixed delays: these figures say nothing about recognisers, models or voices, "
        "and never share a chart with engines that compute.",
    ),
    "real": ("Engines that compute", "Recogniser, model and voice do their work on this hardware."),
}
_METHOD = (
    "Calls start at moments drawn in advance. How long it took to answer one counts from its moment; what an "
    "answer took, from the caller's last sample. A run that started its calls over 5 ms late at p99 does not "
    "count.",
    "ASR to first token: from the caller's last sample to the model's first token, joined by sample index.",
    "First audio out: to the first audible sample of the answer in the caller's own 20 ms playout, which "
    "honours clear and returns marks.",
    "Turns never answered, or that a lost call never came to, stay in at their cap: the caller's patience. "
    "An agent that speaks on through an interruption counts as silent after 10 s. Percentiles are nearest "
    "rank; a p95 needs 200 turns, a p99 1,000. There are no means.",
    "With over 5 % of calls lost no limit is met.",
    "The knee is before the first load that is not carried: a target is missed (with fewer than 200 turns: "
    "by the slowest), a call is turned away, over 1 % of calls do not complete, the agent's speech has more "
    "than 5 gaps of 40 ms in 100 answers, or a record is not whole. A ramp adds the telephone network's "
    "allowance first.",
    "A gap is nothing to play for 40 ms to 1 s, between two utterances as well as in one. Silence that is "
    "sent, as ours of 240 ms behind the disclosure, is something to play; what is later than that is a gap. "
    "A longer stall is told by what a turn took, or not at all: no caller can tell it from a pause between "
    "two answers. In a browser silence comes as packets: there a gap is what the network lost.",
    "Calls at once: as offered, and on average and at most as they really went on. Turns from before all "
    "lines were in a call, or from after the first had no further one, are in no percentile.",
    "Ratios are bootstrapped by call, of at least 20 turns and 10 calls a side; costs by block, and with "
    "fewer than five blocks a side their range stands.",
    "Figures of two machines, or of two commits, are never pooled and never share a chart.",
    "A run whose own callers, suppliers or proxy lagged, or whose CPU was stolen, does not count.",
)


def write_report(results: Results, folder: Path) -> Path:
    """Write ``report.html`` into ``folder`` (made when missing); about 5 MB, nearly all of it Plotly."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "report.html"
    plotly = (resources.files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    path.write_text(render(results, plotly), encoding="utf-8")
    return path


def render(results: Results, plotly: str) -> str:
    """The page as text. ``plotly``: its script, put in once."""
    by_setting = loads(results.runs)
    charts: list[Chart] = []
    title = f"Load test of {results.agent}" if results.agent else "Load test"
    body = joined([
        tag("header", tag("h1", f"{title}: what the caller hears"), tag("p", *_headline(results))),
        tag(
            "main",
            minute(results, by_setting),
            *(_tier(results, tier, by_setting, charts) for tier in _TIERS),
            _comparison(results, by_setting, charts),
            _pauses(results, charts),
            _cold(results),
            _method(results),
        ),
    ])  # fmt: skip
    return page.document(title, body, charts, plotly)


def _headline(results: Results) -> Iterator[object]:
    runs, turns = len(results.runs), sum(not turn.never_said for run in results.runs for turn in run.turns)
    yield f"{results.started_at[:16].replace('T', ' ')} · {runs} run{'' if runs == 1 else 's'}, "
    yield f"{sum(run.offered for run in results.runs):,} calls, {turns:,} turns"
    yield f" · {_commits(results)}"


def _commits(results: Results) -> str:
    found = sorted({commit_words(run.environment) for run in results.runs})
    return f"commit {', '.join(found)}" if found else "no run, so no commit"


def _tier(results: Results, tier: Tier, by_setting: BySetting, charts: list[Chart]) -> Html:
    mine = {setting: found for setting, found in by_setting.items() if setting.tier == tier}
    if not mine:
        return Html("")
    title, words = _TIERS[tier]
    parts = [_setting(results, setting, found, charts) for setting, found in mine.items()]
    return page.section(title, tag("p", words), *parts)


def _setting(results: Results, setting: Setting, found: Sequence[Load], charts: list[Chart]) -> Html:
    error = error_words(results.calibration(setting.transport))
    picked = shown_load(found, knee(found).carried)
    made = [
        ecdf(setting, found, "first_audio_out_ms", error),
        against_load(setting, found, "first_audio_out_ms", error),
        ecdf(setting, found, "asr_to_first_token_ms", error),
        against_load(setting, found, "asr_to_first_token_ms", error),
        waterfall(setting, picked, error) if picked else None,
    ]
    drawn = [chart for chart in made if chart is not None]
    charts += drawn
    return tag(
        "section",
        tag("h3", setting.title),
        tag("p", tables.knee_words(found)),
        page.facts(_engines(found)),
        page.table(tables.waits(found)),
        page.table(tables.costs(found)),
        *map(page.figure, drawn),
        page.table(tables.openings(found)),
        page.table(tables.outcomes(found)),
        id=setting.key,
    )


def _engines(found: Sequence[Load]) -> Iterator[tuple[str, str]]:
    """What answered, once for all the systems it answered in."""
    by_engines: dict[tuple[str, ...], dict[str, None]] = {}
    for load in found:
        by_engines.setdefault(load.engines, {})[SYSTEMS[load.system]] = None
    for engines, systems in by_engines.items():
        yield ("engines" if len(by_engines) == 1 else "; ".join(systems)), "; ".join(engines)


def _comparison(results: Results, by_setting: BySetting, charts: list[Chart]) -> Html:
    comparison = results.comparison
    if comparison is None or not comparison.rows:
        return Html("")
    settings = {s for s, found in by_setting.items() if len({load.system for load in found}) > 1}
    drawn: list[Chart] = []
    for what, rows in compared(comparison.rows).items():
        involved = [
            load
            for setting, found in by_setting.items()
            for load in found
            if setting in settings and setting.of == what.of and load.concurrency == what.concurrency
        ]
        error = error_words(results.calibration(what.of.transport))
        drawn.append(ratio_dots(what, rows, involved, error, valid=comparison.valid))
    charts += drawn
    blocks = [(f"A ours, B {name}", order) for name, order in block_lines(comparison.blocks)]
    return page.section(
        "Ours against the same pipeline without us",
        tag("p", "Same suppliers, audio and machine, in short blocks that alternate."),
        page.facts(blocks),
        *map(page.figure, drawn),
    )


def _pauses(results: Results, charts: list[Chart]) -> Html:
    drawn = pause_dots(results.pauses, results.environment)
    kinds = [pause_tables.kinds(found) for found in pause_tables.by_set(results.pauses).values()]
    overlaps = list(pause_tables.barge_ins(results))
    if not drawn and not overlaps:
        return Html("")
    charts += drawn
    words = (
        "Utterances with thinking pauses, spelled digits, trailing conjunctions, and complete questions. Two "
        "numbers compare policies: how often one cuts in, and how long it waits when the caller is done. "
        "Below, what callers say while the agent speaks: what ought to cut it, and what ought not."
    )
    shown = [*map(page.figure, drawn), *(page.table(table) for table in (*kinds, *overlaps) if table.rows)]
    return page.section("When to answer", tag("p", words), *shown)


def _cold(results: Results) -> Html:
    table = tables.cold_starts(results.runs)
    return page.section("Cold start", page.table(table)) if table.rows else Html("")


def _method(results: Results) -> Html:
    paces = [run.generator for run in results.runs if run.generator]
    callers = ""
    if paces:
        late = max(pace.tick_late_p99_ms for pace in paces)
        busiest = max(pace.cpu_percent for pace in paces)
        callers = f"at most {busiest:.0f} % of a core, ticks late by at most {late:.1f} ms at p99"
    allowance = (
        f"{tables.ms(results.network_allowance_ms)} ms, stated, not measured; added whole to both figures"
    )
    return page.section(
        "How, where, and again",
        tag("p", "Run it again:"),
        tag("pre", tag("code", results.command), tabindex="0"),
        page.facts([
            *(fact for environment in _environments(results) for fact in _environment(environment)),
            ("Callers", callers),
            *_calibrations(results),
            ("Telephone network", allowance),
            ("Seeds", ", ".join(map(str, sorted({run.seed for run in results.runs})))),
        ]),
        tag("ul", *(tag("li", text) for text in _METHOD)),
    )  # fmt: skip


def _calibrations(results: Results) -> Iterator[tuple[str, object]]:
    for found in results.calibrations:
        yield (
            f"Calibration ({found.transport})",
            f"{_calibration(found)}; on {where_words(_calibrated(results))}",
        )
    if not results.calibrations:
        yield "Calibration", "none"


def _calibrated(results: Results) -> Environment | None:
    """Where the instrument was calibrated: as kept, or as of all runs where they are of one place."""
    places = _environments(results)
    return results.environment or (places[0] if len(places) == 1 else None)


def _calibration(found: Calibration) -> str:
    return (
        f"{found.n} answers of an echo agent of {tables.ms(found.delay_ms)} ms: bias {found.bias_ms:.0f} ms, "
        f"error p50 {found.error_p50_ms:.1f}, p95 {found.error_p95_ms:.1f}, max {found.error_max_ms:.1f} ms"
        f"{tables.handed_over(found)}"
    )


def _environments(results: Results) -> list[Environment]:
    found: list[Environment] = []
    for run in results.runs:
        if run.environment not in found:
            found.append(run.environment)
    return found


def _environment(environment: Environment) -> Iterator[tuple[str, object]]:
    cores = cores_words(environment.cores)
    if environment.server_cores:
        server, callers = listed(environment.server_cores), listed(environment.generator_cores)
        cores += f", server on {server}, callers on {callers}"
    yield "Processor", f"{environment.cpu}, {cores}, {environment.memory_gb:g} GB"
    yield "Accelerator", environment.accelerator or "none"
    yield "System", f"{environment.system}, Python {environment.python}"
    yield "Commit", commit_words(environment)
    yield "Packages", ", ".join(f"{name} {version}" for name, version in environment.packages.items())
