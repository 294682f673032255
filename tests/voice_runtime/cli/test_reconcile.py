"""`sayso reconcile`: what only one side knows is named, and the look is on record first."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from controls.ledger import records as r
from tests.controls.evidence.calls import CallScript, clinic_call
from tests.voice_runtime.cli.records_house import House

TODAY = datetime.now(UTC).date().isoformat()


def carried(sid: str) -> CallScript:
    """The fictional call, as the carrier knows it by ``sid``."""
    script = clinic_call()
    leaf, opening, details = script.opened[0]
    assert isinstance(details, r.CallDetails)
    script.opened[0] = (leaf, opening, details.model_copy(update={"carrier_call": sid}))
    return script


def a_list(folder: Path, *sids: str) -> str:
    path = folder / "carrier.csv"
    path.write_text("Call Sid,Direction\n" + "".join(f"{sid},Incoming\n" for sid in sids))
    return str(path)


def test_lists_that_agree(house: House, tmp_path: Path) -> None:
    house.fill(carried("CA1"))
    found = house.json("reconcile", a_list(tmp_path, "CA1"), "--day", TODAY)
    assert (found["matched"], found["holds"]) == (1, True)
    [(record, details)] = house.access()
    assert (record.what, record.call, details.purpose) == (
        "reconciliation",
        None,
        "reconciliation with the carrier",
    )


def test_a_call_that_was_never_recorded_is_named(house: House, tmp_path: Path) -> None:
    script = carried("CA1")
    house.fill(script)
    code, out, _ = house.sayso("reconcile", a_list(tmp_path, "CA2"), "--day", TODAY)
    assert code == 1
    assert "NOT ON RECORD   CA2" in out and f"NOT AT CARRIER  {script.call}" in out


def test_bad_input_is_a_usage_error(house: House, tmp_path: Path) -> None:
    house.fill(carried("CA1"))
    assert house.sayso("reconcile", str(tmp_path / "nothing.csv"))[0] == 2
    code, _, err = house.sayso("reconcile", a_list(tmp_path, "CA1"), "--day", "Tuesday")
    assert (code, "such as 2026-11-20" in err) == (2, True)
    house.environment("staging")
    assert house.sayso("reconcile", a_list(tmp_path, "CA1"), "--day", TODAY)[0] == 2
    assert house.access() == []
