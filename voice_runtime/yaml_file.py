"""YAML files read with their line numbers, and checked against closed models.

Every error in a file is reported at once, each as a ``controls.errors.Problem``
with the line, the field and what to write instead. YAML 1.2 is read without
tags, anchors and aliases: a configuration that expands is not a configuration
that can be reviewed.
"""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union

from pydantic import BaseModel, BeforeValidator, ConfigDict, Tag, ValidationError, WithJsonSchema
from pydantic_core import ErrorDetails, PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from controls.errors import ConfigurationError, Problem

#: A configuration file beyond this is a mistake (bytes).
MAX_BYTES = 512 * 1024
_MAX_DEPTH = 24

Path_ = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)


class Closed(BaseModel):
    """Base of everything read from a file: frozen, unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


def _refuse(value: Any) -> Any:
    raise PydanticCustomError("not_yet", "is not supported yet")


#: A field whose control does not exist yet: refused, never ignored.
NotYet = Annotated[
    Any,
    BeforeValidator(_refuse),
    WithJsonSchema({"not": {}, "description": "Not supported yet."}),
]


@dataclass(frozen=True, slots=True)
class Document:
    """One parsed file: plain data, and the 1-based line of every field."""

    file: str
    data: Any
    lines: Mapping[Path_, int] = field(default_factory=dict)

    def line(self, path: Iterable[str | int]) -> int:
        """The line of ``path``, or of the nearest field around it that is written there."""
        at = tuple(path)
        while at and at not in self.lines:
            at = at[:-1]
        return self.lines.get(at, 1)

    def problem(
        self, path: Iterable[str | int], message: str, remedy: str, *, severity: str = "error"
    ) -> Problem:
        """A problem of this file at ``path``."""
        at = tuple(path)
        return Problem(self.file, self.line(at), dotted(at), message, remedy, severity)


def dotted(path: Iterable[str | int]) -> str:
    """``("handoff", "to", 0, "desk")`` as ``handoff.to[0].desk``."""
    out = ""
    for part in path:
        out += f"[{part}]" if isinstance(part, int) else (f".{part}" if out else part)
    return out


class _Reader:
    """Turns nodes into plain data and notes lines; collects problems as it goes."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[Path_, int] = {}
        self.problems: list[Problem] = []
        self._seen: set[int] = set()

    def take(self, node: Node | None, path: Path_) -> Any:
        if node is None:
            return None
        self.lines.setdefault(path, node.start_mark.line + 1)
        if id(node) in self._seen:
            self._add(node, path, "repeats another part with an alias (*)", "write the value out")
            return None
        self._seen.add(id(node))
        if len(path) > _MAX_DEPTH:
            self._add(node, path, "is nested too deeply", f"use at most {_MAX_DEPTH} levels")
            return None
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self.take(item, (*path, i)) for i, item in enumerate(node.value)]
        assert isinstance(node, ScalarNode)
        return self._scalar(node, path)

    def _mapping(self, node: MappingNode, path: Path_) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                self._add(key_node, path, "has a key that is not a word", "write a plain key")
                continue
            key = str(key_node.value)
            at = (*path, key)
            if key in out:
                self._add(
                    key_node, at, "is written twice", f"keep one; the first is in line {self.lines[at]}"
                )
                continue
            self.lines[at] = key_node.start_mark.line + 1
            out[key] = self.take(value_node, at)
        return out

    def _scalar(self, node: ScalarNode, path: Path_) -> Any:
        text = str(node.value)
        match str(node.tag).rpartition(":")[2]:
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int":
                return self._number(node, path, text.replace("_", ""), whole=True)
            case "float":
                return self._number(node, path, text.replace("_", ""), whole=False)
            case "str" | "timestamp" | "value" | "merge":
                return text
        self._add(node, path, "carries a YAML tag (!)", "write the plain value")
        return text

    def _number(self, node: Node, path: Path_, text: str, *, whole: bool) -> Any:
        try:
            value = int(text, 0) if whole and not re.fullmatch(r"[-+]?0\d+", text) else float(text)
        except ValueError:
            self._add(node, path, "is not a plain number", "write it in decimal digits")
            return None
        if value != value or value in (float("inf"), float("-inf")):
            self._add(node, path, "is not a finite number", "write it in decimal digits")
            return None
        return int(value) if whole else value

    def _add(self, node: Node, path: Path_, message: str, remedy: str) -> None:
        self.problems.append(Problem(self.file, node.start_mark.line + 1, dotted(path), message, remedy))


def relative(path: Path, root: Path | None) -> str:
    """``path`` as shown to people: relative to the project root where it lies under it."""
    if root is not None:
        try:
            return path.resolve().relative_to(root.resolve()).as_posix()
        except ValueError:
            pass
    return path.name if path.is_absolute() else path.as_posix()


def read_text(path: Path, root: Path | None = None, *, what: str = "file") -> str:
    """The UTF-8 text of a configuration file.

    Raises:
        ConfigurationError: missing, unreadable, too large, or not UTF-8.
    """
    file = relative(path, root)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise ConfigurationError([Problem(file, 0, "", f"this {what} is missing", "create it")]) from None
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise ConfigurationError([Problem(file, 0, "", f"cannot be read: {reason}", "mend it")]) from error
    if len(raw) > MAX_BYTES:
        raise ConfigurationError([Problem(file, 0, "", "is too large", f"keep it under {MAX_BYTES} bytes")])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigurationError([Problem(file, line, "", "is not UTF-8", "save it as UTF-8")]) from None


def load_document(path: Path, root: Path | None = None, *, what: str = "file") -> Document:
    """Read and parse one YAML file.

    Raises:
        ConfigurationError: as ``read_text``, and when it is not plain YAML.
    """
    return parse_document(read_text(path, root, what=what), relative(path, root))


@lru_cache(maxsize=64)
def parse_document(text: str, file: str) -> Document:
    """Parse YAML text; ``file`` names it in problems.

    The same text gives the same document, which nobody may change.

    Raises:
        ConfigurationError: when it is not plain YAML, with every problem found.
    """
    reader = _Reader(file)
    try:
        node = YAML(typ="safe", pure=True).compose(text)
        data = reader.take(node, ())
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        message = f"is not valid YAML: {error.problem or error.context}"
        raise ConfigurationError(
            [Problem(file, line, "", message, "check indentation, quotes and colons around this line")]
        ) from None
    except (YAMLError, RecursionError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else "unreadable"
        raise ConfigurationError(
            [Problem(file, 1, "", f"is not valid YAML: {first}", "remove control characters, check nesting")]
        ) from None
    if reader.problems:
        raise ConfigurationError(reader.problems)
    return Document(file, data, reader.lines)


def check(model: type[M], document: Document) -> tuple[M | None, list[Problem]]:
    """Validate a document; the model or None, and every problem found."""
    if not isinstance(document.data, dict):
        return None, [document.problem((), "is empty or not a mapping", "write keys and values")]
    try:
        return model.model_validate(document.data), []
    except ValidationError as error:
        found = error.errors(include_url=False)
        return None, [_problem(model, document, e) for e in found if not _follows(e, found)]


def load_model(model: type[M], path: Path, root: Path | None = None, *, what: str = "file") -> M:
    """Read, parse and validate in one go.

    Raises:
        ConfigurationError: with every problem found.
    """
    found, problems = check(model, load_document(path, root, what=what))
    if found is None:
        raise ConfigurationError(problems)
    return found


# --- what pydantic found, in an operator's words ---------------------------------------------------


def _follows(error: ErrorDetails, errors: Sequence[ErrorDetails]) -> bool:
    """Whether it only says that a list is short of the entries that other errors are about."""
    loc = error["loc"]
    return error["type"] == "too_short" and any(
        other is not error and other["loc"][: len(loc)] == loc for other in errors
    )


def _without_tags(data: Any, path: Path_, kind: str) -> Path_:
    """``path`` as it stands in the file: pydantic also names the kind of entry it judged by."""
    here: Any = data
    out = []
    for at, part in enumerate(path):
        if isinstance(here, dict) and part not in here:
            if at < len(path) - 1 or kind != "missing":
                continue
        elif isinstance(here, dict | list):
            here = typing.cast(Any, here)[part]
        out.append(part)
    return tuple(out)


def _problem(model: type[BaseModel], document: Document, error: ErrorDetails) -> Problem:
    path = tuple(p for p in error["loc"] if not (isinstance(p, str) and p.startswith(("function-", "["))))
    kind = error["type"]
    context = error.get("ctx", {})
    written = _without_tags(document.data, path, kind)
    if kind == "union_tag_invalid":
        of = str(context["discriminator"]).strip("'")
        remedy = f"write {context['expected_tags']}"
        return document.problem((*written, of), "is not one of the known values", remedy)
    if kind == "extra_forbidden":
        return _unknown(model, document, path, written)
    if kind == "missing":
        wanted = _describe(model, path)
        return document.problem(written, "is missing", f"add it: {wanted}" if wanted else "add it")
    if kind == "not_yet":
        return document.problem(
            written, "is not supported yet", "remove it; a later version brings this control"
        )
    if kind == "literal_error":
        said = str(error.get("input"))
        options = str(context.get("expected", "")).replace("True", "true").replace("False", "false")
        near = difflib.get_close_matches(said, re.findall(r"'([^']+)'", options), n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        return document.problem(written, "is not one of the known values", f"{hint}write {options}")
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    message = message[0].lower() + message[1:] if message else "is not valid"
    remedy = (
        str(context.get("remedy", "")) or _describe(model, path) or "see the schema named in the first line"
    )
    return document.problem(written, message, remedy)


def _unknown(model: type[BaseModel], document: Document, path: Path_, written: Path_) -> Problem:
    owner = _model_at(model, path[:-1])
    known = _names(owner) if owner else []
    key = str(path[-1])
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if near:
        remedy = f"did you mean '{near[0]}'?"
    else:
        remedy = f"remove it; known here: {', '.join(known)}" if known else "remove it"
    return document.problem(written, "is not a known key", remedy)


def _names(model: type[BaseModel]) -> list[str]:
    return [
        f.alias or name for name, f in model.model_fields.items() if not _is_not_yet(f.annotation, f.metadata)
    ]


def _is_not_yet(annotation: Any, metadata: Iterable[Any]) -> bool:
    return any(isinstance(m, BeforeValidator) and m.func is _refuse for m in metadata)


def _describe(model: type[BaseModel], path: Path_) -> str:
    for depth in range(len(path), 0, -1):
        owner = _model_at(model, path[: depth - 1])
        name = path[depth - 1]
        if owner is None or not isinstance(name, str):
            continue
        for key, info in owner.model_fields.items():
            if name in (key, info.alias) and info.description:
                return info.description
    return ""


def _model_at(model: type[BaseModel], path: Path_) -> type[BaseModel] | None:
    """The model that stands at ``path`` below ``model``, through lists, maps and optionals."""
    here: Any = model
    for part in path:
        if (kind := _of_kind(here, part)) is not None:
            here = kind
            continue
        here = _unwrap(here)
        if isinstance(here, type) and issubclass(here, BaseModel):
            by_name = {f.alias or n: f for n, f in here.model_fields.items()}
            if part not in by_name:
                return None
            here = by_name[str(part)].annotation
            continue
        arguments = typing.get_args(here)
        if not arguments:
            return None
        here = arguments[-1] if typing.get_origin(here) is dict else arguments[0]
    here = _unwrap(here)
    return here if isinstance(here, type) and issubclass(here, BaseModel) else None


def _of_kind(annotation: Any, tag: str | int) -> type[BaseModel] | None:
    """The model of a tagged union that ``tag`` chooses, where ``annotation`` is one."""
    while typing.get_origin(annotation) is Annotated:
        annotation = typing.get_args(annotation)[0]
    if typing.get_origin(annotation) not in (Union, types.UnionType):
        return None
    for option in typing.get_args(annotation):
        model = _unwrap(option)
        if any(isinstance(mark, Tag) and mark.tag == tag for mark in typing.get_args(option)[1:]):
            return model if isinstance(model, type) and issubclass(model, BaseModel) else None
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            continue
        engine = model.model_fields.get("engine")
        if engine is not None and tag in typing.get_args(engine.annotation):
            return model
    return None


def _unwrap(annotation: Any) -> Any:
    while True:
        origin = typing.get_origin(annotation)
        if origin is Annotated:
            annotation = typing.get_args(annotation)[0]
        elif origin in (Union, types.UnionType):
            options = [a for a in typing.get_args(annotation) if a is not type(None)]
            models = [
                a for a in options if isinstance(_unwrap(a), type) and issubclass(_unwrap(a), BaseModel)
            ]
            annotation = (models or options)[0]
        else:
            return annotation
