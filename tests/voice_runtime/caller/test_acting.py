"""What a caller makes ready before it calls: every line, in the voice that says it, and its noises."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from voice_runtime.caller import background as backgrounds
from voice_runtime.caller.acting import prepare
from voice_runtime.caller.script import Backchannel, Interrupt, Noise, Press, Say, Script, Wait
from voice_runtime.caller.speech import Flite, FliteMissing

pytestmark = pytest.mark.anyio

SCRIPT = Script(
    steps=(
        Wait(),
        Say(text="at ten"),
        Backchannel(text="mhmm"),
        Backchannel(text="mhmm", voice="slt"),
        Interrupt(text="stop"),
        Press(keys="1"),
    ),
    voice="kal",
    rate=1.1,
)


async def test_every_line_is_made_in_the_voice_that_says_it(needs_system: Callable[..., None]) -> None:
    needs_system("flite")
    speech = await prepare(SCRIPT, None)
    assert sorted(speech) == ["at ten", "mhmm", "slt: mhmm", "stop"]
    assert speech["mhmm"] == await Flite("kal", rate=1.1).say("mhmm")
    assert speech["slt: mhmm"] == await Flite("slt", rate=1.1).say("mhmm")


async def test_a_voice_that_is_given_speaks_and_is_asked_once(needs_system: Callable[..., None]) -> None:
    needs_system("flite")
    voice = Flite("awb")
    speech = await prepare(Script(steps=(Say(text="at ten"), Say(text="at ten"))), voice)
    assert speech["at ten"] is await voice.say("at ten")


async def test_noises_are_made_before_the_call_and_not_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backgrounds, "_loops", {})
    await prepare(Script(steps=(Noise(kind="street"), Noise(kind="off"), Noise(kind="white"))), None)
    assert set(backgrounds._loops) == {"street", "white"}


async def test_without_flite_nobody_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(FliteMissing):
        await prepare(SCRIPT, None)
