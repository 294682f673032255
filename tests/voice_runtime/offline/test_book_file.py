"""What a book holds: values by language, slots, and every mistake named with its remedy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import ConfigurationError
from voice_runtime.offline.book_file import FOLDER, BookFile, load_book, same

SMALL: dict[str, Any] = {
    "format": 1, "title": "A book", "slot": ["day", "time"],
    "values": {"day": [{"en-US": "Monday", "es-US": "lunes"}], "time": ["ten", "noon"]},
    "free": [{}],
}  # fmt: skip


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda p: p.name)
def test_every_book_shipped_can_be_used(path: Path) -> None:
    book = load_book(path)
    assert "fictional" in book.title
    for slot in book.slots():
        for name, value in zip(book.slot, slot, strict=True):
            for language in book.languages or ("",):
                spoken = book.spoken(name, value, language)
                assert book.resolve(name, spoken) is not None
                assert book.resolve(name, spoken)[0] == value  # type: ignore[index]


def test_a_name_left_out_of_free_stands_for_every_value() -> None:
    book = BookFile.model_validate(SMALL)
    assert book.slots() == [("Monday", "ten"), ("Monday", "noon")]
    assert book.languages == ("en-US", "es-US")


def test_values_are_known_in_every_language_and_said_in_the_one_asked_for() -> None:
    book = BookFile.model_validate(SMALL)
    assert book.resolve("day", "Lunes.") == ("Monday", "es-US")
    assert book.resolve("day", "MONDAY") == ("Monday", "en-US")
    assert book.resolve("time", "Ten") == ("ten", "")
    assert book.resolve("day", "martes") is None
    assert book.spoken("day", "Monday", "es-US") == "lunes"
    assert book.spoken("day", "Monday", "fr-FR") == "Monday"
    assert book.spoken("time", "ten", "es-US") == "ten"


@given(st.text(max_size=40))
def test_resolving_anything_never_fails_and_finds_only_values(said: str) -> None:
    found = BookFile.model_validate(SMALL).resolve("day", said)
    assert found is None or found[0] == "Monday"


def test_words_are_compared_without_case_accents_and_punctuation() -> None:
    assert same("Mediodía", "mediodia")
    assert same("half-past two", "Half past two.")
    assert not same("ten", "tenth")


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"slot": ["row", "time"]}, "calls a part of a slot row"),
    ({"slot": ["day", "hour"]}, "has no values for hour"),
    ({"values": {**SMALL["values"], "time": ["ten", "Ten"]}}, "said the same way"),
    ({"free": [{"day": "Sunday"}]}, "frees a day that is not among its values"),
    ({"free": [{"room": "one"}]}, "frees a room"),
    ({"values": {**SMALL["values"], "time": []}, "free": [{}]}, "has no slot"),
    ({"requests": {"book": ["day"]}}, "two operations called book"),
    ({"lookups": {"find": {"among": "homes", "by": ["area"]}}}, "what not every row has"),
    ({"surprise": 1}, "is not a known key"),
]


@pytest.mark.parametrize(("change", "words"), MISTAKES)
def test_a_mistake_is_named_with_its_remedy(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    path = tmp_path / "book.yaml"
    path.write_text(json.dumps(SMALL | change), encoding="utf-8")
    with pytest.raises(ConfigurationError) as error:
        load_book(path, tmp_path)
    (problem,) = error.value.problems
    assert words in problem.message
    assert problem.remedy
