"""Every use of a tool goes through the gate: checked, read back, recorded, then sent once.

Order of a use, none of which may be left out:

1. the tool is one the agent declares, its arguments fit its JSON Schema and it
   was not used too often; otherwise it is refused, and the model is told;
2. a tool with ``read_back`` stops here until the caller has said yes;
3. it is counted against the limits of a day (``think.counting``), and given back
   should it certainly not be done;
4. the gate decides and queues ``tool.requested``; where a person is to decide first,
   it does so once they granted it, and their grant is durable (``think.approving``);
5. the receipt of that record is waited for, and then for what the caller enters by keys (``think.keyed``);
6. one request leaves, what came of it is recorded, and its answer is read before the
   model is given it (``think.sending``). A dry run ends before that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from loguru import logger

from controls.approval import ApprovalState
from controls.approvals import UseFacts
from controls.decision import Decision, Verdict
from controls.errors import LedgerError
from controls.ids import new_id
from controls.result_text import ResultRules
from controls.rules.judges import Question
from voice_runtime.agent import Tool
from voice_runtime.receipts import receipt_in_time
from voice_runtime.shown import TURNS, shown_to_a_person
from voice_runtime.think import keyed
from voice_runtime.think.approving import Approving, SayPhrase
from voice_runtime.think.call_judges import NOBODY, AsksJudges
from voice_runtime.think.call_uses import CallUses
from voice_runtime.think.counting import NOT_COUNTED, Counting
from voice_runtime.think.doubts import NotKept
from voice_runtime.think.read_back import PendingReadBack, waiting_for_yes
from voice_runtime.think.sending import Sending, Use
from voice_runtime.think.services import ServiceClient
from voice_runtime.think.tool_arguments import Ready, compiled, fault
from voice_runtime.think.tool_ports import (
    AskBack,
    KeyEntry,
    OnSlow,
    ReadBack,
    RefusedBecause,
    Speak,
    ToolGate,
    ToolJournal,
    ToolOutcome,
)
from voice_runtime.think.tool_results import ResultReader
from voice_runtime.think.tool_values import STOPPED, UNCONFIRMED, UNKNOWN, Job, ToolResult, not_done

#: Once a person has changed a use so often, it is refused.
MOST_EDITS = 3


class ToolRunner:
    """One call's tools. Not a frame processor: the model service calls it.

    Ordering: uses run one after another. Interruptions: a use goes on in a task of
    its own; what it came to is handed out by the next ``settle``. Closing: ``aclose``
    waits for the uses under way.
    """

    def __init__(
        self,
        tools: tuple[Tool, ...],
        *,
        gate: ToolGate,
        journal: ToolJournal,
        services: ServiceClient,
        language: str,
        receipt_deadline_s: float = 1.0,
        slow_after_s: float = 0.7,
        ask: AskBack | None = None,
        on_handoff: Callable[[str], None] | None = None,
        approving: Approving | None = None,
        stopped: Callable[[str], bool] = lambda tool: False,
        leaving: Callable[[], bool] = lambda: False,
        counting: Counting | None = None,
        result_rules: ResultRules | None = None,
        entry: KeyEntry | None = None,
        judges: AsksJudges = NOBODY,
        uses: CallUses | None = None,
    ) -> None:
        """Compile the schemas.

        Args:
            slow_after_s: a use that has run for so long is slow, s of real time.
            ask: how a read-back is asked; without it the model service says it itself,
                as a ``SayFrame`` tagged ``read-back``.
            on_handoff: called with a rule's name when its verdict on a use is ``handoff``, and with
                ``approval/…`` when a use that waited for a person ends with one.
            approving: waits for people; without it a use that needs one is refused.
            stopped: whether a tool is stopped at present.
            leaving: whether the caller is gone.
            counting: counts uses of a day; without it a tool with a limit per day is refused.
            result_rules: find instructions in what services answer; None looks for none.
            entry: takes what callers enter by keys; without it a tool that needs that is not used.
            judges: asks the models that rules ask.
            uses: of the call, where it has had another runner before.

        Raises:
            OperatorError: a tool's schemas or read-back sentence is broken.
        """
        self._tools = {t.name: Ready(t, compiled(t, language)) for t in tools}
        self._gate = gate
        self._journal = journal
        self._counting = counting or Counting(None, "")
        uses = uses if uses is not None else CallUses.of(tools)
        self._undoing, self._doubts, self._uses = uses.undoing, uses.doubts, uses.made
        self._sending = Sending(services, journal, ResultReader(tools, result_rules), uses, stopped)
        self._language = language
        self._receipt_deadline_s = receipt_deadline_s
        self._slow_after_s = slow_after_s
        self.ask = ask
        #: Says a fixed phrase to the caller of that turn while a use waits for a person; set by who can.
        self.say: SayPhrase | None = None
        #: Says a phrase while the caller enters something by keys; likewise.
        self.speak: Speak | None = None
        self._entry = entry
        self._on_handoff = on_handoff
        self._approving = approving
        self._stopped, self._leaving, self._judges = stopped, leaving, judges
        self._jobs: list[Job] = []
        self._told: list[ToolResult] = []
        self._running: set[asyncio.Task[ToolResult]] = set()
        self.pending: PendingReadBack | None = None

    # -- what the model asks for -----------------------------------------------------------------

    async def use(
        self, name: str, arguments: dict[str, Any] | None, turn: int, *, on_slow: OnSlow | None = None
    ) -> ToolResult:
        """Use a tool, or say why not. Cancelling the caller of this does not cancel the use.

        Args:
            arguments: as the model wrote them; None when they were no JSON object.
            on_slow: called once when the use takes long, while it goes on.
        """
        use = new_id("u")
        ready = self._tools.get(name)
        if ready is None:
            return self._refuse(use, name, arguments or {}, turn, "unknown_tool", "there is no such tool")
        wrong = fault(ready, arguments)
        if wrong or arguments is None:
            return self._refuse(use, name, arguments or {}, turn, "bad_arguments", wrong)
        if self._stopped(name):
            return self._refuse(use, name, arguments, turn, "stopped", STOPPED)
        tool = ready.tool
        again = self._doubts.knows(tool, arguments)  # the same use, which is counted already
        if not again and tool.per_call is not None and self._uses[name] >= tool.per_call:
            return self._refuse(use, name, arguments, turn, "too_often", "used too often in this call")
        if tool.read_back:  # nobody is asked to agree to what would be refused; it is counted once they have
            if not again and (full := await self._counting.room(tool, arguments)) is not None:
                return self._refuse(use, name, arguments, turn, *full)
            return self._read_back(use, tool, arguments, turn)
        return await self._wait(Job(self._start(use, tool, arguments, turn, "none")), on_slow)

    async def _wait(self, job: Job, on_slow: OnSlow | None) -> ToolResult:
        try:
            await self._done({job.task}, on_slow)
            return await asyncio.shield(job.task)
        except asyncio.CancelledError:
            job.before_caller = True
            self._jobs.append(job)
            self._cut_off()
            raise

    def _cut_off(self) -> None:
        """The caller speaks: until it is clear what they want, nothing that waits for a person happens."""
        self._judges.withdraw()
        if self._leaving():
            self.nobody_waits()
        elif self._approving is not None:
            self._approving.cut_off()

    def nobody_waits(self) -> None:
        """The caller wants something else, or is gone: what waits for a person must not happen."""
        self._judges.withdraw()
        if self._approving is not None:
            self._approving.withdraw("hung_up" if self._leaving() else "interrupted")

    async def _done(self, uses: set[asyncio.Task[ToolResult]], on_slow: OnSlow | None) -> None:
        """Wait for all of them; cancelling this cancels none."""
        if on_slow is not None:
            _, slow = await asyncio.wait(uses, timeout=self._slow_after_s)
            while slow and self._entry is not None and self._entry.paused:  # it is the caller who is slow
                _, slow = await asyncio.wait(uses, timeout=self._slow_after_s)
            if slow:
                await on_slow()
        await asyncio.wait(uses)

    def _start(
        self, use: str, tool: Tool, arguments: dict[str, Any], turn: int, read_back: ReadBack
    ) -> asyncio.Task[ToolResult]:
        self._uses[tool.name] += not self._doubts.knows(tool, arguments)
        task = asyncio.create_task(self._made(use, tool, arguments, turn, read_back), name=f"tool {use}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _made(
        self, use: str, tool: Tool, arguments: dict[str, Any], turn: int, read_back: ReadBack
    ) -> ToolResult:
        """As ``_carry_out``; what breaks in it leaves the model told that nobody knows."""
        try:
            return await self._carry_out(use, tool, arguments, turn, read_back)
        except Exception as error:  # noqa: BLE001  # it may have left: said, not tried again
            logger.error("tool {}: {} after it was cleared", tool.name, type(error).__name__)
            return not_done(use, tool.name, arguments, "unknown", UNKNOWN)

    def _refuse(
        self, use: str, name: str, arguments: dict[str, Any], turn: int, reason: RefusedBecause, why: str
    ) -> ToolResult:
        if (ready := self._tools.get(name)) is not None:
            arguments = keyed.withheld(ready.tool, arguments)
        try:
            self._gate.refuse_tool(use, name, arguments, turn, reason=reason, why=why)
        except LedgerError:  # nothing happens all the same
            logger.error("a refused tool is not on record")
        return not_done(use, name, arguments, reason, why)

    def pass_over(self, name: str, arguments: dict[str, Any] | None, turn: int) -> None:
        """Record a use that is not made: the model asked for it together with one that waits for a yes."""
        self._refuse(new_id("u"), name, arguments or {}, turn, "unconfirmed", "another waited for a yes")

    # -- read-back -------------------------------------------------------------------------------

    def _read_back(self, use: str, tool: Tool, arguments: dict[str, Any], turn: int) -> ToolResult:
        if self.pending is not None:  # the model asks for another: the older was never confirmed
            self._drop("unconfirmed")
        self.pending = waiting_for_yes(use, tool, arguments, turn, self._language)
        return ToolResult(use, tool.name, arguments, ok=False, content={"ok": False}, pending=True)

    def answer(self, yes: bool | None, turn: int) -> bool:
        """What the caller answered to the read-back, in that turn of theirs; whether one was waiting.

        Returns at once; the use runs by itself. Call it before the model is run on the caller's words;
        that run waits for the outcome and is told it. Yes: the use goes through the gate. No: it is refused.
        None (anything else): it is dropped, and the words go to the model as usual. Whether a yes is one to
        this question, and to all of it, is settled before (``controls.read_back``).
        """
        pending, self.pending = self.pending, None
        if pending is None:
            return False
        if yes:
            task = self._start(pending.use, pending.tool, pending.arguments, turn, "confirmed")
            self._jobs.append(Job(task))
        elif yes is False:
            self._told.append(self._refuse_pending(pending, turn, "caller_said_no", before_caller=False))
        else:
            self._told.append(self._refuse_pending(pending, turn, "unconfirmed", before_caller=True))
        return True

    def _drop(self, reason: RefusedBecause) -> None:
        pending, self.pending = self.pending, None
        if pending is not None:
            self._told.append(self._refuse_pending(pending, pending.turn, reason, before_caller=True))

    def _refuse_pending(
        self, pending: PendingReadBack, turn: int, reason: RefusedBecause, *, before_caller: bool
    ) -> ToolResult:
        why = "the caller said no" if reason == "caller_said_no" else UNCONFIRMED
        told = self._refuse(pending.use, pending.tool.name, pending.arguments, turn, reason, why)
        return replace(told, before_caller=before_caller)

    # -- what came of it -------------------------------------------------------------------------

    @property
    def at_rest(self) -> bool:
        """Nothing is under way or waits for a yes, and the model was told of everything."""
        return not self._jobs and not self._told and self.pending is None

    async def settle(self, *, on_slow: OnSlow | None = None) -> list[ToolResult]:
        """Wait for uses that outlived an interruption or were just confirmed; hand out what they came to.

        Cancelling it loses nothing: the next ``settle`` hands the same out.

        Args:
            on_slow: called once when that takes long.
        """
        jobs = list(self._jobs)
        if jobs:
            if self._approving is not None:
                self._approving.goes_on()
            try:
                await self._done({j.task for j in jobs}, on_slow)
            except asyncio.CancelledError:
                self._cut_off()
                raise
        told, self._told = self._told, []
        self._jobs = [j for j in self._jobs if j not in jobs]
        for job in jobs:
            if (error := job.task.exception()) is not None:
                logger.error("{} failed: {}", job.task.get_name(), type(error).__name__)
                continue
            result = job.task.result()
            told.append(replace(result, before_caller=job.before_caller or result.before_caller))
        return told

    async def aclose(self, deadline_s: float = 5.0) -> None:
        """The call is over: refuse what waits for a yes, and let what was sent come to its record."""
        self._drop("unconfirmed")
        self._judges.withdraw()
        if self._approving is not None:
            self._approving.withdraw("hung_up")
        if self._running:
            await asyncio.wait(list(self._running), timeout=deadline_s)
            self._drop("unconfirmed")  # a person changed a use in this very moment
        await self._counting.aclose(deadline_s)

    async def _carry_out(
        self, use: str, tool: Tool, arguments: dict[str, Any], turn: int, read_back: ReadBack, edits: int = 0
    ) -> ToolResult:
        """Steps 3 to 6; never raises."""
        if self._stopped(tool.name):
            return self._refuse(use, tool.name, arguments, turn, "stopped", STOPPED)
        try:
            doubt = await self._doubts.of(tool, arguments)
        except NotKept:
            return self._refuse(use, tool.name, arguments, turn, "not_counted", NOT_COUNTED)
        if doubt is not None and (known := await self._sending.again(Use(use, tool, arguments, turn), doubt)):
            if known.person and self._on_handoff is not None:
                self._on_handoff("tool/in-doubt")
            return known.result
        same = doubt.use if doubt is not None else use
        if (full := await self._counting.take(same, tool, arguments)) is not None:
            return self._refuse(use, tool.name, arguments, turn, *full)
        arguments = keyed.with_token(tool, arguments)
        try:
            said = self._journal.caller_text()
            judged = keyed.without_token(tool, arguments)
            asks = self._gate.asks_of_use(use, tool.name, judged, turn, said)
            answers = await self._judges.ask(use, turn, asks)
            outcome = self._gate.tool(
                use, tool.name, arguments, turn, risk=tool.risk, read_back=read_back,
                idempotent=tool.idempotent, caller_said=said, ask=tool.approval, answers=answers,
                undoable=bool(tool.undo_with) or tool.risk == "low", confidence=self._journal.confidence,
                dry=tool.dry_run, undo_of=self._undoing.undoes(tool.name, arguments),
                by_keys=tool.capture.argument if tool.capture else "",
                repeats=self._doubts.repeated(tool, arguments),
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001  # a gate that breaks lets nothing pass
            logger.error("tool {}: the gate failed: {}", tool.name, type(error).__name__)
            await self._counting.give_back(use, tool)
            return not_done(use, tool.name, arguments, "rule", "not possible now")
        if outcome.decision.ask is not None and outcome.cleared is None:
            return await self._ask_a_person(tool, outcome.decision, turn, read_back, edits, asks)
        return await self._cleared(use, tool, arguments, turn, outcome, asks)

    async def _cleared(
        self,
        use: str,
        tool: Tool,
        arguments: dict[str, Any],
        turn: int,
        outcome: ToolOutcome,
        asks: Sequence[Question],
    ) -> ToolResult:
        """Steps 5 and 6, if the use may be made at all."""
        cleared, decision = outcome.cleared, outcome.decision
        if cleared is None:
            if decision.verdict is Verdict.HANDOFF and self._on_handoff is not None:
                self._on_handoff(decision.verdicts[0].rule)
            await self._counting.give_back(use, tool)
            return not_done(use, tool.name, arguments, "rule", decision.verdicts[0].reason)
        try:
            await receipt_in_time(cleared.receipt, self._receipt_deadline_s)
        except LedgerError:
            logger.error("tool {}: not sent, its record is not durable", tool.name)
            await self._counting.give_back(use, tool)
            return self._refuse(use, tool.name, arguments, turn, "stopped", "not possible now")
        # Exactly what was judged and recorded, whatever became of the model's own object since.
        exact = dict(decision.proposal.arguments)
        undone = self._undoing.undoes(tool.name, exact)
        try:
            kept = await keyed.entered(self._entry, tool, exact, use, turn, self.speak)
        except keyed.NotEntered as why_not:
            self._uses[tool.name] -= not self._doubts.knows(tool, exact)  # nothing was done
            await self._counting.give_back(use, tool)
            return self._refuse(use, tool.name, exact, turn, "not_entered", str(why_not))
        if self._stopped(tool.name):  # while they were entered
            await self._counting.give_back(use, tool)
            return self._refuse(use, tool.name, exact, turn, "stopped", STOPPED)
        self._judges.later(cleared, asks)
        sent = await self._sending.send(Use(use, tool, exact, turn, kept))
        if sent.undone:
            await self._counting.give_back(sent.undone, tool)
        elif sent.done and undone is not None:
            self._undoing.undone(undone)
        return sent.result

    async def _ask_a_person(
        self,
        tool: Tool,
        decision: Decision,
        turn: int,
        read_back: ReadBack,
        edits: int,
        asks: Sequence[Question],
    ) -> ToolResult:
        """The use waits for a person; it is made only if they grant it as it is."""
        use, arguments = decision.proposal.id, dict(decision.proposal.arguments)
        if self._approving is None or edits > MOST_EDITS or self._leaving():
            await self._counting.give_back(use, tool)
            return self._refuse(use, tool.name, arguments, turn, "not_approved", "nobody can be asked")
        ready, said = self._tools[tool.name], self._journal.transcript.newest(TURNS + 1)
        came = await self._approving.decided(
            decision,
            UseFacts(
                tool.risk,
                read_back,
                tool.idempotent,
                tool.dry_run,
                self._undoing.undoes(tool.name, arguments),
                self._doubts.repeated(tool, arguments),
            ),
            shown=shown_to_a_person(tool.name, tool.does, tuple(v.reason for v in decision.verdicts), said),
            quotes=bool(said),
            fault=lambda changed: fault(ready, keyed.without_token(tool, changed)),
            say=self._says,
        )
        if came.state is ApprovalState.GRANTED and not self._stopped(tool.name):
            return await self._cleared(use, tool, arguments, turn, self._gate.approved(use), asks)
        await self._counting.give_back(use, tool)
        told = self._refuse(use, tool.name, arguments, turn, "not_approved", came.detail or STOPPED)
        if came.handoff and self._on_handoff is not None:
            self._on_handoff(f"approval/{came.state}")
        if came.state is not ApprovalState.EDITED:
            return replace(told, before_caller=came.called_off)
        # A use of its own: read back where its values are, judged, and asked about again.
        if tool.read_back:
            self._uses[tool.name] -= not self._doubts.knows(tool, arguments)  # counted when it is confirmed
            return self._read_back(came.becomes, tool, came.edited, turn)
        return await self._carry_out(came.becomes, tool, came.edited, turn, read_back, edits + 1)

    async def _says(self, phrase: str, turn: int) -> None:
        if self.say is not None:
            await self.say(phrase, turn)
