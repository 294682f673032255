"""An ear between two ends of a pipeline, with fakes around it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pipecat.frames.frames import Frame, InputAudioRawFrame, InterruptionFrame

from tests.simulators.pipeline import End, running
from tests.voice_runtime.listen.fakes import FakeRecogniser, FakeTurnModel, HandClock, LoudIsSpeech, settle
from voice_runtime.events import (
    AgentSpeakingFrame,
    CallerSaidFrame,
    CallerSilentFrame,
    CallerStartedFrame,
    KeyPressedFrame,
    MediaStoppedFrame,
    PauseSpeechFrame,
    ResumeSpeechFrame,
)
from voice_runtime.listen.ear import Ear
from voice_runtime.ports import Recognition
from voice_runtime.settings import Turn

LOUD = b"\x10\x27" * 160
QUIET = bytes(320)
OURS = (
    CallerSaidFrame, CallerSilentFrame, CallerStartedFrame, InterruptionFrame, KeyPressedFrame,
    MediaStoppedFrame, PauseSpeechFrame, ResumeSpeechFrame,
)  # fmt: skip


@dataclass
class Stage:
    """An ear between two ends, with fakes around it."""

    recogniser: FakeRecogniser = field(default_factory=FakeRecogniser)
    turn_model: FakeTurnModel = field(default_factory=FakeTurnModel)
    clock: HandClock = field(default_factory=HandClock)
    failed: list[str] = field(default_factory=list)
    recorded: bytearray = field(default_factory=bytearray)
    head: End = field(init=False)
    tail: End = field(init=False)
    ear: Ear = field(init=False)

    async def line(self, *pieces: tuple[bytes, int]) -> None:
        """Play ``(chunk, ms)`` pieces, letting everything beside run after each chunk."""
        for chunk, ms in pieces:
            for _ in range(ms // 20):
                self.clock.now_ns += 20_000_000
                await self.head.send(InputAudioRawFrame(audio=chunk, sample_rate=8000, num_channels=1))
                await settle(8)
        await settle()

    async def say(self, text: str = "", ms: int = 600, confidence: float = 0.9) -> None:
        """A turn of this text, and a second of silence."""
        self.recogniser.hears = Recognition(text, confidence)
        await self.line((LOUD, ms), (QUIET, 1000))

    async def agent(self, speaking: bool, yields: bool = True) -> None:
        await self.tail.send(AgentSpeakingFrame(speaking=speaking, yields=yields))
        await settle()

    @property
    def ours(self) -> list[Frame]:
        return [f for f in self.tail.frames if isinstance(f, OURS)]

    def names(self) -> list[str]:
        """Names of what came out since the last call."""
        names = [type(f).__name__.removesuffix("Frame") for f in self.ours]
        self.tail.frames.clear()
        return names

    @property
    def said(self) -> list[CallerSaidFrame]:
        return [f for f in self.tail.frames if isinstance(f, CallerSaidFrame)]


@asynccontextmanager
async def staged(**changes: Any) -> AsyncIterator[Stage]:
    stage = Stage()
    arguments: dict[str, Any] = {
        "phrases_key": "k", "turn_model": stage.turn_model, "turn": Turn(), "patience": "normal",
        "urgent": lambda text: text in ("stop", "a person"), "only_silences": lambda text: text == "stop",
        "language": "en-US", "clock": stage.clock,
        "ask_after_s": 8, "end_after_s": 30, "on_failed": stage.failed.append,
        "on_audio": stage.recorded.extend, "vad": LoudIsSpeech,
    } | changes  # fmt: skip
    stage.ear = Ear(stage.recogniser, **arguments)
    async with running(stage.ear) as (stage.head, stage.tail):
        yield stage
