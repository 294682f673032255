"""A grammar of listening: which utterances only tell a speaker to go on, and which may yet become one. Pure.

An utterance listens when it is made of *tokens* ("uh huh", "that makes sense") and nothing else; an
*opener* ("yes" before "i see") may stand before one and a *tail* ("doctor", "then") behind it::

    listening = {opener} token {tail | {opener} token}

A token's pattern is a row of words; of each place in the row the alternatives stand between slashes, a list
of words or phrases as ``<name>``; ``?`` behind a place makes it optional, ``*`` lets it stand any number of
times. "i <quite>* see/know" is "i see", "i know", "i totally know", ….

A caller's words come one by one. Behind "that" both "that's fine" and "that's wrong" may come, so one waits
for the next word; but "no", and no word behind it, is an objection, and *alone* so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from voice_runtime.listen.word_lists import word_set


class Stance(StrEnum):
    """What words are to somebody who speaks."""

    LISTENS = "listens"  # all of them only listen
    MAY_LISTEN = "may_listen"  # the next words decide it
    WANTS = "wants"  # more than that, whatever follows


class Listening:
    """One language's grammar, as a finite automaton over words. Immutable; a few hundred states.

    Args:
        tokens: patterns of what listens by itself, separated by ``|``.
        alone: words that begin a token and want more when nothing follows them.
        openers, tails: words (or phrases, with ``|`` between them).
        lists: what ``<name>`` stands for in patterns: words, or phrases with ``|`` between them.

    Raises:
        KeyError: a pattern names a list that is not there.
    """

    def __init__(
        self, *, tokens: str, alone: str = "", openers: str, tails: str, lists: Mapping[str, str]
    ) -> None:
        self._lists = {name: [phrase.split() for phrase in word_set(words)] for name, words in lists.items()}
        self._alone = frozenset(alone.split())
        self._next: list[dict[str, set[int]]] = []
        self._free: list[set[int]] = []
        self._start, self._opened, self._listens, self._token = (self._state() for _ in range(4))
        for before in (self._start, self._opened, self._listens):
            self._free[before].add(self._token)
            self._phrases([one.split() for one in word_set(openers)], before, self._opened)
        self._phrases([one.split() for one in word_set(tails)], self._listens, self._listens)
        for pattern in _patterns(tokens):
            self._pattern(pattern)
        self._known: dict[tuple[frozenset[int], str], frozenset[int]] = {}

    def weigh(self, words: Sequence[str], *, over: bool = False) -> Stance:
        """What ``words`` are, as ``completeness.words_of`` writes them; no words: they may listen.

        Args:
            over: nothing was said behind them.
        """
        at = self._closed((self._start,))
        for word in words:
            known = self._known.get((at, word))
            if known is None:
                known = self._closed(to for state in at for to in self._next[state].get(word, ()))
                if not known:
                    return Stance.WANTS
                self._known[at, word] = known  # words of the grammar alone, never a caller's own
            at = known
        if self._listens in at:
            return Stance.LISTENS
        return Stance.WANTS if over and words and words[-1] in self._alone else Stance.MAY_LISTEN

    @property
    def words(self) -> frozenset[str]:
        """All its words."""
        return frozenset(word for edges in self._next for word in edges)

    # -- building it ---------------------------------------------------------------------------------

    def _state(self) -> int:
        self._next.append({})
        self._free.append(set())
        return len(self._next) - 1

    def _pattern(self, pattern: str) -> None:
        at = self._token
        for place in pattern.split():
            mark = place[-1] if place[-1] in "?*" else ""
            after = self._state()
            if mark == "*":  # a state of its own, so that the way back leads to nothing but this place
                before, at = at, self._state()
                self._free[before].add(at)
                self._free[after].add(at)
            if mark:
                self._free[at].add(after)
            for one in place.removesuffix(mark).split("/"):
                phrases = self._lists[one[1:-1]] if one.startswith("<") else [[one]]
                self._phrases(phrases, at, after)
            at = after
        self._free[at].add(self._listens)

    def _phrases(self, phrases: Iterable[Sequence[str]], start: int, end: int) -> None:
        for *before, last in phrases:
            at = start
            for word in before:
                to = self._state()
                self._next[at].setdefault(word, set()).add(to)
                at = to
            self._next[at].setdefault(last, set()).add(end)

    def _closed(self, states: Iterable[int]) -> frozenset[int]:
        """These states and those that are reached from them without a word."""
        found: set[int] = set()
        todo = list(states)
        while todo:
            state = todo.pop()
            if state not in found:
                found.add(state)
                todo += self._free[state]
        return frozenset(found)


def _patterns(listed: str) -> list[str]:
    return [pattern for one in listed.split("|") if (pattern := one.strip())]
