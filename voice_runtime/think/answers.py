"""What may come of a request to a tool's service, whatever protocol it speaks."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

#: A service's answer is for a sentence or two; a longer one is a fault (bytes).
MOST_BYTES = 64 * 1024


class Came(StrEnum):
    """What came of a request."""

    DONE = "done"  # 2xx with an object
    REFUSED = "refused"  # 4xx: it said no, and nothing was changed
    FAILED = "failed"  # it says that it failed; whether anything was changed, it does not say
    UNREACHED = "unreached"  # nothing left this host
    CHANGED = "changed"  # what is offered is not what was reviewed; nothing left
    STOPPED = "stopped"  # a person stopped it meanwhile; nothing left
    TIMEOUT = "timeout"  # it left; no answer in time
    BROKEN = "broken_answer"  # it left; what came back says nothing


@dataclass(frozen=True, slots=True)
class Answer:
    """``status`` is 0 when none came; ``body`` is {} unless the service sent an object."""

    came: Came
    status: int = 0
    body: dict[str, Any] = field(default_factory=dict)
    duration_ms: int = 0

    @property
    def outcome_known(self) -> bool:
        return self.came not in (Came.TIMEOUT, Came.BROKEN)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What the service says about a use whose answer was lost; "no" when it did not say."""

    state: Literal["done", "not_done", "no"]
    result: dict[str, Any] = field(default_factory=dict)
