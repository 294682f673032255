"""One turn's samples: what came before it, what is being recognised, what to recognise anew."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from controls.errors import ProviderError
from voice_runtime.events import CHUNK_MS, RATE_HZ
from voice_runtime.listen.confidence import ASSUMED
from voice_runtime.ports import FailedAs, Recogniser, Recognition, Utterance

#: A turn longer than this keeps the text of its first part when the caller goes on after a pause.
_ANEW_BYTES = 10 * RATE_HZ * 2


#: From this confidence on a text is what was said, and no other reading counts: the clinic's own questions
#: are read with 0.71 to 0.94, emergencies nobody expected with at most 0.6 (two flite voices on a telephone).
SURE = 0.7


@dataclass(slots=True)
class Understood:
    """What recognition made of a turn.

    Attributes:
        failure: "" or why it failed: ``deadline``, ``crash``.
        engine: which recogniser of a chain said so; "" is the one asked.
        failed: those of a chain that were asked before it and failed, each with why.
        also: other readings (``ports.Recognition.also``).
    """

    text: str = ""
    confidence: float = 0.0
    at_ns: int = 0
    failure: str = ""
    engine: str = ""
    failed: tuple[tuple[str, FailedAs], ...] = ()
    also: tuple[str, ...] = ()

    def settled(self, least: float, overrules: Callable[[str, str], bool]) -> Understood:
        """With the reading that counts: the engine's own text, unless it is unsure and another overrules it.

        Args:
            least: confidence under which the text counts for nothing.
            overrules: whether a reading (the second argument) counts before the text (the first).
        """
        if self.confidence >= SURE:
            return self
        text = self.text if self.confidence >= least else ""
        for reading in self.also:
            if overrules(text, reading):
                return replace(self, text=reading, confidence=ASSUMED)
        return self


class TurnAudio:
    """Pre-roll and the open turn of one call, and its utterance at the recogniser."""

    def __init__(
        self, recogniser: Recogniser, phrases_key: str, preroll_ms: int, now_ns: Callable[[], int]
    ) -> None:
        """Make it.

        Args:
            preroll_ms: audio kept from before the first speech of a turn.
        """
        self._recogniser = recogniser
        self._key = phrases_key
        self._now_ns = now_ns
        self._preroll: deque[bytes] = deque(maxlen=preroll_ms // CHUNK_MS)
        self._turn: bytearray | None = None
        self._utterance: Utterance | None = None
        self._kept = Understood(confidence=1.0)
        self.heard = Understood()

    def add(self, chunk: bytes, speech: bool = True) -> None:
        """The newest chunk of the line, and whether it is speech."""
        if self._turn is None:
            self._preroll.append(chunk)
            return
        self._turn += chunk
        if self._utterance is not None:
            self._utterance.feed(chunk, speech)

    def forget(self) -> None:
        """What comes next does not follow on what came before: keep nothing for its pre-roll."""
        self._preroll.clear()

    @property
    def partial(self) -> str:
        """The newest words of the open turn."""
        if self._utterance is None:
            return ""
        return f"{self._kept.text} {self._utterance.partial}".strip()

    @property
    def pcm(self) -> bytes:
        """The open turn's samples, pre-roll included."""
        return bytes(self._turn or b"")

    def begin(self) -> None:
        """A turn began, some chunks ago."""
        self.close()
        self._kept = Understood(confidence=1.0)
        self._turn = bytearray(b"".join(self._preroll))
        self._preroll.clear()
        self._open()

    def go_on(self) -> None:
        """The caller goes on after a pause: recognise the whole turn anew, so that a pause splits nothing."""
        self._cancel()
        turn = self._turn if self._turn is not None else bytearray()
        if len(turn) > _ANEW_BYTES and self.heard.text:
            self._kept = self.heard
            del turn[: -(self._preroll.maxlen or 1) * CHUNK_MS * RATE_HZ // 1000 * 2]
        self._open()

    def finish(self) -> Utterance | None:
        """No more of it for now: the utterance, to be given to ``recognise``."""
        utterance, self._utterance = self._utterance, None
        return utterance

    async def recognise(self, utterance: Utterance | None) -> Understood:
        """Wait for the final text; failing is an answer too."""
        if utterance is None:
            return Understood(failure="crash", at_ns=self._now_ns())
        try:
            result = await utterance.finish()
        except ProviderError as error:
            reason = "deadline" if isinstance(error.__cause__, TimeoutError) else "crash"
            return Understood(failure=reason, at_ns=self._now_ns())
        return self._joined(result)

    def close(self) -> None:
        """The turn is over: forget its samples, keep the newest as pre-roll."""
        self._cancel()
        if self._turn is not None:
            size = CHUNK_MS * RATE_HZ // 1000 * 2
            tail = self._turn[-(self._preroll.maxlen or 1) * size :]
            self._preroll.extend(bytes(tail[i : i + size]) for i in range(0, len(tail), size))
        self._turn = None
        self.heard = Understood()

    def _joined(self, result: Recognition) -> Understood:
        text = f"{self._kept.text} {result.text}".strip()
        confidence = min(self._kept.confidence, result.confidence) if result.text else self._kept.confidence
        return Understood(
            text, confidence if text else 0.0, self._now_ns(), engine=result.engine, failed=result.failed,
            also=result.also,
        )  # fmt: skip

    def _open(self) -> None:
        try:
            self._utterance = self._recogniser.open(self._key)
        except ProviderError:
            self._utterance = None
            return
        self._utterance.feed(self.pcm)

    def _cancel(self) -> None:
        if self._utterance is not None:
            self._utterance.cancel()
            self._utterance = None


class Silence:
    """Counts how long nobody has said anything, in media time; ``step`` 1 asks, 2 ends.

    Should the call go on (a rule may have a person fetched first), it begins anew.
    """

    def __init__(self, ask_after_s: float, end_after_s: float) -> None:
        self._limits_ms = (round(ask_after_s * 1000), round(end_after_s * 1000))
        self._for_ms = 0
        self._step = 0

    def chunk(self) -> int:
        """20 ms in which neither side did anything: the step reached just now, or 0."""
        if self._step == len(self._limits_ms):
            self.broken()
        self._for_ms += CHUNK_MS
        if self._step < len(self._limits_ms) and self._for_ms >= self._limits_ms[self._step]:
            self._step += 1
            return self._step
        return 0

    @property
    def for_s(self) -> float:
        return self._for_ms / 1000

    def broken(self) -> None:
        """The caller did something."""
        self._for_ms = self._step = 0
