"""What the gate answers with. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from controls.decision import Cleared, Decision, PendingReceipt
from controls.errors import InternalError


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
