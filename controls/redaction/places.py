"""E-mail addresses, dates of birth and street addresses, written or spoken. Pure; patterns, no dictionary.

Every look to the left or right is bounded, so that cost grows with the text alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from controls.redaction.marked import OPAQUE, Marked
from controls.redaction.numbers import Tokens
from controls.redaction.tables import (
    AT,
    BEFORE_ADDRESS,
    DOT,
    IN_ADDRESS,
    IN_DATES,
    MONTHS,
    NO_STREET,
    STREET_ENDS,
    STREETS,
    STREETS_FIRST,
    TOP_LEVEL,
    UNITS,
)
from controls.rules.matchers import Span

#: Words before "at" that may belong to an address, and words of its domain.
_LOCAL, _DOMAIN = 8, 6
#: Words between a birth word and its date; words a date has at most.
_BIRTH, _DATE = 12, 10
#: Words of a street's name.
_STREET = 5
_LOCAL_SIGNS = frozenset("._%+-'!#$&*/=?^`{|}~")


# --- e-mail ---------------------------------------------------------------------------------------


def written_addresses(text: Marked) -> Iterator[Span]:
    """``name@example.com``, as places in the text; whatever touches an @ on both sides, if a dot follows."""
    whole = text.text
    done = 0
    for at, sign in enumerate(whole):
        if sign != "@":
            continue
        begin, end = at, at + 1
        while begin > done and (whole[begin - 1].isalnum() or whole[begin - 1] in _LOCAL_SIGNS):
            begin -= 1
        while end < len(whole) and (whole[end].isalnum() or whole[end] in ".-_"):
            end += 1
        done = end
        while whole[end - 1] in ".-_":
            end -= 1
        if begin < at and "." in whole[at + 1 : end]:
            yield begin, end


def spoken_addresses(text: Marked, regions: frozenset[str]) -> Iterator[Tokens]:
    """As in "john dot smith at example dot com", "juan arroba ejemplo punto com"."""
    for at in range(text.fresh + 1, len(text.tokens)):
        if text.tokens[at] in AT and (end := _domain(text, at + 1)):
            first = _local(text, at)
            if first < at:
                yield first, end


def _domain(text: Marked, first: int) -> int:
    """The token after a domain that begins at ``first``, or 0."""
    end, dotted = 0, False
    for i in range(first, first + _DOMAIN + 4):
        token = text.token(i)
        if token == OPAQUE or (i - first > _DOMAIN and not dotted):
            break
        if token in DOT:
            dotted = True
            continue
        if i > first and (dotted or text.gap(i - 1) == "."):
            if token not in TOP_LEVEL:
                if end:
                    break
            else:
                end = i + 1
            dotted = False
        elif end:
            break
    return end


def _local(text: Marked, at: int) -> int:
    """Where the part before "at" begins: after "is" or "email", or at the word it belongs to."""
    first = at - 1
    while first > text.fresh and at - first < 3 * _LOCAL:
        left, token = text.token(first - 1), text.token(first)
        spelled = len(left) == 1 and len(token) == 1
        if left == OPAQUE or not (left in IN_ADDRESS or token in IN_ADDRESS or spelled):
            break
        first -= 1
    if text.token(first) == OPAQUE or (first == at - 1 and text.token(first) in BEFORE_ADDRESS):
        return at
    for i in range(first - 1, max(text.fresh, at - _LOCAL) - 1, -1):
        if text.tokens[i] == OPAQUE:
            break
        if text.tokens[i] in BEFORE_ADDRESS:
            return i + 1
    return first


# --- dates of birth -------------------------------------------------------------------------------


def birth_dates(text: Marked, regions: frozenset[str]) -> Iterator[Tokens]:
    """A date close to a word of birth: figures of a day or year, or a month with figures."""
    for run in text.runs:
        if not text.said_to_be("birth-date", run.first, run.last, before=_BIRTH, after=6):
            continue
        first, last = _whole_date(text, run.first, run.last)
        month = any(t in MONTHS for t in text.tokens[first:last])
        if month or 4 <= len(run.digits) <= 8:
            yield first, last


def _whole_date(text: Marked, first: int, last: int) -> Tokens:
    """The run with the month, the ordinals and the further figures beside it."""
    begin, end = first, last
    for i in range(first - 1, max(text.fresh, first - _DATE) - 1, -1):
        token = text.tokens[i]
        if token in MONTHS or token.isdecimal():
            begin = i
        elif token not in IN_DATES:
            break
        elif token not in ("the", "of", "in", "de", "del", "el", "year"):
            begin = i
    for i in range(last, min(len(text.tokens), last + _DATE)):
        token = text.tokens[i]
        if token in MONTHS or token.isdecimal():
            end = i + 1
        elif token not in IN_DATES:
            break
        elif token in ("st", "nd", "rd", "th"):
            end = i + 1
    return begin, end


# --- streets --------------------------------------------------------------------------------------


def streets(text: Marked, regions: frozenset[str]) -> Iterator[Tokens]:
    """As in "12 Mill Street, apartment 4", "calle Mayor 5", "Hauptstraße 7"."""
    for at in range(text.fresh, len(text.tokens)):
        token = text.tokens[at]
        if token in STREETS and (first := _house_number(text, at)) >= 0:
            yield first, _unit(text, at + 1)
        elif (token in STREETS_FIRST or token.endswith(STREET_ENDS)) and (last := _number_after(text, at)):
            yield at, _unit(text, last)


def _house_number(text: Marked, at: int) -> int:
    """Where the figures before a street's name begin, or -1."""
    first = at - 1
    while first >= text.fresh and at - first <= _STREET and not text.tokens[first].isdecimal():
        if text.tokens[first] in NO_STREET or text.tokens[first] == OPAQUE:
            return -1
        first -= 1
    if first < text.fresh or first == at - 1 or not text.tokens[first].isdecimal():
        return -1
    last = first
    while first > text.fresh and text.tokens[first - 1].isdecimal() and last - first < 5:
        first -= 1
    return first


def _number_after(text: Marked, at: int) -> int:
    """The token after the figures that follow a street's name, or 0."""
    for i in range(at + 1, min(len(text.tokens), at + 2 + _STREET)):
        if text.tokens[i] == OPAQUE or text.tokens[i] in ("minutos", "horas", "dias"):
            return 0
        if text.tokens[i].isdecimal():
            last = i
            while last < len(text.tokens) and text.tokens[last].isdecimal() and last - i < 5:
                last += 1
            return last
    return 0


def _unit(text: Marked, last: int) -> int:
    """Further: a flat and its figures or letter."""
    if text.token(last) not in UNITS:
        return last
    end = last + 1
    if text.token(end) in UNITS:  # "unit number"
        end += 1
    begin = end
    while end - begin < 5 and (text.token(end).isdecimal() or (end == begin and len(text.token(end)) == 1)):
        if text.token(end) == OPAQUE:
            break
        end += 1
    if text.token(end).isdecimal():  # more figures than a flat has: a number of its own
        return last
    return end if end > begin else last
