"""Continuous batching: who waits for whom, what is computed together, and what is found in the cache."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import ProviderError
from loadtests.engines.arrays import Arrays
from loadtests.engines.batching import ContinuousBatches, common_prefix
from loadtests.engines.llama import Llama, LlamaShape

pytestmark = pytest.mark.anyio

SHAPE = LlamaShape(32, 2, 4, 2, 48, 97, places=3, context=128)


class Steps:
    """A model that computes for real, and each step only when the test lets it."""

    def __init__(self, *, free: bool = True) -> None:
        self._model = Llama(SHAPE, Arrays("cpu"))
        self.shape = SHAPE
        self.calls: list[tuple[Any, ...]] = []
        self.fails = False
        self.allowed = threading.Semaphore(10_000 if free else 0)

    def _step(self, *call: Any) -> None:
        self.allowed.acquire()
        self.calls.append(call)
        if self.fails:
            raise MemoryError

    def prefill(self, place: int, start: int, ids: Sequence[int]) -> Any:
        self._step("prefill", place, start, len(ids))
        return self._model.prefill(place, start, ids)

    def decode(self, places: Sequence[int], positions: Sequence[int], ids: Sequence[int]) -> Any:
        self._step("decode", tuple(places), tuple(positions), tuple(ids))
        return self._model.decode(places, positions, ids)

    def copy(self, source: int, target: int, length: int) -> None:
        self.calls.append(("copy", source, target, length))
        self._model.copy(source, target, length)

    def likeliest(self, logits: Any) -> list[int]:
        return self._model.likeliest(logits)


async def answered(batches: ContinuousBatches, prompt: Sequence[int], forced: Sequence[int]) -> list[int]:
    return [token async for token in batches.tokens(prompt, forced)]


def prompt(seed: int, count: int) -> list[int]:
    return [(seed * 31 + 7 * n) % SHAPE.vocabulary for n in range(count)]


async def test_answers_computed_together_are_those_computed_alone() -> None:
    asked = [(prompt(n, 20 + 9 * n), prompt(50 + n, 20 + n)) for n in range(7)]  # more than there are places
    alone = []
    for one, forced in asked:
        batches = ContinuousBatches(Steps())
        alone.append(await answered(batches, one, forced))
        await batches.close()
    batches = ContinuousBatches(Steps(), stretch=16)
    together = await asyncio.gather(*(answered(batches, *one) for one in asked))
    await batches.close()
    assert together == alone
    assert batches.most_together == SHAPE.places


async def test_one_that_comes_later_joins_between_two_tokens() -> None:
    model = Steps(free=False)
    batches = ContinuousBatches(model)
    first = asyncio.create_task(answered(batches, prompt(1, 10), prompt(2, 6)))
    model.allowed.release(3)  # its prompt and two tokens
    while len(model.calls) < 3:
        await asyncio.sleep(0)
    second = asyncio.create_task(answered(batches, prompt(3, 12), prompt(4, 2)))
    await asyncio.sleep(0)
    model.allowed.release(100)
    assert len(await first) == 6
    assert len(await second) == 2
    await batches.close()
    joined = [call for call in model.calls if call[0] == "decode" and len(call[1]) == 2]
    assert joined  # neither waited for the other's end


async def test_forced_tokens_are_what_is_computed_on_with() -> None:
    model = Steps()
    batches = ContinuousBatches(model)
    found = await answered(batches, prompt(1, 10), [5, 6, 7])
    await batches.close()
    assert [call[3] for call in model.calls if call[0] == "decode"] == [
        (5,),
        (6,),
    ]  # after 7 nothing is wanted
    assert len(found) == 3


async def test_a_conversation_that_goes_on_is_computed_from_where_it_parts() -> None:
    model = Steps()
    batches = ContinuousBatches(model)
    await answered(batches, prompt(1, 40), [5, 6])
    expected = await answered(batches, [*prompt(1, 40), 5, 8, 9], [1, 2])
    await batches.close()
    assert [call for call in model.calls if call[0] == "prefill"] == [
        ("prefill", 0, 0, 40),
        ("prefill", 0, 41, 2),
    ]
    assert batches.reused == 41
    fresh = ContinuousBatches(Steps())
    assert await answered(fresh, [*prompt(1, 40), 5, 8, 9], [1, 2]) == expected
    await fresh.close()


async def test_the_same_beginning_is_copied_from_a_conversation_under_way() -> None:
    model = Steps(free=False)
    batches = ContinuousBatches(model)
    first = asyncio.create_task(answered(batches, prompt(1, 40), prompt(2, 9)))
    model.allowed.release(2)
    while len(model.calls) < 2:
        await asyncio.sleep(0)
    second = asyncio.create_task(answered(batches, [*prompt(1, 30), 3, 3], prompt(2, 2)))
    await asyncio.sleep(0)
    model.allowed.release(100)
    await asyncio.gather(first, second)
    await batches.close()
    assert ("copy", 0, 1, 30) in model.calls
    assert ("prefill", 1, 30, 2) in model.calls


async def test_one_that_goes_away_leaves_its_place() -> None:
    model = Steps()
    batches = ContinuousBatches(model)
    for n in range(SHAPE.places + 2):
        async with aclosing(cast(Any, batches.tokens(prompt(n, 9), prompt(n, 100)))) as tokens:
            async for _ in tokens:
                break
    assert len(await answered(batches, prompt(1, 9), prompt(1, 4))) == 4
    await batches.close()


async def test_of_a_prompt_that_is_too_long_the_end_is_computed() -> None:
    model = Steps()
    batches = ContinuousBatches(model)
    assert len(await answered(batches, prompt(1, 500), prompt(2, 8))) == 8
    assert ("prefill", 0, 0, 120) in model.calls
    with pytest.raises(ProviderError, match="longer than the context"):
        await answered(batches, prompt(1, 5), prompt(2, 128))
    await batches.close()


async def test_a_computation_that_fails_ends_its_requests_only() -> None:
    model = Steps()
    batches = ContinuousBatches(model)
    model.fails = True
    with pytest.raises(ProviderError, match="MemoryError"):
        await answered(batches, prompt(1, 9), prompt(1, 4))
    model.fails = False
    assert len(await answered(batches, prompt(1, 9), prompt(1, 4))) == 4
    await batches.close()


async def test_what_waits_fails_when_it_is_closed() -> None:
    model = Steps(free=False)
    batches = ContinuousBatches(model)
    waiting = asyncio.create_task(answered(batches, prompt(1, 9), prompt(1, 4)))
    await asyncio.sleep(0)
    closing = asyncio.create_task(batches.close())
    await asyncio.sleep(0)
    model.allowed.release(100)
    await closing
    with pytest.raises(ProviderError):
        await waiting
    with pytest.raises(ProviderError, match="it was closed"):
        await answered(batches, prompt(1, 9), prompt(1, 4))


@given(st.lists(st.integers(0, 3)), st.lists(st.integers(0, 3)))
def test_a_common_prefix_is_the_longest(one: list[int], other: list[int]) -> None:
    count = common_prefix(one, other)
    assert one[:count] == other[:count]
    assert count == min(len(one), len(other)) or one[count] != other[count]
