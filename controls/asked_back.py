"""A wish that may mean opting out of all calls, and may mean something else: asked back first. Pure.

    IDLE ──Unclear──▶ ASKED ──yes──▶ OptOut, IDLE
                        │ no, neither, silence ──▶ ToAgent, IDLE: the words were for the agent
                        └ whatever acts at once overtakes it ──▶ IDLE

Legal messages by state:

* IDLE: Unclear; the others change nothing.
* ASKED: Began and Played (of the question), Reply, Overtaken; a further Unclear is a reply that is neither
  yes nor no.

1. Opting out ends the call and is remembered, so it follows from unmistakable words (``opt_out`` in
   ``configs/rules/intents.yaml``) or from a yes to this question, never from a guess.
2. A yes counts once the question was played in full; one that is given while it sounds waits for that, and
   has to be unmistakable. What came before it began answers nothing: a yes or no is no answer to it, and
   other words are kept for the agent (``controls.question``).
3. Asked at most ``TIMES`` in a call: a caller who keeps saying no is not asked for ever.

Source: opting out by any reasonable means, 47 CFR 64.1200(a)(10) and (d)(3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

from controls.question import Question, When

#: The fixed phrase that asks.
QUESTION = "ask-opt-out"
#: The question is put at most this often in a call.
TIMES = 2

How = Literal["voice", "keypad"]


# --- what comes in --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Unclear:
    """Words that may mean opting out, as they would go to the agent."""

    words: str


@dataclass(frozen=True, slots=True)
class Began:
    """The question begins to sound, s since the call was answered."""

    at_s: float


@dataclass(frozen=True, slots=True)
class Played:
    """The question has ended; ``full``: every sample was played. Times in s, as ``Question.ends``."""

    full: bool
    began_s: float = 0.0
    lasted_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What the caller said or pressed; ``yes`` is None for neither, and for silence.

    Attributes:
        words: said besides, when it was neither; "" for a key and for silence.
        since_s, until_s: when it was said, s since the call was answered; a key is pressed now.
        listening: it may be no more than listening, such as "okay".
    """

    yes: bool | None
    how: How = "voice"
    words: str = ""
    since_s: float = math.inf
    until_s: float = math.inf
    listening: bool = False


@dataclass(frozen=True, slots=True)
class Overtaken:
    """Something that acts at once came first: an emergency, a person, opting out in so many words."""


Event = Unclear | Began | Played | Reply | Overtaken


# --- what is to be done ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ask:
    """Speak ``QUESTION``, not to be interrupted by ordinary speech."""


@dataclass(frozen=True, slots=True)
class OptOut:
    """The caller said yes: they opted out."""

    how: How


@dataclass(frozen=True, slots=True)
class ToAgent:
    """It meant something else: the agent answers these words."""

    words: str


Output = Ask | OptOut | ToAgent


@dataclass(frozen=True, slots=True)
class AskedBack:
    """Where the question stands in one call.

    Attributes:
        words: what was said before it; "" while nothing is asked.
        question: when it sounded.
        early: how a yes came while it sounded, or "".
        times: how often it was put in this call.
    """

    words: str = ""
    question: Question = field(default_factory=Question)
    early: How | Literal[""] = ""
    times: int = 0

    @property
    def asking(self) -> bool:
        """Whether the caller's next words or keys answer it."""
        return bool(self.words)

    def step(self, event: Event) -> tuple[AskedBack, tuple[Output, ...]]:
        """Take one event; returns the next state and what is to be done, in order."""
        match event:
            case Unclear(words) if not self.asking:
                if self.times >= TIMES:
                    return self, (ToAgent(words),)
                return AskedBack(words=words, times=self.times + 1), (Ask(),)
            case Unclear(words):
                return self._neither(words)
            case Began(at_s) if self.asking:
                return replace(self, question=self.question.begins(at_s)), ()
            case Played() if self.asking:
                return self._ended(event)
            case Reply() if self.asking:
                return self._reply(event)
            case Overtaken() if self.asking:
                return self._over()
        return self, ()

    def _reply(self, reply: Reply) -> tuple[AskedBack, tuple[Output, ...]]:
        when = self.question.when(reply.since_s, reply.until_s)
        if reply.yes is None and not reply.words:
            return self._neither("")  # silence
        if when is When.BEFORE:
            more = "" if reply.yes is not None or reply.listening else reply.words
            return replace(self, words=f"{self.words} {more}".strip()), ()
        if when is When.DURING and reply.listening:
            return self, ()
        if reply.yes is None:
            return self._neither(reply.words)
        if not reply.yes:
            return self._over(ToAgent(self.words))
        if self.question.over:
            return self._over(OptOut(reply.how))
        return replace(self, early=reply.how), ()

    def _ended(self, played: Played) -> tuple[AskedBack, tuple[Output, ...]]:
        if not played.full:  # nobody can have answered what they were not asked to the end
            return self._over(ToAgent(self.words))
        if self.early:
            return self._over(OptOut(self.early))
        return replace(self, question=self.question.ends(played.began_s, played.lasted_s, full=True)), ()

    def _neither(self, words: str) -> tuple[AskedBack, tuple[Output, ...]]:
        return self._over(ToAgent(f"{self.words} {words}".strip()))

    def _over(self, *outputs: Output) -> tuple[AskedBack, tuple[Output, ...]]:
        return AskedBack(times=self.times), outputs
