"""Words as rules see them: normalised tokens, phrases with wildcards, numbers. Pure.

Text is compared without case, punctuation, accents, invisible characters or
contractions, and numbers are compared digit by digit, so that "It's 9-1-1",
"its nine eleven" and "IT IS NINE ONE ONE" are the same words; so are "$50" and
"fifty dollars", "100%" and "one hundred percent". Recognised speech (no case, no
punctuation), a model's prose and what a voice is given therefore match the same
phrases. Numbers in phrases are best written in figures.

A phrase is plain words, and may hold

* ``it/this/that``: any one of these words,
* ``<condition>``: any entry of the pack's word list of that name,
* ``diagnos*``: any word that begins so (three letters at least),
* ``...``: up to six other words of the same sentence.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

from controls.rules.number_words import SPECIAL, to_digits

#: How many words ``...`` may stand for.
GAP = 6

_TOKEN = re.compile(
    r"(?P<sign>[$€£])\s?(?P<amount>\d+(?:,\d+)*(?:\.\d+)?)|(?<=\d)\s?(?P<after>[$€£¢%])(?!\d)"
    r"|[^\W_]+(?:['’`´][^\W_]+)*"
)
_PARTS = re.compile(r"\d|[^\W\d_]+")
_SENTENCE_END = re.compile(r"[.!?…;]")
#: Titles that are written with a full stop which ends no sentence.
_TITLES = frozenset(("mr", "mrs", "ms", "dr", "dra", "sr", "sra", "srta", "prof"))
#: Signs that are read as a word: money before its amount or after it, the others where they stand.
_SIGNS = {"$": "dollars", "€": "euros", "£": "pounds", "¢": "cents", "%": "percent"}
_WHOLE = {
    "can't": ("can", "not"), "cannot": ("can", "not"), "won't": ("will", "not"), "shan't": ("shall", "not"),
    "ain't": ("is", "not"), "let's": ("let", "us"), "gonna": ("going", "to"), "wanna": ("want", "to"),
    "gotta": ("got", "to"), "y'all": ("you", "all"), "o'clock": ("oclock",), "lemme": ("let", "me"),
    # as recognisers write them, without the apostrophe
    "im": ("i", "am"), "ive": ("i", "have"), "dont": ("do", "not"), "cant": ("can", "not"),
    "wont": ("will", "not"), "youre": ("you", "are"), "youve": ("you", "have"), "thats": ("that", "is"),
    "isnt": ("is", "not"), "arent": ("are", "not"), "doesnt": ("does", "not"), "didnt": ("did", "not"),
    "its": ("it", "is"), "whats": ("what", "is"), "theyre": ("they", "are"), "hes": ("he", "is"),
    "shes": ("she", "is"), "couldnt": ("could", "not"), "shouldnt": ("should", "not"),
    "wouldnt": ("would", "not"), "wasnt": ("was", "not"), "havent": ("have", "not"), "hasnt": ("has", "not"),
}  # fmt: skip
_SUFFIXES = {"'ll": "will", "'re": "are", "'ve": "have", "'d": "would", "'m": "am"}
_IS_AFTER = frozenset((
    "it", "that", "he", "she", "what", "who", "there", "here", "where", "how", "this", "when", "why",
    "everything", "something",
))  # fmt: skip


@dataclass(frozen=True)
class Words:
    """Normalised words of a text.

    Attributes:
        text: the text the spans point into (NFKC, invisible characters removed).
        tokens: normalised words; digits stand alone ("10" is "1", "0").
        spans: where each token came from in ``text``, as (start, end).
        breaks: indices of tokens that begin a new sentence.
    """

    text: str
    tokens: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    breaks: frozenset[int]

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def plain(self) -> str:
        """The tokens joined by single spaces, as CEL expressions see the text."""
        return " ".join(self.tokens)

    @property
    def marks(self) -> frozenset[str]:
        """Every word once, and what a beginning of it is looked up by, as ``dia*``."""
        return self.marks_from(0)

    def marks_from(self, first: int) -> frozenset[str]:
        """``marks`` of the words from ``first`` on."""
        if first not in self._marks:
            self._marks[first] = frozenset(m for m, at in self.at.items() if at[-1] >= first)
        return self._marks[first]

    @cached_property
    def at(self) -> dict[str, list[int]]:
        """Mark → where it stands, in order."""
        found: dict[str, list[int]] = {}
        for i, token in enumerate(self.tokens):
            found.setdefault(token, []).append(i)
            found.setdefault(token[:STEM] + "*", []).append(i)
        return found

    def standing(self, place: Place) -> Mapping[int, Sequence[int]]:
        """Where something of a place of a phrase stands, in order → how many words it has, longest first."""
        found = self._standing.get(place)
        if found is None:
            marks = self.marks & place.begins
            if len(marks) == 1:
                starts: Sequence[int] = self.at[next(iter(marks))]
            else:
                starts = sorted({at for mark in marks for at in self.at[mark]})
            tokens, alone = self.tokens, place.alone
            found = {
                at: sizes
                for at in starts
                if (sizes := _ONE if tokens[at] in alone else place.sizes(tokens, at))
            }
            self._standing[place] = found  # many phrases share a place
        return found

    @cached_property
    def _marks(self) -> dict[int, frozenset[str]]:
        return {}

    @cached_property
    def _standing(self) -> dict[Place, Mapping[int, Sequence[int]]]:
        return {}


#: A single word, as ``Place.sizes`` says it.
_ONE: Sequence[int] = (1,)
#: Letters of a word that ``diagnos*`` is looked up by; shorter beginnings would match anything.
STEM = 3

EMPTY = Words("", (), (), frozenset())

#: First word and the one after the last, as indices of tokens.
Span = tuple[int, int]


def words(text: str) -> Words:
    """Split ``text`` into normalised words."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = "".join(c for c in text if unicodedata.category(c) != "Cf")
    raw: list[str] = []
    spans: list[tuple[int, int]] = []
    breaks: list[int] = []
    special = False
    last_end = 0
    for match in _TOKEN.finditer(text):
        start, end = match.span()
        if raw and start - last_end > 1 and _SENTENCE_END.search(text, last_end, start):
            title = raw[-1] in _TITLES and text[last_end:start].strip() == "."
            if not title:
                breaks.append(len(raw))
        last_end = end
        for part in _read(match):
            special = special or part in SPECIAL
            raw.append(part)
            spans.append((start, end))
    if special:
        raw, spans, breaks = to_digits(raw, spans, breaks)
    return Words(text, tuple(raw), tuple(spans), frozenset(breaks))


def join(before: Words, after: Words) -> Words:
    """``before`` and then ``after`` as one text; spans are those of a text joined by a space."""
    if not before.tokens:
        return after
    shift = len(before.text) + 1
    n = len(before.tokens)
    breaks = before.breaks | {b + n for b in after.breaks}
    if before.text.rstrip()[-1:] in tuple(".!?…;"):
        breaks |= {n}
    return Words(
        before.text + " " + after.text,
        before.tokens + after.tokens,
        before.spans + tuple((a + shift, b + shift) for a, b in after.spans),
        breaks,
    )


def tail(text: Words, count: int) -> Words:
    """The last ``count`` words of ``text``."""
    skip = len(text) - count
    if skip <= 0:
        return text
    return Words(
        text.text, text.tokens[skip:], text.spans[skip:], frozenset(b - skip for b in text.breaks if b > skip)
    )


def _read(token: re.Match[str]) -> tuple[str, ...]:
    """One token to its normalised words: "$5.50" to 5 5 0 dollars, as "five fifty dollars" would be."""
    if token["sign"]:
        return (*(c for c in token["amount"] if c.isdigit()), _SIGNS[token["sign"]])
    return (_SIGNS[token["after"]],) if token["after"] else _canonical(token.group())


@lru_cache(maxsize=8192)
def _canonical(token: str) -> tuple[str, ...]:
    """One written word to its normalised words, numbers in words left for ``number_words``."""
    if not token.isascii():
        token = unicodedata.normalize("NFKD", token)
        token = "".join(c for c in token if not unicodedata.combining(c))
    token = re.sub("[’`´]", "'", token.casefold())
    if token in _WHOLE:
        return _WHOLE[token]
    if token.endswith("n't") and len(token) > 3:
        return (token[:-3], "not")
    if token.endswith("'s"):
        stem = token[:-2]
        return (*_split(stem), "is") if stem in _IS_AFTER else _split(stem)
    for suffix, full in _SUFFIXES.items():
        if token.endswith(suffix) and len(token) > len(suffix):
            return (*_split(token[: -len(suffix)]), full)
    return _split(token.replace("'", ""))


def _split(token: str) -> tuple[str, ...]:
    """Split letters from digits, as "10am" into "1", "0", "am"."""
    return (token,) if token.isalpha() else tuple(_PARTS.findall(token)) or (token,)


# --- numbers --------------------------------------------------------------------------------------


def numbers(text: Words, ending_from: int = 0) -> list[str]:
    """Runs of digits, such as ``["230", "4111111111111111"]``, that end at token ``ending_from`` or later."""
    found: list[str] = []
    run = ""
    for i, token in enumerate(text.tokens):
        if token.isdigit():
            run += token
            continue
        if run and i - 1 >= ending_from:
            found.append(run)
        run = ""
    if run and len(text.tokens) - 1 >= ending_from:
        found.append(run)
    return found


def cards(runs: Iterable[str]) -> list[str]:
    """Payment card numbers in ``runs``: 13 to 19 digits, a card's first digit, Luhn (ISO/IEC 7812-1)."""
    found = []
    for run in runs:
        for size in range(13, min(19, len(run)) + 1):
            found += [
                run[i : i + size]
                for i in range(len(run) - size + 1)
                if run[i] in "23456" and _luhn(run[i : i + size])
            ]
    return found


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


# --- phrases --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Place:
    """One place in a phrase: the ways to go on, by their first word, longest first. Compared by identity.

    Attributes:
        stems: beginnings of words (``diagnos*``), by their first ``STEM`` letters.
    """

    ways: Mapping[str, tuple[tuple[str, ...], ...]]
    stems: Mapping[str, tuple[str, ...]]

    @cached_property
    def longest(self) -> int:
        """How many words can stand here at most."""
        return max((len(entry) for entry in self.entries), default=1)

    @cached_property
    def begins(self) -> frozenset[str]:
        """Marks (``Words.at``) of the words it can begin with."""
        return frozenset(self.ways).union(stem + "*" for stem in self.stems)

    @cached_property
    def alone(self) -> frozenset[str]:
        """Words that stand here by themselves and begin nothing longer: nothing else is compared."""
        return frozenset(first for first, entries in self.ways.items() if all(len(e) == 1 for e in entries))

    @cached_property
    def ends(self) -> frozenset[str]:
        """Marks of the words it can end with."""
        return frozenset(entry[-1] for entry in self.entries)

    @cached_property
    def entries(self) -> tuple[tuple[str, ...], ...]:
        """Marks of each way to go on."""
        words = (entry for entries in self.ways.values() for entry in entries)
        return (*words, *((stem + "*",) for stem in self.stems))

    def sizes(self, tokens: Sequence[str], at: int) -> Sequence[int]:
        """How many words can stand here, at ``at``; the longest first."""
        token = tokens[at]
        options = self.ways.get(token, ())
        found = [n for o in options if (n := len(o)) == 1 or tuple(tokens[at : at + n]) == o]
        if self.stems and token.startswith(self.stems.get(token[:STEM], ())):
            found.append(1)
        return found


@dataclass(frozen=True, slots=True)
class Phrase:
    """A compiled phrase; a place of None is ``...``."""

    written: str
    places: tuple[Place | None, ...]


def compile_phrase(written: str, lists: Mapping[str, Sequence[str]] | None = None) -> Phrase:
    """Compile a phrase.

    Args:
        lists: word lists that ``<name>`` may refer to.

    Raises:
        ValueError: it is empty, begins or ends with ``...``, or names an unknown
            list. The message reads ``problem | remedy``.
    """
    lists = lists or {}
    places: list[Place | None] = []
    for part in written.replace("…", "...").replace("...", " ... ").split():
        if part == "...":
            places.append(None)
        elif part.startswith("<"):
            name = part.strip("<>,.?!")
            if name not in lists:
                raise ValueError(f"the phrase names an unknown word list <{name}> | add it under `lists`")
            places.append(_place(tuple(lists[name])))
        elif "/" in part.strip("/") or "*" in part:
            places.append(_place(tuple(part.split("/"))))
        else:
            places += [_word(token) for token in _tokens(part)]
    places = _joined_numbers(written, places)
    if any(a is None and b is None for a, b in pairwise(places)):
        raise ValueError("a phrase holds ... twice in a row | write it once")
    if not places or not any(places):
        raise ValueError("the phrase holds no words | write the words to look for")
    if places[0] is None or places[-1] is None:
        raise ValueError(
            "a phrase cannot begin or end with ... | take it away; any words may stand around a phrase"
        )
    return Phrase(written, tuple(places))


@lru_cache(maxsize=16384)  # phrases share most of their words
def _tokens(part: str) -> tuple[str, ...]:
    if part.isascii() and part.isalpha() and SPECIAL.isdisjoint(one := _canonical(part)):
        return one  # as most are: one plain word
    return words(part).tokens


@lru_cache(maxsize=16384)  # many phrases name the same list, and share the place for it
def _place(options: tuple[str, ...]) -> Place:
    ways: dict[str, list[tuple[str, ...]]] = {}
    stems: dict[str, list[str]] = {}
    for option in options:
        tokens = _tokens(option)
        if not tokens:
            raise ValueError("a word list holds an entry without words | remove the empty entry")
        if "*" in option:
            stem = _stem(option, tokens)
            stems.setdefault(stem[:STEM], []).append(stem)
        else:
            ways.setdefault(tokens[0], []).append(tokens)
    return Place(
        {
            first: tuple(w) if len(w) == 1 else tuple(sorted(set(w), key=len, reverse=True))
            for first, w in ways.items()
        },
        {first: tuple(found) for first, found in stems.items()},
    )


def _stem(option: str, tokens: Sequence[str]) -> str:
    if len(tokens) != 1 or not option.strip().endswith("*") or len(tokens[0]) < STEM:
        raise ValueError(
            f"`{option}` begins no word | write one word of {STEM} letters or more and * at its end"
        )
    return tokens[0]


@lru_cache(maxsize=16384)  # as above: one place for one word
def _word(token: str) -> Place:
    return Place({token: ((token,),)}, {})


def _joined_numbers(written: str, places: list[Place | None]) -> list[Place | None]:
    """Word by word, "twenty one" would read 2 0 1; a phrase of plain words is read as a whole."""
    if any(p is None for p in places) or not set(written).isdisjoint("/<*"):
        return places
    tokens = [token for place in places if place is not None for token in place.ways]
    if any(token in SPECIAL or token.isdigit() for token in tokens):
        return [_word(token) for token in words(written).tokens]
    return places


def rewritten(clause: Words, start: int, spans: Sequence[tuple[int, int]], to: str | None) -> str | None:
    """``clause`` with the words at ``spans`` (counted from ``start``) replaced; None if impossible."""
    if to is None or any(begin < start for begin, _ in spans):
        return None  # no words in this language, or the phrase began in what was already cleared
    text = clause.text
    places = sorted(
        {(clause.spans[b - start][0], clause.spans[e - start - 1][1]) for b, e in spans}, reverse=True
    )
    limit = len(text) + 1
    for begin, end in places:
        if end > limit:
            continue  # inside a longer one that was replaced already
        new = to[:1].upper() + to[1:] if text[:begin].strip() == "" and text[begin].isupper() else to
        rest = text[end:] if new else text[end:].lstrip(" ,")
        text, limit = text[:begin] + new + rest, begin
        if not new and begin == 0:
            text = text[:1].upper() + text[1:]
    return text if text.strip(" .,!?") else None
