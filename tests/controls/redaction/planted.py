"""Personal data that is made up and valid, as people write and say it, to be planted in texts."""

from __future__ import annotations

from hypothesis import strategies as st

from controls.ledger.records import PersonalData
from controls.redaction.tables import DNI_LETTERS, IBAN_LENGTHS

_DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_CIFRAS = ["cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"]


def luhn_digit(body: str) -> str:
    """The figure that makes ``body`` a card's number; written apart from the code under test."""
    total = 0
    for place, figure in enumerate(reversed(body)):
        value = int(figure) * (2 if place % 2 == 0 else 1)
        total += value // 10 + value % 10
    return str(-total % 10)


@st.composite
def cards(draw: st.DrawFn) -> str:
    """A card's number, without separators."""
    first = draw(st.sampled_from("3456"))
    body = first + draw(st.text("0123456789", min_size=11, max_size=17))
    return body + luhn_digit(body)


@st.composite
def ibans(draw: st.DrawFn) -> str:
    """An IBAN of figures, upper case, without separators."""
    country = draw(st.sampled_from(["de", "es", "fr", "pl", "at"]))
    size = IBAN_LENGTHS[country] - 4
    account = draw(st.text("0123456789", min_size=size, max_size=size))
    rest = int(account + "".join(str(ord(c) - 87) for c in country) + "00") % 97
    return f"{country.upper()}{98 - rest:02}{account}"


@st.composite
def nhs(draw: st.DrawFn) -> str:
    """An NHS number."""
    body = draw(st.text("0123456789", min_size=9, max_size=9).filter(lambda b: _nhs(b) != "10"))
    return body + _nhs(body)


def _nhs(body: str) -> str:
    return str((11 - sum(int(c) * w for c, w in zip(body, range(10, 1, -1), strict=True)) % 11) % 11)


@st.composite
def dnis(draw: st.DrawFn) -> tuple[str, str]:
    """A DNI's figures and its letter."""
    digits = draw(st.text("0123456789", min_size=8, max_size=8))
    return digits, DNI_LETTERS[int(digits) % 23]


@st.composite
def tax_ids(draw: st.DrawFn) -> str:
    """A German tax identification number: one figure twice, one not at all, the others once."""
    figures = draw(st.permutations("0123456789"))
    body = [*figures[:9], draw(st.sampled_from(figures[:9]))]
    body = draw(st.permutations(body).filter(lambda b: b[0] != "0"))
    product = 10
    for figure in body:
        product = (((int(figure) + product) % 10 or 10) * 2) % 11
    return "".join(body) + str((11 - product) % 10)


@st.composite
def aloud(draw: st.DrawFn, digits: str) -> str:
    """Figures as they are said or written: word by word, in groups, with hesitation between."""
    how = draw(st.sampled_from(["en", "es", "plain", "spaced", "dashed", "hesitant"]))
    if how in ("en", "es", "hesitant"):
        names = _CIFRAS if how == "es" else _DIGITS
        said = [names[int(c)] for c in digits]
        if how == "hesitant":
            at = draw(st.integers(1, len(said) - 1))
            said.insert(at, draw(st.sampled_from(["uh", "um", "then", "dash"])))
        return " ".join(said)
    if how == "plain":
        return digits
    sign = " " if how == "spaced" else "-"
    return sign.join(digits[i : i + 4] for i in range(0, len(digits), 4))


@st.composite
def found_anywhere(draw: st.DrawFn) -> tuple[PersonalData, str, str]:
    """Type, the data's figures, and how it stands in a text: found without a word that says what it is."""
    kind = draw(st.sampled_from(["card", "iban", "dni", "tax"]))
    if kind == "card":
        digits = draw(cards())
        return PersonalData.CARD, digits, draw(aloud(digits))
    if kind == "iban":
        iban = draw(ibans())
        written = draw(
            st.sampled_from(
                [
                    iban,
                    " ".join(iban[i : i + 4] for i in range(0, len(iban), 4)),
                    " ".join(_DIGITS[int(c)] if c.isdigit() else c.lower() for c in iban),
                ]
            )
        )
        return PersonalData.IBAN, iban[2:], written
    if kind == "dni":
        digits, letter = draw(dnis())
        said = draw(aloud(digits))
        return PersonalData.NATIONAL_ID, digits, f"{said} {letter}" if " " in said else said + letter.upper()
    digits = draw(tax_ids())
    return PersonalData.NATIONAL_ID, digits, draw(aloud(digits))


#: Words that hold no figure and say of no number what it is.
CHAFF = st.lists(
    st.sampled_from(
        [
            "hello",
            "yes",
            "please",
            "i",
            "would",
            "like",
            "to",
            "book",
            "with",
            "doctor",
            "patel",
            "on",
            "tuesday",
            "gracias",
            "quiero",
            "hablar",
            "del",
            "perro",
            "tomorrow",
            "morning",
            "and",
            "when",
            "do",
            "you",
            "open",
            "thank",
            "you",
            "bye",
        ]
    ),
    max_size=12,
).map(" ".join)
