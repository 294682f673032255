"""The caller enters figures by keys: what is said meanwhile goes nowhere. Pure.

No sample of it is kept, recorded or recognised, here or at another company's: callers read a card aloud while
they key it in, and telephones may send keys as tones within the sound. All that is looked at is whether a
chunk is speech, so that who speaks instead of keying can be told that only keys count.
"""

from __future__ import annotations

from collections.abc import Callable

from voice_runtime.events import CHUNK_MS

#: So much speech since the last key, ms, is no remark: somebody wants something.
WANTS_SOMETHING_MS = 4000


class Private:
    """One ear's. A turn is private if any part of it was, or of the samples kept from before it.

    Args:
        asks: whether figures are being entered now.
        preroll_ms: samples from before a turn that belong to it, ms.
        on_speech: called once when the caller has spoken for long, since it began or since the last key.
    """

    def __init__(
        self, asks: Callable[[], bool], preroll_ms: int, on_speech: Callable[[], None] = lambda: None
    ) -> None:
        self._asks, self._on_speech = asks, on_speech
        self._preroll_ms = preroll_ms
        self._last_ms: int | None = None
        self._on = False
        self._spoken_ms = 0

    @property
    def now(self) -> bool:
        """Whether it is private now."""
        return self._asks()

    def chunk(self, now_ms: int) -> bool:
        """The media time has come to ``now_ms``; whether what was said in this chunk is private."""
        if self._asks():
            self._last_ms = now_ms
        return self._asks()

    def turned(self) -> bool:
        """Whether it has begun or ended since this was asked last."""
        was, self._on = self._on, self._asks()
        self._spoken_ms = 0 if was is not self._on else self._spoken_ms
        return was is not self._on

    def spoken(self, speech: bool) -> None:
        """Whether the caller, and nobody else, speaks in a private chunk."""
        self._spoken_ms += CHUNK_MS * speech
        if speech and self._spoken_ms == WANTS_SOMETHING_MS:
            self._on_speech()

    def key(self) -> None:
        """The caller pressed one."""
        self._spoken_ms = 0

    def covers(self, started_ms: int) -> bool:
        """Whether the turn that began then, and ends now, is private."""
        return self._asks() or (self._last_ms is not None and self._last_ms >= started_ms - self._preroll_ms)
