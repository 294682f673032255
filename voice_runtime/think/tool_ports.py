"""What tools need of the gate and of the call's journal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, Protocol

from controls.capture import Outcome, Wanted
from controls.decision import Ask, Cleared, Decision, PendingReceipt
from controls.ledger import records as r
from controls.rules.judges import Answers, Question
from voice_runtime.events import SayFrame

ReadBack = Literal["none", "confirmed"]
RefusedBecause = Literal[
    "rule", "caller_said_no", "too_often", "unknown_tool", "bad_arguments", "stopped", "unconfirmed",
    "not_approved", "too_much", "not_counted", "changed", "not_entered", "in_doubt",
]  # fmt: skip


class ToolOutcome(Protocol):
    """What the gate answers: ``cleared`` is None unless the use may happen."""

    @property
    def decision(self) -> Decision: ...
    @property
    def cleared(self) -> Cleared | None: ...


class ToolGate(Protocol):
    """What is needed of ``controls.gate.Gate``. Both queue their record and return at once;
    ``refuse_tool`` raises ``LedgerError`` when the ledger takes no records.
    """

    def tool(
        self, use_id: str, name: str, arguments: Mapping[str, Any], turn: int, *,
        risk: Literal["low", "medium", "high"], read_back: ReadBack,
        idempotent: bool, caller_said: str, ask: Ask | None,
        undoable: bool, confidence: float | None, dry: bool, undo_of: str | None,
        repeats: str | None, by_keys: str,
        answers: Answers,
    ) -> ToolOutcome: ...  # fmt: skip

    def asks_of_use(
        self, use_id: str, name: str, arguments: Mapping[str, Any], turn: int, caller_said: str = "",
    ) -> tuple[Question, ...]: ...  # fmt: skip

    def approved(self, use_id: str) -> ToolOutcome: ...

    def refuse_tool(
        self, use_id: str, name: str, arguments: Mapping[str, Any], turn: int, *,
        reason: RefusedBecause, why: str = "",
    ) -> object: ...  # fmt: skip


class Words(Protocol):
    """What was said, as people may be shown it (``inline.transcript``)."""

    def newest(self, most: int) -> list[tuple[str, str]]: ...


class ToolJournal(Protocol):
    """What is needed of the call's journal."""

    tenant: str
    call: str

    @property
    def transcript(self) -> Words: ...
    @property
    def confidence(self) -> float | None: ...
    def append(self, record: r.Record, personal: r.Personal | None = None) -> PendingReceipt: ...
    def caller_text(self) -> str: ...


AskBack = Callable[[str], Awaitable[None]]
#: Called once when what is waited for takes long; it goes on all the same.
OnSlow = Callable[[], Awaitable[None]]
#: Has a phrase spoken while a tool is in use.
Speak = Callable[[SayFrame], Awaitable[None]]


class KeyEntry(Protocol):
    """What is needed of whoever takes the caller's keys (``inline.capture``)."""

    async def collect(
        self, tool: str, use: str, token: str, wanted: Wanted, turn: int, speak: Speak
    ) -> Outcome:
        """Wait until the caller has entered it, or will not. ``captured``: ``take`` has it."""
        ...

    def take(self, token: str) -> str:
        """The figures, once.

        Raises:
            PermissionError: nothing is kept under this token (any more).
        """
        ...

    @property
    def paused(self) -> bool:
        """Whether keys are being entered now."""
        ...
