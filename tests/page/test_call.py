"""A call on the page: what the caller sees, what each control sends, and how calls end."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from playwright.async_api import Page, Route, expect

from tests.page.conftest import LIVES_ON, OpenPage, until
from tests.simulators.browser_server import BrowserServer, StandInCall

pytestmark = [pytest.mark.anyio, LIVES_ON]

#: Notes what the page asks of getUserMedia, and the tracks it gets.
WATCHED_MICROPHONE = """
window.asked = []; window.tracks = [];
const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
    window.asked.push(wanted.audio);
    const stream = await real(wanted);
    window.tracks.push(...stream.getTracks());
    return stream;
};
"""
SILENT_MICROPHONE = """
navigator.mediaDevices.getUserMedia = async () =>
    new MediaStreamAudioDestinationNode(new AudioContext()).stream;
"""
#: What a browser does that wants a click before it plays.
BLOCKED_SOUND = """
const play = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () {
    return window.allowed ? play.call(this) : Promise.reject(new DOMException("", "NotAllowedError"));
};
"""
#: RMS of what the audio element plays, over 50 ms.
LOUDNESS = """async () => {
    const context = new AudioContext();
    const analyser = new AnalyserNode(context, {fftSize: 2048});
    context.createMediaStreamSource(document.getElementById("voice").srcObject).connect(analyser);
    const samples = new Float32Array(2048);
    let rms = 0;
    for (let look = 0; look < 60 && rms < 0.02; look += 1) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        analyser.getFloatTimeDomainData(samples);
        rms = Math.sqrt(samples.reduce((sum, s) => sum + s * s, 0) / samples.length);
    }
    await context.close();
    return rms;
}"""


async def calling(
    open_page: OpenPage, server: BrowserServer, *, typed: bool = False, **options: object
) -> tuple[Page, StandInCall]:
    """A page in a call that has said it is ready."""
    page = await open_page(**options)
    await page.locator("#start-typed" if typed else "#start").click()
    call = await server.call()
    await call.got("ready")
    await expect(page.get_by_role("heading", name="Connected")).to_be_visible()
    return page, call


async def test_a_voice_call_is_ready_once_its_sound_plays_and_both_are_audible(open_page, server):
    page, call = await calling(open_page, server, script=WATCHED_MICROPHONE)
    assert await call.got("ready") == {"type": "ready", "echo_cancellation": "on", "microphone": True}
    assert call.directions == ["sendrecv"]
    [asked] = await page.evaluate("window.asked")
    assert asked["echoCancellation"] and asked["noiseSuppression"] and asked["autoGainControl"]
    await call.until(lambda: call.level > 3000)
    assert await page.evaluate(LOUDNESS) > 0.02
    meter = page.get_by_role("meter", name="Level of your microphone")
    await until(page, "document.getElementById('meter').ariaValueNow > 20")
    await expect(meter).to_be_visible()


async def test_ready_waits_for_sound(open_page, server: BrowserServer):
    """The server sends packets, but the browser plays nothing: the disclosure must not start."""
    page = await open_page(script=BLOCKED_SOUND)
    await page.locator("#start").click()
    call = await server.call()
    sound_on = page.get_by_role("button", name="Turn the sound on")
    await expect(sound_on).to_be_visible()
    assert not call.of("ready")
    assert not call.of("playing")
    await page.evaluate("window.allowed = true")
    await sound_on.click()
    await call.got("ready")
    await expect(sound_on).to_be_hidden()


async def test_who_types_while_the_sound_is_blocked_goes_on_without_it(open_page, server):
    page = await open_page(script=BLOCKED_SOUND)
    await page.locator("#start").click()
    call = await server.call()
    await expect(page.get_by_role("button", name="Turn the sound on")).to_be_visible()
    await page.get_by_label("Type to the assistant").fill("when are you open")
    await page.get_by_role("button", name="Send").click()
    await call.got("say")
    assert [m["type"] for m in call.messages] == ["ready", "say"]


async def test_played_positions_are_reported_and_grow(open_page, server: BrowserServer):
    _, call = await calling(open_page, server)
    await call.got("playing", 4)
    positions = [m["rtp"] for m in call.of("playing")]
    steps = [(b - a) % 2**32 for a, b in pairwise(positions)]
    assert all(0 < step < 48_000 * 10 for step in steps)


async def test_what_plays_is_reported_to_the_end_that_is_named_and_no_further(open_page, server):
    _, call = await calling(open_page, server)
    end = ((await call.got("playing", 2))["rtp"] + 48_000) % 2**32  # a second later

    def ended() -> list[int]:
        return [m["rtp"] for m in call.of("playing") if (m["rtp"] - end) % 2**32 < 2**31]

    call.send({"type": "state", "agent": "listening", "until": end})
    await call.until(ended)
    pings = call.pings
    await call.until(lambda: call.pings >= pings + 3)
    [last] = ended()
    call.send({"type": "state", "agent": "listening", "until": last})  # known already
    call.send({"type": "state", "agent": "speaking", "until": None})
    await call.until(lambda: len(ended()) > 3)


async def test_captions_of_both_sides_are_shown_in_their_order(open_page, server: BrowserServer):
    page, call = await calling(open_page, server)
    call.caption("agent", "a1", "Riverside Clinic.")
    call.caption("agent", "a2", "How can I help?")
    call.caption("caller", "c1", "can i see")
    call.caption("caller", "c1", "can i see doctor patel")
    call.caption("agent", "a3", "Monday at nine.")
    log = page.get_by_role("log", name="What was said")
    await expect(log).to_have_attribute("aria-live", "polite")
    await expect(log.locator(".turn")).to_have_text(
        [
            "AssistantRiverside Clinic. How can I help?",
            "Youcan i see doctor patel",
            "AssistantMonday at nine.",
        ]
    )


async def test_a_cut_caption_keeps_the_words_played_and_says_interrupted(open_page, server):
    page, call = await calling(open_page, server)
    call.caption("agent", "a1", "On Monday at nine, half past ten or noon.")
    call.caption("agent", "a1", "On Monday at nine,", "cut")
    call.caption("agent", "a2", "", "cut")  # cut before its first word
    call.caption("agent", "a3", "Of course.")
    await expect(page.locator(".turn")).to_have_text(
        ["AssistantOn Monday at nine,interrupted", "AssistantOf course."]
    )


async def test_words_that_look_like_markup_stay_words(open_page, server: BrowserServer):
    page, call = await calling(open_page, server)
    call.caption("agent", "a1", "<img src=x onerror=alert(1)> <b>bold</b>")
    await expect(page.locator(".words")).to_have_text("<img src=x onerror=alert(1)> <b>bold</b>")
    assert await page.locator("#captions img, #captions b").count() == 0


async def test_messages_off_the_list_change_nothing(open_page, server: BrowserServer):
    page, call = await calling(open_page, server)
    for message in (
        "no json",
        "null",
        '{"type": "llm-text", "text": "raw"}',
        '{"type": "caption", "who": "tool", "id": "1", "text": "x", "state": "begin"}',
        '{"type": "caption", "who": "agent", "id": "1", "text": {"a": 1}, "state": "begin"}',
        '{"type": "constructor"}',
        '{"type": "state", "agent": "gone"}',
        '{"type": "state", "agent": "listening", "until": -1}',
        '{"type": "state", "agent": "listening", "until": "5"}',
        '{"type": "caption", "who": "agent", "id": "1", "state": "begin", "text": "' + "x" * 5000 + '"}',
    ):
        call.send(message)
    call.caption("agent", "a1", "Still here.")
    await expect(page.locator(".turn")).to_have_text(["AssistantStill here."])


async def test_the_floor_is_shown(open_page, server: BrowserServer):
    page, call = await calling(open_page, server)
    for state, words in (
        ("speaking", "is speaking"),
        ("thinking", "is thinking"),
        ("listening", "is listening"),
    ):
        call.send({"type": "state", "agent": state})
        await expect(page.locator("#agent-state")).to_contain_text(words)


async def test_typed_words_are_sent_and_the_field_is_empty_again(open_page, server: BrowserServer):
    page, call = await calling(open_page, server)
    field = page.get_by_label("Type to the assistant")
    await field.fill("  ")
    await field.press("Enter")
    await field.fill("when are you open")
    await field.press("Enter")
    assert (await call.got("say"))["text"] == "when are you open"
    await expect(field).to_have_value("")
    await field.fill("é" * 499 + "😀😀")  # cut by the field at 500 units, in the middle of a pair
    await page.get_by_role("button", name="Send").click()
    assert (await call.got("say", 2))["text"].startswith("é" * 499)
    assert len(call.of("say")) == 2


async def test_a_call_without_a_microphone_asks_for_none_and_still_plays(open_page, server):
    page, call = await calling(open_page, server, typed=True, script=WATCHED_MICROPHONE)
    assert await call.got("ready") == {"type": "ready", "echo_cancellation": "unknown", "microphone": False}
    assert call.directions == ["recvonly"]
    assert await page.evaluate("window.asked") == []
    assert await page.evaluate(LOUDNESS) > 0.02
    for name in ("Mute", "Devices"):
        await expect(page.get_by_role("button", name=name)).to_be_hidden()
    await expect(page.get_by_role("meter")).to_be_hidden()
    await expect(page.get_by_label("Type to the assistant")).to_be_focused()


async def test_keys_are_sent_by_click_and_by_keyboard_while_the_keypad_is_open(open_page, server):
    page, call = await calling(open_page, server)
    await page.keyboard.press("1")  # closed: single keys mean nothing
    await page.get_by_role("button", name="Keypad").click()
    for name in ("Key 5", "Key star", "Key 0", "Key pound"):
        await page.get_by_role("button", name=name, exact=True).click()
    await page.keyboard.press("7")
    await page.keyboard.press("#")
    await page.get_by_label("Type to the assistant").fill("9")  # typed words, not keys
    await page.get_by_role("button", name="Send").focus()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="Keypad")).to_be_focused()
    await page.keyboard.press("8")
    await page.get_by_role("button", name="Hang up").click()
    await call.got("bye")
    assert [m["key"] for m in call.of("key")] == ["5", "*", "0", "#", "7", "#"]


async def test_a_person_can_be_asked_for_at_any_time(open_page, server: BrowserServer):
    page, call = await calling(open_page, server)
    await page.get_by_role("button", name="Talk to a person").click()
    await call.got("person")
    await expect(page.get_by_text("You asked for a person.")).to_be_visible()


async def test_mute_silences_the_microphone_and_says_so(open_page, server: BrowserServer):
    page, call = await calling(open_page, server)
    await call.until(lambda: call.level > 3000)
    await page.get_by_role("button", name="Mute").click()
    await expect(page.get_by_text("Your microphone is muted")).to_be_visible()
    await call.until(lambda: call.level < 50)
    await page.get_by_role("button", name="Unmute").click()
    await call.until(lambda: call.level > 3000)
    await expect(page.get_by_text("Your microphone is muted")).to_be_hidden()


async def test_another_microphone_takes_over_without_a_new_offer(open_page, server: BrowserServer):
    page, call = await calling(open_page, server, script=WATCHED_MICROPHONE)
    await page.get_by_role("button", name="Mute").click()
    await page.get_by_role("button", name="Devices").click()
    choice = page.get_by_role("combobox", name="Microphone")
    values = await choice.locator("option").evaluate_all("options => options.map(o => o.value)")
    await choice.select_option(values[-1])
    await until(page, "window.tracks.length === 2 && window.tracks[0].readyState === 'ended'")
    assert (await page.evaluate("window.asked"))[1]["deviceId"] == {"exact": values[-1]}
    assert await page.evaluate("window.tracks[1].enabled") is False  # muted stays muted
    await page.get_by_role("button", name="Unmute").click()
    await call.until(lambda: call.level > 1000)
    assert call.links == 1
    await expect(choice).to_have_value(values[-1])


async def test_a_microphone_that_is_unplugged_is_said_so(open_page, server: BrowserServer):
    page, _ = await calling(open_page, server, script=WATCHED_MICROPHONE)
    await page.evaluate("window.tracks[0].dispatchEvent(new Event('ended'))")
    await expect(page.get_by_text("Your microphone was disconnected")).to_be_visible()


async def test_a_microphone_that_gives_nothing_is_said_so(open_page, server: BrowserServer):
    page, _ = await calling(open_page, server, script=SILENT_MICROPHONE, clock=True)
    await page.clock.run_for(5000)
    await expect(page.get_by_text("Your microphone is silent")).to_be_hidden()
    await page.clock.run_for(2000)
    await expect(page.get_by_text("Your microphone is silent")).to_be_visible()


async def test_a_sentence_of_the_demo_is_put_into_the_field(open_page, server: BrowserServer):
    server.demo("when are you open", "where are you")
    page, call = await calling(open_page, server)
    await page.get_by_text("What you can say").click()
    await page.get_by_role("button", name="where are you").click()
    await expect(page.get_by_label("Type to the assistant")).to_be_focused()
    await page.keyboard.press("Enter")
    assert (await call.got("say"))["text"] == "where are you"


async def test_hanging_up_says_goodbye_and_lets_go_of_the_microphone(open_page, server):
    page, call = await calling(open_page, server, script=WATCHED_MICROPHONE)
    call.caption("agent", "a1", "Goodbye.")
    await page.get_by_role("button", name="Hang up").click()
    await call.got("bye")
    await expect(page.get_by_role("heading", name="The call has ended")).to_be_focused()
    await expect(page.get_by_text("You hung up.")).to_be_visible()
    await expect(page.locator(".turn")).to_have_text(["AssistantGoodbye."])  # can still be read
    assert await page.evaluate("window.tracks[0].readyState") == "ended"
    await page.get_by_role("button", name="Call again").click()
    second = await server.call(2)
    await second.got("ready")
    await expect(page.locator(".turn")).to_have_count(0)


async def test_hanging_up_before_the_server_answered_places_no_call(open_page, server: BrowserServer):
    page = await open_page()
    asked, answered = asyncio.Event(), asyncio.Event()

    async def late(route: Route) -> None:
        asked.set()
        await answered.wait()
        await route.continue_()

    await page.route("**/token", late)
    await page.locator("#start").click()
    await asked.wait()
    await page.get_by_role("button", name="Hang up").click()
    async with page.expect_response("**/token"):
        answered.set()
    await expect(page.get_by_text("You hung up.")).to_be_visible()
    await page.get_by_role("button", name="Call again").click()
    call = await server.call()
    await call.got("ready")
    assert len(server.calls) == 1


async def test_leaving_the_page_says_goodbye(open_page, server: BrowserServer):
    page, call = await calling(open_page, server)
    await page.goto("about:blank")
    await call.got("bye")


ENDS = [
    ("ended", "The call has ended", "The assistant ended the call."),
    ("person", "The call has ended", "Your request went to our staff."),
    ("failed", "The call could not go on", "We are sorry."),
    ("capacity", "All our lines are busy", "a few minutes"),
    ("timed_out", "The call has ended", "Nothing was said for a long time"),
    ("a reason of tomorrow", "The call has ended", "The assistant ended the call."),
]


async def test_the_server_ends_calls_and_the_page_says_why(open_page, server: BrowserServer):
    page, call = await calling(open_page, server)
    for n, (reason, heading, words) in enumerate(ENDS, 2):
        call.send({"type": "closed", "reason": reason})
        await expect(page.get_by_role("heading", name=heading)).to_be_focused()
        await expect(page.locator("#end-words")).to_contain_text(words)
        await page.get_by_role("button", name="again").click()
        call = await server.call(n)
        await call.got("ready")
