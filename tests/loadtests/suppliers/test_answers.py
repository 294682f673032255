"""The mock model's book: an answer for what is said, an id for a clause of one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import OperatorError
from loadtests.suppliers.answers import NOT_CAUGHT, AnswerBook, normalised
from loadtests.suppliers.tones import IDS

PARKING = "Parking is behind the building. It is free for patients."
HOURS = "We open at eight. It is free for patients."
BOOK = AnswerBook({"where can i park": PARKING, "when are you open": HOURS, "And the hours?": HOURS})


def test_what_is_said_has_its_answer_however_it_is_written() -> None:
    assert BOOK.answer("Where can I park?") == PARKING
    assert BOOK.answer("mhmm where can i park") == PARKING
    assert BOOK.answer("where can i") == NOT_CAUGHT
    assert BOOK.answer("") == NOT_CAUGHT


def test_an_id_belongs_to_an_answer_not_to_what_it_answers() -> None:
    assert BOOK.id_for("where can i park") == 1
    assert BOOK.id_for("when are you open") == BOOK.id_for("and the hours") == 2
    assert BOOK.id_for("who are you") == 0


def test_a_clause_has_the_id_of_the_one_answer_it_is_part_of() -> None:
    assert BOOK.id_of("Parking is behind the building.") == 1
    assert BOOK.id_of(" we open at eight ") == 2
    assert BOOK.id_of("It is free for patients.") == 0, "in both"
    assert BOOK.id_of("We open at") == 2
    assert BOOK.id_of("pen at eight") == 0, "half a word is no clause"
    assert BOOK.id_of(NOT_CAUGHT) == BOOK.id_of("...") == 0


@given(
    st.lists(st.text(st.characters(categories=["Lu", "Ll"]), min_size=1, max_size=8), min_size=1, max_size=8)
)
def test_every_run_of_words_of_an_answer_is_part_of_it(words: list[str]) -> None:
    answer = " ".join(words)
    book = AnswerBook({"said": answer})
    for start in range(len(words)):
        assert book.id_of(" ".join(words[start:])) == 1
    assert normalised(normalised(answer)) == normalised(answer)


def test_more_answers_than_tones_are_refused() -> None:
    AnswerBook({f"q {n}": f"answer {n}" for n in range(IDS - 1)})
    with pytest.raises(OperatorError, match="at most 65"):
        AnswerBook({f"q {n}": f"answer {n}" for n in range(IDS)})


@pytest.mark.parametrize("answers", [{"hello": "..."}, {"?": "Hello there."}])
def test_an_answer_without_words_is_refused(answers: dict[str, str]) -> None:
    with pytest.raises(OperatorError, match="needs words"):
        AnswerBook(answers)
