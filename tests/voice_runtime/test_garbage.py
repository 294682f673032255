"""Garbage is collected when it is worth a pause, never what the server was made of, and all is put back."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_runtime import garbage
from voice_runtime.budget import ANNOUNCED_MS
from voice_runtime.garbage import LEAST_ENDED, THRESHOLDS, Ahead, due, quiet_collections

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def nothing_but_the_tests_own() -> Iterator[None]:
    """What other tests imported and left is frozen (``tests/conftest.py``); what is tested here thaws it."""
    gc.collect()
    gc.freeze()
    yield
    gc.freeze()


class Cycle:
    """Two objects that know each other."""

    def __init__(self) -> None:
        self.other = self


@given(ended=st.integers(0, 500), active=st.integers(0, 500))
def test_what_calls_left_is_bounded_by_half_of_those_on_the_line(ended: int, active: int) -> None:
    if due(ended, active):
        assert ended > 0
    else:
        assert ended == 0 or (active > 0 and ended < max(LEAST_ENDED, active / 2))


def test_nobody_ended_nothing_to_do_and_nobody_there_no_reason_to_wait() -> None:
    assert not due(0, 0)
    assert due(1, 0)
    assert not due(LEAST_ENDED - 1, 1)
    assert due(LEAST_ENDED, 1)
    assert not due(LEAST_ENDED, 100)
    assert due(50, 100)


async def test_it_freezes_collects_after_calls_and_puts_everything_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(garbage, "_EVERY_S", 0.001)
    thresholds, frozen = gc.get_threshold(), gc.get_freeze_count()
    ended, active = 0, 1
    async with quiet_collections(lambda: ended, lambda: active, Ahead()):
        assert gc.get_threshold() == THRESHOLDS
        assert gc.get_freeze_count() > frozen
        cycle = Cycle()
        gone = weakref.ref(cycle)
        gc.collect(0)
        gc.collect(1)  # by now it is old: no young collection finds it
        del cycle
        ended, active = 1, 0
        async with asyncio.timeout(60):
            while gone() is not None:
                await asyncio.sleep(0.001)
    assert gc.get_threshold() == thresholds
    assert gc.get_freeze_count() == 0
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "garbage"]


@pytest.mark.parametrize(("active", "extra_ms"), [(1, ANNOUNCED_MS), (0, 0)])
async def test_calls_are_told_of_a_collection_they_have_to_bear(
    active: int, extra_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(garbage, "_EVERY_S", 0.001)
    monkeypatch.setattr(garbage, "_NOTICE_S", 0.001)
    ended, ahead, found = 0, Ahead(), list[tuple[int, bool]]()
    collected = asyncio.Event()

    def told(phase: str, info: dict[str, int]) -> None:
        if phase == "stop" and info["generation"] == 2 and ended:
            found.append((ahead.ms, ahead.collecting))
            collected.set()

    async with quiet_collections(lambda: ended, lambda: active, ahead):
        gc.callbacks.append(told)
        try:
            ended = LEAST_ENDED
            async with asyncio.timeout(60):
                await collected.wait()
            await asyncio.sleep(0)
        finally:
            gc.callbacks.remove(told)
        assert (ahead.ms, ahead.collecting) == (0, False), "once it is over, no more than usual"
    assert found[0] == (extra_ms, True)
