"""The door and the caller's own page in a real browser: Chromium with a fake microphone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from pipecat.frames.frames import InputDTMFFrame
from pipecat.processors.frame_processor import FrameDirection
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.needs import needs_system
from tests.simulators.browser_door import STEADY, TONE, Agent, Agents, BrowserDoor, browser_door, eventually
from tests.simulators.browser_server import ABOUT
from voice_runtime.caller_page import caller_page_router
from voice_runtime.events import AgentSpeakingFrame, AudioReadyFrame, ResumeSpeechFrame, TypedWordsFrame
from voice_runtime.ingress.webrtc_presence import LOST_S

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.leaves("task", why="the browser and its connection live as long as the module"),
]

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for the module: its browser lives on it."""
    return "asyncio"


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    needs_system("chromium")
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield found
        await found.close()


async def calling(browser: Browser, seen: BrowserDoor, agents: Agents, button: str) -> tuple[Page, Agent]:
    """The caller's page in a call that has said it is ready."""
    page = await browser.new_page(locale="en-US")
    await page.goto(f"{seen.url}/call/healthcare")
    await page.locator(button).click()
    await eventually(lambda: agents.all and agents.all[-1].of(AudioReadyFrame), timeout_s=60)
    return page, agents.all[-1]


async def pongs(agent: Agent, count: int) -> None:
    """Until the page, which asks every second, has been answered so often."""
    stats = agent.call.link.stats
    enough = stats.sent + count
    await eventually(lambda: stats.sent >= enough)


async def said(agent: Agent, text: str, chunks: int = 25, *, then_silent: bool = False) -> None:
    """Say half a second and wait until the browser has reported its playing."""
    back: list[str] = []
    agent.call.link.on_mark(lambda name, at_ns: back.append(name))
    caption = agent.call.link.caption("agent", text, id=text, state="begin")
    await agent.show(caption or {})
    for _ in range(chunks):
        await agent.say(TONE)
    await agent.mark(text)
    if then_silent:
        timeline = agent.call.timeline
        await eventually(lambda: text in [*back, *dict(timeline._marks).values()] and not timeline.unsent)
        await agent.push_frame(AgentSpeakingFrame(False), FrameDirection.UPSTREAM)
    await eventually(lambda: text in back)


def server(agents: Agents) -> Any:
    about = caller_page_router(lambda agent: ABOUT if agent == ABOUT.agent else None)
    patience = replace(STEADY, lost_s=LOST_S, closed_s=0.2)
    return browser_door(agents, routers=[about], patience=patience)


async def test_a_voice_call_in_a_real_browser(browser: Browser) -> None:
    agents = Agents()
    async with server(agents) as seen:
        page, agent = await calling(browser, seen, agents, "#start")
        [call] = seen.calls
        assert call.media[1] is True
        await said(agent, "We open at 8:30 AM.")
        await expect(page.get_by_text("We open at 8:30 AM.")).to_be_visible()
        await eventually(lambda: call.peer.receiver.stats.received > 20)
        await page.locator("#words").fill("can i see dr. patel")
        await page.locator("#send").click()
        await eventually(lambda: agent.of(TypedWordsFrame))
        assert agent.of(TypedWordsFrame)[0].text == "can i see dr. patel"
        await page.get_by_role("button", name="person").first.click()
        await eventually(lambda: agent.of(InputDTMFFrame))
        assert agent.of(InputDTMFFrame)[0].button.value == "0"
        assert (call.stats.bad_reports, call.stats.malformed, call.stats.unknown) == (0, 0, 0)
        await page.close(run_before_unload=True)
        await eventually(lambda: seen.over)


async def test_a_page_reports_to_the_end_of_what_is_said_and_then_no_more(browser: Browser) -> None:
    agents = Agents()
    async with server(agents) as seen:
        page, agent = await calling(browser, seen, agents, "#start")
        [call] = seen.calls
        for text in ("first", "second"):
            reports = call.stats.reports
            await agent.push_frame(AgentSpeakingFrame(True), FrameDirection.UPSTREAM)
            await said(agent, text, 50, then_silent=True)
            assert call.stats.reports > reports
            await pongs(agent, 1)  # what the page had sent before it knew
            reports = call.stats.reports
            await pongs(agent, 3)
            assert call.stats.reports == reports
        assert (call.timeline.played, call.stats.bad_reports) == (100 * 160, 0)
        await page.close(run_before_unload=True)
        await eventually(lambda: seen.over)


async def test_a_typed_call_in_a_real_browser_survives_an_ice_restart(browser: Browser) -> None:
    """The page finds that nobody answers, restarts ICE, and the same call goes on."""
    agents = Agents()
    async with server(agents) as seen:
        page, agent = await calling(browser, seen, agents, "#start-typed")
        [call] = seen.calls
        assert call.media[1] is False
        await said(agent, "first")
        cut(call.peer.pc)
        await eventually(lambda: agent.of(ResumeSpeechFrame), timeout_s=60)
        await said(agent, "second")
        await expect(page.get_by_text("second", exact=True)).to_be_visible()
        assert [c.id for c in seen.calls] == [call.id]
        assert seen.over == []
        await page.close()


class DeadTo:
    """A socket whose datagrams to one address are lost."""

    def __init__(self, wire: Any, address: Any) -> None:
        self._wire, self._address = wire, address

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wire, name)

    def sendto(self, data: bytes, address: Any) -> None:
        if address[:2] != self._address[:2]:
            self._wire.sendto(data, address)


def cut(pc: Any) -> None:
    """The path in use is dead both ways, and nobody is told; others may be found."""
    agent = pc.getTransceivers()[0].receiver.transport.transport._connection
    for pair in agent._nominated.values():
        protocol, dead, taken = pair.protocol, pair.remote_addr, pair.protocol.datagram_received
        protocol.transport = DeadTo(protocol.transport, dead)
        protocol.datagram_received = lambda data, addr, dead=dead, taken=taken: (
            None if addr[:2] == dead[:2] else taken(data, addr)
        )
