"""Settings that make a control weaker than it comes: named bypass, on record, and red until restored.

At the start of every process, before it takes a call. What the record says is in force
and what the configuration says are made to agree: a setting that weakens appends
``control.disabled`` (``bypass``), one that no longer does appends that it is restored.
The leaf names the setting; what of it is weaker is told by the log and by
``sayso evidence weaker``, which read the configuration.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from loguru import logger

from controls.decision import Recorder
from controls.evidence.occasions.tally import Where
from controls.evidence.occasions.weakenings import Weakening, periods
from controls.floor import Weaker
from controls.ledger import records as r
from controls.ledger.envelope import parse_envelope, read_leaf
from controls.ledger.reader import Reader
from voice_runtime.agent import Release
from voice_runtime.declared import Declared
from voice_runtime.floor import weaker_agent, weaker_house
from voice_runtime.receipts import receipt_in_time
from voice_runtime.settings import Settings

#: Setting → which of the runtime's controls it weakens.
CONTROL_OF: Mapping[r.WeakenedBy, r.ControlName] = {
    "risk_limits": "guard",
    "risk_points": "guard",
    "receipt_first": "ledger",
    "redaction": "redaction",
    "rules": "guard",
    "emergency": "guard",
    "intents": "guard",
    "tool_limits": "tool",
    "approvals": "tool",
    "cleared_below": "guard",
}
_DURABLE_S = 10.0


def weakened(
    settings: Settings, releases: Sequence[Release], declared: Declared | None = None
) -> dict[str, tuple[Weaker, ...]]:
    """Tenant → what of its configuration is weaker than it comes, or than was declared. Blocks: reads files.

    A tenant of a release that weakens nothing has no words, and stands here all the same.

    Raises:
        ConfigurationError: a file cannot be used.
    """
    everywhere = [*weaker_house(settings.root), *_told_before(settings)]
    declared = declared or Declared()
    found: dict[str, dict[Weaker, None]] = {}
    for release in releases:
        mine = found.setdefault(release.tenant, dict.fromkeys(everywhere))
        mine |= dict.fromkeys([*weaker_agent(release), *declared.weaker(release)])
    return {tenant: tuple(mine) for tenant, mine in found.items()}


def _told_before(settings: Settings) -> Iterator[Weaker]:
    """An outside model that is sent the caller's words before they are on record."""
    for endpoint in settings.model.endpoints:
        if endpoint.outside and not endpoint.receipt_first:
            what = f"model {endpoint.name} is told before the record (receipt_first: false)"
            yield Weaker("receipt_first", f"profile {settings.name}", what)


async def record_bypasses(root: Path, recorder: Recorder, wanted: Mapping[str, Iterable[Weaker]]) -> None:
    """Make the record agree with the configuration; returns once that is durable.

    Args:
        root: the ledger's directory.
        wanted: from ``weakened``; tenants without a word in it are left alone.

    Raises:
        SayError: the record cannot be read, or not be written in time: no call may be taken.
    """
    known = await asyncio.to_thread(_in_force, root)
    for tenant, found in wanted.items():
        for one in found:
            logger.warning("tenant {}: bypass: {}", tenant, one)
        for record in _changes(tenant, known, {one.setting for one in found}):
            await receipt_in_time(recorder.append(record), _DURABLE_S)


def _changes(
    tenant: str, known: frozenset[Weakening], settings: set[r.WeakenedBy]
) -> Iterator[r.ControlDisabled]:
    wanted = {Weakening(tenant, CONTROL_OF[setting], setting) for setting in settings}
    before = {one for one in known if one.tenant == tenant}
    for one in sorted(wanted - before, key=str):
        yield r.ControlDisabled(tenant=tenant, control=one.control, setting=one.setting, how="bypass")
    for one in sorted(before - wanted, key=str):
        yield r.ControlDisabled(
            tenant=tenant, control=one.control, setting=one.setting, how="bypass", restored=True
        )


def _in_force(root: Path) -> frozenset[Weakening]:
    """What the record says a setting weakens now, over all logs."""
    told = []
    with Reader.open(root) as reader:
        for view in reader.views():
            for row in view.rows_of(r.ControlDisabled.type):
                record = read_leaf(parse_envelope(row.envelope).payload).record
                if isinstance(record, r.ControlDisabled) and record.how == "bypass":
                    told.append((Where(view.origin, row.leaf, ""), record))
    return frozenset(period.what for period in periods(told) if period.until is None)
