"""The disclosure on the line: enacts ``controls.opening`` until the conversation may begin."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from controls import opening as o
from controls.ledger import records as r
from voice_runtime.events import SayFrame, SpokenFrame
from voice_runtime.inline.journal import Journal

#: Tag of its phrases; the part behind the colon is the phrase.
TAG = "opening"


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
    ) -> None:
        """Make the opening of one call.

        Args:
            greeting: whether the release has a greeting to speak after the disclosure.
        """
        self._journal = journal
        self._say = say
        self._interrupt = interrupt
        self._fetch_a_person = fetch_a_person
        self._language = language
        self._greeting = greeting
        self._machine = o.Opening()

    @property
    def finished(self) -> bool:
        """Whether the caller's words may go to the model."""
        return self._machine.finished

    @property
    def over(self) -> bool:
        """Whether it no longer holds words back: finished, or somebody else has the caller."""
        return self._machine.state not in (o.OpeningState.WAITING, o.OpeningState.DISCLOSING)

    async def begin(self) -> None:
        """The call is answered and its first records are durable."""
        await self._step(o.Answered())

    async def asked(self, wanted: o.Wanted) -> None:
        """The caller wants something that acts at once; who acts on it is attention's business."""
        before = self._machine.state
        self._machine, outputs = self._machine.step(o.Asked(wanted))
        if self._machine.state is not before and any(isinstance(output, o.Cut) for output in outputs):
            await self._interrupt()

    async def back(self) -> None:
        """No person could be reached; the agent has the caller again."""
        await self._step(o.Back())

    async def spoken(self, frame: SpokenFrame) -> None:
        """One of its phrases has been played, or cut."""
        phrase = frame.tag.partition(":")[2]
        at_ms = max(0, round(frame.started_s * 1000))
        await self._step(o.Played(phrase, frame.full, frame.played_ms, frame.of_ms, at_ms), frame)

    async def _step(self, event: o.Event, frame: SpokenFrame | None = None) -> None:
        self._machine, outputs = self._machine.step(event)
        for output in outputs:
            await self._enact(output, frame)

    async def _enact(self, output: o.Output, frame: SpokenFrame | None) -> None:
        journal = self._journal
        match output:
            case o.Say(phrase, _):
                say = SayFrame(phrase=phrase, tag=f"{TAG}:{phrase}", final=False)
                say.silence_ms = o.SENTENCE_PAUSE_MS if self._greeting else 0
                say.interruptible = False
                await self._say(say)
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
            case o.RecordFailure(attempt):
                journal.control_failed("disclosure", "exhausted", attempt)
            case o.Proceed():
                if self._greeting:
                    await self._say(SayFrame(phrase="greeting", tag="greeting"))
            case o.ToPerson("failure"):
                self._fetch_a_person("failure", "the disclosure could not be played")
            case _:  # asked for by the caller: attention acts on it; consent is not asked for yet
                pass
