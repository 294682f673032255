"""Lines that echo: what an agent's own voice sounds like when a caller's microphone picks it up.

Made for ``voice_runtime.listen.echo``: real synthetic voices (flite, and
espeak-ng where it is installed) as agent and as caller, a room or a telephone
hybrid between loudspeaker and microphone, a loudspeaker that clips, noise,
G.711 µ-law both ways, and clocks that jitter and drift. Everything is drawn from
a seed: the same line on every run. Audio is 8 kHz s16le in 20 ms chunks.
"""

from __future__ import annotations

import asyncio
import io
import shutil
import subprocess
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

import numpy as np
import soxr
from numpy.typing import NDArray

from voice_runtime.caller import audible
from voice_runtime.caller.speech import Flite

RATE_HZ = 8000
CHUNK = 160
_CHUNK_NS = 20_000_000
#: How far egress runs ahead of the caller's ear, ms, and what one chunk lasts.
_LEAD_MS, _CHUNK_MS = 120, 20

Samples = NDArray[np.float64]
EchoPath = Literal["room", "speakerphone", "hybrid"]

AGENT_SAYS = (
    "Thank you for calling. I'm an AI assistant, not a person. Say person at any time to reach our staff.",
    "Monday to Thursday from eight to five, and Friday from eight to four.",
    "Doctor Patel has nothing free on Tuesday. Would another day suit you?",
    "Doctor Okafor, Wednesday at a quarter past three. Shall I book it?",
    "Twelve Mill Street, beside the pharmacy.",
    "Your insurance card, and a list of the medicines you take.",
    "Please don't eat for eight hours before. Water is fine.",
    "I can't help with bills. Our staff can.",
    "I can book or cancel an appointment, or tell you our hours and address.",
    "Booked: Doctor Patel, Monday at nine.",
    "I'm sorry, that time is gone. Shall I look again?",
    "You're welcome.",
)
CALLER_SAYS = (
    "can i see doctor patel on tuesday",
    "no i meant wednesday",
    "let me talk to a person",
    "wait a moment please",
    "when are you open",
    "is this rash serious",
    "that does not work for me",
    "what about friday afternoon",
)
#: Agent's voice, caller's voice; the last pair is one voice speaking with itself.
VOICES = (
    ("slt", "rms"),
    ("rms", "awb"),
    ("awb", "slt"),
    ("kal", "rms"),
    ("espeak-ng", "awb"),
    ("rms", "rms"),
)


# -- voices ----------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def speak(text: str, voice: str) -> Samples:
    """``text`` in a voice of flite's, or ``espeak-ng``'s own; peak at half of full scale.

    Raises:
        FliteMissing: there is no flite.
    """
    if voice == "espeak-ng" and shutil.which("espeak-ng"):
        out = subprocess.run(["espeak-ng", "--stdout", text], capture_output=True, check=True, timeout=30)
        with wave.open(io.BytesIO(out.stdout)) as file:
            rate = file.getframerate()
            samples = np.frombuffer(file.readframes(2**30), dtype="<i2").astype(np.float64)
        narrow = soxr.resample(samples, rate, RATE_HZ)
        loud = np.flatnonzero(np.abs(narrow) > 150)
        narrow = narrow[loud[0] : loud[-1] + 1]
        return np.asarray(narrow * (16384 / np.max(np.abs(narrow))), dtype=np.float64)
    spoken = asyncio.run(Flite("slt" if voice == "espeak-ng" else voice).say(text))
    return np.frombuffer(audible.to_pcm(spoken.ulaw), dtype="<i2").astype(np.float64)


def ulaw(samples: Samples) -> Samples:
    """Through G.711 µ-law and back."""
    pcm = np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()
    return np.frombuffer(audible.to_pcm(audible.to_ulaw(pcm)), dtype="<i2").astype(np.float64)


# -- from the loudspeaker to the microphone ----------------------------------------------------------


def impulse_response(path: EchoPath, rng: np.random.Generator) -> Samples:
    """How the agent's voice reaches the microphone; unit energy.

    ``room``: direct sound, a dozen reflections within 30 ms and a diffuse tail (RT60 0.25 s, cut at
    120 ms). ``speakerphone``: the same nearer, the tail weaker. ``hybrid``: a telephone's four-wire to
    two-wire junction, some 5 ms long (the shapes of ITU-T G.168 annex D).
    """
    length, direct_db, rt60_s = {
        "room": (960, 0.0, 0.25), "speakerphone": (640, 6.0, 0.15), "hybrid": (48, 0.0, 0.01)
    }[path]  # fmt: skip
    time = np.arange(length) / RATE_HZ
    diffuse = rng.normal(0.0, 1.0, length) * 10 ** (-3 * time / rt60_s)
    if path == "hybrid":
        response = diffuse
    else:
        response = np.zeros(length)
        for at in rng.integers(8, 240, 12):
            response[at] += rng.normal(0.0, 0.4) * np.exp(-at / 120)
        response += diffuse * 0.5 / np.sqrt(np.sum(diffuse**2))
        response[0] = 10 ** (direct_db / 20) * 0.8
    return np.asarray(response / np.sqrt(np.sum(response**2)))


def loudspeaker(samples: Samples, drive: float) -> Samples:
    """A small loudspeaker: no bass, and soft clipping (tanh) that sets in at ``1 / drive`` of full scale."""
    if drive <= 0:
        return samples
    scaled = samples / 32768 * drive
    bass = np.concatenate([[0.0], scaled[:-1]])
    thin = scaled - 0.85 * _smooth(bass)
    return np.asarray(np.tanh(thin + 0.1 * thin**2) / drive * 32768)


def _smooth(samples: Samples) -> Samples:
    kernel = 0.9 ** np.arange(64)
    return np.asarray(np.convolve(samples, kernel / kernel.sum())[: len(samples)])


def level(samples: Samples) -> float:
    """RMS over what is audible: 20 ms pieces within 30 dB of the loudest (ITU-T P.56, simplified)."""
    usable = len(samples) // CHUNK * CHUNK
    power = np.mean(samples[:usable].reshape(-1, CHUNK) ** 2, axis=1)
    return float(np.sqrt(np.mean(power[power > np.max(power) / 1000])))


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of line.

    Attributes:
        echo_db: level of the echo against what was sent, dB; None for no echo.
        delay_ms: from handing a chunk to the carrier until its echo arrives.
        path: see ``impulse_response``.
        drive: of the loudspeaker, 0 for none.
        noise_rms: of the microphone, 16-bit samples.
        agent, caller: voices.
        caller_db: level of the caller's interruptions against the echo (against −25 dB of what is sent
            where there is no echo); None when the caller is silent.
        drift_ppm: how much faster the microphone's clock runs.
        jitter_ms: of both times at which chunks are seen, either way.
        utterances: how often the agent speaks.
        echo_from: the first of them that comes back (the caller turns the loudspeaker on).
        louder_db: how much louder the echo is in the second half of them.
    """

    echo_db: float | None
    delay_ms: int
    path: EchoPath = "room"
    drive: float = 1.5
    noise_rms: float = 15.0
    agent: str = "slt"
    caller: str = "rms"
    caller_db: float | None = None
    drift_ppm: float = 30.0
    jitter_ms: float = 20.0
    utterances: int = 12
    echo_from: int = 0
    louder_db: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Sent:
    """A chunk handed to the carrier, and when it should sound."""

    pcm: bytes
    at_ns: int


@dataclass(frozen=True, slots=True)
class Received:
    """A chunk of the caller's line, the ``number``-th, received at ``at_ns``."""

    pcm: bytes
    at_ns: int
    number: int


@dataclass(slots=True)
class Line:
    """A call's audio, both ways.

    Attributes:
        events: chunks in the order in which the runtime sees them.
        agent: first and last sample of each of the agent's utterances, as the caller's line counts.
        caller: first and last sample of each interruption.
    """

    scenario: Scenario
    events: list[Sent | Received]
    agent: list[tuple[int, int]] = field(default_factory=list)
    caller: list[tuple[int, int]] = field(default_factory=list)


def make(scenario: Scenario, *, agent_says: Sequence[str] = AGENT_SAYS) -> Line:
    """Draw one line."""
    rng = np.random.default_rng(scenario.seed)
    sent, agent_at = _agent(scenario, agent_says, rng)
    played = np.zeros(max(at + len(s) for at, s in zip(agent_at, sent, strict=True)) + RATE_HZ * 2)
    for at, samples in zip(agent_at, sent, strict=True):
        late = int(rng.integers(0, CHUNK))  # the carrier plays on its own tick
        played[at + late : at + late + len(samples)] = ulaw(samples)
    spans = [(at, at + len(s)) for at, s in zip(agent_at, sent, strict=True)]
    microphone = rng.normal(0.0, scenario.noise_rms, len(played))
    sent_level = level(np.concatenate(sent))
    echo_level = sent_level * 10 ** ((-25.0 if scenario.echo_db is None else scenario.echo_db) / 20)
    if scenario.echo_db is not None:
        response = impulse_response(scenario.path, rng)
        echo = np.convolve(loudspeaker(played, scenario.drive), response)[: len(played)]
        echo *= echo_level / level(echo)
        echo[: spans[scenario.echo_from][0]] = 0.0
        echo[spans[len(spans) // 2][0] :] *= 10 ** (scenario.louder_db / 20)
        delay = round(scenario.delay_ms * RATE_HZ / 1000 + rng.integers(0, CHUNK))
        microphone[delay:] += _drifted(echo, scenario.drift_ppm)[: len(played) - delay]
    calls: list[tuple[int, int]] = []
    if scenario.caller_db is not None:
        calls = _interrupt(scenario, microphone, spans, echo_level, rng)
    heard = ulaw(microphone)
    return Line(scenario, list(_events(scenario, sent, agent_at, heard, rng)), spans, calls)


def _agent(
    scenario: Scenario, says: Sequence[str], rng: np.random.Generator
) -> tuple[list[Samples], list[int]]:
    """The agent's utterances in whole chunks, and the sample at which each begins to play."""
    order = rng.permutation(np.arange(scenario.utterances) % len(says))
    sent, starts, at = [], [], RATE_HZ
    for number in order:
        samples = speak(says[int(number)], scenario.agent)
        sent.append(np.concatenate([samples, np.zeros(-len(samples) % CHUNK)]))
        starts.append(at)
        at += len(sent[-1]) + int(rng.uniform(1.0, 2.0) * RATE_HZ)
    return sent, starts


def _interrupt(
    scenario: Scenario,
    microphone: Samples,
    spans: list[tuple[int, int]],
    echo_level: float,
    rng: np.random.Generator,
) -> list[tuple[int, int]]:
    """Add the caller's interruptions to the microphone; one in each utterance that is long enough."""
    calls = []
    delay = round(scenario.delay_ms * RATE_HZ / 1000)
    for first, last in spans:
        said = speak(CALLER_SAYS[int(rng.integers(len(CALLER_SAYS)))], scenario.caller)
        latest = last + delay - RATE_HZ * 6 // 10
        earliest = first + delay + RATE_HZ // 2
        if latest <= earliest or earliest + len(said) > len(microphone):
            continue
        at = int(rng.integers(earliest, latest))
        scaled = said * (echo_level * 10 ** ((scenario.caller_db or 0.0) / 20) / level(said))
        end = min(len(microphone), at + len(said))
        microphone[at:end] += scaled[: end - at]
        calls.append((at, end))
    return calls


def _drifted(samples: Samples, ppm: float) -> Samples:
    """As a clock that runs ``ppm`` millionths too fast samples it."""
    if not ppm:
        return samples
    at = np.arange(len(samples)) * (1 - ppm * 1e-6)
    return np.asarray(np.interp(at, np.arange(len(samples)), samples))


def _events(
    scenario: Scenario,
    sent: list[Samples],
    starts: list[int],
    heard: Samples,
    rng: np.random.Generator,
) -> Iterator[Sent | Received]:
    """What the runtime sees, in its order: egress hands out up to 120 ms ahead, everything comes jittered."""
    epoch_ns = 1_000_000_000_000
    jitter_ns = scenario.jitter_ms * 1e6
    events: list[tuple[int, int, Sent | Received]] = []
    for start, samples in zip(starts, sent, strict=True):
        begins_ns = epoch_ns + start * 125_000
        for n in range(len(samples) // CHUNK):
            newest = begins_ns + max(0, n * _CHUNK_MS - _LEAD_MS) * 1_000_000
            sounds_ns = begins_ns + n * _CHUNK_NS + int(rng.uniform(-jitter_ns, jitter_ns))
            pcm = samples[n * CHUNK : (n + 1) * CHUNK].astype("<i2").tobytes()
            events.append((newest, 0, Sent(pcm, sounds_ns)))
    newest = 0
    for n in range(len(heard) // CHUNK):
        nominal_ns = epoch_ns + (n + 1) * _CHUNK_NS
        newest = max(newest, nominal_ns + int(rng.uniform(-jitter_ns, jitter_ns)))
        pcm = heard[n * CHUNK : (n + 1) * CHUNK].astype("<i2").tobytes()
        events.append((newest, 1, Received(pcm, newest, n)))
    return (event for _, _, event in sorted(events, key=lambda e: (e[0], e[1])))
