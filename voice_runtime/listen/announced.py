"""Values of several parts that a caller announces: whether all parts are there. Pure.

A date of birth wants its year, an e-mail address what follows its last dot, an address the
name of a street behind the number. What is announced is open until then, and never complete
where one more part is usual (a postcode behind a street).
"""

from __future__ import annotations

from collections.abc import Sequence

from voice_runtime.listen.expected import Expected, Wanted
from voice_runtime.listen.spelled import run_at_the_end
from voice_runtime.listen.word_lists import Announced, Spelling, Whole, WordLists

#: Figures of a date of birth said one by one: 31482 lacks one, 031482 and 03141982 do not.
_BIRTH_DATE_FIGURES = (6, 8)
#: Day, month and year.
_PARTS_OF_A_DATE = 3


def announced(words: Sequence[str], lists: WordLists, expected: Expected) -> Whole | None:
    """Judge a value that was announced, or a date of birth that was asked for; None: there is none."""
    text = " ".join(words)
    if (birth := _said_of(text, lists.birth)) is None and expected.wanted is Wanted.BIRTH_DATE:
        birth = " ".join(w for w in words if w not in lists.lead_ins or w in lists.spelling.digits)
        birth = birth if lists.birth.made_of.fullmatch(birth) else None
    if birth:
        return _date(birth, lists)
    if expected.wanted is Wanted.ANYTHING and (verdict := _date_alone(text, lists)) is not None:
        return verdict
    for value in lists.announced:
        if (said := _said_of(text, value)) is not None:
            return _parts(said, value)
    return None


def _said_of(text: str, value: Announced) -> str | None:
    """What was said of a value; None: it was not announced, or something else follows."""
    found = list(value.begins.finditer(text))
    if not found:
        return None
    said = text[found[-1].end() :].strip()
    if value.made_of.fullmatch(said) is None or (value.unless is not None and value.unless.match(said)):
        return None
    return said


def _date_alone(text: str, lists: WordLists) -> Whole | None:
    """A day and a month, which nobody asked for: of a date of birth, the year is to come."""
    birth = lists.birth
    if birth.alone is None or not birth.alone.search(text) or not birth.made_of.fullmatch(text):
        return None
    return None if _date(text, lists) is Whole.COMPLETE else Whole.OPEN


def _parts(said: str, value: Announced) -> Whole:
    for pattern, verdict in (
        (value.complete, Whole.COMPLETE),
        (value.likely, Whole.LIKELY),
        (value.unsure, Whole.UNSURE),
    ):
        if pattern is not None and pattern.search(said):
            return verdict
    return Whole.OPEN


def _date(said: str, lists: WordLists) -> Whole:
    """A date with a month by its name is whole with its year; one in figures with three numbers."""
    if _parts(said, lists.birth) is not Whole.OPEN:
        return Whole.COMPLETE
    words = said.split()
    run = run_at_the_end(words, lists.spelling)
    if run.words < len(words) or run.letters:
        return Whole.OPEN
    if not run.paired:
        return Whole.COMPLETE if run.symbols in _BIRTH_DATE_FIGURES else Whole.OPEN
    numbers = _numbers(words, lists.spelling)
    last_is_a_year = len(numbers) >= _PARTS_OF_A_DATE and _is_a_year(numbers[-1], lists.spelling)
    return Whole.COMPLETE if last_is_a_year else Whole.OPEN


def _numbers(words: Sequence[str], spelling: Spelling) -> list[list[str]]:
    """Words of one number together: "oh nine", "forty two"."""
    numbers: list[list[str]] = []
    for word in words:
        if word in spelling.between:
            continue
        joins = numbers and len(numbers[-1]) == 1 and numbers[-1][0] in spelling.tens | spelling.nought
        if joins and word in spelling.digits:
            numbers[-1].append(word)
        else:
            numbers.append([word])
    return numbers


def _is_a_year(number: Sequence[str], spelling: Spelling) -> bool:
    """Two figures, and not those that a century is said with ("nineteen")."""
    return (number[0] in spelling.pairs and " ".join(number) not in spelling.centuries) or number[0].isdigit()
