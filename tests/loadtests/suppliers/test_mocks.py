"""The mocks' delays in virtual time, and what they make of a conversation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from loadtests.suppliers import mocks, tones
from loadtests.suppliers.answers import NOT_CAUGHT, AnswerBook
from loadtests.suppliers.ears import Likeness
from loadtests.suppliers.mocks import Delays, MockEars, MockMind, MockMouth, last_words, mock_backend, split
from voice_runtime.caller import audible
from voice_runtime.caller.recorded import RecordedFlite

pytestmark = pytest.mark.anyio

ANSWER = "Parking is behind the building. It is free."
BOOK = AnswerBook({"where can i park": ANSWER})
DELAYS = Delays(asr_ms=100, first_token_ms=150, token_ms=10, speech_ms=80, speech_speed=10)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The mocks' clock, s: it stands still but for their own waiting."""
    time = [1000.0]

    async def until(when: float) -> None:
        time[0] = max(time[0], when)

    monkeypatch.setattr(mocks, "_now", lambda: time[0])
    monkeypatch.setattr(mocks, "_until", until)
    return time


async def timed(pieces: AsyncIterator[Any], now: list[float]) -> list[tuple[float, Any]]:
    return [(round((now[0] - 1000) * 1000, 3), piece) async for piece in pieces]


async def test_tokens_come_at_their_times_and_make_up_the_answer(now: list[float]) -> None:
    came = await timed(MockMind(BOOK, DELAYS).tokens([{"role": "user", "content": "Where can I park?"}]), now)
    assert [at for at, _ in came] == [150 + 10 * n for n in range(len(came))]
    assert "".join(token for _, token in came) == ANSWER


async def test_slow_taking_delays_no_later_token(now: list[float]) -> None:
    tokens = MockMind(BOOK, DELAYS).tokens([{"role": "user", "content": "where can i park"}])
    await anext(tokens)
    now[0] = 1000.5
    assert (await timed(tokens, now))[0][0] == 500


async def test_speech_begins_after_its_delay_and_then_outruns_real_time(now: list[float]) -> None:
    mouth = MockMouth(BOOK, DELAYS)
    came = await timed(mouth.speech("Parking is behind the building."), now)
    assert [at for at, _ in came] == [80 + 10 * n for n in range(len(came))]
    assert {len(piece) for _, piece in came[:-1]} == {mouth.rate_hz // 10 * 2}
    assert b"".join(piece for _, piece in came) == tones.voice("Parking is behind the building.", 1)


async def test_the_voice_has_the_rate_it_was_made_with(now: list[float]) -> None:
    pieces = await timed(MockMouth(BOOK, DELAYS, 8000).speech("It is free."), now)
    assert tones.identify(b"".join(piece for _, piece in pieces)) == 1


async def test_a_text_comes_when_its_time_has_passed(now: list[float]) -> None:
    spoken = await RecordedFlite("rms").say("yes")
    ears = MockEars([spoken], DELAYS)
    assert await ears.text(audible.to_pcm(spoken.ulaw), 8000) == "yes"
    assert round((now[0] - 1000) * 1000) == 100


async def test_a_sound_is_compared_once_and_takes_as_long_each_time(
    now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    spoken = await RecordedFlite("rms").say("yes")
    ears = MockEars([spoken], DELAYS)
    pcm = audible.to_pcm(spoken.ulaw)
    assert await ears.text(pcm, 8000) == "yes"
    monkeypatch.setattr(Likeness, "text", lambda *_: "compared again")
    assert await ears.text(pcm, 8000) == "yes"
    assert round((now[0] - 1000) * 1000) == 200
    assert await ears.text(pcm, 16_000) == "compared again"
    assert await ears.text(pcm[2:], 8000) == "compared again"


def test_the_last_words_are_all_that_was_said_since_the_assistant_spoke() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "where"},
        {"role": "user", "content": [{"type": "text", "text": "can i park"}]},
        {"role": "developer", "content": "The caller is on a telephone."},
    ]
    assert last_words(messages) == "where can i park"
    assert last_words(messages[:3]) == last_words([]) == ""


def test_tokens_are_words_and_signs() -> None:
    assert split(" Yes, it's free.\n") == [" Yes", ",", " it's", " free", ".", "\n"]
    assert split(NOT_CAUGHT)[0] == "Sorry"


async def test_unknown_words_are_answered_in_a_voice_of_their_own(now: list[float]) -> None:
    backend = mock_backend([], {"where can i park": ANSWER}, DELAYS)
    tokens = [token async for token in backend.mind.tokens([{"role": "user", "content": "who are you"}])]
    assert "".join(tokens) == NOT_CAUGHT
    pcm = b"".join([piece async for piece in backend.mouth.speech(NOT_CAUGHT)])
    third = np.frombuffer(pcm, "<i2").astype(np.float32).reshape(-1, 3).mean(axis=1)
    assert tones.identify(third.astype("<i2").tobytes()) == 0
    assert all("mock" in line for line in backend.engines)
