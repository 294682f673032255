"""The page when the network fails: it says so, finds back into the same call, or offers another."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.page.conftest import LIVES_ON, OpenPage
from tests.page.test_call import calling
from tests.simulators.browser_server import BrowserServer, StandInCall

pytestmark = [pytest.mark.anyio, LIVES_ON]

SILENT_MS = 4000  # longer than the page waits for an answer to its pings
HEAL_MS = 1600  # longer than it waits for a line to mend itself


async def lose_the_line(page: Page, call: StandInCall) -> None:
    call.cut_line()
    await page.clock.run_for(SILENT_MS)
    await expect(page.get_by_role("heading", name="Reconnecting…")).to_be_visible()


async def test_a_short_gap_mends_itself(open_page: OpenPage, server: BrowserServer):
    page, call = await calling(open_page, server, clock=True)
    await lose_the_line(page, call)
    call.mend_line()
    await expect(page.get_by_text("You are connected again.")).to_be_visible()
    await expect(page.get_by_role("heading", name="Connected")).to_be_visible()
    assert (call.links, call.restarts) == (1, 0)


async def test_new_paths_are_found_by_an_ice_restart_and_nothing_said_is_lost(open_page, server):
    page, call = await calling(open_page, server, clock=True)
    await lose_the_line(page, call)
    call.caption("agent", "a1", "Said meanwhile.")
    server.on_further = StandInCall.mend_line
    await page.clock.run_for(HEAL_MS)
    await expect(page.get_by_text("You are connected again.")).to_be_visible()
    await expect(page.locator(".words")).to_have_text("Said meanwhile.")
    assert (call.links, call.restarts) == (1, 1)
    assert len(call.of("ready")) == 1


async def test_a_new_connection_takes_the_place_of_one_that_cannot_be_mended(open_page, server):
    page, call = await calling(open_page, server, clock=True)
    server.ignore_restarts = True
    await lose_the_line(page, call)
    await page.clock.run_for(HEAL_MS)
    await expect(page.get_by_text("You are connected again.")).to_be_visible()
    assert call.links == 2
    await call.got("ready", 2)  # its sound plays again
    await call.until(lambda: call.level > 3000)
    call.caption("agent", "a1", "Back.")
    await expect(page.locator(".words")).to_have_text("Back.")
    assert len(server.calls) == 1


async def test_a_connection_the_server_lost_is_made_anew(open_page, server: BrowserServer):
    page, call = await calling(open_page, server)
    await call.close_link()
    await call.got("ready", 2)
    await expect(page.get_by_role("heading", name="Connected")).to_be_visible()
    assert call.links == 2


async def test_a_call_the_server_knows_no_more_has_dropped_and_another_can_be_placed(open_page, server):
    page, call = await calling(open_page, server)
    server.refuse_restarts = (404, "unknown_call")
    await call.close_link()
    await expect(page.get_by_role("heading", name="The line dropped")).to_be_focused()
    await page.get_by_role("button", name="Call again").click()
    second = await server.call(2)
    await second.got("ready")


async def test_a_line_that_stays_away_has_dropped(open_page: OpenPage, server: BrowserServer):
    page, call = await calling(open_page, server, clock=True)
    await page.context.set_offline(True)  # the server cannot be asked either
    await lose_the_line(page, call)
    for _ in range(30):
        if await page.get_by_role("heading", name="The line dropped").is_visible():
            break
        await page.clock.run_for(1000)
    await expect(page.get_by_role("heading", name="The line dropped")).to_be_focused()


async def test_a_person_asked_for_while_the_line_is_gone_is_asked_for_on_the_next(open_page, server):
    page, call = await calling(open_page, server, clock=True)
    server.ignore_restarts = True
    call.cut_line()  # nobody has noticed yet
    await page.get_by_role("button", name="Talk to a person").click()
    await page.clock.run_for(SILENT_MS)
    await expect(page.get_by_role("heading", name="Reconnecting…")).to_be_visible()
    await page.clock.run_for(HEAL_MS)
    await call.got("person")
    assert call.links == 2


async def test_a_person_asked_for_once_is_not_asked_for_again_on_the_next_line(open_page, server):
    page, call = await calling(open_page, server, clock=True)
    await page.get_by_role("button", name="Talk to a person").click()
    await call.got("person")
    pings = call.pings
    await page.clock.run_for(1000)
    await call.until(lambda: call.pings > pings)
    call.caption("agent", "a1", "After the pong.")
    await expect(page.locator(".words")).to_have_text("After the pong.")
    await call.close_link()
    await call.got("ready", 2)
    await page.get_by_role("button", name="Hang up").click()
    await call.got("bye")
    assert len(call.of("person")) == 1


async def test_hanging_up_while_reconnecting_ends_it(open_page: OpenPage, server: BrowserServer):
    page, call = await calling(open_page, server, clock=True)
    await lose_the_line(page, call)
    await page.get_by_role("button", name="Hang up").click()
    await expect(page.get_by_text("You hung up.")).to_be_visible()
    await page.clock.run_for(10_000)
    assert (call.links, call.restarts) == (1, 0)


async def test_a_network_that_loses_packets_is_named_until_it_is_good_again(open_page, server):
    page, call = await calling(open_page, server, clock=True)
    weak = page.get_by_text("Your connection is weak")
    lost = iter(range(10**9))
    call.lose(lambda data: 128 <= data[0] < 192 and next(lost) % 4 == 0)  # RTP and RTCP: RFC 7983
    await looking_until(page, call, weak.is_visible)
    call.mend_line()
    await looking_until(page, call, weak.is_hidden)
    await expect(page.get_by_text("Your connection is good again.")).to_be_visible()


async def looking_until(page: Page, call: StandInCall, holds) -> None:
    """Let the page look at the network, with half a second of packets between two looks."""
    for _ in range(20):
        if await holds():
            return
        frames = call.frames
        await call.until(lambda frames=frames: call.frames >= frames + 25)
        await page.clock.run_for(2000)
    raise AssertionError("the page saw no change")
