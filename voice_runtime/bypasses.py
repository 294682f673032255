"""Settings that make a control weaker than it comes: named bypass, on record, and red until restored.

At the start of every process, before it takes a call. What the record says is in force
and what the configuration says are made to agree: a setting that weakens appends
``control.disabled`` (``bypass``), one that no longer does appends that it is restored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from loguru import logger

from controls.decision import Recorder
from controls.ledger import records as r
from controls.ledger.envelope import parse_envelope, read_leaf
from controls.ledger.reader import Reader
from controls.risk import Limits
from voice_runtime.agent import Release
from voice_runtime.receipts import receipt_in_time
from voice_runtime.risk_limits import DEFAULT_LIMITS
from voice_runtime.settings import Settings

#: Which of the runtime's controls a setting can weaken.
Weakened = Literal["guard", "ledger"]
_DURABLE_S = 10.0


def weakened(settings: Settings, releases: Iterable[Release]) -> dict[str, frozenset[Weakened]]:
    """Tenant → the controls that the configuration makes weaker than they come.

    guard: a release whose risk score blocks, or asks a person, later than by default (or never), or that
        goes without a pack every such agent has (``configs/left_out.yaml``).
    ledger: an outside model that is sent the caller's words before they are on record.
    """
    found: dict[str, frozenset[Weakened]] = {}
    for release in releases:
        mine: set[Weakened] = set()
        if release.risk is not None and _looser(release.risk.limits, DEFAULT_LIMITS.limits()):
            mine.add("guard")
        if release.left_out:
            mine.add("guard")
        if any(x.outside and not x.receipt_first for x in settings.model.endpoints):
            mine.add("ledger")
        found[release.tenant] = found.get(release.tenant, frozenset()) | mine
    return found


def _looser(limits: Limits, than: Limits) -> bool:
    return limits.block_at > than.block_at or limits.approve_at > than.approve_at


async def record_bypasses(root: Path, recorder: Recorder, wanted: Mapping[str, frozenset[Weakened]]) -> None:
    """Make the record agree with the configuration; returns once that is durable.

    Args:
        root: the ledger's directory.
        wanted: from ``weakened``; tenants without a word in it are left alone.

    Raises:
        SayError: the record cannot be read, or not be written in time: no call may be taken.
    """
    known = await asyncio.to_thread(_in_force, root)
    for record in _changes(known, wanted):
        if not record.restored:
            logger.warning("tenant {}: a setting weakens its {}: bypass", record.tenant, record.control)
        await receipt_in_time(recorder.append(record), _DURABLE_S)


def _changes(
    known: Mapping[str, frozenset[str]], wanted: Mapping[str, frozenset[Weakened]]
) -> Iterator[r.ControlDisabled]:
    for tenant, controls in wanted.items():
        before = known.get(tenant, frozenset())
        for control in sorted(controls - before):
            yield r.ControlDisabled(tenant=tenant, control=control, how="bypass")
        for restored in sorted(before - controls):
            yield r.ControlDisabled.model_validate(
                {"tenant": tenant, "control": restored, "how": "bypass", "restored": True}
            )


def _in_force(root: Path) -> dict[str, frozenset[str]]:
    """Tenant → controls that the record says a setting weakens, in leaf order over the tenant's logs."""
    found: dict[str, dict[str, tuple[int, bool]]] = {}
    with Reader.open(root) as reader:
        for view in reader.views():
            for row in view.rows_of(r.ControlDisabled.type):
                record = read_leaf(parse_envelope(row.envelope).payload).record
                if isinstance(record, r.ControlDisabled) and record.how == "bypass":
                    mine = found.setdefault(record.tenant, {})
                    if record.at >= mine.get(record.control, (0, False))[0]:
                        mine[record.control] = (record.at, not record.restored)
    return {
        tenant: frozenset(name for name, (_, on) in controls.items() if on)
        for tenant, controls in found.items()
    }
