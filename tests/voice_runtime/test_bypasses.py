"""Settings that weaken a control are on record from the start of a process, and until they are taken back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from controls.errors import LedgerError
from controls.ledger import records as r
from controls.ledger.ledger import Ledger
from controls.ledger.reader import Reader
from controls.risk import Limits
from tests.controls.ledger.support import tagger
from tests.simulators.recorder import MemoryRecorder
from tests.voice_runtime.project import AGENT, Project, copy
from voice_runtime.bypasses import record_bypasses, weakened

pytestmark = pytest.mark.anyio

PROFILE = "configs/profiles/offline.yaml"
ENDPOINT = "model:\n  endpoints: [{name: far, base_url: 'http://127.0.0.1:9/v1', model: m, MORE}]\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return copy(tmp_path / "project")


def found(project: Project) -> dict[str, frozenset[str]]:
    return dict(weakened(project.settings(), [project.release()]))


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
    assert found(project) == {"riverside": frozenset(("guard",) if weak else ())}


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
    assert found(project) == {"riverside": frozenset(("ledger",) if weak else ())}


def test_one_agent_of_a_tenant_is_enough(project: Project) -> None:
    release = project.release()
    assert release.risk is not None
    weak = replace(release, risk=release.risk.with_limits(Limits()))
    for releases in ([weak, release], [release, weak]):
        assert weakened(project.settings(), releases) == {"riverside": frozenset(("guard",))}


# --- on record --------------------------------------------------------------------------------------


async def started(root: Path, *controls: str, tenant: str = "riverside") -> list[tuple[str, bool]]:
    """What a process with these weakened puts on record at its start: control, restored."""
    ledger = await asyncio.to_thread(Ledger.open, root, tagger=tagger)
    try:
        await asyncio.to_thread(ledger.prepare, tenant)
        known = len(_records(root))
        await record_bypasses(root, ledger, {tenant: frozenset(controls)})  # type: ignore[dict-item]
        return [(record.control, record.restored) for record in _records(root)[known:]]
    finally:
        await asyncio.to_thread(ledger.close)


def _records(root: Path) -> list[r.ControlDisabled]:
    with Reader.open(root) as reader:
        return [e.record for e in reader.records() if isinstance(e.record, r.ControlDisabled)]


async def test_each_start_makes_the_record_agree_with_the_configuration(tmp_path: Path) -> None:
    assert await started(tmp_path) == []
    assert await started(tmp_path, "guard") == [("guard", False)]
    assert await started(tmp_path, "guard") == []  # it stands there already
    assert await started(tmp_path, "guard", "ledger") == [("ledger", False)]
    assert await started(tmp_path, "ledger") == [("guard", True)]
    assert await started(tmp_path, "guard") == [("guard", False), ("ledger", True)]
    assert all(record.how == "bypass" for record in _records(tmp_path))


async def test_tenants_are_apart(tmp_path: Path) -> None:
    assert await started(tmp_path, "guard") == [("guard", False)]
    assert await started(tmp_path, tenant="lake") == []
    assert await started(tmp_path, "guard", tenant="lake") == [("guard", False)]


async def test_what_cannot_be_put_on_record_takes_no_calls(tmp_path: Path) -> None:
    await started(tmp_path)
    with pytest.raises(LedgerError):
        await record_bypasses(tmp_path, MemoryRecorder(failing=True), {"riverside": frozenset(("guard",))})
