"""What a load test comes to, in a few lines for a terminal: figures by load, verdicts, what counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loadtests.reporting.comparison import Compared, compared, ratio
from loadtests.reporting.integrity import kept
from loadtests.reporting.loads import OF_THE_TEST, Load, Setting, loads, tested
from loadtests.reporting.pause_tables import printed
from loadtests.reporting.tables import above_idle, filler_words, handed_over, knee_words, memory_sentences
from loadtests.reporting.verdict import (
    Goal,
    Judgement,
    carried_words,
    error_ms,
    findings,
    goals,
    judge,
    network_ms,
)
from loadtests.results import TARGETS_MS, Calibration, Results, Row
from loadtests.shapes import Spread

_HEAD = (
    "system", "profile", "transport", "calls", "done", "first token p50/p95/max",
    "first audio p50/p95/max", "n", "CPU ms/call·s", "MB above idle/call", "valid",
)  # fmt: skip


def table(results: Results) -> str:
    """Every load on a line, then both targets, without and with the allowance, then what did not count."""
    by_setting = loads(results.runs)
    every = [load for of_setting in by_setting.values() for load in of_setting]
    figures = [_row(load, of_setting) for of_setting in by_setting.values() for load in of_setting]
    lines = _columns([_HEAD, *figures]) if figures else []
    lines += [line for load in every for line in _outcomes(load)]
    lines += [
        f"  {load.system} at {load.concurrency}: {told}" for load in every if (told := filler_words(load))
    ]
    for setting, of_setting in by_setting.items():
        lines += [f"{setting.title}: {text}" for text in memory_sentences(of_setting)]
    lines += [_calibration(found) for found in results.calibrations]
    lines += printed(results)
    lines = lines or ["no run was made"]
    for load, judgements in _verdicts(results):
        lines += ["", f"{load.setting.title}, calls at once: {load.at_once}"]
        lines += [f"  {text}" for text in judgements]
    lines += _overall(results, by_setting)
    if results.comparison is not None and results.comparison.rows:
        lines += [
            "",
            "Ours against theirs (ratio; 95 % interval drawn by call, of costs by block or as it says):",
        ]
        for what, rows in compared(results.comparison.rows).items():
            lines += _ratios(what, rows)
    lines += _invalid(results)
    if results.interrupted:
        lines += ["", "Interrupted: this is what was done until then."]
    return "\n".join([*lines, *(["", *results.notes] if results.notes else [])])


def valid(results: Results) -> bool:
    """Whether the test itself counts: every run, and the comparison if there is one."""
    comparable = results.comparison is None or results.comparison.valid
    measured = bool(results.runs or results.pauses or results.barge_in or results.calibrations)
    return measured and all(run.valid for run in results.runs) and comparable


def missed(results: Results) -> bool:
    """Whether a target was missed, with the allowance or without, at any load judged, or a soak's gate."""
    if any(gate.met is False for run in results.runs for gate in run.gates):
        return True
    return any(
        judgement.verdict == "missed" for _, pairs in _judged(results) for pair in pairs for judgement in pair
    )


def _judged(results: Results) -> list[tuple[Load, list[tuple[Judgement, Judgement]]]]:
    """Each load tested, and for each target its judgement without and with the allowance."""
    targets = [goal for goal in goals(results)[0] if "target" in goal.whose]
    found = []
    for setting in loads(results.runs).values():
        for load in tested(setting):
            error = error_ms(results.calibration(load.setting.transport))
            allowance = network_ms(results, load.setting.transport)
            pairs = [
                (
                    judge(load, goal, error_ms=error),
                    judge(load, goal, allowance_ms=allowance, error_ms=error),
                )
                for goal in targets
            ]
            found.append((load, pairs))
    return found


def _verdicts(results: Results) -> list[tuple[Load, list[str]]]:
    targets: list[Goal] = [goal for goal in goals(results)[0] if "target" in goal.whose]
    found = []
    for load, pairs in _judged(results):
        lines = []
        allowance = network_ms(results, load.setting.transport)
        for goal, (plain, allowed) in zip(targets, pairs, strict=True):
            line = f"{goal.title}: {plain.verdict} ({plain.why})"
            if allowance:
                line += f"; with {allowance:.0f} ms of network: {allowed.verdict}"
            lines.append(line)
        error = error_ms(results.calibration(load.setting.transport))
        lines.append(f"carried: {carried_words(load, error)}")
        if allowance:
            with_it = carried_words(load, error, allowance)
            lines[-1] += f"; with {allowance:.0f} ms of network: {with_it}"
        found.append((load, lines))
    return found


def _overall(results: Results, by_setting: Mapping[Setting, Sequence[Load]]) -> list[str]:
    """Each limit over all loads of a setting, and its knee; nothing where there is one load only."""
    lines = []
    for setting, found in by_setting.items():
        ours = tested(found)
        if len(ours) < 2:
            continue
        lines += ["", f"{setting.title}, over all loads:"]
        lines += [f"  {f.goal.title}: {f.near.words}" for f in findings(results, {setting: found})]
        lines += [f"  {line.title}: {line.near.words}" for line in kept({setting: found})]
        lines.append(f"  {knee_words(ours)}")
        if allowance := network_ms(results, setting.transport):
            with_it = knee_words(ours, allowance_ms=allowance)
            lines.append(f"  With {allowance:.0f} ms of network: {with_it}")
    return lines


def _invalid(results: Results) -> list[str]:
    reasons = [
        f"  {run.system} at {run.concurrency}: {why}" for run in results.runs for why in run.invalid_because
    ]
    if results.comparison is not None:
        reasons += [f"  comparison: {why}" for why in results.comparison.invalid_because]
    return ["", "Not valid:", *dict.fromkeys(reasons)] if reasons else []


def _row(load: Load, found: Sequence[Load]) -> tuple[str, ...]:
    turns = load.summary.get("first_audio_out_ms")
    return (
        load.system,
        load.setting.profile + (f" ({load.setting.of.variant})" if load.setting.of.variant else ""),
        load.setting.transport,
        load.at_once,
        f"{load.completed}/{load.offered}",
        *(_figures(load.summary.get(measure)) for measure in TARGETS_MS),  # type: ignore[call-overload]
        str(turns.n if turns else 0),
        _number(load.cost("cpu_ms_per_call_s")),
        above_idle(load, found),
        "yes" if load.valid else "NO",
    )


def _outcomes(load: Load) -> list[str]:
    """What became of the calls that did not go by their script: findings about the server."""
    of = f"{load.system} at {load.concurrency}"
    return [
        f"  {of}: {count} {name}" + (" (the test's own doing)" if name in OF_THE_TEST else "")
        for name, count in load.outcomes.items()
        if name != "completed"
    ]


def _ratios(what: Compared, rows: Sequence[Row]) -> list[str]:
    cells = [
        (
            f"  {row.baseline}",
            row.measure,
            ratio(row),
            f"{row.ours:.1f} against {row.theirs:.1f}",
            f"n {row.n}",
        )
        for row in rows
    ]
    return [f"  {what.title}:", *_columns(cells)]


def _calibration(found: Calibration) -> str:
    return (
        f"calibration ({found.transport}): bias {found.bias_ms:.1f} ms (packetisation and playout, in every "
        f"figure), error around it p95 {found.error_p95_ms:.1f} ms, at most {found.error_max_ms:.1f} ms, "
        f"{found.n} trials{handed_over(found)}"
    )


def _figures(spread: Spread | None) -> str:
    if spread is None:
        return "–"
    p95 = "–" if spread.p95 is None else f"{spread.p95:.0f}"
    capped = f" ({spread.censored} unanswered)" if spread.censored else ""
    return f"{spread.p50:.0f} / {p95} / {spread.max:.0f}{capped}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
