"""A use that is cleared leaves, once: what came of it, on record and as the model is told.

1. one request leaves, and is never cancelled or repeated;
2. ``tool.executed`` or ``tool.unknown``; an unknown one is asked about once, and asked for again it is the
   same use (``think.doubts``): asked about once more, then sent with its own key or not at all;
3. the answer is read (``think.tool_results``); what is not given as it came is on record as ``tool.result``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from controls.ledger import records as r
from voice_runtime.agent import Tool
from voice_runtime.think.answers import Answer, Came
from voice_runtime.think.call_uses import CallUses
from voice_runtime.think.doubts import Doubt, Lost, NotKept
from voice_runtime.think.keyed import Entered
from voice_runtime.think.services import ServiceClient
from voice_runtime.think.tool_ports import ToolJournal
from voice_runtime.think.tool_results import Read, ResultReader
from voice_runtime.think.tool_values import DRY, STOPPED, UNKNOWN, ToolResult, answered, not_done

_CHANGED = "this tool is not what was reviewed, and is not used; do not try again, offer a person"
_DONE_BEFORE = "the same was asked for before, and had been done then"
_IN_DOUBT = (
    "the same was asked for before, and it is not known whether that was done; it was not sent again, "
    "and a person is fetched"
)
_NOT_KEPT = "whether the same is in doubt cannot be told; do not try again, offer a person"
_MAY_UNDO = "; if the caller wants that, the tool under undo takes it back"


@dataclass(frozen=True, slots=True)
class Use:
    """One use that is to be made, with exactly the arguments that were judged.

    Attributes:
        kept: what the caller entered by keys for it.
    """

    id: str
    tool: Tool
    arguments: dict[str, Any]
    turn: int
    kept: Entered = field(default_factory=Entered)


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of a use.

    Attributes:
        undone: the use that was certainly not done, so that it does not count; "" where that is not certain.
        done: the service says that it was, whether or not its answer could be read.
        person: nobody knows, and the caller wants it still: a person is to be fetched.
    """

    result: ToolResult
    undone: str = ""
    done: bool = False
    person: bool = False


class Sending:
    """One call's requests to its tools' services."""

    def __init__(
        self,
        services: ServiceClient,
        journal: ToolJournal,
        reader: ResultReader,
        uses: CallUses,
        stopped: Callable[[str], bool],
    ) -> None:
        self._services, self._journal = services, journal
        self._reader, self._undoing, self._doubts, self._stopped = reader, uses.undoing, uses.doubts, stopped

    async def again(self, use: Use, doubt: Doubt) -> Sent | None:
        """It is the same as one in doubt: ask about that one. None: it may leave, with that one's key.

        Never raises for what a service does.
        """
        asked = await self._services.reconcile(use.tool, doubt.use)
        if asked.state == "not_done" or (asked.state == "no" and doubt.may_leave(use.tool)):
            return None
        if asked.state == "no":
            return Sent(self._refused(use, "in_doubt", _IN_DOUBT), person=True)
        self._refused(use, "in_doubt", _DONE_BEFORE)
        await self._doubts.settled(doubt, use.tool)
        body = {} if use.tool.capture is not None else asked.result  # it may repeat what was entered then
        first = use
        if doubt.here:
            first = replace(use, id=doubt.use)
            self._unknown(first, doubt.lost, "done", body)
        return Sent(replace(await self._done(first, body), use=use.id), done=True)

    async def send(self, use: Use) -> Sent:
        """Send it, wait for what comes of it, and record that. Never raises for what a service does."""
        if use.tool.dry_run:
            told = not_done(use.id, use.tool.name, use.arguments, "dry_run", DRY)
            return Sent(replace(told, content=told.content | {"dry_run": True}), undone=use.id)
        try:
            doubt = await self._doubts.leaves(use.id, use.tool, use.arguments)
        except NotKept:
            return Sent(self._refused(use, "not_counted", _NOT_KEPT), undone=use.id)
        came = await self._services.call(
            use.tool, use.arguments, doubt.use, exchange=use.kept.exchange,
            may_leave=lambda: not self._stopped(use.tool.name),
        )  # fmt: skip
        answer = use.kept.answer(came)
        if answer.came in (Came.CHANGED, Came.STOPPED, Came.UNREACHED):
            doubt.sent -= 1  # nothing left: it is in doubt only if it was before
        if answer.came in (Came.DONE, Came.REFUSED) or (doubt.here and not doubt.sent):
            await self._doubts.settled(doubt, use.tool)
        if answer.came is Came.CHANGED:
            return Sent(self._refused(use, "changed", _CHANGED), undone=use.id)
        if answer.came is Came.STOPPED:
            return Sent(self._refused(use, "stopped", STOPPED), undone=use.id)
        if answer.outcome_known:
            return await self._executed(use, answer, doubt)
        reason: Literal["timeout", "broken_answer"] = (
            "timeout" if answer.came is Came.TIMEOUT else "broken_answer"
        )
        doubt.lost = reason
        self._unknown(use, reason, "no", {})
        asked = use.kept.asked(await self._services.reconcile(use.tool, doubt.use))
        if asked.state != "no":
            self._unknown(use, reason, asked.state, asked.result)
        if asked.state == "done":
            await self._doubts.settled(doubt, use.tool)
            return Sent(await self._done(use, asked.result), done=True)
        if asked.state == "not_done":  # when it was asked: the request may be on its way still
            told = not_done(use.id, use.tool.name, use.arguments, "not_done", "the service did not do it")
            return Sent(told, undone=doubt.use)
        self._undoing.made(use.id, use.tool, use.arguments, {})
        return Sent(self._with_undo(use, "unknown", UNKNOWN))

    async def _executed(self, use: Use, answer: Answer, doubt: Doubt) -> Sent:
        ok = answer.came is Came.DONE
        self._journal.append(
            r.ToolExecuted(
                tenant=self._journal.tenant, call=self._journal.call, turn=use.turn, use=use.id,
                ok=ok, status=answer.status, duration_ms=answer.duration_ms,
            ),
            r.ToolDetails(
                name=use.tool.name, arguments=use.arguments, result=answer.body, reason=answer.came.value
            ),
        )  # fmt: skip
        if ok:
            return Sent(await self._done(use, answer.body), done=True)
        if answer.came is Came.UNREACHED:
            why = "the service cannot be reached"
            return Sent(not_done(use.id, use.tool.name, use.arguments, "unreached", why), undone=use.id)
        read = await self._reader.read(use.tool.name, answer.body, ok=False)
        self._looked_at(use, read)
        told = answered(use.id, use.tool.name, use.arguments, read.data, ok=False)
        if answer.came is Came.REFUSED:
            return Sent(told, undone=doubt.use)
        self._undoing.made(use.id, use.tool, use.arguments, {})
        said = self._with_undo(use, "failed", UNKNOWN)
        return Sent(replace(told, content=told.content | said.content))

    def _refused(
        self, use: Use, reason: Literal["changed", "stopped", "in_doubt", "not_counted"], why: str
    ) -> ToolResult:
        """Its server offers something else by now, a person stopped it, or it may be done already."""
        self._journal.append(
            r.ToolRefused(
                tenant=self._journal.tenant, call=self._journal.call, turn=use.turn, use=use.id,
                reason=reason,
            ),
            r.ToolDetails(name=use.tool.name, arguments=use.arguments, reason=why),
        )  # fmt: skip
        return not_done(use.id, use.tool.name, use.arguments, reason, why)

    async def _done(self, use: Use, body: dict[str, Any]) -> ToolResult:
        read = await self._reader.read(use.tool.name, body)
        self._looked_at(use, read)
        # What the service says of itself may be a lie, where it is no answer at all.
        self._undoing.made(use.id, use.tool, use.arguments, read.data)
        if read.given:
            return answered(use.id, use.tool.name, use.arguments, read.data, ok=True)
        why = f"the service says it was done, but {read.why}; do not try again, offer a person"
        return self._with_undo(use, "unreadable", why)

    def _with_undo(self, use: Use, reason: str, why: str) -> ToolResult:
        offered = self._undoing.offered(use.id)
        told = not_done(use.id, use.tool.name, use.arguments, reason, why + (_MAY_UNDO if offered else ""))
        return replace(told, content=told.content | offered)

    def _looked_at(self, use: Use, read: Read) -> None:
        """On record, unless the model is given it as it came."""
        if read.state == "as_it_came":
            return
        finding = read.finding
        verdicts = () if finding is None else (
            r.Found(
                rule=finding.rule, verdict=finding.verdict, annex_a=finding.annex_a, risk=finding.risk,
                reason=finding.reason,
            ),
        )  # fmt: skip
        self._journal.append(
            r.ToolAnswer(
                tenant=self._journal.tenant, call=self._journal.call, turn=use.turn, use=use.id,
                state=read.state, given=read.given,
            ),
            r.ToolDetails(
                name=use.tool.name, arguments=use.arguments, reason=read.fault, verdicts=verdicts
            ),
        )  # fmt: skip

    def _unknown(
        self, use: Use, reason: Lost,
        reconciled: Literal["no", "done", "not_done"], result: dict[str, Any],
    ) -> None:  # fmt: skip
        self._journal.append(
            r.ToolUnknown(
                tenant=self._journal.tenant, call=self._journal.call, turn=use.turn, use=use.id,
                reason=reason, reconciled=reconciled,
            ),
            r.ToolDetails(
                name=use.tool.name, arguments=use.arguments, result=result or None, reason=reason
            ),
        )  # fmt: skip
