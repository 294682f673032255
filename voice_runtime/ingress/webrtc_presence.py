"""Whether the caller's browser is still there: pure, told of signs of life and of broken connections.

States: ``present`` ⇄ ``lost`` → ``gone``; ``gone`` is final. A page pings every second, so

* nothing for ``LOST_S``: *lost*; the agent should not talk to nobody meanwhile;
* no message for ``SILENT_S`` while the caller's audio still comes: the page is dead, *gone*;
* neither message nor audio for ``RESTART_S``: the path is broken and no ICE restart or new
  connection has come in its place, *gone*. The same from a failed connection on;
* the far end closed the connection and brought no other within ``CLOSED_S``: *gone*;
* it said goodbye: *gone* at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Presence = Literal["present", "lost", "gone"]

LOST_S = 2.5
SILENT_S = 5.0
RESTART_S = 10.0
CLOSED_S = 6.0
#: Audio that came within so many s is still coming.
_AUDIO_S = 1.0


@dataclass(frozen=True, slots=True)
class Patience:
    """The waits of this module's docstring, s."""

    lost_s: float = LOST_S
    silent_s: float = SILENT_S
    restart_s: float = RESTART_S
    closed_s: float = CLOSED_S


class Watch:
    """One caller's presence. All times are monotonic ns."""

    def __init__(self, now_ns: int, patience: Patience | None = None) -> None:
        self.patience = patience or Patience()
        self._sign_ns = self._message_ns = now_ns
        self._broken_ns: int | None = None
        self._limit_s = 0.0
        self._gone = False

    def message(self, now_ns: int) -> None:
        """A message came: the caller's page is there and can be reached."""
        self._sign_ns = self._message_ns = now_ns

    def connected(self, now_ns: int) -> None:
        """A connection stands, or another path is being tried: someone is there, reached or not."""
        self._broken_ns = None
        self._sign_ns = now_ns

    def failed(self, now_ns: int) -> None:
        """The connection failed (ICE or DTLS); another may take its place."""
        self._broken(now_ns, self.patience.restart_s)

    def closed(self, now_ns: int) -> None:
        """The far end closed the connection without a goodbye."""
        self._broken(now_ns, self.patience.closed_s)

    def said_bye(self) -> None:
        """The caller hung up."""
        self._gone = True

    def _broken(self, now_ns: int, limit_s: float) -> None:
        if self._broken_ns is None:
            self._broken_ns, self._limit_s = now_ns, limit_s

    def verdict(self, now_ns: int, since_audio_s: float | None) -> Presence:
        """Look.

        Args:
            since_audio_s: s since the caller's newest audio packet; None when none has come.
        """
        if self._gone:
            return "gone"
        silent_s = (now_ns - self._sign_ns) / 1e9
        audible = since_audio_s is not None and since_audio_s < _AUDIO_S
        if self._broken_ns is not None:
            self._gone = (now_ns - self._broken_ns) / 1e9 > self._limit_s
        else:
            patience = self.patience
            self._gone = silent_s > (patience.silent_s if audible else patience.restart_s)
        if self._gone:
            return "gone"
        reached = (now_ns - self._message_ns) / 1e9 <= self.patience.lost_s
        return "present" if reached and self._broken_ns is None else "lost"
