"""What a simulated caller does, step by step: from code, or from a YAML file.

format: 1
voice: rms                # of flite
steps:
  - wait                  # until the agent has spoken and been quiet for 0.8 s
  - say: can i see doctor patel on tuesday
  - say: {text: at ten, wait: false}
  - interrupt: {text: let me talk to a person, after_ms: 600}
  - press: "0"
  - type: can i see doctor patel   # typed words, for a caller in a browser
  - silence_s: 2.5
  - sound: cough
  - hang_up               # or hang_up: abrupt
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from controls.errors import ConfigurationError
from voice_runtime.caller.speech import Sound
from voice_runtime.yaml_file import Closed, check, load_document

Text = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Keys = Annotated[str, StringConstraints(pattern=r"^[0-9*#]{1,40}$")]
Seconds = Annotated[float, Field(gt=0, le=600)]
Milliseconds = Annotated[int, Field(ge=0, le=60_000)]

#: The agent has finished when it has been silent this long after speaking, ms.
QUIET_MS = 800
#: How long a caller waits for an answer, s.
PATIENCE_S = 15.0


class Wait(Closed):
    """Until the agent has spoken and then been silent for ``quiet_ms``; gives up after ``timeout_s``."""

    quiet_ms: Milliseconds = QUIET_MS
    timeout_s: Seconds = PATIENCE_S


class Say(Closed):
    """Speak; then, with ``wait``, wait for the answer and its end. A turn of the caller."""

    text: Text
    wait: bool = True
    quiet_ms: Milliseconds = QUIET_MS
    timeout_s: Seconds = PATIENCE_S


class Interrupt(Closed):
    """Speak once the agent has been audible for ``after_ms``, over whatever it says. A turn.

    Without an agent speaking within ``timeout_s`` it is said all the same.
    """

    text: Text
    after_ms: Milliseconds = 600
    wait: bool = True
    quiet_ms: Milliseconds = QUIET_MS
    timeout_s: Seconds = PATIENCE_S


class Press(Closed):
    """Press telephone keys, ``gap_ms`` apart; then, with ``wait``, wait for the answer. A turn."""

    keys: Keys
    gap_ms: Milliseconds = 200
    wait: bool = True
    quiet_ms: Milliseconds = QUIET_MS
    timeout_s: Seconds = PATIENCE_S


class TypeWords(Closed):
    """Type a message, as a caller in a browser may; then, with ``wait``, wait for the answer. A turn."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    wait: bool = True
    quiet_ms: Milliseconds = QUIET_MS
    timeout_s: Seconds = PATIENCE_S


class Silence(Closed):
    """Say nothing for so long, s of the call's own clock."""

    seconds: Seconds


class MakeSound(Closed):
    """Cough, or let noise or a tone be heard. Not a turn."""

    kind: Sound = "cough"
    seconds: Seconds = 0.3
    level: Annotated[float, Field(gt=0, le=1)] = 0.3


class HangUp(Closed):
    """End the call: ``stop`` as Twilio reports it, or ``abrupt``: the connection simply breaks."""

    how: Literal["stop", "abrupt"] = "stop"


Step = Wait | Say | Interrupt | Press | TypeWords | Silence | MakeSound | HangUp

_SHORT: dict[str, str] = {
    "say": "text",
    "interrupt": "text",
    "press": "keys",
    "type": "text",
    "sound": "kind",
    "hang_up": "how",
}


class StepEntry(Closed):
    """One step as written; exactly one of its fields."""

    wait: Wait | None = None
    say: Say | None = None
    interrupt: Interrupt | None = None
    press: Press | None = None
    type: TypeWords | None = None
    silence_s: Seconds | None = None
    sound: MakeSound | None = None
    hang_up: HangUp | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = {value: {}}
        if not isinstance(value, dict):
            return value
        full = dict(value)
        for name, field in _SHORT.items():
            if isinstance(full.get(name), str | int) and not isinstance(full[name], bool):
                full[name] = {field: str(full[name])}
        for name in ("wait", "hang_up", "sound"):
            if name in full and full[name] is None:
                full[name] = {}
        return full

    @model_validator(mode="after")
    def _one(self) -> StepEntry:
        if sum(getattr(self, name) is not None for name in type(self).model_fields) != 1:
            raise ValueError("a step is exactly one of " + ", ".join(type(self).model_fields))
        return self

    def step(self) -> Step:
        """The step itself."""
        if self.silence_s is not None:
            return Silence(seconds=self.silence_s)
        found: Step | None = self.wait or self.say or self.interrupt or self.press
        found = found or self.type or self.sound or self.hang_up
        assert found is not None
        return found


class ScriptFile(Closed):
    """A script as written."""

    format: Literal[1]
    voice: str = "rms"
    rate: Annotated[float, Field(ge=0.4, le=2.5)] = 1.0
    steps: tuple[StepEntry, ...] = Field(min_length=1, max_length=500)


class Script(Closed):
    """A caller's voice and steps. A script without a last ``HangUp`` hangs up when it is through."""

    steps: tuple[Step, ...]
    voice: str = "rms"
    rate: float = 1.0

    @classmethod
    def saying(cls, *texts: str, voice: str = "rms") -> Script:
        """Wait for the opening, say each text and wait for its answer, hang up."""
        return cls(steps=(Wait(), *(Say(text=text) for text in texts), HangUp()), voice=voice)

    @classmethod
    def typing(cls, *texts: str) -> Script:
        """Wait for the opening, type each text and wait for its answer, hang up."""
        return cls(steps=(Wait(), *(TypeWords(text=text) for text in texts), HangUp()))

    @property
    def audible(self) -> bool:
        """Whether the caller makes any sound, so needs a microphone."""
        return any(isinstance(step, Say | Interrupt | MakeSound) for step in self.steps)

    @property
    def typed(self) -> bool:
        """Whether the caller types."""
        return any(isinstance(step, TypeWords) for step in self.steps)

    @property
    def sentences(self) -> tuple[str, ...]:
        """Every text spoken, in order."""
        return tuple(step.text for step in self.steps if isinstance(step, Say | Interrupt))


def load_script(path: Path | str) -> Script:
    """Read a script file.

    Raises:
        ConfigurationError: every problem, with its line.
    """
    document = load_document(Path(path), what="caller's script")
    found, problems = check(ScriptFile, document)
    if found is None:
        raise ConfigurationError(problems)
    return Script(steps=tuple(s.step() for s in found.steps), voice=found.voice, rate=found.rate)
