"""Load profiles to systems of ours: which engines answer, and what a house needs for them.

A profile here is a *load* profile (``results.Profile``); each is made from one of the
product's own profiles (``configs/profiles``), of which it changes the engines and as many
calls as are offered, and nothing that decides, waits or records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from controls.errors import OperatorError
from loadtests.cores import Cores
from loadtests.results import Profile, SystemName, Tier
from loadtests.scenario import Scenario
from loadtests.systems import System
from voice_runtime.caller.speech import Spoken

#: Supplier's name on record for engines that only a load test has; a house's own register names it.
SUPPLIER = "load-test"
WhisperShape = Literal["tiny", "base", "small"]


@dataclass(frozen=True, slots=True)
class ServedEngines:
    """Where the ``gpu`` profile's engines are.

    Attributes:
        chat, speech: addresses up to and including ``/v1``.
        whisper: folder of the CTranslate2 model, which the server itself computes with.
        device: what it computes on; ``cpu`` for toy shapes.
        speech_rate_hz: of its pcm answers.
        lines: what these engines are, one line each, for ``System.engines``.
    """

    chat: str
    speech: str
    whisper: Path
    device: Literal["cpu", "cuda"] = "cuda"
    compute: Literal["int8", "int8_float16", "float16", "float32"] = "float16"
    speech_rate_hz: int = 24_000
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a house is made for a load profile.

    Attributes:
        base: the product's profile that is changed.
        changes: top-level fields of it; mappings are merged, all else is put in its place.
        prepare: writes what the engines need into the house's folder and returns further changes.
    """

    profile: Profile
    tier: Tier
    engines: tuple[str, ...]
    base: str = "offline"
    changes: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[[Path], Mapping[str, Any]] | None = None


def make_system(
    profile: Profile,
    name: SystemName,
    scenario: Scenario,
    *,
    calls: int,
    cores: Cores | None = None,
    suppliers: str = "",
    engine_lines: Sequence[str] = (),
    engines: ServedEngines | None = None,
    shape: WhisperShape = "base",
    spoken: Sequence[Spoken] = (),
    keep: Path | None = None,
    headroom: bool = False,
) -> System:
    """Our side of a load test; nothing is started yet.

    Args:
        name: ``ours`` or ``controls_off``; other systems are made by their own modules.
        scenario: whose agent is called.
        calls: most at a time; the house admits as many and a few more, whose ends overlap.
        cores: the server is pinned to ``cores.server``.
        suppliers: ``mock``: address of the supplier server, up to and including ``/v1``.
        engine_lines: ``mock``: what answers there, when its server tells.
        engines: ``gpu``: where they are.
        shape, spoken: ``cpu-whisper``: the published shape, and what it tells sentences apart by.
        keep: the ledger is copied here before the house is removed.
        headroom: it turns calls away by its measured headroom, as shipped.

    Raises:
        OperatorError: the profile lacks what it needs, or is not one of ours.
    """
    from loadtests.ours.system import Ours

    if name not in ("ours", "controls_off"):
        raise OperatorError(f"{name} is no system of ours")
    recipe = recipe_of(
        profile, scenario,
        suppliers=suppliers, engine_lines=engine_lines, engines=engines, shape=shape, spoken=spoken,
    )  # fmt: skip
    return Ours(
        recipe,
        agent=scenario.agent,
        calls=calls,
        server_cores=(cores or Cores()).server,
        controls=name == "ours",
        keep=keep,
        headroom=headroom,
    )


def recipe_of(
    profile: Profile,
    scenario: Scenario,
    *,
    suppliers: str = "",
    engine_lines: Sequence[str] = (),
    engines: ServedEngines | None = None,
    shape: WhisperShape = "base",
    spoken: Sequence[Spoken] = (),
) -> Recipe:
    """The recipe of a load profile; arguments as ``make_system``.

    Raises:
        OperatorError: the profile lacks what it needs.
    """
    match profile:
        case "mock":
            if not suppliers:
                raise OperatorError("the mock profile needs the address of its supplier server")
            return mock(suppliers, engine_lines)
        case "cpu-offline":
            return cpu_offline()
        case "cpu-whisper":
            return cpu_whisper(scenario.sentences, shape, spoken)
        case "gpu":
            if engines is None:
                raise OperatorError("the gpu profile needs its engines' addresses")
            return gpu(engines)
        case "remote":
            raise OperatorError("a remote system is called, not started: loadtests.remote")


def mock(base_url: str, engine_lines: Sequence[str] = ()) -> Recipe:
    """Recogniser, model and voice behind OpenAI's protocol: what the runtime itself costs."""
    lines = tuple(engine_lines) or (
        "recogniser: mock, fixed delay, OpenAI's protocol",
        "model: mock, fixed delays, OpenAI's protocol",
        "voice: mock tones, fixed delay, OpenAI's protocol, 24 kHz",
    )
    return Recipe(
        "mock",
        "mock",
        lines,
        changes={
            "recogniser": {"engines": [_served("openai", base_url)]},
            "model": _model(base_url),
            "voice": {"engines": [_voice(base_url, 24_000)]},
        },
    )


def cpu_offline() -> Recipe:
    """The offline profile as shipped."""
    return Recipe(
        "cpu-offline",
        "real",
        (
            "recogniser: pocketsphinx, phrase model of the agent",
            "model: rule-based stand-in, not a language model",
            "voice: espeak-ng",
        ),
    )


def cpu_whisper(sentences: Sequence[str], shape: WhisperShape, spoken: Sequence[Spoken] = ()) -> Recipe:
    """Whisper at a published shape with random weights that say one of ``sentences``: cost, not accuracy.

    Args:
        spoken: each sentence in every voice and rate, so that the model tells which it was; without
            any it says the first, whatever was said.
    """
    told = "one of the scenario's sentences" if spoken else "always the same sentence"

    def prepare(folder: Path) -> Mapping[str, Any]:
        from loadtests.engines.known_speech import write_whisper  # imports CTranslate2

        weights = write_whisper(folder / "models" / shape, sentences, shape, spoken=spoken)
        return {"recogniser": {"engines": [_whisper(weights, f"{shape}, random weights")]}}

    return Recipe(
        "cpu-whisper",
        "real",
        (
            f"recogniser: faster-whisper, {shape} shape, int8, random weights: {told}",
            "model: rule-based stand-in, not a language model",
            "voice: espeak-ng",
        ),
        prepare=prepare,
    )


def gpu(engines: ServedEngines) -> Recipe:
    """Whisper in the server's own process, model and voice behind OpenAI's protocol."""
    whisper = _whisper(engines.whisper, "random weights", device=engines.device, compute=engines.compute)
    return Recipe(
        "gpu",
        "real",
        engines.lines or ("recogniser, model, voice: full compute, random weights",),
        changes={
            "recogniser": {"engines": [whisper]},
            "model": _model(engines.chat),
            "voice": {"engines": [_voice(engines.speech, engines.speech_rate_hz)]},
        },
    )


def _served(engine: str, base_url: str) -> dict[str, Any]:
    """An engine of the house's own: nothing leaves it, so nothing waits for a receipt that need not."""
    return {
        "engine": engine, "name": SUPPLIER, "base_url": base_url, "model": SUPPLIER,
        "region": "local", "outside": False,
    }  # fmt: skip


def _model(base_url: str) -> dict[str, Any]:
    return {"standin": False, "endpoints": [{**_served("openai", base_url), "receipt_first": False}]}


def _voice(base_url: str, rate_hz: int) -> dict[str, Any]:
    voices = {"warm": SUPPLIER, "clear": SUPPLIER}
    return {**_served("openai", base_url), "rate_hz": rate_hz, "voices": voices}


def _whisper(weights: Path, model: str, *, device: str = "cpu", compute: str = "int8") -> dict[str, Any]:
    return {
        "engine": "faster-whisper", "model": model, "folder": str(weights),
        "device": device, "compute": compute,
    }  # fmt: skip
