"""Who the caller speaks to: emergency, a person, a pending question, or the model.

One processor between the ear and pipecat's user aggregator. What the caller said is put on record here once,
then goes to exactly one addressee (or, of two wishes in one breath, each to its own) in this order:

1. an emergency, a request for a person, key 0 and an opt-out act at once, also while the disclosure plays;
   "stop" acts at once on everything but the disclosure, which has to be played;
2. an objection to being recorded takes effect at once, and ends nothing; words that may mean opting out are
   asked back; whether this is a machine is answered by a fixed phrase, also beside all of these but an
   emergency. What else was said in the same breath goes on (``inline.wishes``, ``controls.beside``);
3. a question of the opening's takes its answer, by voice or by key 1 (yes) and 2 (no); while the opening is
   not finished, everything else waits for it;
4. a request for the call's receipt is answered by the runtime itself;
5. a pending question (a read-back, a telephone number) takes its answer, by voice or by key 1 and 2; a
   read-back only while it is what was asked last (``inline.read_backs``);
   figures that are being entered take all keys, and of what is said meanwhile only 1 and 2 are acted on;
6. the rest goes to the model as one whole turn (``inline.whole_turn``).

At a pause that may be the end of the turn, words that would go to the model (6) are
shown to it as provisional; here nothing else is done with them, and nothing is recorded.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from pipecat.frames.frames import (
    EagerEndOfTurnCancelFrame,
    Frame,
    InterruptionFrame,
    OutputTransportReadyFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from controls.decision import Verdict
from controls.gate import Gate
from controls.intents import Intent, beside_robot_question, emergency, intent, yes_in_doubt, yes_or_no
from voice_runtime.events import (
    CallerCaptionFrame,
    CallerPausedFrame,
    CallerSaidFrame,
    CallerSilentFrame,
    CallerStartedFrame,
    KeyPressedFrame,
    MediaStoppedFrame,
    ProvisionalTurnFrame,
    ReceiptAskedFrame,
    SayFrame,
    SoundsFrame,
    SpokenFrame,
)
from voice_runtime.inline.attention_ports import Keys, Opening, Person, ReadBacks, Receipt
from voice_runtime.inline.capture import ENDS_ENTRY
from voice_runtime.inline.emergencies import ASK, Emergencies
from voice_runtime.inline.journal import Journal
from voice_runtime.inline.kept_from_model import kept_from_model
from voice_runtime.inline.read_backs import OpenReadBack, model_runs
from voice_runtime.inline.redaction import WITHHELD, CallRedaction, Redacting
from voice_runtime.inline.undecided import UndecidedUse, Waits
from voice_runtime.inline.whole_turn import whole_turn
from voice_runtime.inline.wishes import ACTS, ADDRESSED, AI_ANSWER, AT_ONCE, LEAVES, OBJECTIONS, How, Wishes
from voice_runtime.inline.wishes import TAG as WISH_TAG
from voice_runtime.speak.spoken import Reader


class Attention(FrameProcessor):
    """Routes what the ear heard. One for each call."""

    def __init__(
        self,
        journal: Journal,
        gate: Gate,
        *,
        language: str,
        opening: Opening,
        person: Person,
        read_backs: ReadBacks,
        receipt: Receipt,
        capture: Keys,
        reader: Reader,
        redaction: CallRedaction,
        writer: Redacting,
        begin: Callable[[], Awaitable[None]],
        begins_with: type[Frame] = OutputTransportReadyFrame,
        finish: Callable[[str, str], Awaitable[None]],
        may_end: Callable[[str, str], Awaitable[bool]] | None = None,
        media_patience_s: float = 10.0,
        last_words: Callable[[], str] = lambda: "",
        waits: Waits | None = None,
        silenced: Callable[[], bool] = lambda: False,
    ) -> None:
        """Make the attention of one call.

        Args:
            reader: says how a question sounds, so that what was played can be held against it.
            redaction: told of the caller's words before anything else is done with them.
            writer: masks what goes to the model, and puts that on record.
            begin: called once the carrier can be spoken to.
            begins_with: the frame that says so.
            finish: ends the call, given ``call.closed``'s ``ended_by`` and ``reason``.
            may_end: whether the agent may end it now, given the same; without it it always may.
            media_patience_s: media missing for longer than this ends the call.
            last_words: the agent's words of which the last ones sound now.
            waits: uses of tools that wait for a person; None where nobody is asked.
            silenced: whether the agent was stopped, and answers nothing more.
        """
        super().__init__(name="attention")
        self._journal, self._gate, self._language = journal, gate, language
        self._opening, self._person = opening, person
        self._read_back = OpenReadBack(
            read_backs, journal, reader, language=language, last_words=last_words, push=self.push_frame
        )
        self._undecided = UndecidedUse(waits, journal, interrupt=self.interrupt, push=super().push_frame)
        self._receipt, self._capture = receipt, capture
        self._redaction, self._writer, self._silenced = redaction, writer, silenced
        self._wishes = Wishes(
            journal, opening, person, receipt, language=language, say=self.push_frame,
            interrupt=self.interrupt, to_model=self._to_model, writer=writer,
        )  # fmt: skip
        self._begin, self._begins_with = begin, begins_with
        self._finish, self._may_end = finish, may_end
        self._media_patience_s = media_patience_s
        self._emergencies = Emergencies(journal, opening, person, say=self.say, interrupt=self.interrupt)
        self._waiting: list[tuple[str, str]] = []  # as said, and as the model may see it
        self._cut = self._begun = False
        self._provisional = ""  # the words the model was shown, until their turn is settled

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        match frame:
            case CallerSaidFrame() if frame.private or self._capture.paused:
                await self._said_in_private(frame)
            case CallerSaidFrame():
                await self._said(frame)
            case CallerPausedFrame():
                await self._paused(frame)
            case EagerEndOfTurnCancelFrame():
                await self._withdraw()
            case KeyPressedFrame():
                await self._key(frame.key)
            case ReceiptAskedFrame():
                self._receipt.wanted("shown", self._journal.turn)
            case CallerSilentFrame():
                await self._silent(frame.step)
            case MediaStoppedFrame():
                if frame.for_s >= self._media_patience_s:
                    self._journal.control_failed("carrier", "deadline")
                    await self._finish("carrier", "failed")
            case SpokenFrame():
                await self._spoken(frame)
            case SoundsFrame():
                self._read_back.sounds(frame)
                await self._wishes.sounds(frame)
                for asks in (self._person, self._opening, self._emergencies):
                    asks.sounds(frame)
            case CallerStartedFrame():
                pass
            case InterruptionFrame():
                await self._interrupted(frame, direction)
            case _:
                await self.push_frame(frame, direction)
                if not self._begun and isinstance(frame, self._begins_with):
                    self._begun = True
                    await self._begin()

    async def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        """As ever; whatever the runtime says of its own, whoever has it said, comes by here."""
        waits = False
        if isinstance(frame, SayFrame):
            self._read_back.something_else()
            if frame.tag != WISH_TAG:  # an "okay" to this is none to whether opting out was meant
                await self._wishes.overtaken()
            waits = await self._undecided.makes_way(frame)
        await super().push_frame(frame, direction)
        if waits:
            await super().push_frame(model_runs())

    async def say(self, frame: SayFrame) -> None:
        """Have the voice say something of the runtime's own."""
        await self.push_frame(frame)

    async def interrupt(self) -> None:
        """Cut whatever the agent says or thinks, at once."""
        await self._interrupted(InterruptionFrame(), FrameDirection.DOWNSTREAM)

    async def _interrupted(self, frame: InterruptionFrame, direction: FrameDirection) -> None:
        self._cut = True
        self._undecided.cut()
        self._provisional = ""  # the model withdraws what it began, as this passes it
        if direction is FrameDirection.DOWNSTREAM:
            self._journal.cutting()
        await self.push_frame(frame, direction)

    # -- speech ---------------------------------------------------------------------------------

    async def _paused(self, frame: CallerPausedFrame) -> None:
        """Let the model begin, where the words would go to it and what it would be shown is complete."""
        await self._withdraw()
        if not (self._goes_to_model(frame.text) and self._journal.at_rest):
            return
        if self._redaction.begins_masked(frame.text, self._journal.newly_played()):
            return
        turn = self._journal.turn + 1
        if self._gate.caller(frame.text, turn, over=False).decision.verdict is Verdict.ALLOW:
            self._provisional = frame.text
            await self.push_frame(ProvisionalTurnFrame(turn, frame))

    async def _withdraw(self) -> None:
        if self._provisional:
            self._provisional = ""
            await self.push_frame(EagerEndOfTurnCancelFrame())

    def _goes_to_model(self, text: str) -> bool:
        """Whether ``_said`` would hand these words to the model, and do nothing else with them."""
        return not (
            (meant := intent(text, self._language)) in ACTS
            or self._wishes.for_receipt(meant)
            or self._emergencies.asking
            or self._person.asking
            or self._person.under_way
            or self._capture.paused
            or not self._opening.finished
            or self._silenced()
            or self._wishes.asking
            or self._read_back.asking
        )

    async def _said(self, frame: CallerSaidFrame) -> None:
        if frame.aside or frame.text != self._provisional or not self._goes_to_model(frame.text):
            await self._withdraw()
        self._redaction.caller(frame.text, self._journal.newly_played())
        shown = self._writer.shown(frame.text)
        await self.push_frame(CallerCaptionFrame(shown, self._journal.turn + 1))
        meant = intent(frame.text, self._language)
        asks_what = beside_robot_question(frame.text, self._language) is not None
        if meant in AT_ONCE and not frame.aside:
            await self._wishes.overtaken()
        if not frame.aside and (meant in ACTS or self._wishes.for_receipt(meant)):
            self._read_back.something_else()
        if frame.aside:
            self._journal.caller_said(frame, "nobody")
        elif await self._acts_at_once(frame, meant, frame):
            pass
        elif meant is Intent.STOP:
            self._journal.caller_said(frame, "stop")
            if self._opening.finished and not (self._person.under_way or self._person.urgency.stands):
                await self.interrupt()
                await self._undecided.something_else(answered=False)
        elif self._emergencies.asking and not asks_what:  # which leaves that question open
            if await self._emergencies.reply(frame, yes_in_doubt(frame.text, self._language)):
                self._answer_later(frame.text)
            await self.catch_up()
        elif self._wishes.for_receipt(meant):
            self._wishes.receipt(frame)
        elif self._person.asking or self._person.under_way:
            if asks_what or not self._person.asking:  # on record, and in the summary a person gets
                self._journal.caller_said(frame, "ai_question" if asks_what else "nobody")
            await self._while_fetched(frame, on_record=asks_what)
        elif self._silenced() or self._undecided.listened(frame.text, self._language):
            self._journal.caller_said(frame, "nobody")
            await self._undecided.goes_on()
        elif self._opening.asking:
            yes = yes_or_no(frame.text, self._language, self._opening.question.words)
            if await self._opening.reply(frame, yes):  # what else was said is answered after it
                self._answer_later(frame.text)
            await self.catch_up()
        elif not self._opening.finished:
            self._journal.caller_said(frame, ADDRESSED.get(meant, "model"))
            self._answer_later(frame.text)
        elif self._wishes.asking and not asks_what:
            await self._wishes.reply(frame, yes_or_no(frame.text, self._language))
        elif self._read_back.asking and meant not in ADDRESSED:
            await self._read_back.reply(frame)
            await self._to_model(frame.text)
        else:
            self._journal.caller_said(frame, ADDRESSED.get(meant, "model"))
            await self._wishes.to_agent(frame.text)

    async def _said_in_private(self, frame: CallerSaidFrame) -> None:
        """Said while figures were entered by keys: what acts at once does; the words are kept nowhere."""
        meant = intent(frame.text, self._language)
        if meant in ENDS_ENTRY:
            self._capture.said(ENDS_ENTRY[meant])
        await self._acts_at_once(frame, meant, replace(frame, text=WITHHELD))

    async def _acts_at_once(
        self, frame: CallerSaidFrame, meant: Intent | None, kept: CallerSaidFrame
    ) -> bool:
        """Act on what comes ahead of everything; whether it did. ``kept``: the words as they go on record."""
        if meant is Intent.EMERGENCY or meant in LEAVES:
            await self._wishes.objects_beside(frame.text, meant)
        if meant is Intent.EMERGENCY:
            await self._emergencies.found(kept, emergency(frame.text, self._language))
        elif meant in LEAVES:
            self._journal.caller_said(kept, LEAVES[meant])
            await self._wishes.leaves(meant, frame.text)
        elif meant in OBJECTIONS and not (meant is Intent.NO_CALLBACK and self._person.asking):
            await self._objects("voice", meant, kept)
        else:
            return False
        return True

    async def _while_fetched(self, frame: CallerSaidFrame, *, on_record: bool) -> None:
        """A person is being fetched: what this is gets its answer; the rest answers what is asked there."""
        only_that = beside_robot_question(frame.text, self._language) == ""
        if only_that and await self._person.says_first(AI_ANSWER):
            return  # an "okay" to that answer is none to our question
        rest = await self._wishes.answer_what_it_is(frame.text, self._journal.turn)
        if self._person.asking and (rest or not frame.text):
            refused = intent(rest, self._language) is Intent.NO_CALLBACK
            self._person.reply(replace(frame, text=rest), refused=refused, on_record=on_record)

    async def _beside_objections(self, frame: CallerSaidFrame | None) -> None:
        """Go on with what the caller said besides objecting."""
        left, shown = await self._wishes.besides(frame.text if frame is not None else WITHHELD)
        if not left or frame is None:
            return
        meant = intent(left, self._language)
        if meant in LEAVES:
            await self._wishes.leaves(meant, left)
        elif self._person.under_way:
            await self._while_fetched(replace(frame, text=left), on_record=True)
        elif not self._opening.finished:
            self._waiting.append((left, shown))
        else:
            await self._wishes.to_agent(left, shown)

    async def _objects(self, how: How, meant: Intent | None, frame: CallerSaidFrame | None = None) -> None:
        await self._wishes.objects(how, meant, frame)
        await self._beside_objections(frame)
        await self._undecided.goes_on()
        await self.catch_up()

    async def _to_model(self, text: str, shown: str | None = None) -> None:
        """Judge words of the caller's and hand them to the model.

        Args:
            shown: as the model may see them, where that was decided when they were said.
        """
        if self._silenced():
            return
        turn = self._journal.turn
        judged = self._gate.caller(self._redaction.whole(text), turn).decision
        if judged.verdict is not Verdict.ALLOW:
            await self._withdraw()
            await kept_from_model(
                judged, turn, journal=self._journal, person=self._person,
                undecided=self._undecided, say=self.say,
            )  # fmt: skip
            return
        await self._undecided.something_else()
        if shown is None:
            shown = self._writer.for_model(text, turn, "caller")
        if shown != text:
            await self._withdraw()  # whatever it began on, it is not these words
        self._provisional = ""  # settled: the model sees whether this is what it began on
        await self._journal.cut_settled()
        self._journal.goes_to_model(turn)
        for frame in whole_turn(shown):
            await self.push_frame(frame)

    # -- keys, silence, what was spoken -----------------------------------------------------------

    async def _key(self, key: str) -> None:
        if self._capture.key(key):  # a figure that is entered, or the rest of what was
            return
        if self._person.asking:  # there, 0 is a digit; the way to a person is under way already
            await self._person.key(key)
        elif key == "0":
            self._read_back.something_else()
            await self._wishes.overtaken()
            await self._opening.asked("key_0")
            await self._person.wanted("caller_key", "pressed 0", answers=False)
        elif self._person.under_way:
            if key == "2":  # an objection holds whenever it is made
                await self._wishes.objects("keypad", Intent.NO_RECORDING)
        elif key in ("1", "2") and self._emergencies.asking:
            await self._emergencies.key(key == "1")
            await self.catch_up()
        elif key in ("1", "2") and self._opening.asking:
            await self._opening.key(key == "1")
            await self.catch_up()
        elif key in ("1", "2") and self._wishes.asking:
            await self._wishes.key(key == "1")
        elif self._read_back.asking:
            await self._read_back.key(key)
        elif key == "2":
            await self._objects("keypad", Intent.NO_RECORDING)

    async def _silent(self, step: int) -> None:
        if self._capture.paused:
            self._capture.silent()
        elif step == 1 and self._emergencies.asking:
            await self._emergencies.answer(None, self._journal.turn)
        elif step == 1 and self._person.asking:
            await self._person.answer("", None)
        elif step == 1 and self._opening.asking and not self._person.under_way:
            await self._opening.answer(None, "voice")
            await self.catch_up()
        elif step == 1 and self._wishes.asking and not self._person.under_way:
            await self._wishes.silent()
        elif step == 1 and self._opening.finished:
            await self.push_frame(SayFrame(phrase="still-there", turn=self._journal.turn, answers=False))
        elif step == 2 and self._person.urgency.stands:
            pass  # whoever falls silent in an emergency is put through all the same
        elif step == 2 and (self._may_end is None or await self._may_end("agent", "silence")):
            await self._opening.ending()
            self._cut = False
            await self.push_frame(
                SayFrame(phrase="goodbye", turn=self._journal.turn, tag="end:agent:silence", answers=False)
            )

    async def _spoken(self, frame: SpokenFrame) -> None:
        self._read_back.spoken(frame)
        if frame.tag.startswith("opening"):
            await self._opening.spoken(frame)
            await self.catch_up()
        elif frame.phrase == ASK:
            self._emergencies.spoken(frame)
        elif frame.tag == WISH_TAG:
            await self._wishes.spoken(frame)
        elif frame.tag.startswith("capture"):
            self._capture.spoken(frame)
        elif frame.tag.startswith("person"):
            await self._person.spoken(frame)
        elif frame.tag.startswith("end:"):
            _, ended_by, reason = frame.tag.split(":")
            failed = not frame.played_ms and not self._cut
            if frame.full or failed or ended_by == "caller":  # else the caller came back
                await self._finish(ended_by, reason)

    def _answer_later(self, text: str) -> None:
        """Keep it until the opening is over."""
        self._waiting.append((text, self._writer.for_model(text, self._journal.turn, "caller")))

    async def catch_up(self) -> None:
        """Answer what was said while the opening played: one answer to all of it."""
        if not self._opening.finished:
            return
        self._wishes.catch_up()
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        await self._wishes.to_agent(
            " ".join(said for said, _ in waiting), " ".join(shown for _, shown in waiting)
        )
