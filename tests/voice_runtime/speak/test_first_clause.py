"""The first clause of an answer: small where that is safe; nothing lost, torn apart or taken back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voice_runtime.speak.clauses import ClauseSplitter
from voice_runtime.speak.first_clause import LONGEST, FirstClause


def split(text: str, language: str = "en-US", size: int = 0) -> list[str]:
    """Feed ``text`` in pieces of ``size`` characters, or at once."""
    splitter = ClauseSplitter(language)
    pieces = [text[at : at + size] for at in range(0, len(text), size)] if size else [text]
    return [clause for piece in pieces for clause in splitter.push(piece)] + splitter.finish()


@pytest.mark.parametrize(
    ("text", "first"),
    [
        # a courtesy that claims nothing
        ("Thank you, I have you down for Tuesday.", "Thank you,"),
        ("Let me see, there is one free place.", "Let me see,"),
        ("Good morning, this is the front desk.", "Good morning,"),
        # an assent would stand, whatever becomes of the rest
        ("Yes, you can come on Tuesday.", "Yes, you can come on Tuesday."),
        ("Of course, I can look that up.", "Of course, I can look that up."),
        ("No, that is not possible.", "No, that is not possible."),
        ("Sure, come by.", "Sure, come by."),
        # before a statement of its own
        ("Doctor Patel can see you on Tuesday but she leaves early.", "Doctor Patel can see you on Tuesday"),
        ("The office opens early on most days and we close late.", "The office opens early on most days"),
        ("You can come but not now.", "You can come but not now."),  # too few words before it
        # what narrows or takes back stays with what it narrows
        (
            "You may park behind the house today if you ring first.",
            "You may park behind the house today if you ring first.",
        ),
        (
            "You may leave the car there overnight unless we call you.",
            "You may leave the car there overnight unless we call you.",
        ),
        # never next to a figure or a number's word
        (
            "We can offer you a place at 10 but it is early.",
            "We can offer you a place at 10 but it is early.",
        ),
        (
            "We can offer you a place at ten but it is early.",
            "We can offer you a place at ten but it is early.",
        ),
    ],
)
def test_where_the_first_clause_ends(text: str, first: str) -> None:
    assert split(text)[0] == first
    assert " ".join(split(text)) == text


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Muchas gracias, le apunto para el martes.", "Muchas gracias,"),
        ("Sí, puede venir el martes.", "Sí, puede venir el martes."),
        (
            "La doctora le atiende mañana por la tarde pero llega tarde.",
            "La doctora le atiende mañana por la tarde",
        ),
        (
            "Puede dejar el coche detrás de la casa si llama antes.",
            "Puede dejar el coche detrás de la casa si llama antes.",
        ),
    ],
)
def test_in_spanish(text: str, first: str) -> None:
    assert split(text, "es-US")[0] == first


def test_only_the_first_clause_is_made_small() -> None:
    text = "Good. Doctor Patel can see you on Tuesday but she leaves early."
    assert split(text) == ["Good.", "Doctor Patel can see you on Tuesday but she leaves early."]


def test_a_long_first_clause_ends_between_two_words_that_do_not_belong_together() -> None:
    text = (
        "Our practice has several free appointments left this coming week with the new doctor of the house"
        " who looks after children"
    )
    first, *rest = split(text)
    assert first == "Our practice has several free appointments left this coming week"
    assert len(first) <= LONGEST
    assert " ".join([first, *rest]) == text


def test_a_language_without_lists_has_the_comma_only() -> None:
    text = "Wir haben in der kommenden Woche noch einige freie Termine bei der neuen Aerztin aber nicht viele"
    assert split(text, "de-DE") == [text]
    assert split("Danke sehr, gern.", "de-DE") == ["Danke sehr, gern."]
    assert split("Das geht am Dienstag um zehn, oder spaeter.", "de-DE")[0] == "Das geht am Dienstag um zehn,"


VOCABULARY = """the of and but because we i you it if unless not ten two hundred doctor patel dr. tuesday
10:30 24 24th $5.50 november place morning thank let me see, yes, please come by before on at free so or then
though"""
WORDS = st.lists(st.sampled_from(VOCABULARY.split()), max_size=60).map(" ".join)


@settings(deadline=None)
@given(WORDS, st.integers(1, 9), st.sampled_from(["en-US", "es-US", "de-DE"]))
def test_nothing_is_lost_or_reordered_however_it_arrives(text: str, size: int, language: str) -> None:
    clauses = split(text, language)
    assert " ".join(clauses).split() == text.split()
    # Tokens that end in a mark may end a clause at once: words as they come give the same clauses.
    splitter = ClauseSplitter(language)
    by_word = [c for n, word in enumerate(text.split()) for c in splitter.push(f"{' ' * (n > 0)}{word}")]
    assert by_word + splitter.finish() == clauses
    assert " ".join(split(text, language, size)).split() == text.split()


@settings(deadline=None)
@given(WORDS)
def test_what_narrows_never_begins_a_clause_that_no_mark_ends(text: str) -> None:
    """Half a sentence may say its opposite: no early end stands before "if", "unless", "not"."""
    first, *rest = split(text) or [""]
    if rest and first[-1] not in ".,?!":
        assert rest[0].split()[0] not in {"if", "unless", "not", "of", "though"}
        assert first.split()[-1] not in {
            "the",
            "of",
            "and",
            "at",
            "on",
            "not",
            "ten",
            "two",
            "hundred",
            "dr.",
        }
        assert not any(c.isdigit() for c in first.split()[-1] + rest[0].split()[0])
        assert len(first.split()) >= 6


ORDINARY = st.lists(
    st.sampled_from(["garden", "window", "river", "paper", "letter"]), min_size=20, max_size=40
)


@given(ORDINARY)
def test_a_first_clause_of_ordinary_words_is_bounded(words: list[str]) -> None:
    first, *_ = split(" ".join(words))
    assert LONGEST - 8 <= len(first) <= LONGEST


@given(st.text(max_size=120))
def test_any_text_is_taken(text: str) -> None:
    rule = FirstClause("en")
    rule.may_end_at(text)
    found = rule.ends(" ".join(text.split()))
    assert found is None or 0 < found < len(text)
