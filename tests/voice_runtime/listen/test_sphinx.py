"""The recogniser's pool: words, confidence, and everything that can happen to a process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from controls.errors import InternalError, OperatorError, ProviderError
from controls.intents import Intent, intent
from tests import audio
from voice_runtime.listen.phrase_model import DIGITS
from voice_runtime.listen.sphinx import SphinxRecogniser, SphinxUtterance, UnknownSounds, UnknownWords
from voice_runtime.ports import Hints, Recognition
from voice_runtime.urgent_phrases import urgent_sentences

pytestmark = pytest.mark.anyio

DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday"]
PHRASES = [
    *(f"can i see doctor {name} on {day}" for name in ("patel", "okafor") for day in DAYS),
    *(f"i would like to see doctor {name} on {day}" for name in ("patel", "okafor") for day in DAYS),
    *(f"on {day}" for day in DAYS),
    *(f"{at}{hour}" for at in ("", "at ") for hour in ("nine", "ten", "half past two")),
    *DIGITS,
    *"""yes;yes please;no;no thank you;is this rash serious;let me talk to a person;i want to speak to a human
    person;operator;what time do you open;when do you close;where are you;are you a robot;stop;stop calling me
    cancel my appointment;i want to book an appointment;i have chest pain;i can't breathe;thank you;goodbye
    mhm;uh huh;okay;right;how long is the wait;do you take my insurance""".replace("\n", ";").split(";"),
]
PHRASES = [p.strip() for p in PHRASES]
SENTENCES = urgent_sentences(Path(__file__).parents[3] / "configs" / "rules", "en-US")
SOUNDS = {"okafor": "OW K AH F ER"}
DEMO = """can i see doctor patel on tuesday;at ten;yes;is this rash serious;let me talk to a person
what time do you open;are you a robot;yes please;five five five one two three four;no thank you
i would like to see doctor okafor on thursday;four one five five five five zero one two three
stop""".replace("\n", ";").split(";")
OUTSIDE = """the weather in paris is lovely this time of year;please order me a large pepperoni pizza
quantum mechanics is confusing;we went sailing along the coast last summer
how many bananas are in the basket;she bought a new bicycle yesterday""".replace("\n", ";").split(";")


@asynccontextmanager
async def pool(
    processes: int = 1, deadline_s: float = 60.0, per_process: int = 4
) -> AsyncIterator[SphinxRecogniser]:
    recogniser = SphinxRecogniser(processes, deadline_s, per_process=per_process)
    await recogniser.start()
    try:
        await recogniser.load("k", Hints("en-US", tuple(PHRASES), (), SOUNDS))
        yield recogniser
    finally:
        await recogniser.close()


async def speak(utterance: SphinxUtterance, text: str, voice: str = "rms") -> None:
    for chunk in audio.chunks(audio.silence(300) + await audio.said(text, voice) + audio.silence(200)):
        utterance.feed(chunk)


async def recognised(recogniser: SphinxRecogniser, text: str, voice: str = "rms") -> Recognition:
    utterance = recogniser.open("k")
    await speak(utterance, text, voice)
    return await utterance.finish()


async def test_word_errors_of_the_demos_sentences(needs_system: Callable[..., None]) -> None:
    """The CI's check: the demo's caller (rms), and every other flite voice, under 15 %."""
    needs_system("flite")
    async with pool(2) as recogniser:
        for voice in ("rms", "slt", "awb", "kal"):
            heard = await asyncio.gather(*(recognised(recogniser, s, voice) for s in DEMO))
            rate = audio.word_error_rate([(s, h.text) for s, h in zip(DEMO, heard, strict=True)])
            assert rate < (0.05 if voice == "rms" else 0.15), f"{voice}: {rate:.0%}"


async def test_confidence_tells_known_phrases_from_other_speech(needs_system: Callable[..., None]) -> None:
    needs_system("flite")
    async with pool(2) as recogniser:
        inside = await asyncio.gather(*(recognised(recogniser, s) for s in DEMO))
        outside = await asyncio.gather(*(recognised(recogniser, s) for s in OUTSIDE))
    assert all(0.0 <= r.confidence <= 1.0 for r in (*inside, *outside))
    assert min(r.confidence for r in inside) > 0.4
    assert max(r.confidence for r in outside) < 0.4


async def test_partials_come_while_the_caller_speaks(needs_system: Callable[..., None]) -> None:
    needs_system("flite")
    async with pool() as recogniser:
        utterance = recogniser.open("k")
        assert utterance.partial == ""
        said = await audio.said("can i see doctor patel on tuesday", "rms")
        for chunk in audio.chunks(audio.silence(300) + said):
            utterance.feed(chunk)
        async with asyncio.timeout(60):
            while "doctor patel" not in utterance.partial:
                await asyncio.sleep(0.01)
        assert (await utterance.finish()).text == "can i see doctor patel on tuesday"


async def test_one_callers_line_is_never_in_anothers_result(needs_system: Callable[..., None]) -> None:
    needs_system("flite")
    async with pool() as recogniser:
        alone = await recognised(recogniser, "can i see doctor okafor on friday")
        await recognised(recogniser, "let me talk to a person", "slt")
        one, other = recogniser.open("k"), recogniser.open("k")
        said = [
            await audio.said("can i see doctor okafor on friday", "rms"),
            await audio.said("at ten", "awb"),
        ]
        lines = [audio.chunks(audio.silence(300) + s + audio.silence(200)) for s in said]
        for i in range(max(map(len, lines))):
            for utterance, line in zip((one, other), lines, strict=True):
                if i < len(line):
                    utterance.feed(line[i])
        assert await one.finish() == alone
        assert (await other.finish()).text == "at ten"


@pytest.mark.parametrize("pcm", [b"", b"\0", bytes(333), bytes(16000), audio.noise(800)])
async def test_sound_without_words_is_recognised_as_little(pcm: bytes) -> None:
    async with pool() as recogniser:
        utterance = recogniser.open("k")
        utterance.feed(pcm)
        result = await utterance.finish()
        assert not result.text or result.confidence < 0.4


# -- the second reading ------------------------------------------------------------------------------

#: None of them is in the agent's phrases or an example of a pack: emergencies said in other words.
URGENT = """my friend stopped breathing and he is turning blue;there's blood everywhere and he won't wake up
please send an ambulance right away;the whole kitchen is on fire""".replace("\n", ";").split(";")
ORDINARY = """can i see doctor patel on tuesday;at ten;what time do you open;no thank you
five five five one two three four""".replace("\n", ";").split(";")


@asynccontextmanager
async def second_reader() -> AsyncIterator[SphinxRecogniser]:
    async with pool(2) as recogniser:
        await recogniser.load("k", Hints("en-US", tuple(PHRASES), (), SOUNDS, SENTENCES))
        yield recogniser


async def test_emergencies_in_other_words_are_in_the_second_reading(
    needs_system: Callable[..., None],
) -> None:
    """The voice a demo's caller has says four: at least three are emergencies to the rules, none before."""
    needs_system("flite")
    async with second_reader() as recogniser:
        heard = await asyncio.gather(*(recognised(recogniser, s) for s in URGENT))
    named = [any(intent(text, "en-US") is Intent.EMERGENCY for text in h.also) for h in heard]
    assert sum(named) >= 3, [h.also for h in heard]
    sure = [h.text for h in heard if h.confidence >= 0.4]
    assert not any(intent(text, "en-US") is Intent.EMERGENCY for text in sure)


async def test_the_second_reading_leaves_the_first_as_it_was_and_finds_nothing_in_it(
    needs_system: Callable[..., None],
) -> None:
    needs_system("flite")
    async with pool(2) as recogniser:
        before = await asyncio.gather(*(recognised(recogniser, s) for s in ORDINARY))
    async with second_reader() as recogniser:
        after = await asyncio.gather(*(recognised(recogniser, s) for s in ORDINARY))
    assert [(h.text, h.confidence) for h in before] == [(h.text, h.confidence) for h in after]
    assert not any(h.also for h in before)
    assert not [
        text for h in after for text in h.also if intent(text, "en-US") in (Intent.EMERGENCY, Intent.PERSON)
    ]


async def test_a_person_asked_for_in_other_words_is_in_the_second_reading(
    needs_system: Callable[..., None],
) -> None:
    needs_system("flite")
    async with second_reader() as recogniser:
        heard = await recognised(recogniser, "could you put me through to a real person")
    assert [intent(text, "en-US") for text in heard.also] == [Intent.PERSON]


@pytest.mark.parametrize("pcm", [b"", bytes(333), bytes(16000), audio.noise(800), audio.noise(3000)])
async def test_sound_without_words_is_no_emergency(pcm: bytes) -> None:
    async with second_reader() as recogniser:
        utterance = recogniser.open("k")
        utterance.feed(pcm)
        assert not [t for t in (await utterance.finish()).also if intent(t, "en-US") is not None]


async def test_words_nobody_can_pronounce_cost_their_sentences_only() -> None:
    async with pool() as recogniser:
        await recogniser.load("k", Hints("en-US", tuple(PHRASES), (), SOUNDS, ("zorbax", "quillfeather now")))
        assert (await recogniser.open("k").finish()).also == ()


# -- places ------------------------------------------------------------------------------------------


async def test_an_utterance_without_a_place_keeps_its_samples(needs_system: Callable[..., None]) -> None:
    needs_system("flite")
    async with pool(per_process=1) as recogniser:
        first, second = recogniser.open("k"), recogniser.open("k")
        assert (recogniser.decoding, recogniser.waiting) == (1, 1)
        await speak(second, "at ten")
        finishing = asyncio.create_task(second.finish())
        await asyncio.sleep(0)
        assert not finishing.done()
        await speak(first, "yes please")
        assert (await first.finish()).text == "yes please"
        assert (await finishing).text == "at ten"
        assert (recogniser.decoding, recogniser.waiting) == (0, 0)


async def test_what_waits_is_bounded() -> None:
    async with pool(per_process=1) as recogniser:
        recogniser.open("k")
        waiting = recogniser.open("k")
        for _ in range(45):
            waiting.feed(bytes(16000))
        with pytest.raises(ProviderError, match="free"):
            await waiting.finish()
        assert recogniser.waiting == 0


async def test_cancelling_gives_the_place_back(needs_system: Callable[..., None]) -> None:
    needs_system("flite")
    async with pool(per_process=1) as recogniser:
        first, second = recogniser.open("k"), recogniser.open("k")
        await speak(first, "let me talk to a person")
        await speak(second, "at ten")
        first.cancel()
        first.cancel()
        first.feed(bytes(320))
        assert (await second.finish()).text == "at ten"


async def test_cancelling_whoever_waits_for_the_text_gives_the_place_back() -> None:
    async with pool(per_process=1) as recogniser:
        utterance = recogniser.open("k")
        for _ in range(200):
            utterance.feed(bytes(3200))
        finishing = asyncio.create_task(utterance.finish())
        await asyncio.sleep(0)
        finishing.cancel()
        await asyncio.gather(finishing, return_exceptions=True)
        assert recogniser.decoding == 0
        assert (await recogniser.open("k").finish()).text == ""


# -- faults ------------------------------------------------------------------------------------------


async def test_a_deadline_is_kept_and_says_so() -> None:
    async with pool(deadline_s=0.2) as recogniser:
        os.kill(recogniser.pids[0], signal.SIGSTOP)  # a process that hangs
        utterance = recogniser.open("k")
        utterance.feed(bytes(3200))
        with pytest.raises(ProviderError, match="too long") as raised:
            await utterance.finish()
        assert isinstance(raised.value.__cause__, TimeoutError)
        before = recogniser.pids
        async with asyncio.timeout(60):  # it is replaced
            while not recogniser.pids or recogniser.pids == before:
                await asyncio.sleep(0.02)
            while True:
                try:
                    await recogniser.open("k").finish()
                    break
                except ProviderError:
                    pass


async def test_a_process_that_dies_fails_its_utterances_and_is_replaced(
    needs_system: Callable[..., None],
) -> None:
    needs_system("flite")
    async with pool(2) as recogniser:
        before = set(recogniser.pids)
        utterances = [recogniser.open("k") for _ in range(2)]
        victim = utterances[0].process
        assert victim is not None
        assert utterances[1].process is not victim, "the least busy process takes the next"
        os.kill(victim.pid, signal.SIGKILL)
        await speak(utterances[1], "yes")
        with pytest.raises(ProviderError):
            await utterances[0].finish()
        assert (await utterances[1].finish()).text == "yes"
        async with asyncio.timeout(60):
            while len(recogniser.pids) < 2:
                await asyncio.sleep(0.02)
        assert victim.pid not in recogniser.pids
        assert len(set(recogniser.pids) & before) == 1
        texts = await asyncio.gather(*(recognised(recogniser, "at ten") for _ in range(4)))
        assert {t.text for t in texts} == {"at ten"}, "the new process knows the phrases too"


async def test_closing_leaves_nothing_and_fails_what_is_open() -> None:
    async with pool(2, per_process=1) as recogniser:
        pids = recogniser.pids
        utterances = [recogniser.open("k") for _ in range(3)]
        finishing = [asyncio.create_task(u.finish()) for u in utterances]
        await asyncio.sleep(0)
        os.kill(pids[0], signal.SIGSTOP)
        await recogniser.close()
        await recogniser.close()
        results = await asyncio.gather(*finishing, return_exceptions=True)
        assert all(isinstance(r, ProviderError | Recognition) for r in results)
        assert isinstance(results[2], ProviderError)
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_decoders_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import asyncio, sys
        from voice_runtime.listen.sphinx import SphinxRecogniser
        async def main():
            recogniser = SphinxRecogniser(2)
            await recogniser.start()
            print(*recogniser.pids, flush=True)
            await asyncio.sleep(60)
        asyncio.run(main())
    """)
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        stderr=subprocess.DEVNULL,
    ) as parent:
        assert parent.stdout is not None
        pids = [int(p) for p in parent.stdout.readline().split()]
        assert len(pids) == 2
        parent.kill()
    deadline = time.monotonic() + 60
    while any(_alive(pid) for pid in pids):
        assert time.monotonic() < deadline, "a decoder outlived its parent"
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


# -- phrases -------------------------------------------------------------------------------------------


async def test_phrases_that_cannot_be_used_are_named() -> None:
    async with pool() as recogniser:
        with pytest.raises(UnknownWords) as unknown:
            await recogniser.load("x", Hints("en-US", ("hello doctor quillfeather", "zorbax"), (), {}))
        assert unknown.value.words == ("quillfeather", "zorbax")
        with pytest.raises(UnknownSounds) as strange:
            await recogniser.load("x", Hints("en-US", ("zorbax",), (), {"zorbax": "Z OR B AKS"}))
        assert strange.value.words == ("zorbax",)
        with pytest.raises(UnknownSounds):
            await recogniser.load("x", Hints("en-US", ("zorbax",), (), {"zorbax": ""}))
        with pytest.raises(OperatorError, match="English only"):
            await recogniser.load("x", Hints("es-US", ("hola",)))
        with pytest.raises(OperatorError, match="phrases"):
            await recogniser.load("x", Hints("en-US", (), (), {}))
        with pytest.raises(InternalError, match="phrase model"):
            recogniser.open("x")
        assert (await recogniser.open("k").finish()).text == ""


async def test_two_releases_keep_their_own_phrases(needs_system: Callable[..., None]) -> None:
    needs_system("flite")
    async with pool() as recogniser:
        await recogniser.load("other", Hints("en-US", ("talk to the parson", "let me walk"), (), {}))
        utterance = recogniser.open("other")
        await speak(utterance, "let me talk to a person")
        assert "person" not in (await utterance.finish()).text
        assert (await recognised(recogniser, "let me talk to a person")).text == "let me talk to a person"


async def test_an_utterance_is_finished_once() -> None:
    async with pool() as recogniser:
        utterance = recogniser.open("k")
        await utterance.finish()
        with pytest.raises(InternalError):
            await utterance.finish()
