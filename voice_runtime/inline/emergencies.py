"""Emergencies in what the caller said, on the line: acted on, or asked back where the words are unsure.

    found, understood           on record, the script, a person
    found, too unsure           on record as asked back, the script with its number, "is this an emergency?"
      yes, silence, or again    a person
      no                        the call goes on
      other words               they are answered: whoever has an emergency says so again

See docs/decisions/0020.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from controls.emergency import SCRIPT, Emergency
from controls.ledger import records as r
from voice_runtime.events import CallerSaidFrame, SayFrame
from voice_runtime.inline.attention_ports import Opening, Person
from voice_runtime.inline.journal import Journal

#: What is asked behind the script, and said to who has none.
ASK, NONE = "ask-emergency", "greeting"


@dataclass(frozen=True, slots=True)
class _Doubt:
    rule: str
    script: str


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
        self._doubt: _Doubt | None = None

    @property
    def asking(self) -> bool:
        """The caller's next words or keys say whether they have an emergency."""
        return self._doubt is not None

    async def found(self, frame: CallerSaidFrame, found: Emergency | None) -> None:
        """An emergency was named."""
        rule, script = (found.rule, found.script) if found is not None else ("emergency", SCRIPT)
        asks = frame.unsure and not (self.asking or self._person.under_way or frame.private)
        self._on_record(self._journal.caller_said(frame, "emergency"), rule, frame.text, asked_back=asks)
        await self._opening.asked("emergency")
        if not asks:
            await self._fetch(rule, script)
            return
        self._doubt = _Doubt(rule, script)
        await self._interrupt()
        for phrase in (self._person.script_at(rule, script), ASK):
            frame_said = SayFrame(phrase=phrase, turn=self._journal.turn)
            frame_said.interruptible = False
            await self._say(frame_said)

    async def reply(self, frame: CallerSaidFrame, yes: bool | None) -> bool:
        """What the caller said to that; whether it is still to be answered, being neither yes nor no."""
        turn = self._journal.caller_said(frame, "model" if yes is None else "question")
        return await self.answer(yes, turn, frame.text)

    async def answer(self, yes: bool | None, turn: int, said: str = "") -> bool:
        """What came behind the question; whether these words are still to be answered.

        Args:
            yes: None for neither yes nor no; silence is a yes.
            turn: of the answer; the newest one for a key or silence.
        """
        doubt, self._doubt = self._doubt, None
        if doubt is None:
            return True
        if yes or (yes is None and not said):
            self._on_record(turn, doubt.rule, said, asked_back=False)
            await self._fetch(doubt.rule, doubt.script)
            return False
        if not self._opening.finished:
            await self._opening.back()
        elif yes is False:
            await self._say(SayFrame(phrase=NONE, turn=self._journal.turn))
        return yes is None

    def drop(self) -> None:
        """The caller wants something else that acts at once."""
        self._doubt = None

    async def _fetch(self, rule: str, script: str) -> None:
        self._doubt = None
        await self._person.wanted("emergency", rule, script=script)

    def _on_record(self, turn: int, rule: str, said: str, *, asked_back: bool) -> None:
        self._journal.append(
            r.EmergencyDetected(
                tenant=self._journal.tenant, call=self._journal.call, turn=turn, asked_back=asked_back
            ),
            r.EmergencyDetails(rule=rule, said=said if self._journal.keeps_words else ""),
        )
