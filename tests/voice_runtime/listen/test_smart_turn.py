"""The turn model: tells finished from unfinished, off the loop, and refuses what is too much."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from controls.errors import ProviderError
from tests import audio
from voice_runtime.listen.smart_turn import SmartTurn

pytestmark = pytest.mark.anyio


@pytest.fixture
def smart_turn() -> Iterator[SmartTurn]:
    model = SmartTurn(threads=1, most_waiting=2)
    yield model
    model.close()


async def test_finished_and_unfinished(smart_turn: SmartTurn, needs_system: Callable[..., None]) -> None:
    needs_system("flite")
    finished = await audio.said("can i see doctor patel on tuesday", "rms") + audio.silence(200)
    unfinished = await audio.said("i would like an appointment with", "rms") + audio.silence(200)
    assert await smart_turn.complete(finished) > 0.5
    assert await smart_turn.complete(unfinished) < 0.2


@pytest.mark.parametrize("pcm", [b"", b"\0", bytes(321), bytes(20 * 16000)])
async def test_any_length_is_judged(smart_turn: SmartTurn, pcm: bytes) -> None:
    try:
        assert 0.0 <= await smart_turn.complete(pcm) <= 1.0
    except ProviderError:
        assert len(pcm) < 2, "only no sound at all may be refused"


async def test_too_many_questions_are_refused_not_queued(smart_turn: SmartTurn) -> None:
    asked = [asyncio.create_task(smart_turn.complete(bytes(16000))) for _ in range(3)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(a) for a in answers] == [float, float, ProviderError]
    assert isinstance(await smart_turn.complete(bytes(16000)), float)


async def test_after_closing_it_says_so() -> None:
    model = await asyncio.to_thread(SmartTurn)  # it reads its weights from disk
    model.close()
    with pytest.raises(ProviderError):
        await model.complete(bytes(16000))
