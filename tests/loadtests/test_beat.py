"""The generator's event loop: it sleeps from beat to beat while calls tick, and else waits as any does."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from loadtests.generator import beat
from loadtests.generator.beat import BEAT_NS, BeatSelector
from voice_runtime.caller.ticker import TICK_NS, shared_ticker

BEAT_S = BEAT_NS / 1e9


class Time:
    """A clock that only sleeping moves, and what was slept, s."""

    def __init__(self, ns: int = 0) -> None:
        self.ns = ns
        self.slept: list[float] = []

    def now(self) -> int:
        return self.ns

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.ns += round(seconds * 1e9)


@pytest.fixture
def pair() -> tuple[socket.socket, socket.socket]:
    first, second = socket.socketpair()
    with first, second:
        yield first, second


def test_places_of_a_tick_are_whole_beats():
    assert TICK_NS % BEAT_NS == 0
    assert TICK_NS // BEAT_NS >= 5, "a server is not to be met by all calls at once"


def test_it_sleeps_to_the_next_beat_whatever_is_due_later_and_looks_once(
    pair: tuple[socket.socket, socket.socket],
):
    clock = Time(10 * BEAT_NS + BEAT_NS // 4)
    with BeatSelector(clock.now, clock.sleep) as selector:
        selector.register(pair[0], 1)
        assert selector.select(0.019) == []
        assert clock.slept == [pytest.approx(BEAT_S * 3 / 4)]
        pair[1].send(b"x")
        assert [key.fileobj for key, _ in selector.select(0.019)] == [pair[0]]
        assert clock.slept[1:] == [pytest.approx(BEAT_S)], "what came before is read on the beat"


def test_a_timer_between_two_beats_is_exact_and_one_that_is_due_is_not_slept_over():
    clock = Time(BEAT_NS)
    with BeatSelector(clock.now, clock.sleep) as selector:
        selector.select(BEAT_S / 4)
        assert clock.slept == [pytest.approx(BEAT_S / 4)]
        selector.select(0)
        selector.select(-1)
        assert len(clock.slept) == 1


@pytest.mark.parametrize("timeout", [None, 60.0])
def test_without_a_call_it_wakes_when_something_comes(
    pair: tuple[socket.socket, socket.socket], timeout: float | None
):
    clock = Time()
    with BeatSelector(clock.now, clock.sleep) as selector:
        selector.register(pair[0], 1)
        pair[1].send(b"x")
        assert len(selector.select(timeout)) == 1
    assert clock.slept == []


def test_calls_tick_on_the_beat_and_sockets_are_served():
    async def main() -> tuple[bytes, list[int]]:
        ticker = shared_ticker()
        first, ticks = ticker.place(time.monotonic_ns()), []
        enough = asyncio.Event()

        def tick(late_ns: int) -> None:
            ticks.append(late_ns)
            if len(ticks) == 3:
                enough.set()

        assert first % BEAT_NS == 0
        ticking = ticker.start(first, tick)
        server = await asyncio.start_server(
            lambda reader, writer: (writer.write(b"here"), writer.close()), "127.0.0.1", 0
        )
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            said = await reader.read()
            writer.close()
            await writer.wait_closed()
        await enough.wait()
        ticking.stop()
        return said, ticks

    said, ticks = beat.run(main())
    assert said == b"here"
    assert all(late >= 0 for late in ticks), "never early"


def test_what_main_raises_comes_out():
    async def main() -> None:
        raise ValueError("its own")

    with pytest.raises(ValueError, match="its own"):
        beat.run(main())
