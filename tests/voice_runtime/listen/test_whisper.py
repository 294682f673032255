"""faster-whisper's real code on a model written from scratch: text, batches, languages, and what goes wrong.

The weights are made up (``loadtests.whisper_model``): these tests prove code, not accuracy.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from controls.errors import InternalError, OperatorError, ProviderError
from tests.simulators import whisper_model as said
from tests.simulators.whisper_model import tone
from voice_runtime.engine_settings import WhisperEngine
from voice_runtime.listen import whisper
from voice_runtime.listen.whisper import WhisperRecogniser
from voice_runtime.listen.whisper_decoder import WhisperDecoder
from voice_runtime.ports import Hints, Recognition

pytestmark = pytest.mark.anyio

ENGLISH = Hints("en-US", words=("Patel", "Okafor", "Meadowbrook"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return said.speaking_model(tmp_path_factory.mktemp("whisper"))


def settings(folder: Path, **changes: Any) -> WhisperEngine:
    return WhisperEngine(
        **{"engine": "faster-whisper", "name": "whisper", "folder": folder, "threads": 1, **changes}
    )


@asynccontextmanager
async def running(
    folder: Path, hints: Hints = ENGLISH, deadline_s: float = 60.0, **changes: Any
) -> AsyncIterator[WhisperRecogniser]:
    recogniser = WhisperRecogniser(settings(folder, **changes), deadline_s)
    await recogniser.start()
    try:
        await recogniser.load("k", hints)
        yield recogniser
    finally:
        await recogniser.close()


async def recognised(recogniser: WhisperRecogniser, pcm: bytes) -> Recognition:
    utterance = recogniser.open("k")
    for at in range(0, len(pcm), 320):
        utterance.feed(pcm[at : at + 320])
    return await utterance.finish()


class Gate:
    """Stands before ``WhisperDecoder.decode``: counts batches and lets them through when told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        self.fails: list[Exception] = []
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()
        original = WhisperDecoder.decode

        def decode(decoder: WhisperDecoder, batch: Any) -> Any:
            self.sizes.append(len(batch))
            self.entered.release()
            self.open.wait(60)
            if self.fails:
                raise self.fails.pop(0)
            return original(decoder, batch)

        monkeypatch.setattr(WhisperDecoder, "warm_up", lambda _: None)
        monkeypatch.setattr(WhisperDecoder, "decode", decode)

    async def reached(self) -> None:
        await asyncio.to_thread(self.entered.acquire, timeout=60)


async def test_a_call_is_recognised(folder: Path) -> None:
    async with running(folder) as recogniser:
        assert recogniser.digest.startswith("sha256:")
        result = await recognised(recogniser, tone(said.BOOK))
        assert result.text == "can i see doctor patel on tuesday"
        assert result.confidence > 0.8
        assert result.language == ""  # not asked: it was fixed


async def test_confidence_follows_the_models_own(folder: Path) -> None:
    async with running(folder) as recogniser:
        sure, unsure = await asyncio.gather(
            recognised(recogniser, tone(said.BOOK)), recognised(recogniser, tone(said.UNSURE))
        )
        assert unsure.text == "perhaps maybe"
        assert 0 < unsure.confidence < sure.confidence <= 1


async def test_calls_decoded_together_keep_their_own_words(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    async with running(folder, batch=8) as recogniser:
        first = asyncio.create_task(recognised(recogniser, tone(said.BOOK)))
        await gate.reached()  # the worker is busy: the others wait, and go together
        tones = [said.THANKS, said.BOOK, said.UNSURE, said.THANKS]
        others = [asyncio.create_task(recognised(recogniser, tone(hz))) for hz in tones]
        while recogniser.waiting < len(others):
            await asyncio.sleep(0)
        gate.open.set()
        texts = [r.text for r in await asyncio.gather(first, *others)]
        book, thanks = "can i see doctor patel on tuesday", "no thank you"
        assert texts == [book, thanks, book, "perhaps maybe", thanks]
        assert gate.sizes == [1, 4]


async def test_what_others_say_changes_nothing(folder: Path) -> None:
    async with running(folder, batch=8, batch_wait_ms=50) as recogniser:
        alone = await recognised(recogniser, tone(said.UNSURE))
        together = await asyncio.gather(
            *(recognised(recogniser, tone(hz)) for hz in (said.UNSURE, said.LOOP, said.BOOK))
        )
        assert together[0].text == alone.text
        assert together[0].confidence == pytest.approx(alone.confidence, abs=0.02)


async def test_windows_of_different_lengths_are_not_mixed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    gate.open.set()
    async with running(folder, batch_wait_ms=50) as recogniser:
        short, long = await asyncio.gather(
            recognised(recogniser, tone(said.BOOK)), recognised(recogniser, tone(said.THANKS, 4.2))
        )
        assert (short.text, long.text) == ("can i see doctor patel on tuesday", "no thank you")
        assert gate.sizes == [1, 1]


async def test_hotwords_stand_before_the_transcript(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(folder) as recogniser:
        assert recogniser._running is not None
        decoder = recogniser._running.decoder
        seen: list[list[int]] = []

        class Model:
            def __getattr__(self, name: str) -> Any:
                return getattr(model, name)

            def generate(self, features: Any, prompts: Any, **options: Any) -> Any:
                seen.extend(prompts)
                assert options["beam_size"] == 1
                return model.generate(features, prompts, **options)

        model = decoder._model
        monkeypatch.setattr(decoder, "_model", Model())
        assert (await recognised(recogniser, tone(said.THANKS))).text == "no thank you"
        tokens = decoder._tokenizer
        at = seen[0].index(tokens.sot)
        assert tokens.decode(seen[0][1:at]) == " Patel, Okafor, Meadowbrook"
        assert seen[0][at:] == [*tokens.sot_sequence, tokens.no_timestamps]


@pytest.mark.parametrize(
    "pcm", [b"", bytes(16000), tone(said.BOOK, 0.09), tone(said.BOOK, 1.0, amplitude=20)]
)
async def test_nothing_to_recognise_costs_no_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, pcm: bytes
) -> None:
    gate = Gate(monkeypatch)
    async with running(folder) as recogniser:
        assert await recognised(recogniser, pcm) == Recognition("", 0.0)
        assert gate.sizes == []


async def test_words_the_model_disowns_are_not_said(folder: Path) -> None:
    async with running(folder) as recogniser:
        assert (await recognised(recogniser, tone(said.HUM))).text == ""


async def test_a_decoding_that_repeats_itself_is_bounded_and_dropped(folder: Path) -> None:
    async with running(folder) as recogniser:
        assert (await recognised(recogniser, tone(said.LOOP, 6.0))).text == ""


async def test_long_speech_is_recognised_in_pieces(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    gate.open.set()
    async with running(folder) as recogniser:
        pcm = tone(said.BOOK, 27.0) + bytes(8000) + tone(said.THANKS, 20.0)
        assert (await recognised(recogniser, pcm)).text == "can i see doctor patel on tuesday no thank you"
        assert gate.sizes == [1, 1]


async def test_the_language_is_detected_where_the_profile_says_so(folder: Path) -> None:
    async with running(folder, detect_language=True) as recogniser:
        spanish = await recognised(recogniser, tone(said.SPANISH))
        assert (spanish.text, spanish.language) == ("quiero una cita mañana", "es")
        assert (await recognised(recogniser, tone(said.BOOK))).language == "en"


async def test_languages_nobody_knows_are_refused(folder: Path, tmp_path: Path) -> None:
    async with running(folder) as recogniser:
        await recogniser.load("other", Hints("es-US"))
        with pytest.raises(OperatorError, match="does not know the language tlh"):
            await recogniser.load("other", Hints("tlh"))
    english = said.speaking_model(tmp_path, multilingual=False)
    async with running(english) as recogniser:
        assert (await recognised(recogniser, tone(said.THANKS))).text == "no thank you"
        with pytest.raises(OperatorError, match="English only"):
            await recogniser.load("other", Hints("es-US"))
    with pytest.raises(OperatorError, match="detect_language: true needs multilingual"):
        await WhisperRecogniser(settings(english, detect_language=True)).start()


async def test_a_late_answer_is_a_providers_fault(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    async with running(folder, deadline_s=0.05) as recogniser:
        with pytest.raises(ProviderError, match="took too long") as caught:
            await recognised(recogniser, tone(said.BOOK))
        assert isinstance(caught.value.__cause__, TimeoutError)
        assert caught.value.supplier == "whisper"
        gate.open.set()


async def test_whoever_withdraws_while_waiting_costs_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    async with running(folder) as recogniser:
        first = asyncio.create_task(recognised(recogniser, tone(said.BOOK)))
        await gate.reached()
        second = asyncio.create_task(recognised(recogniser, tone(said.THANKS)))
        while not recogniser.waiting:
            await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        assert recogniser.waiting == 0
        gate.open.set()
        assert (await first).text
        assert gate.sizes == [1]
        utterance = recogniser.open("k")
        utterance.feed(tone(said.BOOK))
        utterance.cancel()
        utterance.cancel()
        with pytest.raises(InternalError):
            await utterance.finish()


async def test_a_failed_batch_fails_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    gate.open.set()
    gate.fails = [RuntimeError("CUDA failed with error out of memory")]
    async with running(folder) as recogniser:
        with pytest.raises(ProviderError, match=r"recognition failed \(RuntimeError\)"):
            await recognised(recogniser, tone(said.BOOK))
        assert (await recognised(recogniser, tone(said.BOOK))).text


async def test_an_engine_that_keeps_failing_is_loaded_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    gate.open.set()
    async with running(folder) as recogniser:
        gate.fails = [RuntimeError("device lost") for _ in range(3)]
        before = recogniser._running
        for _ in range(3):
            with pytest.raises(ProviderError):
                await recognised(recogniser, tone(said.BOOK))
        assert not recogniser.ready
        with pytest.raises(ProviderError, match="not running"):
            await recognised(recogniser, tone(said.BOOK))
        assert recogniser._mending is not None
        await recogniser._mending
        assert recogniser._running is not before
        assert (await recognised(recogniser, tone(said.BOOK))).text


async def test_an_engine_that_hangs_is_replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    monkeypatch.setattr(whisper, "_HANGS_AFTER_S", 0.05)
    async with running(folder) as recogniser:
        with pytest.raises(ProviderError, match="hangs"):
            await recognised(recogniser, tone(said.BOOK))
        gate.open.set()
        assert recogniser._mending is not None
        await recogniser._mending
        monkeypatch.setattr(whisper, "_HANGS_AFTER_S", 20)
        assert recogniser.ready


async def test_closing_fails_what_is_open(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    async with running(folder) as recogniser:
        first = asyncio.create_task(recognised(recogniser, tone(said.BOOK)))
        await gate.reached()
        waiting = asyncio.create_task(recognised(recogniser, tone(said.BOOK)))
        while not recogniser.waiting:
            await asyncio.sleep(0)
        closing = asyncio.create_task(recogniser.close())
        with pytest.raises(ProviderError, match="closed"):
            await waiting
        gate.open.set()
        assert (await first).text  # what was being computed is not thrown away
        await closing
        await recogniser.close()
        with pytest.raises(ProviderError):
            await recognised(recogniser, tone(said.BOOK))


async def test_hints_come_first(folder: Path) -> None:
    recogniser = WhisperRecogniser(settings(folder))
    with pytest.raises(InternalError):
        recogniser.open("k")
    with pytest.raises(InternalError):
        await recogniser.load("k", ENGLISH)


async def test_without_weights_nobody_is_asked_and_the_message_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_: Any, **__: Any) -> None:
        raise AssertionError("something looked for a network")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    with pytest.raises(OperatorError) as caught:
        await WhisperRecogniser(settings(Path("models/none")), root=tmp_path).start()
    message = str(caught.value)
    assert str(tmp_path / "models/none") in message
    assert "hf download Systran/faster-whisper-base --local-dir" in message
    assert "download: true" in message and "pocketsphinx" in message


async def test_cuda_without_a_card_says_what_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctranslate2.get_cuda_device_count", lambda: 0)
    with pytest.raises(OperatorError, match=r"no CUDA device.*device: cpu and compute: int8"):
        await WhisperRecogniser(settings(folder, device="cuda", compute="float16")).start()
    with pytest.raises(OperatorError, match="cannot compute in float16 on this cpu"):
        await WhisperRecogniser(settings(folder, compute="float16")).start()


async def test_a_broken_file_is_the_operators(folder: Path, tmp_path: Path) -> None:
    said.speaking_model(tmp_path)
    (tmp_path / "model.bin").write_bytes(b"\x06\0\0\0")
    with pytest.raises(OperatorError, match="cannot be loaded"):
        await WhisperRecogniser(settings(tmp_path)).start()
