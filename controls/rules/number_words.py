"""Numbers in words to digits, so that "twenty one", "21" and "veintiuno" are the same to a rule. Pure.

English and Spanish, told apart by the words themselves: rules are looked for in
whatever the model writes, whichever language that turns out to be. Words that
mean something else in the other language ("once" is eleven in Spanish) count
only beside a number of their own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence

_UNITS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4,
    "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
}  # fmt: skip
_TEENS = {
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14,
    "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19,
}  # fmt: skip
_TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50,
    "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
_SCALES = {"thousand": 1000, "million": 1_000_000, "billion": 1_000_000_000}
_REPEAT = {"double": 2, "triple": 3}
_ZERO = ("oh", "o")

# Accents are gone by the time words come here.
_SMALL_ES = {
    "cero": 0, "uno": 1, "dos": 2, "tres": 3, "cuatro": 4, "cinco": 5, "seis": 6, "siete": 7, "ocho": 8,
    "nueve": 9, "diez": 10, "doce": 12, "trece": 13, "catorce": 14, "quince": 15, "dieciseis": 16,
    "diecisiete": 17, "dieciocho": 18, "diecinueve": 19, "veinte": 20, "veintiun": 21, "veintiuno": 21,
    "veintiuna": 21, "veintidos": 22, "veintitres": 23, "veinticuatro": 24, "veinticinco": 25,
    "veintiseis": 26, "veintisiete": 27, "veintiocho": 28, "veintinueve": 29,
}  # fmt: skip
_TENS_ES = {
    "treinta": 30, "cuarenta": 40, "cincuenta": 50, "sesenta": 60, "setenta": 70, "ochenta": 80,
    "noventa": 90,
}  # fmt: skip
_HUNDREDS_ES = {
    "cien": 100, "ciento": 100, "doscientos": 200, "trescientos": 300, "cuatrocientos": 400,
    "quinientos": 500, "seiscientos": 600, "setecientos": 700, "ochocientos": 800, "novecientos": 900,
}  # fmt: skip
_HUNDREDS_ES |= {word[:-2] + "as": value for word, value in _HUNDREDS_ES.items() if word.endswith("os")}
_SCALES_ES = {"mil": 1000, "millon": 1_000_000, "millones": 1_000_000}
_ONE_ES = {"un": 1, "una": 1}
_ELEVEN_ES = "once"

_SPANISH = frozenset(_SMALL_ES) | frozenset(_TENS_ES) | frozenset(_HUNDREDS_ES) | frozenset(_SCALES_ES)
_ENGLISH = frozenset(_UNITS) | frozenset(_TEENS) | frozenset(_TENS)
_SCALE_WORDS = frozenset(("hundred", *_SCALES, *_SCALES_ES)) - {"mil"}
_BEGIN_ENGLISH = _ENGLISH | {"a"}
#: Words that begin a number only before one of these.
_ARTICLES: Mapping[str, Collection[str]] = {"a": _SCALE_WORDS, **dict.fromkeys(_ONE_ES, _SCALES_ES)}
#: A text with none of these holds no number in words.
SPECIAL = _ENGLISH | _SPANISH | frozenset(_SCALES) | frozenset(_REPEAT) | frozenset((*_ZERO, "hundred"))

Span = tuple[int, int]
#: A number read, and how many words it took; None when there is none.
_Found = tuple[int, int] | None
#: Reads a number below a thousand from word ``i`` on, before word ``end``.
_Group = Callable[[Sequence[str], int, int], _Found]


def to_digits(
    raw: Sequence[str], spans: Sequence[Span], breaks: Sequence[int]
) -> tuple[list[str], list[Span], list[int]]:
    """Words with their places, numbers in words replaced by single digits.

    "twenty one" → 2 1, "one hundred and five" → 1 0 5, "double four" → 4 4, "nine oh
    two" → 9 0 2, "treinta y uno" → 3 1. Figures before a scale are drawn in: "2 million" and
    "two million" are the same. No number reaches over the end of a sentence.

    Args:
        raw: normalised words; figures stand alone, digit by digit.
        breaks: indices of words that begin a sentence, ascending.
    """
    tokens: list[str] = []
    places: list[Span] = []
    moved: dict[int, int] = {}
    spanish = False
    i = 0
    while i < len(raw):
        moved[i] = len(tokens)
        if not _may_begin(raw, i):  # as most words
            tokens.append(raw[i])
            places.append(spans[i])
            spanish = False
            i += 1
            continue
        after = bisect_right(breaks, i)
        spanish = spanish and not (after and breaks[after - 1] == i)
        end = breaks[after] if after < len(breaks) else len(raw)
        before = tokens[-1] if tokens else ""
        digits, used, spanish = _number(raw, i, end, before, spanish)
        if not digits and raw[i].isdigit():
            digits = raw[i]
        for skipped in range(1, used):
            moved[i + skipped] = len(tokens)
        span = (spans[i][0], spans[i + used - 1][1])
        for token in digits or (raw[i],):
            tokens.append(token)
            places.append(span)
        i += used
    return tokens, places, [moved[b] for b in breaks]


def _may_begin(raw: Sequence[str], i: int) -> bool:
    """Whether a number may begin at ``i``; "a" and "un" are the commonest of words, and seldom do."""
    word = raw[i]
    scales = _ARTICLES.get(word)
    if scales is not None:
        return i + 1 < len(raw) and raw[i + 1] in scales
    return word in SPECIAL or word == _ELEVEN_ES or word.isdigit()


def _number(raw: Sequence[str], i: int, end: int, before: str, spanish: bool) -> tuple[str, int, bool]:
    """The number that begins at ``i`` as digits ("" when there is none), its words, whether it is Spanish.

    Args:
        end: index of the next sentence.
        before: the newest token made.
        spanish: whether a Spanish number stands just before.
    """
    word = raw[i]
    following = raw[i + 1] if i + 1 < end else ""
    if word in _REPEAT and (following in _UNITS or following.isdigit()):
        return str(_UNITS.get(following, following)) * _REPEAT[word], 2, False
    if word in _ZERO:
        behind = next((w for w in raw[i + 1 : end] if w not in _ZERO), "")  # "oh oh nine"
        english = behind in _ENGLISH or behind.isdigit() or before.isdigit()
        return ("0", 1, False) if english and not spanish else ("", 1, False)
    if word in _BEGIN_ENGLISH or word.isdigit():
        found = _composed(raw, i, end, _english, _SCALES)
        if found is not None:
            return str(found[0]), found[1], False
    eleven = word == _ELEVEN_ES and (spanish or following in _SPANISH)
    if word in _SPANISH or word in _ONE_ES or word.isdigit() or eleven:
        found = _composed(raw, i, end, _spanish, _SCALES_ES)
        if found is not None:
            return str(found[0]), found[1], True
    return ("11", 1, True) if eleven else ("", 1, False)


def _composed(raw: Sequence[str], i: int, end: int, group: _Group, scales: Mapping[str, int]) -> _Found:
    """Groups below a thousand with their scales, largest first: "two thousand and five"."""
    total, at, least = 0, i, 0
    while True:
        start = at + 1 if least and at < end and raw[at] == "and" else at
        found = group(raw, start, end)
        if found is None and start < end and raw[start] == "mil":  # takes no number before it
            found = (1, 0)
        if found is None:
            break
        value, used = found
        after = start + used
        scale = scales.get(raw[after], 0) if after < end else 0
        if least and max(scale, value) >= least:
            break
        if not scale:
            if raw[start].isdigit():  # figures alone are digits already
                break
            return total + value, after - i
        total, at, least = total + value * scale, after + 1, scale
    return (total, at - i) if least else None


def _english(raw: Sequence[str], i: int, end: int) -> _Found:
    found = _english_small(raw, i, end) or _before_scale(raw, i, end)
    if found is None:
        return None
    value, used = found
    if i + used < end and raw[i + used] == "hundred":
        value, used = value * 100, used + 1
        at = i + used + 1 if i + used < end and raw[i + used] == "and" else i + used
        rest = _english_small(raw, at, end)
        if rest is not None and not (at + rest[1] < end and raw[at + rest[1]] == "hundred"):
            value, used = value + rest[0], at + rest[1] - i
    return value, used


def _english_small(raw: Sequence[str], i: int, end: int) -> _Found:
    word = raw[i] if i < end else ""
    if word in _TENS:
        unit = _UNITS.get(raw[i + 1], 0) if i + 1 < end else 0
        return (_TENS[word] + unit, 2) if unit else (_TENS[word], 1)
    value = _UNITS.get(word, _TEENS.get(word))
    return None if value is None else (value, 1)


def _before_scale(raw: Sequence[str], i: int, end: int) -> _Found:
    """At most three figures, or the article, before a scale: "50 thousand", "2 millones", "a hundred"."""
    at = i
    while at < end and raw[at].isdecimal() and at - i < 3:
        at += 1
    value = int("".join(raw[i:at])) if at > i else 1
    if at == i and i < end and raw[i] == "a":
        at += 1
    return (value, at - i) if i < at < end and raw[at] in _SCALE_WORDS else None


def _spanish(raw: Sequence[str], i: int, end: int) -> _Found:
    hundreds = _HUNDREDS_ES.get(raw[i]) if i < end else None
    if hundreds is not None:
        rest = _spanish_small(raw, i + 1, end)
        return (hundreds, 1) if rest is None else (hundreds + rest[0], 1 + rest[1])
    return _spanish_small(raw, i, end) or _before_scale(raw, i, end)


def _spanish_small(raw: Sequence[str], i: int, end: int) -> _Found:
    word = raw[i] if i < end else ""
    if word in _TENS_ES:
        unit = 0
        if i + 2 < end and raw[i + 1] == "y":
            unit = _ONE_ES.get(raw[i + 2], _SMALL_ES.get(raw[i + 2], 0))
        return (_TENS_ES[word] + unit, 3) if 0 < unit < 10 else (_TENS_ES[word], 1)
    value = _SMALL_ES.get(word)
    following = raw[i + 1] if i + 1 < end else ""
    if word in _ONE_ES and following in _SCALES_ES:
        value = 1
    elif word == _ELEVEN_ES and (following in _SPANISH or (i and raw[i - 1] in _SPANISH)):
        value = 11
    return None if value is None else (value, 1)
