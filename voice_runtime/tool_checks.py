"""What an agent's tools must agree on: operations, arguments, limits, and what takes them back."""

from __future__ import annotations

from typing import Any

from voice_runtime.agent_file import ToolEntry
from voice_runtime.agent_folder import Parts
from voice_runtime.services import Operation, Service, stays_private

#: JSON types of an amount.
_NUMBERS = ("number", "integer")


def check_tools(parts: Parts) -> None:
    """Note every disagreement in ``parts.problems``."""
    if parts.services is None:
        return
    for name, tool in parts.agent.tools.items():
        service, operation = tool.calls.split("/")
        found = parts.services.services.get(service)
        if found is None or operation not in found.operations:
            known = ", ".join(f"{s}/{o}" for s, d in parts.services.services.items() for o in d.operations)
            parts.wrong(("tools", name, "calls"), f"there is no operation '{tool.calls}'", f"known: {known}")
            continue
        if found.mcp is None and service not in parts.settings.services:
            parts.wrong(
                ("tools", name, "calls"),
                f"profile '{parts.settings.name}' has no address for service '{service}'",
                f"add services: {service}: … to that profile",
            )
        _read_back(parts, name, tool, found.operations[operation])
        _amount(parts, name, tool, found.operations[operation])
        _undo(parts, name, tool, found.operations[operation])
        _capture(parts, name, tool, found)


def _read_back(parts: Parts, name: str, tool: ToolEntry, offered: Operation) -> None:
    schema = offered.arguments
    required = set(schema.get("required") or ())
    for i, argument in enumerate(tool.read_back):
        if argument not in schema["properties"] or argument not in required:
            options = ", ".join(sorted(required)) or "none"
            parts.wrong(
                ("tools", name, "read_back", i),
                f"'{argument}' is not an argument it always has",
                f"arguments of {tool.calls}: {options}",
            )


def _amount(parts: Parts, name: str, tool: ToolEntry, offered: Operation) -> None:
    """What is limited is a number, and always there: a use that leaves it out would count for nothing."""
    if tool.amount is None:
        return
    required = offered.arguments.get("required") or ()
    options = [
        a for a, of in offered.arguments["properties"].items() if a in required and _type(of) in _NUMBERS
    ]
    if tool.amount.argument not in options:
        parts.wrong(
            ("tools", name, "amount", "argument"),
            f"'{tool.amount.argument}' is not a number it always has",
            f"numbers {tool.calls} always has: {', '.join(options) or 'none'}",
        )


def _undo(parts: Parts, name: str, tool: ToolEntry, offered: Operation) -> None:
    """What takes it back exists, and is given all it needs by the arguments or the declared result."""
    if tool.undo_with is None:
        return
    at = ("tools", name, "undo_with")
    if tool.undo_with == name or tool.undo_with not in parts.agent.tools:
        others = ", ".join(t for t in parts.agent.tools if t != name) or "none"
        parts.wrong(at, "is not another tool of this agent", f"tools: {others}")
        return
    undo = _operation(parts, parts.agent.tools[tool.undo_with])
    if undo is None:  # said where that tool stands
        return
    had = _always(offered.arguments) | (_always(offered.result) if offered.result is not None else {})
    for argument, wanted in _always(undo.arguments).items():
        if argument not in had:
            message = (
                f"'{argument}', which '{tool.undo_with}' needs, is neither an argument nor a result of it"
            )
            parts.wrong(at, message, f"what {tool.calls} always has: {', '.join(had) or 'nothing'}")
        elif wanted and had[argument] and wanted != had[argument]:
            message = f"'{argument}' is of type {had[argument]} here, and {wanted} for '{tool.undo_with}'"
            parts.wrong(at, message, "give both the same type in configs/services.yaml")


def _capture(parts: Parts, name: str, tool: ToolEntry, service: Service) -> None:
    """What is keyed in is a text it always has, and leaves this machine encrypted."""
    if tool.capture is None:
        return
    at = ("tools", name, "capture")
    to, operation = tool.calls.split("/")
    if service.mcp is not None:
        parts.wrong(
            at, "sends what callers key in to an MCP server", "give it an operation of a service of your own"
        )
    elif to in parts.settings.services and not stays_private(parts.settings.services[to].url or ""):
        remedy = f"give service {to} an https address"
        parts.wrong(at, "sends what callers key in over an open connection", remedy)
    always = _always(service.operations[operation].arguments)
    if always.get(tool.capture.argument) != "string":
        options = ", ".join(sorted(argument for argument, kind in always.items() if kind == "string"))
        parts.wrong(
            (*at, "argument"),
            f"'{tool.capture.argument}' is no text that it always has",
            f"arguments of {tool.calls} that can be entered by keys: {options or 'none'}",
        )


def _operation(parts: Parts, tool: ToolEntry) -> Operation | None:
    assert parts.services is not None
    service, operation = tool.calls.split("/")
    found = parts.services.services.get(service)
    return found.operations.get(operation) if found is not None else None


def _always(schema: dict[str, Any]) -> dict[str, str]:
    """Required properties and their types; "" where the schema names none."""
    required = schema.get("required") or ()
    return {str(name): _type(of) for name, of in schema["properties"].items() if name in required}


def _type(schema: Any) -> str:
    found = schema.get("type") if isinstance(schema, dict) else None
    return found if isinstance(found, str) else ""
