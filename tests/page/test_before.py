"""The page before a call: what a caller must know first, and everything that keeps a call from starting."""

from __future__ import annotations

import dataclasses

import pytest
from playwright.async_api import expect

from tests.page.conftest import LIVES_ON, OpenPage, until
from tests.simulators.browser_server import ABOUT, BrowserServer

pytestmark = [pytest.mark.anyio, LIVES_ON]

SENTENCES = tuple(f"sentence number {n}" for n in range(1, 8))


def no_microphone(name: str) -> str:
    """A script that makes getUserMedia fail as browsers do."""
    return f"""navigator.mediaDevices.getUserMedia =
        () => Promise.reject(new DOMException("", "{name}"));"""


async def test_the_disclosure_and_the_privacy_notice_are_in_view_before_the_start(open_page: OpenPage):
    page = await open_page(viewport={"width": 1280, "height": 800})
    await expect(page.locator("h1")).to_have_text(ABOUT.title)
    assert await page.title() == ABOUT.title
    for name, text in (("disclosure", ABOUT.disclosure["en-US"]), ("privacy", ABOUT.privacy["en-US"])):
        await expect(page.locator(f"#{name}")).to_have_text(text)
        await expect(page.locator(f"#{name}")).to_be_in_viewport(ratio=1)
    await expect(page.get_by_role("button", name="Start the call")).to_be_in_viewport(ratio=1)


async def test_production_shows_no_badge_and_no_demo(open_page: OpenPage):
    page = await open_page()
    await expect(page.locator("#environment")).to_be_hidden()
    await expect(page.locator("#demo")).to_be_hidden()


async def test_the_offline_profile_says_what_it_is_and_lists_what_it_understands(open_page, server):
    server.abouts["healthcare"] = dataclasses.replace(
        ABOUT, environment="demo", offline_phrases=SENTENCES, not_a_language_model=True
    )
    page = await open_page()
    await expect(page.locator("#environment")).to_have_text("Demonstration")
    demo = page.get_by_role("complementary", name="This is a demo recogniser: it understands these sentences")
    await expect(demo).to_contain_text("not a language model")
    await expect(demo.get_by_text(SENTENCES[0])).to_be_visible()
    await expect(demo.get_by_text(SENTENCES[-1])).to_be_hidden()
    await demo.get_by_text("All 7 sentences").click()
    await expect(demo.get_by_role("listitem")).to_have_text(list(SENTENCES))


async def test_a_stand_in_behind_another_recogniser_still_says_it_is_no_language_model(open_page, server):
    server.abouts["healthcare"] = dataclasses.replace(ABOUT, not_a_language_model=True)
    page = await open_page()
    await expect(page.locator("#demo")).to_contain_text("not a language model")
    await expect(page.locator("#demo")).not_to_contain_text("understands these sentences")


async def test_a_language_is_chosen_and_the_whole_page_speaks_it(open_page, server: BrowserServer):
    server.abouts["healthcare"] = dataclasses.replace(ABOUT, languages=("en-US", "es-US"))
    page = await open_page()
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await page.get_by_role("combobox", name="Language").select_option("es-US")
    await expect(page.locator("html")).to_have_attribute("lang", "es")
    await expect(page.locator("#disclosure")).to_have_text(ABOUT.disclosure["es-US"])
    await expect(page.locator("#disclosure")).to_have_attribute("lang", "es-US")
    await expect(page.locator("#privacy")).to_have_text(ABOUT.privacy["es-US"])
    await page.get_by_role("button", name="Iniciar la llamada").click()
    call = await server.call()
    assert call.language == "es-US"
    await expect(page.get_by_role("button", name="Colgar")).to_be_visible()


async def test_the_browsers_language_is_chosen_where_the_agent_speaks_it(open_page, server):
    server.abouts["healthcare"] = dataclasses.replace(ABOUT, languages=("en-US", "es-US"))
    page = await open_page(locale="es-MX")
    await expect(page.locator("html")).to_have_attribute("lang", "es")
    await expect(page.get_by_role("combobox", name="Idioma")).to_have_value("es-US")


async def test_one_language_is_no_choice(open_page: OpenPage):
    page = await open_page(locale="es-MX")
    await expect(page.locator("#language-field")).to_be_hidden()
    await expect(page.locator("html")).to_have_attribute("lang", "en")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NotAllowedError", "The microphone was refused"),
        ("NotFoundError", "No microphone was found"),
        ("NotReadableError", "Another program is using the microphone"),
        ("UnknownError", "The microphone could not be opened"),
    ],
)
async def test_why_there_is_no_microphone_is_said_and_typing_goes_on(open_page, server, name, words):
    page = await open_page(script=no_microphone(name))
    await page.get_by_role("button", name="Start the call").click()
    await expect(page.get_by_role("alert")).to_contain_text(words)
    await expect(page.get_by_role("alert")).to_contain_text("type")
    assert not server.calls
    assert not server.tokens  # none was asked for
    await page.get_by_role("button", name="Start without a microphone").click()
    await server.call()
    await expect(page.get_by_role("alert")).to_be_empty()


async def test_who_ignores_the_browsers_question_can_still_type(open_page, server: BrowserServer):
    late = """
        const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = (wanted) => new Promise((resolve) => {
            window.allow = async () => {
                window.stream = await real(wanted);
                resolve(window.stream);
            };
        });"""
    page = await open_page(script=late)
    await page.get_by_role("button", name="Start the call").click()
    await expect(page.locator("#start")).to_be_disabled()
    await page.get_by_role("button", name="Start without a microphone").click()
    call = await server.call()
    await page.evaluate("window.allow()")
    await until(page, "window.stream.getTracks()[0].readyState === 'ended'")
    assert await call.got("ready") == {"type": "ready", "echo_cancellation": "unknown", "microphone": False}
    assert len(server.calls) == 1


async def test_a_page_that_is_not_on_https_offers_typing_only(open_page, server: BrowserServer):
    page = await open_page(host="plain.example")
    await expect(page.get_by_role("alert")).to_contain_text("not on https")
    await expect(page.get_by_role("button", name="Start the call")).to_be_hidden()
    await page.get_by_role("button", name="Start without a microphone").click()
    call = await server.call()
    await page.get_by_label("Type to the assistant").fill("when are you open")
    await page.keyboard.press("Enter")
    assert (await call.got("say"))["text"] == "when are you open"


async def test_a_browser_without_webrtc_is_told(open_page: OpenPage):
    page = await open_page(script="delete window.RTCPeerConnection")
    await expect(page.get_by_role("alert")).to_contain_text("This browser cannot place calls")
    await expect(page.locator("#start")).to_be_hidden()
    await expect(page.locator("#start-typed")).to_be_hidden()


REFUSALS = [
    (503, "capacity", "All our lines are busy"),
    (503, "unavailable", "No calls are taken now"),
    (403, "origin", "The call was not let in"),
    (400, "offer", "The call could not be placed"),
    (404, "unknown_agent", "There is nobody at this address"),
    (500, "", "The call could not go on"),
]


async def test_a_refused_call_says_why_and_can_be_tried_again(open_page, server: BrowserServer):
    server.refuse_offers = [(status, error) for status, error, _ in REFUSALS]
    page = await open_page()
    await page.get_by_role("button", name="Start the call").click()
    for _, _, heading in REFUSALS:
        await expect(page.get_by_role("heading", name=heading)).to_be_focused()
        await page.get_by_role("button", name="again").click()
    await server.call()
    await expect(page.get_by_role("heading", name="Connected")).to_be_visible()


async def test_a_token_that_ran_out_is_asked_for_once_more(open_page, server: BrowserServer):
    server.refuse_offers = [(403, "token")]
    page = await open_page()
    await page.get_by_role("button", name="Start the call").click()
    await server.call()
    server.refuse_offers = [(403, "token"), (403, "token")]
    await page.get_by_role("button", name="Hang up").click()
    await page.get_by_role("button", name="Call again").click()
    await expect(page.locator("#end-words")).to_contain_text("Your permission to call has run out")


async def test_a_request_that_got_lost_is_made_once_more(open_page, server: BrowserServer):
    page = await open_page()
    await page.route("**/token", lambda route: route.abort(), times=1)
    await page.get_by_role("button", name="Start the call").click()
    await (await server.call()).got("ready")


async def test_a_server_that_cannot_be_reached_is_said_so(open_page: OpenPage):
    page = await open_page()
    await page.context.set_offline(True)
    await page.get_by_role("button", name="Start the call").click()
    await expect(page.get_by_role("heading", name="We cannot be reached")).to_be_focused()
    await page.context.set_offline(False)
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_role("heading", name="Connected")).to_be_visible()


async def test_a_page_that_learns_nothing_of_its_agent_can_be_tried_again(open_page: OpenPage):
    page = await open_page()
    await page.route("**/about.json", lambda route: route.abort())
    await page.reload()
    await expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
    await page.unroute("**/about.json")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_role("button", name="Start the call")).to_be_visible()


async def test_an_agent_that_is_gone_since_the_page_was_opened_is_said_so(open_page, server):
    page = await open_page()
    server.abouts.clear()
    await page.get_by_role("button", name="Start the call").click()
    await expect(page.get_by_role("heading", name="There is nobody at this address")).to_be_focused()


async def test_an_unknown_agent_has_a_page_that_says_so(open_page: OpenPage):
    page = await open_page(agent="nobody", ready=False)
    await expect(page.get_by_role("heading", name="There is nobody at this address")).to_be_visible()
    assert "healthcare" not in await page.content()
