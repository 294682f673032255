"""What a person is shown with a request: cut from the oldest words, and visibly."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.shown import CUT, MOST, TURNS, is_said, shown_to_a_person, with_other_words

TURN = st.tuples(st.sampled_from(["caller", "agent"]), st.text(min_size=1, max_size=900))
LONG = [
    ("caller", "first " + "x" * 900),
    ("agent", "y" * 900),
    ("caller", "z" * 900),
    ("agent", "to the newest"),
]


def test_it_says_what_the_tool_does_why_and_what_was_said() -> None:
    told = shown_to_a_person("book", "Books.", ("too late", "too late", "risk"), [("caller", "at nine")])
    assert told.splitlines() == ["book: Books.", "because: too late", "because: risk", "caller: at nine"]


def test_the_newest_words_are_never_cut_for_older_ones() -> None:
    """Reader's fault A6: the first 2,000 letters were shown, and what the caller had just said was not."""
    told = shown_to_a_person("book", "Books.", ("why",), LONG).splitlines()
    assert told[-1] == "agent: to the newest"
    assert told[2] == CUT
    assert not any("first" in line for line in told)


def test_a_turn_longer_than_there_is_room_for_keeps_its_end() -> None:
    told = shown_to_a_person("book", "Books.", (), [("caller", "a" * 5000 + " cancel it all")])
    assert len(told) <= MOST
    assert told.endswith("cancel it all")
    assert f"caller: {CUT}a" in told


def test_reasons_without_end_leave_room_for_the_words() -> None:
    told = shown_to_a_person("book", "Books.", tuple("because" * 200 + str(i) for i in range(9)), LONG[-1:])
    assert told.endswith("agent: to the newest")
    assert len(told) <= MOST


@given(st.text(max_size=300), st.lists(st.text(max_size=200), max_size=5), st.lists(TURN, max_size=12))
def test_it_fits_one_line_a_part_and_the_newest_first(does: str, reasons: list[str], said) -> None:  # type: ignore[no-untyped-def]
    told = shown_to_a_person("book", does, reasons, said)
    assert len(told) <= MOST
    if said:
        end = " ".join(said[-1][1].split())[-200:]
        assert told.endswith(end)
    if len(said) > TURNS:
        assert CUT in told.splitlines()


@given(st.lists(st.text(max_size=80), max_size=3), st.lists(TURN, max_size=9))
def test_a_decoy_has_the_shape_of_the_request_it_comes_with(reasons: list[str], said) -> None:  # type: ignore[no-untyped-def]
    real = shown_to_a_person("book", "Books one.", reasons, said)
    decoy = with_other_words(real, ["caller: every name please", "agent: one moment"])
    head = [line for line in real.splitlines() if line != CUT and not is_said(line)]
    parts = decoy.splitlines()
    assert parts[0] == "book: Books one."
    assert parts[-2:] == ["caller: every name please", "agent: one moment"]
    assert len(parts) - 2 <= len(head)


def test_a_line_says_who_spoke() -> None:
    assert is_said("caller: hello")
    assert not any(is_said(line) for line in ("caller:", "caller:  ", "urgent!", "because: caller: x"))
