"""The first minute of a report: what was met and missed, whether it counts, what to keep in mind. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from controls.evidence.markup import Html, tag
from loadtests.reporting import page, tables
from loadtests.reporting.comparison import headline_ratios
from loadtests.reporting.integrity import Kept, kept
from loadtests.reporting.loads import RANDOM_WEIGHTS, Load, Setting, tested
from loadtests.reporting.verdict import Finding, error_ms, findings, goals, network_ms
from loadtests.results import Calibration, Results, Run, Transport

BySetting = dict[Setting, tuple[Load, ...]]


def minute(results: Results, by_setting: BySetting) -> Html:
    """The first section: each target and objective, whether it counts, and what to keep in mind."""
    return page.section(
        "In one minute",
        _interrupted(results),
        *_tally(results, by_setting),
        *_verdicts(results, by_setting),
        *_counts(results, by_setting),
        *_against(results),
        *_caveats(results, by_setting),
    )


def _interrupted(results: Results) -> Html:
    if not results.interrupted:
        return Html("")
    said = "Stopped by hand before it was done. What was measured until then is here; the rest is missing."
    return tag("p", said, class_="banner", role="note")


def _tally(results: Results, by_setting: BySetting) -> Iterator[Html]:
    made = [finding.near for finding in findings(results, by_setting)]
    if not made:
        yield tag("p", "Nothing that has a target was measured.", class_="tally")
        return
    found = Counter("met up to some load" if near.up_to is not None else near.verdict for near in made)
    kinds = ("met", "met up to some load", "missed", "not decidable")
    parts = ", ".join(f"{found[kind]} {kind}" for kind in kinds if found[kind])
    yield tag("p", f"Of {len(made)} limits: ", tag("strong", parts), ".", class_="tally")
    yield tag(
        "p",
        "At the carrier's socket, endpointing included. “Met” means at every load measured; “met up to n” at "
        "n calls at once and every lower load that could be decided, with the loads beyond it named.",
    )


def _verdicts(results: Results, by_setting: BySetting) -> Iterator[Html]:
    made = findings(results, by_setting)
    beside = kept(by_setting)
    for setting, found in by_setting.items():
        mine = [finding for finding in made if finding.setting == setting]
        if mine:
            random = any(load.random_weights for load in found)
            marked = f" ({RANDOM_WEIGHTS}: cost, not accuracy)" if random else ""
            yield tag("p", setting.title, marked, class_="where")
            items = [_verdict(finding, results.network_allowance_ms) for finding in mine]
            items += [_kept(line) for line in beside if line.setting == setting]
            yield tag("ul", *items, class_="verdicts")
            ours = tested(found)
            error = error_ms(results.calibration(setting.transport))
            allowance = network_ms(results, setting.transport)
            yield page.table(tables.carried(ours, error, allowance))
            yield page.table(tables.named_flaws(ours))


def _verdict(finding: Finding, allowance_ms: float) -> Html:
    lines = [
        tag("div", tag("strong", tables.capital(finding.goal.title)), f" · {finding.goal.whose}"),
        tag("div", finding.near.why, class_="why"),
    ]
    if finding.farther:
        network = f"With {tables.ms(allowance_ms)} ms of telephone network behind it: "
        badge = page.badge(finding.farther, small=True)
        lines.append(tag("div", network, badge, finding.farther.why, class_="why"))
    return tag("li", page.badge(finding.near), tag("div", *lines))


def _kept(line: Kept) -> Html:
    """What a load has to keep besides its targets."""
    made = tag("div", tag("strong", tables.capital(line.title)), tag("div", line.near.why, class_="why"))
    return tag("li", page.badge(line.near), made)


def _counts(results: Results, by_setting: BySetting) -> Iterator[Html]:
    """Valid or not, and why, in plain words; and how late what worked beside the servers was."""
    if not by_setting:
        return
    yield tag("h3", "Does it count?")
    bad = list(tables.validity(by_setting))
    every = sum(len(found) for found in by_setting.values())
    if not bad:
        stolen = _stolen(results.runs)
        yes = f"Yes: at all {every} loads callers kept pace, {stolen}, and nothing else went wrong."
        yield tag("p", yes)
    else:
        counting = sum(load.valid for found in by_setting.values() for load in found)
        yield tag("p", f"{counting} of {every} loads do. What does not count gives no verdict.")
        yield tag("ul", *(tag("li", f"{what}: {why}.") for what, why in bad))
    if beside := list(tables.beside(results.runs)):
        yield page.facts(beside)


def _stolen(runs: Sequence[Run]) -> str:
    """How much CPU the hypervisor gave to others at worst, where any run tells."""
    told = [run.resources.steal_percent for run in runs if run.resources.steal_percent is not None]
    return f"at most {max(told):.1f} % of CPU time was stolen" if told else "stolen CPU time is unknown"


def _against(results: Results) -> Iterator[Html]:
    comparison = results.comparison
    if comparison is None:
        return
    yield tag("h3", "Against bare pipecat, and without controls")
    if not comparison.valid:
        why = "; ".join(comparison.invalid_because) or "no reason was kept"
        yield tag("p", f"The comparison does not count: {why}.", class_="banner")
    yield page.table(headline_ratios(comparison))


def _caveats(results: Results, by_setting: BySetting) -> Iterator[Html]:
    notes = list(results.notes)
    if any(load.random_weights for found in by_setting.values() for load in found):
        notes.append(
            "Random weights: such a model computes in full and says what it is told. "
            "It proves cost, not accuracy."
        )
    if results.runs:
        notes += [
            _error(transport, results.calibration(transport))
            for transport in dict.fromkeys(run.transport for run in results.runs)
        ]
    if unmeasured := goals(results)[1]:
        notes.append(f"Objectives that no load test measures: {', '.join(unmeasured)}.")
    yield tag("h3", "What to keep in mind")
    yield tag("ul", *(tag("li", note) for note in notes))


def _error(transport: Transport, calibration: Calibration | None) -> str:
    on = "on the telephone" if transport == "twilio" else "in a browser"
    if calibration is None:
        return f"The instrument was not calibrated {on} in this run: its error there is unknown."
    return (
        f"The instrument {on} reads an echo of known delay {tables.ms(calibration.bias_ms)} ms late. That is "
        f"in every figure and never taken off; around it the error is {calibration.error_p95_ms:.1f} ms at "
        f"p95 (n = {calibration.n}). Differences below that are no differences."
    )
