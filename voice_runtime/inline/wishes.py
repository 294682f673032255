"""What callers want of the runtime itself: to leave it, to take consent back, to know what it is.

Attention routes the caller's words; what is done about these is enacted here, ahead of the model and
without it:

1. a person is fetched (``inline.person``), and the call's receipt is given, on request;
2. opting out in unmistakable words, or by a yes to the question whether that was meant
   (``controls.asked_back``), ends the call and is remembered; in an emergency the number comes first;
3. an objection to recording, or to anything else that takes consent, holds from that moment on;
4. "are you a robot?" is answered by a fixed phrase of the release, and the model is not asked: it cannot
   deny anything. It is answered beside whatever else the caller wants in the same breath, but an emergency;
   what else they asked goes on without that question, as anything else they say does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

from controls import asked_back as b
from controls.consent import Scope
from controls.intents import (
    Intent,
    beside_objections,
    beside_robot_question,
    current,
    intent,
    objections,
)
from controls.ledger.records import Addressed
from voice_runtime.events import CallerSaidFrame, SayFrame, SoundsFrame, SpokenFrame
from voice_runtime.inline.asked_aloud import stretch
from voice_runtime.inline.attention_ports import Opening, Person, Receipt
from voice_runtime.inline.journal import Journal
from voice_runtime.inline.redaction import Redacting

#: Fixed phrase that answers what the caller talks to.
AI_ANSWER = "ai-answer"
#: Fixed phrases that acknowledge an objection: to recording, to anything else.
NOT_RECORDED, NOTED = "not-recorded", "objection-noted"
#: Tag of the question; comes back in its ``SpokenFrame``.
TAG = "wish"

How = Literal["voice", "keypad"]
#: Objections by voice → what they take back.
OBJECTIONS: dict[Intent | None, tuple[Scope, ...]] = {
    Intent.NO_RECORDING: ("record",), Intent.NO_TRAINING: ("training",), Intent.NO_LISTENING: ("listening",),
    Intent.NO_SUPPLIER: ("supplier",), Intent.NO_CALLBACK: ("callback",),
}  # fmt: skip
#: What the runtime acts on by itself, ahead of whatever it has asked; and with what it asks back or answers.
AT_ONCE = frozenset((Intent.EMERGENCY, Intent.PERSON, Intent.OPT_OUT, *OBJECTIONS, Intent.STOP))
ACTS = frozenset((*AT_ONCE, Intent.MAYBE_OPT_OUT, Intent.ROBOT_QUESTION))
#: What takes the caller away from the agent, and whose business ``caller.said`` says it is.
LEAVES: dict[Intent | None, Addressed] = {Intent.PERSON: "person", Intent.OPT_OUT: "opt_out"}
#: What ``caller.said`` says of words that are the runtime's to answer.
ADDRESSED: dict[Intent | None, Addressed] = {
    Intent.MAYBE_OPT_OUT: "maybe_opt_out", Intent.ROBOT_QUESTION: "ai_question",
}  # fmt: skip


class Wishes:
    """One leg's."""

    def __init__(
        self,
        journal: Journal,
        opening: Opening,
        person: Person,
        receipt: Receipt,
        *,
        language: str,
        say: Callable[[SayFrame], Awaitable[None]],
        interrupt: Callable[[], Awaitable[None]],
        to_model: Callable[[str, str | None], Awaitable[None]],
        writer: Redacting,
    ) -> None:
        """Make it.

        Args:
            to_model: judges words of the caller's newest turn and hands them to the model; given as well how
                it may see them, where that is known.
            writer: masks what goes to the model.
        """
        self._journal, self._opening, self._person = journal, opening, person
        self._language = language
        self._say, self._interrupt, self._to_model = say, interrupt, to_model
        self._writer = writer
        self._receipt, self._receipt_waits = receipt, False
        self._question = b.AskedBack()

    # -- the call's receipt -----------------------------------------------------------------------

    def for_receipt(self, meant: Intent | None) -> bool:
        """Asked for it, or for it once more; while a person is fetched, whoever comes has the caller."""
        again = meant is Intent.AGAIN and self._receipt.repeats(self._journal.newest)
        return (meant is Intent.RECEIPT or again) and not self._person.under_way

    def receipt(self, frame: CallerSaidFrame) -> None:
        """The caller asked for it."""
        self.give_receipt(self._journal.caller_said(frame, "receipt"))

    def give_receipt(self, turn: int) -> None:
        """Give what was asked for in that turn, or once the opening is over."""
        if self._opening.finished:
            self._receipt.wanted("spoken", turn)
        else:
            self._receipt_waits = True

    def catch_up(self) -> None:
        """The opening is over."""
        if self._receipt_waits:
            self._receipt_waits = False
            self._receipt.wanted("spoken", self._journal.turn)

    # -- opting out -------------------------------------------------------------------------------

    @property
    def asking(self) -> bool:
        """Whether the caller's next words or keys say if they meant to opt out."""
        return self._question.asking

    async def leaves(self, meant: Intent | None, text: str) -> None:
        """Away from the agent, to a person or for good, in unmistakable words that are on record.

        Whoever asks as well whether this is a machine hears it before.

        Args:
            meant: one of ``LEAVES``.
        """
        asks_what = beside_robot_question(text, self._language) is not None
        if meant is Intent.OPT_OUT:
            await self._opted_out("voice", asks_what=asks_what)
            return
        self._person.urgency.person_wished_for(text, self._language)
        await self._opening.asked("person")
        if asks_what and self._person.under_way:
            await self.say_what_it_is(self._journal.turn, final=True)
        await self._person.wanted("caller_voice", "asked for a person", script=AI_ANSWER if asks_what else "")

    async def ask_back(self, words: str) -> None:
        """The caller's newest turn may mean opting out: ask."""
        await self._step(b.Unclear(words))

    async def reply(self, frame: CallerSaidFrame, yes: bool | None) -> None:
        """What they said to that."""
        since, until = stretch(frame, self._journal)
        listening = current().listening(frame.text, self._language)
        self._journal.caller_said(frame, "opt_out" if yes else "model" if yes is None else "question")
        await self._step(
            b.Reply(yes, "voice", "" if yes is not None else frame.text, since, until, listening)
        )

    async def key(self, yes: bool) -> None:
        """What they pressed."""
        await self._step(b.Reply(yes, "keypad"))

    async def silent(self) -> None:
        """They say nothing to it."""
        await self._step(b.Reply(None))

    async def spoken(self, frame: SpokenFrame) -> None:
        """The question has been played, or cut."""
        await self._step(b.Played(frame.full, frame.started_s, frame.played_ms / 1000))

    async def sounds(self, frame: SoundsFrame) -> None:
        """A phrase begins to sound: ours, or another's."""
        if frame.tag == TAG:
            await self._step(b.Began(frame.started_s))

    async def overtaken(self) -> None:
        """Something that acts at once came first."""
        await self._step(b.Overtaken())

    async def _step(self, event: b.Event) -> None:
        self._question, outputs = self._question.step(event)
        for output in outputs:
            match output:
                case b.Ask():
                    ask = SayFrame(phrase=b.QUESTION, turn=self._journal.turn, tag=TAG)
                    ask.interruptible = False
                    await self._say(ask)
                case b.OptOut(how):
                    await self._opted_out(how)
                case b.ToAgent(words):
                    await self._to_model(words, None)

    async def _opted_out(self, how: How, *, asks_what: bool = False) -> None:
        first = self._person.script if self._person.urgency.stands else ""
        self._person.urgency.drop()  # it was no yes
        await self._opening.asked("opt_out", how)
        if self._person.under_way and not self._person.transferring:
            await self._person.abandon()  # else the transfer follows as soon as its words are cut
        await self._interrupt()
        if first:  # who leaves in an emergency is told the number
            number = SayFrame(phrase=first, turn=self._journal.turn)
            number.interruptible = False
            await self._say(number)
        if asks_what:
            await self.say_what_it_is(self._journal.turn, hard=True)
        goodbye = SayFrame(phrase="opted-out", turn=self._journal.turn, tag="end:caller:opted_out")
        goodbye.interruptible = False
        await self._say(goodbye)

    # -- consent ----------------------------------------------------------------------------------

    async def objects(self, how: How, meant: Intent | None, frame: CallerSaidFrame | None = None) -> None:
        """From now on it is not done; the conversation goes on."""
        owed = await self._opening.objected(how, OBJECTIONS[meant])
        if frame is not None:  # its own words are not kept either, where they object to that
            self._journal.caller_said(frame, "consent")
        if owed and not self._person.under_way:
            phrase = NOT_RECORDED if meant is Intent.NO_RECORDING else NOTED
            found, left = beside_objections(frame.text, self._language) if frame is not None else ((), "")
            noted = SayFrame(phrase=phrase, turn=self._journal.turn, answers=frame is not None)
            noted.final = not (found and left)  # else what else was said is answered behind it
            await self._say(noted)

    async def objects_beside(self, text: str, meant: Intent | None) -> None:
        """What these words object to holds, though what they mean first comes first; no phrase says so."""
        for objection in objections(text, self._language):
            # opting out takes that back itself
            if not (objection is Intent.NO_CALLBACK and meant is Intent.OPT_OUT):
                await self._opening.objected("voice", OBJECTIONS[objection])

    async def besides(self, text: str) -> tuple[str, str]:
        """The first objection of these words, where they hold one, was acted on: act on the others.

        Returns:
            What else the caller said, and that as the model may see it; "" for nothing, or for none.
        """
        found, left = beside_objections(text, self._language)
        for objection in found[1:]:
            await self.objects("voice", objection)
        if not (found and left):
            return "", ""
        masked = self._writer.for_model(text, self._journal.turn, "caller")
        return left, beside_objections(masked, self._language)[1]

    # -- what goes to the agent --------------------------------------------------------------------

    async def to_agent(self, text: str, shown: str | None = None) -> None:
        """Answer what this is, and act on the rest as on any words: ask back, give the receipt, or the model.

        Args:
            shown: as the model may see them, where that was decided when they were said.
        """
        turn = self._journal.turn
        beside = await self.answer_what_it_is(text, turn)
        if beside and beside != text:  # cut out once masked: figures are known by the words around them
            masked = self._writer.for_model(text, turn, "caller") if shown is None else shown
            shown = beside_robot_question(masked, self._language) or masked
        meant = intent(beside, self._language)
        if meant is Intent.MAYBE_OPT_OUT:
            await self.ask_back(beside)
        elif self.for_receipt(meant):
            self.give_receipt(turn)
        elif beside:
            await self._to_model(beside, shown)

    # -- what the caller talks to -------------------------------------------------------------------

    async def answer_what_it_is(self, text: str, turn: int) -> str:
        """Answer whether this is a machine, where that is asked.

        Returns:
            The words that are left for the model; "" when nothing else was asked.
        """
        beside = beside_robot_question(text, self._language)
        if beside is None:
            return text
        await self.say_what_it_is(turn, final=not beside)
        return beside

    async def say_what_it_is(self, turn: int, *, final: bool = False, hard: bool = False) -> None:
        """Say that this is a machine.

        Args:
            final: nothing else follows.
            hard: the caller's ordinary speech does not cut it.
        """
        answer = SayFrame(phrase=AI_ANSWER, turn=turn, final=final)
        answer.interruptible = not hard
        await self._say(answer)
