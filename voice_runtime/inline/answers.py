"""What the caller says and presses while the way to a person asks them something, as events of the handoff.

Nothing from before a question began is an answer to it (``controls.question``), and no figures but a
telephone's are taken for a number (``controls.callback_number``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from controls import callback_number as c
from controls import handoff as h
from controls.intents import current, yes_or_no
from controls.rules.matchers import numbers, words
from voice_runtime.events import CallerSaidFrame, SpokenFrame
from voice_runtime.inline.journal import Journal
from voice_runtime.inline.keyed_number import KeyedNumber
from voice_runtime.inline.saying import Saying

#: Keys that answer yes and no, where that is asked.
_YES, _NO = "1", "2"


class Answers:
    """One call's. What is an answer is put in the handoff's queue."""

    def __init__(
        self,
        saying: Saying,
        journal: Journal,
        *,
        machine: Callable[[], h.Handoff | None],
        put: Callable[[h.Event], None],
        language: str,
        regions: frozenset[str],
    ) -> None:
        """Make it.

        Args:
            saying: knows when the question that is open sounded.
            machine: the handoff under way.
            put: takes an event for it.
            regions: whose numbering plans hold on the line.
        """
        self._saying, self._journal = saying, journal
        self._machine, self._put = machine, put
        self._language, self._regions = language, regions
        self.keys = KeyedNumber(self._keyed)

    @property
    def offering(self) -> bool:
        """They are asked whether they may be called back."""
        machine = self._machine()
        return machine is not None and machine.state is h.HandoffState.OFFERING

    @property
    def confirming(self) -> bool:
        """A number was read back to them."""
        machine = self._machine()
        return machine is not None and machine.state is h.HandoffState.CONFIRMING

    def asked_anew(self, outputs: Sequence[h.Output], waiting: asyncio.Queue[h.Event]) -> None:
        """Where ``outputs`` put a question: nothing that came before it answers it.

        Neither what waits to be taken, such as a second yes to the question before, nor keys of an unfinished
        number. A no is left: it grants nothing.
        """
        if not any(isinstance(o, h.ReadBack) or (isinstance(o, h.Say) and o.answer) for o in outputs):
            return
        self._saying.withdraw()
        self.keys.drop()
        for event in [waiting.get_nowait() for _ in range(waiting.qsize())]:
            if not isinstance(event, h.Yes | h.Number | h.Unclear):
                waiting.put_nowait(event)

    def reply(self, frame: CallerSaidFrame, *, refused: bool, on_record: bool = False) -> None:
        """Their words: on record, and an answer where they are said behind the question's beginning.

        Args:
            refused: they want no call. That counts whenever it is said.
            on_record: the words are already, with what else the caller said in the same breath.
        """
        listening = current().listening(frame.text, self._language)
        answers = refused or self._saying.question.answered(frame, certain=not listening)
        if not on_record:
            self._journal.caller_said(frame, "question" if answers else "nobody")
        if answers:
            yes = False if refused else yes_or_no(frame.text, self._language, self._saying.question.words)
            self.said(frame.text, yes)

    def said(self, text: str, yes: bool | None) -> None:
        """What they said; ``yes`` is None when it was neither yes nor no, and for silence."""
        self._saying.answers = bool(text)
        found = c.said(text, self._regions)
        if found.number and (not self.offering or (found.agrees and yes is not False)):
            self._put(h.Number(found.number))
        elif not self.offering and (found.others or self._goes_on("".join(numbers(words(text))))):
            self._put(h.Number(""))
        elif yes:
            self._put(h.Yes())
        elif yes is False:
            self._put(h.No())
        else:
            self._put(h.Unclear())

    def key(self, key: str) -> None:
        """A key they pressed; ``#`` or a pause ends a number."""
        if not self._saying.question.begun:
            return  # it has not begun to sound: nobody answers what they were not asked
        if not self.offering:
            self.keys.key(key)
        elif key in (_YES, _NO):
            self._saying.answers = False
            self._put(h.Yes("keypad") if key == _YES else h.No("keypad"))

    def _keyed(self, keys: str) -> None:
        self._saying.answers = False
        if self.confirming and keys in (_YES, _NO):
            self._put(h.Yes("keypad") if keys == _YES else h.No("keypad"))
            return
        found = c.keyed(keys, self._regions)
        refused = found.others or self._goes_on(keys)
        self._put(h.Number(found.number) if found.number or refused else h.Unclear())

    def _goes_on(self, digits: str) -> bool:
        machine = self._machine()
        return machine is not None and c.goes_on_as_card(machine.number, digits)

    def spoken(self, frame: SpokenFrame) -> None:
        """One of our phrases has been played, or cut."""
        if self.confirming and self._saying.replaced(frame):
            self._put(h.Number(""))  # a rule refused to read it back: it is not kept either
        self._saying.spoken(frame, as_asked=not self.confirming or self._read_back_in(frame.text))

    def _read_back_in(self, text: str) -> bool:
        """Whether the number stands in what sounded, figure by figure."""
        machine = self._machine()
        number = machine.number if machine is not None else ""
        figures = "".join(figure for figure in h.spoken_number(number) if figure.isdigit())
        return "".join(numbers(words(text))) == figures
