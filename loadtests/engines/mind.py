"""The language model behind the protocol: tokens leave when they were computed, and are the answer's."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Protocol, cast

from controls.errors import InternalError
from loadtests.engines.arrays import Arrays, Device
from loadtests.engines.batching import ContinuousBatches
from loadtests.engines.llama import LLAMAS, Llama, fitted, name_of
from loadtests.suppliers.answers import AnswerBook
from loadtests.suppliers.mocks import last_words, split


class Computing(Protocol):
    """An engine that computes as many tokens as are forced, and says so one by one."""

    def tokens(self, prompt: Sequence[int], forced: Sequence[int]) -> AsyncIterator[int]: ...


class ForcedMind:
    """Implements ``suppliers.backends.Mind``."""

    def __init__(self, engine: Computing, book: AnswerBook, vocabulary: int) -> None:
        self._engine, self._book, self._vocabulary = engine, book, vocabulary

    async def tokens(self, messages: Sequence[Mapping[str, Any]]) -> AsyncIterator[str]:
        answer = split(self._book.answer(last_words(messages)))
        forced = [token_id(token, self._vocabulary) for token in answer]
        computed = self._engine.tokens(prompt_ids(messages, self._vocabulary), forced)
        said = iter(answer)
        async with aclosing(cast(Any, computed)) as arriving:
            async for _ in arriving:
                yield next(said)


def prompt_ids(messages: Sequence[Mapping[str, Any]], vocabulary: int) -> list[int]:
    """A conversation as token ids: one a word or sign, and one a message; the same text has the same ids.

    A conversation that grows keeps its beginning, so what an engine caches of prefixes is found again.
    """
    ids: list[int] = []
    for message in messages:
        content = message.get("content")
        rest = {key: value for key, value in message.items() if key != "content" and value is not None}
        text = content if isinstance(content, str) else json.dumps(content, sort_keys=True)
        ids += (token_id(token, vocabulary) for token in (json.dumps(rest, sort_keys=True), *split(text)))
    return ids


def token_id(token: str, vocabulary: int) -> int:
    """Any token of a vocabulary, always the same for the same text."""
    return zlib.crc32(token.encode()) % vocabulary


class StandIn:
    """NOT a serving engine a user would pick: continuous batching of our own, where vLLM is not installed.

    ``start`` before use, ``close`` after, on one event loop. ``line`` is known once it runs.
    """

    def __init__(self, shape: str, device: Device) -> None:
        self._shape, self._device = shape, device
        self.vocabulary = LLAMAS[shape].vocabulary
        self.line = ""
        self._batches: ContinuousBatches | None = None

    async def start(self) -> None:
        """Write the weights onto the device and compute once, in a thread.

        Raises:
            OperatorError: the device cannot be used, or has too little memory.
        """
        model, library = await asyncio.to_thread(self._load)
        self._batches = ContinuousBatches(model)
        size, places = f"{model.shape.parameters / 1e9:.3g} B random weights", model.shape.places
        self.line = (
            f"model: {name_of(self._shape)}, {size}, {self._device}; stand-in engine (continuous batching of "
            f"our own on {library}, {places} at once, not vLLM), tokens forced"
        )

    def _load(self) -> tuple[Llama, str]:
        arrays = Arrays(self._device)
        shape = fitted(LLAMAS[self._shape], arrays.dtype.itemsize, arrays.free_bytes())
        model = Llama(shape, arrays)
        model.likeliest(model.prefill(0, 0, [0] * 8))
        model.likeliest(model.decode([0], [8], [0]))
        return model, arrays.name

    @property
    def reused(self) -> int:
        """Tokens of prompts that were found in the cache so far."""
        return self._batches.reused if self._batches is not None else 0

    def tokens(self, prompt: Sequence[int], forced: Sequence[int]) -> AsyncIterator[int]:
        """As ``ContinuousBatches.tokens``.

        Raises:
            InternalError: it was not started.
        """
        if self._batches is None:
            raise InternalError("the engine was not started")
        return self._batches.tokens(prompt, forced)

    async def close(self) -> None:
        """End its thread. Harmless when repeated."""
        if self._batches is not None:
            await self._batches.close()
