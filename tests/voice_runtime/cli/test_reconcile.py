"""`sayso reconcile`: what only one side knows is named, and the look is on record first."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from controls.ids import new_id
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


def refunded(*, granted_first: bool) -> CallScript:
    """A call in which a person was asked about a refund; their grant stands before it, or behind."""
    script = carried("CA1")
    closed = script.opened.pop()
    common = {"use": new_id("u"), "nonce": "n_" + "7" * 64}
    script.add(
        r.ApprovalRequested, r.ApprovalDetails(tool="refund"), **common, role="compliance", expires_at=1,
        risk=50, annex_a=("A.9.2",),
    )  # fmt: skip

    def granted() -> None:
        script.add(
            r.ApprovalGranted, r.ApprovalDetails(tool="refund"), **common, by=new_id("p"),
            label="server_attested", after_s=4,
        )  # fmt: skip

    if granted_first:
        granted()
    script.add(
        r.ToolRequested, r.ToolDetails(name="refund"), turn=1, use=common["use"], risk="medium",
        read_back="none", idempotent=True,
    )  # fmt: skip
    if not granted_first:
        granted()
    script.opened.append(closed)
    return script


def test_a_tool_used_before_its_grant_is_named_though_the_lists_agree(house: House, tmp_path: Path) -> None:
    script = refunded(granted_first=False)
    house.fill(script)
    code, out, _ = house.sayso("reconcile", a_list(tmp_path, "CA1"), "--day", TODAY)
    assert code == 1
    assert f"NOT GRANTED     {script.call}: use u_" in out
    assert "used without grant" in out


def test_a_tool_used_behind_its_grant_agrees(house: House, tmp_path: Path) -> None:
    house.fill(refunded(granted_first=True))
    found = house.json("reconcile", a_list(tmp_path, "CA1"), "--day", TODAY)
    assert (found["ungranted"], found["holds"]) == ([], True)
