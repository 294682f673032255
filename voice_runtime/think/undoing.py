"""Which use takes back which, in one call, and what taking one back would be given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from voice_runtime.agent import Tool


@dataclass(frozen=True, slots=True)
class _Made:
    use: str
    undo: str
    arguments: dict[str, Any]


class Undoing:
    """Uses of one call that were made, or may have been, and that another tool takes back."""

    def __init__(self, tools: Mapping[str, Tool]) -> None:
        self._tools = tools
        self._made: list[_Made] = []

    def made(self, use: str, tool: Tool, arguments: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """It was done, or nobody knows."""
        undo = self._tools.get(tool.undo_with)
        if undo is not None:
            self._made.append(_Made(use, undo.name, _for(undo, arguments, result)))

    def offered(self, use: str) -> dict[str, Any]:
        """What the model is told of how to take a use back; {} where nothing does."""
        for made in self._made:
            if made.use == use:
                return {"undo": {"tool": made.undo, "arguments": made.arguments}}
        return {}

    def undoes(self, name: str, arguments: Mapping[str, Any]) -> str | None:
        """The newest use that such a use would take back."""
        for made in reversed(self._made):
            if (
                made.undo == name
                and made.arguments
                and all(arguments.get(k) == v for k, v in made.arguments.items())
            ):
                return made.use
        return None

    def undone(self, use: str) -> None:
        """It was taken back: nothing else takes it back again."""
        self._made = [made for made in self._made if made.use != use]


def _for(undo: Tool, arguments: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """The undoing tool's arguments, as far as they are known: what the service said counts first."""
    wanted = undo.parameters.get("properties")
    found = {}
    for name in wanted if isinstance(wanted, dict) else ():
        value = result.get(name, arguments.get(name))
        if value is not None:
            found[str(name)] = value
    return found
