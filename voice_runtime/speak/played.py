"""Samples to words played: what of each clause became audible, and what that rests on.

Pure: no clock, no socket, no pipecat. Positions are counted in samples of one
endless outgoing stream per call and never run backwards; what a carrier throws
away on ``clear`` keeps its positions but never counts as played.

Two ways of knowing:

* evidence other than ``sent_only``: a sample is played once a mark placed after
  it has come back, or the far end reported its position. A mark that comes back
  after our ``clear`` proves nothing (Twilio returns all of them then).
* ``sent_only``: a sample handed over counts as played.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from controls.errors import InternalError
from controls.ledger.records import Evidence
from voice_runtime.events import Word

#: Marks a carrier may owe us; the oldest are forgotten beyond it (12 minutes at one per 180 ms).
MAX_MARKS = 4096


@dataclass(frozen=True, slots=True)
class PlayedResult:
    """What became audible of one clause.

    Attributes:
        samples: samples played, from the clause's start, without padding.
        of_samples: samples the clause has (so far, while it is still being synthesised).
        text: the words played; a word cut in the middle counts from half of it on.
        full: every sample it has was played, none is missing. Vacuously true of a clause
            without samples; whoever adds samples knows whether more will come.
        evidence: what ``samples`` rests on.
    """

    samples: int
    of_samples: int
    text: str
    full: bool
    evidence: Evidence

    @property
    def interrupted(self) -> bool:
        """Something of it was never played."""
        return not self.full


@dataclass(slots=True)
class _Clause:
    text: str
    total: int = 0
    sent: int = 0
    played: int = 0
    ended: bool = False
    broken: bool = False
    words: list[Word] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Span:
    """``length`` samples of the stream from ``start`` on; ``clause`` is "" for padding and gaps."""

    start: int
    length: int
    clause: str
    offset: int


class PlayedLedger:
    """The account of one call's outgoing samples."""

    def __init__(self, evidence: Evidence = Evidence.CARRIER_MARK) -> None:
        self.evidence = evidence
        self._clauses: dict[str, _Clause] = {}
        self._spans: deque[_Span] = deque()
        self._marks: dict[str, int] = {}
        self._position = 0
        self._through = 0
        self._epoch = 0

    @property
    def position(self) -> int:
        """Samples handed to the carrier since the call began, padding included."""
        return self._position

    @property
    def through(self) -> int:
        """Stream position up to which samples are known to be played."""
        return self._through

    @property
    def unconfirmed(self) -> int:
        """Samples handed over that are neither known to be played nor cleared away."""
        return sum(s.start + s.length - max(s.start, self._through) for s in self._spans)

    # --- clauses ----------------------------------------------------------------------------------

    def open(self, clause: str, text: str) -> None:
        """Register a clause before its first sample.

        Raises:
            InternalError: it is open already.
        """
        if clause in self._clauses:
            raise InternalError("clause opened twice")
        self._clauses[clause] = _Clause(text)

    def audio(self, clause: str, samples: int, words: Iterable[Word] = ()) -> None:
        """Add samples that were synthesised, and the words that start in them.

        Raises:
            InternalError: unknown clause, negative count, or the clause has ended.
        """
        entry = self._entry(clause)
        if samples < 0 or entry.ended:
            raise InternalError("audio for a clause that has ended, or a negative count")
        entry.total += samples
        entry.words.extend(words)

    def end(self, clause: str, *, broken: bool = False) -> None:
        """No further samples will come. ``broken``: synthesis failed on the way, it can never be full."""
        entry = self._entry(clause)
        entry.ended = True
        entry.broken = entry.broken or broken

    def forget(self, clause: str) -> None:
        """Drop a clause whose result has been recorded; harmless when unknown."""
        self._clauses.pop(clause, None)

    # --- the stream -------------------------------------------------------------------------------

    def sent(self, clause: str, samples: int) -> None:
        """Count samples of a clause handed over, in order; those beyond its end are padding.

        Raises:
            InternalError: unknown clause or negative count.
        """
        entry = self._entry(clause)
        if samples < 0:
            raise InternalError("a negative count of samples sent")
        own = min(samples, entry.total - entry.sent)
        if own:
            self._append(own, clause, entry.sent)
            entry.sent += own
        self.gap(samples - own)

    def gap(self, samples: int) -> None:
        """Count samples handed over that belong to no clause (silence between clauses)."""
        if samples < 0:
            raise InternalError("a negative count of samples sent")
        if samples:
            self._append(samples, "", 0)

    def place_mark(self) -> str:
        """Name a mark at the present position; it encodes the position and the ``clear`` it follows."""
        name = f"s{self._epoch}.{self._position}"
        self._marks[name] = self._position
        while len(self._marks) > MAX_MARKS:
            del self._marks[next(iter(self._marks))]
        return name

    def returned(self, name: str) -> bool:
        """Take a mark that came back. False: unknown, repeated, or placed before our last ``clear``."""
        position = self._marks.pop(name, None)
        if position is None:
            return False
        self.played_through(position)
        return True

    def played_through(self, position: int) -> None:
        """Take a position the far end reports as played (never beyond what was sent, never back)."""
        position = min(position, self._position)
        if position <= self._through:
            return
        self._through = position
        while self._spans and self._spans[0].start < position:
            span = self._spans[0]
            entry = self._clauses.get(span.clause)
            if entry is not None:
                entry.played = max(entry.played, span.offset + min(span.length, position - span.start))
            if span.start + span.length > position:
                break
            self._spans.popleft()

    def clear(self) -> None:
        """The carrier was told to throw away what it holds.

        Whatever is not known to be played by now never will be: ``offset`` of each
        clause falls back to its first unplayed sample, so that it can be sent again.
        """
        self._epoch += 1
        self._marks.clear()
        self._spans.clear()
        for entry in self._clauses.values():
            entry.sent = entry.played

    def take_back(self, position: int) -> None:
        """The carrier was told to throw away what it holds, having played up to ``position`` by the clock.

        What lies before it is still on its way: a later mark proves it. What lies beyond is to be
        sent again: ``offset`` of each clause falls back to it. Never behind what is known to be played.
        """
        position = max(position, self._through)
        self._epoch += 1
        self._marks.clear()
        while self._spans and self._spans[-1].start + self._spans[-1].length > position:
            span = self._spans.pop()
            kept = max(0, position - span.start)
            if kept:
                self._spans.append(_Span(span.start, kept, span.clause, span.offset))
            entry = self._clauses.get(span.clause)
            if entry is not None:
                entry.sent = span.offset + kept

    # --- what is known ----------------------------------------------------------------------------

    def offset(self, clause: str) -> int:
        """The clause's next sample to send: after ``clear``, its first unplayed one."""
        return self._entry(clause).sent

    def result(self, clause: str, *, as_sent: bool = False) -> PlayedResult:
        """What is known to have been played of a clause, now.

        Args:
            as_sent: the link's proof never came: count what was sent (and not cleared
                away) as played, and say so in ``evidence``.

        Raises:
            InternalError: unknown clause.
        """
        entry = self._entry(clause)
        played = entry.sent if as_sent else entry.played
        full = not entry.broken and played == entry.total
        if full and played:
            text = entry.text
        else:
            text = played_text(entry.text, entry.words, played, entry.total)
        evidence = Evidence.SENT_ONLY if as_sent else self.evidence
        return PlayedResult(played, entry.total, text, full, evidence)

    def _entry(self, clause: str) -> _Clause:
        try:
            return self._clauses[clause]
        except KeyError:
            raise InternalError("a clause that was never opened, or was forgotten") from None

    def _append(self, samples: int, clause: str, offset: int) -> None:
        self._spans.append(_Span(self._position, samples, clause, offset))
        self._position += samples
        if self.evidence is Evidence.SENT_ONLY:
            self.played_through(self._position)


def played_text(text: str, words: Iterable[Word], played: int, total: int) -> str:
    """Return the start of ``text`` that ``played`` of ``total`` samples cover.

    A word counts when at least half of it was played; it lasts until the next
    one starts. Without words from the engine each blank-separated word gets its
    share of the samples by characters.
    """
    if played <= 0 or total <= 0:
        return ""
    table = sorted((w for w in words if 0 <= w.start < w.end <= len(text)), key=lambda w: (w.sample, w.start))
    if not table:
        table = _by_characters(text, total)
    end = 0
    for i, word in enumerate(table):
        stop = table[i + 1].sample if i + 1 < len(table) else max(total, word.sample)
        if played > word.sample and 2 * (played - word.sample) >= stop - word.sample:
            end = max(end, word.end)
    return text[:end].strip()


def _by_characters(text: str, total: int) -> list[Word]:
    table: list[Word] = []
    at = 0
    for part in text.split():
        start = text.index(part, at)
        at = start + len(part)
        table.append(Word(start, at, total * start // len(text)))
    return table
