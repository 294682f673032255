"""The stop switch of a process: in force at once, on record, over a restart, and for other workers."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from controls.errors import LedgerError, OperatorError
from controls.ledger import records as r
from controls.ledger.ledger import Ledger
from controls.ledger.reader import Reader
from controls.stop import Stopped
from tests.simulators.house import FakeSpool
from tests.simulators.recorder import MemoryRecorder
from tests.voice_runtime.cli.records_house import House, one_account, serving
from voice_runtime import stops
from voice_runtime.clock import SystemClock
from voice_runtime.local import Question
from voice_runtime.people import People, Person
from voice_runtime.roster import Roster
from voice_runtime.stops import Names, StopSwitch
from voice_runtime.stops_file import FILE
from voice_runtime.store.coordination import InProcessCoordinator

pytestmark = pytest.mark.anyio

LINES = [("healthcare", "riverside"), ("salon", "copper"), ("salon", "clay")]
NAMES = Names.of(LINES, {"healthcare": ["book", "find"], "salon": ["book"]})


class Worker:
    """One process's switch on a data directory of its own or shared."""

    def __init__(
        self, folder: Path, coordinator: InProcessCoordinator | None = None, roster: Roster | None = None
    ) -> None:
        self.recorder, self.spool = MemoryRecorder(), FakeSpool()
        self.enforced: list[str] = []
        self.coordinator = coordinator or InProcessCoordinator(1)
        self.switch = StopSwitch(
            folder, recorder=self.recorder, spool=self.spool, people=People(folder), clock=SystemClock(),
            shared=self.coordinator, names=NAMES, changed=self._changed, roster=roster,
        )  # fmt: skip

    def _changed(self, stopped: Stopped) -> None:
        self.enforced.append(str(stopped.scope))

    async def ask(
        self, what: str, kind: str, name: str = "", who: str = "Anna Berg", account: int | None = None
    ) -> dict[str, Any]:
        return await self.switch.questions[f"stops.{what}"](
            {"kind": kind, "name": name, "who": who, "why": "because", "account": account}
        )


def test_what_can_be_stopped() -> None:
    assert NAMES.tenants == ("riverside", "copper", "clay")
    assert NAMES.agents["salon"] == ("copper", "clay")
    assert NAMES.tools == {"book": ("riverside", "copper", "clay"), "find": ("riverside",)}


async def test_a_stop_is_in_force_on_record_and_kept(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    told = await worker.ask("stop", "agent", "salon")
    assert (told["stopped"], told["already"]) == (True, False)
    assert worker.enforced == ["agent salon"]
    assert worker.switch.of_call("copper", "salon")
    assert not worker.switch.of_call("riverside", "healthcare")
    found = worker.recorder.of("agent.stopped")
    assert [record.tenant for record, _ in found] == ["clay", "copper"], "in every log it concerns"
    record, details = found[0]
    assert record.scope == "agent"
    assert (details.name, details.who, details.why) == ("salon", ("Anna Berg",), "because")
    assert "salon" not in record.model_dump_json()
    again = Worker(tmp_path)
    await again.switch.start()
    await again.switch.close()
    assert again.switch.of_call("clay", "salon"), "over a restart"
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0
    assert not list(tmp_path.glob(".stopped*"))


async def test_a_stop_is_in_force_though_who_asked_for_it_cannot_be_kept(tmp_path: Path) -> None:
    """Reader's fault A5: it was refused while ``people`` was open to others, and the agent went on."""
    (tmp_path / "people").mkdir(mode=0o755)
    (tmp_path / "people").chmod(0o755)
    worker = Worker(tmp_path)
    told = await worker.ask("stop", "agent", "salon")
    assert told["stopped"]
    assert "chmod 700" in told["unnamed"]
    assert worker.enforced == ["agent salon"]
    found = worker.recorder.of("agent.stopped")
    assert [details.who for _, details in found] == [("Anna Berg",)] * 2, "by their name all the same"
    assert json.loads((tmp_path / FILE).read_text())["stops"][0]["by"]["name"] == "Anna Berg"
    (tmp_path / "people").chmod(0o700)
    assert (await worker.ask("stop", "agent", "healthcare"))["unnamed"] == ""


async def test_a_stop_waits_for_no_look_up_of_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, found = Worker(tmp_path), threading.Event()
    named = People.named

    def slowly(self: People, name: str, account: int | None = None) -> Person:
        assert found.wait(20)
        return named(self, name, account)

    monkeypatch.setattr(People, "named", slowly)
    asking = asyncio.create_task(worker.ask("stop", "agent", "healthcare"))
    try:
        async with asyncio.timeout(5):
            while not worker.enforced:
                await asyncio.sleep(0)
        assert worker.switch.of_call("riverside", "healthcare")
        assert worker.recorder.types() == []
    finally:
        found.set()
    assert (await asking)["unnamed"] == ""
    assert worker.recorder.types() == ["agent.stopped"]


async def test_a_look_up_that_hangs_keeps_a_stop_off_the_record_no_longer_than_this(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, found = Worker(tmp_path), threading.Event()
    monkeypatch.setattr(stops, "NAMED_S", 0.01)
    monkeypatch.setattr(People, "named", lambda self, name, account: found.wait(20))
    try:
        assert "was not found within" in (await worker.ask("stop", "agent", "healthcare"))["unnamed"]
        assert worker.recorder.types() == ["agent.stopped"]
    finally:
        found.set()


@pytest.mark.parametrize(
    ("kind", "name", "call", "tool"),
    [("everything", "", True, False), ("tenant", "riverside", True, False), ("tool", "find", False, True)],
)
async def test_scopes(tmp_path: Path, kind: str, name: str, call: bool, tool: bool) -> None:
    worker = Worker(tmp_path)
    await worker.ask("stop", kind, name)
    assert worker.switch.of_call("riverside", "healthcare") is call
    assert worker.switch.of_tool("find") is tool


async def test_resuming_takes_two_and_is_on_record_first(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    await worker.ask("stop", "agent", "healthcare")
    assert (await worker.ask("resume", "agent", "healthcare", "Anna Berg"))["stopped"]
    for same in ("Anna Berg", " anna  berg"):
        with pytest.raises(OperatorError, match="two different persons"):
            await worker.ask("resume", "agent", "healthcare", same)
    worker.recorder.failing = True
    with pytest.raises(LedgerError):
        await worker.ask("resume", "agent", "healthcare", "Ben Oduya")
    assert worker.switch.of_call("riverside", "healthcare"), "no record, no effect"
    worker.recorder.failing = False
    assert not (await worker.ask("resume", "agent", "healthcare", "Ben Oduya"))["stopped"]
    assert not worker.switch.of_call("riverside", "healthcare")
    [(record, details)] = worker.recorder.of("agent.resumed")
    assert record.by != record.first_by
    assert details.who == ("Anna Berg", "Ben Oduya")
    assert json.loads((tmp_path / FILE).read_text())["stops"] == []


async def test_two_names_by_one_account_are_one_person(tmp_path: Path) -> None:
    """Reader's fault A7: two names were two persons, whatever account they came from."""
    worker = Worker(tmp_path)
    await worker.ask("stop", "agent", "healthcare", account=1001)
    await worker.ask("resume", "agent", "healthcare", "Anna Berg", account=1001)
    with pytest.raises(OperatorError, match=r"acts by your account.*shared_accounts"):
        await worker.ask("resume", "agent", "healthcare", "Ben Oduya", account=1001)
    assert worker.switch.of_call("riverside", "healthcare")
    assert not (await worker.ask("resume", "agent", "healthcare", "Ben Oduya", account=1002))["stopped"]
    [(record, details)] = worker.recorder.of("agent.resumed")
    assert record.accounts == "different"
    assert details.accounts == ("1001", "1002")
    assert "1001" not in record.model_dump_json()
    assert worker.recorder.of("agent.stopped")[0][1].accounts == ("1001",)


@pytest.mark.parametrize(
    ("accounts", "told"), [((1001, 1001), "shared"), ((None, 1001), "unknown"), ((None, None), "unknown")]
)
async def test_accounts_that_several_persons_share_are_told_on_record(
    tmp_path: Path, accounts: tuple[int | None, int | None], told: str
) -> None:
    worker = Worker(tmp_path, roster=Roster(shared=frozenset((1001,))))
    await worker.ask("stop", "agent", "healthcare")
    for who, account in zip(("Anna Berg", "Ben Oduya"), accounts, strict=True):
        await worker.ask("resume", "agent", "healthcare", who, account=account)
    [(record, _)] = worker.recorder.of("agent.resumed")
    assert record.accounts == told


async def test_who_may_stop_and_resume_is_enforced_where_the_file_says_so(tmp_path: Path) -> None:
    roster = Roster(
        holders={"compliance": frozenset(("anna berg",)), "owner": frozenset(("ben oduya",))},
        may={"stop": ("compliance", "owner"), "resume": ("owner",)},
    )
    worker = Worker(tmp_path, roster=roster)
    with pytest.raises(OperatorError, match="Cem is not compliance or owner, who stops"):
        await worker.ask("stop", "agent", "healthcare", "Cem")
    assert not worker.enforced
    await worker.ask("stop", "agent", "healthcare", "Anna  berg")
    with pytest.raises(OperatorError, match="is not owner, who resumes"):
        await worker.ask("resume", "agent", "healthcare", "Anna Berg")


async def test_the_first_wish_outlives_a_restart(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    await worker.ask("stop", "agent", "healthcare")
    await worker.ask("resume", "agent", "healthcare", "Ben Oduya")
    again = Worker(tmp_path)
    await again.switch.start()
    await again.switch.close()
    with pytest.raises(OperatorError, match="two different persons"):
        await again.ask("resume", "agent", "healthcare", "Ben Oduya")
    assert not (await again.ask("resume", "agent", "healthcare", "Anna Berg"))["stopped"]


@pytest.mark.parametrize("how", ["failing", "refusing"])
async def test_a_stop_the_log_does_not_take_is_spooled_and_in_force(tmp_path: Path, how: str) -> None:
    worker = Worker(tmp_path)
    if how == "failing":
        worker.recorder.failing = True
    else:
        worker.recorder.refusing = True
    assert (await worker.ask("stop", "agent", "healthcare"))["stopped"]
    assert worker.spool.types() == ["agent.stopped"]
    assert worker.switch.of_call("riverside", "healthcare")


async def test_a_stop_nothing_takes_is_in_force_all_the_same_and_says_so(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    worker.recorder.failing = worker.spool.failing = True
    with pytest.raises(LedgerError):
        await worker.ask("stop", "agent", "healthcare")
    assert worker.enforced == ["agent healthcare"]
    assert worker.switch.of_call("riverside", "healthcare")


async def test_another_worker_is_told_and_stops_its_own_calls(tmp_path: Path) -> None:
    coordinator = InProcessCoordinator(1)
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir(mode=0o700)
    one, two = (Worker(folder, coordinator) for folder in folders)
    await one.switch.start()
    await two.switch.start()
    try:
        await one.ask("stop", "tool", "book")
        await two.switch.look()
        assert two.enforced == ["tool book"]
        assert two.switch.of_tool("book")
        await two.switch.look()
        assert two.enforced == ["tool book"], "told once"
        await one.ask("resume", "tool", "book", "Anna Berg")
        await one.ask("resume", "tool", "book", "Ben Oduya")
        await two.switch.look()
        assert not two.switch.of_tool("book")
        assert two.recorder.types() == [], "on record where it was asked for"
    finally:
        await one.switch.close()
        await two.switch.close()


async def test_a_damaged_file_keeps_it_from_serving(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{")
    with pytest.raises(OperatorError, match="it is damaged"):
        await Worker(tmp_path).switch.start()


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        ({"kind": "agent", "name": "nobody", "who": "A"}, "no agent 'nobody'; there are healthcare, salon"),
        ({"kind": "planet", "name": "earth", "who": "A"}, "cannot be asked like this: kind"),
        ({"kind": "agent", "name": "salon", "who": ""}, "--as NAME"),
    ],
)  # fmt: skip
async def test_what_cannot_be_stopped_is_named(tmp_path: Path, asked: dict[str, Any], match: str) -> None:
    worker = Worker(tmp_path)
    with pytest.raises(OperatorError, match=match):
        await worker.switch.questions["stops.stop"](asked)
    assert worker.recorder.types() == []


# --- from the command line -------------------------------------------------------------------------


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> House:
    from tests.voice_runtime.cli.records_house import ROOT

    monkeypatch.chdir(ROOT)
    text = (ROOT / "configs/profiles/offline.yaml").read_text()
    profile = tmp_path / "profile.yaml"
    profile.write_text(text.replace("data_dir: .sayso", f"data_dir: {tmp_path / 'data'}"))
    return House(profile, tmp_path / "data", capsys)


def test_one_account_does_not_resume_by_two_names_over_the_socket(house: House) -> None:
    async def questions(ledger: Ledger) -> Mapping[str, Question]:
        switch = StopSwitch(
            house.data_dir, recorder=ledger, spool=ledger.append_spooled, people=People(house.data_dir),
            clock=SystemClock(), shared=InProcessCoordinator(1), names=NAMES, changed=lambda stopped: None,
        )  # fmt: skip
        return switch.questions

    with serving(house, questions=questions):
        assert house.sayso("stop", "--all", "--as", "Anna Berg")[0] == 0
        assert house.sayso("resume", "--all", "--as", "Anna Berg")[0] == 1
        code, _, err = house.sayso("resume", "--all", "--as", "Ben Oduya")
        assert code == 2
        assert "acts by your account" in err


def test_stop_and_resume_from_the_command_line(house: House) -> None:
    async def questions(ledger: Ledger) -> Mapping[str, Question]:
        switch = StopSwitch(
            house.data_dir, recorder=ledger, spool=ledger.append_spooled, people=People(house.data_dir),
            clock=SystemClock(), shared=InProcessCoordinator(1), names=NAMES, changed=lambda stopped: None,
            roster=one_account(),
        )  # fmt: skip
        return switch.questions

    with serving(house, questions=questions):
        code, out, _ = house.sayso("stop", "--agent", "salon", "--as", "Anna Berg", "--why", "wrong prices")
        assert (code, out) == (0, "stopped; two different persons resume it: sayso resume\n")
        [stopped] = house.json("stop", "--list")["stopped"]
        assert (stopped["kind"], stopped["name"], stopped["by"]) == ("agent", "salon", "Anna Berg")
        code, out, _ = house.sayso("stop", "--list")
        assert "agent salon" in out
        code, _, _ = house.sayso("resume", "--agent", "salon", "--as", "Anna Berg")
        assert code == 1, "it stays stopped"
        code, _, err = house.sayso("resume", "--agent", "salon", "--as", "anna berg")
        assert code == 2
        assert "two different persons" in err
        code, out, _ = house.sayso("resume", "--agent", "salon", "--as", "Ben Oduya")
        assert (code, out) == (0, "it runs again\n")
        assert house.json("stop", "--list")["stopped"] == []
        for wrong in ([], ["--agent", "salon", "--all"], ["--agent", "a", "--tool", "b"]):
            code, _, err = house.sayso("stop", *wrong, "--as", "A")
            assert code == 2
            assert "say what" in err
    with Reader.open(house.ledger) as reader:
        types = [
            e.record.type for e in reader.records() if isinstance(e.record, r.AgentStopped | r.AgentResumed)
        ]
    assert sorted(types) == ["agent.resumed"] * 2 + ["agent.stopped"] * 2


def test_without_a_server_nothing_is_stopped(house: House) -> None:
    code, _, err = house.sayso("stop", "--all", "--as", "A")
    assert code == 2
    assert "no server runs" in err
