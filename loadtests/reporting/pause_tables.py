"""Turn policies as tables: set by set the two numbers, kind by kind, and speech over the agent. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from loadtests import markdown
from loadtests.pauses.figures import (
    BargeIn,
    Interval,
    LabelledSet,
    OverlapFigures,
    PauseFigures,
    PausePolicy,
)
from loadtests.reporting.loads import where_words
from loadtests.reporting.tables import NONE, Table, ms
from loadtests.results import Environment, Results
from loadtests.shapes import Spread

#: In the order they are shown.
SETS: dict[LabelledSet, str] = {
    "development": "first set, by which rules are written",
    "held_out": "held-out set, to which no rule is tuned",
    "listening": "listening set, first half, by which rules are written",
    "listening_second": "listening set, second half, by which rules are written",
    "file": "a set of its own",
}
#: As a plural, which several of a kind are.
_KINDS = {
    "command": "commands",
    "sentence": "sentences",
    "backchannel": "backchannels",
    "sound": "sounds without words",
}


def by_set(policies: Sequence[PausePolicy]) -> dict[LabelledSet, list[PausePolicy]]:
    """Policies by the set they were scored on, in the order of ``SETS``."""
    return {name: found for name in SETS if (found := [p for p in policies if p.labelled == name])}


def every(results: Results) -> list[Table]:
    """All there is to say, set by set."""
    return [
        *(
            table
            for found in by_set(results.pauses).values()
            for table in (pauses(found, results.environment), kinds(found))
        ),
        *barge_ins(results),
    ]


def printed(results: Results) -> list[str]:
    """The same for a terminal."""
    lines: list[str] = []
    for table in every(results):
        lines += [table.title, "", *markdown.table(table.columns, table.rows), ""]
        lines += [table.note, ""] if table.note else []
    return lines[:-1]


def pauses(policies: Sequence[PausePolicy], where: Environment | None) -> Table:
    """Turn policies on one set by two numbers, and where they were scored."""
    rows = tuple(
        (policy_name(policies, i), _cut_off(p.overall), ms(p.overall.delay_p50_ms),
         ms(p.overall.delay_p95_ms), ms(p.overall.delay_max_ms),
         f"{p.overall.thinking_pauses} ({p.overall.labelled_pauses})", str(p.overall.ends),
         str(p.overall.never_ended), str(p.overall.mid_speech))
        for i, p in enumerate(policies)
    )  # fmt: skip
    columns = (
        "policy",
        "thinking pauses cut off (95 %)",
        "delay p50, ms",
        "delay p95, ms",
        "delay max, ms",
        "pauses (different ones)",
        "ends",
        "never ended",
        "decisions in mid-speech",
    )
    several = len({policy.policy for policy in policies}) < len(policies)
    note = f"Scored on {where_words(where)}."
    if several:  # only the newest test's place is kept when several are put together
        note = f"The newest set: {note[0].lower()}{note[1:]} What the sets differ in stands in the notes."
    return Table(f"Turn policies on labelled pauses, {SETS[policies[0].labelled]}", columns, rows, note)


def kinds(policies: Sequence[PausePolicy]) -> Table:
    """The two numbers kind by kind. No kind has the 200 ends that a p95 needs: the maximum stands there."""
    present = list(dict.fromkeys(kind for policy in policies for kind in policy.kinds))
    known = {kind: figures for policy in policies for kind, figures in policy.kinds.items()}
    columns = ("policy", *(f"{kind} ({_resting_on(known[kind])})" for kind in present))
    rows = tuple(
        (policy_name(policies, i), *(_kind(policy.kinds.get(kind)) for kind in present))
        for i, policy in enumerate(policies)
    )
    note = (
        "Cut-offs with their 95 % interval / delay p50 / max, ms. In brackets the pauses, of them different."
    )
    return Table(f"Kind by kind, {SETS[policies[0].labelled]}", columns, rows if present else (), note)


def _resting_on(figures: PauseFigures) -> str:
    if not figures.thinking_pauses:
        return f"{figures.ends} ends"
    return f"{figures.thinking_pauses}, {figures.labelled_pauses}"


def _kind(figures: PauseFigures | None) -> str:
    if figures is None:
        return NONE
    cut = NONE
    if figures.cut_off_percent is not None and figures.cut_off_ci is not None:
        cut = f"{figures.cut_off_percent:.0f} % ({_interval(figures.cut_off_ci, 0)})"
    return f"{cut} / {ms(figures.delay_p50_ms)} / {ms(figures.delay_max_ms)}"


def _cut_off(figures: PauseFigures) -> str:
    if figures.cut_off_percent is None or figures.cut_off_ci is None:
        return NONE
    return f"{figures.cut_off_percent:.1f} % ({_interval(figures.cut_off_ci, 1)})"


def _interval(found: Interval, digits: int) -> str:
    return f"{found[0]:.{digits}f} to {found[1]:.{digits}f}"


def policy_name(policies: Sequence[PausePolicy] | Sequence[BargeIn], i: int) -> str:
    """A policy's name; where several tests were put together, also which of them it is of."""
    nth = sum(
        (policy.policy, policy.labelled) == (policies[i].policy, policies[i].labelled)
        for policy in policies[:i]
    )
    return policies[i].policy + (f" (set {nth + 1})" if nth else "")


def barge_ins(results: Results) -> Iterator[Table]:
    """What became of the agent's speech, set by set: interruptions, then what was none."""
    for name, title in SETS.items():
        found = [policy for policy in results.barge_in if policy.labelled == name]
        interruptions, listening = list(_interruptions(found)), list(_listening(found))
        columns: tuple[str, ...]
        if interruptions:
            columns = (
                "policy, what interrupted", "decided", "missed", "agent silent after p50 / p95 / max, ms",
                "decided after p50 / p95 / max, ms", "said (different ones)",
            )  # fmt: skip
            note = "From the caller's first sample to the decision; one that was missed stands at the cap."
            yield Table(f"Interruptions, {title}", columns, tuple(interruptions), note)
        if listening:
            columns = (
                "policy, what was no interruption", "taken for one (95 %)", "agent paused",
                "audible pause p50 / p95 / max, ms", "said (different ones)",
            )  # fmt: skip
            note = "No pause counts as 0 ms; what was taken for an interruption stands at the cap."
            yield Table(f"Backchannels and sounds, {title}", columns, tuple(listening), note)


def _interruptions(found: Sequence[BargeIn]) -> Iterator[tuple[str, ...]]:
    for what, of in _overlaps(found, "interruptions"):
        if of.commit_ms is not None:
            yield (
                what, f"{of.committed_percent:.1f} % ({_interval(of.committed_ci, 1)})", str(of.missed),
                _spread(of.silent_ms), _spread(of.commit_ms), f"{of.said} ({of.labelled})",
            )  # fmt: skip


def _listening(found: Sequence[BargeIn]) -> Iterator[tuple[str, ...]]:
    for what, of in _overlaps(found, "listening"):
        if of.audible_pause_ms is not None:
            yield (
                what, f"{of.committed_percent:.1f} % ({_interval(of.committed_ci, 1)})",
                f"{of.silenced} of {of.said}", _spread(of.audible_pause_ms), f"{of.said} ({of.labelled})",
            )  # fmt: skip


def _overlaps(found: Sequence[BargeIn], group: str) -> Iterator[tuple[str, OverlapFigures]]:
    """Each policy's figures of a group, and kind by kind; its caller leaves out the other group's kinds."""
    for i, policy in enumerate(found):
        name = policy_name(found, i)
        together = policy.interruptions if group == "interruptions" else policy.listening
        if together is not None:
            yield f"{name}: all", together
        for kind, figures in policy.kinds.items():
            yield f"{name}: {_KINDS.get(kind, kind)}", figures


def _spread(found: Spread | None) -> str:
    return NONE if found is None else f"{ms(found.p50)} / {ms(found.p95)} / {ms(found.max)}"
