"""An argument the caller enters by keys: a token everywhere, and the figures in one request.

The token stands in what is judged, approved and recorded. The figures are asked for last of all, put into
the request's body as it is written, and taken out of whatever the service answers.
"""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from controls.capture import Outcome, without_figures
from voice_runtime.agent import Tool
from voice_runtime.think.answers import Answer, Reconciled
from voice_runtime.think.tool_ports import KeyEntry, Speak

#: Letters alone, so that no redaction takes it for a number: 114 random bits.
_LENGTH = 20
_TOKEN = re.compile(rf"entered:[a-zA-Z]{{{_LENGTH}}}")
#: In place of what a model put where only a token may stand.
WITHHELD = "[withheld]"

_WHY: Mapping[Outcome, str] = {
    "gave_up": "the caller did not enter it; nothing was done, offer another way",
    "timed_out": "the caller entered nothing in time; nothing was done, offer another way or a person",
    "stopped": "it was stopped before the caller had entered it; nothing was done",
    "person": "the caller wants a person instead; nothing was done",
    "emergency": "the caller has an emergency; nothing was done",
    "hung_up": "the caller was gone before they had entered it; nothing was done",
    "failed": "not possible now",
}


class NotEntered(Exception):
    """There is nothing to use the tool with; the message is for the model."""


def with_token(tool: Tool, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments with a token where the figures belong; one that is there already stays."""
    if tool.capture is None or _is_token(arguments.get(tool.capture.argument)):
        return arguments
    token = "entered:" + "".join(secrets.choice(string.ascii_letters) for _ in range(_LENGTH))
    return {**arguments, tool.capture.argument: token}


def without_token(tool: Tool, arguments: dict[str, Any]) -> dict[str, Any]:
    """As a person may leave them who changes a use: the token is none of the model's arguments."""
    name = tool.capture.argument if tool.capture is not None else ""
    return {k: v for k, v in arguments.items() if k != name or not _is_token(v)}


def withheld(tool: Tool, arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments for the record of a refusal: whatever stands in that place and is no token is left out."""
    if tool.capture is None or tool.capture.argument not in arguments:
        return arguments
    name = tool.capture.argument
    return arguments if _is_token(arguments[name]) else {**arguments, name: WITHHELD}


def _is_token(value: object) -> bool:
    return isinstance(value, str) and _TOKEN.fullmatch(value) is not None


@dataclass(frozen=True, slots=True)
class Entered:
    """What one use was given by keys; nothing at all for most tools."""

    argument: str = ""
    figures: str = field(default="", repr=False)

    def exchange(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """``services.Exchange``."""
        return {**arguments, self.argument: self.figures} if self.argument else dict(arguments)

    def answer(self, answer: Answer) -> Answer:
        """What the service said, without them."""
        return replace(answer, body=self._taken_out(answer.body))

    def asked(self, asked: Reconciled) -> Reconciled:
        """As ``answer``."""
        return replace(asked, result=self._taken_out(asked.result))

    def _taken_out(self, body: dict[str, Any]) -> dict[str, Any]:
        try:
            return dict(without_figures(body, self.figures))
        except RecursionError:  # nested too deep to look through: none of it is shown to anybody
            return {}


async def entered(
    entry: KeyEntry | None, tool: Tool, arguments: Mapping[str, Any], use: str, turn: int, speak: Speak | None
) -> Entered:
    """Ask the caller for them, if the tool needs any.

    Raises:
        NotEntered: they did not, or nobody can take keys here.
    """
    if tool.capture is None or tool.dry_run:  # nothing leaves that could hold them
        return Entered()
    if entry is None or speak is None:
        raise NotEntered("nobody can enter it in this call; nothing was done")
    token = str(arguments[tool.capture.argument])
    outcome = await entry.collect(tool.name, use, token, tool.capture.wanted, turn, speak)
    if outcome != "captured":
        raise NotEntered(_WHY[outcome])
    try:
        return Entered(tool.capture.argument, entry.take(token))
    except PermissionError:  # the call ended in this very moment
        raise NotEntered(_WHY["hung_up"]) from None
