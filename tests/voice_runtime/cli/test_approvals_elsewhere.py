"""`sayso approvals` and `sayso stop` in a house of two workers: real sockets, real ledgers, a real Redis."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from controls.approvals import Request, UseFacts
from controls.decision import Ask
from controls.gate import Gate
from controls.ids import new_id
from controls.ledger.ledger import Ledger
from controls.ledger.reader import Reader
from controls.rules.engine import Rules
from tests.controls.rules.packs import pack
from tests.simulators.redis_server import RedisServer, redis_server
from tests.voice_runtime.cli.records_house import ROOT, House, one_account, serving
from voice_runtime.approvals import ApprovalDesk, Waiting
from voice_runtime.approvals_elsewhere import ApprovalsElsewhere
from voice_runtime.clock import SystemClock
from voice_runtime.local import Question, ask_server
from voice_runtime.people import People
from voice_runtime.stops import Names, StopSwitch
from voice_runtime.store.workers import Workers

TENANT, RELEASE = "riverside", "sha256:" + "a" * 64
SECRET = "a secret of the house's own, 32+"
RULES = Rules.compile([pack()])


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@dataclass
class Worker:
    """One server process of the house, as the command line knows it."""

    house: House
    requests: dict[str, Request] = field(default_factory=dict)

    def use(self, day: str) -> str:
        return self.requests[day].approval.use

    def records(self) -> list[str]:
        with Reader.open(self.house.ledger) as reader:
            return [e.record.type for e in reader.records() if e.record.type.startswith("approval.")]


@contextmanager
def worker(house: House, redis: RedisServer, *days: str) -> Iterator[Worker]:
    made, clock = Worker(house), SystemClock()
    closing: list[Callable[[], Awaitable[None]]] = []

    async def questions(ledger: Ledger) -> Mapping[str, Question]:
        people = People(house.data_dir)
        desk = ApprovalDesk(ledger, people)
        gate = Gate(recorder=ledger, tenant=TENANT, call=new_id("c"), rules=RULES, language="en-US")
        gate.approvals.release = RELEASE
        for day in days:
            outcome = gate.tool(
                new_id("u"), "book", {"day": day, "hour": 10}, 1, risk="low", read_back="none",
                idempotent=True, ask=Ask("compliance", 300),
            )  # fmt: skip
            request = gate.approvals.request(
                outcome.decision, UseFacts("low", "none", True), shown=f"caller: {day} for mister Tanaka",
                now_s=clock.unix_s(),
            )  # fmt: skip
            request.receipt.result(20)
            desk.put(
                Waiting(request, gate.approvals, TENANT, "healthcare", clock.unix_s, lambda arguments: "")
            )
            made.requests[day] = request
        shared = Workers(redis.url, secret=SECRET, house="house", reply_s=20)
        elsewhere = ApprovalsElsewhere(desk, shared, clock)
        switch = StopSwitch(
            house.data_dir, recorder=ledger, spool=ledger.append_spooled, people=people, clock=clock,
            shared=shared, names=Names.of([("healthcare", TENANT)], {}), changed=lambda stopped: None,
            roster=one_account(),
        )  # fmt: skip
        closing.extend((switch.close, elsewhere.close, shared.close))
        await switch.start()
        await elsewhere._offer()  # not in half a second
        await elsewhere.start()
        return elsewhere.questions | switch.questions

    with serving(house, questions=questions, closing=closing):
        yield made


@contextmanager
def two_workers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], redis: RedisServer, *days: str
) -> Iterator[tuple[Worker, Worker]]:
    """The first has what waits; the second nothing."""
    text = (ROOT / "configs/profiles/offline.yaml").read_text()
    with ExitStack() as stack:
        made = []
        for name, waits in (("one", days), ("two", ())):
            profile = tmp_path / f"{name}.yaml"
            profile.write_text(text.replace("data_dir: .sayso", f"data_dir: {tmp_path / name}"))
            house = House(profile, tmp_path / name, capsys)
            made.append(stack.enter_context(worker(house, redis, *waits)))
        yield made[0], made[1]


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_what_waits_in_one_worker_is_decided_through_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], redis: RedisServer
) -> None:
    with two_workers(tmp_path, capsys, redis, "mon", "tue") as (one, two):
        rows = two.house.json("approvals", "list")
        assert {row["use"] for row in rows["waiting"]} == {one.use("mon"), one.use("tue")}
        assert rows["reached"]
        shown = two.house.json("approvals", "show", one.use("mon"), "--as", "Anna Berg")
        assert shown["shown"] == "caller: mon for mister Tanaka"
        assert [(y.who, y.purpose) for _, y in one.house.access()] == [("Anna Berg", "to decide")]
        assert two.house.access() == [], "on record where the call is"
        told = two.house.json("approvals", "grant", one.use("mon"), "--as", "Anna Berg")
        assert (told["counts"], told["state"]) == (True, "granted")
        late = one.house.sayso("approvals", "refuse", one.use("mon"), "--as", "Ben Oduya")
        assert (late[0], "too late: it is granted already" in late[1]) == (1, True)
        late = two.house.sayso("approvals", "refuse", one.use("mon"), "--as", "Ben Oduya")
        assert (late[0], "too late: it is granted already" in late[1]) == (1, True)
        edited = two.house.json(
            "approvals", "edit", one.use("tue"), "--set", "hour=11", "--as", "Ben Oduya", "--blind"
        )
        assert edited["becomes"].startswith("u_")
    assert one.records() == [
        "approval.requested", "approval.requested", "approval.granted", "approval.late", "approval.late",
        "approval.edited",
    ]  # fmt: skip
    assert two.records() == []


def test_errors_are_those_of_the_owner(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], redis: RedisServer
) -> None:
    with two_workers(tmp_path, capsys, redis, "mon") as (one, two):
        code, _, err = two.house.sayso("approvals", "grant", "u_0000000000000000", "--as", "A")
        assert (code, "nothing waits as" in err) == (2, True)
        code, _, err = two.house.sayso(
            "approvals", "edit", one.use("mon"), "--set", "hour=10", "--as", "A", "--blind"
        )
        assert (code, "nothing was changed" in err) == (2, True)
        code, _, err = two.house.sayso("approvals", "edit", one.use("mon"), "--set", "hour", "--as", "A")
        assert (code, "is not FIELD=VALUE" in err) == (2, True)
        redis.stop()
        code, _, err = two.house.sayso("approvals", "grant", one.use("mon"), "--as", "A")
        assert code == 2
        assert "ask the worker whose call it is" in err
        code, out, _ = two.house.sayso("approvals", "list")
        assert (code, "what waits in other workers is not known" in out) == (0, True)
        assert one.house.json("approvals", "grant", one.use("mon"), "--as", "A", "--blind")["counts"]


def test_two_people_at_two_workers_at_once_one_counts_and_both_are_on_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], redis: RedisServer
) -> None:
    days = [f"day-{i}" for i in range(4)]
    with two_workers(tmp_path, capsys, redis, *days) as (one, two):
        for day in days:
            told: list[bool] = []

            def decide(at: Worker, who: str, word: str, use: str, told: list[bool] = told) -> None:
                answer = ask_server(
                    at.house.data_dir, "approvals.decide", use=use, who=who, word=word, blind=True
                )
                assert answer is not None
                told.append(answer["counts"])

            use = one.use(day)
            threads = [
                threading.Thread(target=decide, args=(one, "Anna Berg", "granted", use)),
                threading.Thread(target=decide, args=(two, "Ben Oduya", "refused", use)),
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
            assert sorted(told) == [False, True]
    types = one.records()
    assert types.count("approval.late") == len(days)
    assert types.count("approval.granted") + types.count("approval.refused") == len(days)


def test_redis_learns_nothing_of_what_was_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], redis: RedisServer
) -> None:
    with two_workers(tmp_path, capsys, redis, "mon") as (one, two):
        seen = _watching(redis)
        two.house.json("approvals", "show", one.use("mon"), "--as", "Anna Berg")
        two.house.json("approvals", "grant", one.use("mon"), "--as", "Anna Berg", "--why", "as agreed")
        text = seen()
    assert "RPUSH" in text, "it saw what passed"
    for secret in ("Tanaka", "Anna", "agreed", "compliance", "granted", one.use("mon")):
        assert secret not in text


def _watching(redis: RedisServer) -> Callable[[], str]:
    """Redis's own log of every command (MONITOR); returns what it saw until then."""
    import socket

    watch = socket.socket(socket.AF_UNIX)
    watch.connect(str(redis.socket))
    watch.sendall(b"MONITOR\r\n")
    assert watch.recv(5) == b"+OK\r\n"

    def seen() -> str:
        watch.settimeout(0.2)
        found = b""
        try:
            while piece := watch.recv(65_536):
                found += piece
                if len(found) > 1_000_000:
                    break
        except TimeoutError:
            pass
        watch.close()
        return found.decode("latin-1")

    return seen


def test_stopped_through_one_and_resumed_through_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], redis: RedisServer
) -> None:
    with two_workers(tmp_path, capsys, redis) as (one, two):
        code, out, _ = one.house.sayso("stop", "--agent", "healthcare", "--as", "Anna Berg")
        began = time.monotonic()
        assert (code, out) == (0, "stopped; two different persons resume it: sayso resume\n")
        while not two.house.json("stop", "--list")["stopped"]:
            assert time.monotonic() - began < 30
        code, _, _ = one.house.sayso("resume", "--agent", "healthcare", "--as", "Anna Berg")
        assert code == 1
        code, _, err = two.house.sayso("resume", "--agent", "healthcare", "--as", "anna berg")
        assert (code, "two different persons" in err) == (2, True)
        code, out, _ = two.house.sayso("resume", "--agent", "healthcare", "--as", "Ben Oduya")
        assert (code, out) == (0, "it runs again\n")
        redis.stop()
        code, out, _ = one.house.sayso("stop", "--agent", "healthcare", "--as", "Anna Berg")
        assert code == 1
        assert "other workers cannot be told before Redis answers" in out
        code, out, _ = one.house.sayso("stop", "--list")
        assert "Redis does not answer" in out
        code, _, err = one.house.sayso("resume", "--agent", "healthcare", "--as", "Ben Oduya")
        assert (code, "nothing is resumed while the workers cannot agree" in err) == (2, True)
    assert json.loads((one.house.data_dir / "stopped.json").read_text())["stops"][0]["alone"]
