"""What a simulated caller does, step by step: from code, or from a YAML file.

format: 1
voice: rms                # of flite
rate: 1.0                 # 1.25: a quarter faster
noise: street             # white, street or babble lies under the whole call
snr_db: 15                # so far below the caller's own speech
steps:
  - wait                  # until the agent has spoken and been quiet for 0.8 s
  - say: can i see doctor patel on tuesday
  - say: {text: at ten, wait: false, expect: booked}   # words of the right answer, judged later
  - backchannel: mhmm     # while the agent speaks, which is to go on; nobody waits for an answer
  - interrupt: {text: let me talk to a person, after_ms: 600}
  - press: "0"
  - type: can i see doctor patel   # typed words, for a caller in a browser
  - silence_s: 2.5
  - sound: cough
  - noise: {kind: babble, snr_db: 10}   # from here on; or noise: off
  - hang_up               # or hang_up: abrupt
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from controls.errors import ConfigurationError
from voice_runtime.caller.background import NoiseKind
from voice_runtime.caller.speech import VOICES, Sound
from voice_runtime.yaml_file import Closed, check, load_document

Text = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Keys = Annotated[str, StringConstraints(pattern=r"^[0-9*#]{1,40}$")]
Seconds = Annotated[float, Field(gt=0, le=600)]
Milliseconds = Annotated[int, Field(ge=0, le=60_000)]
Rate = Annotated[float, Field(ge=0.4, le=2.5)]
#: Speech against noise, dB. Beyond 40 the noise would be lost in µ-law's own.
SnrDb = Annotated[float, Field(ge=-5, le=40)]
#: Words the answer must contain; judged by whoever reads the result, never by the caller. "": any.
Expected = Annotated[str, StringConstraints(max_length=200)]

#: The agent has finished when it has been silent this long after speaking, ms.
QUIET_MS = 800
#: How long a caller waits for an answer, s.
PATIENCE_S = 15.0
#: How long a caller lets an answer last, s.
LONGEST_ANSWER_S = 60.0
#: Longer than any sentence takes, s.
LONGEST_SPEECH_S = 180.0
#: Of a noise for which nobody says it, dB.
SNR_DB = 15.0


class Wait(Closed):
    """Until the agent has spoken and then been silent for ``quiet_ms``.

    Gives up when it has not spoken after ``timeout_s``, or is not through ``longest_s`` after that.
    """

    quiet_ms: Milliseconds = QUIET_MS
    timeout_s: Seconds = PATIENCE_S
    longest_s: Seconds = LONGEST_ANSWER_S


class Turn(Closed):
    """A turn that expects an answer. With ``wait``, what comes next waits for its end, as ``Wait`` does."""

    expect: Expected = ""
    wait: bool = True
    quiet_ms: Milliseconds = QUIET_MS
    timeout_s: Seconds = PATIENCE_S
    longest_s: Seconds = LONGEST_ANSWER_S


class Say(Turn):
    """Speak."""

    text: Text


class Interrupt(Turn):
    """Speak once the agent has been audible for ``after_ms``, over whatever it says.

    Without an agent speaking within ``timeout_s`` it is said all the same.
    """

    text: Text
    after_ms: Milliseconds = 600


class Press(Turn):
    """Press telephone keys, ``gap_ms`` apart."""

    keys: Keys
    gap_ms: Milliseconds = 200


class TypeWords(Turn):
    """Type a message, as a caller in a browser may."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=500)]


def known_voice(voice: str) -> str:
    """``voice`` itself.

    Raises:
        ValueError: flite has no such voice.
    """
    if voice and voice not in VOICES and not voice.endswith(".flitevox"):
        raise ValueError(f"is no voice of flite: {', '.join(VOICES)}, or the path of a .flitevox file")
    return voice


class Backchannel(Closed):
    """Say "mhmm" once the agent has been audible for ``after_ms``: it listens on, and the agent is to go on.

    Nobody waits for an answer. Without an agent speaking within ``timeout_s`` it is not said.

    Attributes:
        voice: of somebody else beside the caller; "" is the caller's.
    """

    text: Text
    after_ms: Milliseconds = 600
    voice: str = ""
    timeout_s: Seconds = PATIENCE_S

    _voice = field_validator("voice")(known_voice)

    @property
    def line(self) -> str:
        """The key of its sound among everything the caller says."""
        return f"{self.voice}: {self.text}" if self.voice else self.text


class Silence(Closed):
    """Say nothing for so long, s of the call's own clock."""

    seconds: Seconds


class MakeSound(Closed):
    """Cough, or let noise or a tone be heard. Not a turn."""

    kind: Sound = "cough"
    seconds: Seconds = 0.3
    level: Annotated[float, Field(gt=0, le=1)] = 0.3


class Noise(Closed):
    """From now on, noise under speech and silence alike, or none any more. ``snr_db`` None: the script's."""

    kind: Literal["white", "street", "babble", "off"] = "babble"
    snr_db: SnrDb | None = None


class HangUp(Closed):
    """End the call: ``stop`` as Twilio reports it, or ``abrupt``: the connection simply breaks."""

    how: Literal["stop", "abrupt"] = "stop"


Step = Wait | Say | Interrupt | Backchannel | Press | TypeWords | Silence | MakeSound | Noise | HangUp

_SHORT: dict[str, str] = {
    "say": "text",
    "interrupt": "text",
    "backchannel": "text",
    "press": "keys",
    "type": "text",
    "sound": "kind",
    "noise": "kind",
    "hang_up": "how",
}


class StepEntry(Closed):
    """One step as written; exactly one of its fields."""

    wait: Wait | None = None
    say: Say | None = None
    interrupt: Interrupt | None = None
    backchannel: Backchannel | None = None
    press: Press | None = None
    type: TypeWords | None = None
    silence_s: Seconds | None = None
    sound: MakeSound | None = None
    noise: Noise | None = None
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
        for name in type(self).model_fields:
            found: Step | None = getattr(self, name)
            if found is not None:
                return found
        raise AssertionError("one of them is written: _one")


class Steps(Closed):
    """What a script and a load test's scenario have in common, as written."""

    format: Literal[1]
    voice: str = "rms"
    rate: Rate = 1.0
    noise: NoiseKind | None = None
    steps: tuple[StepEntry, ...] = Field(min_length=1, max_length=500)

    _voice = field_validator("voice")(known_voice)


class ScriptFile(Steps):
    """A script as written."""

    snr_db: SnrDb | None = None


class Script(Closed):
    """A caller's voice and steps. A script without a last ``HangUp`` hangs up when it is through.

    Attributes:
        noise: lies under the call from its start; None: nothing, unless ``snr_db`` is given.
        snr_db: of a noise that does not name its own; given without a noise, babble lies under the call.
        seed: what is random about noises: the same number, the same samples.
    """

    steps: tuple[Step, ...]
    voice: str = "rms"
    rate: float = 1.0
    noise: NoiseKind | None = None
    snr_db: float | None = None
    seed: int = 0

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
        sounds = Say | Interrupt | Backchannel | MakeSound | Noise
        return self.begins_with is not None or any(isinstance(step, sounds) for step in self.steps)

    @property
    def typed(self) -> bool:
        """Whether the caller types."""
        return any(isinstance(step, TypeWords) for step in self.steps)

    @property
    def lasts_at_most_s(self) -> float:
        """How long acting it out may take, whatever the agent does: every step up to its own time-out, s."""
        acted = itertools.takewhile(lambda step: not isinstance(step, HangUp), self.steps)
        return sum(map(_lasts_at_most_s, acted))

    @property
    def sentences(self) -> tuple[str, ...]:
        """Every text the caller's own voice speaks, in order; backchannels too."""
        return tuple(
            step.text
            for step in self.steps
            if isinstance(step, Say | Interrupt) or (isinstance(step, Backchannel) and not step.voice)
        )

    @property
    def begins_with(self) -> Noise | None:
        """What lies under the call from its start."""
        if self.noise is None and self.snr_db is None:
            return None
        return Noise(kind=self.noise or "babble", snr_db=self.snr_db)

    @property
    def noises(self) -> tuple[Noise, ...]:
        """Every noise of the call, in order, "off" among them."""
        begins = (self.begins_with,) if self.begins_with is not None else ()
        return (*begins, *(step for step in self.steps if isinstance(step, Noise)))


def _lasts_at_most_s(step: Step) -> float:
    lasts_s = 0.0
    if isinstance(step, Interrupt | Backchannel):  # until the agent speaks
        lasts_s += step.timeout_s
    if isinstance(step, Say | Interrupt | Backchannel):
        lasts_s += LONGEST_SPEECH_S
    if isinstance(step, Press):
        lasts_s += (len(step.keys) - 1) * step.gap_ms / 1000
    if isinstance(step, Silence | MakeSound):
        lasts_s += step.seconds
    if isinstance(step, Wait) or (isinstance(step, Turn) and step.wait):
        lasts_s += step.timeout_s + step.longest_s
    return lasts_s


def load_script(path: Path | str) -> Script:
    """Read a script file.

    Raises:
        ConfigurationError: every problem, with its line.
    """
    document = load_document(Path(path), what="caller's script")
    found, problems = check(ScriptFile, document)
    if found is None:
        raise ConfigurationError(problems)
    return script_of(found, found.snr_db)


def script_of(written: Steps, snr_db: float | None) -> Script:
    """The script that is written there."""
    return Script(
        steps=tuple(entry.step() for entry in written.steps),
        voice=written.voice,
        rate=written.rate,
        noise=written.noise,
        snr_db=snr_db,
    )
