"""Things that stand together: parts of a sentence in any order, near one another. Pure.

A phrase says words in their order; what is meant can be said in many. ``<judging> + <condition>``
holds where an entry of both lists stands in one sentence, in either order, with at most
``WITHIN`` words from the first word of the one to the last of the other. A recogniser writes no
full stops, so for a caller the distance alone limits it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from controls.rules.matchers import Phrase, Span, Words

#: Words that all parts lie within, their own included.
WITHIN = 16


@dataclass(frozen=True, slots=True)
class Together:
    """A compiled line of ``together``: its parts, two or more."""

    written: str
    parts: tuple[Phrase, ...]


def together(parts: Sequence[Sequence[Span]], text: Words, ending_from: int = 0) -> list[Span]:
    """Where all parts stand together, as (first word, after last word); one for each place of the first part.

    Args:
        parts: where each part was found in ``text``.
        ending_from: something of a match lies behind this word.
    """
    first, *rest = parts
    if not all(parts):
        return []
    ends = sorted(text.breaks)
    found = []
    for span in first:
        reach = _joined((span,), rest, ends)
        if reach is not None and reach[1] > ending_from:
            found.append(reach)
    return found


def compile_together(written: str, phrase: Callable[[str], Phrase]) -> Together:
    """Compile ``part + part [+ part …]``, each part a phrase that ``phrase`` compiles.

    Raises:
        ValueError: there is one part only, or a part is no phrase. The message reads
            ``problem | remedy``.
    """
    parts = [part.strip() for part in written.split(" + ")]
    if len(parts) < 2 or not all(parts):
        raise ValueError("`together` needs parts joined by + | write for example `<judging> + <condition>`")
    return Together(written, tuple(phrase(part) for part in parts))


def sentence_of(ends: Sequence[int], at: int) -> int:
    """Number of the sentence a word stands in; ``ends``: words that begin one, sorted."""
    return bisect_right(ends, at)


def _joined(taken: tuple[Span, ...], rest: Sequence[Sequence[Span]], ends: Sequence[int]) -> Span | None:
    """The shortest reach over one span of each part, none across another, or None."""
    reach = min(s[0] for s in taken), max(s[1] for s in taken)
    if reach[1] - reach[0] > WITHIN or sentence_of(ends, reach[0]) != sentence_of(ends, reach[1] - 1):
        return None
    if not rest:
        return reach
    found = [
        _joined((*taken, span), rest[1:], ends)
        for span in rest[0]
        if not any(span[0] < other[1] and other[0] < span[1] for other in taken)
    ]
    return min((f for f in found if f is not None), key=lambda f: f[1] - f[0], default=None)
