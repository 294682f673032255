"""The opening on the line: enacts ``controls.opening``, and what of it lasts beyond the first words.

What the caller consented to holds for the whole call, so the machine is asked until the end: whether the
text of what they say is kept, whether another company may hear them, and what they take back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

from loguru import logger

from controls import handoff as h
from controls import opening as o
from controls.bound_phrases import phrase_digest
from controls.consent import Consents, Scope
from controls.disclosures import AskedScope
from controls.errors import SayError
from controls.intents import current
from controls.jurisdiction import asked_scopes
from controls.ledger import records as r
from controls.opt_outs import OptOuts
from voice_runtime.agent import Release
from voice_runtime.clock import Clock
from voice_runtime.events import CallerSaidFrame, SayFrame, SoundsFrame, SpokenFrame
from voice_runtime.inline.asked_aloud import AskedAloud
from voice_runtime.inline.journal import Journal

#: Tag of its phrases; the part behind the colon is the phrase.
TAG = "opening"
#: What a yes to a question gives: whoever may be recorded may be written down, and is told so.
_GIVES: dict[AskedScope, tuple[Scope, ...]] = {
    "record": ("record", "transcript"), "supplier": ("supplier",), "listening": ("listening",),
    "training": ("training",), "callback": ("callback",),
}  # fmt: skip
#: What key 2 takes back in mid-conversation.
_BY_KEY: tuple[Scope, ...] = ("record", "transcript", "supplier")
#: Phrases behind which the agent speaks on.
_GOES_ON: frozenset[str] = frozenset((o.DISCLOSURE, o.CLINICAL_START, o.CLINICAL_END))


def opening_of(
    release: Release,
    jurisdiction: str,
    language: str,
    *,
    spoken: Mapping[str, Mapping[str, str]],
    outside: bool,
    opted_out: bool | None = False,
    now_s: float | None = None,
) -> o.Opening:
    """How a call of this release is opened.

    Args:
        jurisdiction: of the line; "" takes the strictest rule of all.
        spoken: fixed phrases as they are bound to the call, id → language → words.
        outside: another company's recogniser may hear the caller.
        opted_out: the caller did so in an earlier call; None where nobody can tell.
        now_s: Unix time of the call, whose day (UTC) says which files count; None takes them all.

    A question without words in the language is not asked, and what it is about is not done: validation
    names it before any agent is served.
    """
    if release.jurisdictions is None:
        return o.Opening(clinical=release.clinical, outside=outside, opted_out=opted_out)
    law = release.jurisdictions
    if now_s is not None:
        law = law.on(datetime.fromtimestamp(now_s, UTC).date())
    terms = law.at(jurisdiction)
    questions: list[o.Question] = []
    required: set[Scope] = set()
    if release.recording == "ask":  # where nobody may be recorded nobody is asked, and nothing is kept
        required.update(_GIVES["record"])
    for scope in asked_scopes(terms, recording=release.recording, outside=outside, also=release.asks):
        gives = _GIVES[scope]
        required.update(gives)
        if (wording := terms.wording(scope, language)) is not None:
            words = spoken.get(wording.phrase, {}).get(language, wording.words)
            asked, needed = phrase_digest(words), scope == "supplier"
            questions.append(o.Question(wording.phrase, gives, asked, needed=needed))
    consents = Consents(required=frozenset(required))
    return o.Opening(
        tuple(questions), consents, clinical=release.clinical, outside=outside, opted_out=opted_out
    )


async def opted_out(book: OptOuts | None, tenant: str, caller: str) -> bool | None:
    """Whether the caller opted out in an earlier call; None where the store cannot be read.

    Args:
        caller: their number, "" when withheld: nobody is known by that.
    """
    if book is None or not caller:
        return False
    try:
        return await asyncio.to_thread(book.known, tenant, caller)
    except SayError as error:
        logger.error("who opted out cannot be looked up: {}", type(error).__name__)
        return None


async def remember_opt_out(book: OptOuts | None, tenant: str, caller: str, call: str = "") -> None:
    """Remember it for later calls. A number that was withheld cannot be.

    Raises:
        OperatorError: the store cannot be written.
    """
    if book is not None and caller:
        await asyncio.to_thread(book.remember, tenant, caller, call)


class Disclosure:
    """One call's opening. The ear listens all along.

    The greeting follows once the disclosure is proven to have been played in full. That takes as long as the
    proof travels; the silence sent behind the disclosure outlasts it, so that the pause is always the same.
    """

    def __init__(
        self,
        journal: Journal,
        say: Callable[[SayFrame], Awaitable[None]],
        interrupt: Callable[[], Awaitable[None]],
        fetch_a_person: Callable[[str, str], None],
        *,
        language: str,
        greeting: bool,
        opening: o.Opening | None = None,
        clock: Clock | None = None,
        remember: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Make the opening of one call.

        Args:
            greeting: whether the release has a greeting to speak after the disclosure.
            opening: how it begins, from ``opening_of``; without it nothing is asked.
            clock: tells when a consent was given; without it at the beginning.
            remember: remembers for later calls that this caller opted out.
        """
        self._journal = journal
        self._say = say
        self._interrupt = interrupt
        self._fetch_a_person = fetch_a_person
        self._language = language
        self._greeting = greeting
        self._machine = opening or o.Opening()
        self._clock = clock
        self._remember = remember
        #: What is asked, as it sounds.
        self.question = AskedAloud(journal)
        self._owes_word = False  # an objection made before the conversation is acknowledged as it begins
        journal.keeps_words = self.allows("transcript")

    @property
    def finished(self) -> bool:
        """Whether the caller's words may go to the model."""
        return self._machine.finished

    @property
    def asking(self) -> bool:
        """Whether the caller's next words or keys answer a question of the opening's."""
        return self._machine.state is o.OpeningState.ASKING

    @property
    def over(self) -> bool:
        """Whether it no longer holds words back: finished, or somebody else has the caller."""
        early = (o.OpeningState.WAITING, o.OpeningState.DISCLOSING, o.OpeningState.ASKING)
        return self._machine.state not in early

    def allows(self, scope: Scope) -> bool:
        """Whether the call may do this now: agreed to, or needed by nobody and not objected to."""
        return self._machine.consents.allows(scope)

    @property
    def supplier_may_hear(self) -> bool:
        """Whether another company's recogniser may hear the caller now."""
        return self.allows("supplier")

    async def begin(self) -> None:
        """The call is answered and its first records are durable."""
        await self._step(o.Answered())

    @property
    def opted_out(self) -> bool:
        """Whether the caller wants no calls from us, in this call or since an earlier one."""
        return bool(self._machine.opted_out)

    async def callback(self, given: bool, how: h.How, *, asked: str) -> None:
        """The caller was asked whether they may be called back, with words of that digest."""
        await self._step(o.CallbackAnswered(given, how, asked, self._at_s()))

    async def asked(self, wanted: o.Wanted, how: o.ByCaller = "voice") -> None:
        """The caller wants something that acts at once; who acts on it is attention's business."""
        await self._step(o.Asked(wanted, how, self._at_s()), acts=False)

    async def reply(self, frame: CallerSaidFrame, yes: bool | None) -> bool:
        """Put on record what the caller said while a question is open, and take it as its answer.

        Nothing from before the question began is a yes to it (``controls.question``); a no always counts.

        Args:
            yes: None for neither yes nor no.

        Returns:
            Whether the words are still to be answered.
        """
        certain = yes is not None and not current().listening(frame.text, self._language)
        answers = yes is False or self.question.answered(frame, certain=certain)
        if yes is None:  # said over its end: it is put once more at once, not after a silence
            answers = answers or self.question.over
        self._journal.caller_said(frame, "model" if yes is None else "question" if answers else "nobody")
        if answers:
            await self.answer(yes, "voice")
        return yes is None

    async def key(self, yes: bool) -> None:
        """They pressed the key for yes or for no while a question is open."""
        if not yes or self.question.begun:
            await self.answer(yes, "keypad")

    async def answer(self, given: bool | None, how: o.ByCaller) -> None:
        """The caller answered the question; None is neither yes nor no, or silence."""
        await self._step(o.Consent(given, how, self._at_s()))

    def sounds(self, frame: SoundsFrame) -> None:
        """One of its phrases begins to sound."""
        self.question.sounds(frame)

    async def objected(self, how: o.ByCaller, scopes: tuple[Scope, ...] = ("record",)) -> bool:
        """The caller wants none of ``scopes``, or (by key) takes back what they gave.

        Returns:
            Whether they are owed an acknowledgement: something was taken back, and the conversation goes on.
        """
        before = self._machine
        if how == "keypad":
            scopes = tuple(scope for scope in _BY_KEY if before.consents.given(scope))
            if before.consents.allows("transcript") and not before.consents.given("transcript"):
                scopes = ("record", *scopes)  # kept without a question: that is what the caller was told of
        if scopes:
            await self._step(o.Objected(how, scopes, self._at_s()))
        taken = how == "voice" or self._machine.consents.refused != before.consents.refused
        if taken and not before.proceeded and "record" not in before.consents.required:
            self._owes_word = True  # nothing they will be asked answers it
        return taken and before.finished and self.finished

    async def ending(self) -> None:
        """The agent is about to say goodbye."""
        await self._step(o.Ending())

    async def back(self) -> None:
        """No person could be reached; the agent has the caller again."""
        await self._step(o.Back())

    async def spoken(self, frame: SpokenFrame) -> None:
        """One of its phrases has been played, or cut."""
        phrase = frame.tag.partition(":")[2]
        self.question.spoken(frame)
        at_ms = max(0, round(frame.started_s * 1000))
        await self._step(o.Played(phrase, frame.full, frame.played_ms, frame.of_ms, at_ms), frame)

    def _at_s(self) -> int:
        if self._clock is None or not self._journal.answered_ns:
            return 0
        return max(0, int(self._journal.seconds(self._clock.monotonic_ns())))

    async def _step(self, event: o.Event, frame: SpokenFrame | None = None, *, acts: bool = True) -> None:
        self._machine, outputs = self._machine.step(event)
        self._journal.keeps_words = self.allows("transcript")
        for output in outputs:
            if acts or not isinstance(output, o.ToPerson | o.End):
                await self._enact(output, frame)

    async def _enact(self, output: o.Output, frame: SpokenFrame | None) -> None:
        journal = self._journal
        match output:
            case o.Say(phrase, _):
                await self._speak(phrase)
            case o.Cut():
                await self._interrupt()
            case o.RecordDisclosure(attempt, in_full, played_ms, of_ms, at_ms):
                evidence = frame.evidence if frame is not None else r.Evidence.SENT_ONLY
                journal.append(
                    r.DisclosurePlayed(
                        tenant=journal.tenant, call=journal.call, language=self._language, attempt=attempt,
                        in_full=in_full, played_ms=played_ms, of_ms=of_ms, evidence=evidence, at_ms=at_ms,
                    )
                )  # fmt: skip
            case o.RecordConsent(scope, given, how, asked, at_s):
                journal.append(
                    r.ConsentRecorded(
                        tenant=journal.tenant, call=journal.call, scope=scope, given=given, how=how,
                        language=self._language, asked=asked or None, at_s=at_s,
                    )
                )  # fmt: skip
            case o.RecordWithdrawal(scope, how, at_s):
                journal.append(
                    r.ConsentWithdrawn(
                        tenant=journal.tenant, call=journal.call, scope=scope, how=how, at_s=at_s
                    )
                )
            case o.RecordFailure(attempt):
                journal.control_failed("disclosure", "exhausted", attempt)
            case o.Remember():
                await self._remember_it()
            case o.Proceed():
                if self._owes_word:
                    await self._say(SayFrame(phrase="not-recorded", final=not self._greeting, answers=False))
                if self._greeting:
                    await self._say(SayFrame(phrase="greeting", tag="greeting"))
            case o.ToPerson("failure"):
                self._fetch_a_person("failure", "the disclosure could not be played")
            case o.ToPerson("rule"):
                self._fetch_a_person("rule", "no consent to another company's recogniser")
            case _:  # asked for by the caller: attention acts on it; suppliers ask before each sample
                pass

    async def _remember_it(self) -> None:
        """Before anything else is said: the caller may hang up at once."""
        try:
            if self._remember is not None:
                await self._remember()
        except SayError as error:
            logger.error(
                "call {}: an opt-out is not remembered: {}", self._journal.call, type(error).__name__
            )
            self._journal.control_failed("disclosure", "disk")

    async def _speak(self, phrase: str) -> None:
        if self.asking:
            self.question.put(f"{TAG}:{phrase}")
        goes_on = phrase in _GOES_ON
        say = SayFrame(phrase=phrase, tag=f"{TAG}:{phrase}", final=not goes_on)
        more = self._greeting or bool(self._machine.questions) or phrase != o.DISCLOSURE
        say.silence_ms = o.SENTENCE_PAUSE_MS if goes_on and more else 0
        say.interruptible = False
        if self._machine.proceeded:  # in mid-conversation, and no answer to anything
            say.turn, say.answers = self._journal.turn, False
        await self._say(say)
