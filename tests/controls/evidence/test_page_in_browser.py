"""The page in a real browser: nothing runs or is fetched, nothing sticks out, and it prints."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright

from tests.controls.evidence.calls import clinic_call
from tests.controls.evidence.test_page import HOSTILE, hostile_call, page
from tests.needs import needs_system

pytestmark = pytest.mark.anyio


def listen(opened: Page) -> list[str]:
    """Whatever the page says or asks for."""
    done: list[str] = []
    opened.on("dialog", lambda dialog: done.append("a dialog"))
    opened.on("console", lambda message: done.append(message.text))
    opened.on("request", lambda request: done.append(request.url))
    return done


async def test_hostile_words_neither_run_nor_stick_out_and_it_prints(tmp_path: Path):
    needs_system("chromium")
    files = []
    for i, script in enumerate([clinic_call(), *(hostile_call(text) for text in HOSTILE)]):
        files.append(tmp_path / f"{i}.html")
        files[-1].write_text(page(script))
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        opened = await browser.new_page()
        done = listen(opened)
        for file in files:
            await opened.goto(file.as_uri())
            for width in (1000, 390):
                await opened.set_viewport_size({"width": width, "height": 900})
                seen = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
                assert await opened.evaluate(seen) <= 0, (file.name, width)
        await opened.goto(files[0].as_uri())
        printed = await opened.pdf(format="A4")
        await browser.close()
    assert [x for x in done if x not in {file.as_uri() for file in files}] == []
    assert printed.startswith(b"%PDF")
    assert 1 <= printed.count(b"/Type /Page\n") <= 5
