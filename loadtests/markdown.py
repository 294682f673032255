"""A table in Markdown whose columns line up on a terminal, too."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Its lines; every row has as many cells as the head.

    Raises:
        ValueError: one has not.
    """
    every = [head, *rows]
    widths = [max(len(row[n]) for row in every if n < len(row)) for n in range(len(head))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in every]
    return [lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]]
