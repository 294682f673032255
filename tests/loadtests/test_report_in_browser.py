"""The report in a real browser without a network: drawn light, dark, narrow and printed. Made up."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from loadtests.ratios import ratios
from loadtests.reporting.report import write_report
from loadtests.results import Comparison, Results
from tests.loadtests.made_up import pauses, results, run
from tests.needs import needs_system

pytestmark = pytest.mark.anyio

#: Charts, and those that show at least one point, line or bar.
_DRAWN = """() => {
  const all = [...document.querySelectorAll('.chart')];
  const marks = (chart) => chart.querySelectorAll('.scatterlayer .js-line, .points path').length;
  return [all.length, all.filter((chart) => marks(chart) > 0).length];
}"""
_STICKS_OUT = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
_TEXT_COLOUR = "getComputedStyle(document.querySelector('.chart .xtick text')).fill"


def each_chart_once() -> Results:
    """Small, and with every kind of chart there is."""
    ours, theirs = [run(concurrency=n, block=n) for n in (1, 2)], [run("defaults", block=3)]
    compared = Comparison(valid=True, rows=ratios(ours, theirs, draws=50))
    return results([*ours, *theirs], comparison=compared, pauses=pauses())


async def look(browser: Browser, file: Path, width: int, scheme: str) -> tuple[str, list[str], bytes]:
    """Colour of the charts' text, whatever the page said or asked for, and the page printed."""
    context = await browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        offline=True,  # type: ignore[arg-type]
    )
    opened = await context.new_page()
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda request: said.append(request.url))
    await opened.goto(file.as_uri())
    await opened.wait_for_selector('html[data-charts="drawn"]', state="attached")
    charts, drawn = await opened.evaluate(_DRAWN)
    assert charts == drawn == 7
    assert await opened.evaluate(_STICKS_OUT) <= 0, (width, scheme)
    colour = await opened.evaluate(_TEXT_COLOUR)
    printed = await opened.pdf(format="A4") if scheme == "dark" else b""
    await context.close()
    return str(colour), [text for text in said if text != file.as_uri()], printed


async def test_it_is_drawn_without_a_network_wherever_it_is_read(tmp_path: Path):
    needs_system("chromium")
    file = write_report(each_chart_once(), tmp_path)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        light, said_in_light, _ = await look(browser, file, 1280, "light")
        dark, said_in_dark, printed = await look(browser, file, 390, "dark")
        await browser.close()
    assert said_in_light == said_in_dark == []
    assert light != dark
    assert printed.startswith(b"%PDF")
