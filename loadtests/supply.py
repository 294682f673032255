"""What answers behind a session's systems: mock suppliers, or engines that compute; one process for all."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from loadtests.cores import Cores
from loadtests.generator.voices import every_sentence
from loadtests.lateness import ask
from loadtests.options import Options
from loadtests.ours.profiles import ServedEngines
from loadtests.results import Beside
from loadtests.scenario import Scenario

#: The recogniser's shape by that of the engines.
_WHISPER = {"toy": "micro-turbo", "full": "large-v3-turbo"}


@dataclass(frozen=True, slots=True)
class Supply:
    """Where engines answer.

    Attributes:
        address: of recogniser, model and voice, up to and including ``/v1``; "" where a system has its own.
        lines: what answers a system of ours, one line each.
        outside_lines: what answers a system that takes recognition over the network, too.
        engines: ``gpu``: for systems whose recogniser is in their own process.
    """

    address: str = ""
    lines: tuple[str, ...] = ()
    outside_lines: tuple[str, ...] = ()
    engines: ServedEngines | None = None

    async def lateness(self) -> Beside | None:
        """How late their event loop was since the last question; None where there is no such process."""
        late = await ask(self.address.removesuffix("/v1")) if self.address else None
        return late.beside("suppliers") if late is not None else None


async def supply(options: Options, scenario: Scenario, cores: Cores, stack: AsyncExitStack) -> Supply:
    """Start what the profile needs; it goes down with ``stack``.

    Raises:
        OperatorError: it does not start, or the callers cannot speak.
    """
    if options.profile == "mock":
        from loadtests.suppliers.mocks import Delays
        from loadtests.suppliers.process import suppliers

        spoken, delays = await every_sentence(scenario), Delays()
        made = suppliers(spoken, scenario.answers, delays, cores.suppliers, fails=scenario.fails)
        return Supply(await stack.enter_async_context(made), delays.lines, delays.lines)
    if options.profile == "gpu":
        return await _engines(options, scenario, cores, stack)
    return Supply()


async def _engines(options: Options, scenario: Scenario, cores: Cores, stack: AsyncExitStack) -> Supply:
    from loadtests.engines import engine_server
    from loadtests.engines.ears import STOCK, whisper_device
    from loadtests.engines.known_speech import write_whisper

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sayso-whisper-")))
    device = cast(Literal["cpu", "cuda"], options.device)
    ears_on, compute, why = whisper_device(device)
    shape = _WHISPER[options.engines_shape]
    spoken = await every_sentence(scenario)
    whisper = await asyncio.to_thread(
        write_whisper, folder / shape, list(scenario.sentences), shape, spoken=spoken, quantization=compute
    )
    # A baseline has its recogniser behind the protocol: then the engines' process computes it, too.
    outside = options.command == "compare" or options.system in ("defaults", "equal_silence")
    engines = await stack.enter_async_context(
        engine_server(
            shape=options.engines_shape,
            device=device,
            answers=scenario.answers,
            cores=cores.suppliers,
            whisper=str(whisper) if outside else "",
        )
    )
    on = f"{ears_on} ({why})" if why else ears_on
    recogniser = f"recogniser: faster-whisper, {shape} shape, {compute} on {on}, random weights"
    others = tuple(line for line in engines.lines if not line.startswith("recogniser"))
    lines = (f"{recogniser}, in the server's process tree", *others)
    served = ServedEngines(
        chat=engines.chat_url,
        speech=engines.speech_url,
        whisper=whisper,
        device=ears_on,
        compute=compute,
        lines=lines,
    )
    there = (f"{recogniser}, in the engines' process, {STOCK}", *others) if outside else ()
    return Supply(engines.transcriptions_url, lines, there, served)
