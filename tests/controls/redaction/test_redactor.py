"""Redaction: what is found as people write and say it, what is left alone, and what holds for any text."""

from __future__ import annotations

import ast
import time
from importlib.util import find_spec

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.ledger.records import PersonalData as P
from controls.redaction import numbers
from controls.redaction.file import PATTERNS
from controls.redaction.redactor import Found, Redactor, applied, mask_of
from controls.redaction.revision import DECIDES, revision, revision_of, source_of
from controls.rules.matchers import words
from tests.controls.redaction import planted

EVERY = Redactor(PATTERNS)


@pytest.mark.parametrize(("text", "masked"), [
    ("my card is four one one one one one one one one one one one one one one one", "my card is [card]"),
    ("4111-1111-1111-1111, cvv 123", "[card], cvv [card-code]"),
    ("the visa is 4111 1111 1111 112", "the visa is [card]"),  # a figure was lost
    ("el código de seguridad es 123", "el código de seguridad es [card-code]"),
    ("DE89 3704 0044 0532 0130 00", "[iban]"),
    ("GB82 WEST 1234 5698 7654 32", "[iban]"),
    ("my account number is 1234 5678", "my account number is [iban]"),  # no IBAN, said to be an account's
    ("el número de cuenta es 123456", "el número de cuenta es [iban]"),
    ("d e eight nine three seven zero four zero zero four four zero five three two zero one three zero zero "
     "zero", "[iban]"),
    ("e ese nueve uno dos uno cero cero cero cuatro uno ocho cuatro cinco cero dos cero cero cero cinco uno "
     "tres tres dos", "[iban]"),
    ("my social is two one nine zero nine nine nine nine nine", "my social is [national-id]"),
    ("219-09-9999", "[national-id]"),
    ("my nhs number is 943 476 5919", "my nhs number is [national-id]"),
    ("AB 12 34 56 C", "[national-id]"),
    ("a b one two three four five six c", "[national-id]"),
    ("12345678Z", "[national-id]"),
    ("doce treinta y cuatro cincuenta y seis setenta y ocho zeta", "[national-id]"),
    ("86095742719", "[national-id]"),
    ("John.Smith+x@Example.co.uk", "[email]"),
    ("write to john dot smith at example dot com please", "write to [email] please"),
    ("my email is jane doe at gmail dot com and", "my email is [email] and"),
    ("j u a n arroba ejemplo punto com", "[email]"),
    ("reach me at john at example.com", "reach me at [email]"),
    ("call me at (202) 555-0143", "call me at ([telephone]"),
    ("two zero two five five five zero one four three", "[telephone]"),
    ("es el seis uno dos tres cuatro cinco seis siete ocho", "es el [telephone]"),
    ("+44 20 7946 0018", "+[telephone]"),
    ("I was born on the fifth of May 1980.", "I was born on the [birth-date]."),
    ("nací el 5 de mayo de 1980", "nací el [birth-date]"),
    ("date of birth 05/12/1980", "date of birth [birth-date]"),
    ("i live at twelve mill street apartment four", "i live at [address]"),
    ("vivo en la calle Mayor 5", "vivo en la [address]"),
    ("Hauptstraße 7", "[address]"),
    ("é ４１１１ １１１１ １１１１ １１１１ é", "é [card] é"),
    ("4111\u200b1111\u200b1111\u200b1111", "[card]"),
])  # fmt: skip
def test_what_is_found(text: str, masked: str) -> None:
    assert EVERY.redact(text).text == masked


@pytest.mark.parametrize("text", [
    "I would like Tuesday at 10:30 or 2 o'clock.",
    "It costs $1,250.50 for 2 nights.",
    "one million two hundred thousand dollars",
    "The form is 12 pages, reference 40-17.",
    "call c_7Q2MZ0G4D9RWX3KA turn 3",
    "sha256:" + "4111111111111111" * 4,
    "started 2026-11-22T06:47:58.123456Z",
    "the year 2026, in May",
    "it is a 10 minute drive",
    "my card ends in 1111",
    "meet me at the corner",
    "My birthday is soon.",
    "we are at home",
    "at 10:30:45 a.m.",
    "su cita es el 5 de mayo a las 10",
    "",
    "   ",
])  # fmt: skip
def test_what_is_left_alone(text: str) -> None:
    assert EVERY.redact(text).text == text
    assert EVERY.redact(text).found == ()


@pytest.mark.parametrize(("asked", "said", "masked"), [
    ("What is your date of birth?", "may fifth nineteen eighty", "[birth-date]"),
    ("What is your social security number?", "two one nine zero nine nine nine nine nine", "[national-id]"),
    ("¿Cuál es su fecha de nacimiento?", "el 5 de mayo de 1980", "el [birth-date]"),
    ("", "may fifth nineteen eighty", "may fifth nineteen eighty"),
])  # fmt: skip
def test_what_was_asked_says_what_it_is(asked: str, said: str, masked: str) -> None:
    assert EVERY.redact(said, context=asked).text == masked


@pytest.mark.skipif(find_spec("phonenumbers") is None, reason="needs phonenumbers")
def test_the_numbering_plans_of_the_library_add_to_ours() -> None:
    assert EVERY.redact("es el 912 34 56 78").text == "es el [telephone]"
    assert EVERY.redact("89 1234567").text == "[telephone]"  # Munich, without its 0
    assert EVERY.redact("1 2 3 4 5 6 7").text == "1 2 3 4 5 6 7"


def test_without_the_library_the_plans_we_know_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    with_it = EVERY.version
    monkeypatch.setattr(numbers, "_loaded", [None])
    assert numbers.library_version() == ""
    assert EVERY.redact("202 555 0143 or 612 345 678").text == "[telephone] or [telephone]"
    monkeypatch.setattr(numbers, "_loaded", [])
    assert EVERY.version == with_it


@pytest.mark.parametrize(("text", "masked"), [
    ("can i pay by visa my phone is 202 555 0143", "can i pay by visa my phone is [telephone]"),
    ("phone 202 555 0143 and my social 219 09 9999", "phone [telephone] and my social [national-id]"),
    ("seven mill road number 202 555 0143", "[address] number [telephone]"),
    ("i was born on may 5 1980 my cell is 202 555 0143", "i was born on [birth-date] my cell is [telephone]"),
    ("visa 4111 1111 1111 112 and my nhs number 943 476 5919", "visa [card] and my nhs number [national-id]"),
    ("2025550143 is my phone", "[telephone] is my phone"),
    ("the security code on my visa is 123", "the security code on my visa is [card-code]"),
])  # fmt: skip
def test_the_nearest_words_say_what_a_number_is(text: str, masked: str) -> None:
    assert EVERY.redact(text).text == masked


def test_an_agent_that_names_a_card_asks_for_none() -> None:
    asked = "We take any credit card at the desk. What is your reference?"
    assert P.CARD not in {f.type for f in EVERY.redact("40 17 22 33 44 55", context=asked).found}


def test_a_type_that_is_not_masked_is_left() -> None:
    cards = Redactor([P.CARD])
    assert cards.redact("4111111111111111 john@example.com 202 555 0143").text == (
        "[card] john@example.com 202 555 0143"
    )


def test_numbers_of_a_region_that_is_not_served_are_left() -> None:
    assert Redactor(PATTERNS, ["us"]).redact("12345678Z").text == "12345678Z"
    assert Redactor(PATTERNS, ["gb"]).redact("943 476 5919").text == "[national-id]"
    with pytest.raises(ValueError, match="no numbers are known of fr"):
        Redactor(PATTERNS, ["fr"])


def test_what_overlaps_becomes_one_of_the_graver_type() -> None:
    # a telephone by its form, an NHS number by what is said of it
    assert EVERY.redact("nhs 943 476 5919").text == "nhs [national-id]"


def test_a_changed_recogniser_is_another_version_by_itself() -> None:
    """A number that somebody had to count up stood for it, and stayed 1."""
    sources = {name: source_of(name) for name in DECIDES}
    assert revision_of(sources) == revision()
    for name, text in sources.items():
        assert revision_of(sources | {name: text + b"# less\n"}) != revision(), name
    assert revision_of({name: text.replace(b"\n", b"\r\n") for name, text in sources.items()}) == revision()


def test_whatever_a_text_goes_through_is_part_of_the_version() -> None:
    """By what the redactor imports of ours, and what that imports; names of types decide nothing."""
    values = {"controls.ledger.records", "controls.redaction.revision"}
    reached: set[str] = set()
    ahead = {"controls.redaction.redactor", "controls.redaction.trail"}
    while ahead:
        reached |= ahead
        trees = [ast.parse(source_of(name)) for name in ahead]
        named = {n.module for tree in trees for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        ahead = {name for name in named if name and name.startswith("controls.")} - values - reached
    assert reached == set(DECIDES)


def test_the_version_tells_what_decides() -> None:
    assert EVERY.version == Redactor(PATTERNS).version
    assert EVERY.version != Redactor(PATTERNS, ["us"]).version
    assert EVERY.version != Redactor([P.CARD]).version
    assert EVERY.version.startswith("sha256:")


class Names:
    """A recogniser with a model, as far as a test needs one; it also finds what is masked already."""

    version = "names-1"

    def find(self, text: str, language: str) -> list[Found]:
        found = [Found(P.NAME, at, at + 5) for at in range(len(text)) if text.startswith("Maria", at)]
        found += [Found(P.NAME, at, at + 6) for at in range(len(text)) if text.startswith("[name]", at)]
        return found


def test_a_recogniser_adds_to_the_patterns() -> None:
    redactor = Redactor([P.NAME, P.CARD], recognisers=[Names()])
    redacted = redactor.redact("Maria paid with 4111111111111111, Maria said")
    assert redacted.text == "[name] paid with [card], [name] said"
    assert redacted.version != Redactor([P.NAME, P.CARD]).version
    assert Redactor([P.CARD], recognisers=[Names()]).redact("Maria").text == "Maria"


# --- for any text ---------------------------------------------------------------------------------

ANY = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.one_of(
            st.sampled_from(
                [
                    "card",
                    "my",
                    "social",
                    "born",
                    "may",
                    "at",
                    "dot",
                    "com",
                    "arroba",
                    "[card]",
                    "[email]",
                    "street",
                    "calle",
                    "iban",
                    "d",
                    "e",
                    "4111",
                    "1111",
                    "c_",
                    "x",
                    "nhs",
                    ".",
                    ",",
                    "-",
                    "+",
                    "@",
                    "a@b.c",
                    "cvv",
                    "dollars",
                    "double",
                    "uh",
                    "＠",
                    "１２",
                    "é",
                    "ß",
                    "é",
                    "\u200b",
                    "\n",
                ]
            ),
            st.integers(0, 10**12).map(str),
            planted.found_anywhere().map(lambda made: made[2]),
        ),
        max_size=14,
    ).map(" ".join),
)


@given(ANY, st.sampled_from(["", "What is your date of birth?", "your card number"]))
@settings(max_examples=400)
def test_masking_twice_changes_nothing_and_nothing_outside_changes(text: str, context: str) -> None:
    redacted = EVERY.redact(text, context=context)
    assert EVERY.redact(redacted.text, context=context).text == redacted.text
    assert applied(text, redacted.found) == redacted.text
    at = 0
    for found in redacted.found:
        assert at <= found.start < found.end <= len(text)
        at = found.end


@given(planted.CHAFF, planted.found_anywhere(), planted.CHAFF)
@settings(max_examples=400)
def test_a_planted_number_leaves_no_figure(before: str, made: tuple[P, str, str], after: str) -> None:
    kind, _, said = made
    text = f"{before} {said} {after}".strip()
    redacted = EVERY.redact(text)
    assert not any(token.isdigit() for token in words(redacted.text).tokens), redacted.text
    assert mask_of(kind) in redacted.text or redacted.found  # a longer finding may take it in


@pytest.mark.parametrize("unit", [
    "4111 1111 1111 1111 ", "a@", "a.b.c.", "1 ", "one ", "at dot ", "calle ", "street ", "d e 8 9 ",
    "[card]", "born ", "@", "john at example dot com ", "born may 5 1980 ", "é́", "4", "c_", "my social 1 ",
    "x 1 ",
])  # fmt: skip
def test_cost_grows_with_the_text_and_not_with_its_square(unit: str) -> None:
    def seconds(times: int) -> float:
        text = unit * times
        best = 1e9
        for _ in range(3):
            started = time.process_time()
            EVERY.redact(text)
            best = min(best, time.process_time() - started)
        return best

    small, size = 4000 // len(unit), 8
    assert seconds(small * size) < seconds(small) * size * 4 + 0.05
