"""A tool's arguments: held to its JSON Schema, and to what its read-back needs."""

from __future__ import annotations

import string
from dataclasses import dataclass, field
from typing import Any

import jsonschema_rs

from controls.errors import OperatorError
from voice_runtime.agent import Tool


@dataclass(frozen=True, slots=True)
class Ready:
    """A declared tool with its compiled schema."""

    tool: Tool
    validator: Any = field(repr=False)


def fault(ready: Ready, arguments: dict[str, Any] | None) -> str:
    """What is wrong with the arguments, for the model; "" when nothing is."""
    if arguments is None:
        return "the arguments are not a JSON object"
    capture = ready.tool.capture
    if capture is not None and capture.argument in arguments:
        return f"{capture.argument}: the caller enters it by keys when you use the tool; leave it out"
    for error in ready.validator.iter_errors(arguments):
        where = ".".join(str(part) for part in error.instance_path)
        return f"{where}: {error.message}"[:200] if where else str(error.message)[:200]
    lacking = [name for name in ready.tool.read_back if arguments.get(name) in (None, "")]
    return f"{', '.join(lacking)}: needed for the read-back" if lacking else ""


def compiled(tool: Tool, language: str) -> Any:
    """The schema's validator; also checks what can only fail in the middle of a call.

    Raises:
        OperatorError: naming the tool.
    """
    try:
        validator = jsonschema_rs.validator_for(tool.asked)
    except ValueError as error:
        raise OperatorError(f"tool {tool.name}: its parameters are no JSON Schema") from error
    if not tool.read_back:
        return validator
    words = tool.read_back_say.get(language)
    if not words:
        raise OperatorError(f"tool {tool.name}: no read-back sentence in {language}")
    try:
        fields = {name for _, name, _, _ in string.Formatter().parse(words) if name is not None}
    except ValueError as error:
        raise OperatorError(f"tool {tool.name}: its read-back sentence has a loose brace") from error
    if not fields <= set(tool.read_back):
        unknown = ", ".join(sorted(fields - set(tool.read_back))) or "an empty {}"
        raise OperatorError(f"tool {tool.name}: its read-back sentence names {unknown}, not in read_back")
    return validator
