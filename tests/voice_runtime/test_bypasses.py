"""Settings that weaken a control are on record from the start of a process, and until they are taken back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from controls.errors import LedgerError
from controls.floor import CONTROL_OF, Weaker
from controls.ledger import records as r
from controls.ledger.ledger import Ledger
from controls.ledger.reader import Reader
from controls.quick_yaml import quickly
from controls.risk import Limits
from tests.controls.ledger.support import tagger
from tests.simulators.recorder import MemoryRecorder
from tests.voice_runtime.project import AGENT, Project, copy
from voice_runtime.bypasses import record_bypasses, weakened

pytestmark = pytest.mark.anyio

WEAK = Weaker("risk_limits", "agents/x", "block_at is never")
PROFILE = "configs/profiles/offline.yaml"
ENDPOINT = "model:\n  endpoints: [{name: far, base_url: 'http://127.0.0.1:9/v1', model: m, MORE}]\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return copy(tmp_path / "project")


def found(project: Project) -> dict[str, frozenset[str]]:
    told = weakened(project.settings(), [project.release()])
    return {tenant: frozenset(one.setting for one in weaker) for tenant, weaker in told.items()}


def test_as_it_comes_nothing_is_weakened(project: Project) -> None:
    assert found(project) == {"riverside": frozenset()}


@pytest.mark.parametrize(
    ("limits", "weak"),
    [
        ("{block_at: 95, approve_at: 80}", False),
        ("{block_at: 60, approve_at: 10}", False),
        ("{block_at: 96, approve_at: 80}", True),
        ("{block_at: 95}", True),  # nobody is ever asked
        ("{}", True),
    ],
)
def test_limits_of_the_risk_score_above_the_default_weaken_the_guard(
    project: Project, limits: str, weak: bool
) -> None:
    project.edit(PROFILE, "desks: nobody_there ", f"risk: {limits}\ndesks: nobody_there ")
    assert found(project) == {"riverside": frozenset(("risk_limits",) if weak else ())}


def test_an_agent_that_tightens_them_again_is_not_weakened(project: Project) -> None:
    project.edit(PROFILE, "desks: nobody_there ", "risk: {}\ndesks: nobody_there ")
    project.edit(
        AGENT, "retention: {schedule", "risk: {block_at: 95, approve_at: 80}\n\nretention: {schedule"
    )
    assert found(project) == {"riverside": frozenset()}


@pytest.mark.parametrize(
    ("more", "weak"),
    [
        ("outside: true, region: us", False),
        ("outside: true, region: us, receipt_first: false", True),
        ("outside: false, receipt_first: false", False),  # nothing leaves the house
    ],
)
def test_a_model_told_before_the_record_weakens_the_record(project: Project, more: str, weak: bool) -> None:
    text = (project.root / PROFILE).read_text()
    before, _, rest = text.partition("model:\n")
    (project.root / PROFILE).write_text(
        before + ENDPOINT.replace("MORE", more) + "\nvoice:" + rest.partition("\nvoice:")[2]
    )
    assert found(project) == {"riverside": frozenset(("receipt_first",) if weak else ())}


def test_one_agent_of_a_tenant_is_enough(project: Project) -> None:
    release = project.release()
    assert release.risk is not None
    weak = replace(release, risk=release.risk.with_limits(Limits()))
    for releases in ([weak, release], [release, weak]):
        [one, other] = weakened(project.settings(), releases)["riverside"]
        assert one.setting == other.setting == "risk_limits"
        assert {str(one), str(other)} == {
            "agents/healthcare: block_at is never, and comes as 95",
            "agents/healthcare: approve_at is never, and comes as 80",
        }


# --- whatever an operator can loosen ----------------------------------------------------------------


RULES = "configs/rules"


@pytest.mark.parametrize(
    ("file", "old", "new", "setting"),
    [
        ("configs/redaction.yaml", "[card, card-code, iban, national-id]\n", "[card, card-code]\n",
         "redaction"),
        ("configs/redaction.yaml", "regions: [us, gb, es, de]", "regions: [us]", "redaction"),
        ("configs/risk.yaml", "{low: 0, medium: 50, high: 100}", "{low: 0, medium: 5, high: 100}",
         "risk_points"),
        ("configs/risk.yaml", "from: 500", "from: 50000", "risk_points"),
        ("configs/soa.yaml", "cleared_below: 95", "cleared_below: 100", "cleared_below"),
        (AGENT, "at_most: {per_call: 2}", "at_most: {per_call: 50}", "tool_limits"),
    ],
)  # fmt: skip
def test_what_an_operator_loosens_is_a_bypass(
    project: Project, file: str, old: str, new: str, setting: str
) -> None:
    """A11: only the limits of the risk score, and the receipt, were known as one."""
    project.edit(file, old, new)
    assert found(project) == {"riverside": frozenset((setting,))}


def test_an_emergency_pack_that_is_gone_weakens_emergencies(project: Project) -> None:
    (project.root / RULES / "emergency-eu.yaml").unlink()
    assert found(project) == {"riverside": frozenset(("emergency",))}


def test_words_by_which_callers_ask_for_what_they_are_owed(project: Project) -> None:
    words = quickly((project.root / RULES / "intents.yaml").read_text())["languages"]["en-US"]["person"]
    project.edit(f"{RULES}/intents.yaml", f"- {words['anywhere'][0]}\n", "- a green elephant\n")
    assert found(project) == {"riverside": frozenset(("intents",))}


def test_a_rule_of_a_pack_that_is_made_milder(project: Project) -> None:
    pack = quickly((project.root / RULES / "payment.yaml").read_text())
    first = pack["rules"][0]
    assert first["risk"] > 1
    project.edit(f"{RULES}/payment.yaml", f"risk: {first['risk']}\n", "risk: 1\n")
    assert found(project) == {"riverside": frozenset(("rules",))}


# --- on record --------------------------------------------------------------------------------------


async def started(root: Path, *settings: r.WeakenedBy, tenant: str = "riverside") -> list[tuple[str, bool]]:
    """What a process that these weaken puts on record at its start: setting, restored."""
    ledger = await asyncio.to_thread(Ledger.open, root, tagger=tagger)
    try:
        await asyncio.to_thread(ledger.prepare, tenant)
        known = len(_records(root))
        wanted = [Weaker(setting, "configs", "weaker") for setting in settings]
        await record_bypasses(root, ledger, {tenant: wanted})
        return [(str(record.setting), record.restored) for record in _records(root)[known:]]
    finally:
        await asyncio.to_thread(ledger.close)


def _records(root: Path) -> list[r.ControlDisabled]:
    with Reader.open(root) as reader:
        return [e.record for e in reader.records() if isinstance(e.record, r.ControlDisabled)]


async def test_each_start_makes_the_record_agree_with_the_configuration(tmp_path: Path) -> None:
    assert await started(tmp_path) == []
    assert await started(tmp_path, "risk_limits") == [("risk_limits", False)]
    assert await started(tmp_path, "risk_limits") == []  # it stands there already
    assert await started(tmp_path, "risk_limits", "receipt_first") == [("receipt_first", False)]
    assert await started(tmp_path, "receipt_first") == [("risk_limits", True)]
    assert await started(tmp_path, "risk_limits") == [("risk_limits", False), ("receipt_first", True)]
    assert all(record.how == "bypass" for record in _records(tmp_path))


async def test_a_bypass_of_a_build_that_named_no_setting_is_taken_back(tmp_path: Path) -> None:
    ledger = await asyncio.to_thread(Ledger.open, tmp_path, tagger=tagger)
    record = r.ControlDisabled(tenant="riverside", control="guard", how="bypass")
    await asyncio.wrap_future(ledger.append(record))
    await asyncio.to_thread(ledger.close)
    assert await started(tmp_path, "risk_limits") == [("risk_limits", False), ("None", True)]


async def test_each_setting_weakens_a_control_there_is() -> None:
    assert set(CONTROL_OF) == set(get_args(r.WeakenedBy))
    assert set(CONTROL_OF.values()) <= set(get_args(r.ControlName))


async def test_tenants_are_apart(tmp_path: Path) -> None:
    assert await started(tmp_path, "risk_limits") == [("risk_limits", False)]
    assert await started(tmp_path, tenant="lake") == []
    assert await started(tmp_path, "risk_limits", tenant="lake") == [("risk_limits", False)]


async def test_what_cannot_be_put_on_record_takes_no_calls(tmp_path: Path) -> None:
    await started(tmp_path)
    with pytest.raises(LedgerError):
        await record_bypasses(tmp_path, MemoryRecorder(failing=True), {"riverside": [WEAK]})
