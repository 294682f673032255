"""Pieces of the report's page as markup: badges, tables, figures, facts. What was measured is escaped."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from controls.evidence.markup import Html, joined, tag
from loadtests.reporting.charts import Chart
from loadtests.reporting.tables import Table
from loadtests.reporting.verdict import Overall, Verdict

FILES = Path(__file__).parent / "report_page"
#: Nothing may be fetched from anywhere: the page's own scripts and styles are all there is.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
_SIGNS: dict[Verdict, tuple[str, str]] = {
    "met": ("met", "✓"),
    "missed": ("missed", "✗"),
    "not decidable": ("open", "?"),
}
#: Met, but not at every load that was measured.
_PARTLY = ("partly", "◐")
_FIGURE = re.compile(r"[–0-9][0-9.,/%× –]*(\([^)]*\))?")


def badge(found: Overall, *, small: bool = False) -> Html:
    """A verdict in words and with a sign, so that no colour is needed."""
    kind, sign = _PARTLY if found.up_to is not None else _SIGNS[found.verdict]
    return tag("span", f"{sign} {found.words}", class_=f"badge {kind}{' inline' if small else ''}")


def table(shown: Table) -> Html:
    """A table that scrolls by itself where it is too wide; nothing when it has no rows."""
    if not shown.rows:
        return Html("")
    figures = [all(_FIGURE.fullmatch(row[i]) for row in shown.rows) for i in range(len(shown.columns))]
    head = tag("thead", tag("tr", *(_column(c, figures[i]) for i, c in enumerate(shown.columns))))
    body = tag("tbody", *(_row(row, figures, muted=i in shown.muted) for i, row in enumerate(shown.rows)))
    made = tag("table", tag("caption", shown.title), head, body)
    region = tag("div", made, class_="scroll", tabindex="0", role="region", aria_label=shown.title)
    return joined([region, tag("p", shown.note, class_="small")]) if shown.note else region


def _column(text: str, figure: bool) -> Html:
    return tag("th", text, scope="col", class_="figure" if figure else None)


def _row(cells: Sequence[str], figures: Sequence[bool], *, muted: bool) -> Html:
    made = [tag("th", cells[0], scope="row")]
    for text, figure in list(zip(cells, figures, strict=True))[1:]:
        made.append(tag("td", text, class_=_kind(text, figure)))
    return tag("tr", *made, class_="muted" if muted else None)


def _kind(text: str, figure: bool) -> str | None:
    """How a cell is set: figures to the right, long ones in more than one line."""
    if figure:
        return "figure long" if len(text) > 24 else "figure"
    return "words" if len(text) > 40 else None


def figure(chart: Chart) -> Html:
    """A chart: its title, what it rests on, and the same as a table for who does not see it."""
    return tag(
        "figure",
        tag("h4", chart.title),
        tag(
            "div", class_="chart", role="img", aria_label=f"{chart.title}. {chart.says}", data_chart=chart.key
        ),
        tag("figcaption", chart.says, tag("p", chart.resting_on, class_="rests")),
        tag("details", tag("summary", "The same as a table"), table(chart.table)),
        id=chart.key,
    )


def facts(pairs: Iterable[tuple[str, object]]) -> Html:
    """Names and what they stand for; those with nothing to say are left out."""
    return tag("dl", *(joined([tag("dt", key), tag("dd", value)]) for key, value in pairs if value))


def section(title: str, *children: object) -> Html:
    """A part of the page under its heading."""
    return tag("section", tag("h2", title), *children)


def document(title: str, body: Html, charts: Sequence[Chart], plotly: str) -> str:
    """The whole page: everything it needs inside, Plotly's script once."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Html((FILES / "page.css").read_text(encoding="utf-8"))),
    )
    scripts: list[Html] = []
    if charts:
        data = [{"key": chart.key, "data": chart.data, "layout": chart.layout} for chart in charts]
        scripts = [
            tag("script", _inert(data), id="charts", type="application/json"),
            tag("script", Html(plotly)),
            tag("script", Html((FILES / "page.js").read_text(encoding="utf-8"))),
        ]
    return f"<!DOCTYPE html>\n{tag('html', head, tag('body', body, *scripts), lang='en')}\n"


def _inert(data: object) -> Html:
    """JSON that can end no script element and begin no other, whatever stands in it.

    Raises:
        ValueError: a figure that is not a number.
    """
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Html(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
