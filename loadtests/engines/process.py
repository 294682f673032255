"""Starts the engines in a process of their own, shared by every system that is compared."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import httpx
from pydantic import BaseModel, ConfigDict, Field

from loadtests.served import ServerProcess

ShapeName = Literal["toy", "full"]
Batching = Literal["auto", "vllm", "stand-in"]
#: Writing 16 GB of weights, or vLLM's own start.
_READY_S = {"toy": 60.0, "full": 1000.0}


class Told(BaseModel):
    """What the process is told.

    Attributes:
        answers: what is said → what is answered.
        batching: vLLM or the stand-in; auto: vLLM where it is installed and the device is cuda.
        whisper: folder of a model for transcriptions; "": there are none.
        threads: CPU threads of one computation of the voice, and of the recogniser.
        workers: pieces of speech computed side by side.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    shape: ShapeName = "toy"
    device: Literal["cpu", "cuda"] = "cpu"
    answers: dict[str, str] = {}
    batching: Batching = "auto"
    whisper: str = ""
    threads: int = Field(default=1, ge=1, le=256)
    workers: int = Field(default=2, ge=1, le=64)


@dataclass(frozen=True, slots=True)
class Engines:
    """Where the engines answer, and what they are.

    Attributes:
        chat_url, speech_url, transcriptions_url: addresses up to and including ``/v1``: one server's.
        lines: one for each engine, each with "random weights".
        pid: of the process.
    """

    chat_url: str
    speech_url: str
    transcriptions_url: str
    lines: tuple[str, ...]
    pid: int | None


@asynccontextmanager
async def engine_server(
    *,
    shape: ShapeName = "toy",
    device: Literal["cpu", "cuda"] = "cpu",
    answers: Mapping[str, str],
    cores: Sequence[int] = (),
    batching: Batching = "auto",
    whisper: str = "",
) -> AsyncIterator[Engines]:
    """Start the process, wait until everything in it has computed once, and stop it afterwards.

    Args:
        cores: its CPUs; () leaves them as they are.
        whisper: folder written by ``write_whisper``, for systems that take recognition over the network.

    Raises:
        OperatorError: it does not start; its own words are on standard error.
    """
    told = Told(
        shape=shape, device=device, answers=dict(answers), batching=batching, whisper=whisper,
        threads=len(cores) or max(1, (os.cpu_count() or 2) // 2),
    )  # fmt: skip
    process = ServerProcess(
        "loadtests.engines.server", told.model_dump(mode="json"), cores=cores, ready_s=_READY_S[shape]
    )
    try:
        address = await process.start() + "/v1"
        async with httpx.AsyncClient() as client:
            lines = (await client.get(f"{address}/engines")).json()
        yield Engines(address, address, address, tuple(lines), process.pid)
    finally:
        await process.stop()
