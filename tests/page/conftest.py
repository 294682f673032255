"""A headless browser with a fake microphone, the stand-in server, and a page between them."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.leftovers import GRACE_S
from tests.needs import needs_system
from tests.simulators.browser_server import BrowserServer, browser_server

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    # a name that is not this machine's own: the browser treats pages from there as not secure
    "--host-resolver-rules=MAP plain.example 127.0.0.1",
]

expect.set_options(timeout=20_000)  # other tests share the machine

OpenPage = Callable[..., Awaitable[Page]]

#: For every module here; the fixture ``server`` looks itself whether anything is left once it has closed.
LIVES_ON = pytest.mark.leaves("task", why="a call goes on until the fixtures close the page and the server")


async def until(page: Page, expression: str) -> None:
    """Until an expression is true on the page.

    Playwright's own way evaluates text on the page, which the page's policy forbids.
    """
    async with asyncio.timeout(30):
        while not await page.evaluate(expression):
            await asyncio.sleep(0.02)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for a module: its browser lives on it."""
    return "asyncio"


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the fake microphone plays over and over: a second of 300 Hz, 16 kHz mono."""
    path = tmp_path_factory.mktemp("microphone") / "tone.wav"
    samples = (np.sin(2 * np.pi * 300 * np.arange(16_000) / 16_000) * 12_000).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(samples.tobytes())
    return path


@pytest.fixture(scope="module")
async def browser(recording: Path) -> AsyncIterator[Browser]:
    needs_system("chromium")
    async with async_playwright() as playwright:
        flags = [*FLAGS, f"--use-file-for-fake-audio-capture={recording}"]
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        yield browser
        await browser.close()


@pytest.fixture
async def server() -> AsyncIterator[BrowserServer]:
    before = asyncio.all_tasks()
    async with browser_server() as found:
        yield found
    left = {t for t in asyncio.all_tasks() - before if "TestRunner." not in repr(t)}  # anyio's own step
    if left:
        await asyncio.wait(left, timeout=GRACE_S)
    assert not [task for task in left if not task.done()]


@pytest.fixture
async def open_page(browser: Browser, server: BrowserServer) -> AsyncIterator[OpenPage]:
    """Open the page of an agent, in a browser context of its own with these options.

    ``host``: another name of the server; ``script``: runs before the page's own; ``ready``: wait until it can
    start a call; ``clock``: its timers can be run ahead through ``page.clock`` (media stay in real time).
    The page's own errors and breaches of its policy fail the test.
    """
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    async def opened(
        *,
        agent: str = "healthcare",
        host: str = "127.0.0.1",
        script: str = "",
        ready: bool = True,
        clock: bool = False,
        **options: Any,
    ) -> Page:
        context = await browser.new_context(**({"locale": "en-US"} | options))
        contexts.append(context)
        page = await context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if "Content Security" in said.text else None)
        if clock:
            await page.clock.install()
        if script:
            await page.add_init_script(script)
        await page.goto(f"{server.url.replace('127.0.0.1', host)}/call/{agent}")
        if ready:
            await page.locator("#before").wait_for()
        return page

    yield opened
    for context in contexts:
        await context.close()
    assert not wrong
