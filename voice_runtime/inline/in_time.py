"""Ends of a call that come by the clock, or with the server: put off while an emergency stands.

The longest a call may last, and a server that stops, end a call whatever is said in it. An emergency's
script, the question whether there is one and the person fetched for it come first:

1. nothing stands: the goodbye, at once;
2. an emergency stands: its end is waited for, at most ``MOST_S`` from when the call was first to end;
3. it stands longer than that: its number is said once more, then the goodbye;
4. an emergency named in the goodbye cuts it: 1 to 3 once more, and no time is added.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from voice_runtime.beside import Beside

#: An end is put off at most so long, s: two desks of 40 s each would be called in it, or one behind a script
#: that is said twice. A server that stops waits for it (``app``); a longer grace keeps machines from it.
MOST_S = 90.0

#: A goodbye has sounded by then, s.
_GOODBYE_S = 10.0

#: Ends the call aloud, given who ends it, why, and the fixed phrase that comes first ("" for none).
Goodbye = Callable[[str, str, str], Awaitable[None]]


class Urgency(Protocol):
    """A caller's emergency (``inline.urgency``)."""

    @property
    def stands(self) -> bool: ...

    async def over(self) -> None: ...

    def watch(self) -> asyncio.Event: ...


def ended_within_s(urgencies: Iterable[Urgency]) -> float:
    """How long a server that stops waits for calls that were told to end, s."""
    return _GOODBYE_S + (MOST_S if any(urgency.stands for urgency in urgencies) else 0.0)


class EndsInTime:
    """One call's. Attributes: ``at_rest``: nothing is being done here; at most something is waited for."""

    def __init__(
        self, urgency: Urgency, number: Callable[[], str], goodbye: Goodbye, *, most_s: float = MOST_S
    ) -> None:
        """Make it.

        Args:
            number: fixed phrase that names the emergency's number, "" where there is none.
            most_s: as ``MOST_S``, s.
        """
        self.at_rest = True
        self._urgency, self._number, self._goodbye, self._most_s = urgency, number, goodbye, most_s
        self._until: float | None = None
        self._task = Beside()

    def end(self, ended_by: str, reason: str) -> None:
        """The call is to end. A later one (behind a transfer) takes its place, in the same time."""
        if self._until is None:
            self._until = asyncio.get_running_loop().time() + self._most_s
        self._task.cancel()
        self.at_rest = False
        self._task.run(self._run(ended_by, reason, self._until))

    def close(self) -> None:
        """The call is over."""
        self._task.cancel()
        self.at_rest = True

    async def _run(self, ended_by: str, reason: str, until: float) -> None:
        while True:
            first = "" if await self._over(until) else self._number()
            self.at_rest = False
            named = self._urgency.watch()
            await self._goodbye(ended_by, reason, first)
            self.at_rest = True
            await named.wait()

    async def _over(self, until: float) -> bool:
        """Wait for the emergency's end; False: it stands still."""
        if not self._urgency.stands:
            return True
        self.at_rest = True
        try:
            async with asyncio.timeout_at(until):
                await self._urgency.over()
        except TimeoutError:
            return False
        return True
