"""Read-backs: every figure and letter a caller is to confirm is said, and known to have been said."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.voice_runtime.think.conftest import Call, tool
from voice_runtime.services import READ_AS, Operation
from voice_runtime.speak.spoken import Reader
from voice_runtime.think.read_back import one_by_one, read_as, rendered, sentence, spelt


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("4521", "4 5 2 1"),
        ("+12025550143", "2 0 2, 5 5 5, 0 1 4 3"),
        ("5550143", "5 5 5, 0 1 4 3"),
        ("AB-1204", "A, B, 1 2 0 4"),
        ("a1c", "A, 1, C"),
        ("007", "0 0 7"),
        ("", ""),
    ],
)
def test_one_by_one(code: str, said: str) -> None:
    assert one_by_one(code) == said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Okafor", "Okafor: O, K, A, F, O, R"),
        ("Mary Ann", "Mary Ann: M, A, R, Y; A, N, N"),
        ("O'Neil-Peña", "O'Neil-Peña: O; N, E, I, L; P, E, Ñ, A"),
        ("B12", "B, 1, 2"),
        ("", ""),
    ],
)
def test_spelt(name: str, said: str) -> None:
    assert spelt(name) == said


@given(
    st.from_regex(r"[A-Z0-9]{1,4}(-[A-Z0-9]{1,6}){0,3}", fullmatch=True), st.sampled_from(["digits", "spell"])
)
@settings(deadline=None)
def test_no_figure_or_letter_is_left_out(code: str, how: str) -> None:
    said = rendered(code, how).partition(": ")[2] or rendered(code, how)
    if not re.fullmatch(r"1\d{10}|\d{7,15}", code.replace("-", "")):
        assert re.sub(r"[^A-Z0-9]", "", said) == code.replace("-", "")
    read = Reader("en-US").read(f"It is {rendered(code, how)}. Right?").text
    digits = Reader("en-US").read("0 1 2 3 4 5 6 7 8 9").text.split()
    spoken = [str(digits.index(w)) if w in digits else w for w in re.findall(r"\w+", read)[2:-1]]
    assert "".join(spoken).endswith(re.sub(r"[^A-Z0-9]", "", said))


def test_other_values_are_read_as_they_are() -> None:
    assert rendered(["ten", "eleven"], "words") == "ten, eleven"
    assert rendered(["12", "34"], "digits") == "1 2, 3 4"
    assert rendered(12, "words") == "12"
    assert rendered(None, "words") == ""


def test_the_sentence_and_what_of_it_has_to_be_heard() -> None:
    values = {"day": "Tuesday", "time": "ten"}
    assert sentence("{day} at {time}. Right?", values) == ("Tuesday at ten. Right?", "Tuesday at ten")
    assert sentence("At {time}, {day}", values) == ("At ten, Tuesday",) * 2


# --- from the schema ------------------------------------------------------------------------------


def schema(**how: str) -> dict[str, object]:
    properties = {name: {"type": "string", "x-read-back": way} for name, way in how.items()}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def test_how_it_is_read_back_stands_in_the_schema() -> None:
    parameters = schema(code="digits", name="spell", day="words")
    assert [read_as(parameters, n) for n in ("code", "name", "day", "other")] == [
        "digits",
        "spell",
        "words",
        "words",
    ]
    assert read_as({"properties": {"day": True}}, "day") == "words"
    assert read_as({}, "day") == "words"


@pytest.mark.parametrize("how", READ_AS)
def test_a_service_may_say_how(how: str) -> None:
    operation = Operation.model_validate(
        {"does": "Books.", "path": "/book", "timeout_s": 1, "arguments": schema(code=how)}
    )
    assert read_as(operation.arguments, "code") == how


def test_a_service_may_not_make_ways_up() -> None:
    with pytest.raises(ValueError, match="reads `code` back in a way that does not exist"):
        Operation.model_validate(
            {"does": "Books.", "path": "/book", "timeout_s": 1, "arguments": schema(code="sing")}
        )


@pytest.mark.anyio
async def test_a_use_is_read_back_as_its_schema_says(call: Call) -> None:
    book = tool(
        "book", call.server.url, parameters=schema(doctor="spell", day="words", code="digits"),
        read_back=("doctor", "code", "day"),
        read_back_say={"en-US": "Doctor {doctor}, code {code}, on {day}. Is that right?"},
    )  # fmt: skip
    runner = call.runner(book)
    arguments = {"doctor": "Lee", "code": "4521", "day": "2026-11-24T10:30"}
    asked = await runner.use("book", arguments, call.said("please book it"))
    assert asked.pending
    assert asked.arguments == arguments, "what is sent is not what is read back"
    pending = runner.pending
    assert pending is not None
    assert pending.words == "Doctor Lee: L, E, E, code 4 5 2 1, on 2026-11-24T10:30. Is that right?"
    reader = Reader("en-US")
    assert reader.read(pending.words).text == (
        "Doctor Lee: L, E, E, code four five two one, on Tuesday, November twenty-fourth at ten thirty. "
        "Is that right?"
    )
    assert reader.read(pending.words).text.startswith(reader.read(pending.needed).text)
    assert runner.answer(True, 2)
    (told,) = await runner.settle()
    assert told.ok
    assert call.server.uses[-1].json == arguments
