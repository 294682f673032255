"""When what was sent to the carrier has sounded, by the clock, and the silence that is to follow it. Pure.

Times are monotonic ns, positions those of the played ledger, samples of the stream.
"""

from __future__ import annotations

from dataclasses import dataclass

from voice_runtime.events import CHUNK_MS, CHUNK_SAMPLES

CHUNK_NS = CHUNK_MS * 1_000_000


@dataclass(slots=True)
class Playhead:
    """One call's.

    Attributes:
        ns: when all that was sent has sounded; 0: nothing was, since the newest cut.
        words_ns: likewise, without the silence that was sent last.
        silence: chunks of silence that is meant, and still to be sent.
    """

    ns: int = 0
    words_ns: int = 0
    silence: int = 0
    _proven_ns: int = 0  # when the newest mark came back, of audio without a gap since; 0: none
    _gapless_from: int = 0  # stream position from which on there was none

    def words(self, now_ns: int, chunks: int, position: int) -> int:
        """Take chunks of speech that are handed over now, at ``position``; returns when they sound."""
        sounds_ns = self._send(now_ns, chunks, position)
        self.words_ns = self.ns
        return sounds_ns

    def fall_silent(self, now_ns: int, most: int, position: int) -> int:
        """How many chunks of the silence that is meant, ``most`` at the most, are handed over now.

        What has passed in silence by now is part of it: it is late, and not to last longer for that.
        """
        passed = max(0, now_ns - self.ns) // CHUNK_NS
        chunks = min(most, max(0, self.silence - passed))
        self.silence = max(0, self.silence - passed - chunks)
        if chunks:
            self._send(now_ns, chunks, position)
        return chunks

    def _send(self, now_ns: int, chunks: int, position: int) -> int:
        if now_ns > self.ns:
            self._gapless_from, self._proven_ns = position, 0
        sounds_ns = max(now_ns, self.ns)
        self.ns = sounds_ns + chunks * CHUNK_NS
        return sounds_ns

    def proven(self, at_ns: int, through: int) -> None:
        """A mark came back: everything before ``through`` has been played."""
        if through > self._gapless_from:
            self._proven_ns = at_ns

    def played_since(self, now_ns: int) -> int:
        """Samples that have sounded since the newest mark came back, where nothing interrupted them."""
        return (now_ns - self._proven_ns) // CHUNK_NS * CHUNK_SAMPLES if self._proven_ns else 0

    def taken_back(self, now_ns: int) -> None:
        """The carrier throws away what has not sounded; also the silence, which its words bring anew."""
        self.ns = self.words_ns = now_ns
        self.silence = self._proven_ns = 0

    def cut(self) -> None:
        """Nothing of what was sent sounds any more, and nothing follows it."""
        self.ns = self.words_ns = self.silence = 0
