"""YAML read without line numbers, several times as fast: for large files in which nothing is wrong. Pure.

Whoever finds something wrong reads the file again with ``controls.documents.read``, which tells the lines.
Values are those of YAML 1.2's core schema (10.3), as there: ``no`` and ``on`` are words, not truth values.
"""

from __future__ import annotations

import re
from typing import Any

import yaml  # type: ignore[import-untyped]

_TAG = "tag:yaml.org,2002:"


class _Unusual(Exception):
    """Something that the slow way is to judge."""


class _Loader(yaml.CSafeLoader):  # type: ignore[misc]
    """libyaml's parser under the core schema; a key twice is not taken."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as its base has it

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        if len(set(keys)) < len(keys):
            raise _Unusual
        return dict(super().construct_mapping(node, deep))


for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern})\Z"), _first)
# As the core schema reads them; YAML 1.1's would take 017 for octal.
_Loader.add_constructor(_TAG + "int", lambda loader, node: int(node.value))
_Loader.add_constructor(_TAG + "float", lambda loader, node: float(node.value))


def quickly(text: str) -> Any:
    """The file's values, or None for whatever has to be read the slow way."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader's child
    except (yaml.YAMLError, _Unusual, ValueError, RecursionError):
        return None
