"""The page for everybody: small screens, big letters, keyboard, contrast, names and live regions."""

from __future__ import annotations

import dataclasses

import pytest
from playwright.async_api import Page, expect

from tests.page.conftest import LIVES_ON
from tests.page.test_call import calling
from tests.simulators.browser_server import ABOUT, BrowserServer, StandInCall

pytestmark = [pytest.mark.anyio, LIVES_ON]

PHONE = {"width": 375, "height": 667}
NARROWEST = {"width": 320, "height": 568}  # 1280 px at 400 %: WCAG 1.4.10
ZOOMED = {"width": 640, "height": 360}  # 1280 by 720 at 200 %
LONG = "Ihre Sprechstundenterminvereinbarungsbestätigung " * 3

WIDER_THAN_SCREEN = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
SCROLL_UP = "(log) => new Promise((done) => { log.onscroll = done; log.scrollTop = 0; })"
#: Buttons, fields and summaries in view, with their size (CSS px) and name.
CONTROLS = """() => [...document.querySelectorAll("button, select, input, summary")]
    .filter((e) => e.checkVisibility())
    .map((e) => ({
        id: e.id || e.textContent,
        width: e.getBoundingClientRect().width,
        height: e.getBoundingClientRect().height,
        name: (e.ariaLabel || e.labels?.[0]?.textContent || e.textContent).trim(),
    }))"""
#: Every piece of text in view whose contrast to its ground is below what WCAG 1.4.3 asks for.
FAINT_TEXT = """() => {
    const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const over = (colour, ground) => {
        context.fillStyle = ground; context.fillRect(0, 0, 1, 1);
        context.fillStyle = colour; context.fillRect(0, 0, 1, 1);
        const [r, g, b] = context.getImageData(0, 0, 1, 1).data;
        return `rgb(${r} ${g} ${b})`;
    };
    const light = (colour) => {
        const parts = colour.match(/[0-9.]+/g).slice(0, 3).map((v) => v / 255);
        const [r, g, b] = parts.map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (e) => {
        const layers = [];
        for (; e; e = e.parentElement) layers.push(getComputedStyle(e).backgroundColor);
        return layers.reduceRight((below, layer) => over(layer, below), "rgb(255 255 255)");
    };
    const faint = [];
    for (const e of document.querySelectorAll("main *")) {
        const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
        const written = own || (e.tagName === "INPUT" && !e.disabled) || e.tagName === "SELECT";
        if (!written || !e.checkVisibility() || e.closest(":disabled")) continue;
        const below = ground(e);
        const [a, b] = [light(over(getComputedStyle(e).color, below)), light(below)].sort((x, y) => y - x);
        const contrast = (a + 0.05) / (b + 0.05);
        if (contrast < 4.5) faint.push(`${contrast.toFixed(2)} ${e.id || e.className} ${e.textContent}`);
    }
    return faint;
}"""


def demo(server: BrowserServer) -> None:
    server.abouts["healthcare"] = dataclasses.replace(
        ABOUT,
        languages=("en-US", "es-US"),
        environment="demo",
        offline_phrases=tuple(f"a sentence of the demo, number {n}" for n in range(20)),
        not_a_language_model=True,
    )


async def a_call_with_everything(page: Page, call: StandInCall) -> None:
    """Captions of all kinds, a notice, the keypad and the devices open."""
    call.caption("agent", "a1", LONG)
    call.caption("agent", "a1", LONG[:60], "cut")
    for n in range(6):
        call.caption("caller", f"c{n}", "can i see doctor patel on monday")
        call.caption("agent", f"b{n}", "On Monday at nine or half past ten.")
    await expect(page.locator(".turn")).to_have_count(13)
    await page.get_by_role("button", name="Mute").click()
    await page.get_by_role("button", name="Keypad").click()
    await page.get_by_role("button", name="Devices").click()


@pytest.mark.parametrize("size", [PHONE, NARROWEST], ids=["phone", "narrowest"])
async def test_nothing_is_wider_than_a_small_screen_or_smaller_than_a_finger(open_page, server, size):
    demo(server)
    page, call = await calling(open_page, server, viewport=size)
    await page.get_by_role("button", name="Hang up").click()
    await page.reload()
    await page.locator("#before").wait_for()
    await fits(page)
    await page.locator("#demo summary").click()
    await fits(page)
    await page.locator("#start").click()
    call = await server.call(2)
    await call.got("ready")
    await page.get_by_text("What you can say").click()
    await fits(page)
    await a_call_with_everything(page, call)
    await fits(page)
    await page.get_by_role("button", name="Hang up").click()
    await fits(page)


async def fits(page: Page) -> None:
    assert await page.evaluate(WIDER_THAN_SCREEN) == 0
    small = [c for c in await page.evaluate(CONTROLS) if min(c["width"], c["height"]) < 44]
    assert not small


@pytest.mark.parametrize("size", [PHONE, NARROWEST, ZOOMED], ids=["phone", "narrowest", "zoomed"])
async def test_a_person_and_hanging_up_are_in_view_however_much_was_said(open_page, server, size):
    page, call = await calling(open_page, server, viewport=size)
    for n in range(12):
        call.caption("caller", f"c{n}", LONG)
    await expect(page.locator(".turn")).to_have_count(12)
    for name in ("Talk to a person", "Hang up"):
        await expect(page.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)


async def test_the_newest_caption_is_in_view_unless_the_caller_reads_further_up(open_page, server):
    page, call = await calling(open_page, server, viewport=PHONE)
    for n in range(12):
        call.caption("caller", f"c{n}", LONG)
    await expect(page.locator(".turn").last).to_be_in_viewport()
    await page.locator("#captions").evaluate(SCROLL_UP)
    call.caption("agent", "a1", "The newest.")
    await expect(page.locator(".turn")).to_have_count(13)
    await expect(page.locator(".turn").first).to_be_in_viewport()
    await expect(page.locator(".turn").last).not_to_be_in_viewport()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_text_stands_out_from_its_ground(open_page, server, scheme):
    demo(server)
    page, call = await calling(open_page, server, color_scheme=scheme, reduced_motion="reduce")
    await a_call_with_everything(page, call)
    call.cut_line()  # a warning
    await expect(page.locator(".notice.warning")).to_be_visible()
    assert await page.evaluate(FAINT_TEXT) == []
    await page.get_by_role("button", name="Hang up").click()
    assert await page.evaluate(FAINT_TEXT) == []
    await page.reload()
    await page.locator("#before").wait_for()
    await page.locator("#demo summary").click()
    await page.evaluate("() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new Error()); }")
    await page.locator("#start").click()
    await expect(page.locator(".notice.error")).to_be_visible()
    assert await page.evaluate(FAINT_TEXT) == []


async def test_every_control_has_a_name_and_shows_the_focus_by_keyboard_alone(open_page, server):
    demo(server)
    page = await open_page()
    focused: list[str] = []
    focus = "() => [document.activeElement.id, getComputedStyle(document.activeElement).outlineStyle]"
    for _ in range(12):
        await page.keyboard.press("Tab")
        name, outline = await page.evaluate(focus)
        if name == "start":
            break
        assert outline == "solid", name
        focused.append(name)
    assert "language" in focused
    await page.keyboard.press("Enter")
    call = await server.call()
    await call.got("ready")
    await a_call_with_everything(page, call)
    controls = await page.evaluate(CONTROLS)
    assert all(c["name"] for c in controls)
    await page.locator("#call-state").focus()
    reached = set()
    for _ in range(40):
        await page.keyboard.press("Tab")
        name, outline = await page.evaluate(focus)
        reached.add(name)
        assert outline == "solid" or name == "", name
        if name == "hang-up":
            break
    assert {"captions", "words", "send", "microphone", "person", "mute", "keypad", "devices"} <= reached
    await page.keyboard.press("Enter")
    await call.got("bye")


async def test_what_changes_is_told_to_screen_readers(open_page, server: BrowserServer):
    page, call = await calling(open_page, server, clock=True)
    status = page.locator("#status")
    assert await status.get_attribute("role") == "status"
    await expect(status).to_have_text("Connected")
    await page.get_by_role("button", name="Keypad").click()
    await page.keyboard.press("*")
    await expect(status).to_have_text("Key star sent.")
    assert await page.locator("#notices").get_attribute("role") == "status"
    assert await page.locator("#alert").get_attribute("role") == "alert"
    call.cut_line()
    await page.clock.run_for(4000)
    await expect(page.locator("#notices")).to_contain_text("The line is interrupted")


async def test_nothing_moves_for_who_does_not_want_it(open_page, server: BrowserServer):
    page = await open_page(reduced_motion="reduce")
    server.refuse_offers = []
    await page.locator("#start").click()
    await expect(page.locator("#call-state")).to_be_visible()
    assert await page.evaluate("document.getAnimations().length") == 0
    call = await server.call()
    call.send({"type": "state", "agent": "speaking"})
    await expect(page.locator("#agent-state")).to_have_text("The assistant is speaking")
    assert await page.evaluate("document.getAnimations().length") == 0
