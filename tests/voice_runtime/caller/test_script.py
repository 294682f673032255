"""A caller's script: short forms, and errors with their lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from controls.errors import ConfigurationError
from voice_runtime.caller.script import (
    LONGEST_SPEECH_S,
    Backchannel,
    HangUp,
    Interrupt,
    MakeSound,
    Noise,
    Press,
    Say,
    Script,
    Silence,
    TypeWords,
    Wait,
    load_script,
)

GOOD = """\
format: 1
voice: rms
rate: 1.1
noise: street
snr_db: 12
steps:
  - wait
  - wait: {quiet_ms: 400}
  - say: at ten
  - say: {text: yes, wait: false}
  - interrupt: {text: stop, after_ms: 300}
  - press: "0"
  - press: 12
  - silence_s: 2.5
  - sound: cough
  - sound: {kind: noise, seconds: 1}
  - backchannel: mhmm
  - backchannel: {text: uh huh, after_ms: 200, voice: slt}
  - noise: {snr_db: 10, kind: white}
  - noise: babble
  - noise: off
  - say: {text: thanks, expect: you're welcome, longest_s: 5}
  - hang_up: abrupt
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "script.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_step_can_be_written(tmp_path: Path) -> None:
    script = load_script(written(tmp_path, GOOD))
    assert (script.voice, script.rate) == ("rms", 1.1)
    assert script.steps == (
        Wait(),
        Wait(quiet_ms=400),
        Say(text="at ten"),
        Say(text="yes", wait=False),
        Interrupt(text="stop", after_ms=300),
        Press(keys="0"),
        Press(keys="12"),
        Silence(seconds=2.5),
        MakeSound(kind="cough"),
        MakeSound(kind="noise", seconds=1),
        Backchannel(text="mhmm"),
        Backchannel(text="uh huh", after_ms=200, voice="slt"),
        Noise(kind="white", snr_db=10),
        Noise(kind="babble"),
        Noise(kind="off"),
        Say(text="thanks", expect="you're welcome", longest_s=5),
        HangUp(how="abrupt"),
    )
    assert script.sentences == ("at ten", "yes", "stop", "mhmm", "thanks")
    assert script.noises == (Noise(kind="street", snr_db=12), *script.steps[12:15])
    assert [step.line for step in script.steps[10:12]] == ["mhmm", "slt: uh huh"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ("format: 1\nsteps:\n  - wait\n  - shout: hello\n", 4, "steps[1].shout"),
        ("format: 1\nsteps:\n  - say: hello\n    press: 1\n", 3, "steps[0]"),
        ("format: 1\nsteps:\n  - press: 1a\n", 3, "steps[0].press.keys"),
        ("format: 1\nsteps:\n  - say: ''\n", 3, "steps[0].say.text"),
        ("format: 1\nsteps:\n  - silence_s: -1\n", 3, "steps[0].silence_s"),
        ("format: 2\nsteps:\n  - wait\n", 1, "format"),
        ("format: 1\nsteps: []\n", 2, "steps"),
        ("format: 1\nsteps:\n  - hang_up: loudly\n", 3, "steps[0].hang_up.how"),
        ("format: 1\nsteps:\n  - noise: loud\n", 3, "steps[0].noise.kind"),
        ("format: 1\nsteps:\n  - noise: {snr_db: 90}\n", 3, "steps[0].noise.snr_db"),
        ("format: 1\nsteps:\n  - backchannel: {text: mhmm, voice: hal}\n", 3, "steps[0].backchannel.voice"),
        ("format: 1\nvoice: hal\nsteps:\n  - wait\n", 2, "voice"),
        ("format: 1\nsnr_db: loud\nsteps:\n  - wait\n", 2, "snr_db"),
    ],
)
def test_an_error_names_its_line_and_field(tmp_path: Path, text: str, line: int, field: str) -> None:
    with pytest.raises(ConfigurationError) as wrong:
        load_script(written(tmp_path, text))
    assert (line, field) in [(p.line, p.field) for p in wrong.value.problems]


def test_saying_waits_for_the_opening_and_hangs_up() -> None:
    assert Script.saying("a", "b").steps == (Wait(), Say(text="a"), Say(text="b"), HangUp())


def test_an_snr_alone_means_babble_from_the_start() -> None:
    assert Script(steps=(Wait(),)).noises == ()
    assert Script(steps=(Wait(),), snr_db=9).noises == (Noise(kind="babble", snr_db=9),)
    assert Script(steps=(Wait(),), noise="white").begins_with == Noise(kind="white")


def test_whoever_makes_any_sound_needs_a_microphone() -> None:
    assert not Script(steps=(Wait(), Press(keys="1"))).audible
    for step in (Say(text="a"), Interrupt(text="a"), Backchannel(text="mhmm"), MakeSound(), Noise()):
        assert Script(steps=(step,)).audible
    assert Script(steps=(Wait(),), snr_db=9).audible


def test_a_script_lasts_as_long_as_its_steps_may() -> None:
    script = Script(
        steps=(
            Wait(timeout_s=10, longest_s=20),
            Say(text="a", timeout_s=1, longest_s=2),
            Interrupt(text="b", timeout_s=3, longest_s=4),
            Backchannel(text="mhmm", timeout_s=5),
            Press(keys="123", gap_ms=500, wait=False),
            TypeWords(text="c", timeout_s=6, longest_s=7),
            Silence(seconds=400),
            MakeSound(seconds=0.5),
            Noise(kind="off"),
            HangUp(),
            Silence(seconds=600),
        )
    )
    speech = 3 * LONGEST_SPEECH_S
    assert script.lasts_at_most_s == speech + 30 + 3 + (3 + 3 + 4) + 5 + 1 + 13 + 400 + 0.5
