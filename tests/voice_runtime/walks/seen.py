"""What is known of one walked call without asking it: from the wire, the service, the people, the script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from controls.ledger import records as r
from tests.simulators.whole import Entry
from tests.voice_runtime.walks.said import Said
from tests.voice_runtime.walks.wire import Sounded


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that reached the service; ``durable`` as in ``Sounded``."""

    key: str
    tool: str
    body: dict[str, Any]
    durable: int


@dataclass(frozen=True, slots=True)
class Decided:
    """What a person answered to a use that waited, and whether the desk said that it counts."""

    use: str
    word: str
    changed: dict[str, Any]
    counts: bool | None


@dataclass
class Seen:
    """One call, from outside.

    Attributes:
        log: its records as they became durable; ``late``: what the spool holds besides.
        after: what the caller said or pressed, each with the words of which they had last been played some.
        stopped_at, tool_stopped_at: records in the log when a person stopped it; None: nobody did.
        transfers: numbers the carrier was told, with the records in the log then.
        chunks: words → how many 20 ms chunks they have.
        remembered: whether the caller's opting out is remembered.
    """

    log: Sequence[Entry]
    late: Sequence[Entry]
    sent: Sequence[Sounded]
    taken: Sequence[Sounded]
    chunks: dict[str, int]
    said: list[Said] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    decided: list[Decided] = field(default_factory=list)
    transfers: list[tuple[str, int]] = field(default_factory=list)
    after: list[tuple[str, str]] = field(default_factory=list)
    stopped_at: int | None = None
    tool_stopped_at: dict[str, int] = field(default_factory=dict)
    remembered: bool = False
    model: list[bytes] = field(default_factory=list)

    @property
    def entries(self) -> list[Entry]:
        """Everything on record, as the log holds it once the spool has been taken up."""
        return [*self.log, *((x.model_copy(update={"recovered": True}), p) for x, p in self.late)]

    def of(self, *kinds: type[r.Record]) -> list[Entry]:
        return [(x, p) for x, p in self.entries if isinstance(x, kinds)]
