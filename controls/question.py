"""When a question of ours sounded, and what of the caller's can be an answer to it. Pure.

    not yet ──begins──▶ sounding ──ends──▶ played, in full or cut

1. What came before a question began is no answer to it, whatever it says: an "okay" to what was said before
   it, a key meant for something else. The caller spoke before it when their speech began before it.
2. While it sounds, an unmistakable yes or no, a number or a key answers it; words that only agree ("okay")
   may be listening. One that still lasts when it ends counts as behind it.
3. A yes is one only where the whole question was played; until then it waits for that. A no is always one.

Consent has to be specific and unambiguous: GDPR Art. 4(11) and 7; 47 CFR 64.1200(f)(9).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class When(StrEnum):
    """Where something of the caller's stands to a question."""

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Question:
    """One question, as it was put once. Times in s since the call was answered.

    Attributes:
        began_s: its first sample sounded; None while it has not.
        ended_s: its last sample that was played; None while it sounds.
        full: every sample of it was played, in the words that were asked for.
    """

    began_s: float | None = None
    ended_s: float | None = None
    full: bool = False

    @property
    def over(self) -> bool:
        """Whether it has been played, or cut."""
        return self.ended_s is not None

    def begins(self, at_s: float) -> Question:
        """It begins to sound, for the first time or once more from its start."""
        return Question(began_s=at_s)

    def ends(self, began_s: float, lasted_s: float, *, full: bool) -> Question:
        """It was played, or cut; one of which nothing was played never began."""
        if lasted_s <= 0:
            return replace(self, began_s=None, ended_s=began_s, full=False)
        return Question(began_s, began_s + lasted_s, full)

    def when(self, since_s: float, until_s: float) -> When:
        """Where a stretch of the caller's speech, or a key (``since_s`` = ``until_s``), stands to it."""
        if self.began_s is None or since_s < self.began_s:
            return When.BEFORE
        if self.ended_s is None or until_s < self.ended_s:
            return When.DURING
        return When.AFTER

    def answered(self, since_s: float, until_s: float, *, certain: bool) -> bool:
        """Whether what came then can answer it.

        Args:
            certain: a key, a number, or a yes or no that cannot be mere listening.
        """
        when = self.when(since_s, until_s)
        return when is When.AFTER or (when is When.DURING and certain)
