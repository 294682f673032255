"""Many phrases looked for at once. Pure.

Phrases that begin alike share a path in a tree: its edges are the places of phrases, its ends are whole
ones. What is looked for at a word is then walked once, however many phrases go on from there.
"""

from __future__ import annotations

from collections.abc import Iterable

from controls.rules.matchers import GAP, STEM, Phrase, Place, Span, Words

#: From so many places on, a node finds the next one by its word instead of asking each: a table for every one
#: of them would be a million objects for the collector of garbage to go through.
_MANY = 4


class PhraseIndex:
    """Phrases by key. Immutable; cost grows with the text, hardly with their number."""

    def __init__(self, phrases: Iterable[tuple[int, Phrase]]) -> None:
        """Index ``(key, phrase)`` pairs; ``find`` answers by key."""
        self._root = _Node()
        for key, phrase in phrases:
            node = self._root
            for place in phrase.places:
                node = node.behind(place)
            if key not in node.keys:
                node.keys = (*node.keys, key)
        self._root.close()
        #: First word, or beginning of one → how many words a phrase takes at most from there on, gaps filled.
        self._reach: dict[str, int] = {}
        self._stems: dict[str, int] = {}
        for place, node in self._root.places.items():
            for word in place.ways:
                self._reach[word] = max(self._reach.get(word, 0), place.longest + node.reach)
            for stem in place.stems:
                self._stems[stem] = max(self._stems.get(stem, 0), 1 + node.reach)

    def find(self, text: Words, ending_from: int = 0) -> dict[int, list[Span]]:
        """Matches as key → [(first word, after last word)], those that end after ``ending_from``.

        A phrase that can end in several ways from one first word is found once: with the longest entry of a
        list, and the shortest ``...``, from the left.
        """
        found: dict[int, list[Span]] = {}
        reaches, stems = self._reach, self._stems
        for at, token in enumerate(text.tokens):
            reach = reaches.get(token, 0)
            if stems:
                reach = max(reach, stems.get(token[:STEM], 0))
            if reach and at + reach > ending_from:
                walk = _Walk(text)
                walk.on(self._root, at)
                for node, end in walk.ends.items():
                    if end > ending_from:
                        for key in node.keys:
                            found.setdefault(key, []).append((at, end))
        return found


class _Node:
    """What can follow the words so far; compared by identity.

    Attributes:
        keys: of the phrases that are complete here.
        places: place → the node behind it.
        gap: the node behind ``...``.
        by_word: where there are many places, word → the entries that begin with it, and the node behind.
        by_stem: likewise, beginning of a word → whole beginnings, and the node behind.
        deep: something follows.
        reach: how many words can follow at most.
    """

    __slots__ = ("by_stem", "by_word", "deep", "gap", "keys", "places", "reach")

    def __init__(self) -> None:
        self.keys: tuple[int, ...] = ()
        self.places: dict[Place, _Node] = {}
        self.gap: _Node | None = None
        self.by_word: dict[str, list[tuple[tuple[tuple[str, ...], ...], _Node]]] = {}
        self.by_stem: dict[str, list[tuple[tuple[str, ...], _Node]]] = {}
        self.deep = False
        self.reach = 0

    def behind(self, place: Place | None) -> _Node:
        """The node behind a place, made if need be."""
        if place is None:
            self.gap = self.gap or _Node()
            return self.gap
        if place not in self.places:
            self.places[place] = _Node()
        return self.places[place]

    def close(self) -> None:
        """Nothing is added any more: prepare for lookups, here and below."""
        for place, node in self.places.items():
            if len(self.places) > _MANY:
                for word, entries in place.ways.items():
                    self.by_word.setdefault(word, []).append((entries, node))
                for stem, beginnings in place.stems.items():
                    self.by_stem.setdefault(stem, []).append((beginnings, node))
            node.close()
            self.reach = max(self.reach, node.reach + place.longest)
        if self.gap is not None:
            self.gap.close()
            self.reach = max(self.reach, GAP + self.gap.reach)
        self.deep = bool(self.places) or self.gap is not None


class _Walk:
    """From one first word through the tree.

    Attributes:
        ends: node → index after the last word, for phrases found; the first way found counts.
    """

    __slots__ = ("_breaks", "_seen", "_tokens", "ends")

    def __init__(self, text: Words) -> None:
        self._tokens, self._breaks = text.tokens, text.breaks
        self.ends: dict[_Node, int] = {}
        self._seen: set[tuple[_Node, int]] = set()

    def on(self, node: _Node, at: int) -> None:
        """Go on with the word at ``at``."""
        tokens = self._tokens
        token = tokens[at]
        if not node.by_word and not node.by_stem:
            for place, behind in node.places.items():
                for size in place.sizes(tokens, at):
                    self._arrive(behind, at + size)
            return
        for entries, behind in node.by_word.get(token, ()):
            for entry in entries:
                size = len(entry)
                if size == 1 or tokens[at : at + size] == entry:
                    self._arrive(behind, at + size)
        if node.by_stem:
            for beginnings, behind in node.by_stem.get(token[:STEM], ()):
                if token.startswith(beginnings):
                    self._arrive(behind, at + 1)

    def _arrive(self, node: _Node, at: int) -> None:
        if node.keys and node not in self.ends:
            self.ends[node] = at
        if not node.deep or at >= len(self._tokens) or (node, at) in self._seen:
            return  # seen: by another division of the same words, which found what there is
        self._seen.add((node, at))
        if node.places:
            self.on(node, at)
        if node.gap is not None:
            for skip in range(GAP + 1):
                if at + skip >= len(self._tokens) or at + skip in self._breaks:
                    break
                self._arrive(node.gap, at + skip)
