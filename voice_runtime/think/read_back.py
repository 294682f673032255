"""What a tool's arguments sound like when they are read back: in words, figure by figure, or spelt. Pure.

How an argument is read back stands in its JSON Schema as ``x-read-back``:

* ``words`` (or nothing): as it is; dates, times and amounts are put into words by the guard.
* ``digits``: one by one, for codes and numbers that name something: "4 5 2 1".
* ``spell``: letter by letter, for names: "Okafor: O, K, A, F, O, R".

No figure and no letter of such an argument is ever left out: the caller confirms all of it.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controls.handoff import clean_number, spoken_number
from voice_runtime.agent import Tool

KEY = "x-read-back"


@dataclass(frozen=True, slots=True)
class PendingReadBack:
    """A use that waits for the caller's yes.

    Attributes:
        words: what is asked, as written; the guard puts it into its spoken form.
        needed: the beginning of ``words`` that holds every value to be confirmed.
    """

    use: str
    tool: Tool
    arguments: dict[str, Any]
    turn: int
    words: str
    needed: str = ""


def read_as(parameters: Mapping[str, object], argument: str) -> str:
    """How an argument is read back, by its tool's JSON Schema."""
    properties = parameters.get("properties")
    schema = properties.get(argument) if isinstance(properties, Mapping) else None
    return str(schema.get(KEY, "words")) if isinstance(schema, Mapping) else "words"


def rendered(value: Any, how: str) -> str:
    """An argument's value as it is read back."""
    if isinstance(value, list | tuple):
        return ", ".join(rendered(v, how) for v in value)
    text = "" if value is None else str(value)
    if how == "digits":
        return one_by_one(text)
    return spelt(text) if how == "spell" else text


def one_by_one(code: str) -> str:
    """``4521`` → "4 5 2 1", ``+12025550143`` → "2 0 2, 5 5 5, 0 1 4 3", ``AB-12`` → "A, B, 1 2"."""
    if not re.search(r"[^\W\d_]", code) and clean_number(code):
        return spoken_number(clean_number(code))
    runs = re.findall(r"\d+|[^\W\d_]+", code)
    return ", ".join(" ".join(run) if run.isdigit() else ", ".join(run.upper()) for run in runs)


def spelt(name: str) -> str:
    """``Okafor`` → "Okafor: O, K, A, F, O, R"; what is no name is spelt only."""
    parts = re.findall(r"[^\W_]+", name)
    letters = "; ".join(", ".join(part.upper()) for part in parts)
    return f"{name}: {letters}" if letters and not re.search(r"\d", name) else letters


def sentence(template: str, values: Mapping[str, str]) -> tuple[str, str]:
    """A read-back sentence with its values, and as much of it as a caller must hear to confirm them all."""
    text, needed = "", 0
    for literal, name, _, _ in string.Formatter().parse(template):
        text += literal
        if name is not None:
            text += values[name]
            needed = len(text)
    return text, text[:needed]


def waiting_for_yes(
    use: str, tool: Tool, arguments: dict[str, Any], turn: int, language: str
) -> PendingReadBack:
    """A use that waits for the caller's yes, with its question in that language."""
    values = {name: rendered(arguments.get(name), read_as(tool.parameters, name)) for name in tool.read_back}
    words, needed = sentence(tool.read_back_say[language], values)
    return PendingReadBack(use, tool, arguments, turn, words, needed)
