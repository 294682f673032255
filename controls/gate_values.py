"""What the gate is told and answers with. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from controls.decision import Cleared, Decision, PendingReceipt
from controls.errors import InternalError

RequestedBy = Literal["caller_voice", "caller_key", "rule", "agent", "emergency", "failure"]
ToolRefusal = Literal[
    "rule", "caller_said_no", "too_often", "unknown_tool", "bad_arguments", "stopped", "unconfirmed",
    "not_approved", "too_much", "not_counted", "changed", "not_entered", "in_doubt",
]  # fmt: skip


class UnboundPhrase(InternalError):
    """A fixed phrase was to be spoken that the call's ``release.bound`` does not clear."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the gate decided.

    Attributes:
        cleared: the token, or None when it may not happen.
        receipt: the record of the decision; None when the ledger would not take it
            (then nothing is cleared) or nothing had to be recorded.
    """

    decision: Decision
    cleared: Cleared | None
    receipt: PendingReceipt | None
