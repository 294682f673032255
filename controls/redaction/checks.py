"""Check digits and ranges: whether a run of figures can be a card, an account, a national number. Pure.

Every function takes figures (and letters, lower case) without separators, and is linear in their number.
"""

from __future__ import annotations

from controls.redaction.tables import DNI_LETTERS, IBAN_LENGTHS

#: Lengths of payment card numbers (ISO/IEC 7812-1), and what they begin with.
CARD_LENGTHS = range(13, 20)
CARD_BEGINS = "23456"
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def holds_card(digits: str) -> bool:
    """Whether a payment card number stands anywhere in ``digits`` (Luhn, ISO/IEC 7812-1).

    As ``controls.rules.matchers.cards``, with running sums, so that a page of figures costs no more a figure.
    """
    if len(digits) < CARD_LENGTHS.start:
        return False
    even, odd = [0], [0]  # sums with the figures at even (odd) places doubled
    for i, figure in enumerate(digits):
        value = int(figure)
        even.append(even[-1] + (_DOUBLED[value] if i % 2 == 0 else value))
        odd.append(odd[-1] + (_DOUBLED[value] if i % 2 else value))
    for end in range(CARD_LENGTHS.start, len(digits) + 1):
        sums = even if end % 2 == 0 else odd  # the figure before the last one is doubled
        for size in CARD_LENGTHS:
            start = end - size
            if start < 0:
                break
            if digits[start] in CARD_BEGINS and (sums[end] - sums[start]) % 10 == 0:
                return True
    return False


def is_card(digits: str) -> bool:
    """Whether ``digits`` as a whole are a payment card number."""
    if len(digits) not in CARD_LENGTHS or digits[0] not in CARD_BEGINS:
        return False
    total = 0
    for place, figure in enumerate(reversed(digits)):
        total += _DOUBLED[int(figure)] if place % 2 else int(figure)
    return total % 10 == 0


def is_iban(account: str) -> bool:
    """Whether it is an IBAN of its country's length (ISO 13616, modulo 97 by ISO/IEC 7064)."""
    if len(account) < 5 or IBAN_LENGTHS.get(account[:2]) != len(account) or not account[2:4].isdigit():
        return False
    turned = account[4:] + account[:4]
    return int("".join(str(int(c, 36)) for c in turned)) % 97 == 1


def is_us_ssn(digits: str) -> bool:
    """Whether the Social Security Administration could have given it out: no 000, 666 or 9xx first."""
    return (
        len(digits) == 9
        and digits[:3] not in ("000", "666")
        and digits[0] != "9"
        and digits[3:5] != "00"
        and digits[5:] != "0000"
    )


def is_us_itin(digits: str) -> bool:
    """Whether it is of the form of an individual taxpayer identification number (IRS Publication 1915)."""
    if len(digits) != 9 or digits[0] != "9":
        return False
    group = int(digits[3:5])
    return 50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99


def is_gb_nhs(digits: str) -> bool:
    """Whether it is an NHS number: ten figures, the last one modulo 11 (NHS Data Dictionary)."""
    if len(digits) != 10:
        return False
    rest = 11 - sum(int(c) * (10 - i) for i, c in enumerate(digits[:9])) % 11
    return rest != 10 and rest % 11 == int(digits[9])


def is_gb_nino(prefix: str, suffix: str) -> bool:
    """Whether a National Insurance number may begin and end with these letters (HMRC NIM39110)."""
    return (
        len(prefix) == 2
        and prefix.isascii()
        and prefix.isalpha()
        and not set(prefix) & set("dfiquv")
        and prefix[1] != "o"
        and prefix not in ("bg", "gb", "kn", "nk", "nt", "tn", "zz")
        and len(suffix) == 1
        and suffix in "abcd"
    )


def is_es_dni(begin: str, digits: str, letter: str) -> bool:
    """Whether it is a DNI (eight figures) or a NIE (X, Y or Z and seven) with its letter."""
    if begin:
        if begin not in ("x", "y", "z") or len(digits) != 7:
            return False
        digits = str("xyz".index(begin)) + digits
    return len(digits) == 8 and len(letter) == 1 and DNI_LETTERS[int(digits) % 23] == letter


def is_de_tax_id(digits: str) -> bool:
    """Whether it is a German tax identification number (§ 139b AO): repeats, and ISO/IEC 7064 MOD 11,10."""
    if len(digits) != 11 or digits[0] == "0":
        return False
    often = sorted((digits[:10].count(c) for c in set(digits[:10])), reverse=True)
    if often[0] not in (2, 3) or (len(often) > 1 and often[1] != 1):
        return False
    product = 10
    for figure in digits[:10]:
        rest = (int(figure) + product) % 10 or 10
        product = rest * 2 % 11
    return (11 - product) % 10 == int(digits[10])
