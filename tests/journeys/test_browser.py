"""A caller in a real browser: Chromium, a fake microphone, the page, WebRTC, and the whole house behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr
from playwright.async_api import Page, Route, async_playwright, expect

from controls.ledger.verify import verify_directory
from loadtests.network.udp import ImpairedLink, Impairment, udp_link
from tests import audio
from tests.journeys.conftest import Server
from tests.needs import needs_system
from tests.page.conftest import FLAGS
from voice_runtime.caller.recorded import RecordedFlite
from voice_runtime.caller.script import HangUp, Say, Script, TypeWords, Wait
from voice_runtime.caller.webrtc import WebRtcCaller

pytestmark = pytest.mark.anyio
expect.set_options(timeout=60_000)  # other journeys share the machine

QUESTION = "when are you open"
ANSWER = "Monday to Thursday"
#: The page's fake microphone starts with the call: the question comes after disclosure and greeting, s.
_SILENCE_BEFORE_S, _SILENCE_AFTER_S = 11.0, 30.0

#: Listens to what the page plays: loudness (RMS of full scale) every 20 ms, from the samples themselves.
LISTEN = """() => {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  context.createMediaStreamSource(document.querySelector('audio').srcObject).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  window.levels = [];
  setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    let power = 0;
    for (const sample of samples) power += sample * sample;
    window.levels.push([performance.now(), Math.sqrt(power / samples.length)]);
  }, 20);
  return context.resume();
}"""


@pytest.fixture(scope="module")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of the question: 48 kHz, silence around it."""
    needs_system("flite")
    said = np.frombuffer(audio.say(QUESTION, "rms", mulaw=False), dtype="<i2").astype(np.float32)
    wide = soxr.resample(said, audio.RATE_HZ, 48_000, quality="HQ").astype("<i2")
    before, after = (np.zeros(round(s * 48_000), "<i2") for s in (_SILENCE_BEFORE_S, _SILENCE_AFTER_S))
    path = tmp_path_factory.mktemp("microphone") / "question.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(np.concatenate([before, wide, after]).tobytes())
    return path


@asynccontextmanager
async def page_of(server: Server, microphone: Path, link: ImpairedLink | None = None) -> AsyncIterator[Page]:
    """The caller's page, ready to call; with ``link`` its media go through a bad network."""
    needs_system("chromium")
    async with async_playwright() as playwright:
        flags = [*FLAGS, f"--use-file-for-fake-audio-capture={microphone}%noloop"]
        if link is not None:  # so that the offer holds an address the proxy can send to
            flags.append("--disable-features=WebRtcHideLocalIpsWithMdns")
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        context = await browser.new_context(locale="en-US")
        page = await context.new_page()
        if link is not None:
            await page.route("**/webrtc/offer", lambda route: through(link, route))
        await page.goto(f"{server.address}/call/healthcare")
        await page.locator("#before").wait_for()
        yield page
        await context.close()
        await browser.close()


async def through(link: ImpairedLink, route: Route) -> None:
    """Let offer and answer name only the bad network's ports."""
    if route.request.method != "POST":
        await route.fulfill(status=200, json={})
        return
    offer = json.loads(route.request.post_data or "{}")
    response = await route.fetch(post_data=json.dumps({**offer, "sdp": link.offer(offer["sdp"])}))
    answer = await response.json()
    await route.fulfill(response=response, json={**answer, "sdp": link.answer(answer["sdp"])})


async def spoken_after(page: Page, since_ms: float, seconds: float) -> None:
    """Until that much of the agent's voice has sounded in the page since then."""
    async with asyncio.timeout(60):
        while True:
            loud = await page.evaluate(
                "since => window.levels.filter(([at, level]) => at > since && level > 0.01).length", since_ms
            )
            if loud * 0.02 >= seconds:
                return
            await asyncio.sleep(0.1)


async def now_ms(page: Page) -> float:
    return float(await page.evaluate("() => performance.now()"))


async def a_spoken_call(page: Page) -> None:
    """Start, let the recorded question be asked, wait until its answer has been shown and has sounded."""
    await page.locator("#start").click()
    await expect(page.get_by_role("heading", name="Connected")).to_be_visible()
    await page.evaluate(LISTEN)
    captions = page.get_by_role("log")
    await expect(captions).to_contain_text("I'm an AI assistant", timeout=60_000)
    await spoken_after(page, 0, 2.0)
    await expect(captions).to_contain_text(QUESTION, timeout=60_000)
    asked = await now_ms(page)
    await expect(captions).to_contain_text(ANSWER, timeout=60_000)
    await spoken_after(page, asked, 1.0)


def settled(server: Server) -> Any:
    [trace] = server.traces()
    assert trace.call.ingress == "webrtc"
    assert trace.disclosure is not None
    assert trace.disclosure.played_in_full
    assert trace.disclosure.evidence.value == "client_report"
    assert not trace.ledger.gaps
    assert verify_directory(server.ledger).ok
    return trace


async def test_a_question_is_asked_by_voice_and_its_answer_sounds_in_the_page(
    make_server: Callable[..., Server], microphone: Path
) -> None:
    server = await (await asyncio.to_thread(make_server, start=False)).up()
    async with page_of(server, microphone) as page:
        await a_spoken_call(page)
        await page.get_by_role("button", name="Hang up").click()
    await server.ended()
    trace = await asyncio.to_thread(settled, server)
    assert [turn.said.text for turn in trace.turns if turn.said] == [QUESTION]
    assert (trace.media.transport, trace.media.codec, trace.media.microphone) == ("webrtc", "opus", True)
    assert trace.media.echo_cancellation in ("on", "off")
    await server.down()


async def test_the_same_typed_without_a_microphone(
    make_server: Callable[..., Server], microphone: Path
) -> None:
    server = await (await asyncio.to_thread(make_server, start=False)).up()
    async with page_of(server, microphone) as page:
        await page.locator("#start-typed").click()
        await expect(page.get_by_role("heading", name="Connected")).to_be_visible()
        await page.evaluate(LISTEN)
        captions = page.get_by_role("log")
        await expect(captions).to_contain_text("How can I help you?", timeout=60_000)
        await page.get_by_label("Type to the assistant").fill(QUESTION)
        asked = await now_ms(page)
        await page.get_by_role("button", name="Send").click()
        await expect(captions).to_contain_text(ANSWER, timeout=60_000)
        await spoken_after(page, asked, 1.0)
        await page.get_by_role("button", name="Hang up").click()
    await server.ended()
    trace = await asyncio.to_thread(settled, server)
    assert [(t.said.text, t.said.engine) for t in trace.turns if t.said] == [(QUESTION, "typed")]
    assert trace.media.microphone is False
    await server.down()


async def test_the_same_with_three_percent_of_the_packets_lost(
    make_server: Callable[..., Server], microphone: Path
) -> None:
    server = await (await asyncio.to_thread(make_server, start=False)).up()
    up, down = Impairment(loss=0.03, seed=1), Impairment(loss=0.03, seed=2)
    async with udp_link(up, down) as link, page_of(server, microphone, link) as page:
        await a_spoken_call(page)
        assert min(len(up.lost), len(down.lost)) > 3, "the network was not bad"
        await page.get_by_role("button", name="Hang up").click()
    await server.ended()
    trace = await asyncio.to_thread(settled, server)
    assert QUESTION in [turn.said.text for turn in trace.turns if turn.said]
    await server.down()


async def test_two_browsers_at_a_cap_of_one_the_second_is_told(
    make_server: Callable[..., Server], microphone: Path
) -> None:
    server = await (await asyncio.to_thread(make_server, start=False, admission={"calls": 1})).up()
    async with page_of(server, microphone) as first, page_of(server, microphone) as second:
        await first.locator("#start").click()
        await expect(first.get_by_role("heading", name="Connected")).to_be_visible()
        await second.locator("#start").click()
        await expect(second.get_by_role("heading", name="All our lines are busy")).to_be_visible()
        await first.get_by_role("button", name="Hang up").click()
    await server.down()


async def test_a_second_client_speaks_and_types(make_server: Callable[..., Server]) -> None:
    """aiortc instead of a browser, through the same door."""
    needs_system("flite")
    server = await (await asyncio.to_thread(make_server, start=False)).up()
    steps = (Wait(), Say(text=QUESTION, timeout_s=30), TypeWords(text="let me talk to a person"), HangUp())
    caller = WebRtcCaller(server.address, "healthcare", voice=RecordedFlite("rms"))
    result = await caller.run(Script(steps=steps))
    assert not result.error
    assert all(turn.first_audio_out_ms is not None for turn in result.turns)
    assert any(ANSWER in caption.text for caption in result.captions)
    await server.ended()
    trace = await asyncio.to_thread(settled, server)
    assert [t.said.engine for t in trace.turns if t.said] == ["pocketsphinx", "typed"]
    assert trace.handoff is not None
    await server.down()


def own_children(pid: int) -> list[str]:
    """Children that run a module of ours: an import may run `ldconfig` before anything is served."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with contextlib.suppress(OSError):  # it has ended meanwhile
            command = Path(f"/proc/{child}/cmdline").read_text().split("\0")
            if any(word.startswith(("voice_runtime.offline", "voice_runtime.speak")) for word in command):
                found.append(child)
    return found


async def test_stopping_while_starting_leaves_no_child_behind(make_server: Callable[..., Server]) -> None:
    """SIGTERM before the server was ready killed it and left its children to themselves."""
    server = await asyncio.to_thread(make_server, start=False)
    server.profile_file.write_text(json.dumps(server.profile), encoding="utf-8")
    command = [sys.executable, "-m", "voice_runtime.cli.app", "serve", "--port", "0"]
    process = await asyncio.create_subprocess_exec(
        *command, "--config", str(server.profile_file), stderr=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(60):
        while not (children := own_children(process.pid)):
            await asyncio.sleep(0.05)
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 60) == 0
    assert not [child for child in children if Path(f"/proc/{child}").exists()]
