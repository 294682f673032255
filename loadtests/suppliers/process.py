"""Starts the mock suppliers in a process of their own, shared by every system that is compared."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager

from loadtests.served import ServerProcess
from loadtests.suppliers.answers import AnswerBook
from loadtests.suppliers.backends import SPEECH_RATE_HZ
from loadtests.suppliers.mocks import Delays
from loadtests.suppliers.server import Mocks, Sentence
from voice_runtime.caller.speech import Spoken


@asynccontextmanager
async def suppliers(
    sentences: Iterable[Spoken],
    answers: Mapping[str, str],
    delays: Delays | None = None,
    cores: Sequence[int] = (),
    *,
    speech_rate_hz: int = SPEECH_RATE_HZ,
    fails: Sequence[str] = (),
) -> AsyncIterator[str]:
    """Run the mock suppliers; yields their ``base_url``, up to and including ``/v1``.

    Args:
        sentences: all that callers say, in every voice and rate they say it in, as synthesised
            for them (``voice_runtime.caller.speech``); what is missing here is not recognised.
        answers: what is said → what is answered (``answers.AnswerBook``).
        delays: None: 100 ms recognition, 150 ms to the first token, 10 ms a token, 80 ms to speech.
        fails: what the model answers with an error.
        cores: its CPUs; () leaves them as they are.

    Raises:
        OperatorError: it does not start, or the answers cannot be told apart.
    """
    AnswerBook(answers)  # refused here, not in a process that can only end
    told = Mocks(
        sentences=tuple(Sentence.of(spoken) for spoken in sentences),
        answers=dict(answers),
        delays=delays or Delays(),
        speech_rate_hz=speech_rate_hz,
        fails=tuple(fails),
    )
    server = ServerProcess("loadtests.suppliers.server", told.model_dump(mode="json"), cores=cores)
    try:
        yield await server.start() + "/v1"
    finally:
        await server.stop()
