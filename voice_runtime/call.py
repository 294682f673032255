"""One call: its records opened, its pipeline built and run, everything settled at the end.

1. ``open_call`` writes ``call.opened``, what it is bound to and its fixed phrases; a
   call is answered only once that is durable.
2. ``Call.run`` runs a leg (``leg.py``: the pipeline) until somebody ends the call or a transfer takes it;
   a transfer that fails brings the caller back into a second leg of the same call.
3. Whatever happened, every cleared clause gets its ``agent.played`` and the call its
   ``call.closed``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Literal

from loguru import logger
from pipecat.frames.frames import EndFrame, Frame
from pipecat.processors.aggregators.llm_context import LLMContext

from controls.bound_phrases import phrase_digest
from controls.capture import EndedFor
from controls.emergency import scripts
from controls.errors import LedgerError, SayError
from controls.gate import Gate
from controls.handoff import OFFER
from controls.ledger import records as r
from controls.opening import CLINICAL_END
from controls.redaction.file import unconfigured
from controls.stop import Kind as StopKind
from voice_runtime.agent import Release
from voice_runtime.beside import Beside
from voice_runtime.call_ports import Carrier
from voice_runtime.events import ClauseFrame, SayFrame
from voice_runtime.house import Agent, Facts, House
from voice_runtime.inline.capture import KeyCapture
from voice_runtime.inline.counted import Counted
from voice_runtime.inline.ends import CallEnds, SoFar
from voice_runtime.inline.in_time import EndsInTime
from voice_runtime.inline.journal import Journal
from voice_runtime.inline.opening import Disclosure, opening_of, remember_opt_out
from voice_runtime.inline.person import WayToAPerson
from voice_runtime.inline.receipt import TEMPLATE, CallerReceipt
from voice_runtime.inline.redaction import CallRedaction, Redacting
from voice_runtime.inline.spans import FollowingSpans
from voice_runtime.inline.stopped import StoppedCall
from voice_runtime.inline.unheard import Unheard
from voice_runtime.leg import Leg
from voice_runtime.speak.spoken import Reader
from voice_runtime.think.call_judges import CallJudges
from voice_runtime.think.call_uses import CallUses
from voice_runtime.think.chat import tool_schemas
from voice_runtime.think.tools import ToolRunner
from voice_runtime.tracing import CallTimes

EndedBy = Literal["caller", "agent", "person", "carrier", "operator", "failure", "unknown"]

#: Seconds a call gets to put its last records on disk.
_LAST_RECORDS_S = 5.0


@dataclass(slots=True)
class _Ending:
    by: EndedBy = "unknown"
    reason: str = "failed"
    said: bool = False


class Call:
    """One call on the line. Made by ``open_call``."""

    def __init__(self, id: str, facts: Facts, agent: Agent, house: House) -> None:
        release = agent.release
        self.id, self.facts, self.agent, self.house = id, facts, agent, house
        self._beside = Beside()
        #: Runs work beside the pipeline; what it raises is logged, never lost.
        self.spawn = self._beside.run
        self.language = facts.language or release.language
        self.reader = Reader(self.language, release.say_as.get(self.language))
        self.context = LLMContext(tools=list(tool_schemas(release.tools)))
        spans = FollowingSpans(
            house.tracing, release.name,
            lambda: CallTimes(lambda: self.journal.answered_ns, lambda turn: self.journal.marks(turn).asked),
        )  # fmt: skip
        so_far = SoFar(spans)
        self._recorder = Counted(house.recorder, house.spool, so_far)
        self.redaction = CallRedaction(release.redaction or unconfigured(), self.language)
        self.writer = Redacting(
            self._recorder, self._recorder.spool, self.redaction, tenant=facts.tenant, call=id
        )
        self.journal = Journal(
            self.writer, tenant=facts.tenant, call=id, clock=house.clock, context=self.context,
            spool=self.writer.spool, on_governed=house.on_governed, as_sealed=self.writer.as_sealed,
        )  # fmt: skip
        self.journal.scripts = scripts(release.rules)
        self.gate = Gate(
            recorder=self.writer, tenant=facts.tenant, call=id, rules=agent.rules,
            language=self.language, spool=self.writer.spool, risk=release.risk, kept=self.writer.kept,
        )  # fmt: skip
        self.ends = CallEnds(
            self.writer, self.gate, self.journal, so_far, house.clock, language=self.language,
            say=self.say, fetch_a_person=partial(self.fetch_a_person, answers=False),
        )  # fmt: skip
        opening = opening_of(
            release, facts.jurisdiction, self.language, now_s=house.clock.unix_s(),
            spoken=agent.said, outside=agent.listens_outside, opted_out=facts.opted_out,
        )  # fmt: skip
        self.opening = Disclosure(
            self.journal, self.say, self.interrupt, self.fetch_a_person, opening=opening,
            language=self.language, greeting="greeting" in release.phrases, clock=house.clock,
            remember=partial(remember_opt_out, house.opt_outs, facts.tenant, facts.caller, self.id),
        )  # fmt: skip
        self.person = WayToAPerson(
            self.journal, self.gate, release, language=self.language, clock=house.clock, caller=facts.caller,
            receipt_deadline_s=house.receipt_deadline_s, say=self.say, interrupt=self.interrupt,
            finish=self._finish_by_person, on_nobody=self._nobody, moments=self.ends.moments,
            barred=lambda: self.opening.opted_out, place=facts.jurisdiction,
            consent=partial(
                self.opening.callback, asked=phrase_digest(agent.said.get(OFFER, {}).get(self.language, ""))
            ),
        )  # fmt: skip
        self.receipt = CallerReceipt(
            self.journal, self.gate, template=release.templates.get(TEMPLATE, {}).get(self.language, ""),
            deadline_s=house.receipt_deadline_s, say=self.say, show=self.show, spawn=self.spawn,
        )  # fmt: skip
        self.capture = KeyCapture(
            self.journal, deadline_s=house.receipt_deadline_s, spawn=self.spawn,
            fetch_a_person=self.fetch_a_person, barred=self._nobody_enters,
            now_s=lambda: house.clock.monotonic_ns() / 1e9,
        )  # fmt: skip
        self.judges = CallJudges(
            agent.judges, self.journal, enter=house.recorder.append,
            may_leave=lambda: self.opening.allows("supplier"),
            for_model=lambda value, turn: self.writer.for_model(value, turn, "agent"),
            now_ns=house.clock.monotonic_ns,
        )  # fmt: skip
        self.in_time = EndsInTime(self.person.urgency, lambda: self.person.script, self._goodbye)
        self.unheard = Unheard(
            self.journal, self.opening, self.person.urgency, in_a_row=release.misheard_in_a_row,
            keying=lambda: self.capture.paused, say=self.say, says_first=self.person.says_first,
            no_answer=lambda: self.spawn(self._opened(self.opening.answer(None, "voice"))),
            fetch_a_person=partial(self.fetch_a_person, answers=False), spawn=self.spawn,
        )  # fmt: skip
        self.stopped = StoppedCall(self.opening, self.person, self.interrupt)
        #: The agent's words of which the last ones sound now; the present leg's egress knows.
        self.last_words: Callable[[], str] = lambda: ""
        self.uses = CallUses.of(release.tools, house.tool_uses, release.name, facts.caller)
        self._ending = _Ending()
        self._leg: Leg | None = None
        self._tools: ToolRunner | None = None
        self._one_leg = asyncio.Lock()
        self.legs = 0  # pipelines so far: one, and one for each transfer that came back
        self._receipt_failed = False
        self._closed = False
        self._may_hang_up = False
        self._begun = False

    @property
    def release(self) -> Release:
        return self.agent.release

    @property
    def at_rest(self) -> bool:
        """Nothing is owed or under way beside the model: the next thing is the caller's or the carrier's."""
        return not (self.journal.owed() or self._beside) and self.in_time.at_rest and self.person.at_rest

    @property
    def leaving(self) -> bool:
        """The call ends: somebody hung up, or it was ended."""
        return self._ending.said

    @property
    def answered(self) -> bool:
        """Whether the carrier has opened its media stream."""
        return bool(self.journal.answered_ns)

    # -- running --------------------------------------------------------------------------------

    async def run(self, carrier: Carrier, *, came_back: str = "") -> None:
        """Run the call on ``carrier`` until it ends or a transfer takes it.

        Never raises for what a caller or supplier does.

        Args:
            came_back: ``DialCallStatus`` of the transfer the caller comes back from.
        """
        self.legs += 1
        if self._leg is not None:  # the carrier brings the caller back before it closed the first stream
            await self._leg.worker.cancel()
        async with self._one_leg:
            if not self.journal.answered_ns:
                self.journal.answered_ns = self.house.clock.monotonic_ns()
            self.person.control = carrier.control
            self.journal.nothing_cut()
            leg = self._leg = Leg(self, carrier, came_back)
            self._tools = leg.tools
            try:
                await leg.run()
            finally:
                self._leg = None
                await asyncio.shield(self._leg_over(carrier))

    async def _leg_over(self, carrier: Carrier) -> None:
        if self.person.transferring:
            self.capture.gone("person")
            if self._tools is not None:  # the next leg has its own; a question still open is refused
                await self._tools.aclose()
            for cleared in self.journal.owed():
                self.journal.never_played(cleared)
            return
        await self.close()
        if not self._may_hang_up:  # no record, no effect: closing the stream leads to a person
            return
        if carrier.control is not None and self._ending.by not in ("caller", "carrier"):
            try:
                await carrier.control.hang_up()
            except SayError as error:
                logger.error("the carrier did not hang up: {}", type(error).__name__)

    def _nobody_enters(self) -> EndedFor | None:
        """Why the caller is not to be asked for figures now."""
        if self.leaving or self.stopped.active:
            return "hung_up" if self.leaving else "stopped"
        return "person" if self.person.under_way or self.person.urgency.stands else None

    # -- what stages ask of the call --------------------------------------------------------------

    async def begin(self, came_back: str) -> None:
        """The media flows: open the call, or take the caller back from a transfer."""
        if self._leg is not None:
            media = asdict(self._leg.carrier.media)
            self.journal.append(r.MediaOpened(tenant=self.facts.tenant, call=self.id, **media))
        if came_back:
            self.person.dialled(came_back)
        else:
            await self.opening.begin()
        self._begun = True
        if self.stopped.active:
            self.spawn(self.stopped.run())

    async def say(self, frame: SayFrame) -> None:
        """Have the agent say something of the runtime's own."""
        if self._leg is not None:
            await self._leg.attention.say(frame)

    async def show(self, frame: Frame) -> None:
        """Have egress show something, where the caller has a screen."""
        if self._leg is not None:
            await self._leg.attention.push_frame(frame)

    async def interrupt(self) -> None:
        """Cut whatever the agent says or thinks."""
        if self._leg is not None:
            await self._leg.attention.interrupt()

    def fetch_a_person(self, by: str, reason: str, *, answers: bool = True) -> None:
        """Start the way to a person, from anywhere; harmless when it is under way.

        Args:
            answers: it is the answer to the caller's newest words.
        """
        self.capture.gone("person")
        self.spawn(self.person.wanted(by, reason, answers=answers))

    async def _nobody(self) -> None:
        """No person could be reached; the caller stays with the agent."""
        if self.stopped.active:
            await self._goodbye("operator", "stopped")
            return
        if self.ends.owed is not None:
            await self._goodbye("agent", self.ends.owed[1])
            return
        if self.person.urgent and self.opening.finished:
            return  # what was said last told who speaks, and the number to dial: nothing comes behind it
        await self._opened(self.opening.back())

    async def _opened(self, step: Awaitable[None]) -> None:
        """Take a step of the opening; what waited for it is answered."""
        await step
        if self._leg is not None:
            await self._leg.attention.catch_up()

    async def _finish_by_person(self, ended_by: str, reason: str) -> None:
        """The way to a person is over, and so is the call; after a promise the agent has the last words."""
        if not self.release.clinical or reason != "callback":
            await self.finish(ended_by, reason)
            return
        frame = SayFrame(phrase=CLINICAL_END, turn=self.journal.turn, tag=f"end:{ended_by}:{reason}")
        frame.interruptible = frame.answers = False
        await self.say(frame)

    async def finish(self, ended_by: str, reason: str) -> None:
        """End the call: what is being said is over by now."""
        if self._ending.said or not await self.ends.may_end(ended_by, reason):
            return
        self._ending = _Ending(*self.stopped.ending(ended_by, reason), said=True)  # type: ignore[arg-type]
        self.capture.gone("hung_up" if ended_by in ("caller", "carrier") else "stopped")
        if self._tools is not None:  # else the end waits behind a use that waits for a person
            self._tools.nobody_waits()
        if self._leg is not None:
            await self._leg.worker.queue_frame(EndFrame())

    def disconnected(self, carrier: Carrier) -> None:
        """This carrier's media ended: the caller hung up, or a transfer took the call."""
        if self._leg is None or self._leg.carrier is not carrier:
            return  # the caller is back on another stream already
        if not self._ending.said and not self.person.transferring:
            self._ending = _Ending("caller", "hung_up", said=True)
            self.capture.gone("hung_up")
        self.spawn(self._leg.gone())

    def stop(self, scope: StopKind = "agent") -> None:
        """A person stopped what the caller talks to: say so, and fetch somebody."""
        if not self.stopped.active and not self._ending.said:
            self.stopped.active = True
            self.journal.append(
                r.CallStopped(tenant=self.facts.tenant, call=self.id, turn=self.journal.turn, scope=scope)
            )
            self.capture.gone("stopped")
            if self._begun and self._leg is not None:  # else once the caller can be spoken to
                self.spawn(self.stopped.run())

    def tool_stopped(self, tool: str | None) -> None:
        """A person stopped this tool: figures that the caller enters for it are not wanted any more."""
        if tool is not None and tool == self.capture.tool:
            self.capture.gone("stopped")

    def drain(self) -> None:
        """The server stops: say goodbye and end, once no emergency stands."""
        self.in_time.end("operator", "drained")

    def ear_failed(self, reason: str) -> None:
        """The recogniser broke (``deadline``, ``crash``), or made nothing of what was said (``misheard``)."""
        self.unheard.failed(reason)

    def half_duplex(self, active: bool) -> None:
        """The line's echo persists (or has subsided): voice does not interrupt while the agent speaks."""
        self.journal.append(r.MediaHalfDuplex(tenant=self.facts.tenant, call=self.id, active=active))

    # -- failing, out loud ------------------------------------------------------------------------

    def too_long(self) -> None:
        """The longest a call may last is over: it ends once no emergency stands."""
        self.in_time.end("agent", "too_long")

    async def _goodbye(self, ended_by: str, reason: str, first: str = "") -> None:
        """End the call aloud; ``first``: fixed phrase ahead of it."""
        if not await self.ends.may_end(ended_by, reason):
            return
        self.capture.gone("stopped")
        await self.interrupt()
        if first:
            said = SayFrame(phrase=first, turn=self.journal.turn, answers=False)
            said.interruptible = False
            await self.say(said)
        await self.opening.ending()
        frame = SayFrame(
            phrase="goodbye", turn=self.journal.turn, tag=f"end:{ended_by}:{reason}", answers=False
        )
        frame.interruptible = False
        await self.say(frame)

    def model_exhausted(self) -> None:
        """Nothing is left to ask for an answer: the caller gets a person."""
        self.journal.control_failed("model", "exhausted")
        self.fetch_a_person("failure", "the model did not answer")

    def voice_failed(self, clause: ClauseFrame, some_played: bool) -> None:
        """No voice could speak a clause (to its end): say something that is synthesised already."""
        self.journal.control_failed("voice", "broken")
        self.person.not_said(clause.tag)
        if not clause.cleared.phrase:
            self.spawn(self.say(SayFrame(phrase="fallback", turn=clause.cleared.turn)))

    def guard_failed(self, tag: str, said: bool) -> None:
        """Something of ours broke between a word and the caller: they get a person.

        Args:
            tag: of what was to be said.
            said: the fallback is spoken in its place.
        """
        if not said:
            self.person.never_said(tag)
        if not tag.startswith("end:"):
            self.fetch_a_person("failure", "what was to be said could not be judged or spoken")
        elif not said:  # the last words: with or without them the call is over
            _, ended_by, reason = tag.split(":")
            self.spawn(self.finish(ended_by, reason))

    def no_receipt(self, clause: ClauseFrame) -> None:
        """A clause was discarded for want of its record: say so once, and fetch a person."""
        self.journal.control_failed("ledger", "deadline")
        self.person.not_said(clause.tag)
        if self._receipt_failed:
            return
        self._receipt_failed = True
        self.spawn(self.say(SayFrame(phrase="fallback", turn=clause.cleared.turn)))
        self.fetch_a_person("failure", "the record could not be written")

    # -- the end ----------------------------------------------------------------------------------

    async def transferred(self) -> None:
        """A person took the caller, and that conversation is over."""
        self.person.dialled("completed")
        await self.person.finished()
        await self.close()

    async def close(self) -> None:
        """Every clause its ``agent.played``, every question its answer, and ``call.closed``. Once."""
        if self._closed:
            return
        self._closed = True
        self.capture.gone("hung_up")
        await self.person.close()
        if self._tools is not None:
            await self._tools.aclose()
        await self.judges.aclose()
        self.in_time.close()
        self.ends.over(self._ending.by, self._ending.reason)
        if self.house.approvals is not None:
            self.house.approvals.call_over(self.id)
        self._beside.cancel()
        journal = self.journal
        for cleared in journal.owed():
            journal.never_played(cleared)
        try:
            cleared = self.gate.hang_up(self._end())
            await journal.durable(cleared.receipt, _LAST_RECORDS_S)
        except LedgerError:
            logger.error("call {}: its last records are not durable", self.id)
            return
        self._may_hang_up = True

    def not_taken(self) -> None:
        """Its first records were not durable in time: they may be yet, so they get an end. Waits for nothing.

        A call that stays open on record keeps its log from ever ending, and looks as if it went on.
        """
        self._closed = True
        self._ending = _Ending("failure", "failed")
        try:
            self.gate.hang_up(self._end())
        except LedgerError:  # nothing of it is on record, then
            logger.error("call {}: not taken, and its end is not on record", self.id)

    def _end(self) -> r.CallClosed:
        """``call.closed`` as of now."""
        return self.ends.closed(self._ending.by, self._ending.reason, self._recorder.count)
