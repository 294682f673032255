"""The tables of a load test, as rows of words: one making for page, terminal and Markdown. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from loadtests.censoring import BARGE_IN_CAP_MS
from loadtests.memory import mb_per_added_call, memory_points
from loadtests.reporting.integrity import flaws, gaps
from loadtests.reporting.loads import OF_THE_TEST, PROFILES, SYSTEMS, Load, Setting
from loadtests.reporting.verdict import (
    MEASURES,
    calls_words,
    carried_words,
    findings,
    goals,
    judge,
    knee,
    measures_named,
    targets,
)
from loadtests.results import MIN_P95, MIN_P99, Calibration, Measure, Results, Run, SystemName
from loadtests.shapes import Histogram, Spread
from loadtests.statistics import spread
from loadtests.validity import MOST_BESIDE_LATE_P99_MS

#: Nothing was measured here.
NONE = "–"
#: What became of a call, in plain words.
OUTCOMES = {
    "completed": "went as its script says",
    "refused": "the server said no, or answered without a stream",
    "unreachable": "nothing listened there",
    "stalled": "connected, and then nothing came of it in time",
    "out_of_protocol": "the server sent what no carrier or page would take",
    "closed_early": "the server ended the call before the script did",
    "no_answer": "a turn was never answered (it counts at its cap)",
    "spoke_over": "the agent spoke on over the caller",
    "cut_short": "the test was stopped, not the call",
    "harness_failed": "the test itself broke: its own fault, no finding about the server",
}


@dataclass(frozen=True, slots=True)
class Table:
    """One table. The first column heads its row; ``muted`` rows do not count (invalid)."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    muted: frozenset[int] = frozenset()


def capital(text: str) -> str:
    """With its first letter large, the others as they are (ASR stays)."""
    return text[0].upper() + text[1:]


def ms(value: float | None) -> str:
    """A figure in ms, to the digit it deserves."""
    if value is None:
        return NONE
    return f"{value:,.1f}" if 0 < abs(value) < 10 else f"{value:,.0f}"


def number(value: float | None, digits: int = 1) -> str:
    """Any figure, or the sign for none."""
    return NONE if value is None else f"{value:,.{digits}f}"


def name(load: Load) -> str:
    """System and load as offered, marked when it does not count: for legends."""
    return f"{SYSTEMS[load.system]}, {load.concurrency}" + ("" if load.valid else " (does not count)")


def full_name(load: Load) -> str:
    """System and load, as offered and as it really went on, marked when it does not count: for tables."""
    return f"{SYSTEMS[load.system]}, {load.at_once}" + ("" if load.valid else " (does not count)")


def verdicts(results: Results, by_setting: dict[Setting, tuple[Load, ...]]) -> Table:
    """Each target and objective, per setting, at the carrier's socket and with the stated allowance."""
    rows = tuple(
        (f"{f.goal.title} ({f.goal.whose})", f.setting.title, f"{f.near.words}: {f.near.why}",
         f"{f.farther.words}: {f.farther.why}" if f.farther else NONE)
        for f in findings(results, by_setting)
    )  # fmt: skip
    allowance = f"with {ms(results.network_allowance_ms)} ms of telephone network"
    unmeasured = goals(results)[1]
    note = f"No load test measures: {', '.join(unmeasured)}." if unmeasured else ""
    return Table(
        "Targets and objectives", ("limit", "where", "at the carrier's socket", allowance), rows, note
    )


def _spread_cells(found: Spread | None) -> tuple[str, ...]:
    if found is None:
        return (NONE,) * 4
    return ms(found.p50), ms(found.p95), ms(found.p99), ms(found.max)


def _muted(found: Sequence[Load]) -> frozenset[int]:
    return frozenset(i for i, load in enumerate(found) if not load.valid)


def carried(found: Sequence[Load], error_ms: float = 0, allowance_ms: float = 0) -> Table:
    """What each load of ours kept and missed, and whether it was carried, without and with the allowance."""
    rows = []
    for load in found:
        count, answers = gaps(load)
        verdicts = [judge(load, goal, error_ms=error_ms).verdict for goal in targets()]
        rows.append((
            full_name(load), *verdicts, f"{load.completed} of {load.offered}", f"{count:,} / {answers:,}",
            _records(load), carried_words(load, error_ms),
            *([carried_words(load, error_ms, allowance_ms)] if allowance_ms else []),
        ))  # fmt: skip
    network = f"with {ms(allowance_ms)} ms of telephone network"
    columns = (
        "system, calls at once", *(MEASURES[goal.measure] for goal in targets()), "calls completed",
        "gaps / answers", "records whole", "carried", *([f"carried {network}"] if allowance_ms else []),
    )  # fmt: skip
    note = knee_words(found)
    if allowance_ms:
        note += f" {capital(network)}: {knee_words(found, allowance_ms=allowance_ms)}"
    return Table("What was carried", columns, tuple(rows), note, _muted(found))


def named_flaws(found: Sequence[Load]) -> Table:
    """What is missing from records, and what is on record but did not sound: by kind, with first calls."""
    rows = tuple(
        (full_name(flaw.load), flaw.side, flaw.kind, f"{flaw.count:,}", str(len(flaw.calls)), flaw.where)
        for flaw in flaws(found)
    )
    columns = ("system, calls at once", "what differs", "kind", "events", "calls", "first calls")
    return Table("What record and speech do not share", columns, rows)


def waits(found: Sequence[Load]) -> Table:
    """What callers wait for, at the carrier's socket, ms."""
    rows = []
    for load in found:
        token, audio = load.summary.get("asr_to_first_token_ms"), load.summary.get("first_audio_out_ms")
        counted = audio or token
        rows.append((
            full_name(load), str(counted.n if counted else 0), str(counted.censored if counted else 0),
            *_spread_cells(token), *_spread_cells(audio),
        ))  # fmt: skip
    percentiles = ("p50", "p95", "p99", "max")
    return Table(
        "What callers wait for, ms",
        ("system, calls at once", "turns", "never answered",
         *(f"ASR to first token {p}" for p in percentiles), *(f"first audio out {p}" for p in percentiles)),
        tuple(rows),
        " ".join([
            "A p95 needs 200 turns, a p99 1,000. Turns that were never answered, or that a lost call never "
            "came to, count at their cap.",
            *(f"{capital(full_name(load))}: {words}." for load in found if (words := filler_words(load))),
        ]),
        _muted(found),
    )  # fmt: skip


def filler_words(load: Load) -> str:
    """How many turns had words before their answer that were none, and when those began; "" for none."""
    turns = [turn for run in load.runs for turn in run.turns if not (turn.cold or turn.edge)]
    fillers = [turn.filler_audio_ms for turn in turns if turn.filler_audio_ms is not None]
    if not fillers:
        return ""
    awaited = sum(turn.first_audio_out_ms is not None for turn in turns)
    return (
        f"{len(fillers)} of {awaited} turns had a filler, such as the holding phrase, before their answer: "
        f"it began after {ms(spread(fillers).p50)} ms at p50, and counts in no other figure"
    )


def costs(found: Sequence[Load]) -> Table:
    """What calls cost the server, and how whole they were."""
    rows = [
        (
            full_name(load), f"{load.completed}/{load.offered}", number(load.cost("cpu_ms_per_call_s")),
            above_idle(load, found), number(load.cost("loop_lag_p99_ms")), _gaps(load),
            _jitter(load), _records(load), _correct(load), *_governance(load),
        )
        for load in found
    ]  # fmt: skip
    columns = (
        "system, calls at once", "completed / offered", "CPU ms per call-second", "MB above idle / call",
        "loop lag p99, ms", "gaps of 40 ms and more",
        "jitter of a typical call, ms", "records whole", "answers right",
        "governance, first clause p50 / p95 / p99 / max, ms",
        "governance, every clause p50 / p95 / p99 / max, ms (clauses)",
    )  # fmt: skip
    note = " ".join(memory_sentences(found))
    return Table("What it cost, and how whole it was", columns, tuple(rows), note, _muted(found))


def above_idle(load: Load, found: Sequence[Load]) -> str:
    """MB at the peak above the idle server, by the calls at one time.

    None among several systems: servers of a comparison stay up, and a peak is of all blocks up to it.
    """
    return NONE if len({other.system for other in found}) > 1 else number(load.cost("rss_mb_per_call"))


def memory_sentences(found: Sequence[Load]) -> Iterator[str]:
    """Of each server called at several loads, what one more call adds by one line through all of them."""
    servers: dict[tuple[SystemName, float | None], list[Run]] = {}
    for load in found:
        for run in load.runs:  # of one server is what was read from it idle
            servers.setdefault((load.system, run.resources.idle_mb), []).append(run)
    for (system, _), runs in servers.items():
        points = memory_points(runs)
        slope = mb_per_added_call(points)
        if slope is not None and len({calls for calls, _ in points}) > 2:  # idle and two loads
            yield (
                f"Memory, {SYSTEMS[system]}: {slope:,.1f} MB for each added call, by one line through the "
                f"idle server and {len(points) - 1} loads."
            )


def _governance(load: Load) -> tuple[str, str]:
    """Verdict and durable record: of first clauses as their records tell, of every clause by bounds."""
    first = load.summary.get("governance_ms")
    return " / ".join(_spread_cells(first)) if first else NONE, every_clause(load.governance)


def every_clause(found: Histogram | None) -> str:
    """p50, p95, p99 and the maximum of clauses' governance, each the bound it is at or below."""
    if found is None or not found.n:
        return NONE
    needed = ((50, 1), (95, MIN_P95), (99, MIN_P99), (100, 1))
    cells = [bound_words(found, percent) if found.n >= n else NONE for percent, n in needed]
    return f"{' / '.join(cells)} ({found.n:,})"


def bound_words(found: Histogram, percent: int) -> str:
    """“≤ 2.5”: all that counts by bounds tell of a percentile."""
    bound = found.at_most_ms(percent)
    if bound is None:
        return NONE
    return f"> {found.bounds_ms[-1]:,.4g}" if math.isinf(bound) else f"≤ {bound:,.4g}"


def _gaps(load: Load) -> str:
    count, _ = gaps(load)
    return f"{count} ({calls_words(sum(1 for call in load.calls if call.gaps))})" if count else "0"


def _jitter(load: Load) -> str:
    found = [call.jitter_ms for call in load.calls if call.jitter_ms is not None]
    return ms(spread(found).p50) if found else NONE


def _records(load: Load) -> str:
    checked = load.completeness
    return f"{sum(1 for c in checked if c.whole)}/{len(checked)}" if checked else NONE


def _correct(load: Load) -> str:
    found = [turn.answer_correct for turn in load.turns if turn.answer_correct is not None]
    return f"{sum(found)}/{len(found)}" if found else NONE


def outcomes(found: Sequence[Load]) -> Table:
    """A row for each thing that became of a call."""
    rows = [
        (full_name(load), outcome, OUTCOMES.get(outcome, ""), str(count), _errors(load, outcome))
        for load in found
        for outcome in (*OUTCOMES, *sorted(set(load.outcomes) - set(OUTCOMES)))
        if (count := load.outcomes[outcome])
    ]
    columns = ("system, calls at once", "outcome", "what that is", "calls", "what they met with")
    return Table("What became of calls", columns, tuple(rows))


def _errors(load: Load, outcome: str) -> str:
    said = sorted({call.error for call in load.calls if call.outcome == outcome and call.error})
    return "; ".join(said[:3]) + (f"; {len(said) - 3} more" if len(said) > 3 else "")


def openings(found: Sequence[Load]) -> Table:
    """Disclosure, interruptions and backchannels."""
    rows = []
    for load in found:
        disclosure = load.summary.get("disclosure_ms")
        lasts = [call.disclosure_last_ms for call in load.calls if call.disclosure_last_ms is not None]
        answered = [call.answered_ms for call in load.calls if call.answered_ms is not None]
        counted = [turn for turn in load.turns if not (turn.cold or turn.edge or turn.never_said)]
        cuts = [turn for turn in counted if turn.kind == "interrupt"]
        silent = sum(turn.barge_in_pause_ms is not None and not turn.barge_in_censored for turn in cuts)
        mhm = [turn for turn in counted if turn.kind == "backchannel"]
        pauses = [turn.audible_pause_ms for turn in mhm if turn.audible_pause_ms is not None]
        rows.append((
            full_name(load), _p50_and_max(answered), f"{disclosure.n if disclosure else 0}/{len(answered)}",
            f"{ms(disclosure.p50)} / {ms(disclosure.max)}" if disclosure else NONE,
            ms(spread(lasts).p50) if lasts else NONE,
            f"{silent}/{len(cuts)}", _three(load, "barge_in_pause_ms"), _three(load, "barge_in_commit_ms"),
            f"{len(pauses)}/{len(mhm)}", ms(spread(pauses).max) if pauses else NONE,
        ))  # fmt: skip
    columns = (
        "system, calls at once", "answered after p50 / max, ms", "disclosed / answered",
        "first sample p50 / max, ms", "last sample p50, ms",
        "fell silent / interrupted", "silent after p50 / p95 / max, ms", "decided after p50 / p95 / max, ms",
        "paused / backchannels", "longest such pause, ms",
    )  # fmt: skip
    note = (
        "Answered after: from the moment drawn for the call. An agent that spoke on through an interruption "
        f"counts as silent after {BARGE_IN_CAP_MS / 1000:.0f} s; one that was silent already has no time. "
        "“Mhmm” should pause nothing."
    )
    return Table("Disclosure and interruptions", columns, tuple(rows), note, _muted(found))


def _three(load: Load, measure: Measure) -> str:
    found = load.summary.get(measure)
    return f"{ms(found.p50)} / {ms(found.p95)} / {ms(found.max)}" if found else NONE


def _p50_and_max(values: Sequence[float]) -> str:
    found = spread(values) if values else None
    return f"{ms(found.p50)} / {ms(found.max)}" if found else NONE


def handed_over(found: Calibration) -> str:
    """The error against when an answer left the agent, where that was measured."""
    if found.handed_over_p95_ms is None:
        return ""
    return (
        "; against when this agent, in step with the caller, handed the packet over p95 "
        f"{found.handed_over_p95_ms:.1f} ms (one out of step: up to 10 ms sooner or later, not measured)"
    )


def cold_starts(runs: Iterable[Run]) -> Table:
    """The first turn each server had ever answered: on its own line, in no percentile."""
    rows = tuple(
        (f"{SYSTEMS[run.system]}, {run.concurrency}", PROFILES[run.profile], run.transport,
         ms(run.cold.asr_to_first_token_ms), ms(run.cold.first_audio_out_ms))
        for run in runs
        if run.cold is not None
    )  # fmt: skip
    columns = (
        "system, calls at once",
        "engines",
        "transport",
        "ASR to first token, ms",
        "first audio out, ms",
    )
    return Table("The first turn a server answered", columns, rows, "Not in any percentile above.")


def validity(by_setting: dict[Setting, tuple[Load, ...]]) -> Iterator[tuple[str, str]]:
    """Each load that does not count, or counts without some of its blocks or calls, and why."""
    for setting, found in by_setting.items():
        for load in found:
            which = f"{setting.title}: {SYSTEMS[load.system]}, {load.concurrency} at once"
            if load.why_not:
                what = "does not count" if not load.valid else "counts without some of its blocks"
                yield f"{which}, {what}", "; ".join(load.why_not)
            for outcome in OF_THE_TEST:
                if count := load.outcomes[outcome]:
                    yield f"{which}, {calls_words(count)} left out", OUTCOMES[outcome]


def beside(runs: Iterable[Run]) -> Iterator[tuple[str, str]]:
    """What worked beside the servers, and how late it was at worst over all runs."""
    told = [one for run in runs for one in run.beside]
    for what in dict.fromkeys(one.what for one in told):
        late = max(one.late_p99_ms for one in told if one.what == what)
        worst = max(one.late_max_ms for one in told if one.what == what)
        yield (
            what.capitalize(),
            f"event loop late by at most {late:.1f} ms at p99, {worst:.1f} ms ever; the limit is "
            f"{MOST_BESIDE_LATE_P99_MS:.0f} ms at p99",
        )


def knee_words(found: Sequence[Load], *, reasons: bool = True, allowance_ms: float = 0) -> str:
    """Where the loads bend, in a sentence, with or without what was missed there."""
    bend = knee(found, allowance_ms)
    if bend.carried is None and bend.by != "server":
        return "No knee: nothing that counts was measured."
    words = measures_named(str(bend if reasons else replace(bend, why=())))
    return f"{capital(words)}."
