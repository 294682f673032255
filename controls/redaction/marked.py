"""A text taken apart for the recognisers: normalised words with their places, numbers, labels. Pure.

Words are those of ``controls.rules.matchers``, so that written and spoken numbers are one. What was masked
already, and ids of ours, are opaque: they stand as one word that nothing matches and nothing reaches across.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from controls.ledger.records import PersonalData
from controls.redaction.tables import BETWEEN, CARDS, GENERIC, LABELS
from controls.rules.matchers import Span, Words, compile_phrase, tail, words
from controls.rules.phrase_index import PhraseIndex

#: Stands for whatever nothing reaches across.
OPAQUE = "\0"
#: Words of what was said before that can say what a number is.
CONTEXT_WORDS = 24
#: They stand in no more of its end than this.
_CONTEXT_CHARACTERS = 240
#: A label says nothing of figures that come so many words later.
_FAR = 14
#: Words between the figures of one number, at most.
_BETWEEN_MOST = 3

_MASKS = "|".join(re.escape(kind.value) for kind in PersonalData)
_OPAQUE = re.compile(
    rf"\[(?:{_MASKS})\]"
    # ids of ours, but not one of figures only, and digests
    r"|\b[a-z]_(?=[0-9]{0,15}[A-HJKMNP-TV-Z])[0-9A-HJKMNP-TV-Z]{16}\b|\b(?:hmac-)?sha256:[0-9a-f]{64}\b"
    # RFC 3339: dates with a time are ours, not a caller's
    r"|\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?\b"
)
_BLOCK = re.compile(r"[\x00-\x7f]?[^\x00-\x7f]+|[\x00-\x7f]")


def _family(label: str) -> str:
    """Labels that speak of the same thing."""
    return "card" if label in CARDS else label


@dataclass(frozen=True, slots=True)
class Run:
    """Figures of one number, whatever stands between them.

    Attributes:
        first, last: its first token and the one after its last.
        digits: the figures.
        groups: how many figures each written word of it has.
        between: words that stand between them.
    """

    first: int
    last: int
    digits: str
    groups: tuple[int, ...]
    between: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Marked:
    """What recognisers look at.

    Attributes:
        text: what the spans point into: normalised as ``controls.rules.matchers.words`` does it.
        tokens: normalised words, those of the context first.
        spans: place of each token in ``text``; (-1, -1) for the context's.
        fresh: the first token that is no context.
        runs: numbers, of the text itself only.
        labels: what numbers are said to be, name → (first words, ends), each ascending.
    """

    text: str
    tokens: tuple[str, ...]
    spans: tuple[Span, ...]
    fresh: int
    runs: tuple[Run, ...]
    labels: Mapping[str, tuple[Sequence[int], Sequence[int]]]

    def labelled(self, name: str, first: int, last: int, *, before: int = 10, after: int = 4) -> bool:
        """Whether a label stands at most so many words before token ``first``, or behind ``last``."""
        found = self.labels.get(name)
        if found is None:
            return False
        starts, ends = found
        i = bisect_right(ends, first) - 1
        if i >= 0 and first - ends[i] <= before:
            return True
        i = bisect_left(starts, last)
        return i < len(starts) and starts[i] - last < after

    def said_to_be(self, name: str, first: int, last: int, *, before: int = 10, after: int = 4) -> bool:
        """As ``labelled``, but no label of another kind stands nearer before it.

        What the other side said speaks of no card: an agent asks for none, and may name one in passing.
        """
        if name not in self.labels:
            return False
        own = self._words_since(name, first)
        rivals = [
            words_since
            for other in self.labels
            if _family(other) != _family(name)
            and other not in GENERIC
            and (words_since := self._words_since(other, first)) is not None
        ]
        if own is not None and own <= before:
            return own <= min(rivals, default=own)
        return not rivals and self.labelled(name, first, last, before=-1, after=after)

    def _words_since(self, name: str, first: int) -> int | None:
        """How many words before token ``first`` a label ended; None where that is far."""
        starts, ends = self.labels[name]
        i = bisect_right(ends, first) - 1
        if i < 0 or first - ends[i] > _FAR or (_family(name) == "card" and starts[i] < self.fresh):
            return None
        return first - ends[i]

    def place(self, first: int, last: int) -> Span:
        """The stretch of ``text`` that tokens ``first`` to ``last`` (after the last) take."""
        return self.spans[first][0], max(end for _, end in self.spans[first:last])

    def gap(self, left: int) -> str:
        """What stands in ``text`` between a token and the next one."""
        if left < self.fresh or left + 1 >= len(self.tokens):
            return ""
        return self.text[self.spans[left][1] : self.spans[left + 1][0]]

    def token(self, at: int) -> str:
        """The token there; ``OPAQUE`` outside the text."""
        return self.tokens[at] if self.fresh <= at < len(self.tokens) else OPAQUE


#: A text taken apart, and where its characters came from (``marked``).
Seen = tuple[Marked, list[Span] | None]


def marked(text: str, context: str = "") -> Seen:
    """Take ``text`` apart.

    Args:
        context: what was said just before, by whomever: it may say what a number is.

    Returns:
        And for each character of ``Marked.text`` the stretch of ``text`` it came from; None where they are
        equal.
    """
    tokens: list[str] = []
    spans: list[Span] = []
    if context:
        tokens += tail(words(context[-_CONTEXT_CHARACTERS:]), CONTEXT_WORDS).tokens
        tokens.append(OPAQUE)
        spans += [(-1, -1)] * len(tokens)
    fresh = len(tokens)
    plain = text.isascii()
    pieces: list[str] = []
    length = 0
    for begin, end, opaque in _pieces(text):
        piece = text[begin:end]
        if opaque:
            tokens.append(OPAQUE)
            spans.append((length, length + len(piece)))
        else:
            found = words(piece)
            shift = length
            tokens += found.tokens
            spans += [(a + shift, b + shift) for a, b in found.spans] if shift else found.spans
            piece = found.text
        pieces.append(piece)
        length += len(piece)
    normal = text if plain else "".join(pieces)
    sources = None if normal == text else list(_sources(text))
    made = Marked(normal, tuple(tokens), tuple(spans), fresh, (), {})
    if not any(t.isdecimal() for t in tokens[fresh:]):
        return made, sources
    runs = tuple(_runs(made))
    return replace(made, runs=runs, labels=labels_of(made.tokens)), sources


def _pieces(text: str) -> Iterator[tuple[int, int, bool]]:
    """Stretches of ``text``, and whether each is opaque."""
    at = 0
    for found in _OPAQUE.finditer(text) if any(sign in text for sign in "[_:") else ():
        if found.start() > at:
            yield at, found.start(), False
        yield found.start(), found.end(), True
        at = found.end()
    if at < len(text):
        yield at, len(text), False


def _sources(text: str) -> Iterator[Span]:
    """For each character of ``Marked.text``, where it came from.

    Normalising (NFKC) never joins what lies before an ASCII character with it, so a piece may be
    normalised in blocks; within one, cluster by cluster where that comes to the same.
    """
    for begin, end, opaque in _pieces(text):
        if opaque:
            yield from ((i, i + 1) for i in range(begin, end))
            continue
        for found in _BLOCK.finditer(text, begin, end):
            yield from _block_sources(found.group(), found.start())


def _block_sources(block: str, at: int) -> Iterator[Span]:
    whole = unicodedata.normalize("NFKC", block)
    clusters = list(_clusters(block))
    parts = [unicodedata.normalize("NFKC", block[a:b]) for a, b in clusters]
    if "".join(parts) != whole:
        clusters, parts = [(0, len(block))], [whole]
    for (a, b), part in zip(clusters, parts, strict=True):
        yield from ((a + at, b + at) for c in part if unicodedata.category(c) != "Cf")


def _clusters(block: str) -> Iterator[Span]:
    start = 0
    for i in range(1, len(block)):
        if not unicodedata.category(block[i]).startswith("M"):
            yield start, i
            start = i
    yield start, len(block)


def _runs(made: Marked) -> Iterator[Run]:
    """Numbers, each as long as nothing but fillers stands between its figures."""
    tokens, spans = made.tokens, made.spans
    at, size = made.fresh, len(made.tokens)
    while at < size:
        if not tokens[at].isdecimal():
            at += 1
            continue
        first = at
        digits: list[str] = []
        groups: list[int] = []
        between: set[str] = set()
        waiting: list[str] = []
        last = at
        while at < size and len(waiting) <= _BETWEEN_MOST:
            token = tokens[at]
            if token.isdecimal():
                figures = "".join(str(unicodedata.decimal(c)) for c in token)
                if digits and not waiting and spans[at] == spans[at - 1]:
                    groups[-1] += len(figures)
                else:
                    groups.append(len(figures))
                digits.append(figures)
                between.update(waiting)
                waiting = []
                last = at + 1
            elif token in BETWEEN:
                waiting.append(token)
            else:
                break
            at += 1
        at = last
        yield Run(first, last, "".join(digits), tuple(groups), frozenset(between))


@lru_cache(maxsize=1)
def _label_index() -> tuple[tuple[str, ...], PhraseIndex]:
    names = tuple(LABELS)
    phrases = ((i, compile_phrase(p)) for i, name in enumerate(names) for p in LABELS[name])
    return names, PhraseIndex(phrases)


def labels_of(tokens: Iterable[str]) -> dict[str, tuple[Sequence[int], Sequence[int]]]:
    """Where tokens say what a number is: name → (first words, ends), each ascending."""
    names, index = _label_index()
    every = tuple(tokens)
    found = index.find(Words("", every, (), frozenset()))
    return {
        names[key]: (sorted(a for a, _ in spans), sorted(b for _, b in spans)) for key, spans in found.items()
    }
