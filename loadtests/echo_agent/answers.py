"""What an echo agent answers, and exactly when: pure, counted in samples of the caller's media."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

from controls.errors import OperatorError
from loadtests.echo_agent.account import Account, Onset
from voice_runtime.caller import audible
from voice_runtime.caller.playout import loud_windows
from voice_runtime.caller.speech import Spoken, sound
from voice_runtime.events import CHUNK_MS, CHUNK_SAMPLES, RATE_HZ

#: What packets and the playout's tick add to the delay over Twilio's protocol, ms: 159 samples and 160.
TWILIO_BIAS_MS = (2 * CHUNK_SAMPLES - 1) * 1000 / RATE_HZ
#: Shorter delays would answer into the pauses between words, ms.
SHORTEST_MS, LONGEST_MS = 200, 10_000
_MOST_ANSWER_MS = 60_000


class Echo:
    """One call's agent. Pure: 20 ms in, 20 ms out.

    Args:
        delays_ms: of one utterance after the other, repeated.
        answer: what it says to everything.
        account: told of each answer as it begins.

    Raises:
        OperatorError: a delay out of ``SHORTEST_MS`` to ``LONGEST_MS``.
    """

    def __init__(self, delays_ms: Sequence[int], answer: Spoken, account: Account | None = None) -> None:
        if not delays_ms or not all(SHORTEST_MS <= delay <= LONGEST_MS for delay in delays_ms):
            raise OperatorError(f"an echo's delays are {SHORTEST_MS} to {LONGEST_MS} ms")
        self._delays = itertools.cycle(delay * RATE_HZ // 1000 for delay in delays_ms)
        self._answer = answer
        self._account = account
        self._now = 0  # samples received before the packet at hand
        self._begins: int | None = None  # sample at which the answer's audio begins
        self._delay = 0

    @property
    def answering(self) -> bool:
        """Whether an answer has begun and not ended."""
        return self._begins is not None and self._begins < self._now

    def take(self, ulaw: bytes) -> bytes:
        """The audio that goes back for ``CHUNK_SAMPLES`` of µ-law; "" where there is none.

        Speech that ends while an answer goes on is not answered.
        """
        if not self.answering and 1 in loud_windows(ulaw):
            self._listen(ulaw)
        start, self._now = self._now, self._now + CHUNK_SAMPLES
        if self._begins is None or self._begins >= self._now:
            return b""
        at = start - self._begins
        if at <= 0 and self._account is not None:
            self._account.onsets.append(Onset(self._begins, self._begins + self._answer.first))
        audio = self._answer.ulaw[max(0, at) : at + CHUNK_SAMPLES]
        if at + CHUNK_SAMPLES >= len(self._answer.ulaw):
            self._begins = None
        if at < 0:
            audio = audible.ULAW_SILENCE * -at + audio
        return audio.ljust(CHUNK_SAMPLES, audible.ULAW_SILENCE)

    def _listen(self, ulaw: bytes) -> None:
        edges = audible.bounds(audible.to_pcm(ulaw))
        if edges is None:
            return
        if self._begins is None:
            self._delay = next(self._delays)
        self._begins = self._now + edges[1] + self._delay - self._answer.first


def answer_of(
    parameters: Mapping[str, str], voice: Mapping[str, Spoken], account: Account | None = None
) -> Echo:
    """The agent that a stream's custom parameters ask for.

    Args:
        voice: sounds by name, each longer than any answer.
        account: told of each answer.

    Raises:
        OperatorError: they ask for something that is not to be had.
    """
    try:
        delays = [int(delay) for delay in parameters.get("delays_ms", "500").split(",")]
        length_ms = int(parameters.get("answer_ms", "400"))
        whole = voice[parameters.get("answer", "tone")]
    except (ValueError, KeyError):
        raise OperatorError("an echo is asked for delays_ms, answer (tone, speech) and answer_ms") from None
    if not CHUNK_MS <= length_ms <= _MOST_ANSWER_MS:
        raise OperatorError(f"an echo's answer takes {CHUNK_MS} to {_MOST_ANSWER_MS} ms")
    audio = whole.ulaw[: whole.first + length_ms * RATE_HZ // 1000]
    return Echo(delays, Spoken(audio, whole.first, len(audio) - 1), account)


def voices(sentences: Iterable[Spoken]) -> dict[str, Spoken]:
    """A minute each of a tone and of speech, for answers to be cut from."""
    tone = sound("tone", _MOST_ANSWER_MS / 1000)
    once = b"".join(spoken.ulaw for spoken in sentences)
    whole = (once * (_MOST_ANSWER_MS * RATE_HZ // 1000 // len(once) + 2))[: len(tone.ulaw) + RATE_HZ]
    edges = audible.bounds(audible.to_pcm(whole))
    assert edges is not None
    return {"tone": tone, "speech": Spoken(whole, *edges)}
