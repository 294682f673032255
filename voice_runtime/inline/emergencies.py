"""Emergencies in what the caller said, on the line: acted on, or asked back where the words are unsure.

    found, understood           on record, the script, a person
    found, too unsure           on record as asked back, the script with its number, "is this an emergency?"
      yes, silence, or again    a person, also with more behind that yes; so does a caller nobody understood
      no                        the call goes on
      a person is wished for    that emergency's, unless the words begin with a no
      other words               they are answered: whoever has an emergency says so again

The doubt itself is the call's (``inline.urgency``): a stop or a failure that fetches a person settles it as
well. See docs/decisions/0020.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from controls.emergency import SCRIPT, Emergency
from voice_runtime.events import CallerSaidFrame, SayFrame, SoundsFrame, SpokenFrame
from voice_runtime.inline.asked_aloud import AskedAloud
from voice_runtime.inline.attention_ports import Opening, Person
from voice_runtime.inline.journal import Journal

#: What is asked behind the script, and said to who has none.
ASK, NONE = "ask-emergency", "greeting"
#: Tag of the question; comes back in its ``SpokenFrame``.
TAG = "emergency"


class Emergencies:
    """One leg's emergencies."""

    def __init__(
        self,
        journal: Journal,
        opening: Opening,
        person: Person,
        *,
        say: Callable[[SayFrame], Awaitable[None]],
        interrupt: Callable[[], Awaitable[None]],
    ) -> None:
        """Make it.

        Args:
            say: has the voice say something of the runtime's own.
            interrupt: cuts whatever the agent says or thinks.
        """
        self._journal, self._opening, self._person = journal, opening, person
        self._say, self._interrupt = say, interrupt
        self._urgency = person.urgency
        self._question = AskedAloud(journal)

    @property
    def asking(self) -> bool:
        """The caller's next words or keys say whether they have an emergency."""
        return self._urgency.doubt is not None

    async def found(self, frame: CallerSaidFrame, found: Emergency | None) -> None:
        """An emergency was named."""
        rule, script = (found.rule, found.script) if found is not None else ("emergency", SCRIPT)
        asks = frame.unsure and not (self._urgency.stands or self._person.under_way or frame.private)
        turn = self._journal.caller_said(frame, "emergency")
        if not asks:
            self._urgency.found(rule, turn, frame.text)
            await self._opening.asked("emergency")
            await self._person.wanted("emergency", rule, script=script)
            return
        script = self._person.script_at(rule, script)
        self._urgency.doubted(rule, script, turn, frame.text)
        self._question.put(TAG)
        await self._opening.asked("emergency")
        await self._interrupt()
        for phrase, tag in ((script, ""), (ASK, TAG)):
            said = SayFrame(phrase=phrase, turn=turn, tag=tag)
            said.interruptible = False
            await self._say(said)

    async def reply(self, frame: CallerSaidFrame, yes: bool | None) -> bool:
        """What the caller said to that; whether it is still to be answered, being neither yes nor no.

        What was said before the question began, such as "no" to the script, ends no doubt.
        """
        if not yes and not self._question.answered(frame, certain=True):
            self._journal.caller_said(frame, "nobody")
            return False
        turn = self._journal.caller_said(frame, "model" if yes is None else "question")
        return await self.answer(yes, turn, frame.text)

    async def key(self, yes: bool) -> None:
        """They pressed the key for yes or for no."""
        if yes or self._question.begun:
            await self.answer(yes, self._journal.turn)

    async def answer(self, yes: bool | None, turn: int, said: str = "") -> bool:
        """What came behind the question; whether these words are still to be answered.

        Args:
            yes: None for neither yes nor no; silence is a yes.
            turn: of the answer; the newest one for a key or silence.
        """
        doubt = self._urgency.doubt
        if doubt is None:
            return True
        if yes or (yes is None and not said):
            self._urgency.found(doubt.rule, turn, said)
            await self._person.wanted("emergency", doubt.rule, script=doubt.script)
            return False
        self._urgency.drop()
        if not self._opening.finished:
            await self._opening.back()
        elif yes is False:
            await self._say(SayFrame(phrase=NONE, turn=self._journal.turn))
        return yes is None

    def sounds(self, frame: SoundsFrame) -> None:
        """A phrase begins to sound: ours, or another's."""
        self._question.sounds(frame)

    def spoken(self, frame: SpokenFrame) -> None:
        """The question has been played, or cut."""
        self._question.spoken(frame)
        if frame.played_ms:
            self._urgency.question_sounded()
