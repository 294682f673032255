"""What became of each clause that egress took: told once to the journal and once upstream. Without a clock.

A clause that was sent whole waits here until a mark beyond it comes back or its time has passed; one that is
cut or discarded is settled on the spot. What was played of it is the played ledger's to say.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from controls.decision import Cleared
from controls.ledger.records import Evidence
from voice_runtime.events import CHUNK_BYTES, RATE_HZ, ClauseFrame, SoundsFrame, SpokenFrame
from voice_runtime.ports import PlayedClause, PlayedSink
from voice_runtime.speak.played import PlayedLedger
from voice_runtime.speak.playhead import CHUNK_NS
from voice_runtime.speak.shown import Shown

#: So long before its end a question can be answered: its last words are clear by then, ns.
LAST_WORDS_NS = 800_000_000


@dataclass(slots=True, eq=False)
class Playing:
    """A clause on its way out.

    Attributes:
        pcm: its samples, as far as they have come; ``sent`` and ``len(pcm)`` are bytes.
        complete: no more samples will come.
        admitted: its receipt has come, at ``admitted_ns``.
        samples_ns: when samples came that egress had been without.
        first_sample_ns: when its first sample went out, monotonic.
        started_s: when it sounded, s since the call was answered.
        end: the stream position of its end; ``due_ns``: when its last mark is given up.
    """

    frame: ClauseFrame
    pcm: bytearray = field(default_factory=bytearray)
    sent: int = 0
    complete: bool = False
    admitted: bool = False
    admitted_ns: int = 0
    samples_ns: int = 0
    first_sample_ns: int = 0
    started_s: float = 0.0
    end: int = 0
    due_ns: int = 0

    @property
    def cleared(self) -> Cleared:
        return self.frame.cleared

    def back_to(self, sample: int) -> None:
        """What was sent from ``sample`` on goes out again, in whole chunks; never forward."""
        self.sent = min(self.sent, -(-sample * 2 // CHUNK_BYTES) * CHUNK_BYTES)


class Settlement:
    """One call's. Ordering: clauses sent whole are settled in the order they were sent."""

    def __init__(self, sink: PlayedSink, ledger: PlayedLedger, shown: Shown) -> None:
        self._sink = sink
        self._ledger = ledger
        self._shown = shown
        self._sent: deque[Playing] = deque()
        self._spoken: deque[SpokenFrame | SoundsFrame] = deque()
        self._cut_untold: set[str] = set()  # clauses cut before any audio of theirs came, by id

    @property
    def waiting(self) -> bool:
        """A clause was sent whole, and nothing is known yet of its end."""
        return bool(self._sent)

    def begins(self, playing: Playing, now_ns: int, started_s: float) -> None:
        """Its first sample goes out now, and sounds at ``started_s``: who asks callers something is told."""
        again, playing.first_sample_ns = playing.first_sample_ns > 0, now_ns
        playing.started_s = started_s
        if not again:
            words = playing.frame.written or playing.cleared.text
            self._shown.caption("agent", words, playing.cleared.id, "begin")
        self._spoken.append(SoundsFrame(playing.frame.tag, started_s))

    def sent(self, playing: Playing, due_ns: int) -> None:
        """Take a clause whose last sample was just handed over, to be given up at ``due_ns``."""
        playing.end, playing.due_ns = self._ledger.position, due_ns
        self._sent.append(playing)

    def last_words(self, head: Playing | None, words_ns: int, now_ns: int) -> str:
        """The clause that ends within ``LAST_WORDS_NS``, or of whose end there is no proof yet; "" otherwise.

        Args:
            head: the clause that is being sent.
            words_ns: when all speech that was sent has sounded.
        """
        sounds_ns, head_ns = words_ns - now_ns, _lasts_ns(head.sent) if head is not None else 0
        playing, left_ns = self._sent[-1] if self._sent else None, sounds_ns - head_ns
        if head is not None and head.sent and sounds_ns < head_ns:  # it sounds already
            playing, left_ns = head, max(0, sounds_ns) + _lasts_ns(len(head.pcm) - head.sent)
        if playing is None or not playing.complete or left_ns > LAST_WORDS_NS:
            return ""
        return playing.cleared.text

    def take_back(self, position: int) -> Iterator[Playing]:
        """The clauses of which something beyond ``position`` was sent, newest first: they go out again."""
        while self._sent and self._sent[-1].end > position:
            yield self._sent.pop()

    def proven(self) -> None:
        """Settle what is known to have been played whole."""
        while self._sent and self._ledger.through >= self._sent[0].end:
            self.settle(self._sent.popleft())

    def expire(self, now_ns: int) -> None:
        """Settle clauses whose marks never came: all we know is that they were sent."""
        while self._sent and now_ns > self._sent[0].due_ns:
            playing = self._sent.popleft()
            self._ledger.played_through(playing.end)
            self.settle(playing, evidence=Evidence.SENT_ONLY)

    def cut(self, unsent: Iterable[Playing]) -> None:
        """Settle everything: what waits here, then ``unsent``, then what had no audio yet."""
        for playing in (*self._sent, *unsent):
            self.settle(playing)
        self._sent.clear()
        for cleared in self._sink.stale():
            self._sink.never_played(cleared)
            self._cut_untold.add(cleared.id)

    def came_too_late(self, clause: ClauseFrame) -> None:
        """The voice is through with a clause that was cut before: whoever asked for it waits to be told."""
        if clause.cleared.id in self._cut_untold:
            self._cut_untold.discard(clause.cleared.id)
            self._spoken.append(
                SpokenFrame(
                    tag=clause.tag, clause=clause.cleared.id, phrase=clause.cleared.phrase,
                    turn=clause.cleared.turn, full=False, played_ms=0, of_ms=0, text="", started_s=0.0,
                    evidence=Evidence.SENT_ONLY,
                )
            )  # fmt: skip

    def settle(self, playing: Playing, evidence: Evidence | None = None) -> None:
        """Tell the journal what was played of a clause; ``evidence``: other than the link's."""
        cleared = playing.cleared
        result = self._ledger.result(cleared.id)
        full = result.full and playing.complete  # what was still being synthesised has no end yet
        evidence = evidence or result.evidence
        self._sink.played(
            cleared,
            PlayedClause(
                samples=result.samples,
                of_samples=result.of_samples,
                text=result.text,
                interrupted=not full,
                evidence=evidence,
                first_sample_at_ns=playing.first_sample_ns if playing.sent else 0,
                started_s=playing.started_s,
            ),
        )
        self._ledger.forget(cleared.id)
        if playing.first_sample_ns and not full:
            self._shown.caption("agent", result.text, cleared.id, "cut")
        self._spoken.append(
            SpokenFrame(
                tag=playing.frame.tag,
                clause=cleared.id,
                phrase=cleared.phrase,
                turn=cleared.turn,
                full=full,
                played_ms=result.samples * 1000 // RATE_HZ,
                of_ms=result.of_samples * 1000 // RATE_HZ,
                text=result.text,
                started_s=playing.started_s,
                evidence=evidence,
            )
        )

    def take(self) -> Iterator[SpokenFrame | SoundsFrame]:
        """What is to be told upstream, oldest first; each is taken once."""
        while self._spoken:
            yield self._spoken.popleft()


def _lasts_ns(size: int) -> int:
    """How long so many bytes of speech sound."""
    return size // CHUNK_BYTES * CHUNK_NS
