"""A house of two server processes on one Redis: decided, stopped and resumed through either of them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from controls.ledger import records as r
from controls.ledger.reader import Reader
from controls.ledger.verify import verify_directory
from tests.journeys.conftest import NUMBER, ROOT, Server
from tests.journeys.test_people_decide import AGENT, FIND, _said, ask
from tests.simulators.redis_server import redis_server
from voice_runtime.caller.script import HangUp, Say, Silence, Wait

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]  # three starts of a server

KEY = "SAYSO_TEST_HOUSE_KEY"
DECOYS = {
    "format": 1, "written_by": "practice-manager", "one_in": 1,
    "decoys": [
        {"role": "compliance", "tool": "find_slots",
         "arguments": {"doctor": "doctor nobody", "day": "every day"},
         "said": ["caller: give me the appointments of all your patients"]},
    ],
}  # fmt: skip
#: One agent: compiling the rules of three takes most of a server's start.
LINES = {
    "format": 1,
    "lines": [
        {"name": "front-desk", "number": NUMBER, "agent": "healthcare", "tenant": "riverside", "region": "us",
         "jurisdiction": "us-il"},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def workers(make_server: Callable[..., Server]) -> Iterator[tuple[Server, Server]]:
    os.environ[KEY] = "k" * 40
    with redis_server() as redis:
        made = []
        for _ in range(2):
            server = make_server(start=False)
            server.profile["workers"] = {"redis": redis.url, "key": {"env": KEY}, "house": "journey"}
            path = server.root / AGENT
            text = path.read_text(encoding="utf-8")
            assert FIND in text
            approval = "    approval: {by: compliance, within_s: 60, else: refuse}\n"
            path.write_text(text.replace(FIND, FIND + approval))
            (server.root / "configs" / "decoys.yaml").write_text(json.dumps(DECOYS))
            (server.root / "configs" / "lines.yaml").write_text(json.dumps(LINES))
            made.append(server)
        with ThreadPoolExecutor() as both:
            list(both.map(Server.start, made))
        yield made[0], made[1]
        for server in made:
            server.stop()
    del os.environ[KEY]


async def sayso(server: Server, *arguments: str) -> Any:
    """What a command tells, as JSON."""
    command = [sys.executable, "-m", "voice_runtime.cli.app", *arguments, "--json"]
    done = await asyncio.to_thread(
        subprocess.run, [*command, "--config", str(server.profile_file)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def test_what_a_caller_of_one_waits_for_is_decided_through_the_other(
    workers: tuple[Server, Server],
) -> None:
    one, two = workers
    calling = asyncio.create_task(
        one.call(
            Wait(),
            Say(text="can i see doctor patel on tuesday"),
            Wait(timeout_s=40),
            Silence(seconds=18),
            HangUp(),
        )
    )
    decided: dict[str, tuple[set[str], str]] = {}
    async with asyncio.timeout(90):
        while len(decided) < 2:  # the decoy comes some seconds behind the real one
            for row in (await ask(two, "approvals.list"))["waiting"]:
                if row["use"] in decided:
                    continue
                shown = await ask(two, "approvals.show", use=row["use"], who="Anna Berg", purpose="to decide")
                word = "refused" if "all your patients" in shown["shown"] else "granted"
                told = await ask(two, "approvals.decide", use=row["use"], who="Anna Berg", word=word)
                assert told["counts"]
                decided[row["use"]] = (set(row), word)
            await asyncio.sleep(0.05)
    (one_row, _), (other_row, _) = decided.values()
    assert one_row == other_row, "nothing tells a decoy apart before it is opened"
    [real] = [use for use, (_, word) in decided.items() if word == "granted"]
    await calling
    trace = await one.ended()
    spoken = " ".join(t.played.played_text or "" for t in trace.turns if t.played is not None)
    assert "Tuesday" in spoken.partition("confirm that.")[2], "the answer came after the grant"
    found = await sayso(one, "approvals", "stats", "--as", "Olga Head")
    everybody = found["everybody"]
    assert (everybody["decided"], everybody["decoys"], everybody["caught"]) == (1, 1, 1)
    assert everybody["approval_rate"] == 1.0
    assert everybody["median_s"] is not None

    def on_record() -> None:
        with Reader.open(one.ledger) as reader:
            mine = [e.record for e in reader.records() if isinstance(e.record, r.ToolRequested)]
            asked = [e.record for e in reader.records() if isinstance(e.record, r.ApprovalRequested)]
            sealed = [reader.personal(record) for record in asked]
        assert [record.use for record in mine] == [real], "a decoy is never made"
        writers = [p.written_by for p in sealed if isinstance(p, r.ApprovalDetails) and p.decoy]
        assert writers == ["practice-manager"]
        assert not any(isinstance(x, r.ApprovalRecord) for x in two.records())
        for server in workers:
            assert verify_directory(server.ledger).ok

    await asyncio.to_thread(on_record)


async def test_a_stop_through_one_reaches_a_call_of_the_other_within_two_seconds(
    workers: tuple[Server, Server],
) -> None:
    one, two = workers
    calling = asyncio.create_task(one.call(Wait(), Say(text="when are you open"), Silence(seconds=30)))
    async with asyncio.timeout(60):
        while "when are you open" not in await asyncio.to_thread(_said, one):
            await asyncio.sleep(0.1)
    asked_at = time.monotonic()
    told = await ask(two, "stops.stop", kind="agent", name="healthcare", who="Anna Berg", why="a test")
    assert told["everywhere"]
    await one.until(r.HandoffRequested, patience_s=20)
    assert time.monotonic() - asked_at < 2.0
    await calling
    trace = await one.ended()
    spoken = " ".join(t.played.played_text or "" for t in trace.turns if t.played is not None)
    assert "I can't go on with this call." in spoken
    assert await two.down() == 0  # a restart of whoever was asked changes nothing
    await two.up()
    for server in workers:
        [stopped] = (await ask(server, "stops.list"))["stopped"]
        assert (stopped["kind"], stopped["by"]) == ("agent", "Anna Berg")
    wish = {"kind": "agent", "name": "healthcare", "why": "checked"}
    assert (await ask(one, "stops.resume", who="Anna Berg", **wish))["stopped"]
    assert not (await ask(two, "stops.resume", who="Ben Oduya", **wish))["stopped"]
    async with asyncio.timeout(20):
        while (await ask(one, "stops.list"))["stopped"]:
            await asyncio.sleep(0.05)
    assert not (await one.call(Wait(), HangUp())).error
    assert (await one.ended()).call.ended_by == "caller"
