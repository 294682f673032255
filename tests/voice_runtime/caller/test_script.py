"""A caller's script: short forms, and errors with their lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from controls.errors import ConfigurationError
from voice_runtime.caller.script import (
    HangUp,
    Interrupt,
    MakeSound,
    Press,
    Say,
    Script,
    Silence,
    Wait,
    load_script,
)

GOOD = """\
format: 1
voice: rms
rate: 1.1
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
        HangUp(how="abrupt"),
    )
    assert script.sentences == ("at ten", "yes", "stop")


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
    ],
)
def test_an_error_names_its_line_and_field(tmp_path: Path, text: str, line: int, field: str) -> None:
    with pytest.raises(ConfigurationError) as wrong:
        load_script(written(tmp_path, text))
    assert (line, field) in [(p.line, p.field) for p in wrong.value.problems]


def test_saying_waits_for_the_opening_and_hangs_up() -> None:
    assert Script.saying("a", "b").steps == (Wait(), Say(text="a"), Say(text="b"), HangUp())
