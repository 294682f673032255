"""Numbers that name somebody or something of theirs: cards, accounts, telephones, national numbers. Pure.

Each recogniser takes a ``Marked`` text and yields token ranges. A number that stands in a longer run of
figures takes the whole run with it: what is left over would only be guessed from. Where a check digit fails
but the words say what the number is, it is masked all the same: recognised speech loses figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from controls.redaction.checks import (
    holds_card,
    is_de_tax_id,
    is_es_dni,
    is_gb_nhs,
    is_gb_nino,
    is_iban,
    is_us_itin,
    is_us_ssn,
)
from controls.redaction.marked import Marked, Run
from controls.redaction.tables import (
    AMOUNTS,
    BETWEEN,
    IBAN_LENGTHS,
    JOINING,
    LETTERS_ES,
    NOT_FOR_PAYING,
    SHORT_WORDS,
)

#: First token, and the one after the last.
Tokens = tuple[int, int]
#: Finds in a text, for the regions that are served.
Recognise = Callable[[Marked, frozenset[str]], Iterator[Tokens]]

#: Figures of a card's number that is said to be one, though its check digit fails.
_MOST_OF_A_CARD = 8
_ANY_CARD = 12
#: Figures of an account that is said to be one: a bank's has six or more.
_ANY_ACCOUNT = 6
#: No country's has fewer figures.
_LEAST_OF_AN_IBAN = 6
_LONGEST_IBAN = max(IBAN_LENGTHS.values())


def cards(text: Marked, regions: frozenset[str]) -> Iterator[Tokens]:
    """Payment card numbers: by Luhn, or most of one where the words say so."""
    for run in text.runs:
        if holds_card(run.digits) or _is_said_card(text, run):
            yield run.first, run.last


def _is_said_card(text: Marked, run: Run) -> bool:
    """Said to be a card to pay with, or a "card" and nothing that makes it one nobody pays with."""
    size, first, last = len(run.digits), run.first, run.last
    if size >= _MOST_OF_A_CARD and text.said_to_be("payment", first, last, before=12):
        return True
    if size < _ANY_CARD or not text.said_to_be("card", first, last, before=12):
        return False
    return not NOT_FOR_PAYING & set(text.tokens[max(0, first - 14) : first])


def card_codes(text: Marked, regions: frozenset[str]) -> Iterator[Tokens]:
    """Three or four figures that are said to be a card's verification code."""
    for run in text.runs:
        if len(run.digits) in (3, 4) and text.said_to_be("card-code", run.first, run.last, before=8, after=3):
            yield run.first, run.last


def ibans(text: Marked, regions: frozenset[str]) -> Iterator[Tokens]:
    """Account numbers, written or spelled; or a long number that is said to be an account's."""
    figures = sum(len(run.digits) for run in text.runs)
    for at in range(text.fresh, len(text.tokens) if figures >= _LEAST_OF_AN_IBAN else 0):
        begins = text.tokens[at]
        if begins not in IBAN_LENGTHS and not _letter(begins):
            continue
        country, after = _country(text, at)
        if country:
            end = _account(text, at, after, country)
            if end:
                yield at, end
    for run in text.runs:
        if len(run.digits) >= _ANY_ACCOUNT and text.said_to_be("iban", run.first, run.last, before=8):
            yield run.first, run.last


def _country(text: Marked, at: int) -> tuple[str, int]:
    """A country's two letters at ``at``, said as one word or letter by letter, and the token after them."""
    one = text.token(at)
    if one in IBAN_LENGTHS and text.token(at + 1).isdecimal():
        return one, at + 1
    both = _letter(one) + _letter(text.token(at + 1))
    return (both, at + 2) if len(both) == 2 and both in IBAN_LENGTHS else ("", 0)


def _account(text: Marked, first: int, at: int, country: str) -> int:
    """The token after an IBAN that begins at ``first``, or 0."""
    needed, found = IBAN_LENGTHS[country], country
    for i in range(at, min(len(text.tokens), at + 2 * _LONGEST_IBAN)):
        token = text.token(i)
        if token.isdecimal() and token.isascii():
            found += token
        elif letter := _letter(token):
            found += letter
        elif 1 < len(token) <= 6 and token.isascii() and token.isalpha() and text.gap(i - 1) in ("", " "):
            found += token
        elif token not in BETWEEN:
            return 0
        if len(found) >= needed:
            return i + 1 if len(found) == needed and is_iban(found) else 0
    return 0


def _letter(token: str) -> str:
    """One letter, as written or as Spanish says it; "" for anything else."""
    if len(token) == 1 and token.isascii() and token.isalpha():
        return token
    return LETTERS_ES.get(token, "")


# --- national numbers -----------------------------------------------------------------------------


def us_ssn(text: Marked, regions: frozenset[str]) -> Iterator[Tokens]:
    """Social security numbers and ITINs: said to be one, or written 3-2-4."""
    for run in text.runs:
        valid = is_us_ssn(run.digits) or is_us_itin(run.digits)
        said = 7 <= len(run.digits) <= 11 and text.said_to_be("us-ssn", run.first, run.last)
        if said or (valid and run.groups == (3, 2, 4) and _joined_by(text, run, "-. ")):
            yield run.first, run.last


def gb_nhs(text: Marked, regions: frozenset[str]) -> Iterator[Tokens]:
    """NHS numbers. Where US numbers are served too, one written 3-3-4 may be a telephone's: it is named."""
    for run in text.runs:
        said = 9 <= len(run.digits) <= 11 and text.said_to_be("gb-nhs", run.first, run.last)
        written = run.groups == (3, 3, 4) and run.digits[0] != "0" and is_gb_nhs(run.digits)
        if said or (written and "us" not in regions):
            yield run.first, run.last


def gb_nino(text: Marked, regions: frozenset[str]) -> Iterator[Tokens]:
    """National Insurance numbers: two letters, six figures, a letter."""
    for run in text.runs:
        said = text.said_to_be("gb-nino", run.first, run.last)
        if len(run.digits) != 6:
            if said and 5 <= len(run.digits) <= 7:
                yield run.first, run.last
            continue
        before, suffix = text.token(run.first - 1), _letter(text.token(run.last))
        first, prefix = run.first - 1, before
        if before in SHORT_WORDS and not text.text[slice(*text.spans[first])].isupper():
            prefix = ""
        elif len(before) == 1:
            first, prefix = run.first - 2, _letter(text.token(run.first - 2)) + before
        if is_gb_nino(prefix, suffix):
            yield first, run.last + 1
        elif said:
            yield run.first, run.last


def es_dni(text: Marked, regions: frozenset[str]) -> Iterator[Tokens]:
    """DNI and NIE: figures and the letter they give."""
    for run in text.runs:
        letter = _letter(text.token(run.last))
        begin = _letter(text.token(run.first - 1))
        if is_es_dni("", run.digits, letter):
            yield run.first, run.last + 1
        elif begin and is_es_dni(begin, run.digits, letter):
            yield run.first - 1, run.last + 1
        elif 7 <= len(run.digits) <= 9 and text.said_to_be("es-dni", run.first, run.last):
            yield run.first, run.last


def de_tax_id(text: Marked, regions: frozenset[str]) -> Iterator[Tokens]:
    """German tax identification numbers."""
    for run in text.runs:
        said = 10 <= len(run.digits) <= 13 and text.said_to_be("de-tax-id", run.first, run.last)
        if said or is_de_tax_id(run.digits):
            yield run.first, run.last


# --- telephones -----------------------------------------------------------------------------------


def telephones(text: Marked, regions: frozenset[str]) -> Iterator[Tokens]:
    """Telephone numbers: international ones, those of the regions served, and what is said to be one."""
    for run in text.runs:
        if not 7 <= len(run.digits) <= 15 or run.between & JOINING or _is_no_telephone(text, run):
            continue
        first = run.first
        plus = text.text[max(0, text.spans[first][0] - 1) : text.spans[first][0]] == "+"
        if text.token(first - 1) in ("plus", "mas"):
            first, plus = first - 1, True
        said = any(text.said_to_be(name, first, run.last, before=8) for name in ("telephone", "number"))
        if (
            plus
            or said
            or _national(run, regions)
            or ((library := _library()) is not None and library.valid(run.digits, regions))
        ):
            yield first, run.last


def _national(run: Run, regions: frozenset[str]) -> bool:
    """By the numbering plans, or 00 in front of a country's code."""
    if run.digits.startswith("00") and len(run.digits) >= 9:
        return True
    return dialled_in(run.digits, regions)


def dialled_in(digits: str, regions: frozenset[str]) -> bool:
    """Whether figures are a number of a region's plan: NANP, Ofcom, CNMC, Bundesnetzagentur."""
    size = len(digits)
    if "us" in regions:
        local = digits[1:] if size == 11 and digits[0] == "1" else digits
        if len(local) == 10 and local[0] in "23456789" and local[3] in "23456789":
            return True
    if "es" in regions and size == 9 and digits[0] in "6789":
        return True
    if "gb" in regions and size in (10, 11) and digits[0] == "0":
        return True
    return "de" in regions and 9 <= size <= 12 and digits[0] == "0"


def _is_no_telephone(text: Marked, run: Run) -> bool:
    """An amount, a time, a date, or figures within a word."""
    if text.token(run.last) in AMOUNTS:
        return True
    begin, end = text.place(run.first, run.last)
    written = text.text[begin:end]
    if ":" in written or run.groups in ((1, 1, 4), (1, 2, 4), (2, 1, 4), (2, 2, 4), (4, 2, 2)):
        return True
    if any(c.isdecimal() for c in written):  # written in figures: letters within make it a code
        return any(c.isalpha() for c in written)
    return False


@dataclass(frozen=True, slots=True)
class _Phonenumbers:
    """The library ``phonenumbers``, where it is installed: the numbering plans of the world."""

    module: Any

    @property
    def version(self) -> str:
        return str(self.module.__version__)

    def valid(self, digits: str, regions: frozenset[str]) -> bool:
        for region in regions:
            try:
                if self.module.is_valid_number(self.module.parse(digits, region.upper())):
                    return True
            except self.module.NumberParseException:
                continue
        return False


_loaded: list[_Phonenumbers | None] = []


def _library() -> _Phonenumbers | None:
    """Imported once, when it is first needed."""
    if not _loaded:
        try:
            _loaded.append(_Phonenumbers(import_module("phonenumbers")))
        except ImportError:
            _loaded.append(None)
    return _loaded[0]


def library_version() -> str:
    """The installed version of ``phonenumbers``; "" without it. Part of every redaction's version."""
    library = _library()
    return library.version if library is not None else ""


def _joined_by(text: Marked, run: Run, signs: str) -> bool:
    """Whether nothing but one of these signs, the same each time, stands between the written groups."""
    gaps = {text.gap(i) for i in range(run.first, run.last - 1) if text.spans[i] != text.spans[i + 1]}
    return len(gaps) == 1 and gaps.pop() in set(signs)


#: National numbers by the region that gives them out.
NATIONAL: Mapping[str, tuple[Recognise, ...]] = {
    "us": (us_ssn,),
    "gb": (gb_nhs, gb_nino),
    "es": (es_dni,),
    "de": (de_tax_id,),
}

__all__ = [
    "NATIONAL",
    "Recognise",
    "Tokens",
    "card_codes",
    "cards",
    "dialled_in",
    "ibans",
    "library_version",
    "telephones",
]
