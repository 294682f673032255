"""Decoding ahead of the end: partial texts while the caller speaks, and the final text ready at the pause."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.errors import InternalError, ProviderError
from tests.simulators import whisper_model as said
from tests.simulators.whisper_model import tone
from tests.voice_runtime.listen.fakes import settle
from tests.voice_runtime.listen.test_whisper import Gate, running
from voice_runtime.events import CHUNK_BYTES, CHUNK_MS
from voice_runtime.listen.whisper_batches import Batches, Urgency
from voice_runtime.listen.whisper_prompt import Prompt
from voice_runtime.listen.whisper_text import Decoded
from voice_runtime.listen.whisper_utterance import TAIL_MS, WhisperUtterance
from voice_runtime.ports import Recognition

pytestmark = pytest.mark.anyio

TAIL = TAIL_MS // CHUNK_MS
SPEECH, SILENCE = (tone(400, 0.02), True), (bytes(CHUNK_BYTES), False)
EVERY_MS = 200


class FakeEngine:
    """Implements ``whisper_utterance.Decoding``: a text is how many chunks it was decoded from.

    Attributes:
        room: None refuses; else how many chunks later ``tick`` answers.
        asked: chunks and kind of what was asked for ahead.
        finals: chunks decoded anew for a final text.
    """

    def __init__(self, room: int | None = 0) -> None:
        self.room = room
        self.asked: list[tuple[int, bool]] = []
        self.finals: list[int] = []
        self.withdrawn = 0
        self._open: list[tuple[int, int, asyncio.Future[Decoded]]] = []
        self._now = 0

    def ahead(
        self, pcm: bytes | bytearray, prompt: Prompt, *, likely: bool
    ) -> asyncio.Future[Decoded] | None:
        if self.room is None:
            return None
        assert not any(not future.done() for _, _, future in self._open), "two at a time"
        chunks = len(pcm) // CHUNK_BYTES
        self.asked.append((chunks, likely))
        future: asyncio.Future[Decoded] = asyncio.get_running_loop().create_future()
        self._open.append((self._now + self.room, chunks, future))
        return future

    def tick(self) -> None:
        """20 ms pass."""
        self._now += 1
        for due, chunks, future in self._open:
            if due <= self._now and not future.done():
                future.set_result(Decoded((1,), str(chunks), -0.1, 0.0))

    def fail(self) -> None:
        for _, _, future in self._open:
            if not future.done():
                future.set_exception(ProviderError("failed", supplier="whisper"))

    def withdraw(self, ahead: asyncio.Future[Decoded]) -> None:
        self.withdrawn += 1
        ahead.cancel()

    async def recognise(
        self, pcm: bytes, prompt: Prompt, ahead: asyncio.Future[Decoded] | None = None
    ) -> Recognition:
        if ahead is not None:
            return Recognition((await ahead).text, 0.9)
        self.finals.append(len(pcm) // CHUNK_BYTES)
        return Recognition(f"anew {len(pcm) // CHUNK_BYTES}", 0.9)


async def heard(utterance: WhisperUtterance, engine: FakeEngine, *chunks: tuple[bytes, bool]) -> None:
    for pcm, speech in chunks:
        utterance.feed(pcm, speech)
        engine.tick()
        await settle(2)


def of(engine: FakeEngine, every_ms: int = EVERY_MS) -> WhisperUtterance:
    return WhisperUtterance(engine, Prompt("en"), every_ms=every_ms)


# --- one utterance ------------------------------------------------------------------------------------


async def test_at_the_pause_the_final_text_is_ready() -> None:
    engine = FakeEngine()
    utterance = of(engine, 0)
    await heard(utterance, engine, *[SPEECH] * 30, *[SILENCE] * 10)
    assert engine.asked == [(30 + TAIL, True)], "once, as soon as the tail was there"
    assert utterance.partial == str(30 + TAIL)
    assert (await utterance.finish()).text == str(30 + TAIL)
    assert engine.finals == []
    with pytest.raises(InternalError):
        await utterance.finish()


async def test_a_decoding_that_lacks_the_end_of_the_speech_is_no_final_text() -> None:
    engine = FakeEngine()
    utterance = of(engine, 0)
    await heard(utterance, engine, *[SPEECH] * 30, *[SILENCE] * TAIL, SPEECH, *[SILENCE] * (TAIL - 1))
    assert engine.asked == [(30 + TAIL, True)]
    assert (await utterance.finish()).text == f"anew {30 + 2 * TAIL}"


async def test_what_is_under_way_at_the_pause_is_waited_for() -> None:
    engine = FakeEngine(room=50)
    utterance = of(engine, 0)
    await heard(utterance, engine, *[SPEECH] * 30, *[SILENCE] * 10)
    finishing = asyncio.create_task(utterance.finish())
    await settle()
    assert not finishing.done()
    for _ in range(50):
        engine.tick()
    assert (await finishing).text == str(30 + TAIL)
    assert engine.finals == []


async def test_while_the_caller_speaks_there_are_partial_texts() -> None:
    engine = FakeEngine()
    utterance = of(engine)
    await heard(utterance, engine, *[SPEECH] * 20)
    assert (engine.asked, utterance.partial) == ([(20, False)], "20")
    await heard(utterance, engine, *[SPEECH] * 20)
    assert [chunks for chunks, _ in engine.asked] == [20, 30, 40]
    assert (await utterance.finish()).text == "anew 40", "the caller had not stopped"


async def test_slow_decodings_are_fewer() -> None:
    """After one that took 19 chunks of the caller's time, 57 without one: a quarter of the time."""
    engine = FakeEngine(room=20)
    utterance = of(engine)
    await heard(utterance, engine, *[SPEECH] * 200)
    assert [chunks for chunks, _ in engine.asked] == [20, 96, 172]
    utterance.cancel()


async def test_nothing_is_asked_for_while_there_is_no_room() -> None:
    engine = FakeEngine(room=None)
    utterance = of(engine)
    await heard(utterance, engine, *[SPEECH] * 40, *[SILENCE] * 10)
    assert utterance.partial == ""
    assert (await utterance.finish()).text == "anew 50"


async def test_what_was_not_the_end_is_withdrawn() -> None:
    engine = FakeEngine(room=50)
    utterance = of(engine, 0)
    await heard(utterance, engine, *[SPEECH] * 30, *[SILENCE] * 8, SPEECH)
    assert engine.withdrawn == 1
    await heard(utterance, engine, *[SPEECH] * 5, *[SILENCE] * TAIL)
    assert [likely for _, likely in engine.asked] == [True, True]
    utterance.cancel()
    utterance.cancel()


async def test_a_rolling_decoding_that_is_superseded_is_dropped() -> None:
    engine = FakeEngine(room=50)
    utterance = of(engine)
    await heard(utterance, engine, *[SPEECH] * 30, *[SILENCE] * 10)
    assert engine.asked == [(20, False)], "one at a time"
    assert (await utterance.finish()).text == "anew 40"
    assert all(future.cancelled() for _, _, future in engine._open)


async def test_a_decoding_that_fails_is_not_asked_for_again_in_the_same_pause() -> None:
    engine = FakeEngine(room=50)
    utterance = of(engine, 0)
    await heard(utterance, engine, *[SPEECH] * 30, *[SILENCE] * TAIL)
    engine.fail()
    await settle()
    await heard(utterance, engine, *[SILENCE] * 20)
    assert len(engine.asked) == 1
    assert (await utterance.finish()).text == f"anew {50 + TAIL}"


async def test_longer_than_a_window_nothing_is_decoded_ahead() -> None:
    engine = FakeEngine(room=None)
    utterance = of(engine)
    utterance.feed(tone(400, 30.0))
    engine.room = 0
    await heard(utterance, engine, *[SILENCE] * 20)
    assert engine.asked == []
    assert (await utterance.finish()).text.startswith("anew")


LINES = st.lists(st.tuples(st.booleans(), st.integers(1, 40)), max_size=12)


@settings(deadline=None, max_examples=150)
@given(LINES, st.integers(0, 60), st.sampled_from([0, 100, 400]))
async def test_a_final_text_covers_all_speech(
    line: list[tuple[bool, int]], takes: int, every_ms: int
) -> None:
    """However the caller speaks and however slow decoding is, unless it is made anew."""
    engine = FakeEngine(room=takes)
    utterance = of(engine, every_ms)
    chunks = [SPEECH if speech else SILENCE for speech, times in line for _ in range(times)]
    await heard(utterance, engine, *chunks)
    spoken = max((n for n, (_, speech) in enumerate(chunks, 1) if speech), default=0)
    finishing = asyncio.create_task(utterance.finish())
    for _ in range(takes + 1):
        await settle(2)
        engine.tick()
    text = (await finishing).text
    if text.startswith("anew"):
        assert text == f"anew {len(chunks)}"
    else:
        assert int(text) >= spoken + TAIL
    assert all(future.done() for _, _, future in engine._open)
    rolling = [chunks for chunks, likely in engine.asked if not likely]
    least = max(every_ms // CHUNK_MS, 4 * (takes - 1))  # an answer is taken in the chunk it comes with
    assert all(b - a >= least for a, b in pairwise(rolling))


# --- who is computed first ------------------------------------------------------------------------------


class Slow:
    """Batches whose computing the test lets through, in a thread of its own."""

    def __init__(self, workers: int = 1, most: int = 8) -> None:
        self.batches: Batches[str, str]
        self.ran: list[list[str]] = []
        self.workers, self.most = workers, most

    def __enter__(self) -> Slow:
        self.gate = asyncio.Event()
        loop = asyncio.get_running_loop()

        def run(payloads: Sequence[str]) -> Sequence[str]:
            self.ran.append(list(payloads))
            asyncio.run_coroutine_threadsafe(self.gate.wait(), loop).result(60)
            return list(payloads)

        self.batches = Batches(
            run, supplier="whisper", workers=self.workers, most=self.most, wait_s=0.0, most_waiting=9,
            hangs_after_s=60, on_broken=lambda _: None,
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not holds():
                await asyncio.sleep(0)


async def test_final_ones_go_first_and_spare_ones_only_where_nothing_is_to_do() -> None:
    with Slow(most=1) as slow:
        batches = slow.batches
        first = batches.submit("k", "spare", Urgency.SPARE)
        await slow.until(lambda: slow.ran == [["spare"]])
        assert not batches.room_for(Urgency.SPARE), "its only worker is busy"
        with pytest.raises(ProviderError):
            batches.submit("k", "another", Urgency.SPARE)
        likely = batches.submit("k", "likely", Urgency.LIKELY)
        final = batches.submit("k", "final")
        assert not batches.room_for(Urgency.LIKELY), "a batch of one waits"
        slow.gate.set()
        assert [await one for one in (first, likely, final)] == ["spare", "likely", "final"]
        assert slow.ran == [["spare"], ["final"], ["likely"]]
        await batches.close()


async def test_who_is_waited_for_now_is_hurried() -> None:
    with Slow(most=2) as slow:
        batches = slow.batches
        first = batches.submit("k", "first")
        await slow.until(lambda: slow.ran == [["first"]])
        one, two = batches.submit("a", "one", Urgency.LIKELY), batches.submit("b", "two", Urgency.LIKELY)
        batches.hurry(two)
        gone = batches.submit("c", "gone")
        batches.withdraw(gone)
        batches.withdraw(first)  # it is being computed: it goes on
        slow.gate.set()
        assert [await each for each in (first, one, two)] == ["first", "one", "two"]
        assert slow.ran == [["first"], ["two"], ["one"]]
        assert gone.cancelled()
        await batches.close()


async def test_one_of_several_workers_stays_free_of_spare_ones() -> None:
    with Slow(workers=3, most=1) as slow:
        batches = slow.batches
        spare = [batches.submit("k", str(n), Urgency.SPARE) for n in range(1)]
        await slow.until(lambda: len(slow.ran) == 1)
        spare.append(batches.submit("k", "second", Urgency.SPARE))
        await slow.until(lambda: len(slow.ran) == 2)
        assert not batches.room_for(Urgency.SPARE)
        assert batches.room_for(Urgency.FINAL)
        slow.gate.set()
        await asyncio.gather(*spare)
        await batches.close()


# --- the real engine --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return said.speaking_model(tmp_path_factory.mktemp("whisper"))


async def test_the_pause_finds_its_text_decoded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    gate.open.set()
    async with running(folder, partial_every_ms=0) as recogniser:
        utterance = recogniser.open("k")
        utterance.feed(tone(said.BOOK, 1.2))
        for _ in range(TAIL):
            utterance.feed(bytes(CHUNK_BYTES), False)
        async with asyncio.timeout(60):
            while not utterance.partial:
                await asyncio.sleep(0.001)
        result = await utterance.finish()
        assert result.text == utterance.partial == "can i see doctor patel on tuesday"
        assert result.confidence > 0.8
        assert gate.sizes == [1], "decoded once"


async def test_partial_texts_are_the_models(folder: Path) -> None:
    async with running(folder, partial_every_ms=100) as recogniser:
        utterance = recogniser.open("k")
        utterance.feed(tone(said.THANKS, 1.0))
        async with asyncio.timeout(60):
            while not utterance.partial:
                await asyncio.sleep(0.001)
        assert utterance.partial == "no thank you"
        assert (await utterance.finish()).text == "no thank you"


async def test_a_final_text_waits_for_no_partial_of_another_call(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one is computed no further partial is begun; the final one is next."""
    gate = Gate(monkeypatch)
    async with running(folder, partial_every_ms=100, batch=1) as recogniser:
        speaks, ends = recogniser.open("k"), recogniser.open("k")
        speaks.feed(tone(said.BOOK, 1.0))
        await gate.reached()  # the only worker computes a partial
        ends.feed(tone(said.THANKS, 1.0))
        assert recogniser.waiting == 0, "no partial waits"
        finishing = asyncio.create_task(ends.finish())
        while not recogniser.waiting:
            await asyncio.sleep(0)
        gate.open.set()
        assert (await finishing).text == "no thank you"
        assert gate.sizes == [1, 1]
        speaks.cancel()


async def test_silence_decodes_nothing_ahead(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    async with running(folder, partial_every_ms=100) as recogniser:
        utterance = recogniser.open("k")
        for _ in range(100):
            utterance.feed(bytes(CHUNK_BYTES), False)
        assert (await utterance.finish()).text == ""
        assert gate.sizes == []
