"""Columns line up, and a row that lacks a cell is no row."""

from __future__ import annotations

import pytest

from loadtests.markdown import table


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert table(("policy", "ms"), [("a", "1000"), ("longer name", "2")]) == [
        "| policy      | ms   |",
        "|-------------|------|",
        "| a           | 1000 |",
        "| longer name | 2    |",
    ]
    assert table(("a",), []) == ["| a |", "|---|"]


@pytest.mark.parametrize("row", [("one",), ("one", "two", "three")])
def test_a_row_has_a_cell_for_each_column(row: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="zip"):
        table(("a", "b"), [row])
