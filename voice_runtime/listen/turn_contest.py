"""Whose floor is it, while the agent has it and the caller makes sounds? Part of the turn policy. Pure.

When the agent speaks or thinks, the floor is contested until the caller's turn is
committed (``Commit``) or turns out to be nothing (``Resume``):

- the agent speaks: ``Pause`` after pause_ms of speech. It can be taken back, so little is enough;
- ``Commit`` cannot. Words and time are weighed together: an urgent word, or words that two partial texts
  agree on and that cannot become a backchannel (``listen.listening``), at once; a first guess of such words,
  after words_ms of speech; speech without words so far, after commit_ms; "yeah", and "yeah i" that may
  become "yeah i see", after backchannel_ms;
- a short sound that is over (contested_stop_ms) and has brought no word so far:
  ``Resume`` at once; words in its text still commit, and those that come in the pause;
- a backchannel, or sounds without words: ``Resume``, and nothing was said;
- but what can answer yes or no, begun over the last words of such a question, is an answer ("sure");
- uninterruptible speech: none of these; the turn ends as always, ``during_agent``.

When a turn begins, pauses and ends is ``listen.turn``'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from voice_runtime.listen.completeness import Whole, backchannel, listened, whole
from voice_runtime.listen.expected import ANYTHING, Expected, Wanted
from voice_runtime.listen.listening import Stance
from voice_runtime.listen.turn_values import Commit, Floor, Output, Pause, Resume, TurnPolicy

#: The agent is not kept silent for longer than this while the caller makes sounds now and then.
_LONGEST_PAUSE_MS = 2400
#: Silence after which nothing follows words that may become a backchannel ("that's"), or were one, ms.
BROKEN_OFF_MS = 500
#: A "mhm" holds less speech than this, ms.
_SHORT_SOUND_MS = 360
#: Speech goes on while no longer silence than this follows it: how long a sound was says little, ms.
_STILL_SPOKEN_MS = 20
#: Soft consonants and closures are no speech to the detector: of what is said, so much is at least.
_MOSTLY_SPOKEN = 0.5


@dataclass(slots=True)
class Spoken:
    """What was heard of the open turn so far.

    Attributes:
        started_ms: its first speech, media time.
        spoken_ms: how much of it was speech.
        partial: newest words since the last pause.
        earlier: words before the last pause, as they were.
        agreed: words that the two newest partials begin with alike: a first guess is no evidence.
    """

    started_ms: int = 0
    spoken_ms: int = 0
    partial: str = ""
    agreed: str = ""
    earlier: str = ""

    def words(self, partial: str) -> None:
        """Newer words."""
        self.agreed = _common_beginning(self.partial, partial)
        self.partial = partial

    def no_words(self, final: str) -> None:
        """They are recognised anew; ``final``: as they were, where that was sure already."""
        self.earlier = final or self.partial or self.earlier
        self.partial = self.agreed = ""


class Contest:
    """One call's floor. What returns outputs says what to do now, in order.

    Attributes:
        floor: what the agent does.
        cut: the turn interrupted the agent.
    """

    def __init__(
        self,
        policy: TurnPolicy,
        language: str,
        urgent: Callable[[str], bool],
        asking: Callable[[], Expected] = lambda: ANYTHING,
    ) -> None:
        """As ``TurnMachine``."""
        self.floor = Floor.IDLE
        self.cut = False
        self._committed = False  # the turn has the floor
        self._paused_ms: int | None = None  # since when the agent is silent for it
        self._policy = policy
        self._language = language
        self._urgent = urgent
        self._asking = asking
        self._asked = ANYTHING  # by the words over which the turn began

    @property
    def contested(self) -> bool:
        """Whether the agent has the floor, and the turn has not taken it."""
        return self.floor in (Floor.SPEAKING, Floor.THINKING) and not self._committed

    @property
    def start_ms(self) -> int:
        """Speech that begins a turn, or goes on with it: over the agent, as soon as it must fall silent."""
        over_the_agent = self.contested and self.floor is Floor.SPEAKING
        start_ms, pause_ms = self._policy.start_ms, self._policy.pause_ms
        return min(start_ms, pause_ms) if over_the_agent else start_ms

    def stop_ms(self, spoken_ms: int) -> int:
        """Silence after which speech has paused: over the agent a short sound is soon known for a "mhm".

        Args:
            spoken_ms: how long the caller has spoken. Who says more has holes in words, and an agent that
                goes on in one of them is silenced again a moment later.
        """
        over_the_agent = self.contested and self.floor is Floor.SPEAKING
        stop_ms, contested_stop_ms = self._policy.stop_ms, self._policy.contested_stop_ms
        return min(stop_ms, contested_stop_ms) if over_the_agent and spoken_ms < _SHORT_SOUND_MS else stop_ms

    def begin(self) -> None:
        """A turn began."""
        self._committed = self.cut = False
        self._paused_ms = None
        self._asked = ANYTHING
        self.caller_begins()

    def caller_begins(self) -> None:
        """The caller begins to speak, or goes on: perhaps over the last words of a question."""
        if self.floor in (Floor.SPEAKING, Floor.UNYIELDING) and self._asked is ANYTHING:
            self._asked = self._asking()

    def changed(self, floor: Floor) -> list[Output]:
        """The agent does something else now."""
        before, self.floor = self.floor, floor
        if floor is before:
            return []
        if floor is not Floor.THINKING or before is Floor.IDLE:
            self._committed = False  # what is left of an answer already cut needs no second cut
        return [] if self.contested else self.resume()

    def speech(self, spoken: Spoken, now_ms: int, silent_ms: int) -> list[Output]:
        """While the caller speaks.

        Args:
            now_ms: media time.
            silent_ms: since the last speech.
        """
        out: list[Output] = []
        if not self.contested:
            return out
        if (
            self.floor is Floor.SPEAKING
            and self._paused_ms is None
            and spoken.spoken_ms >= self._policy.pause_ms
            and silent_ms < self._policy.stop_ms
        ):
            self._paused_ms = now_ms
            out.append(Pause(now_ms))
        if self._takes_the_floor(spoken, now_ms, silent_ms):
            out += self.commit()
        return out

    def words(self, spoken: Spoken) -> list[Output]:
        """Words that came when the caller had paused already."""
        return self.commit() if self._words_take_the_floor(spoken) else []

    def over(self, spoken: Spoken) -> list[Output]:
        """The sound is over, for now."""
        has_words = bool(spoken.partial) and not self._only_listens(spoken.partial)
        return [] if has_words else self.resume()

    def final(self, text: str, silent_ms: int) -> list[Output]:
        """Words that are sure, in a pause.

        What may become a backchannel waits a little longer: within "that's good" there is a pause that the
        detector cannot tell from the end of speech.

        Args:
            silent_ms: since the last speech.
        """
        heard = listened(text, self._language, over=True)
        wants = heard is Stance.WANTS or (heard is Stance.MAY_LISTEN and silent_ms >= BROKEN_OFF_MS)
        return self.commit() if wants else []

    def nobodys(self, text: str, spoken: Spoken, *, understood: bool) -> bool:
        """Whether a turn's text, while the agent has the floor, is for nobody: "mhm", or nothing to trust."""
        listening = self._only_listens(text)
        if self.floor is Floor.UNYIELDING:
            return listening
        if not self.contested or spoken.spoken_ms >= self._policy.backchannel_ms:
            return False
        return listening or not understood

    def commit(self) -> list[Output]:
        """The turn takes the floor, if it is contested."""
        if not self.contested:
            return []
        self._committed = self.cut = True
        self._paused_ms = None
        return [Commit()]

    def resume(self) -> list[Output]:
        """The agent goes on, if it was silent for the caller."""
        if self._paused_ms is None:
            return []
        self._paused_ms = None
        return [Resume()]

    def _takes_the_floor(self, spoken: Spoken, now_ms: int, silent_ms: int) -> bool:
        """Whether this is more than listening: words, an urgent word, or speech that goes on."""
        if self._paused_ms is not None and now_ms - self._paused_ms >= _LONGEST_PAUSE_MS:
            return True
        if self._words_take_the_floor(spoken):
            return True
        lasts_ms = now_ms - spoken.started_ms
        goes_on = silent_ms <= _STILL_SPOKEN_MS and spoken.spoken_ms >= lasts_ms * _MOSTLY_SPOKEN
        return goes_on and lasts_ms >= self._enough_ms(spoken.partial or spoken.earlier)

    def _enough_ms(self, words: str) -> int:
        """How long speech lasts that takes the floor, by what is known of its words."""
        if self._wants(words):
            return self._policy.words_ms
        return self._policy.backchannel_ms if words else self._policy.commit_ms

    def _words_take_the_floor(self, spoken: Spoken) -> bool:
        """Whether the words do."""
        # "Stop" may not wait for a second partial text to agree: a wrong guess costs an answer, no more.
        if spoken.partial and self._urgent(spoken.partial):
            return True
        if self._wants(spoken.agreed):
            return True
        return spoken.spoken_ms >= self._policy.words_ms and self._wants(spoken.partial)

    def _only_listens(self, text: str) -> bool:
        """Whether it is a backchannel, and answers no question that was being asked."""
        if not backchannel(text, self._language):
            return False
        yes_or_no = self._asked.wanted is Wanted.YES_NO
        return not yes_or_no or whole(text, self._language, self._asked) is Whole.OPEN  # "um"

    def _wants(self, text: str) -> bool:
        return listened(text, self._language) is Stance.WANTS


def _common_beginning(one: str, other: str) -> str:
    """The words two texts begin with alike."""
    same = []
    for a, b in zip(one.split(), other.split(), strict=False):
        if a != b:
            break
        same.append(a)
    return " ".join(same)
