"""`sayso dial`: what it refuses before it places a call, and a browser's call to a server that answers."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulators.browser_door import Agents, BrowserDoor, browser_door
from voice_runtime.caller.results import CallerEvent
from voice_runtime.cli.app import run
from voice_runtime.cli.dial import _Teller

OFFLINE = ["--config", "configs/profiles/offline.yaml"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--say", "hello", "--via", "sip"], "--via sip is not supported"),
        ([], "say what to say"),
        (["--say", "hello", "--type", "hello"], "say what to say"),
        (["--type", "hello", "--script", "x.yaml"], "say what to say"),
    ],
)
def test_what_cannot_be_dialled_is_said(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["dial", "healthcare", *OFFLINE, *arguments]) == 2
    assert says in capsys.readouterr().err


def test_an_agent_without_a_web_entry_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dial", "nobody", *OFFLINE, "--via", "webrtc", "--type", "hello"]) == 2
    assert "no web entry leads to nobody" in capsys.readouterr().err


@pytest.fixture
def door() -> Iterator[BrowserDoor]:
    """A browsers' door in a thread with a loop of its own: the command runs its own, too."""
    up, down = threading.Event(), asyncio.Event()
    found: list[BrowserDoor] = []
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with browser_door(Agents()) as seen:
            found.append(seen)
            up.set()
            await down.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="browser-door")
    thread.start()
    assert up.wait(30)
    yield found[0]
    loop.call_soon_threadsafe(down.set)
    thread.join(30)
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def test_what_a_browser_is_shown_is_printed_as_words(capsys: pytest.CaptureFixture[str]) -> None:
    shown = {"who": "agent", "id": "t1.1", "text": "We open at eight.", "state": "final"}
    events = [CallerEvent("caption", 1500.0, shown), CallerEvent("typed", 2000.0, {"text": "thanks"})]
    for quiet in (True, False):
        for event in events:
            asyncio.run(_Teller(quiet=quiet)(event))
    assert capsys.readouterr().out.splitlines() == [
        "   1.50 s  caption        agent (final): We open at eight.",
        "   2.00 s  typed          text=thanks",
    ]


def test_a_typed_call_by_webrtc_is_reported_as_json(
    door: BrowserDoor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "script.yaml"
    script.write_text("format: 1\nsteps:\n  - type: {text: hello, wait: false}\n  - silence_s: 0.2\n")
    arguments = ["--via", "webrtc", "--url", door.url, "--script", str(script), "--json"]
    assert run(["dial", "healthcare", *OFFLINE, *arguments]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["ended_by"], result["error"], result["reason"]) == ("caller", "", "ended")
    assert [(turn["text"], turn["typed"]) for turn in result["turns"]] == [("hello", True)]
    assert result["call_sid"] == door.calls[0].id
