"""A weakened control takes two persons before calls are taken with it, and the record names them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from controls.errors import LedgerError, OperatorError
from controls.floor import Weaker
from controls.ledger import records as r
from controls.ledger.ledger import Ledger
from controls.ledger.reader import Reader
from controls.stop import Person
from tests.controls.ledger.support import tagger
from tests.simulators.recorder import MemoryRecorder
from tests.voice_runtime.cli.records_house import one_account
from tests.voice_runtime.project import Project, copy
from voice_runtime.bypass_confirmed import (
    WITHIN_S,
    Bypass,
    Wish,
    Wishes,
    confirmed_on_record,
    record_confirmed,
)
from voice_runtime.bypasses import record_bypasses
from voice_runtime.cli.app import run
from voice_runtime.desks import PEOPLE_FILE

pytestmark = pytest.mark.anyio

LIMITS: Bypass = ("riverside", "risk_limits")
NOW = 1_790_000_000.0
PRODUCTION, DEMO = r.Environment.PRODUCTION, r.Environment.DEMO


def person(name: str, account: str = "", *, shared: bool = False) -> Person:
    letters = "".join(x for x in name.upper() if x in "0123456789ABCDEFGHJKMNPQRSTVWXYZ")
    return Person(id=f"p_{letters:0<16.16}", name=name, account=account, shared=shared)


ANNA, BEN = person("Anna Berg", "1001"), person("Ben Day", "1002")


def weaker(setting: r.WeakenedBy) -> Weaker:
    return Weaker(setting, "profile offline", "less than it comes with")


def wish(by: Person, after_s: float = 0.0) -> Wish:
    return Wish(by, f"why {by.name}", NOW + after_s)


def test_two_different_persons_confirm_it_within_a_day(tmp_path: Path) -> None:
    wishes = Wishes(tmp_path)
    assert len(wishes.confirm(LIMITS, wish(ANNA))) == 1
    assert Wishes(tmp_path).of(LIMITS) == (wish(ANNA),), "over a restart"
    assert wishes.of(("riverside", "receipt_first")) == wishes.of(("lake", "risk_limits")) == ()
    assert [x.by.name for x in wishes.confirm(LIMITS, wish(BEN, WITHIN_S))] == ["Anna Berg", "Ben Day"]
    assert len(wishes.confirm(LIMITS, wish(person("Cem"), 2 * WITHIN_S))) == 2, "confirmed already"
    wishes.used(LIMITS)
    assert wishes.of(LIMITS) == ()
    assert (tmp_path / "bypasses.db").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("second", [person("anna berg"), person("Ben Day", "1001")])
def test_one_person_by_two_names_or_one_account_does_not_confirm_it(tmp_path: Path, second: Person) -> None:
    wishes = Wishes(tmp_path)
    wishes.confirm(LIMITS, wish(ANNA))
    with pytest.raises(OperatorError, match="two different persons"):
        wishes.confirm(LIMITS, wish(second))
    assert wishes.of(LIMITS) == (wish(ANNA),)


def test_a_wish_of_another_day_counts_for_nothing(tmp_path: Path) -> None:
    wishes = Wishes(tmp_path)
    wishes.confirm(LIMITS, wish(ANNA))
    assert wishes.confirm(LIMITS, wish(BEN, WITHIN_S + 1)) == (wish(BEN, WITHIN_S + 1),)


# --- at the start of a process ----------------------------------------------------------------------


async def started(
    root: Path, *settings: r.WeakenedBy, environment: r.Environment = PRODUCTION
) -> list[r.Record]:
    """What a process with these weakened puts on record at its start."""
    ledger = await asyncio.to_thread(Ledger.open, root / "ledger", tagger=tagger)
    try:
        await asyncio.to_thread(ledger.prepare, "riverside")
        known = len(_records(root))
        weak = {"riverside": [weaker(setting) for setting in settings]}
        await record_confirmed(root, root / "ledger", ledger, weak, environment)
        await record_bypasses(root / "ledger", ledger, weak)
        return [record for record, _ in _records(root)[known:]]
    finally:
        await asyncio.to_thread(ledger.close)


def _records(root: Path) -> list[tuple[r.ControlDisabled, r.Personal | None]]:
    with Reader.open(root / "ledger") as reader:
        found = [e.record for e in reader.records() if isinstance(e.record, r.ControlDisabled)]
        return [(record, reader.personal(record)) for record in found]


async def test_production_starts_with_no_weakened_control_that_two_have_not_confirmed(tmp_path: Path) -> None:
    """Reader's fault A7: a bypass needed nobody, and `by` was never filled."""
    with pytest.raises(OperatorError, match="sayso bypass confirm risk_limits --tenant riverside"):
        await started(tmp_path, "risk_limits")
    Wishes(tmp_path).confirm(LIMITS, wish(ANNA))
    with pytest.raises(OperatorError, match="takes two different persons"):
        await started(tmp_path, "risk_limits")
    assert _records(tmp_path) == []
    Wishes(tmp_path).confirm(LIMITS, wish(BEN))
    [record] = await started(tmp_path, "risk_limits")
    assert isinstance(record, r.ControlDisabled)
    assert (record.first_by, record.by, record.accounts) == (ANNA.id, BEN.id, "different")
    [(_, details)] = _records(tmp_path)
    assert isinstance(details, r.BypassDetails)
    assert details.who == ("Anna Berg", "Ben Day")
    assert details.why == "why Anna Berg; why Ben Day"
    assert "Anna" not in record.model_dump_json()
    assert confirmed_on_record(tmp_path / "ledger") == {LIMITS}
    assert await started(tmp_path, "risk_limits") == [], "confirmed once, while it lasts"
    assert [getattr(x, "restored", None) for x in await started(tmp_path)] == [True]
    with pytest.raises(OperatorError, match="takes two different persons"):
        await started(tmp_path, "risk_limits")


async def test_a_demonstration_starts_and_is_red_all_the_same(tmp_path: Path) -> None:
    [record] = await started(tmp_path, "risk_limits", environment=DEMO)
    assert isinstance(record, r.ControlDisabled)
    assert (record.how, record.by, record.first_by) == ("bypass", None, None)
    with pytest.raises(OperatorError, match="takes two different persons"):
        await started(tmp_path, "risk_limits", environment=r.Environment.STAGING)
    for by in (ANNA, person("Ben Day", "1001", shared=True).model_copy(update={"account": "7"})):
        Wishes(tmp_path).confirm(LIMITS, wish(by))
    [record] = await started(tmp_path, "risk_limits")
    assert isinstance(record, r.ControlDisabled)
    assert record.by is not None


async def test_what_cannot_be_put_on_record_is_not_used_up(tmp_path: Path) -> None:
    await started(tmp_path)
    for by in (ANNA, BEN):
        Wishes(tmp_path).confirm(LIMITS, wish(by))
    weak = {"riverside": [weaker("risk_limits")]}
    with pytest.raises(LedgerError):
        await record_confirmed(tmp_path, tmp_path / "ledger", MemoryRecorder(failing=True), weak, PRODUCTION)
    assert len(Wishes(tmp_path).of(LIMITS)) == 2


# --- from the command line --------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = copy(tmp_path)
    made.edit("configs/profiles/offline.yaml", "desks: nobody_there ", "risk: {}\ndesks: nobody_there ")
    lines = json.loads(json.dumps(LINES))
    (made.root / "configs/lines.yaml").write_text(json.dumps(lines))
    monkeypatch.chdir(made.root)
    return made


LINES = {
    "format": 1,
    "lines": [
        {"name": "front-desk", "number": "+12025550142", "agent": "healthcare", "tenant": "riverside",
         "region": "us", "jurisdiction": "us-il"},
    ],
}  # fmt: skip


def test_listed_and_confirmed_from_the_command_line(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    def sayso(*args: str) -> tuple[int, str, str]:
        return (run([*args, "--config", "configs/profiles/offline.yaml"]), *capsys.readouterr())

    code, out, _ = sayso("bypass", "list", "--json")
    assert code == 0
    assert json.loads(out)["weakened"] == [
        {
            "tenant": "riverside",
            "setting": "risk_limits",
            "weakens": "guard",
            "on_record": False,
            "confirmed_by": [],
        }
    ]
    confirm = ("bypass", "confirm", "risk_limits", "--tenant", "riverside", "--why", "a trial", "--as")
    assert sayso(*confirm, "Anna Berg")[0] == 1
    code, _, err = sayso(*confirm, "anna  berg")
    assert (code, "two different persons" in err) == (2, True)
    path = project.root / PEOPLE_FILE
    path.write_text(path.read_text().replace("shared_accounts: [server]", f"shared_accounts: {_shared()}"))
    code, out, _ = sayso(*confirm, "Ben Day")
    assert (code, "confirmed by two" in out) == (0, True)
    assert "Anna Berg and Ben Day" in sayso("bypass", "list")[1]
    code, _, err = sayso("bypass", "confirm", "receipt_first", "--tenant", "riverside", "--as", "Anna Berg")
    assert code == 2
    assert "weakened: risk_limits of riverside" in err
    path.write_text(path.read_text() + "may: {bypass: [compliance]}\n")
    code, _, err = sayso(*confirm, "Cem")
    assert (code, "nobody is named as 'compliance'" in err) == (2, True)


def _shared() -> list[int]:
    return sorted(one_account().shared)
