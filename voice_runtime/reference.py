"""``docs/agent-reference.md``: every field of an agent's files, written from the schemas that editors read.

Made by ``sayso agents schema --markdown``; a test holds the page to the models.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from voice_runtime.schemas import SCHEMAS, schema

PAGE = Path("docs/agent-reference.md")

_HEAD = """\
# Agent reference

<!-- Made by `sayso agents schema --markdown --write`. Change the models' descriptions, not this page. -->

Every field of the files in `agents/<name>/`, and of the book an embedded appointment service reads. Unknown
fields are errors; *required* fields have no default. For a walk-through see [first-agent](first-agent.md).
"""
_FILES: Mapping[str, tuple[str, str]] = {
    "agents/agent.schema.json": (
        "`agent.yaml`",
        "What an operator decides. All of it is in the release's digest, as are `prompt.md` and `facts.md`.",
    ),
    "agents/offline.schema.json": (
        "`offline.yaml`",
        "What the rule-based stand-in answers where there is no language model; one file for each further\n"
        "language, such as `offline.es-US.yaml`. Outside the digest.",
    ),
    "agents/eval.schema.json": (
        "`evals/*.yaml`",
        "Scripted conversations: what the caller does, and what must and must not come of it. Outside the\n"
        "digest; a result names the digest it ran on. Have them with `sayso evals run NAME`.",
    ),
    "configs/schemas/book.schema.json": (
        "`configs/books/<service>.yaml`",
        "What the embedded appointment service holds (demo, tests and rehearsals): slots, tables to look\n"
        "things up in, and requests it notes. A new trade is a new file, not new code.",
    ),
}
#: What a pattern means to somebody who writes the file.
_PATTERNS = {
    r"^[a-z][a-z0-9]*([-.][a-z0-9]+){0,8}$": "name",
    r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?$": "language",
    r"^[a-z][a-z0-9]*(-[a-z0-9]+){0,4}$": "name",
    r"^[a-z][a-z0-9_]{0,63}$": "name",
    r"^[a-z][a-z0-9_]{0,39}$": "argument",
    r"^[a-z][a-z0-9_]*$": "slot",
    r"^[a-z][a-z0-9-]*/[a-z][a-z0-9_]*$": "service/operation",
    r"^[a-z][a-z0-9-]*/[a-z][a-z0-9-]*$": "pack/rule",
    r"^[A-Z]{1,2}( [A-Z]{1,2})*$": "ARPAbet",
    r"^[0-9*#]{1,16}$": "keys",
    r"^\p{L}[\p{L}\p{N}' -]{0,39}$": "word",
}
_Node = Mapping[str, Any]


def page() -> str:
    """The whole page, with a newline at its end."""
    parts = [_HEAD]
    for published, (title, what) in _FILES.items():
        parts.append(f"## {title}\n\n{what}\n")
        parts += _File(schema(SCHEMAS[published])).sections()
    return "\n".join(parts)


def stale(root: Path) -> list[str]:
    """The page's name when what stands there is not what the models say."""
    path = root / PAGE
    same = path.is_file() and path.read_text(encoding="utf-8") == page()
    return [] if same else [PAGE.as_posix()]


def write(root: Path) -> list[str]:
    """Publish the page where it is stale; its name then."""
    names = stale(root)
    if names:
        (root / PAGE).parent.mkdir(parents=True, exist_ok=True)
        (root / PAGE).write_text(page(), encoding="utf-8")
    return names


class _File:
    """One kind of file: a table for each object in it, the outermost first."""

    def __init__(self, document: _Node) -> None:
        self._document = document
        self._defs: Mapping[str, _Node] = document.get("$defs", {})
        self._waiting: list[tuple[str, _Node]] = []
        self._tables: dict[str, str] = {}

    def sections(self) -> Iterator[str]:
        """The tables; an object that stands in several places has one, where it stands first."""
        self._waiting = [("", self._document)]
        while self._waiting:
            yield self._section(*self._waiting.pop(0))

    def _section(self, path: str, node: _Node) -> str:
        lines = [f"### `{path}`\n"] if path else []
        if path and (about := _first_sentences(str(node.get("description", "")))):
            lines.append(f"{about}\n")
        lines += ["| field | form | default | what |", "|---|---|---|---|"]
        required = set(node.get("required", ()))
        inner: list[tuple[str, _Node]] = []
        for field, given in node.get("properties", {}).items():
            form = self._form(given, f"{path}.{field}" if path else field, inner)
            default = "*required*" if field in required else _default(given)
            what = str(given.get("description") or self._target(given).get("description", ""))
            lines.append(f"| `{field}` | {form} | {default} | {_cell(_first_sentences(what))} |")
        self._waiting = inner + self._waiting
        return "\n".join(lines) + "\n"

    def _target(self, node: _Node) -> _Node:
        """The object a reference leads to; the node itself where it is none."""
        if "$ref" in node:
            return self._defs[str(node["$ref"]).rpartition("/")[2]]
        return node

    def _form(self, node: _Node, path: str, inner: list[tuple[str, _Node]]) -> str:
        """How the value looks, in words; objects are noted in ``inner`` for a table of their own."""
        node = self._target(node)
        if "not" in node:
            return "not supported yet"
        if "anyOf" in node:
            forms = [self._form(n, path, inner) for n in node["anyOf"] if n.get("type") != "null"]
            return " or ".join(dict.fromkeys(forms))
        if "oneOf" in node:  # the short form; a rule written as packs write it is in docs/rules.md
            return self._form(node["oneOf"][0], path, inner)
        if "const" in node:
            return f"`{_plain(node['const'])}`"
        if "enum" in node:
            return ", ".join(f"`{_plain(v)}`" for v in node["enum"])
        match node.get("type"):
            case "object":
                return self._object(node, path, inner)
            case "array":
                if "items" not in node:
                    return "list"
                item = self._form(node["items"], f"{path}[]", inner)
                return f"list, {item}" if item.startswith("see ") else f"list of {item}"
            case "string":
                return _PATTERNS.get(str(node.get("pattern", "")), str(node.get("format", "text")))
            case "integer" | "number":
                return _bounds(node)
            case "boolean":
                return "`true` or `false`"
        return "any value"

    def _object(self, node: _Node, path: str, inner: list[tuple[str, _Node]]) -> str:
        if "properties" in node:
            table = self._tables.setdefault(str(node.get("title", path)), path)
            if table == path:
                inner.append((path, node))
            return f"see `{table}`"
        values = node.get("additionalProperties")
        key = "name"
        for pattern, given in (node.get("patternProperties") or {}).items():
            key, values = _PATTERNS.get(pattern, "key"), given
        if not isinstance(values, Mapping):
            return "mapping"
        return f"{key} → {self._form(values, f'{path}.<{key}>', inner)}"


def _bounds(node: _Node) -> str:
    low = node.get("minimum", node.get("exclusiveMinimum"))
    high = node.get("maximum", node.get("exclusiveMaximum"))
    kind = "whole number" if node["type"] == "integer" else "number"
    if low is not None and high is not None:
        return f"{kind}, {low:g} to {high:g}"
    if low is not None:
        return f"{kind}, {'more than' if 'exclusiveMinimum' in node else 'at least'} {low:g}"
    return kind


def _default(node: _Node) -> str:
    value = node.get("default")
    if value in (None, "", [], {}):
        return ""
    if isinstance(value, dict):
        return "see there"
    return f"`{_plain(value)}`"


def _plain(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, list):
        return f"[{', '.join(_plain(v) for v in value)}]"
    return value if isinstance(value, str) else json.dumps(value)


def _first_sentences(text: str) -> str:
    """A docstring's first paragraph, on one line."""
    return re.sub(r"\s+", " ", text.partition("\n\n")[0]).strip().replace("``", "`")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
