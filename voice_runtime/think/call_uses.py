"""What one call's uses of tools have left behind, kept from one leg of the call to the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from voice_runtime.agent import Tool
from voice_runtime.think.doubts import DoubtBook, Doubts
from voice_runtime.think.undoing import Undoing


@dataclass(frozen=True, slots=True)
class CallUses:
    """Attributes:
    undoing: which use takes back which.
    doubts: of which nobody knows whether they were done.
    made: how many of each tool.
    """

    undoing: Undoing
    doubts: Doubts
    made: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(
        cls, tools: Sequence[Tool], book: DoubtBook | None = None, agent: str = "", caller: str = ""
    ) -> CallUses:
        """None yet.

        Args:
            book: keeps doubts from call to call, where there is one.
            caller: their number, "" when it is withheld.
        """
        return cls(Undoing({tool.name: tool for tool in tools}), Doubts(book, agent, caller))
