"""Digits and letters said one by one: how many there are at the end, and whether they are all. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from voice_runtime.listen.expected import FOUR, TELEPHONE, ZIP, Expected, Wanted
from voice_runtime.listen.word_lists import Spelling, Whole, WordLists

#: With so few words before it, what is spelled was announced ("it's").
_WORDS_BEFORE = 3
#: So many words may stand between an announcement and what it announces ("number", "for me is").
_WORDS_BETWEEN = 3
#: So many figures, each said for itself, are spelled wherever they stand.
_IN_A_ROW = 3
#: From so many symbols on, an identifier of a length that nobody knows may be all there is of it.
_PLAUSIBLE = 8
#: A short code behind its label ("gate b four"): so many symbols may be all.
_SHORT_CODE = 4
#: No count and no year has so many.
_NO_COUNT = 7
#: A day, a month and a year as figures.
_DATE_FIGURES = 6
#: Figures of a payment card, and of the groups it is read in.
_CARD, _GROUP_OF_A_CARD = 16, 4
#: How long what was announced is, by the group of ``Spelling.announced`` that announced it.
_LENGTHS = MappingProxyType(
    {
        "four": FOUR,
        "six": (6,),
        "zip": ZIP,
        "telephone": TELEPHONE,
        "extension": (3, 4),
        "card": (15, 16),
        "nine": (9,),
    }
)
#: Figures (f) and letters (l) as postcodes, number plates and the like have them, which are then all.
_SHAPES = re.compile(
    r"l{1,2}f[fl]?fll|lfl(?:flf)"  # postcodes of the United Kingdom and of Canada
    r"|llfflll|f?lll-?f{3,4}|f{4}lll"  # plates of the United Kingdom, of American states, of Spain
    r"|llf{6}l|f{8}l|lf{7}l"  # national insurance numbers; Spanish identity cards
)


@dataclass(frozen=True, slots=True)
class Run:
    """What is spelled at the end of a text.

    Attributes:
        shape: ``f`` for each figure and ``l`` for each letter; "double" has two, "forty" two, "555" three.
        words: how many words they take.
        first: the first of them.
        paired: there are figures said two at a time ("nineteen eighty two").
        explained: a letter was said with what it stands in ("b as in boy"), or as a codeword.
    """

    shape: str
    words: int
    first: str
    paired: bool
    explained: bool

    @property
    def symbols(self) -> int:
        """How many there are."""
        return len(self.shape)

    @property
    def letters(self) -> bool:
        """There are letters among them."""
        return "l" in self.shape


def run_at_the_end(words: Sequence[str], spelling: Spelling) -> Run:
    """The longest run of symbols that ends with the last word."""
    at, shape, paired, explained = len(words), "", False, False
    while at > 0:
        aside = _as_in(words, at, spelling)
        end = at - aside
        word = words[end - 1]
        count = _symbols(word, spelling) or int(aside > 0)
        codeword = word in spelling.codewords
        if count:
            times = spelling.times.get(words[end - 2], 1) if end > 1 else 1
            if word in spelling.hundreds:
                count = max(1, 3 - _group_behind(words, end, spelling))
            if word in spelling.tens and shape and _next(words, end, spelling) in spelling.digits:
                count -= 1  # "forty two" is two figures
            letter = word not in spelling.digits and _is_letter(word, spelling)
            shape = ("l" if letter else "f") * (count * times) + shape
            paired |= word in spelling.pairs or word in spelling.hundreds
            explained |= aside > 0
            at = end - (2 if times > 1 else 1)
        elif word in spelling.noughts and end > 1 and words[end - 2] in spelling.digits:
            shape, at, paired = "f" * (1 + spelling.noughts[word]) + shape, end - 2, True
        elif (codeword or word in spelling.words) and _beside_a_letter(words, end, spelling, codeword):
            shape, at = "l" + shape, end - 1
            explained |= codeword
        elif word in spelling.between and shape and end > 1 and _symbols(words[end - 2], spelling):
            at = end - 1
        else:
            break
    taken = len(words) - at if shape else 0
    return Run(shape, taken, words[at] if taken else "", paired, explained)


def spelled(words: Sequence[str], lists: WordLists, expected: Expected) -> Whole | None:
    """Judge a text that ends with something spelled; None when it does not."""
    spelling = lists.spelling
    if len(words) > 1 and (words[-1] in spelling.between or words[-1] in spelling.times):
        return Whole.OPEN if run_at_the_end(words[:-1], spelling).symbols else None
    run = run_at_the_end(words, spelling)
    if not run.symbols:
        return None
    before = [w for w in words[: len(words) - run.words] if w not in lists.lead_ins]
    announced = _announced(before, spelling)
    asked = expected.wanted in (Wanted.NUMBER, Wanted.SPELLING)
    if not asked and before and before[-1] in spelling.labels and run.symbols <= _SHORT_CODE:
        return Whole.UNSURE  # "gate b four", "room nine"
    if not asked and announced is None:
        if run.paired and run.first in spelling.nought and len(before) <= _WORDS_BEFORE:
            return _begins_with_nought(run, spelling)
        if run.paired and not before and expected.wanted is Wanted.ANYTHING:
            return _unasked(run, " ".join(words), lists)
        if not _surely_spelled(run, before):
            return None  # "at ten", "nineteen eighty two"
    if run.symbols == 1 and not asked and not run.letters:
        return _one(before, spelling, expected, announced=announced is not None)
    return _judged(run, spelling, _lengths(announced, expected), announced, expected)


def _begins_with_nought(run: Run, spelling: Spelling) -> Whole:
    """Not a time and not a count: a date in figures ("oh nine eleven seventy one") or a telephone number."""
    return Whole.UNSURE if run.symbols == _DATE_FIGURES else _telephone(run, spelling)


def _unasked(run: Run, text: str, lists: WordLists) -> Whole | None:
    """A number that is all the caller said, and nobody asked for one: more comes; None: it is a time."""
    if run.words > 1 and run.symbols <= _SHORT_CODE and lists.when.fullmatch(text):
        return None  # "six thirty"
    return Whole.UNSURE if run.symbols == _DATE_FIGURES or run.symbols >= _PLAUSIBLE else Whole.OPEN


def _surely_spelled(run: Run, before: Sequence[str]) -> bool:
    """Whether nobody needs to say that this is spelled."""
    if run.explained or (run.letters and run.symbols > 1):
        return True
    if run.paired:
        return run.symbols >= _NO_COUNT
    if run.letters:
        return bool(before)  # "k" alone is a "yes"
    return len(before) <= _WORDS_BEFORE or run.symbols >= _IN_A_ROW


def _one(before: Sequence[str], spelling: Spelling, expected: Expected, *, announced: bool) -> Whole | None:
    """One figure: the first of many, unless such an answer was asked for; None: it may be any word."""
    if before:
        return Whole.OPEN if announced and before[-1] in spelling.links else None
    return Whole.OPEN if expected.wanted in (Wanted.ANYTHING, Wanted.NAME) else None


def _announced(before: Sequence[str], spelling: Spelling) -> re.Match[str] | None:
    """The announcement of what follows ``before``, if there is one shortly before it."""
    text = " ".join(before)
    found = list(spelling.announced.finditer(text))
    if not found or len(text[found[-1].end() :].split()) > _WORDS_BETWEEN:
        return None
    return found[-1]


def _lengths(announced: re.Match[str] | None, expected: Expected) -> tuple[int, ...]:
    """How many figures make it whole, as the caller or the agent's question said; () when nobody did."""
    if announced is not None and announced.lastgroup is not None:
        return _LENGTHS[announced.lastgroup]
    return expected.lengths if expected.wanted is Wanted.NUMBER else ()


def _judged(
    run: Run,
    spelling: Spelling,
    lengths: tuple[int, ...],
    announced: re.Match[str] | None,
    expected: Expected,
) -> Whole:
    if run.letters:
        if _SHAPES.fullmatch(run.shape):
            return Whole.UNSURE
        return Whole.UNSURE if run.symbols >= _PLAUSIBLE else Whole.OPEN
    if not lengths and (announced is not None or expected.wanted is Wanted.SPELLING):
        return Whole.UNSURE if run.symbols >= _PLAUSIBLE else Whole.OPEN  # an order number: nobody knows
    lengths = lengths or TELEPHONE
    if lengths == TELEPHONE:
        return _telephone(run, spelling)
    if run.symbols in lengths:
        return Whole.COMPLETE
    return Whole.OPEN if run.symbols < max(lengths) else Whole.UNSURE


def _telephone(run: Run, spelling: Spelling) -> Whole:
    """Ten figures; eleven with a prefix, or with the nought that European numbers begin with."""
    if run.first in spelling.nought or run.first.startswith("0"):
        most = max(TELEPHONE)
        return {most: Whole.COMPLETE, most - 1: Whole.UNSURE}.get(run.symbols, _by_length(run.symbols, most))
    prefixed = run.first in spelling.trunk or (run.first.isdigit() and run.first.startswith("1"))
    least = max(TELEPHONE) if prefixed else min(TELEPHONE)
    if run.symbols == least or run.symbols == _CARD:
        return Whole.COMPLETE
    if least < run.symbols < _CARD and run.symbols % _GROUP_OF_A_CARD == 0:
        return Whole.OPEN
    return Whole.UNSURE if run.symbols in spelling.shorter else _by_length(run.symbols, least)


def _by_length(symbols: int, least: int) -> Whole:
    return Whole.OPEN if symbols < least else Whole.UNSURE


def _symbols(word: str, spelling: Spelling) -> int:
    """How many symbols a word is; 0: it is none, or a letter that may be a word."""
    if word.isdigit():
        return len(word)
    if word in spelling.pairs:
        return 2
    if word in spelling.hundreds:
        return 3
    return int(word not in spelling.words and (word in spelling.digits or _is_letter(word, spelling)))


def _next(words: Sequence[str], end: int, spelling: Spelling) -> str:
    """The word that follows, past those that only stand between ("cuarenta y dos")."""
    return next((w for w in words[end:] if w not in spelling.between), "")


def _group_behind(words: Sequence[str], end: int, spelling: Spelling) -> int:
    """How many of the three figures of hundreds the words behind them say ("seiscientos doce")."""
    after = words[end] if end < len(words) else ""
    return 2 if after in spelling.pairs else int(after in spelling.digits)


def _is_letter(word: str, spelling: Spelling) -> bool:
    return word in spelling.letters or (len(word) == 1 and word.isalpha())


def _as_in(words: Sequence[str], at: int, spelling: Spelling) -> int:
    """How many words before ``at`` only say which letter is meant ("as in boy")."""
    for phrase in spelling.as_in:
        begins = at - 1 - len(phrase)
        letter = words[begins - 1] if begins > 0 else ""
        if _is_letter(letter, spelling) and tuple(words[begins : at - 1]) == phrase:
            return len(phrase) + 1 if letter not in spelling.words or len(phrase) > 1 else 0
    return 0


def _beside_a_letter(words: Sequence[str], end: int, spelling: Spelling, codeword: bool) -> bool:
    """Whether "a" or "i", or a codeword, stands next to a letter before ``end``: then it is one as well."""
    after = words[end] if end < len(words) else ""
    before = words[end - 2] if end > 1 else ""
    if codeword and (after in spelling.codewords or before in spelling.codewords):
        return True
    if codeword and end <= _WORDS_BEFORE and after in spelling.digits:
        return True  # "tango four" begins so
    earlier = words[end - 3] if end > 2 else ""
    coded = before in spelling.digits and (_is_letter(earlier, spelling) or earlier in spelling.digits)
    if not codeword and (coded or words[end - 1] in (before, after)):
        return True  # "s w one a", "two a a"
    unmistakable = (w for w in (before, after) if w not in spelling.words and w not in spelling.digits)
    return any(_is_letter(w, spelling) for w in unmistakable)
