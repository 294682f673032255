"""Canonical JSON, made by two encoders: always the bytes of RFC 8785."""

from __future__ import annotations

from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from controls.errors import LedgerError
from controls.ledger.envelope import canonical

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
@example({"b": 1, "a": [True, None, '\x7f\x00\n"\\/']})
@example({"\U0001f600": 1, "\ufb33": 2})  # by UTF-16 code units the first one comes first
@example({"n": 2**53 - 1, "m": 1 - 2**53})
@example({"n": 2**53})
@example({"x": 1e16, "y": -0.0, "z": 1.0})
def test_both_encoders_agree(value: Any) -> None:
    try:
        expected = rfc8785.dumps(value)
    except rfc8785.CanonicalizationError:
        with pytest.raises(LedgerError):
            canonical(value)
    else:
        assert canonical(value) == expected


@pytest.mark.parametrize("value", [{1: "x"}, {"x": b"bytes"}, {"x": {1, 2}}, {"x": float("nan")}])
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(LedgerError, match="JSON cannot"):
        canonical(value)
