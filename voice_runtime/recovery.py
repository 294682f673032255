"""After a crash: every call left open is closed on record, and lost tool outcomes are asked about.

Runs at start, before the first new call. For each call without an end:

1. clauses that were cleared and have no ``agent.played`` get one, with no samples:
   what sounded after the last record is not known, so nothing is claimed;
2. tools that were requested and have no outcome become ``tool.unknown``; the
   service is asked once, by idempotency key, and never sent the request again;
3. uses that waited for a person, or were granted and not yet requested, are
   abandoned: nobody can grant them any more, and none is made;
4. ``call.recovered`` and ``call.closed`` (ended by nobody knows whom, crashed).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loguru import logger

from controls.decision import PendingReceipt, Recorder
from controls.errors import SayError
from controls.ledger import records as r
from controls.ledger.reader import Opened, Reader
from controls.redaction.file import Redaction, unconfigured
from voice_runtime.agent import Tool
from voice_runtime.events import RATE_HZ
from voice_runtime.inline.redaction import CallRedaction, Redacting
from voice_runtime.think.services import ServiceClient

_OUTCOMES = (r.ToolExecuted, r.ToolRefused, r.ToolUnknown)
_DECIDED = (
    r.ApprovalEdited, r.ApprovalRefused, r.ApprovalTakenOver, r.ApprovalExpired, r.ApprovalAbandoned,
)  # fmt: skip


async def close_what_is_open(
    root: Path,
    recorder: Recorder,
    services: ServiceClient,
    tools: Mapping[tuple[str, str], Tool],
    redactions: Mapping[str, Redaction] | None = None,
) -> int:
    """Close every unfinished call; returns how many there were.

    Args:
        tools: (agent, tool) → the tool.
        redactions: agent → what its records mask; what is masked where nothing is configured, for others.

    Raises:
        SayError: the record of one cannot be read or written.
    """
    found = await asyncio.to_thread(_unfinished, root)
    for records in found:
        await _Recovery(records, recorder, services, tools, redactions or {}).run()
    if found:
        logger.warning("{} call(s) left open by a crash were closed as recovered", len(found))
    return len(found)


def _unfinished(root: Path) -> list[list[Opened]]:
    with Reader.open(root) as reader:
        return [reader.opened(info.call) for info in reader.calls(unfinished=True)]


class _Into:
    """Appends as recovered, and keeps the receipts; implements ``Recorder``."""

    def __init__(self, recorder: Recorder, pending: list[PendingReceipt]) -> None:
        self._recorder, self._pending = recorder, pending

    def append(self, record: r.Record, personal: r.Personal | None = None) -> PendingReceipt:
        receipt = self._recorder.append(record.model_copy(update={"recovered": True}), personal)
        self._pending.append(receipt)
        return receipt


class _Recovery:
    """One call's."""

    def __init__(
        self,
        records: Sequence[Opened],
        recorder: Recorder,
        services: ServiceClient,
        tools: Mapping[tuple[str, str], Tool],
        redactions: Mapping[str, Redaction],
    ) -> None:
        self._records = records
        self._services = services
        self._tools = tools
        first = next(o.record for o in records if isinstance(o.record, r.CallRecord))
        self._common: dict[str, Any] = {"tenant": first.tenant, "call": first.call, "recovered": True}
        self._started_at = first.at
        opened = next((o.personal for o in records if isinstance(o.personal, r.CallDetails)), None)
        self._agent = opened.agent if opened is not None else ""
        self._pending: list[PendingReceipt] = []
        language = next((o.record.language for o in records if isinstance(o.record, r.CallOpened)), "en-US")
        redaction = CallRedaction(redactions.get(self._agent) or unconfigured(), language)
        into = _Into(recorder, self._pending)
        #: What a service answers when it is asked is masked as it would have been in the call.
        self._writer = Redacting(into, None, redaction, tenant=first.tenant, call=first.call)

    async def run(self) -> None:
        """Write what is missing, and wait until it is durable."""
        self._settle_clauses()
        unknown = await self._settle_tools()
        self._settle_approvals()
        self._settle_captures()
        # Tombstones, and looks in a later period's log, are numbered by other counts than this call's.
        call, origin = self._common["call"], self._records[0].origin
        mine = (o for o in self._records if getattr(o.record, "call", None) == call and o.origin == origin)
        last = max((o.record for o in mine), key=lambda record: record.n)
        self._append(r.CallRecovered(**self._common, last_n=last.n, tools_unknown=unknown))
        closed = r.CallClosed(
            **self._common, ended_by="unknown", reason="crashed",
            duration_s=max(0, last.at - self._started_at), records=last.n + 1 + len(self._pending),
        )  # fmt: skip
        self._append(closed)
        for receipt in self._pending:
            await asyncio.wrap_future(receipt)

    def _append(self, record: r.Record, personal: r.Personal | None = None) -> None:
        self._writer.append(record, personal)

    def _settle_clauses(self) -> None:
        played = {o.record.clause for o in self._records if isinstance(o.record, r.AgentPlayed)}
        for opened in self._records:
            record = opened.record
            if not isinstance(record, r.ClauseCleared) or record.clause in played:
                continue
            text = opened.personal.text if isinstance(opened.personal, r.ClauseDetails) else ""
            self._append(
                r.AgentPlayed(
                    **self._common, turn=record.turn, clause=record.clause, samples=0, of_samples=0,
                    rate_hz=RATE_HZ, interrupted=True, evidence=r.Evidence.SENT_ONLY,
                ),
                r.PlayedDetails(text=text, played_text=""),
            )  # fmt: skip

    async def _settle_tools(self) -> int:
        """Ask about each use without an outcome; returns how many stay unknown."""
        known = {o.record.use for o in self._records if isinstance(o.record, _OUTCOMES)}
        unknown = 0
        for opened in self._records:
            record = opened.record
            if not isinstance(record, r.ToolRequested) or record.use in known or record.dry:
                continue
            details = (
                opened.personal if isinstance(opened.personal, r.ToolDetails) else r.ToolDetails(name="")
            )
            state, result = await self._ask(details.name, record.use)
            unknown += state == "no"
            self._append(
                r.ToolUnknown(
                    **self._common, turn=record.turn, use=record.use, reason="crash", reconciled=state
                ),
                r.ToolDetails(
                    name=details.name, arguments=details.arguments, result=result or None, reason="crash"
                ),
            )
        return unknown

    def _settle_approvals(self) -> None:
        """End each request that has no end, and each grant that nothing came of."""
        over = {o.record.use for o in self._records if isinstance(o.record, _DECIDED)}
        granted = {o.record.use for o in self._records if isinstance(o.record, r.ApprovalGranted)}
        followed = {o.record.use for o in self._records if isinstance(o.record, r.ToolRecord)}
        for opened in self._records:
            record, details = opened.record, opened.personal
            if not isinstance(record, r.ApprovalRequested) or record.use in over | (granted & followed):
                continue
            decoy = isinstance(details, r.ApprovalDetails) and details.decoy
            if decoy and record.use in granted:  # granted, and never carried out: that was its end
                continue
            self._append(
                r.ApprovalAbandoned(
                    **self._common, use=record.use, nonce=record.nonce, reason="crashed", kept=False
                ),
                r.ApprovalDetails(decoy=decoy),
            )

    def _settle_captures(self) -> None:
        """End the entry by keys that a crash broke off; the figures were in memory alone."""
        over = {o.record.use for o in self._records if isinstance(o.record, r.CaptureEnded)}
        for opened in self._records:
            record = opened.record
            if isinstance(record, r.CaptureStarted) and record.use not in over:
                self._append(
                    r.CaptureEnded(
                        **self._common, turn=record.turn, use=record.use, outcome="failed", attempts=0
                    )
                )

    async def _ask(self, name: str, use: str) -> tuple[Any, dict[str, Any]]:
        tool = self._tools.get((self._agent, name))
        if tool is None:
            return "no", {}
        try:
            answer = await self._services.reconcile(tool, use)
        except SayError:
            return "no", {}
        # What the caller keyed in is not known any more, so it could not be found in what the service says.
        return answer.state, {} if tool.capture is not None else answer.result
