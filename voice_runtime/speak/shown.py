"""What a call shows besides what it says: captions, and the receipt's code. Messages wait here in order.

Only egress sends them. A link without a screen shows nothing, and gets nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Literal

from controls.decision import Cleared
from voice_runtime.ports import MediaLink


class Shown:
    """The messages of one call's egress that are due."""

    def __init__(self, link: MediaLink) -> None:
        self._link = link
        self._due: deque[dict[str, object]] = deque()

    def caption(
        self, who: Literal["agent", "caller"], text: str, id: str, state: Literal["begin", "cut"]
    ) -> None:
        """Words of a clause that begins to sound, or (``cut``) those that were played of it."""
        self._put(self._link.caption(who, text, id=id, state=state))

    def receipt(self, cleared: object) -> bool:
        """The receipt's code. False: not cleared, or its record is not durable, so nothing is shown."""
        # Exactly the gate's type: the class is final, a subclass is a forgery.
        if type(cleared) is not Cleared or not cleared.receipt.done() or cleared.receipt.exception():
            return False
        self._put(self._link.receipt(cleared.text))
        return True

    def take(self) -> Iterator[dict[str, object]]:
        """What is due, oldest first; each is taken once."""
        while self._due:
            yield self._due.popleft()

    def _put(self, message: dict[str, object] | None) -> None:
        if message is not None:
            self._due.append(message)
