"""The tables of a load test, as rows of words: one making for page, terminal and Markdown. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from loadtests.reporting.loads import PROFILES, SYSTEMS, Load, Setting
from loadtests.reporting.verdict import MEASURES, calls_words, findings, goals, knee
from loadtests.results import Comparison, PausePolicy, Results, Row, Run, Spread
from loadtests.statistics import spread

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
    "harness_failed": "the test itself broke: no finding about the server",
}
#: Ratios worth a glance.
_HEADLINES = ("first_audio_out_ms.p50", "first_audio_out_ms.p95", "cpu_ms_per_call_s", "rss_mb_per_call")
COSTS = {
    "cpu_ms_per_call_s": "CPU ms per second of a call",
    "rss_mb_per_call": "MB per added call",
    "idle_mb": "MB idle",
    "peak_mb": "MB at the peak",
    "loop_lag_p99_ms": "event loop's lag p99, ms",
}


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table. The first column heads its row; ``muted`` rows do not count (invalid)."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    muted: frozenset[int] = frozenset()


def ms(value: float | None) -> str:
    """A figure in ms, to the digit it deserves."""
    if value is None:
        return NONE
    return f"{value:,.1f}" if 0 < abs(value) < 10 else f"{value:,.0f}"


def number(value: float | None, digits: int = 1) -> str:
    """Any figure, or the sign for none."""
    return NONE if value is None else f"{value:,.{digits}f}"


def name(load: Load) -> str:
    """System and load, marked when it does not count."""
    return f"{SYSTEMS[load.system]}, {load.concurrency}" + ("" if load.valid else " (does not count)")


def verdicts(results: Results, by_setting: dict[Setting, tuple[Load, ...]]) -> Sheet:
    """Each target and objective, per setting, at the carrier's socket and with the stated allowance."""
    rows = tuple(
        (f"{f.goal.title} ({f.goal.whose})", f.setting.title, f.near.why,
         f.farther.why if f.farther else NONE)
        for f in findings(results, by_setting)
    )  # fmt: skip
    allowance = f"with {ms(results.network_allowance_ms)} ms of telephone network"
    unmeasured = goals(results)[1]
    note = f"No load test measures: {', '.join(unmeasured)}." if unmeasured else ""
    return Sheet(
        "Targets and objectives", ("limit", "where", "at the carrier's socket", allowance), rows, note
    )


def _spread_cells(found: Spread | None) -> tuple[str, ...]:
    if found is None:
        return (NONE,) * 4
    return ms(found.p50), ms(found.p95), ms(found.p99), ms(found.max)


def _muted(found: Sequence[Load]) -> frozenset[int]:
    return frozenset(i for i, load in enumerate(found) if not load.valid)


def waits(found: Sequence[Load]) -> Sheet:
    """What callers wait for, at the carrier's socket, ms."""
    rows = []
    for load in found:
        token, audio = load.summary.get("asr_to_first_token_ms"), load.summary.get("first_audio_out_ms")
        counted = audio or token
        rows.append((
            name(load), str(counted.n if counted else 0), str(counted.censored if counted else 0),
            *_spread_cells(token), *_spread_cells(audio),
        ))  # fmt: skip
    percentiles = ("p50", "p95", "p99", "max")
    return Sheet(
        "What callers wait for, ms",
        ("system, calls at once", "turns", "never answered",
         *(f"ASR to first token {p}" for p in percentiles), *(f"first audio out {p}" for p in percentiles)),
        tuple(rows),
        "A p95 needs 200 turns, a p99 1,000. Turns that were never answered count at their cap.",
        _muted(found),
    )  # fmt: skip


def costs(found: Sequence[Load]) -> Sheet:
    """What calls cost the server, and how whole they were."""
    rows = [
        (
            name(load), f"{load.completed}/{load.offered}", number(load.cost("cpu_ms_per_call_s")),
            number(load.cost("rss_mb_per_call")), number(load.cost("loop_lag_p99_ms")), _gaps(load),
            _jitter(load), _records(load), _correct(load), ms(_p50(load, "governance_ms")),
        )
        for load in found
    ]  # fmt: skip
    columns = (
        "system, calls at once", "completed / offered", "CPU ms per call-second", "MB per added call",
        "loop lag p99, ms", "gaps of 40 ms and more",
        "jitter of a typical call, ms", "records whole", "answers right",
        "governance p50, ms",
    )  # fmt: skip
    return Sheet("What it cost, and how whole it was", columns, tuple(rows), "", _muted(found))


def _p50(load: Load, measure: str) -> float | None:
    found = {str(key): value for key, value in load.summary.items()}.get(measure)
    return found.p50 if found else None


def _gaps(load: Load) -> str:
    count = sum(len(call.gaps) for call in load.calls)
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


def outcomes(found: Sequence[Load]) -> Sheet:
    """A row for each thing that became of a call."""
    rows = [
        (name(load), outcome, OUTCOMES.get(outcome, ""), str(count), _errors(load, outcome))
        for load in found
        for outcome in (*OUTCOMES, *sorted(set(load.outcomes) - set(OUTCOMES)))
        if (count := load.outcomes[outcome])
    ]
    columns = ("system, calls at once", "outcome", "what that is", "calls", "what they met with")
    return Sheet("What became of calls", columns, tuple(rows))


def _errors(load: Load, outcome: str) -> str:
    said = sorted({call.error for call in load.calls if call.outcome == outcome and call.error})
    return "; ".join(said[:3]) + (f"; {len(said) - 3} more" if len(said) > 3 else "")


def openings(found: Sequence[Load]) -> Sheet:
    """Disclosure, interruptions and backchannels."""
    rows = []
    for load in found:
        disclosure = load.summary.get("disclosure_ms")
        lasts = [call.disclosure_last_ms for call in load.calls if call.disclosure_last_ms is not None]
        answered = sum(1 for call in load.calls if call.answered_ms is not None)
        cuts = [turn for turn in load.turns if turn.kind == "interrupt" and not turn.cold]
        silent = sum(1 for turn in cuts if turn.barge_in_pause_ms is not None)
        mhm = [turn for turn in load.turns if turn.kind == "backchannel" and not turn.cold]
        pauses = [turn.audible_pause_ms for turn in mhm if turn.audible_pause_ms is not None]
        rows.append((
            name(load), f"{disclosure.n if disclosure else 0}/{answered}",
            f"{ms(disclosure.p50)} / {ms(disclosure.max)}" if disclosure else NONE,
            ms(spread(lasts).p50) if lasts else NONE,
            f"{silent}/{len(cuts)}", _two(load, "barge_in_pause_ms"), _two(load, "barge_in_commit_ms"),
            f"{len(pauses)}/{len(mhm)}", ms(spread(pauses).max) if pauses else NONE,
        ))  # fmt: skip
    columns = (
        "system, calls at once", "disclosed / answered", "first sample p50 / max, ms", "last sample p50, ms",
        "fell silent / interrupted", "silent after p50 / max, ms", "decided after p50 / max, ms",
        "paused / backchannels", "longest such pause, ms",
    )  # fmt: skip
    note = (
        "No time is shown of an agent that never fell silent: read the counts. “Mhmm” should pause nothing."
    )
    return Sheet("Disclosure and interruptions", columns, tuple(rows), note, _muted(found))


def _two(load: Load, measure: str) -> str:
    found = {str(key): value for key, value in load.summary.items()}.get(measure)
    return f"{ms(found.p50)} / {ms(found.max)}" if found else NONE


def cold_starts(runs: Iterable[Run]) -> Sheet:
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
    return Sheet("The first turn a server answered", columns, rows, "Not in any percentile above.")


def measure_words(measure: str) -> str:
    """``first_audio_out_ms.p95``, or a cost's key, in words."""
    stem, _, percent = measure.partition(".")
    known = {str(key): words for key, words in MEASURES.items()} | COSTS
    return f"{known.get(stem, stem)}{' ' + percent if percent else ''}"


def ratio(row: Row) -> str:
    """A ratio with its interval."""
    return f"{row.ratio:.2f} ({row.ci[0]:.2f} to {row.ci[1]:.2f})"


def headline_ratios(comparison: Comparison) -> Sheet:
    """The ratios worth a glance, baselines side by side."""
    baselines = list(dict.fromkeys(row.baseline for row in comparison.rows))
    by_key = {(r.measure, r.transport, r.concurrency, r.baseline): r for r in comparison.rows}
    loads = dict.fromkeys((row.transport, row.concurrency) for row in comparison.rows)
    rows = []
    for transport, concurrency in loads:
        for measure in _HEADLINES:
            found = [by_key.get((measure, transport, concurrency, baseline)) for baseline in baselines]
            if any(found):
                load = f"{transport}, {concurrency} at once"
                rows.append((measure_words(measure), load, *(ratio(r) if r else NONE for r in found)))
    columns = ("ours as a multiple of", "load", *(SYSTEMS[baseline] for baseline in baselines))
    return Sheet("Ratios with their 95 % intervals: below 1, ours is less", columns, tuple(rows))


def ratio_rows(comparison: Comparison) -> Sheet:
    """Every ratio with its interval: ours divided by theirs."""
    rows = tuple(
        (measure_words(row.measure), SYSTEMS[row.baseline], row.transport, str(row.concurrency), ms(row.ours),
         ms(row.theirs), ratio(row), str(row.n))
        for row in comparison.rows
    )  # fmt: skip
    columns = (
        "measure",
        "against",
        "transport",
        "calls at once",
        "ours",
        "theirs",
        "ours / theirs (95 %)",
        "n",
    )
    note = (
        "Intervals: 95 %, by call; of CPU the range of the blocks. n: turns, or blocks, of the smaller side."
    )
    return Sheet("Ours against the same pipeline without us", columns, rows, note)


def pauses(policies: Sequence[PausePolicy]) -> Sheet:
    """Turn policies by two numbers."""
    rows = tuple(
        (p.policy, f"{p.cut_off_percent:.1f} %", ms(p.delay_p50_ms), ms(p.delay_p95_ms),
         str(p.thinking_pauses), str(p.ends), str(p.never_ended))
        for p in policies
    )  # fmt: skip
    columns = (
        "policy",
        "thinking pauses cut off",
        "delay p50, ms",
        "delay p95, ms",
        "pauses",
        "ends",
        "never ended",
    )
    return Sheet("Turn policies on labelled pauses", columns, rows)


def notes(results: Results) -> tuple[list[str], list[str]]:
    """Sentences, and the lines of a table that the labelled pauses note ready-made (Markdown)."""
    drawn = [note for note in results.notes if note.startswith("|")]
    return [note for note in results.notes if note not in drawn], drawn


def validity(by_setting: dict[Setting, tuple[Load, ...]]) -> Iterator[tuple[str, str]]:
    """Each load that does not count, or counts without some of its blocks, and why."""
    for setting, found in by_setting.items():
        for load in found:
            if load.why_not:
                what = "does not count" if not load.valid else "counts without some of its blocks"
                yield (
                    f"{setting.title}: {SYSTEMS[load.system]}, {load.concurrency} at once, {what}",
                    "; ".join(load.why_not),
                )


def knee_words(found: Sequence[Load], *, reasons: bool = True) -> str:
    """Where the loads bend, in a sentence, with or without what was missed there."""
    bend = knee(found)
    if bend.carried is None and bend.missed is None:
        return "No knee: nothing that counts was measured."
    words = str(bend if reasons else replace(bend, why=())).removesuffix(": ")
    for measure, name_ in MEASURES.items():
        words = words.replace(measure, name_)
    return f"{words[0].upper()}{words[1:]}."
