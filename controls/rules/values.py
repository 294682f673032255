"""Sums of money and dates among words, as values an expression can compare. Pure.

Written or spoken, English or Spanish: "$1,250.50", "fifty dollars and ten cents", "12,50 €", "doscientos
dólares"; "December 25th", "the third of May", "25 de diciembre de 2026", "12/25/2026", "on Sunday". A bare
number is no price, and a month alone is one without a day; rules look at ``numbers`` for the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from controls.rules.matchers import Words

_UNITS = frozenset((
    "dollar", "dollars", "buck", "bucks", "usd", "euro", "euros", "eur", "pound", "pounds", "quid", "gbp",
    "dolar", "dolares", "peso", "pesos", "libra", "libras",
))  # fmt: skip
_CENTS = frozenset(("cent", "cents", "centavo", "centavos", "centimo", "centimos", "penny", "pence"))
_AND = frozenset(("and", "con", "y"))
_SCALES = {"thousand": 1e3, "k": 1e3, "mil": 1e3, "million": 1e6, "millon": 1e6, "millones": 1e6}
_MONTHS: Mapping[str, int] = {
    **{m: i for i, m in enumerate((
        "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
        "november", "december",
    ), 1)},
    **{m: i for i, m in enumerate((
        "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre",
        "noviembre", "diciembre",
    ), 1)},
    "setiembre": 9,
}  # fmt: skip
#: Months that are other words too: they count beside a day only.
_ALSO_WORDS = frozenset(("march", "may"))
_WEEKDAYS: Mapping[str, str] = {
    **{day: day for day in (
        "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
    )},
    "lunes": "monday", "martes": "tuesday", "miercoles": "wednesday", "jueves": "thursday",
    "viernes": "friday", "sabado": "saturday", "domingo": "sunday",
}  # fmt: skip
_ORDINALS: Mapping[str, int] = {
    **{o: i for i, o in enumerate((
        "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
        "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth",
        "eighteenth", "nineteenth", "twentieth",
    ), 1)},
    "thirtieth": 30, "primero": 1,
}  # fmt: skip
_AFTER_DAY = frozenset(("st", "nd", "rd", "th"))
_BETWEEN = frozenset(("of", "the", "de", "del"))
_NUMERIC = re.compile(r"(?<![\d/.-])(\d{1,4})([/.-])(\d{1,2})\2(\d{2,4})(?![\d/-])")


class _Run(NamedTuple):
    """One number as written or spoken: its words, from ``first`` on, and the digits it comes to."""

    first: int
    end: int
    digits: str


def prices(text: Words, start: int = 0) -> list[float]:
    """Sums of money whose last word stands at ``start`` or later, in units of their currency."""
    found: list[float] = []
    cents_taken = -1
    for i, token in enumerate(text.tokens):
        if token in _CENTS and i != cents_taken:
            value = _before(text, i)
            if value is not None and i >= start:
                found.append(value / 100)
        if token not in _UNITS:
            continue
        written = text.text[slice(*text.spans[i])]
        value = _figure(written[1:]) if written[:1] in tuple("$€£") and len(written) > 1 else _before(text, i)
        if value is None:
            continue
        end, cents = _cents(text, i + 1)
        if end:
            cents_taken, value = end, value + cents
        elif i + 1 < len(text) and i + 1 not in text.breaks:
            value *= _SCALES.get(text.tokens[i + 1], 1.0)
        if max(i, end) >= start:
            found.append(value)
    return found


def _cents(text: Words, at: int) -> tuple[int, float]:
    """The last place of "and fifty cents", and what they are of a unit; (0, 0.0) when there are none."""
    at += at < len(text) and text.tokens[at] in _AND
    end = at
    while end < len(text) and text.tokens[end].isdigit():
        end += 1
    if at < end < len(text) and text.tokens[end] in _CENTS:
        return end, int("".join(text.tokens[at:end])) / 100
    return 0, 0.0


def _before(text: Words, unit: int) -> float | None:
    """The number that ends before the word ``unit``, "us" passed over."""
    end = unit - 1 if unit and text.tokens[unit - 1] == "us" else unit
    first = end
    while first and text.tokens[first - 1].isdigit() and first not in text.breaks:
        first -= 1
    if first == end:
        return None
    written = text.text[text.spans[first][0] : text.spans[end - 1][1]]
    if re.fullmatch(r"\d[\d.,]*", written):
        return _figure(written)
    return float("".join(text.tokens[first:end]))


def _figure(written: str) -> float | None:
    """The value of 1,250.50 and of 1.250,50: two or fewer figures behind the last sign are a part of one."""
    parts = re.split(r"([.,])", written.strip().rstrip(".,"))
    if not parts[0].strip().isdigit():
        return None
    if len(parts) > 1 and len(parts[-1]) < 3:
        return float("".join(parts[:-2:2]).strip() + "." + (parts[-1] or "0"))
    return float("".join(parts[::2]).strip())


def dates(text: Words, start: int = 0, language: str = "en-US") -> list[dict[str, Any]]:
    """Dates whose last word stands at ``start`` or later.

    Args:
        language: tells what 3/4 is: in the United States the fourth of March.

    Returns:
        Each with ``year``, ``month``, ``day`` (0: not said) and ``weekday`` (English, lower case; "").
    """
    month_first = language.endswith("-US")
    return [*_written(text, start, month_first), *_spoken(text, start)]


def _date(year: int = 0, month: int = 0, day: int = 0, weekday: str = "") -> dict[str, Any]:
    return {"year": year, "month": month, "day": day, "weekday": weekday}


def _written(text: Words, start: int, month_first: bool) -> Iterator[dict[str, Any]]:
    """Dates in figures; the year stands at one of the ends."""
    ends = {b: i for i, (_, b) in enumerate(text.spans)}
    for match in _NUMERIC.finditer(text.text):
        last = ends.get(match.end())
        if last is None or last < start:
            continue
        one, two, three = int(match[1]), int(match[3]), int(match[4])
        if len(match[1]) == 4:
            year, month, day = one, two, three
        else:
            year = three if len(match[4]) == 4 else 2000 + three
            month, day = (one, two) if month_first else (two, one)
            if month > 12 >= day:
                month, day = day, month
        if 1 <= month <= 12 and 1 <= day <= 31 and len(match[1]) != 3 and len(match[4]) != 3:
            yield _date(year, month, day)


def _spoken(text: Words, start: int) -> Iterator[dict[str, Any]]:
    for i, token in enumerate(text.tokens):
        if token in _WEEKDAYS and i >= start:
            yield _date(weekday=_WEEKDAYS[token])
        month = _MONTHS.get(token)
        if month is None:
            continue
        end, day = _day_after(text, i + 1)
        if not day:
            end, day = i + 1, _day_before(text, i)
        if not day and token in _ALSO_WORDS:
            continue
        year_end, year = _year(text, end)
        if max(i, year_end - 1) >= start:
            yield _date(year, month, day)


def _run(text: Words, at: int) -> _Run | None:
    """The number that begins at ``at``: the digits of one written or spoken number."""
    end = at
    while end < len(text) and text.tokens[end].isdigit() and text.spans[end] == text.spans[at]:
        end += 1
    return _Run(at, end, "".join(text.tokens[at:end])) if end > at else None


def _day_after(text: Words, at: int) -> tuple[int, int]:
    """The day behind a month ("the 25th", "twenty fifth"), with the place behind it; day 0 is none."""
    while at < len(text) and text.tokens[at] == "the":
        at += 1
    if at < len(text) and text.tokens[at] in _ORDINALS:
        return at + 1, _ORDINALS[text.tokens[at]]
    run = _run(text, at)
    if run is None or len(run.digits) > 2:
        return at, 0
    day, end = int(run.digits), run.end
    if end < len(text) and day in (20, 30) and 1 <= _ORDINALS.get(text.tokens[end], 0) <= 9:
        day, end = day + _ORDINALS[text.tokens[end]], end + 1
    elif end < len(text) and text.tokens[end] in _AFTER_DAY:
        end += 1
    return (end, day) if 1 <= day <= 31 else (at, 0)


def _day_before(text: Words, month: int) -> int:
    """The day before a month: "25 de", "the third of", "twenty fifth of"; 0 is none."""
    at = month - 1
    while at >= 0 and text.tokens[at] in _BETWEEN:
        at -= 1
    if at >= 0 and text.tokens[at] in _AFTER_DAY:
        at -= 1
    if at < 0:
        return 0
    ordinal = _ORDINALS.get(text.tokens[at], 0)
    if ordinal:
        run = _run_ending(text, at)
        return ordinal + (int(run) if run in ("20", "30") and ordinal < 10 else 0)
    run = _run_ending(text, at + 1)
    return int(run) if run and len(run) <= 2 and 1 <= int(run) <= 31 else 0


def _run_ending(text: Words, end: int) -> str:
    first = end
    while first and text.tokens[first - 1].isdigit() and text.spans[first - 1] == text.spans[end - 1]:
        first -= 1
    return "".join(text.tokens[first:end])


def _year(text: Words, at: int) -> tuple[int, int]:
    """The year at ``at`` ("2026", "de 2026"), with the place behind it; 0 is none."""
    begin = at
    while at < len(text) and text.tokens[at] in ("de", "del", "of"):
        at += 1
    run = _run(text, at)
    if run is None or len(run.digits) != 4 or run.digits[0] not in "12":
        return begin, 0
    return run.end, int(run.digits)
