"""Each engine once alone and with others at a time, over its own interface: what it takes on this machine."""

from __future__ import annotations

import asyncio
import itertools
import json
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import ctranslate2
import httpx
import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator
from tokenizers import Tokenizer as Tokens

from controls.errors import OperatorError
from loadtests.engines.ears import whisper_device
from loadtests.engines.known_speech import write_whisper
from loadtests.engines.process import Batching, ShapeName, engine_server
from loadtests.statistics import percentile

#: The recogniser's shape, by that of the others.
WHISPERS = {"toy": "micro-turbo", "full": "large-v3-turbo"}
_ROUNDS = 5
_WINDOW_S = 2.5
#: Words of the conversation a model is asked with: an agent's prompt, and some turns.
_PROMPT_WORDS = {"toy": 200, "full": 1500}


class Row(BaseModel):
    """One engine under one load, ms. ``figure`` says of what; ``n`` values."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: str
    device: str
    calls: int
    figure: str
    median_ms: float
    max_ms: float
    n: int
    weights: Literal["random"] = "random"

    @model_validator(mode="after")
    def _possible(self) -> Row:
        if not 0 < self.median_ms <= self.max_ms or self.n < 1:
            raise ValueError("a figure that cannot be right must not be reported")
        return self


async def check(
    shape: ShapeName,
    device: Literal["cpu", "cuda"],
    answers: Mapping[str, str],
    *,
    calls: int = 4,
    batching: Batching = "auto",
    cores: Sequence[int] = (),
) -> tuple[list[Row], list[str]]:
    """Run every engine; the table's rows, and what the engines are.

    Raises:
        OperatorError: one does not run here.
    """
    rows: list[Row] = []
    used, compute, why = whisper_device(device)
    with tempfile.TemporaryDirectory() as folder:
        rows += await asyncio.to_thread(
            lambda: list(_recogniser(Path(folder), shape, used, next(iter(answers)), calls))
        )
    async with (
        engine_server(shape=shape, device=device, answers=answers, cores=cores, batching=batching) as engines,
        httpx.AsyncClient(base_url=engines.chat_url, timeout=120.0) as client,
    ):
        for at_once in (1, calls):
            rows += await _model(client, engines.lines[0], device, shape, answers, at_once)
            rows += await _voice(client, engines.lines[1], answers, at_once)
    where = f"{used}, for {why}" if why else used
    whisper = f"recogniser: faster-whisper, {WHISPERS[shape]} shape, {compute}, random weights, {where}"
    return rows, [whisper, *engines.lines]


def _recogniser(
    folder: Path, shape: ShapeName, device: Literal["cpu", "cuda"], sentence: str, calls: int
) -> Iterator[Row]:
    """As our server computes it: a window as long as what was said, several calls in a batch."""
    compute = "float16" if device == "cuda" else "int8"
    write_whisper(folder, [sentence], WHISPERS[shape], quantization=compute)
    model = ctranslate2.models.Whisper(str(folder), device=device, compute_type=compute)
    tokens = Tokens.from_file(str(folder / "tokenizer.json"))
    names = ("<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>")
    prompt = [tokens.token_to_id(name) for name in names]
    for at_once in (1, calls):
        noise = np.random.default_rng(1).normal(0, 0.5, (at_once, model.n_mels, round(100 * _WINDOW_S)))
        features = ctranslate2.StorageView.from_array(noise.astype(np.float32))
        took = []
        for _ in range(_ROUNDS + 1):
            begun = time.perf_counter()
            found = model.generate(model.encode(features), [prompt] * at_once, beam_size=1, max_length=100)
            took.append(1000 * (time.perf_counter() - begun))
        if any(tokens.decode(one.sequences_ids[0]).strip() != sentence for one in found):
            raise OperatorError("the recogniser did not say its sentence")
        name = f"faster-whisper, {WHISPERS[shape]}"
        yield _row(name, device, at_once, f"text of {_WINDOW_S} s, a batch", took[1:])


async def _model(
    client: httpx.AsyncClient,
    line: str,
    device: str,
    shape: ShapeName,
    answers: Mapping[str, str],
    at_once: int,
) -> list[Row]:
    said, answer = next(iter(answers.items()))

    async def one(n: int) -> tuple[float, list[float]]:
        # conversations differ from their first word, so that none finds another's in the cache
        system = f"{time.monotonic_ns()} " + " ".join(f"word{n}{i}" for i in range(_PROMPT_WORDS[shape]))
        messages = [{"role": "system", "content": system}, {"role": "user", "content": said}]
        asked = {"model": "llama", "messages": messages, "stream": True}
        begun, arrived, text = time.perf_counter(), [], ""
        async with client.stream("POST", "/chat/completions", json=asked) as response:
            async for event in response.aiter_lines():
                if '"content": "' in event and (content := _content(event)):
                    arrived.append(1000 * (time.perf_counter() - begun))
                    text += content
        if text != answer:
            raise OperatorError("the model did not say its answer")
        return arrived[0], [b - a for a, b in itertools.pairwise(arrived)]

    found = await _rounds(one, at_once)
    name = "Llama 3, vLLM" if "vLLM (" in line else "Llama 3, stand-in, not vLLM"
    gaps = [gap for _, own in found for gap in own]
    return [
        _row(name, device, at_once, "first token", [first for first, _ in found]),
        _row(name, device, at_once, "each further token", gaps),
    ]


def _content(event: str) -> str:
    choices = json.loads(event.removeprefix("data: "))["choices"]
    return str(choices[0]["delta"].get("content", "")) if choices else ""


async def _voice(client: httpx.AsyncClient, line: str, answers: Mapping[str, str], at_once: int) -> list[Row]:
    answer = next(iter(answers.values()))

    async def one(_: int) -> tuple[float, float]:
        asked = {"model": "voice", "voice": "any", "input": answer, "response_format": "pcm"}
        begun, first, size = time.perf_counter(), 0.0, 0
        async with client.stream("POST", "/audio/speech", json=asked) as response:
            async for piece in response.aiter_raw():
                first = first or 1000 * (time.perf_counter() - begun)
                size += len(piece)
        if not size:
            raise OperatorError("the voice said nothing")
        return first, 1000 * (time.perf_counter() - begun)

    found = await _rounds(one, at_once)
    device = "cuda" if ", cuda;" in line else "cpu"
    return [
        _row("VITS, onnxruntime", device, at_once, "first samples", [first for first, _ in found]),
        _row("VITS, onnxruntime", device, at_once, "whole answer", [whole for _, whole in found]),
    ]


async def _rounds(one: Callable[[int], Awaitable[Any]], at_once: int) -> list[Any]:
    await one(-1)
    return [found for _ in range(_ROUNDS) for found in await asyncio.gather(*map(one, range(at_once)))]


def _row(engine: str, device: str, calls: int, figure: str, took: Sequence[float]) -> Row:
    return Row(
        engine=engine, device=device, calls=calls, figure=figure, n=len(took),
        median_ms=round(percentile(took, 50), 2), max_ms=round(max(took), 2),
    )  # fmt: skip


def table(rows: Sequence[Row]) -> str:
    """For a terminal; every line says that the weights are random."""
    heads = ("engine", "device", "at once", "figure", "p50 ms", "max ms", "n", "weights")
    cells = [
        (
            r.engine,
            r.device,
            r.calls,
            r.figure,
            f"{r.median_ms:.1f}",
            f"{r.max_ms:.1f}",
            r.n,
            "random weights",
        )
        for r in rows
    ]
    widths = [max(len(str(row[n])) for row in (heads, *cells)) for n in range(len(heads))]
    lines = [
        "  ".join(str(c).ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
        for row in (heads, *cells)
    ]
    return "\n".join(lines)
