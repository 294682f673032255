"""A caller's emergency while it is being seen to: the doubt whether there is one, and how long it lasts.

One for each call, with the way to a person, so that nobody is fetched past a doubt:

    doubt stands ── yes, silence, the same again ──▶ that emergency's handoff
        │        ── anything else that fetches a person (a stop, a failure, the caller's wish) ──▶ the same
        └── no, other words, an opt-out ──▶ no doubt any more

Ends of the call that wait for an emergency (``inline.in_time``) are told here when it is over, and when a new
one is named.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from controls.intents import yes_or_no
from controls.ledger import records as r
from voice_runtime.inline.journal import Journal


@dataclass(frozen=True, slots=True)
class Doubt:
    """Words that named an emergency, and were too unsure to act on.

    Attributes:
        rule: that found it.
        script: fixed phrase that names the number, as it was said on this line.
    """

    rule: str
    script: str


class Urgency:
    """One call's."""

    def __init__(self, journal: Journal, fetched: Callable[[], bool]) -> None:
        """Make it.

        Args:
            fetched: somebody is being fetched for an emergency now, or its last words are to sound yet.
        """
        self._journal, self._fetched = journal, fetched
        self._doubt: Doubt | None = None
        self._asked = self._script_due = self._on_its_way = False
        self._changed, self._named = asyncio.Event(), asyncio.Event()

    # -- the doubt --------------------------------------------------------------------------------

    @property
    def doubt(self) -> Doubt | None:
        """What was asked back, and is not answered yet."""
        return self._doubt

    @property
    def asked(self) -> bool:
        """The question sounded: who says nothing to it says something."""
        return self._asked

    def doubted(self, rule: str, script: str, turn: int, said: str) -> None:
        """An emergency may have been named; enters it as asked back."""
        self._on_record(rule, turn, said, asked_back=True)
        self._doubt, self._asked = Doubt(rule, script), False
        self._named.set()

    def question_sounded(self) -> None:
        """Whether it is one was asked, in full or in part."""
        self._asked = True

    def found(self, rule: str, turn: int, said: str) -> None:
        """An emergency was named, or is taken for one; enters it. A doubt that stood is none any more.

        It stands from now on; the way to a person says when it is taken up, or goes on anyway.
        """
        self._on_record(rule, turn, said, asked_back=False)
        self._doubt, self._on_its_way = None, True
        self._named.set()

    def taken_up(self) -> None:
        """The way to a person knows of it."""
        self._on_its_way = False
        self.changed()

    def taken(self) -> Doubt | None:
        """A person is fetched for whatever reason: the doubt that stood is what it is for."""
        doubt = self._doubt
        if doubt is not None:
            self.found(doubt.rule, self._journal.turn, "")
        return doubt

    def person_wished_for(self, said: str, language: str) -> None:
        """The caller wishes for a person meanwhile: the emergency's, unless their words begin with a no."""
        first = said.partition(" ")[0]
        if False in (yes_or_no(said, language), yes_or_no(first, language)):
            self.drop()

    def drop(self) -> None:
        """There is no doubt any more."""
        self._doubt = None
        self.changed()

    def _on_record(self, rule: str, turn: int, said: str, *, asked_back: bool) -> None:
        journal = self._journal
        journal.append(
            r.EmergencyDetected(tenant=journal.tenant, call=journal.call, turn=turn, asked_back=asked_back),
            r.EmergencyDetails(rule=rule, said=said if journal.keeps_words else ""),
        )

    # -- how long ---------------------------------------------------------------------------------

    @property
    def script_due(self) -> bool:
        """An emergency's script is on its way: nothing else begins."""
        return self._script_due

    @script_due.setter
    def script_due(self, due: bool) -> None:
        self._script_due = due
        self.taken_up()

    @property
    def stands(self) -> bool:
        """An emergency is asked about, its script is said, or somebody is fetched for it."""
        return self._doubt is not None or self._on_its_way or self._script_due or self._fetched()

    def changed(self, *_: object) -> None:
        """Whoever waits looks again."""
        self._changed.set()

    async def over(self) -> None:
        """Wait until none stands."""
        while self.stands:
            self._changed.clear()
            await self._changed.wait()

    def watch(self) -> asyncio.Event:
        """Set once an emergency is named after now."""
        self._named.clear()
        return self._named
