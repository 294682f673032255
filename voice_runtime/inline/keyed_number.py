"""Figures of a telephone number as they are keyed: one number until ``#``, or until no more come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

#: Keys belong to one number until none comes for this long, s.
PAUSE_S = 3.0


class KeyedNumber:
    """Gathers keys; needs a running loop once the first one comes."""

    def __init__(self, done: Callable[[str], None], pause_s: float = PAUSE_S) -> None:
        """Make it.

        Args:
            done: given the digits, at least one, once no more belong to them.
        """
        self._done, self._pause_s = done, pause_s
        self._keys = ""
        self._timer: asyncio.TimerHandle | None = None

    def key(self, key: str) -> None:
        """A key was pressed: a digit, ``#`` which ends the number, or another that does nothing."""
        self._stop()
        if key == "#":
            self._over()
            return
        if key.isdigit():
            self._keys += key
        self._timer = asyncio.get_running_loop().call_later(self._pause_s, self._over)

    def drop(self) -> None:
        """Forget what was keyed."""
        self._stop()
        self._keys = ""

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _over(self) -> None:
        keys, self._keys, self._timer = self._keys, "", None
        if keys:
            self._done(keys)
