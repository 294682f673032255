"""The receipt on the page: asked for with a button, shown as text, copied, there until the next call."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.page.conftest import LIVES_ON, OpenPage
from tests.page.test_access import CONTROLS, FAINT_TEXT, NARROWEST, WIDER_THAN_SCREEN
from tests.page.test_call import calling
from tests.simulators.browser_server import BrowserServer

pytestmark = [pytest.mark.anyio, LIVES_ON]

CODE = "7K2-M9Q-X4R"
#: What a page gets that may not write to the clipboard.
NO_CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', { value: undefined });"


async def test_the_code_is_asked_for_shown_and_copied(open_page: OpenPage, server: BrowserServer):
    page, call = await calling(open_page, server, permissions=["clipboard-read", "clipboard-write"])
    await expect(page.get_by_role("group", name="The receipt for this call")).to_be_hidden()
    await page.get_by_role("button", name="Receipt", exact=True).click()
    assert await call.got("receipt") == {"type": "receipt"}
    call.send({"type": "receipt", "code": CODE})
    card = page.get_by_role("group", name="The receipt for this call")
    await expect(card.locator("#receipt-code")).to_have_text(CODE)
    await expect(page.locator("#status")).to_have_text("The receipt's code is 7 K 2 M 9 Q X 4 R.")
    await card.get_by_role("button", name="Copy").click()
    await expect(page.locator("#status")).to_have_text("Copied.")
    assert await page.evaluate("navigator.clipboard.readText()") == CODE


async def test_without_a_clipboard_the_code_is_selected(open_page: OpenPage, server: BrowserServer):
    page, call = await calling(open_page, server, script=NO_CLIPBOARD)
    call.send({"type": "receipt", "code": CODE})
    await page.get_by_role("button", name="Copy").click()
    await expect(page.locator("#status")).to_have_text("The code is selected. Copy it with your keyboard.")
    assert await page.evaluate("getSelection().toString().trim()") == CODE


async def test_the_code_stays_after_the_call_and_goes_with_the_next(open_page: OpenPage, server):
    page, call = await calling(open_page, server)
    call.send({"type": "receipt", "code": CODE})
    await expect(page.locator("#receipt-code")).to_have_text(CODE)
    await page.get_by_role("button", name="Hang up").click()
    await expect(page.get_by_role("heading", name="The call has ended")).to_be_visible()
    await expect(page.locator("#receipt-code")).to_be_visible()
    await page.get_by_role("button", name="Call again").click()
    await expect(page.locator("#receipt-card")).to_be_hidden()


async def test_it_speaks_spanish(open_page: OpenPage, server: BrowserServer):
    import dataclasses

    from tests.simulators.browser_server import ABOUT

    server.abouts["healthcare"] = dataclasses.replace(ABOUT, language="es-US", languages=("es-US",))
    page = await open_page(locale="es-MX")
    await page.locator("#start").click()
    call = await server.call()
    await call.got("ready")
    await page.get_by_role("button", name="Recibo", exact=True).click()
    await call.got("receipt")
    call.send({"type": "receipt", "code": CODE})
    await expect(page.get_by_role("group", name="El recibo de esta llamada")).to_contain_text(CODE)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_fits_the_narrowest_screen_and_can_be_read(open_page: OpenPage, server, scheme: str):
    page, call = await calling(open_page, server, viewport=NARROWEST, color_scheme=scheme)
    call.send({"type": "receipt", "code": CODE})
    await expect(page.locator("#receipt-code")).to_be_visible()
    assert await page.evaluate(WIDER_THAN_SCREEN) <= 0
    assert await page.evaluate(FAINT_TEXT) == []
    small = [c for c in await page.evaluate(CONTROLS) if c["height"] < 44 or not c["name"]]
    assert not small
