"""Times and dates in spoken English: "ten thirty AM", "November twenty-fourth, twenty twenty-six". Pure."""

from __future__ import annotations

import datetime as dt
import re

from voice_runtime.speak.spoken_en_tongue import TONGUE, noun
from voice_runtime.speak.spoken_grammar import DASH, Rule, before, ends
from voice_runtime.speak.spoken_numbers import english, english_ordinal, english_year

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

# --- times ----------------------------------------------------------------------------------------

_HALF = r"(?P<half>[AaPp]\.\s?[Mm]\.?|[AaPp][Mm](?!\w))"
_AFTER_AT = re.compile(r"\b(?:at|by|until|till|from|before|after|around)\s$", re.IGNORECASE)


def clock(hour: int, minute: int, half: str = "") -> str:
    """``10, 30`` → "ten thirty", ``10, 0`` → "ten"; ``half`` is "AM", "PM" or ""."""
    words = english(hour % 12 or 12)
    if minute:
        words += f" oh {english(minute)}" if minute < 10 else f" {english(minute)}"
    return f"{words} {half}" if half else words


def _time(match: re.Match[str]) -> str | None:
    hour, minute, half = int(match["h"]), int(match["m"] or 0), match["half"] or ""
    if hour > 23 or minute > 59:
        return None
    said = f"{half[0].upper()}M" if half else ""
    if hour > 12 or hour == 0:  # written by the 24-hour clock, spoken by the other
        said = "PM" if hour else "AM"
    seconds = int(match["s"] or 0)
    if seconds:
        return f"{clock(hour, minute)} and {TONGUE.counted(str(seconds), noun('second'))} {said}".rstrip()
    words = clock(hour, minute, said)
    if not minute and not said:
        words += " o'clock"
    return words + ("." if half.endswith(".") and ends(match) else "")


def _dotted_time(match: re.Match[str]) -> str | None:
    """``at 10.30`` is a time, ``10.30`` elsewhere is not."""
    hour = int(match["h"])
    return clock(hour, int(match["m"])) if 1 <= hour <= 12 and _AFTER_AT.search(before(match, 8)) else None


TIMES: list[Rule] = [
    (
        r"(?<![\w:.])(?P<h>[0-9]{1,2}):(?P<m>[0-9]{2})(?::(?P<s>[0-5][0-9]))?"
        rf"(?:\s?{_HALF}|(?![\w:]|\.[0-9]))",
        _time,
    ),
    (rf"(?<![\w:.,])(?P<h>0?[1-9]|1[0-2])(?:\.(?P<m>[0-5][0-9]))?(?P<s>)\s?{_HALF}", _time),
    (r"(?<![\w:.])(?P<h>[0-9]{1,2})\.(?P<m>[0-5][0-9])(?![\w%°]|[.,][0-9])", _dotted_time),
    (
        r"(?<![\w:.])(?P<a>[0-9]{1,3}):(?P<b>[0-9]{1,3})(?![\w:]|\.[0-9])",
        lambda m: f"{TONGUE.number(m['a'])} {TONGUE.to} {TONGUE.number(m['b'])}",
    ),
]

# --- dates ----------------------------------------------------------------------------------------

_MONTH = (
    r"(?P<month>Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|"
    r"Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)"
)
_DAY = r"(?P<day>[0-9]{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>1[0-9]{3}|20[0-9]{2})(?![\w:%]|[.,][0-9])"
_WEEKDAY = (
    r"(?:Mon(?:day)?|Tue(?:s|sday)?|Wed(?:nesday)?|Thu(?:r|rs|rsday)?|Fri(?:day)?|Sat(?:urday)?|Sun(?:day)?)"
)
_THROUGH = rf"\s?{DASH}\s?"
_DATE_BEFORE = re.compile(
    r"\b(?:on|by|until|till|from|since|before|after|through|to|is|born|for|day,?)\s$", re.IGNORECASE
)


def _month(written: str) -> str:
    return next(m for m in MONTHS if m.startswith(written[:3]))


def _weekday(written: str) -> str:
    return next(d for d in DAYS if d.startswith(written[:3]))


def dated(year: str | None, month: str, day: str) -> str | None:
    """A date in figures as "November twenty-fourth, twenty twenty-six"; None when there is no such day."""
    try:
        date = dt.date(int(year or 2000), int(month), int(day))
    except ValueError:
        return None
    words = f"{MONTHS[date.month - 1]} {english_ordinal(date.day)}"
    return f"{words}, {english_year(date.year)}" if year else words


def _moment(match: re.Match[str]) -> str | None:
    """``2026-11-24T10:30`` → "Tuesday, November twenty-fourth at ten thirty"; the weekday says the year."""
    try:
        at = dt.datetime.fromisoformat(f"{match['date']}T{match['time']}")
    except ValueError:
        return None
    day = f"{DAYS[at.weekday()]}, {MONTHS[at.month - 1]} {english_ordinal(at.day)}"
    if not at.minute and at.hour in (0, 12):
        return f"{day} at {'noon' if at.hour else 'midnight'}"
    half = (
        "PM" if at.hour > 11 else "AM" if at.hour < 7 else ""
    )  # from seven on, nobody takes it for the evening
    return f"{day} at {clock(at.hour, at.minute, half)}"


def _american_date(match: re.Match[str]) -> str | None:
    year = match["y"]
    if len(year) == 2:
        year = ("20" if int(year) < 50 else "19") + year
    return dated(year, match["m"], match["d"])


def _short_date(match: re.Match[str]) -> str | None:
    """``on 11/24`` is a date, ``11/24`` elsewhere is not."""
    return dated(None, match["m"], match["d"]) if _DATE_BEFORE.search(before(match, 10)) else None


def _day(written: str) -> str | None:
    return english_ordinal(int(written)) if 1 <= int(written) <= 31 else None


def _named_date(match: re.Match[str]) -> str | None:
    first, last = _day(match["day"]), _day(match["last"]) if match["last"] else ""
    if first is None or last is None:
        return None
    words = f"{_month(match['month'])} {first}" + (f" {TONGUE.to} {last}" if last else "")
    return f"{words}, {english_year(int(match['year']))}" if match["year"] else words


def _day_first(match: re.Match[str]) -> str | None:
    day = _day(match["day"])
    if day is None:
        return None
    the = "" if before(match, 4).lower().endswith("the ") else "the "
    words = f"{the}{day} of {_month(match['month'])}"
    words = f"{words}, {english_year(int(match['year']))}" if match["year"] else words
    return words + ("." if match.group().endswith(".") and ends(match) else "")


def _stopped(match: re.Match[str], words: str) -> str:
    """``words``, with the full stop that ended both an abbreviation and the clause."""
    return words + ("." if match.group().endswith(".") and ends(match) else "")


def _lone_weekday(match: re.Match[str]) -> str | None:
    written = match["day"]
    if written in ("Sat", "Sun") and (not match.group().endswith(".") or before(match, 4).endswith("the ")):
        return None
    return _stopped(match, _weekday(written))


DATES: list[Rule] = [
    (
        r"(?<![\w-])(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[T ](?P<time>[0-9]{2}:[0-9]{2})"
        r"(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?(?![\w:])",
        _moment,
    ),
    (
        r"(?<![\w-])(?P<y>[12][0-9]{3})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})(?![\w-])",
        lambda m: dated(m["y"], m["m"], m["d"]),
    ),
    (
        r"(?<![\w/.-])(?P<m>[0-9]{1,2})[/-](?P<d>[0-9]{1,2})[/-](?P<y>[0-9]{4}|[0-9]{2})(?![\w/-]|\.[0-9])",
        _american_date,
    ),
    (r"(?<![\w/.-])(?P<m>[0-9]{1,2})/(?P<d>[0-9]{1,2})(?![\w/%-]|\.[0-9])", _short_date),
    (rf"(?<![\w.,/:-]){_DAY}\s(?:of\s)?{_MONTH}(?!\w)\.?(?:,?\s{_YEAR})?", _day_first),
]

DATES_IN_WORDS: list[Rule] = [
    (
        rf"\b{_MONTH}\.?\s{_DAY}(?![\w:%]|[.,][0-9]|\s?[AaPp]\.?\s?[Mm](?!\w))"
        rf"(?:{_THROUGH}(?P<last>[0-9]{{1,2}})(?![\w:]))?(?:,?\s{_YEAR})?",
        _named_date,
    ),
    (rf"\b{_MONTH}\.?,?\s{_YEAR}", lambda m: f"{_month(m['month'])} {english_year(int(m['year']))}"),
    (
        rf"\b(?P<first>{_WEEKDAY})\.?{_THROUGH}(?P<last>{_WEEKDAY})(?!\w)\.?",
        lambda m: _stopped(m, f"{_weekday(m['first'])} {TONGUE.to} {_weekday(m['last'])}"),
    ),
    (
        rf"\b{_MONTH}\.?{_THROUGH}{_MONTH.replace('<month>', '<last>')}(?!\w)",
        lambda m: f"{_month(m['month'])} {TONGUE.to} {_month(m['last'])}",
    ),
    (
        r"(?<=\b[Ii]n\s)(?P<month>Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)(?!\w)\.?",
        lambda m: _stopped(m, _month(m["month"])),
    ),
    (r"\b(?P<day>Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun)(?!\w)(?:\.|(?=,?\s|$|\)))", _lone_weekday),
]
