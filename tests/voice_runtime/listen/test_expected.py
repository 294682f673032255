"""What the agent's question asks for, read from what was played."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.listen.expected import ANYTHING, FOUR, TELEPHONE, ZIP, Expected, Wanted, expected

NUMBER = Wanted.NUMBER

ENGLISH = [
    ("Shall I book it?", Expected(Wanted.YES_NO)),
    ("Doctor Patel, Monday at nine. Shall I book it?", Expected(Wanted.YES_NO)),
    ("I have five five five. Is that right?", Expected(Wanted.YES_NO)),
    ("Can I help you with anything else?", Expected(Wanted.YES_NO)),
    ("Booked. Anything else?", Expected(Wanted.YES_NO)),
    ("Do you have an account number?", Expected(Wanted.YES_NO)),
    ("Are you still there?", Expected(Wanted.YES_NO)),
    ("Which number may we call you back on? Say or key it in, digit by digit.", Expected(NUMBER, TELEPHONE)),
    ("What's your phone number?", Expected(NUMBER, TELEPHONE)),
    ("Can I have your cell number, please?", Expected(NUMBER, TELEPHONE)),
    ("And your phone number?", Expected(NUMBER, TELEPHONE)),
    ("What is your ZIP code?", Expected(NUMBER, ZIP)),
    ("Please tell me the last four digits of your card.", Expected(NUMBER, FOUR)),
    ("What's your member number?", Expected(NUMBER)),
    ("I'll need your reference number.", Expected(NUMBER)),
    ("How many people will come?", Expected(Wanted.QUANTITY)),
    ("What is the number of people?", Expected(Wanted.QUANTITY)),
    ("What's your name?", Expected(Wanted.NAME)),
    ("Who am I speaking with?", Expected(Wanted.NAME)),
    ("May I have your first and last name?", Expected(Wanted.NAME, least_words=2)),
    ("Which doctor, Patel or Okafor?", Expected(Wanted.NAME)),
    ("Could you spell that for me?", Expected(Wanted.SPELLING)),
    ("How do you spell your last name?", Expected(Wanted.SPELLING)),
    ("What's your date of birth?", Expected(Wanted.BIRTH_DATE)),
    ("When were you born?", Expected(Wanted.BIRTH_DATE)),
    ("When would you like to come?", Expected(Wanted.WHEN)),
    ("With Doctor Patel. On which day?", Expected(Wanted.WHEN)),
    ("What time suits you?", Expected(Wanted.WHEN)),
    ("With which doctor, and on which day?", ANYTHING),
    ("What is your name, and what is your number?", ANYTHING),
    ("How can I help you?", ANYTHING),
    ("Shall I book it? What else can I do for you?", ANYTHING),
    ("We are open from eight to five.", ANYTHING),
    ("The number is on your card.", ANYTHING),
    ("", ANYTHING),
]  # fmt: skip
SPANISH = [
    ("¿Lo agendo?", Expected(Wanted.YES_NO)),
    ("Corte, el martes a las diez. ¿Es correcto?", Expected(Wanted.YES_NO)),
    ("¿A qué número le llamamos? Dígalo o márquelo, número por número.", Expected(NUMBER, TELEPHONE)),
    ("¿Cuál es su código postal?", Expected(NUMBER, ZIP)),
    ("¿Me da su número de teléfono?", Expected(NUMBER, TELEPHONE)),
    ("¿Cuál es su nombre completo?", Expected(Wanted.NAME, least_words=2)),
    ("¿Cómo se llama?", Expected(Wanted.NAME)),
    ("¿Me lo puede deletrear?", Expected(Wanted.SPELLING)),
    ("¿Cuál es su fecha de nacimiento?", Expected(Wanted.BIRTH_DATE)),
    ("¿Qué día le conviene?", Expected(Wanted.WHEN)),
    ("¿Cuántas personas vienen?", Expected(Wanted.QUANTITY)),
    ("¿Qué se quiere hacer, y qué día?", ANYTHING),
    ("¿En qué le puedo ayudar?", ANYTHING),
    ("Abrimos a las diez.", ANYTHING),
]  # fmt: skip


@pytest.mark.parametrize(("played", "wanted"), ENGLISH)
def test_english(played: str, wanted: Expected) -> None:
    assert expected(played, "en-US") == wanted


@pytest.mark.parametrize(("played", "wanted"), SPANISH)
def test_spanish(played: str, wanted: Expected) -> None:
    assert expected(played, "es-US") == wanted


@pytest.mark.parametrize(
    ("played", "language"),
    [
        ("Monday at nine, ten and eleven. Which suits you?", "en-US"),
        ("Would you like Monday or Tuesday?", "en-US"),
        ("¿Prefiere el lunes o el martes?", "es-US"),
    ],
)
def test_a_choice_knows_what_was_offered(played: str, language: str) -> None:
    found = expected(played, language)
    assert found.wanted is Wanted.CHOICE
    assert {"monday", "lunes"} & found.offered


def test_an_older_question_is_over() -> None:
    assert expected("What's your name? One. Two. Three.", "en-US") == ANYTHING


def test_a_language_without_patterns_asks_for_anything() -> None:
    assert expected("Quel est votre nom?", "fr-FR") == ANYTHING


@given(st.text(max_size=200), st.sampled_from(["en-US", "es-US"]))
def test_any_words_are_read(played: str, language: str) -> None:
    found = expected(played, language)
    assert found.wanted in Wanted
    assert found.offered == frozenset() or found.wanted is Wanted.CHOICE
