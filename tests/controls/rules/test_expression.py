"""CEL expressions with their patterns."""

from __future__ import annotations

import cel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.rules.expression import Expression


@pytest.mark.parametrize(
    ("source", "text", "holds"),
    [
        ("text.matches('a+b')", "caab", True),
        ("text.matches('^a+b$')", "caab", False),
        (r"text.matches(r'\d{3}')", "room 305", True),
        (r"text.matches('\\d{3}')", "room 305", True),
        ("text.matches(\"it's\") && !text.matches('\"')", "it's", True),
        ("text.matches('a' + 'b')", "ab", True),
        ("text == 'matches('", "matches(", True),
        ("text . matches ( 'ring' )", "a ring", True),
        ("[text].exists(t, t.matches('(?i)RING'))", "a ring", True),
    ],
)
def test_patterns_are_looked_for(source: str, text: str, holds: bool):
    assert Expression(source).holds({"text": text}) is holds
    assert cel.evaluate(source, {"text": text}) is holds, "as the library would, only sooner"


def test_it_may_be_written_as_a_function():
    """CEL defines both ways; the library knows the method alone."""
    assert Expression("matches(text, '[0-9]{3}')").holds({"text": "room 305"})


def test_it_asks_for_values_not_for_functions():
    assert Expression("text.matches('a') && size(numbers) > 0").names == {"text", "numbers"}


@pytest.mark.parametrize("pattern", ["(a", "(?=a)b", "a{99999}", "[z-a]"])
def test_a_pattern_that_cannot_be_read_is_told_when_the_pack_is_compiled(pattern: str):
    with pytest.raises(ValueError, match="cannot be read") as told:
        Expression(f"text.matches('{pattern}')")
    assert "\n" not in str(told.value)
    assert pattern in str(told.value)


def test_a_pattern_that_is_put_together_fails_when_it_is_asked():
    expression = Expression("text.matches('(' + text)")
    with pytest.raises(RuntimeError, match="cannot be read"):
        expression.holds({"text": "a"})


def test_a_pattern_takes_no_longer_for_being_nasty():
    """Backtracking would take 2 to the 40 steps."""
    assert not Expression("text.matches('^(a|a|b?)*$')").holds({"text": "a" * 40 + "c"})


def test_it_yields_true_or_false():
    with pytest.raises(TypeError, match="neither true nor false"):
        Expression("size(text)").holds({"text": "a"})


@given(
    st.text(alphabet="ab01 .", max_size=20), st.sampled_from(["a+b", "^[ab]+$", "[0-9]{2}", "a.b", "\\.$"])
)
def test_it_answers_as_the_library_does(text: str, pattern: str):
    source = f"text.matches(r'{pattern}')"
    assert Expression(source).holds({"text": text}) is cel.evaluate(source, {"text": text})
