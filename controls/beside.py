"""What else stands in an utterance that asks something of the runtime: the caller's own words. Pure.

A caller who asks whether this is a machine, or objects to being recorded, often asks for something else in
the same breath. What the runtime answers itself is cut out of their words, and the rest goes on as if they
had said nothing else: each word once, in its order, and as it was said ("10:30" stays "10:30", "don't" stays
"don't"). Nothing is lost but the words cut out, unless filler is all that is left.
"""

from __future__ import annotations

from collections.abc import Iterable

from controls.rules.matchers import Span, Words
from controls.rules.phrase_index import PhraseIndex

#: What stands behind a cut and belonged to it: spaces, and the marks that ended it.
_SEAM = " \t\r\n?!.,;:…"


class Beside:
    """What is left of an utterance without what it asks; immutable, one for a language and what is asked.

    Attributes:
        fillers: words that ask for nothing: where they are all that is left, nothing is.
        before: words right before what is asked that belong to it ("i would rather").
        behind: the same, right behind it ("this call").
    """

    def __init__(
        self, fillers: PhraseIndex, before: PhraseIndex | None = None, behind: PhraseIndex | None = None
    ) -> None:
        self._fillers, self._before, self._behind = fillers, before, behind

    def of(self, said: Words, asked: Iterable[Span]) -> str:
        """The words outside ``asked``, in their order.

        Args:
            asked: where what is asked stands, as indices of ``said``'s tokens; they may overlap.

        Returns:
            Pieces of ``said.text``, joined by single spaces; "" where only fillers are left.
        """
        cut = {i for span in asked for i in range(*self._widened(said, span))}
        known = {i for span in self._fillers.find(said).get(0, []) for i in range(*span)}
        if all(i in cut or i in known for i in range(len(said))):
            return ""
        return outside(said, cut)

    def _widened(self, said: Words, span: Span) -> Span:
        first, after = span
        if self._before is not None:
            there = self._before.find(said).get(0, [])
            while wider := [a for a, b in there if a < first <= b]:
                first = min(wider)
        if self._behind is not None:
            there = self._behind.find(said).get(0, [])
            while further := [b for a, b in there if a <= after < b]:
                after = max(further)
        return first, after


def outside(said: Words, cut: Iterable[int]) -> str:
    """``said.text`` without these tokens: its pieces, without the marks that ended the cut, joined by spaces.

    A written word goes as a whole, however many tokens it is ("don't" is two, "10:30" is four).
    """
    ends = sorted({said.spans[i] for i in cut})
    pieces, at = [], 0
    for start, end in (*ends, (len(said.text), len(said.text))):
        if any(at <= first < start for first, _ in said.spans):  # else only marks stand there
            pieces.append(said.text[at:start].lstrip(_SEAM if at else None).rstrip())
        at = max(at, end)
    return " ".join(pieces)
