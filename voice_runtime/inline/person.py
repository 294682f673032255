"""The way to a person on the line: enacts ``controls.handoff``, one output after the other.

A task of its own takes events (wanted, answers, outcomes of transfers), steps
the machine and carries out what it asks for, waiting for each phrase to be
spoken before anything else happens. Only what is said behind a phrase that cannot
be interrupted goes out at once: it is synthesised, and on record, while that sounds.
What the caller says while a number is asked for comes here instead of going to the model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from loguru import logger

from controls import handoff as h
from controls.callback_number import REGIONS, regions_of
from controls.decision import Cleared
from controls.emergency import script_at
from controls.errors import LedgerError, SayError
from controls.gate import Gate
from controls.ids import new_id
from controls.ledger import records as r
from controls.moments import Moments, Told
from controls.rules.moments import HandoffFacts
from voice_runtime.agent import Release
from voice_runtime.clock import Clock
from voice_runtime.events import CallerSaidFrame, SayFrame, SoundsFrame, SpokenFrame
from voice_runtime.inline.answers import Answers
from voice_runtime.inline.journal import Journal
from voice_runtime.inline.promised import Promised
from voice_runtime.inline.routes import routes_now
from voice_runtime.inline.saying import Saying
from voice_runtime.inline.urgency import Urgency
from voice_runtime.ports import CallControl

TAG = "person"

#: Nobody can be reached: the caller stays with the agent, or (it is the agent that fails) the call ends.
_STAYS, _ENDS = h.NOBODY, "nobody"
#: How much of the conversation a person is given.
_SUMMARY_TURNS = 6
_PROMISE_S = 3.0  #: a promise on its way to disk is waited for so long when the caller goes


class WayToAPerson:
    """One call's handoffs; at most one at a time."""

    def __init__(
        self,
        journal: Journal,
        gate: Gate,
        release: Release,
        *,
        language: str,
        clock: Clock,
        caller: str,
        receipt_deadline_s: float,
        say: Callable[[SayFrame], Awaitable[None]],
        interrupt: Callable[[], Awaitable[None]],
        finish: Callable[[str, str], Awaitable[None]],
        on_nobody: Callable[[], Awaitable[None]],
        consent: Callable[[bool, h.How], Awaitable[None]],
        barred: Callable[[], bool],
        moments: Moments | None = None,
        place: str = "",
    ) -> None:
        """Make the way to a person of one call.

        Args:
            consent: puts on record whether the caller may be called back, and how they said so.
            barred: whether the caller opted out, and is not called back whatever they say.
            caller: the number the call came from, "" when withheld.
            finish: ends the call (``ended_by``, ``reason``).
            on_nobody: the caller was told that nobody can be reached, and stays with the agent.
            place: jurisdiction of the line, whose emergency numbers are named; "" is unknown.
            moments: judges what a person is told, and who is tried first; without it nothing is.
        """
        self.control: CallControl | None = None
        self._journal, self._gate, self._release, self._language = journal, gate, release, language
        self._clock, self._caller = clock, caller
        self._deadline_s = receipt_deadline_s
        self._saying = Saying(TAG, journal, say)
        self._interrupt, self._finish, self._on_nobody = interrupt, finish, on_nobody
        self._consent, self._barred = consent, barred
        self._moments, self._first, self._place = moments, "", place
        known = release.redaction.regions if release.redaction is not None else REGIONS
        self._machine: h.Handoff | None = None
        self._by, self._reason, self._id = "agent", "", ""
        self._events: asyncio.Queue[h.Event] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self.urgency = Urgency(journal, lambda: self._by == "emergency" and self._busy)
        self._dialled_at_s = 0.0
        self._answers = Answers(
            self._saying, journal, machine=lambda: self._machine, language=language,
            regions=regions_of(place, known),
            put=lambda event: self._events.put_nowait(event),  # noqa: PLW0108  # the queue is replaced
        )  # fmt: skip
        self._stepping = self.transferring = False
        self._promised: Promised | None = None
        self._closed = asyncio.Event()

    # -- events ---------------------------------------------------------------------------------

    @property
    def under_way(self) -> bool:
        """A person is being fetched."""
        return self._machine is not None and not self._machine.done

    @property
    def asking(self) -> bool:
        """The caller's next words or keys answer a question of ours."""
        return self._machine is not None and self._machine.asking

    @property
    def urgent(self) -> bool:
        """The newest handoff was an emergency's."""
        return self._machine is not None and self._machine.urgent

    @property
    def script(self) -> str:
        """Fixed phrase that names the number of the newest emergency; "" where none was named."""
        if (doubt := self.urgency.doubt) is not None:
            return doubt.script
        return self._machine.script if self._machine and self._by == "emergency" else ""

    @property
    def _busy(self) -> bool:
        return self._task is not None and not self._task.done()

    @property
    def at_rest(self) -> bool:
        """At most an answer or a transfer's outcome is waited for."""
        waits = (self.asking or self.transferring) and self._events.empty() and not self._stepping
        return waits or not self._busy

    async def wanted(self, by: str, reason: str, *, script: str = "", answers: bool = True) -> None:
        """Fetch a person; harmless while one is being fetched.

        An emergency's script is spoken before anything else is done, and whatever else was under way gives
        way to it; what is under way for an emergency goes on. In doubt of one, whoever is wanted is for it.

        Args:
            by: ``handoff.requested``'s ``requested_by``.
            script: fixed phrase spoken first (an emergency's, or what else the caller is owed).
            answers: it is the answer to the caller's newest words (not to a key, or to a clock).
        """
        goes_on = (self._busy and self.urgent) or (self.under_way and by != "emergency")
        if goes_on or self.urgency.script_due or self._closed.is_set():
            self.urgency.taken_up()
            return
        why = ""
        if (doubt := self.urgency.taken()) is not None:
            why, by, reason, script = script, "emergency", doubt.rule, doubt.script
        elif script and by == "emergency":  # only its words are of the place
            script = self.script_at(reason, script)
        self._saying.answers = answers
        self.urgency.script_due = by == "emergency"
        try:
            if await self._makes_way(by, reason, script, why):
                self._begin(by, reason, script if by == "emergency" else "")
        finally:
            self.urgency.script_due = False

    def script_at(self, rule: str, script: str) -> str:
        """What to say on this line where ``rule`` found an emergency."""
        return script_at(self._release.rules, rule, script, self._language, self._place)

    async def _makes_way(self, by: str, reason: str, script: str, why: str) -> bool:
        """Silence the agent, say the script and end what was under way. False: that goes on instead."""
        if self.under_way and self._machine is not None:
            if self._machine.state is h.HandoffState.TRANSFERRING:
                await self._becomes_urgent(by, reason, script)
                return False
            await self._overtaken(script)
        else:
            if self._busy:
                await self.abandon()  # it has come to its end, and waits for its last words to sound
            if by not in ("failure", "rule"):  # then a fixed phrase says so already
                await self._interrupt()
            await self._saying.phrases(why, script)
        return not self._closed.is_set()  # else the call ended while the agent was silenced

    def _begin(self, by: str, reason: str, script: str) -> None:
        routes = routes_now(self._release, self._clock.unix_s())
        self._by, self._reason, self._id = by, reason, new_id("h")
        self._first = next((route.desk for route in routes), "")
        if to := self._told().to:
            routes = (*(x for x in routes if x.desk == to), *(x for x in routes if x.desk != to))
            self._first = to
        self._machine = h.Handoff.over(routes, self._caller, script)
        self._task = asyncio.create_task(self._run(), name="way to a person")
        self._task.add_done_callback(self.urgency.changed)
        self._events.put_nowait(h.Wanted(by))  # type: ignore[arg-type]

    async def _becomes_urgent(self, by: str, reason: str, script: str) -> None:
        """A person is being called already: that goes on, behind the script."""
        assert self._machine is not None
        self._by, self._reason = by, reason
        self._machine, _ = self._machine.step(h.Urgent(script))
        with self._saying.more_comes():  # the transfer waits for the script as well
            await self._interrupt()
            await self._saying.phrases(script)

    async def _overtaken(self, script: str) -> None:
        """Have the script spoken; then settle on record what it took the place of. Waits for neither."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        self._answers.keys.drop()
        self._saying.let_go()
        self._events, self._stepping, self.transferring = asyncio.Queue(), False, False
        await self._interrupt()
        await self._saying.phrases(script)
        if task is not None:
            await asyncio.gather(task, return_exceptions=True)
        if self._machine is not None:
            self._machine, outputs = self._machine.step(h.Overtaken())
            for output in outputs:
                if isinstance(output, h.RecordFailed):
                    self._record(output)

    def reply(self, frame: CallerSaidFrame, *, refused: bool, on_record: bool = False) -> None:
        """The caller's words while we ask something: as ``Answers.reply``."""
        self._answers.reply(frame, refused=refused, on_record=on_record)

    async def answer(self, text: str, yes: bool | None) -> None:
        """What the caller said to our question; ``yes`` is None when it was neither yes nor no."""
        self._answers.said(text, yes)

    async def key(self, key: str) -> None:
        """A key pressed while we ask something."""
        self._answers.key(key)

    async def says_first(self, phrase: str) -> bool:
        """Say this to a caller whom a question is open to, then put that question once more.

        Returns:
            Whether one is open; else nothing is said.
        """
        if not self.asking:
            return False
        self._answers.keys.drop()
        self._saying.withdraw()
        with self._saying.more_comes():
            await self._interrupt()
            self._saying.answers = False
            await self._saying.speak(SayFrame(phrase=phrase))
        self._events.put_nowait(h.Again())
        return True

    def sounds(self, frame: SoundsFrame) -> None:
        """One of our phrases begins to sound."""
        self._saying.sounds(frame)

    async def spoken(self, frame: SpokenFrame) -> None:
        """One of our phrases has been played, or cut."""
        self._answers.spoken(frame)

    def not_said(self, tag: str) -> None:
        """One of our phrases could not be spoken: nobody can answer a question they never got."""
        if self._saying.waits_for(tag) and self.asking:
            self._events.put_nowait(h.Unclear())

    def never_said(self, tag: str) -> None:
        """One of our phrases will not sound at all: nothing waits for its end any more."""
        self.not_said(tag)
        self._saying.ended(tag)

    def dialled(self, status: str) -> None:
        """The carrier reports how a transfer went (``DialCallStatus``)."""
        self.transferring = self._saying.answers = False
        waited = max(0, round(self._clock.unix_s() - self._dialled_at_s))
        if status == "completed":
            self._events.put_nowait(h.Accepted(waited))
            return
        reasons: dict[str, h.FailReason] = {"busy": "busy", "no-answer": "no_answer"}
        self._events.put_nowait(h.Failed(reasons.get(status, "carrier"), waited))

    async def finished(self, patience_s: float = 5.0) -> None:
        """Wait until the newest event has been acted on and the handoff is over."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=patience_s)

    async def close(self) -> None:
        """The call is over: nobody is fetched any more."""
        self._closed.set()
        await self.abandon()

    async def abandon(self) -> None:
        """The caller is gone: promise what they agreed to, and stop."""
        self._answers.keys.drop()
        task, self._task = self._task, None
        if task is not None:
            if self._machine is not None and self._machine.state is h.HandoffState.PROMISING:
                await asyncio.wait([task], timeout=_PROMISE_S)  # its receipt decides what is on record
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._saying.let_go()
        if self._machine is not None and not self._machine.done:
            await self._step(h.Gone(), there=False)

    # -- enacting -------------------------------------------------------------------------------

    async def _run(self) -> None:
        while self.under_way:
            event = await self._events.get()
            self._stepping = True
            await self._step(event, there=True)
            self._stepping = False

    async def _step(self, event: h.Event, *, there: bool) -> None:
        agreed = self._answers.offering and isinstance(event, h.Yes | h.Number)
        if agreed or (self._answers.confirming and isinstance(event, h.Yes)):
            await self._saying.all_over()
            if not self._saying.question.full:  # nobody agrees to what they were not asked in full
                event = h.Unclear()
        if isinstance(event, h.Again) and self._saying.put:
            return  # it was put once more already
        pending = [event]
        while pending and self._machine is not None:
            if self._barred():
                self._machine = self._machine.bar()
            self._machine, outputs = self._machine.step(pending.pop(0))
            self._answers.asked_anew(outputs, self._events)
            for output in outputs:
                follows = await self._enact(output, there)
                if follows is not None:
                    pending.append(follows)

    async def _enact(self, output: h.Output, there: bool) -> h.Event | None:
        """Carry out one output; an event when it asks for one."""
        match output:
            case h.Request(by):
                return await self._request(by)
            case h.Say(phrase, answer):
                await self._saying.may_follow()
                if phrase == _STAYS and self._by == "failure":
                    phrase = _ENDS
                hard = not answer or phrase == h.OFFER
                await self._saying.speak(SayFrame(phrase=phrase), hard=hard, asks=answer)
                promised = self._promised if phrase == "callback-promised" else None
                if promised is not None and (when := promised.said(self._release, self._language)):
                    await self._saying.speak(SayFrame(text=when), hard=False)
            case h.ReadBack(number):
                await self._saying.may_follow()
                template = self._release.templates["confirm-number"][self._language]
                asked = SayFrame(text=template.format(number=h.spoken_number(number)))
                await self._saying.speak(asked, hard=False, asks=True)
            case h.Transfer(route):
                await self._saying.all_over()
                return await self._transfer(route)
            case h.Consent(given, how):
                await self._consent(given, how)
            case h.PromiseCallback():
                return await self._promise(output)
            case h.RecordAccepted() | h.RecordFailed() | h.RecordCompleted():
                self._record(output)
            case h.Finish(ending, _):
                await self._saying.all_over()
                await self._over(ending, there)
        return None

    async def _request(self, by: h.RequestedBy) -> h.Event:
        cleared: Cleared | None = None
        try:
            cleared = self._gate.transfer(self._id, by, self._details(), self._journal.turn)
            await self._journal.durable(cleared.receipt, self._deadline_s)
        except LedgerError:
            if cleared is None or not self._gate.hurry(cleared):
                return h.Refused()
        return h.Durable()

    async def _transfer(self, route: h.Route) -> h.Event | None:
        if self.control is None:
            return h.Failed("carrier", 0)
        self._dialled_at_s = self._clock.unix_s()
        self.transferring = True
        try:
            async with asyncio.timeout(route.wait_s):
                await self.control.transfer(route.number)
        except (SayError, TimeoutError) as error:
            self.transferring = False
            logger.warning("a transfer failed: {}", type(error).__name__)
            return h.Failed("carrier", round(self._clock.unix_s() - self._dialled_at_s))
        return None  # the carrier reports the outcome: ``dialled``

    async def _promise(self, promise: h.PromiseCallback) -> h.Event:
        route, journal = promise.route, self._journal
        promised = self._promised = Promised.by(
            self._release, route.desk, route.within_working_h, self._language, self._clock.unix_s()
        )
        receipt = journal.append(
            r.CallbackPromised(
                tenant=journal.tenant, call=journal.call, handoff=self._id,
                number_confirmed=promise.confirmed, within_working_h=route.within_working_h,
            ),
            r.CallbackDetails(
                number=promise.number, reason=self._reason, summary=self._summary(), desk=route.desk,
                due_at=promised.due.isoformat(),
            ),
        )  # fmt: skip
        try:
            await journal.durable(receipt, max(self._deadline_s, 2.0))
        except LedgerError:
            if not journal.spooled(receipt):
                return h.Refused()
        return h.Durable()

    def _record(self, output: h.RecordAccepted | h.RecordFailed | h.RecordCompleted) -> None:
        journal = self._journal
        common = {"tenant": journal.tenant, "call": journal.call, "handoff": self._id}
        match output:
            case h.RecordAccepted(mode, waited_s):
                journal.append(r.HandoffAccepted(**common, mode=mode, waited_s=waited_s), self._details())
            case h.RecordCompleted(mode, waited_s):
                journal.append(r.HandoffCompleted(**common, mode=mode, waited_s=waited_s), self._details())
            case h.RecordFailed(desk, reason, waited_s):
                record = r.HandoffFailed(**common, reason=reason, waited_s=waited_s)
                journal.append(record, self._details(desk))

    async def _over(self, ending: h.Ending, there: bool) -> None:
        if not there:
            return
        if ending == "promised":
            await self._finish("agent", "callback")
        elif ending == "completed":
            await self._finish("person", "transferred")
        elif self._by == "failure":
            await self._finish("failure", "failed")
        else:
            await self._on_nobody()

    # -- what a person is given -----------------------------------------------------------------

    def _details(self, desk: str = "") -> r.HandoffDetails:
        return r.HandoffDetails(to=desk, reason=self._reason, summary=self._summary())

    def _summary(self) -> str:
        """The newest turns, unless a rule keeps them back."""
        return self._told().text

    def _told(self) -> Told:
        newest = self._journal.transcript.newest(_SUMMARY_TURNS)  # as the record holds them; none: no text
        text = " / ".join(f"{who}: {said}" for who, said in newest)[:2000]
        if self._moments is None:
            return Told(text)
        facts = HandoffFacts.model_validate({"by": self._by, "reason": self._reason, "desk": self._first})
        return self._moments.handoff(self._id, text, facts, self._journal.turn)
