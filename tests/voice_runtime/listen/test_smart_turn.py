"""The turn model: tells finished from unfinished, off the loop, and refuses what is too much."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from controls.errors import ProviderError
from tests import audio
from voice_runtime.listen.smart_turn import Questions, SmartTurn
from voice_runtime.priority import BACKGROUND_NICE

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


class Gate:
    """In the place of the model: judges when it is let, and notes what it was asked."""

    def __init__(self, model: SmartTurn) -> None:
        self.judged: list[bytes] = []
        self.nice: list[int] = []
        self.open = threading.Event()
        self.begun = threading.Semaphore(0)
        model._judge = self._judge  # type: ignore[method-assign]

    def _judge(self, pcm: bytes) -> float:
        self.nice.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        self.judged.append(pcm)
        self.begun.release()
        assert self.open.wait(60)
        return 0.5

    async def computing(self) -> None:
        """Returns once one more question is being computed."""
        assert await asyncio.to_thread(self.begun.acquire, timeout=60)


def asked(model: SmartTurn, *questions: bytes) -> list[asyncio.Task[float]]:
    return [asyncio.create_task(model.complete(pcm)) for pcm in questions]


async def test_warming_computes_as_many_at_a_time_as_ever_will_be_on_the_same_threads() -> None:
    model = await asyncio.to_thread(SmartTurn, threads=3)
    computing = threading.Barrier(3, timeout=60)  # lets nobody on before three compute at a time
    threads: set[str] = set()

    def judge(pcm: bytes) -> float:
        threads.add(threading.current_thread().name)
        computing.wait()
        return 0.5

    model._judge = judge  # type: ignore[method-assign]
    try:
        await model.warm()
        warmed = set(threads)
        assert len(warmed) == 3
        await asyncio.gather(*(model.complete(b"one") for _ in range(3)))
        assert threads == warmed, "what they took is there for the questions"
        assert (model.asked, model.answered) == (0, 3), "and warming was nobody's question"
    finally:
        model.close()


async def test_warming_says_that_the_model_cannot_be_computed(smart_turn: SmartTurn) -> None:
    await smart_turn.warm()
    smart_turn.close()
    with pytest.raises(ProviderError):
        await smart_turn.warm()


async def test_a_question_that_is_withdrawn_while_it_waits_is_never_computed(smart_turn: SmartTurn) -> None:
    gate = Gate(smart_turn)
    first, second = asked(smart_turn, b"first", b"second")
    await gate.computing()
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert smart_turn.asked == 1, "its place is free again"
    [third] = asked(smart_turn, b"third")
    gate.open.set()
    assert [await one for one in (first, third)] == [0.5, 0.5]
    assert gate.judged == [b"first", b"third"]
    assert (smart_turn.answered, smart_turn.refused, smart_turn.withdrawn) == (2, 0, 1)


async def test_one_that_is_withdrawn_while_it_is_computed_keeps_its_thread_till_the_end(
    smart_turn: SmartTurn,
) -> None:
    gate = Gate(smart_turn)
    [first] = asked(smart_turn, b"first")
    await gate.computing()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert smart_turn.asked == 1, "a thread is busy with it"
    [second] = asked(smart_turn, b"second")
    for _ in range(5):
        await asyncio.sleep(0)
    with pytest.raises(ProviderError, match="too many"):
        await smart_turn.complete(b"third")
    gate.open.set()
    assert await second == 0.5
    assert gate.judged == [b"first", b"second"]
    assert (smart_turn.answered, smart_turn.refused, smart_turn.withdrawn) == (1, 1, 1)
    assert smart_turn.asked == 0


@pytest.mark.skipif(sys.platform != "linux", reason="nice values of threads are Linux's")
async def test_its_threads_stand_behind_the_event_loop(smart_turn: SmartTurn) -> None:
    gate = Gate(smart_turn)
    gate.open.set()
    await smart_turn.complete(b"")
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert gate.nice == [min(19, own + BACKGROUND_NICE)]


async def test_one_callers_newer_question_withdraws_the_older_one(smart_turn: SmartTurn) -> None:
    gate = Gate(smart_turn)
    [busy] = asked(smart_turn, b"somebody else's")
    await gate.computing()
    questions = Questions(smart_turn)
    older = asyncio.create_task(questions.complete(b"older"))
    for _ in range(5):
        await asyncio.sleep(0)
    newer = asyncio.create_task(questions.complete(b"newer"))
    assert await older is None
    gate.open.set()
    assert await newer == 0.5
    assert await busy == 0.5
    assert gate.judged == [b"somebody else's", b"newer"]
    questions.withdraw()  # nothing is asked any more: harmless


async def test_a_question_nobody_waits_for_is_withdrawn_and_one_too_many_has_no_answer(
    smart_turn: SmartTurn,
) -> None:
    gate = Gate(smart_turn)
    [busy] = asked(smart_turn, b"somebody else's")
    await gate.computing()
    questions, others = Questions(smart_turn), Questions(smart_turn)
    waiting = asyncio.create_task(questions.complete(b"waiting"))
    for _ in range(5):
        await asyncio.sleep(0)
    assert await others.complete(b"one too many") is None
    questions.withdraw()
    assert await waiting is None
    gate.open.set()
    await busy
    assert gate.judged == [b"somebody else's"]


async def test_a_call_that_ends_takes_its_question_with_it(smart_turn: SmartTurn) -> None:
    gate = Gate(smart_turn)
    [busy] = asked(smart_turn, b"somebody else's")
    await gate.computing()
    asking = asyncio.create_task(Questions(smart_turn).complete(b"the call's"))
    for _ in range(5):
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    gate.open.set()
    await busy
    assert gate.judged == [b"somebody else's"]
    assert smart_turn.asked == 0
