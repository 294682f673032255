"""A service's answer is read before a model is given it: clean, bounded, as declared, no instructions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Literal

import jsonschema_rs
from loguru import logger

from controls.decision import RuleVerdict
from controls.errors import OperatorError
from controls.result_text import ResultRules, cleaned, too_long
from voice_runtime.agent import Tool

State = Literal["as_it_came", "cleaned", "invalid", "too_long", "instructions"]
#: Longer texts are read beside the event loop (characters of JSON, about).
_LONG = 400

_WHY: dict[State, str] = {
    "invalid": "the answer is not what the tool declares, and could not be read",
    "too_long": "the answer is too long, and was not read",
    "instructions": "the answer holds what reads as instructions, and was not passed on",
}


@dataclass(frozen=True, slots=True)
class Read:
    """What was made of an answer.

    Attributes:
        data: what the model may be given; {} where ``given`` is false.
        why: in words; never the service's own.
        fault: what does not fit the schema, for what is sealed.
        finding: the rule that found instructions.
    """

    state: State
    data: dict[str, Any] = field(default_factory=dict)
    fault: str = ""
    finding: RuleVerdict | None = None

    @property
    def given(self) -> bool:
        return self.state in ("as_it_came", "cleaned")

    @property
    def why(self) -> str:
        return _WHY.get(self.state, "")


class ResultReader:
    """Reads the answers of one call's tools."""

    def __init__(self, tools: tuple[Tool, ...], rules: ResultRules | None) -> None:
        """Compile the declared results.

        Args:
            rules: find instructions; None looks for none.

        Raises:
            OperatorError: a tool's result is declared by what is no JSON Schema.
        """
        self._validators = {
            tool.name: _compiled(tool.name, tool.result) for tool in tools if tool.result is not None
        }
        self._rules = rules

    async def read(self, tool: str, body: dict[str, Any], *, ok: bool = True) -> Read:
        """Read one answer. Never raises: what cannot be read is not given.

        Args:
            ok: the service says it was done; a refusal has no declared form.
        """
        try:
            if len(str(body)) > _LONG:
                return await asyncio.to_thread(self._read, tool, body, ok)
            return self._read(tool, body, ok)
        except Exception as error:  # noqa: BLE001  # an answer may be anything
            logger.error("tool {}: its answer could not be looked at: {}", tool, type(error).__name__)
            return Read("invalid", fault=type(error).__name__)

    def _read(self, tool: str, body: dict[str, Any], ok: bool) -> Read:
        if too_long(body):
            return Read("too_long")
        clean: dict[str, Any] = cleaned(body)
        validator = self._validators.get(tool) if ok else None
        for error in validator.iter_errors(clean) if validator is not None else ():
            where = ".".join(str(part) for part in error.instance_path)
            return Read("invalid", fault=f"{where}: {error.message}"[:400])
        finding = self._rules.instructions(clean) if self._rules is not None else None
        if finding is not None:
            return Read("instructions", finding=finding)
        return Read("as_it_came" if clean == body else "cleaned", clean)


def _compiled(tool: str, schema: dict[str, object]) -> Any:
    try:
        return jsonschema_rs.validator_for(schema)
    except ValueError as error:
        raise OperatorError(f"tool {tool}: its result is no JSON Schema") from error
