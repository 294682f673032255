"""What suppliers say of their own certainty, in their shapes."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.listen.confidence import confidence_of, from_log_probabilities


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"segments": [{"avg_logprob": -0.1}, {"avg_logprob": -0.3}]}, math.exp(-0.2)),
        (SimpleNamespace(segments=[SimpleNamespace(avg_logprob=-0.5)]), math.exp(-0.5)),
        ({"text": "a", "logprobs": [{"token": "a", "logprob": -0.2}]}, math.exp(-0.2)),
        (SimpleNamespace(segments=None, logprobs=None, text="a"), None),
        ({"channel": {"alternatives": [{"transcript": "a", "confidence": 0.8}]}}, 0.8),
        (SimpleNamespace(channel=SimpleNamespace(alternatives=[SimpleNamespace(confidence=0.7)])), 0.7),
        ({"confidence": 0.4, "text": "a"}, 0.4),
        ([{"text": "a", "confidence": 0.5}, {"text": "b", "confidence": 1.0}], 0.75),
        ({"words": [{"confidence": 0.2}, {"word": "b"}]}, 0.2),
        ({"confidence": 7}, 1.0),
        ({"segments": [{"avg_logprob": None}]}, None),
        ({"confidence": True}, None),
        ({"confidence": math.nan}, None),
        (None, None),
        ("text", None),
        ([], None),
    ],
)
def test_shapes(result: Any, expected: float | None) -> None:
    found = confidence_of(result)
    assert found == (None if expected is None else pytest.approx(expected))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["segments", "avg_logprob", "logprobs", "logprob", "confidence", "channel", "words"]),
        inner, max_size=4,
    ),
    max_leaves=10,
)  # fmt: skip


@given(_JSON)
def test_any_answer_gives_a_probability_or_none(result: Any) -> None:
    found = confidence_of(result)
    assert found is None or 0.0 <= found <= 1.0


def test_log_probabilities_above_nothing_count_as_certain() -> None:
    assert from_log_probabilities([0.3, 0.0]) == 1.0
    assert from_log_probabilities([]) is None
