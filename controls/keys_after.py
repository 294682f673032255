"""Keys behind the entry of figures: the rest of what was being entered, and nobody's answer. Pure.

An entry may end in the middle of a number: its time ran out, a person stopped it, it did not fit once more.
The caller goes on keying, and a card's 1 is no yes, its 2 no objection and its 0 no wish for a person. So
keys count as the rest of the entry until ``#``, which ends one, or until none came for ``REST_S``. Where the
caller's own ``#`` ended it, nothing of it is left, and the next key counts.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Without a key for so long, s, the entry is over for the caller too: longer than anybody waits between the
#: figures of one number (``voice_runtime.inline.keyed_number`` takes 3 s), shorter than a question behind it.
REST_S = 4.0


@dataclass(frozen=True, slots=True)
class KeysAfter:
    """Where the keys behind one call's newest entry stand.

    Attributes:
        until_s: until then, monotonic, a key is the rest of the entry; 0 where there is none.
    """

    until_s: float = 0.0

    def ended(self, now_s: float) -> KeysAfter:
        """An entry has ended, or the caller has just been told so."""
        return KeysAfter(max(self.until_s, now_s + REST_S))

    def told(self, now_s: float) -> KeysAfter:
        """What tells the caller of its end has sounded; keys that count again already go on counting."""
        return self.ended(now_s) if now_s < self.until_s else self

    def key(self, key: str, now_s: float) -> tuple[KeysAfter, bool]:
        """A key was pressed; the next state, and whether it belongs to the entry."""
        if now_s >= self.until_s:
            return KeysAfter(), False
        return KeysAfter() if key == "#" else self.ended(now_s), True
