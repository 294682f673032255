"""YAML files as closed models; what is wrong is named by file, line, field and remedy.

Reads text, never a path: whoever calls it has read the file. Anchors are
followed, tags and duplicate keys are refused.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from controls.errors import ConfigurationError, Problem

#: Larger files are refused unread (bytes of UTF-8).
MAX_BYTES = 512 * 1024

Location = tuple[int | str, ...]


class Document(BaseModel):
    """Base of everything read from a configuration file: frozen, refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


M = TypeVar("M", bound=BaseModel)


def read(text: str, file: str) -> Any:
    """Parse YAML, keeping line numbers.

    Raises:
        ConfigurationError: it is no YAML, too large, or not a mapping.
    """
    if len(text.encode()) > MAX_BYTES:
        raise _refused(file, 0, "the file is too large", f"keep it under {MAX_BYTES // 1024} kB")
    try:
        data = YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 0
        problem = str(error.problem or error.context or "not readable").splitlines()[0]
        raise _refused(
            file, line, f"this is no YAML: {problem}", "mend the indentation or quotes here"
        ) from None
    except (YAMLError, ValueError) as error:
        raise _refused(file, 0, f"this is no YAML: {type(error).__name__}", "mend the file") from None
    if not isinstance(data, CommentedMap):
        raise _refused(file, 1, "the file is not a list of `key: value`", "start with `key: value` lines")
    return data


def parse(text: str, file: str, model: type[M]) -> M:
    """Parse YAML into ``model``.

    Raises:
        ConfigurationError: with every problem found, each on its line.
    """
    return validate(read(text, file), file, model)


def validate(data: Any, file: str, model: type[M], at: Location = ()) -> M:
    """Validate parsed data.

    Args:
        data: from ``read`` (line numbers are then known) or plain values.
        at: where ``data`` stands in its file, for the field's name.

    Raises:
        ConfigurationError: with every problem found.
    """
    try:
        return model.model_validate(plain(data))
    except ValidationError as error:
        errors = error.errors(include_url=False)
        # a list whose entries are wrong is also "too short": only the entries are worth reading
        deepest = [
            e for e in errors if not any(o["loc"][: len(e["loc"])] == e["loc"] != o["loc"] for o in errors)
        ]
        raise ConfigurationError([_problem(e, data, file, model, at) for e in deepest]) from None


#: Where in a file, what is wrong there, and what to do.
Fault = tuple[Location, str, str]


def refuse(data: Any, file: str, faults: Iterable[Fault]) -> None:
    """Refuse a file for what its model cannot say is wrong with it.

    Args:
        data: from ``read``.

    Raises:
        ConfigurationError: there is a fault; with file, line, field and remedy of every one.
    """
    problems = [
        Problem(file, line_of(data, where), dotted(where), message, remedy)
        for where, message, remedy in faults
    ]
    if problems:
        raise ConfigurationError(problems)


def plain(data: Any) -> Any:
    """Values without ruamel's wrappers (a tagged value stays, so that no model takes it)."""
    if isinstance(data, Mapping):
        return {plain(k): plain(v) for k, v in data.items()}
    if isinstance(data, CommentedSeq | list | tuple):
        return [plain(v) for v in data]
    if isinstance(data, TaggedScalar):
        return data
    for kind in (bool, int, float, str):
        if isinstance(data, kind):
            return kind(data)
    return data


def line_of(data: Any, location: Sequence[int | str]) -> int:
    """1-based line of ``location`` in ``data``, of its nearest parent otherwise; 0 unknown."""
    line = 0
    for key in location:
        marks = getattr(data, "lc", None)
        if marks is None:
            break
        try:
            row = marks.key(key)[0] if isinstance(data, Mapping) else marks.item(key)[0]
            data = data[key]
        except (KeyError, IndexError, TypeError, AttributeError):
            if not line and marks.line is not None:
                line = int(marks.line) + 1
            break
        line = int(row) + 1
    else:
        marks = getattr(data, "lc", None)
        if not line and marks is not None and marks.line is not None:
            line = int(marks.line) + 1
    return line


def dotted(location: Sequence[int | str]) -> str:
    """``("rules", 0, "say")`` → ``rules[0].say``."""
    name = ""
    for part in location:
        name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else str(part)
    return name


def _refused(file: str, line: int, message: str, remedy: str) -> ConfigurationError:
    return ConfigurationError([Problem(file, line, "", message, remedy)])


def _problem(error: Any, data: Any, file: str, model: type[BaseModel], at: Location) -> Problem:
    location: Location = error["loc"]
    kind: str = error["type"]
    context: Mapping[str, Any] = error.get("ctx") or {}
    message, remedy = str(error["msg"]), "correct this value"
    if kind == "extra_forbidden":
        known = _fields(model, location[:-1])
        near = difflib.get_close_matches(str(location[-1]), known, n=1)
        message = "unknown key"
        remedy = f"did you mean `{near[0]}`?" if near else f"remove it; known keys are {', '.join(known)}"
    elif kind == "too_short":
        message, remedy = "the list is too short", f"give at least {context.get('min_length', 1)}"
    elif kind == "missing":
        message, remedy = "a required key is missing", f"add `{location[-1]}: …`"
    elif kind in ("literal_error", "enum"):
        message, remedy = "not one of the known values", f"write one of {context.get('expected', '')}"
    elif kind == "value_error":
        message, _, given = message.removeprefix("Value error, ").partition(" | ")
        remedy = given or remedy
    elif "type" in kind or "parsing" in kind:
        remedy = "write a value of that kind"
    return Problem(file, line_of(data, location), dotted((*at, *location)), message, remedy)


def _fields(model: type[BaseModel], location: Location) -> list[str]:
    """Names of the keys allowed at ``location``, as far as annotations show them."""
    current: type[BaseModel] | None = model
    for part in location:
        if isinstance(part, int) or current is None:
            continue
        field = current.model_fields.get(str(part)) or next(
            (f for f in current.model_fields.values() if f.alias == part), None
        )
        current = _model_in(field.annotation) if field is not None else current
    if current is None:
        return []
    return [f.alias or name for name, f in current.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_in(inner)
        if found is not None:
            return found
    return None
