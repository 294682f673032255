"""The stand-in's patterns: ordered, with slots, the same answer for the same messages; errors with lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import ConfigurationError
from voice_runtime.agent import answer_in
from voice_runtime.offline.script import Call, Say, load_scripts, parse_script, said_words, words

TEXT = """\
slots:
  doctor: [Patel, Okafor]
  day: [Monday, Tuesday]
  time: [two, half past two, ten]
patterns:
  - when: {said: ["can i see doctor {doctor} on {day}", "doctor {doctor} on {day} please"]}
    call: {tool: find_slots, arguments: {doctor: "{doctor}", day: "{day}"}}
  - when: {said: "at {time}"}
    call: {tool: book_appointment, arguments: {doctor: "{doctor}", day: "{day}", time: "{time}", calls: 1}}
  - when: {tool_result: find_slots, slots: []}
    say: "nothing is left on {day}."
  - when: {tool_result: find_slots, ok: true}
    say: "{day} at {slots}."
  - when: {tool_result: book_appointment}
    if: {ok: false, reason: taken}
    say: "That is taken."
  - when: {tool_result: book_appointment, ok: false}
    say: "I could not book that."
  - when: {tool_result: book_appointment}
    say: "Booked: {day} at {time}, row {row}."
  - when: {said: "what about {day}"}
    say: "{day} with Doctor {doctor}?"
  - otherwise: true
    say: "I did not understand that."
"""
SCRIPT = parse_script(TEXT)


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def used(tool: str, result: object) -> list[dict[str, Any]]:
    call = {"id": "c", "type": "function", "function": {"name": tool, "arguments": "{}"}}
    content = result if isinstance(result, str) else json.dumps(result)
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": content},
    ]


ASKED = user("Um, can I see Doctor PATEL on tuesday?")


def test_a_pattern_fills_its_slots_from_what_was_said() -> None:
    assert SCRIPT.answer([ASKED]) == Call("find_slots", {"doctor": "Patel", "day": "Tuesday"})
    assert SCRIPT.answer([user("doctor okafor, on Monday, please")]) == Call(
        "find_slots", {"doctor": "Okafor", "day": "Monday"}
    )


@pytest.mark.parametrize(
    "said",
    [
        "can i see doctor smith on tuesday",
        "can i see doctor patel on tuesdays",
        "scan i see doctor patel on tuesday",
        "",
    ],
)
def test_what_no_pattern_knows_is_not_understood(said: str) -> None:
    assert SCRIPT.answer([user(said)]) == Say("I did not understand that.")


def test_slots_are_remembered_and_the_newest_counts() -> None:
    later = [ASKED, user("what about monday")]
    assert SCRIPT.answer(later) == Say("Monday with Doctor Patel?")
    assert SCRIPT.answer([*later, user("at half past two")]) == Call(
        "book_appointment", {"doctor": "Patel", "day": "Monday", "time": "half past two", "calls": 1}
    )


def test_a_pattern_that_needs_an_unfilled_slot_does_not_apply() -> None:
    assert SCRIPT.answer([user("at ten")]) == Say("I did not understand that.")


@pytest.mark.parametrize(
    ("tool", "result", "said"),
    [
        ("find_slots", {"ok": True, "slots": ["ten", "half past two"]}, "Tuesday at ten, or half past two."),
        ("find_slots", {"ok": True, "slots": ["two"], "day": "Friday"}, "Friday at two."),
        ("find_slots", {"ok": True, "slots": []}, "Nothing is left on Tuesday."),
        ("find_slots", {"ok": 1, "slots": ["ten"]}, "I did not understand that."),
        ("book_appointment", {"ok": False, "reason": "TAKEN"}, "That is taken."),
        ("book_appointment", {"ok": False, "reason": "x"}, "I could not book that."),
        ("book_appointment", "nonsense", "I could not book that."),
        ("book_appointment", {"ok": True, "row": 17, "time": "ten"}, "Booked: Tuesday at ten, row 17."),
        ("book_appointment", {"ok": True}, "I did not understand that."),
        ("other", {"ok": True}, "I did not understand that."),
    ],
)  # fmt: skip
def test_results_are_spoken(tool: str, result: object, said: str) -> None:
    assert SCRIPT.answer([ASKED, *used(tool, result)]) == Say(said)


def test_what_the_caller_said_last_counts_more_than_an_older_result() -> None:
    conversation = [ASKED, *used("find_slots", {"ok": True, "slots": ["ten"]}), user("at ten")]
    answer = SCRIPT.answer(conversation)
    assert isinstance(answer, Call)
    assert answer.tool == "book_appointment"


def test_a_tool_that_is_not_offered_is_not_asked_for() -> None:
    assert SCRIPT.answer([ASKED], {"book_appointment"}) == Say("I did not understand that.")


def test_content_in_parts_is_read() -> None:
    parts = [{"type": "text", "text": "can i see doctor patel"}, {"type": "text", "text": "on monday"}]
    assert isinstance(SCRIPT.answer([{"role": "user", "content": parts}]), Call)


@given(st.lists(st.sampled_from(["", "at ten", "what about monday", "can i see doctor patel on tuesday"])))
def test_the_same_messages_give_the_same_answer(said: list[str]) -> None:
    messages = [user(text) for text in said]
    assert SCRIPT.answer(messages) == parse_script(TEXT).answer(messages)


@given(st.text(max_size=60))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert words(words(text)) == words(text)


@given(st.text(max_size=80))
def test_any_words_get_an_answer(text: str) -> None:
    assert isinstance(SCRIPT.answer([user(text)]), Say | Call)


@pytest.mark.parametrize(
    ("before", "after", "line", "field"),
    [
        ("doctor: [Patel, Okafor]", "doctor: [Patel, patel]", 2, "slots.doctor[1]"),
        ("doctor: [Patel, Okafor]", "doctor: [1]", 2, "slots.doctor[0]"),
        ("doctor: [Patel, Okafor]", "Doctor: [Patel]", 2, "slots.Doctor"),
        ('said: "at {time}"', 'said: "at {tine}"', 8, "patterns[1].when.said"),
        ('said: "at {time}"', 'said: "at {time"', 8, "patterns[1].when.said"),
        ('said: "at {time}"', 'sayd: "at {time}"', 8, "patterns[1].when"),
        ('said: "at {time}"', 'said: "..."', 8, "patterns[1].when.said"),
        ('say: "That is taken."', 'sya: "That is taken."', 16, "patterns[4].sya"),
        ('say: "{day} with Doctor {doctor}?"', 'say: "{nobody}"', 22, "patterns[7].say"),
        ('say: "I did not understand that."', 'say: "{day}?"', 24, "patterns[8].say"),
        ("  - otherwise: true", "  - when: {said: hello}", 23, "patterns[8]"),
        ("tool: find_slots, arg", "tool: find_slots, ark", 7, "patterns[0].call"),
        ("slots:", "slotz:", 1, "slotz"),
    ],
)
def test_errors_name_line_and_field(before: str, after: str, line: int, field: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_script(TEXT.replace(before, after, 1), "agents/x/offline.yaml")
    found = [(p.line, p.field) for p in caught.value.problems]
    assert any(at == line and name.startswith(field) for at, name in found), found
    assert all(p.file == "agents/x/offline.yaml" and p.remedy for p in caught.value.problems)


@pytest.mark.parametrize(
    "text", ["", "[]", "a: [", "patterns: []", "patterns: 3", "slots: []\npatterns: [1]"]
)
def test_files_that_are_no_script_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        parse_script(text)


# --- numbers, and further languages -----------------------------------------------------------------

NUMBERS = parse_script(
    """\
slots: {number: digits, time: [nine, ten]}
patterns:
  - when: {said: "call me on {number}"}
    call: {tool: call_back, arguments: {number: "{number}"}}
  - when: {said: "at {time}"}
    say: "at {time}, on {number}."
  - when: {said: "at {time}"}
    say: "at {time}."
  - otherwise: true
    say: "What?"
"""
)


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("call me on 202 555 0143", "2025550143"),
        ("Please call me on +1 (202) 555-0143!", "12025550143"),
        ("call me on two oh two five five five zero one four three please", "2025550143"),
        ("call me on dos cero dos cinco cinco cinco cero uno", "20255501"),
    ],
)
def test_a_number_is_taken_however_it_was_said(said: str, number: str) -> None:
    assert NUMBERS.answer([user(said)]) == Call("call_back", {"number": number})


@pytest.mark.parametrize("said", ["call me on 555 014", "call me on 1234567890123456", "call me on nine"])
def test_what_is_too_short_or_long_is_no_number(said: str) -> None:
    assert NUMBERS.answer([user(said)]) == Say("What?")


def test_a_number_is_remembered_and_leaves_other_figures_alone() -> None:
    assert NUMBERS.answer([user("at nine")]) == Say("At nine.")
    told = [user("call me on 202 555 0143"), user("at nine")]
    assert NUMBERS.answer(told) == Say("At nine, on 2025550143.")


@given(st.text(max_size=40))
def test_words_without_a_number_are_the_same_words(text: str) -> None:
    if sum(c.isdigit() for c in text) < 7 and len(text.split()) < 7:
        assert said_words(text) == words(text)


def test_accents_do_not_matter() -> None:
    assert words("¿Está ahí, Doña Inés?") == words("esta ahi dona ines") == "esta ahi dona ines"


def test_the_word_between_alternatives_is_the_language_s() -> None:
    script = parse_script(
        'or: o\npatterns:\n  - when: {tool_result: find, ok: true}\n    say: "{slots}."\n'
        '  - otherwise: true\n    say: "No."\n'
    )
    assert script.answer([user("hola"), *used("find", {"ok": True, "slots": ["diez", "once"]})]) == Say(
        "Diez, o once."
    )
    with pytest.raises(ConfigurationError, match="or: needs a slot"):
        parse_script('or: "{x}"\npatterns:\n  - otherwise: true\n    say: "No."\n')


def test_the_prompt_says_which_language_answers(tmp_path: Path) -> None:
    last = 'patterns:\n  - otherwise: true\n    say: "{}"\n'
    (tmp_path / "offline.yaml").write_text(last.format("English."))
    (tmp_path / "offline.es-US.yaml").write_text(last.format("Español."))
    scripts = load_scripts(tmp_path / "offline.yaml")

    def answer(prompt: str, role: str = "system") -> object:
        return scripts.answer([{"role": role, "content": f"You are a desk.\n\n{prompt}"}, user("hola")])

    assert answer(answer_in("es-US")) == Say("Español.")
    assert answer(answer_in("es-US"), "developer") == Say("Español.")
    assert answer(answer_in("en-US")) == Say("English.")
    assert answer(answer_in("fr-FR")) == Say("English."), "the first language, where there is no script"
    assert answer("") == Say("English.")
    assert answer(answer_in("es-US"), "user") == Say("English."), "a caller does not choose it"


def test_a_mistake_in_a_further_language_is_named_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "offline.yaml").write_text('patterns:\n  - otherwise: true\n    say: "x"\n')
    (tmp_path / "offline.es-US.yaml").write_text("patterns: []\n")
    with pytest.raises(ConfigurationError, match=r"offline\.es-US\.yaml:1: patterns"):
        load_scripts(tmp_path / "offline.yaml", tmp_path)
