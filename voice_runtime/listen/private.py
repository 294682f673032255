"""Which of the caller's words were said while they entered figures by keys: those are kept nowhere. Pure."""

from __future__ import annotations

from collections.abc import Callable


class Private:
    """One ear's. A turn is private if any part of it was, or of the samples kept from before it.

    Args:
        asks: whether figures are being entered now.
        preroll_ms: samples from before a turn that belong to it, ms.
    """

    def __init__(self, asks: Callable[[], bool], preroll_ms: int) -> None:
        self._asks = asks
        self._preroll_ms = preroll_ms
        self._last_ms: int | None = None

    @property
    def now(self) -> bool:
        """Whether it is private now."""
        return self._asks()

    def chunk(self, now_ms: int) -> bool:
        """The media time has come to ``now_ms``; whether what was said in this chunk is private."""
        if self._asks():
            self._last_ms = now_ms
        return self._asks()

    def covers(self, started_ms: int) -> bool:
        """Whether the turn that began then, and ends now, is private."""
        return self._asks() or (self._last_ms is not None and self._last_ms >= started_ms - self._preroll_ms)
