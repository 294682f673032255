"""What a load test found, for a terminal: verdicts first, then what callers waited for and what it cost."""

from __future__ import annotations

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from loadtests import sheets
from loadtests.loads import RANDOM_WEIGHTS, Load, Setting, loads
from loadtests.results import Results
from loadtests.sheets import Sheet
from loadtests.verdict import Verdict, findings

_STYLES: dict[Verdict, str] = {"met": "green", "missed": "bold red", "not decidable": "yellow"}


def terminal(results: Results) -> RenderableType:
    """Everything of the page that fits a terminal. Markup in what was measured stays text."""
    return Group(*_parts(results))


def _parts(results: Results) -> Iterator[RenderableType]:
    by_setting = loads(results.runs)
    if results.interrupted:
        yield Text("Stopped by hand: this is what was done until then.", style="yellow")
    for setting, found in by_setting.items():
        marked = f" ({RANDOM_WEIGHTS})" if any(load.random_weights for load in found) else ""
        yield Text(f"\n{setting.title}{marked}. {sheets.knee_words(found)}", style="bold")
        yield _table(sheets.brief(found))
        failed = sheets.outcomes([load for load in found if set(load.outcomes) != {"completed"}])
        yield from [_table(failed)] if failed.rows else []
    if results.comparison is not None:
        yield _table(sheets.headline_ratios(results.comparison))
        yield from (
            Text(f"does not count: {why}", style="yellow") for why in results.comparison.invalid_because
        )
    if results.pauses:
        yield _table(sheets.pauses(results.pauses))
    yield from _verdicts(results, by_setting)
    for what, why in sheets.validity(by_setting):
        yield Text(f"{what}: {why}", style="yellow")
    yield from (Text(note, style="dim") for note in results.notes)


def _verdicts(results: Results, by_setting: dict[Setting, tuple[Load, ...]]) -> Iterator[Text]:
    for finding in findings(results, by_setting):
        line = Text(f"\n{finding.near.words}", style=_STYLES[finding.near.verdict])
        line.append(f"  {finding.goal.title} ({finding.goal.whose}), {finding.setting.title}", style="bold")
        line.append(f"\n  {finding.near.why}", style="none")
        if finding.farther:
            network = f"\n  with {sheets.ms(results.network_allowance_ms)} ms of telephone network: "
            line.append(f"{network}{finding.farther.why}", style="none")
        yield line


def _table(sheet: Sheet) -> Table:
    made = Table(
        title=sheet.title or None,
        title_justify="left",
        title_style="bold",
        caption=sheet.note or None,
        caption_justify="left",
        box=SIMPLE_HEAD,
    )
    for i, column in enumerate(sheet.columns):
        figures = i > 0 and all(len(row[i]) < 30 for row in sheet.rows)
        made.add_column(Text(column), justify="right" if figures else "left")
    for i, row in enumerate(sheet.rows):
        made.add_row(*map(Text, row), style="dim" if i in sheet.muted else None)
    return made
