"""The guard: the model's words become clauses, and only cleared clauses go on.

It stands between the model and the voice. Nothing the model wrote passes it as
it came: tokens are gathered into clauses, each clause is put into the form in
which it is spoken and before the gate, and what goes on is a ``ClauseFrame`` with
its token. The gate is shown every form of a clause (spoken, before names were
respelled, as written), so that no rule is passed by with a figure or a spelling.
Whatever the runtime itself wants said (``SayFrame``) takes the same way. Where rules
ask a model first, its answers are waited for here; a caller who speaks meanwhile ends that.

The guard never leaves silence: what breaks here (a rule, a phrase that nobody bound, the guard's own
code) is on record as a failure of ours, the caller hears the fallback, and a person is fetched.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from loguru import logger
from pipecat.frames.frames import (
    Frame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TextFrame,
    TTSSpeakFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from controls.decision import FALLBACK, Cleared, Verdict
from controls.emergency import SCRIPT
from controls.findings import rule_failed
from controls.gate import Gate
from controls.gate_values import UnboundPhrase
from controls.ids import new_id
from controls.intents import current
from controls.rules.judges import UNANSWERED
from voice_runtime.events import AnswerBrokenFrame, AnswerEndFrame, ClauseFrame, SayFrame
from voice_runtime.inline.journal import Journal
from voice_runtime.speak.clauses import ClauseSplitter
from voice_runtime.speak.spoken import Reader, Spoken
from voice_runtime.think.call_judges import NOBODY, AsksJudges


class Guard(FrameProcessor):
    """Judges clause by clause. Raising is refusing: an error here lets nothing pass, and is said out loud."""

    def __init__(
        self,
        gate: Gate,
        journal: Journal,
        *,
        language: str,
        on_handoff: Callable[[str], None],
        on_failed: Callable[[str, bool], None],
        on_dropped: Callable[[str], None] = lambda tag: None,
        lexicon: Mapping[str, str] | None = None,
        written: Mapping[str, str] | None = None,
        judges: AsksJudges = NOBODY,
        silenced: Callable[[], bool] = lambda: False,
    ) -> None:
        """Make the guard of one call.

        Args:
            on_handoff: called with a rule's name when its verdict is ``handoff``.
            on_failed: called when something of ours broke, with the tag of what was to be said and whether
                the fallback is spoken in its place.
            on_dropped: called with the tag of words of the runtime's own that will not be said: the caller
                spoke while a model was asked about them.
            lexicon: word → how it is written for the voice, in the call's language.
            written: fixed phrase → how captions show it, where it is bound in its spoken form.
            judges: asks the models that rules ask.
            silenced: whether the agent was stopped: no word of an answer is cleared from then on, also before
                the interruption has come by here.
        """
        # Directly: judging waits for nothing (but a model that is asked), and each hop through a queue costs
        # a turn of the event loop.
        super().__init__(name="guard", enable_direct_mode=True)
        self._gate = gate
        self._journal = journal
        self._language = language
        self._on_handoff = on_handoff
        self._on_failed = on_failed
        self._on_dropped = on_dropped
        self._reader = Reader(language, lexicon)
        self._written = dict(written or {})
        self._judges, self._silenced = judges, silenced
        self._splitter = ClauseSplitter(language)
        self._turn = 0
        self._answer_over = False

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if direction is FrameDirection.UPSTREAM:
            await self.push_frame(frame, direction)
        elif isinstance(frame, InterruptionFrame):
            self._journal.interrupted()
            self._splitter = ClauseSplitter(self._language)
            self._answer_over = True
            await self.push_frame(frame, direction)
        elif isinstance(frame, LLMFullResponseStartFrame):
            self._splitter = ClauseSplitter(self._language)
            self._turn = self._journal.current_turn()
            self._answer_over = False
        elif isinstance(frame, AnswerBrokenFrame):
            self._splitter = ClauseSplitter(self._language)  # half a sentence may say its opposite
        elif isinstance(frame, LLMFullResponseEndFrame):
            await self._judge_all(self._splitter.finish)
            await self.push_frame(AnswerEndFrame(turn=self._turn))
        elif isinstance(frame, SayFrame):
            await self._say(frame)
        elif isinstance(frame, TextFrame | TTSSpeakFrame):
            # Raw words of a model stop here, whatever frame brought them.
            if isinstance(frame, TextFrame) and not self._answer_over:
                text = frame.text
                await self._judge_all(lambda: self._splitter.push(text))
        elif not isinstance(frame, FunctionCallInProgressFrame | FunctionCallResultFrame):
            await self.push_frame(frame, direction)

    async def _judge_all(self, clauses: Callable[[], list[str]]) -> None:
        try:
            for text in clauses():
                if self._answer_over or self._silenced():
                    return
                await self._judge(text, self._turn)
        except Exception as error:  # noqa: BLE001 - whatever broke, the caller must not sit in silence
            self._answer_over = True
            await self._broken(error, SayFrame(turn=self._turn))

    async def _judge(
        self, text: str, turn: int, tag: str = "", final: bool = False, answers_turn: bool = True
    ) -> None:
        started = time.perf_counter_ns()
        read = self._read(text)
        if not tag and not any(c.isalnum() for c in read.text):
            return  # nothing but markup
        said, forms = self._journal.caller_text(), (read.unlexed, text)
        clause, generation = new_id("k"), self._journal.generation
        asks = self._gate.asks(clause, read.text, turn, said, forms)
        try:
            answers = await self._judges.ask(clause, turn, asks) if asks else UNANSWERED
        except asyncio.CancelledError:
            self._on_dropped(tag)
            raise
        if self._journal.generation != generation:
            self._on_dropped(tag)  # the caller spoke meanwhile: nobody waits for these words
            return
        outcome = self._gate.clause(
            read.text, turn, caller_said=said, forms=forms, confidence=self._journal.confidence,
            id=clause, answers=answers,
        )  # fmt: skip
        verdict_ms = (time.perf_counter_ns() - started) / 1e6
        if outcome.cleared is not None:
            # A caption of what a rule has rewritten can only show the words spoken.
            written = read.shown if outcome.cleared.text == read.text else ""
            await self._pass_on(
                outcome.cleared, verdict_ms, tag=tag, final=final, written=written, answers=answers_turn
            )
            self._judges.later(outcome.cleared, asks)
            return
        # One clause that may not be said makes the rest of the answer meaningless.
        self._answer_over = True
        decision = outcome.decision
        rule = decision.verdicts[0].rule
        logger.info("call {} turn {}: {} by {}", self._journal.call, turn, decision.verdict, rule)
        if decision.phrase:
            instead = self._gate.phrase(decision.phrase, turn)
            await self._pass_on(instead, verdict_ms, tag=tag, final=final, answers=answers_turn)
        if rule_failed(decision):
            self._journal.control_failed("guard", "broken")
            self._on_failed(tag, bool(decision.phrase))
        elif decision.verdict is Verdict.HANDOFF or not decision.phrase:
            self._on_handoff(decision.verdicts[0].rule)

    def _read(self, text: str) -> Spoken:
        """The clause in its forms; as written should reading it fail, for that is judged as well."""
        try:
            return self._reader.read(text)
        except Exception as error:  # noqa: BLE001 - a figure that cannot be read must not silence the agent
            logger.error("call {}: a clause could not be read: {}", self._journal.call, type(error).__name__)
            return Spoken(text, text, text)

    async def _say(self, frame: SayFrame) -> None:
        try:
            if frame.phrase:
                phrase = self._script(frame.phrase)
                await self._fixed(frame, self._gate.phrase(phrase, frame.turn), frame.tag)
            else:
                self._answer_over = False
                await self._judge(frame.text, frame.turn, frame.tag, frame.final, frame.answers)
        except Exception as error:  # noqa: BLE001 - as above
            await self._broken(error, frame)

    def _script(self, phrase: str) -> str:
        """The phrase itself; for an emergency's script that this release did not bind the general one.

        Emergencies are looked for with the packs of every release that is served: better another's words
        for it than none.
        """
        if self._gate.bound(phrase) or phrase not in current().emergencies.phrases:
            return phrase
        self._journal.control_failed("guard", "unbound_phrase")
        return SCRIPT

    async def _fixed(self, frame: SayFrame, cleared: Cleared, tag: str) -> None:
        await self._pass_on(
            cleared, None, tag=tag, final=frame.final, hard=not frame.interruptible,
            answers=frame.answers, silence_ms=frame.silence_ms,
        )  # fmt: skip

    async def _broken(self, error: Exception, frame: SayFrame) -> None:
        """Something of ours broke on the way to the caller: the fallback speaks, and a person is fetched."""
        unbound = isinstance(error, UnboundPhrase)
        logger.error("call {}: the guard failed: {}", self._journal.call, type(error).__name__)
        self._journal.control_failed("guard", "unbound_phrase" if unbound else "broken")
        said = self._gate.bound(FALLBACK)
        if said:
            # Whoever waits for the disclosure must not take these words for it.
            tag = "" if frame.tag.startswith("opening") else frame.tag
            await self._fixed(frame, self._gate.phrase(FALLBACK, frame.turn), tag)
        self._on_failed(frame.tag, said)

    async def _pass_on(
        self,
        cleared: Cleared,
        verdict_ms: float | None,
        *,
        tag: str,
        final: bool,
        hard: bool = False,
        written: str = "",
        answers: bool = True,
        silence_ms: int = 0,
    ) -> None:
        first = self._journal.cleared(cleared, verdict_ms, answers=answers)
        clause = ClauseFrame(
            cleared, verdict_ms=verdict_ms or 0.0, tag=tag, first=first, final=final,
            written=written or self._written.get(cleared.phrase, ""), silence_ms=silence_ms,
        )  # fmt: skip
        clause.interruptible = not hard
        await self.push_frame(clause)
