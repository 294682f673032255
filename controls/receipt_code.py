"""The code a caller can ask for: made, read out, and read back in whatever way it was written down.

Eight random characters of Crockford's base 32 (40 bits; no I, L, O, U) and a
check character, in three groups of three: ``7K2-M9Q-X4R``. The code is random:
nothing of the call or the caller is in it, and nobody finds a call by trying.

The check character makes the sum of the nine characters, as elements of GF(32)
(x⁵ + x² + 1) times x⁰ to x⁸ from the right, zero: the parity equation of a
Reed-Solomon code (ISO/IEC 18004, Annex A, in a smaller field). Every single wrong
character is found, and every swap of two that differ.
"""

from __future__ import annotations

import secrets
import unicodedata

from controls.errors import OperatorError

#: Crockford's base 32 (https://www.crockford.com/base32.html).
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
#: Characters of a code, its check character included.
LENGTH = 9
GROUP = 3

#: What people write for a character that is in no code, as Crockford reads it.
_MEANT = {"O": "0", "I": "1", "L": "1"}
#: Signs between characters that say nothing.
_BETWEEN = frozenset(" -_.,:;/\t\r\n\u00a0\u2010\u2011\u2012\u2013\u2014")
_LONGEST_INPUT = 100
_FIELD = 0b100101  # x^5 + x^2 + 1, primitive


def new_code() -> str:
    """A fresh code, in its one written form."""
    number = secrets.randbits(5 * (LENGTH - 1))
    values = [(number >> shift) & 31 for shift in range(5 * (LENGTH - 2), -1, -5)]
    return _written([*values, _parity([*values, 0])])


def normalise(text: str) -> str:
    """The code in ``text``, in its one written form.

    Small and capital letters are the same, O is 0, I and L are 1, blanks and dashes between
    characters say nothing.

    Raises:
        OperatorError: it is no code; the message says what is wrong with it, and never repeats it.
    """
    values: list[int] = []
    for character in unicodedata.normalize("NFKC", text[:_LONGEST_INPUT]).upper():
        if character in _BETWEEN:
            continue
        value = ALPHABET.find(_MEANT.get(character, character))
        if value < 0:
            raise OperatorError(_strange(character, len(values) + 1))
        values.append(value)
    if len(values) != LENGTH:
        raise OperatorError(
            f"a receipt code has {LENGTH} characters, this has {len(values)}; write it as 7K2-M9Q-X4R"
        )
    if _parity(values):
        raise OperatorError(
            "the receipt code's check character does not fit: one character is wrong or two are swapped"
        )
    return _written(values)


def characters(code: str) -> tuple[str, ...]:
    """The groups of a code in its written form, each a run of characters to be read out one by one."""
    return tuple(code.split("-"))


def _strange(character: str, place: int) -> str:
    what = "U is" if character == "U" else "this one is neither a letter nor a digit, and so is"
    if character.isalnum() and character != "U":
        what = "this one is"
    return f"character {place} cannot stand in a receipt code: {what} not among {ALPHABET}"


def _written(values: list[int]) -> str:
    whole = "".join(ALPHABET[v] for v in values)
    return "-".join(whole[i : i + GROUP] for i in range(0, LENGTH, GROUP))


def _parity(values: list[int]) -> int:
    """The sum of ``values`` times x⁸ … x⁰ in GF(32), by Horner's rule; 0 for a code that is whole."""
    total = 0
    for value in values:
        total <<= 1
        if total & 32:
            total ^= _FIELD
        total ^= value
    return total
