"""Where a supplier's timed words stand in the text that was asked for. Pure."""

from __future__ import annotations

import re

from voice_runtime.events import RATE_HZ, Word

_TOKEN = re.compile(r"\w[\w'’\-]*", re.UNICODE)


class WordPlaces:
    """Follows one clause: words come in the order they are spoken, in the supplier's spelling.

    A word that is not found ahead in the text (the supplier wrote "ten" for "10")
    is passed over: what was played is then told from the words around it.
    """

    def __init__(self, text: str) -> None:
        self._text = text.casefold()
        # Folding changes some texts' length (ß); without places they are told by characters.
        self._usable = len(self._text) == len(text)
        self._at = 0
        self._newest = 0

    def place(self, spoken: str, at_s: float) -> list[Word]:
        """The words of ``spoken``, which begins ``at_s`` s after the clause's first sample."""
        sample = max(self._newest, round(at_s * RATE_HZ)) if self._usable and at_s >= 0 else -1
        found: list[Word] = []
        if sample < 0:
            return found
        for token in _TOKEN.findall(spoken.casefold()):
            start = self._find(token)
            if start < 0:
                continue
            self._at = start + len(token)
            self._newest = sample
            found.append(Word(start, self._at, sample))
        return found

    def _find(self, token: str) -> int:
        """The next place of a whole word, not more than a sentence ahead."""
        at = self._at
        while (at := self._text.find(token, at, self._at + 120 + len(token))) >= 0:
            end = at + len(token)
            before = at == 0 or not self._text[at - 1].isalnum()
            if before and (end == len(self._text) or not self._text[end].isalnum()):
                return at
            at += 1
        return -1
