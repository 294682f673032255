"""Counts and tokens in process: never more than the cap, every token once."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import OperatorError
from voice_runtime.store import coordination
from voice_runtime.store.coordination import InProcessCoordinator


class Clock:
    now = 1_000

    def monotonic_ns(self) -> int:
        return self.now

    def unix_s(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        self.now += int(seconds * 1e9)


@given(
    st.integers(0, 4),
    st.lists(st.tuples(st.booleans(), st.integers(0, 7), st.sampled_from(["a", "b"])), max_size=60),
)
def test_never_more_than_the_cap(cap: int, steps: list[tuple[bool, int, str]]) -> None:
    async def act() -> None:
        coordinator = InProcessCoordinator(cap, tenants={"b": 1})
        inside: dict[str, str] = {}
        for enter, number, tenant in steps:
            call = f"c{number}"
            if enter:
                room = len(inside) < cap and not (tenant == "b" and "b" in inside.values())
                assert await coordinator.admit(tenant, call) is (call in inside or room)
                if room:
                    inside.setdefault(call, tenant)
            else:
                await coordinator.release(call)
                inside.pop(call, None)
            assert coordinator.calls == len(inside) <= cap

    asyncio.run(act())


def test_a_negative_cap_is_refused() -> None:
    with pytest.raises(OperatorError):
        InProcessCoordinator(-1)
    with pytest.raises(OperatorError):
        InProcessCoordinator(1, tenants={"a": -1})


def test_a_token_is_taken_once_and_in_time() -> None:
    async def act() -> None:
        clock = Clock()
        coordinator = InProcessCoordinator(1, clock=clock)
        await coordinator.put_token("t", "value", 60)
        assert await coordinator.take_token("other") is None
        assert await coordinator.take_token("t") == "value"
        assert await coordinator.take_token("t") is None
        await coordinator.put_token("t", "value", 60)
        clock.now += 60 * 10**9
        assert await coordinator.take_token("t") is None

    asyncio.run(act())


def test_tokens_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordination, "MOST_TOKENS", 3)

    async def act() -> None:
        coordinator = InProcessCoordinator(1)
        for i in range(5):
            await coordinator.put_token(f"t{i}", str(i), 60)
        assert [await coordinator.take_token(f"t{i}") for i in range(5)] == [None, None, "2", "3", "4"]

    asyncio.run(act())


@pytest.mark.anyio
async def test_a_value_is_swapped_for_the_version_it_was_read_at() -> None:
    coordinator = InProcessCoordinator(1)
    assert await coordinator.read("stops") is None
    assert await coordinator.swap("stops", 0, 1, "a")
    assert not await coordinator.swap("stops", 0, 1, "b")
    assert not await coordinator.swap("stops", 2, 3, "b")
    assert await coordinator.read("stops") == (1, "a")
    assert await coordinator.swap("stops", 1, 2, "b")
    assert await coordinator.read("stops") == (2, "b")
