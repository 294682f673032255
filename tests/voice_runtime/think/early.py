"""A model on a pipeline that may begin before the turn is over, and a caller who pauses, goes on, or ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pipecat.frames.frames import (
    EagerEndOfTurnCancelFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
)

from tests.simulators.model_server import ModelServer
from tests.voice_runtime.think.conftest import Call
from tests.voice_runtime.think.test_chat import Line, on_line
from voice_runtime.events import CallerPausedFrame, ProvisionalTurnFrame, SayFrame, ThinkingFrame
from voice_runtime.think.endpoints import Deadlines

WORDS = "i need an appointment today"
#: Longer than a test waits, and asked once.
ONCE = Deadlines(first_token_s=120.0, give_up_s=240.0, between_s=120.0, total_s=300.0, retries=0)


@asynccontextmanager
async def eager_line(
    call: Call, *servers: ModelServer, mode: str = "inside", **options: Any
) -> AsyncIterator[Line]:
    async with on_line(call, *servers, context=call.context, eager=mode, **options) as line:
        yield line


async def pause(line: Line, text: str = WORDS, turn: int = 0) -> None:
    """The caller pauses, and these words would go to the model."""
    paused = CallerPausedFrame(text=text, confidence=0.9, started_s=0.0, ended_s=1.0, engine="test")
    await line.head.send(ProvisionalTurnFrame(turn or line.call.journal.turn + 1, paused))


async def go_on(line: Line) -> None:
    await line.head.send(EagerEndOfTurnCancelFrame())


async def ends(line: Line, text: str = WORDS) -> None:
    """The turn ends in these words."""
    line.tail.frames.clear()
    line.call.said(text)
    await line.send()


async def decided(line: Line, n: int = 1) -> None:
    """Until ``n`` requests are on record."""
    async with asyncio.timeout(30):
        while len(line.decided()) < n:
            await asyncio.sleep(0)


def nothing_came(line: Line) -> bool:
    """Neither a word nor the beginning of an answer went on, nor was anybody told that the model thinks."""
    answers = LLMTextFrame | LLMFullResponseStartFrame | LLMFullResponseEndFrame | SayFrame
    return not [f for f in line.tail.frames if isinstance(f, answers)] and not line.head.of(ThinkingFrame)


def turn_records(call: Call) -> list[str]:
    """What is on record of turns' requests, such as ``decided answered``."""
    return [
        f"{record.type.partition('.')[2]} {getattr(record, 'outcome', getattr(record, 'reason', ''))}".strip()
        for record, _ in call.recorder.records
        if record.type.startswith("turn.")
    ]
