"""espeak-ng in its own process: real speech, and a process that dies, stalls or is not there."""

from __future__ import annotations

import array
import asyncio
import importlib.util
import os
import signal
import struct
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import OperatorError, ProviderError
from voice_runtime.events import Word
from voice_runtime.speak import espeak, espeak_worker
from voice_runtime.speak.espeak import LONGEST_TEXT, EspeakSynthesiser, VoiceSettings

pytestmark = pytest.mark.anyio
installed = pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None and not os.environ.get("REQUIRE_ALL"),
    reason="the espeak extra is not installed",
)
VOICES = {"warm": VoiceSettings("f3", 165, 50), "quick": VoiceSettings("", 300, 50)}
#: Generous where a test is not about deadlines: this machine may be busy.
PATIENT_S = 60.0


@asynccontextmanager
async def running(
    deadline_s: float = PATIENT_S, *, processes: int = 1, queue: int = 64
) -> AsyncIterator[EspeakSynthesiser]:
    engine = EspeakSynthesiser(VOICES, deadline_s, processes=processes, queue=queue)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


async def say(
    engine: EspeakSynthesiser, text: str, language: str = "en-US", voice: str = "warm"
) -> tuple[bytes, list[Word]]:
    pcm, words = b"", []
    async for piece in engine.speak(text, language=language, voice=voice):
        first = len(pcm) // 2
        pcm += piece.pcm
        assert all(first <= w.sample < len(pcm) // 2 for w in piece.words)  # words come with their samples
        words += piece.words
    return pcm, words


def workers() -> list[int]:
    """Process ids of our own workers."""
    listing = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(p) for p in listing if b"espeak_worker" in Path(f"/proc/{p}/cmdline").read_bytes()]


def loudness(pcm: bytes) -> list[int]:
    return [abs(s) for s in array.array("h", pcm)]


@installed
async def test_words_carry_the_offsets_of_the_given_text() -> None:
    text = "Señor Peña, at 2.5\x00or 10:30? Straße 😀 call 555-0100."
    async with running() as engine:
        pcm, words = await say(engine, text)
    spoken = [text[w.start : w.end] for w in words]
    assert spoken == ["Señor", "Peña,", "at", "2.5", "or", "10:30?", "Straße", "😀", "call", "555-0100."]
    assert [w.sample for w in words] == sorted(w.sample for w in words)
    assert len(pcm) % 2 == 0
    assert 3 < len(pcm) / 16000 < 12


@installed
async def test_silence_around_a_clause_is_cut() -> None:
    async with running() as engine:
        pcm, _ = await say(engine, "Hello there.")
    loud = [i for i, s in enumerate(loudness(pcm)) if s > 100]
    assert loud[0] <= 160  # 20 ms
    assert len(pcm) // 2 - loud[-1] <= 481  # 60 ms
    assert max(loudness(pcm)) > 3000


@installed
async def test_the_same_words_give_the_same_clause_length_and_a_voice_matters() -> None:
    async with running() as engine:
        first, _ = await say(engine, "The clinic opens at nine.")
        again, _ = await say(engine, "The clinic opens at nine.")
        quick, _ = await say(engine, "The clinic opens at nine.", voice="quick")
        spanish, _ = await say(engine, "La clínica abre a las nueve.", language="es-US")
    assert abs(len(first) - len(again)) < 160
    assert len(quick) < len(first) * 0.8
    assert len(spanish) > 8000


@installed
async def test_markup_is_text_and_hostile_text_does_no_harm() -> None:
    async with running() as engine:
        plain, _ = await say(engine, "stop")
        marked, _ = await say(engine, "<break time='60s'/>stop")
        for text in [
            "[[hello]]",
            "\x1b[2J\x00\x07word",
            "\ud800 broken",
            "a" * LONGEST_TEXT,
            "😀" * 50,
            "&lt;&#0;",
        ]:
            pcm, _ = await say(engine, text)
            assert pcm
        assert len(workers()) == 1
    assert len(plain) * 2 < len(marked) < 20 * 16000  # spoken, not obeyed


@installed
@pytest.mark.parametrize(
    ("text", "language", "voice"),
    [
        ("a" * (LONGEST_TEXT + 1), "en-US", "warm"),
        ("...", "en-US", "warm"),
        ("", "en-US", "warm"),
        ("\x00\x00", "en-US", "warm"),
        ("hello", "xx-YY", "warm"),
        ("hello", "en-US", "unheard-of"),
        ("12345678901234567890 " * 150, "en-US", "warm"),
    ],
    ids=["long", "dots", "empty", "nulls", "language", "voice", "sounds-for-minutes"],
)
async def test_what_cannot_be_spoken_is_refused_and_the_process_lives(
    text: str, language: str, voice: str
) -> None:
    async with running() as engine:
        before = workers()
        with pytest.raises(ProviderError) as refused:
            await say(engine, text, language, voice)
        assert not refused.value.transient
        assert text not in str(refused.value) or not text
        assert (await say(engine, "Still here."))[0]
        assert workers() == before


@installed
async def test_many_at_once_each_get_their_own_words() -> None:
    texts = [f"This is {'very ' * (i % 5)}clause." for i in range(20)]
    async with running(processes=2) as engine:
        alone = [len((await say(engine, t))[1]) for t in texts]
        together = [len(words) for _, words in await asyncio.gather(*(say(engine, t) for t in texts))]
    assert together == alone == [len(t.split()) for t in texts]


@installed
async def test_a_request_given_up_half_way_leaves_the_pipes_in_step() -> None:
    long, short = "A long sentence that nobody wants to hear to its end. " * 20, "Hi."
    async with running() as engine:
        expected, _ = await say(engine, short)
        for pieces in range(4):
            speech = engine.speak(long, language="en-US", voice="warm")
            for _ in range(pieces):
                await anext(speech)
            await speech.aclose()  # type: ignore[attr-defined]
            assert abs(len((await say(engine, short))[0]) - len(expected)) < 160
        for _ in range(3):  # cancelled while it waits for its first samples
            task = asyncio.create_task(say(engine, long))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert abs(len((await say(engine, short))[0]) - len(expected)) < 160
        assert len(workers()) == 1


@installed
async def test_a_killed_process_fails_its_clause_and_is_replaced() -> None:
    async with running() as engine:
        (before,) = workers()
        os.kill(before, signal.SIGSTOP)  # so that it cannot answer first
        clause = asyncio.create_task(say(engine, "Hello."))
        await asyncio.sleep(0)
        os.kill(before, signal.SIGKILL)
        with pytest.raises(ProviderError) as died:
            await clause
        assert died.value.transient
        assert (await say(engine, "Hello again."))[0]  # waits for the new one
        assert workers() != [before]


@installed
async def test_a_process_that_died_while_idle_is_replaced() -> None:
    async with running() as engine:
        (before,) = workers()
        os.kill(before, signal.SIGKILL)
        while [p._process.pid for p in engine._running] in ([before], []):
            await asyncio.sleep(0.01)
        assert (await say(engine, "Hello again."))[0]


@installed
async def test_a_stalled_process_misses_its_deadline_and_is_replaced() -> None:
    async with running(deadline_s=0.2) as engine:
        (before,) = workers()
        os.kill(before, signal.SIGSTOP)
        with pytest.raises(ProviderError, match="deadline"):
            await say(engine, "Hello.")
        engine._deadline_s = PATIENT_S
        assert (await say(engine, "Hello again."))[0]
        assert before not in workers()


@installed
async def test_restarts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(espeak, "RESTARTS", 1)
    slept: list[float] = []
    gone_to_rest = asyncio.Event()

    class Clock:
        def monotonic_ns(self) -> int:
            return 0

        def unix_s(self) -> float:
            return 0.0

        async def sleep(self, seconds: float) -> None:
            slept.append(seconds)
            gone_to_rest.set()
            await asyncio.Event().wait()

    engine = EspeakSynthesiser(VOICES, 0.2, clock=Clock())
    await engine.start()
    try:
        for _ in range(2):
            while not (pids := workers()):
                await asyncio.sleep(0.01)
            os.kill(pids[0], signal.SIGKILL)
            while pids[0] in workers():
                await asyncio.sleep(0.01)
        await asyncio.wait_for(gone_to_rest.wait(), 60)
        assert slept == [espeak.RESTART_WINDOW_S]
        with pytest.raises(ProviderError):
            await say(engine, "Nobody there.")
    finally:
        await engine.close()


@installed
async def test_more_than_the_queue_holds_are_refused_at_once() -> None:
    async with running(queue=2) as engine:
        (worker,) = workers()
        os.kill(worker, signal.SIGSTOP)
        clauses = [asyncio.create_task(say(engine, "Hello.")) for _ in range(4)]
        done, _ = await asyncio.wait(clauses, return_when=asyncio.FIRST_COMPLETED)
        (refused,) = done
        assert isinstance(refused.exception(), ProviderError)
        os.kill(worker, signal.SIGCONT)
        spoken = await asyncio.gather(*clauses, return_exceptions=True)
        assert sum(isinstance(s, ProviderError) for s in spoken) == 1


@installed
async def test_closed_and_never_started_say_so() -> None:
    engine = EspeakSynthesiser(VOICES)
    with pytest.raises(ProviderError):
        await say(engine, "Hello.")
    await engine.close()
    async with running() as engine:
        pass
    assert workers() == []
    with pytest.raises(ProviderError):
        await say(engine, "Hello.")
    await engine.close()


@installed
async def test_closing_fails_what_is_under_way() -> None:
    async with running() as engine:
        (worker,) = workers()
        os.kill(worker, signal.SIGSTOP)
        clause = asyncio.create_task(say(engine, "Hello."))
        await asyncio.sleep(0)
    with pytest.raises(ProviderError):
        await clause


@installed
def test_the_worker_dies_with_its_parent() -> None:
    """A server killed outright (SIGKILL) leaves no orphan behind."""
    program = (
        "import asyncio, os, signal\n"
        "from voice_runtime.speak.espeak import EspeakSynthesiser, VoiceSettings\n"
        "async def main():\n"
        "    engine = EspeakSynthesiser({'v': VoiceSettings()})\n"
        "    await engine.start()\n"
        "    process, = engine._running\n"
        "    print(process._process.pid, flush=True)\n"
        "    os.kill(process._process.pid, signal.SIGSTOP)\n"  # stopped: it cannot notice its input end
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, text=True)
    assert done.returncode == -signal.SIGKILL
    pid = int(done.stdout)
    for _ in range(500):
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] in "ZX":
            return
        signal.sigtimedwait([], 0.01)
    pytest.fail("the worker outlived its parent")


async def test_without_the_extra_the_operator_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(OperatorError, match=r"pip install 'sayso\[espeak\]'.*GPL"):
        await EspeakSynthesiser(VOICES).start()


@pytest.mark.parametrize(
    ("variant", "rate", "pitch"), [("../x", 165, 50), ("", 20, 50), ("", 165, 120), ("f3 ", 165, 50)]
)
def test_settings_out_of_range_are_refused(variant: str, rate: int, pitch: int) -> None:
    with pytest.raises(OperatorError):
        VoiceSettings(variant, rate, pitch)


def test_no_voice_or_process_is_refused() -> None:
    with pytest.raises(OperatorError):
        EspeakSynthesiser({})
    with pytest.raises(OperatorError):
        EspeakSynthesiser(VOICES, processes=0)


def test_the_server_never_loads_espeak() -> None:
    program = (
        "import sys; import voice_runtime.speak.espeak, voice_runtime.speak.voice\n"
        "assert 'espeakng_loader' not in sys.modules\n"
        "assert 'espeak' not in open('/proc/self/maps').read()"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, capture_output=True)


# --- the worker's own arithmetic ------------------------------------------------------------------


def test_several_events_of_one_figure_are_one_word() -> None:
    events = [(0, 0), (5, 100), (6, 200), (6, 250), (5, 300), (13, 400)]
    assert espeak_worker.words_of("call 123456, now", events) == [(0, 4, 0), (5, 12, 100), (13, 16, 400)]


@given(st.text(max_size=60), st.lists(st.tuples(st.integers(-2, 70), st.integers(0, 9999)), max_size=30))
def test_words_are_in_order_and_inside_the_text(text: str, events: list[tuple[int, int]]) -> None:
    words = espeak_worker.words_of(text, events)
    assert [w[:2] for w in words] == sorted({w[:2] for w in words})
    assert all(text[a:b].strip() == text[a:b] != "" for a, b, _ in words)


@given(st.integers(0, 20_000), st.lists(st.integers(0, 19_999), max_size=20))
def test_pieces_carry_every_sample_and_word_once(samples: int, starts: list[int]) -> None:
    pcm = bytes(range(256)) * (samples // 128 + 1)
    words = [(i, i + 1, s) for i, s in enumerate(sorted(starts)) if s < samples]
    spoken = espeak_worker.Spoken(pcm[: samples * 2], words)
    speech = [espeak._speech(p) for p in espeak_worker.pieces(spoken)]
    assert b"".join(s.pcm for s in speech) == spoken.pcm
    assert [(w.start, w.end, w.sample) for s in speech for w in s.words] == words


def test_voice_names_of_a_language() -> None:
    assert espeak_worker.voice_names("en-US") == ["en-us", "en"]
    assert espeak_worker.voice_names("es-US") == ["es-us", "es-419", "es"]
    assert espeak_worker.voice_names("zh-CN") == ["zh-cn", "cmn"]


@installed
def test_the_worker_ends_on_a_broken_request() -> None:
    """Garbage on its input ends it, quietly: the client replaces it."""
    worker = [sys.executable, "-m", "voice_runtime.speak.espeak_worker", str(os.getpid())]
    for garbage in (b"", b"\x00", struct.pack("!IBI", 1 << 31, 1, 1), struct.pack("!IBI", 0, 9, 1) + b"x"):
        done = subprocess.run(worker, input=garbage, capture_output=True, timeout=30)
        assert done.returncode == 0
        assert done.stderr == b""
        assert done.stdout == espeak_worker.message(espeak_worker.HELLO, 0)
