"""The seams: what a recogniser, a synthesiser, a carrier and a coordinator must do.

Fakes in ``tests/simulators`` implement these and can be changed mid-test.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from controls.decision import Cleared, PendingReceipt, Receipt
from controls.ledger.records import Evidence
from voice_runtime.events import Word

#: Why an engine of a chain was passed over: it was late, or it failed.
FailedAs = Literal["deadline", "broken"]


@dataclass(frozen=True, slots=True)
class Recognition:
    """A recognised utterance. ``text`` is "" when nothing was recognised; confidence 0 to 1.

    Attributes:
        engine: which one of a chain said so; "" is the one that was asked.
        language: as detected, where the engine detects it; "" otherwise.
        failed: engines of a chain that were asked first and failed, each with why.
        also: other readings of the same sound, asked only whether they name an emergency or ask for a person.
            One that does becomes the turn's text; any other goes nowhere, neither to a model nor on record.
    """

    text: str
    confidence: float
    engine: str = ""
    language: str = ""
    failed: tuple[tuple[str, FailedAs], ...] = ()
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hints:
    """What a recogniser may expect of one release's callers, in one language.

    Attributes:
        language: BCP 47, such as ``en-US``.
        phrases: whole sentences, for an engine that needs a phrase model.
        words: names and terms of the house.
        pronunciations: word → its sounds in ARPAbet.
        urgent: what emergencies sound like, for an engine that knows little beyond its phrases: it gives a
            second reading with these (``Recognition.also``).
    """

    language: str
    phrases: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    pronunciations: Mapping[str, str] = field(default_factory=dict)
    urgent: tuple[str, ...] = ()


class SpeechDetector(Protocol):
    """Says of each 20 ms chunk whether it is speech (``listen.vad.Vad``)."""

    def hear(self, chunk: bytes) -> bool: ...


@runtime_checkable
class Listener(Protocol):
    """A processor that takes the caller's samples from the transport before it, without a frame for each."""

    def hear(self, pcm: bytes) -> Coroutine[Any, Any, None] | None:
        """Take 8 kHz mono s16le samples, in order.

        Returns:
            What is to be awaited, once and before more is given; mostly None: nothing is left to do.
        """
        ...


@runtime_checkable
class Outlet(Protocol):
    """A processor that takes the agent's samples from egress, without a frame for each.

    Ordering: both in the order they are called, among the frames that egress pushes.
    Backpressure: each returns when more may be sent. Errors: none; a line that is gone takes nothing.
    """

    async def play(self, pcm: bytes) -> None:
        """Send 8 kHz mono s16le samples, whole chunks of 20 ms."""
        ...

    async def tell(self, message: Mapping[str, Any]) -> None:
        """Send one of the link's own messages."""
        ...


class EchoComparison(Protocol):
    """Tells the caller's speech from the agent's own voice coming back (``listen.echo.Echo``)."""

    def hear(self, chunk: bytes, at_ns: int, speech: bool) -> bool: ...

    def explains(self, first_ms: int, last_ms: int) -> bool: ...

    def cleared(self, at_ns: int) -> None: ...


class Utterance(Protocol):
    """One utterance being recognised. Holds a place in the recogniser's pool until closed.

    Ordering: ``feed`` in sample order. Closing: exactly one of ``finish`` and
    ``cancel``; both give the place back, also when they raise.
    """

    def feed(self, pcm: bytes, speech: bool = True) -> None:
        """Take 8 kHz s16le samples; never blocks, never raises for provider faults.

        Args:
            speech: the caller speaks at their end. An engine may use silence to begin with the final text.
        """
        ...

    @property
    def partial(self) -> str:
        """The newest text known, possibly "" and possibly stale by some 100 ms."""
        ...

    async def finish(self) -> Recognition:
        """No more samples: the final text.

        Raises:
            ProviderError: the engine died or its deadline passed.
        """
        ...

    def cancel(self) -> None:
        """Forget it."""
        ...


class Recogniser(Protocol):
    """One recogniser for all calls of the process."""

    name: str

    async def load(self, key: str, hints: Hints) -> None:
        """Prepare for a release's callers, before the first of them; again for the same key is harmless.

        Raises:
            SayError: the engine cannot serve this language or these hints.
        """
        ...

    def open(self, key: str) -> Utterance:
        """Begin an utterance with the hints that ``load`` was given for ``key``."""
        ...


@dataclass(frozen=True, slots=True)
class Speech:
    """A piece of synthesised speech: 8 kHz s16le samples, and the words that start in it."""

    pcm: bytes
    words: list[Word] = field(default_factory=list)


class Synthesiser(Protocol):
    """Turns cleared words into samples. One for all calls."""

    name: str

    def speak(self, text: str, *, language: str, voice: str) -> AsyncIterator[Speech]:
        """Yield speech in order, first piece as soon as it exists.

        Raises (on iteration):
            ProviderError: engine dead, refused, or past its deadline.
        """
        ...


class MediaLink(Protocol):
    """What egress needs from a carrier besides the audio itself.

    Marks travel in order with the audio. A mark comes back once everything
    before it has been played, or (Twilio) after a ``clear``, whatever was played.
    """

    #: What a returned mark proves on this link.
    evidence: Evidence

    def mark_message(self, name: str) -> dict[str, object] | None:
        """The carrier's message for a mark, or None when it has no marks."""
        ...

    def clear_message(self) -> dict[str, object] | None:
        """The carrier's message to throw away what it has not played; None when it cannot.

        It travels in order with the audio. Marks that come back after it prove nothing.
        """
        ...

    def caption(
        self, who: Literal["agent", "caller"], text: str, *, id: str, state: Literal["begin", "cut"]
    ) -> dict[str, object] | None:
        """The link's message for a caption, or None when it shows none.

        Args:
            text: the words of a clause that begins to sound, or (``cut``) those that were played of it.
            id: the clause's, so that a cut replaces what was shown.
        """
        ...

    def receipt(self, code: str) -> dict[str, object] | None:
        """The link's message that shows the call's receipt code, or None when it shows none."""
        ...

    def on_mark(self, callback: Callable[[str, int], None]) -> None:
        """Call ``callback(name, monotonic_ns)`` for each mark that comes back."""
        ...


class CallControl(Protocol):
    """What a carrier can do to a call besides carrying its audio."""

    async def transfer(self, to: str, *, announce: str = "") -> None:
        """Hand the caller to a telephone number or SIP address.

        Raises:
            ProviderError: the carrier refused, failed or did not answer in time.
        """
        ...

    async def hang_up(self) -> None:
        """End the call at the carrier."""
        ...


class Coordinator(Protocol):
    """What every worker shares: admission, one-time tokens, and what is stopped."""

    async def admit(self, tenant: str, call: str) -> bool:
        """Take one of the places, or answer False; never more than the cap."""
        ...

    async def release(self, call: str) -> None:
        """Give the place back; harmless when it has none."""
        ...

    async def put_token(self, token: str, value: str, ttl_s: float) -> None:
        """Store a one-time token."""
        ...

    async def take_token(self, token: str) -> str | None:
        """Return its value once, then never again; None when unknown, used or expired."""
        ...

    async def share(self, name: str, value: str) -> None:
        """Let every worker know a value, in place of the one before; it does not expire."""
        ...

    async def shared(self, name: str) -> str | None:
        """The value shared last under that name; None when none was."""
        ...


@dataclass(frozen=True, slots=True)
class PlayedClause:
    """What egress knows when it is done with a clause. Samples at ``events.RATE_HZ``.

    ``text`` is what was played of it, to the word; ``started_s`` is s since the call was answered.
    """

    samples: int
    of_samples: int
    text: str
    interrupted: bool
    evidence: Evidence
    first_sample_at_ns: int = 0
    started_s: float = 0.0


class PlayedSink(Protocol):
    """Where egress settles clauses (the call's journal)."""

    def is_open(self, clause: str) -> bool:
        """Whether the clause was cleared and has not been settled."""
        ...

    def stale(self) -> list[Cleared]:
        """Clauses that an interruption overtook before their audio existed."""
        ...

    def played(self, cleared: Cleared, result: PlayedClause) -> None:
        """Settle a clause; the second time is ignored."""
        ...

    def cut(self) -> None:
        """Everything that an interruption cut has been settled."""
        ...

    def never_played(self, cleared: Cleared) -> None:
        """Settle a clause that did not sound at all."""
        ...

    async def durable(self, future: PendingReceipt, deadline_s: float) -> Receipt:
        """Wait for a receipt without cancelling its append.

        Raises:
            LedgerError: it failed, or the deadline passed.
        """
        ...

    def seconds(self, at_ns: int) -> float:
        """A monotonic time as s since the call was answered."""
        ...
