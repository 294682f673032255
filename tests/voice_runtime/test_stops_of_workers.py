"""The stop switch of a house with several workers, on a real Redis that comes and goes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from controls.errors import LedgerError, OperatorError
from controls.stop import Stopped
from tests.simulators.house import FakeSpool, on_the_line
from tests.simulators.model_server import say
from tests.simulators.recorder import MemoryRecorder
from tests.simulators.redis_server import RedisServer, redis_server
from voice_runtime.clock import SystemClock
from voice_runtime.people import People
from voice_runtime.stops import LOOK_S, Names, StopSwitch
from voice_runtime.store.redis import REPLY_S, Redis
from voice_runtime.store.workers import Workers

pytestmark = pytest.mark.anyio

SECRET = "a secret of the house's own, 32+"
NAMES = Names.of([("healthcare", "riverside"), ("salon", "copper")], {"salon": ["book"]})
KEY = "house:shared:stops"


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


class Ticking(SystemClock):
    """Each sleep lasts until the test says so."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._next = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await self._next.wait()
        self._next.clear()

    def tick(self) -> None:
        self._next.set()


class Worker:
    """One process's switch, with a data directory and a connection of its own."""

    def __init__(self, folder: Path, redis: RedisServer) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self.folder = folder
        self.recorder, self.spool, self.clock = MemoryRecorder(), FakeSpool(), Ticking()
        self.shared = Workers(redis.url, secret=SECRET, house="house", reply_s=20)
        self.enforced: list[str] = []
        self.told = asyncio.Event()
        self.switch = StopSwitch(
            folder, recorder=self.recorder, spool=self.spool, people=People(folder), clock=self.clock,
            shared=self.shared, names=NAMES, changed=self._changed,
        )  # fmt: skip

    def _changed(self, stopped: Stopped) -> None:
        self.enforced.append(str(stopped.scope))
        self.told.set()

    async def ask(self, what: str, who: str = "Anna Berg", name: str = "salon") -> dict[str, Any]:
        asked = {"kind": "agent", "name": name, "who": who, "why": "because"}
        return await self.switch.questions[f"stops.{what}"](asked)

    def stopped(self, name: str = "salon") -> bool:
        return self.switch.stops.of_call("any", name) is not None

    async def close(self) -> None:
        await self.switch.close()
        await self.shared.close()


@asynccontextmanager
async def house(tmp_path: Path, redis: RedisServer, count: int = 2) -> AsyncIterator[list[Worker]]:
    workers = [Worker(tmp_path / f"worker-{i}", redis) for i in range(count)]
    try:
        for worker in workers:
            await worker.switch.start()
        yield workers
    finally:
        for worker in workers:
            await worker.close()


def test_every_worker_knows_within_two_seconds() -> None:
    """To tell takes a read and a swap; to know, a look that was just missed, and its read."""
    assert 2 * REPLY_S + LOOK_S + REPLY_S <= 1.8


async def test_a_stop_in_one_worker_is_taken_over_by_the_next_look_of_the_others(
    tmp_path: Path, redis: RedisServer
) -> None:
    async with house(tmp_path, redis, 3) as (one, two, three):
        assert (await one.ask("stop"))["everywhere"]
        assert one.enforced == ["agent salon"]
        for other in (two, three):
            other.clock.tick()
            async with asyncio.timeout(20):
                await other.told.wait()
            assert other.clock.slept[0] == LOOK_S
            assert other.enforced == ["agent salon"]
            assert other.recorder.types() == [], "on record where it was asked for"
        assert (await two.ask("stop", "Ben Oduya"))["already"]


async def test_a_call_of_another_worker_is_told_politely(tmp_path: Path, redis: RedisServer) -> None:
    async with house(tmp_path, redis) as (one, two), on_the_line(say("Never.")) as line:
        await line.opened()
        two.switch._changed = lambda stopped: line.call.stop()
        await one.ask("stop")
        await two.switch.look()
        async with asyncio.timeout(60):
            await line.control.asked.wait()
        assert line.played()[-2:] == ["stopped", "handoff"]


async def test_two_different_people_resume_it_whichever_worker_they_speak_to(
    tmp_path: Path, redis: RedisServer
) -> None:
    async with house(tmp_path, redis, 3) as (one, two, three):
        await one.ask("stop")
        assert (await two.ask("resume", "Anna Berg"))["needs"]
        for worker in (one, two, three):  # in each of them the same name has an id of its own
            with pytest.raises(OperatorError, match="two different persons"):
                await worker.ask("resume", " anna  BERG")
        assert People(one.folder).named("Anna Berg").id != People(two.folder).named("Anna Berg").id
        assert not (await three.ask("resume", "Ben Oduya"))["stopped"]
        [(resumed, details)] = three.recorder.of("agent.resumed")
        assert resumed.by != resumed.first_by
        assert details.who == ("Anna Berg", "Ben Oduya")
        for worker in (one, two):
            await worker.switch.look()
            assert not worker.stopped()


async def test_two_second_wishes_at_once_resume_it_once(tmp_path: Path, redis: RedisServer) -> None:
    async with house(tmp_path, redis, 3) as (one, two, three):
        await one.ask("stop")
        await one.ask("resume", "Anna Berg")
        asked = await asyncio.gather(
            two.ask("resume", "Ben Oduya"), three.ask("resume", "Cem Aydin"), return_exceptions=True
        )
        assert sum(isinstance(x, dict) and not x["stopped"] for x in asked) == 1
        assert len(two.recorder.types() + three.recorder.types()) == 1


async def test_a_stop_while_it_is_being_resumed_elsewhere_wins(tmp_path: Path, redis: RedisServer) -> None:
    async with house(tmp_path, redis) as (one, two):
        await one.ask("stop")
        await one.ask("resume", "Anna Berg")
        two.recorder.delayed = True
        resuming = asyncio.create_task(two.ask("resume", "Ben Oduya"))
        async with asyncio.timeout(20):
            while not two.recorder.waiting:
                await asyncio.sleep(0)
        await one.ask("stop", "Cem Aydin")
        two.recorder.commit()
        with pytest.raises(OperatorError, match="stopped it anew"):
            await resuming
        assert one.stopped()
        assert two.stopped()


async def test_it_survives_the_restart_of_any_of_them(tmp_path: Path, redis: RedisServer) -> None:
    async with house(tmp_path, redis) as (one, _):
        await one.ask("stop")
        await one.ask("resume", "Anna Berg")
    async with house(tmp_path, redis, 3) as workers:  # the third is new to the house
        assert all(worker.stopped() for worker in workers)
        with pytest.raises(OperatorError, match="two different persons"):
            await workers[2].ask("resume", "Anna Berg")
        await workers[2].ask("resume", "Ben Oduya")
    async with house(tmp_path, redis) as workers:
        assert not any(worker.stopped() for worker in workers), "what others resumed meanwhile runs"


async def test_a_store_that_cannot_be_reached_stops_all_the_same_and_resumes_nothing(
    tmp_path: Path, redis: RedisServer
) -> None:
    async with house(tmp_path, redis) as (one, two):
        await one.ask("stop", name="healthcare")
        await two.switch.look()
        redis.stop()
        told = await one.ask("stop")
        assert (told["stopped"], told["everywhere"]) == (True, False)
        assert one.enforced == ["agent healthcare", "agent salon"]
        assert one.recorder.types() == ["agent.stopped", "agent.stopped"]
        kept = json.loads((one.folder / "stopped.json").read_text())["stops"]
        assert [x["alone"] for x in kept] == [False, True]
        for who in ("Anna Berg", "Ben Oduya"):
            with pytest.raises(OperatorError, match="nothing is resumed while"):
                await two.ask("resume", who, "healthcare")
        await two.switch.look()
        assert two.stopped("healthcare"), "the last known stop stays"
        assert not two.stopped("salon")
        assert not (await two.switch.questions["stops.list"]({}))["reached"]
        redis.start()  # with nothing in it
        await one.switch.look()
        await two.switch.look()
        assert two.stopped("salon"), "told once it can be"
        assert two.stopped("healthcare"), "though Redis forgot it"
        assert two.switch.stops == one.switch.stops
        assert (await two.switch.questions["stops.list"]({}))["reached"]


async def test_a_stop_nobody_else_knows_of_survives_a_restart(tmp_path: Path, redis: RedisServer) -> None:
    async with house(tmp_path, redis) as (one, _):
        redis.stop()
        await one.ask("stop")
    redis.start()
    async with house(tmp_path, redis) as (_, two):
        assert two.stopped()


async def test_without_the_store_nothing_begins_to_serve(tmp_path: Path, redis: RedisServer) -> None:
    redis.stop()
    worker = Worker(tmp_path / "worker", redis)
    try:
        with pytest.raises(OperatorError, match="start Redis, or mend workers.redis"):
            await worker.switch.start()
    finally:
        await worker.close()


@pytest.mark.parametrize("how", ["forgotten", "put back", "made up"])
async def test_whoever_writes_to_redis_lifts_nothing(tmp_path: Path, redis: RedisServer, how: str) -> None:
    plain = Redis(redis.url, reply_s=20)
    async with house(tmp_path, redis) as (one, two):
        await one.ask("stop", name="healthcare")
        before = await plain.call("HMGET", KEY, "version", "value")
        assert isinstance(before, list)
        await one.ask("stop")
        await two.switch.look()
        if how == "forgotten":
            await plain.call("FLUSHALL")
        elif how == "put back":
            await plain.call("DEL", KEY)
            version, value = before
            assert isinstance(version, bytes)
            assert isinstance(value, bytes)
            await plain.call("HSET", KEY, "version", version, "value", value)
        else:
            await plain.call("HSET", KEY, "version", 99, "value", b'{"stops":[],"version":99}')
        for worker in (two, one):
            await worker.switch.look()
            assert worker.stopped()
            with pytest.raises(OperatorError):
                await worker.ask("resume", "Anna Berg")
                await worker.ask("resume", "anna berg")
        assert not await plain.call("KEYS", "*salon*")
    await plain.close()


async def test_a_disk_that_takes_nothing_keeps_no_stop_from_the_record(
    tmp_path: Path, redis: RedisServer
) -> None:
    async with house(tmp_path, redis) as (one, two):
        (one.folder / "stopped.json").unlink(missing_ok=True)
        (one.folder / "stopped.json").mkdir()
        with pytest.raises(LedgerError, match="cannot be written"):
            await one.ask("stop")
        assert one.recorder.types() == ["agent.stopped"]
        await two.switch.look()
        assert two.stopped()
