"""Words that nobody made out: asked again, then a person; in doubt of an emergency a person at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from voice_runtime.events import SayFrame
from voice_runtime.inline.journal import Journal


class Opening(Protocol):
    """The disclosure and its questions (``inline.opening``)."""

    @property
    def asking(self) -> bool: ...

    @property
    def supplier_may_hear(self) -> bool: ...


class Urgency(Protocol):
    """A caller's emergency (``inline.urgency``)."""

    @property
    def doubt(self) -> object | None: ...

    @property
    def asked(self) -> bool: ...


class Unheard:
    """One call's."""

    def __init__(
        self,
        journal: Journal,
        opening: Opening,
        urgency: Urgency,
        *,
        in_a_row: int,
        keying: Callable[[], bool],
        no_answer: Callable[[], None],
        say: Callable[[SayFrame], None],
        fetch_a_person: Callable[[str, str], None],
    ) -> None:
        """Make it.

        Args:
            in_a_row: so many in a row fetch a person.
            keying: the caller's keys are waited for, not their words.
            no_answer: the opening's question had none.
        """
        self._journal, self._opening, self._urgency = journal, opening, urgency
        self._in_a_row, self._keying, self._no_answer = in_a_row, keying, no_answer
        self._say, self._fetch_a_person = say, fetch_a_person

    def failed(self, reason: str) -> None:
        """The recogniser broke (``deadline``, ``crash``), or made nothing of what was said (``misheard``)."""
        if self._urgency.doubt is not None:
            self._in_doubt(reason)
            return
        if self._opening.asking or not self._opening.supplier_may_hear:  # no answer; or none may listen yet
            self._no_answer()
            if reason == "misheard":
                return
        if self._keying():
            return
        if reason != "misheard":
            self._broke(reason)
        self._journal.misheard += 1
        if self._journal.misheard >= self._in_a_row:
            self._journal.misheard = 0
            self._fetch_a_person("failure", "not understood")
            return
        phrase = "not-understood" if reason == "misheard" else "fallback"
        # What was not understood is no turn: the newest one has had its answer.
        self._say(SayFrame(phrase=phrase, turn=self._journal.turn, answers=False))

    def _in_doubt(self, reason: str) -> None:
        """As silence would: whoever may have an emergency, and is not understood, gets a person.

        A noise behind the script, ahead of the question, answers nothing; the question is about to come.
        """
        if reason != "misheard":
            self._broke(reason)
        if reason != "misheard" or self._urgency.asked:
            self._journal.misheard = 0
            self._fetch_a_person("failure", "not understood")

    def _broke(self, reason: str) -> None:
        self._journal.control_failed("recogniser", "deadline" if reason == "deadline" else "crash")
