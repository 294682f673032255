"""Several things at once: the first error comes out as it is, and nothing goes on behind it."""

from __future__ import annotations

import asyncio

import pytest

from voice_runtime.at_once import at_once

pytestmark = pytest.mark.anyio


async def test_what_each_gives_in_order() -> None:
    later = asyncio.Event()

    async def first() -> str:
        await later.wait()
        return "first"

    async def second() -> str:
        later.set()
        return "second"

    assert await at_once(first(), second()) == ["first", "second"]


async def test_an_error_waits_for_the_others_to_end() -> None:
    failed, ended = asyncio.Event(), []

    async def fails() -> None:
        failed.set()
        raise LookupError("gone")

    async def goes_on() -> None:
        await failed.wait()
        await asyncio.sleep(0)
        ended.append(True)

    with pytest.raises(LookupError, match="gone"):
        await at_once(fails(), goes_on())
    assert ended == [True]


async def test_who_gives_up_ends_them_all() -> None:
    begun, cancelled = asyncio.Event(), []

    async def waits() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(True)

    task = asyncio.create_task(at_once(waits(), waits()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cancelled == [True, True]
