"""Whisper's pure parts: windows, prompts, confidence, texts nobody said, batches, and fetching weights."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import OperatorError, ProviderError
from tests.simulators import whisper_model as said
from tests.simulators.whisper_model import tone
from voice_runtime.listen.whisper_audio import LONGEST_WINDOW_S, log_mel, pieces, widen, window_s
from voice_runtime.listen.whisper_batches import Batches, Job, take
from voice_runtime.listen.whisper_decoder import WhisperDecoder, _total_length
from voice_runtime.listen.whisper_prompt import MOST_HOTWORD_TOKENS, MOST_TOKENS, Prompt, whisper_language
from voice_runtime.listen.whisper_text import Decoded, compression_ratio, confidence, echoes, judge
from voice_runtime.listen.whisper_weights import missing, repository, weights

log_probabilities = st.floats(-50, 0)
probabilities = st.floats(0, 1)


# --- windows --------------------------------------------------------------------------------------


@given(st.floats(0.1, 30), st.floats(0.5, 30))
def test_a_window_holds_the_speech_and_is_never_under_the_floor(seconds: float, floor: float) -> None:
    window = window_s(seconds, floor)
    assert window >= min(LONGEST_WINDOW_S, max(seconds, floor))
    assert window <= LONGEST_WINDOW_S
    assert window * 2 == round(window * 2)
    assert window < max(seconds, floor) + 0.5 + 1e-9


@given(st.integers(0, 100 * 8000))
def test_pieces_are_the_whole_utterance_in_order(samples: int) -> None:
    pcm = np.arange(samples, dtype="<i4").astype("<i2").tobytes()
    parts = list(pieces(pcm))
    assert b"".join(parts) == pcm
    assert all(len(p) <= 30 * 16000 for p in parts)
    assert all(len(p) >= 24 * 16000 for p in parts[:-1])


def test_long_speech_is_cut_where_it_is_quietest() -> None:
    first, second = pieces(tone(400, 26.0) + bytes(4800) + tone(400, 10.0))
    assert 26.0 <= len(first) / 16000 <= 26.3
    assert len(second)


def test_samples_become_16_khz_at_once() -> None:
    wide = widen(tone(1000, 1.0))
    assert len(wide) == 16000
    spectrum = np.abs(np.fft.rfft(wide))
    assert int(np.argmax(spectrum)) == 1000
    assert spectrum[7000] < spectrum[1000] * 1e-4  # no image of it above the old band


def test_features_are_as_long_as_the_window() -> None:
    mel = log_mel(FeatureExtractor(), tone(1000, 1.3), 2.0)
    assert mel.shape == (80, 200)
    assert mel[:, :120].max() > mel[:, 140:].max()


# --- prompts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("en-US", "en"),
        ("es-US", "es"),
        ("zh-HK", "yue"),
        ("zh_Hans_CN", "zh"),
        ("nb-NO", "no"),
        ("fil", "tl"),
    ],
)
def test_languages_are_called_as_whisper_calls_them(tag: str, code: str) -> None:
    assert whisper_language(tag, multilingual=True) == code


@given(st.floats(0, 30), st.sampled_from(["en", "es", "hi", "th"]))
def test_the_limit_grows_with_the_speech_and_ends_at_whispers_own(seconds: float, language: str) -> None:
    prompt = Prompt(language)
    assert 16 <= prompt.limit(seconds) <= prompt.limit(seconds + 1) <= MOST_TOKENS


@given(st.integers(3, 80), st.integers(1, 224))
def test_ctranslate2_is_given_room_for_that_many_tokens(prompt: int, most: int) -> None:
    total = _total_length(prompt, most)
    assert min(total // 2, total - prompt) >= min(most, 448 // 2)


def test_hotwords_are_bounded_at_whole_words(tmp_path: Path) -> None:
    decoder = WhisperDecoder(
        said.speaking_model(tmp_path), device="cpu", compute="int8", threads=1, workers=1, shortest_window_s=2
    )
    prompt = decoder.prompt("en", [f"name{i}" for i in range(100)])
    assert 0 < len(prompt.hotwords) <= MOST_HOTWORD_TOKENS
    assert prompt.left_out == 100 - len(prompt.terms)
    assert decoder.prompt("en", ["Patel", " Patel ", ""]).terms == ("Patel",)
    assert decoder.prompt("en", []).hotwords == ()


# --- confidence, and what was not said ------------------------------------------------------------


@given(log_probabilities, log_probabilities, probabilities, probabilities)
def test_confidence_is_monotone_and_within_bounds(a: float, b: float, n: float, m: float) -> None:
    low, high = sorted((a, b))
    little, much = sorted((n, m))
    assert 0 <= confidence(low, much) <= confidence(high, much) <= confidence(high, little) <= 1


def test_a_probable_text_is_believed_although_nobody_seems_to_speak() -> None:
    assert confidence(-0.1, 0.99) > 0.4
    assert confidence(-1.01, 0.0) < 0.4
    assert confidence(float("nan"), 0.0) == 0.0


def decoded(text: str, log_probability: float = -0.2, no_speech: float = 0.1, **more: Any) -> Decoded:
    return Decoded(tuple(range(len(text.split()))), text, log_probability, no_speech, **more)


@pytest.mark.parametrize(
    "nobody",
    [
        decoded("thanks for watching", -1.4, 0.9),
        decoded("no " * 60),
        decoded(" . ! "),
        decoded("Patel, Okafor, Meadowbrook."),
        decoded("Okafor, Meadowbrook, Lindqvist"),
    ],
)
def test_texts_nobody_said_are_left_out(nobody: Decoded) -> None:
    terms = ("Patel", "Okafor", "Meadowbrook", "Lindqvist")
    assert judge([nobody], terms).text == ""
    assert judge([nobody, decoded("on tuesday")], terms).text == "on tuesday"


@pytest.mark.parametrize(
    "text", ["Patel or Okafor", "Okafor, Patel", "no no no no", "Patel, Okafor, Meadowbrook on Tuesday"]
)
def test_texts_somebody_may_have_said_stay(text: str) -> None:
    assert judge([decoded(text)], ("Patel", "Okafor", "Meadowbrook")).text == text


def test_a_cut_decoding_is_believed_half() -> None:
    assert judge([decoded("on tuesday", cut=True)], ()).confidence == pytest.approx(
        judge([decoded("on tuesday")], ()).confidence / 2
    )


@given(st.lists(st.text(max_size=20), max_size=6), st.text(max_size=60))
def test_nothing_breaks_the_guard(terms: list[str], text: str) -> None:
    echoes(text, terms)
    assert compression_ratio(text) >= 0
    result = judge([decoded(text)], terms)
    assert 0 <= result.confidence <= 1


# --- batches --------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=30), st.integers(1, 8))
def test_batches_are_fair_of_one_kind_and_lose_nobody(wanted: list[tuple[int, bool]], most: int) -> None:
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        jobs: list[Job[int, int]] = []
        for n, (key, withdrawn) in enumerate(wanted):
            job: Job[int, int] = Job(key, n, loop.create_future())
            if withdrawn:
                job.result.cancel()
            jobs.append(job)
        waiting, taken = list(jobs), []
        left = [job for job in jobs if not job.result.cancelled()]
        while batch := take(waiting, most):
            assert batch[0] is next(job for job in left if job not in taken)  # the oldest, always
            assert len({job.key for job in batch}) == 1
            assert len(batch) <= most
            assert [job.payload for job in batch] == sorted(job.payload for job in batch)
            taken += batch
        assert set(taken) == set(left)
        assert waiting == []


@pytest.mark.anyio
async def test_more_than_can_wait_are_refused() -> None:
    broken: list[str] = []
    batches: Batches[int, int] = Batches(
        lambda payloads: [2 * n for n in payloads],
        supplier="whisper",
        workers=1,
        most=2,
        wait_s=0.01,
        most_waiting=1,
        hangs_after_s=20,
        on_broken=broken.append,
    )
    try:
        first = batches.submit("a", 1)
        with pytest.raises(ProviderError, match="too many"):
            batches.submit("a", 2)
        assert await first == 2
        assert await batches.submit("b", 3) == 6
    finally:
        await batches.close()
    with pytest.raises(ProviderError, match="closed"):
        batches.submit("a", 4)
    assert broken == []


@pytest.mark.anyio
async def test_a_full_batch_waits_for_nobody() -> None:
    sizes: list[int] = []

    def run(payloads: Any) -> list[int]:
        sizes.append(len(payloads))
        return list(payloads)

    batches: Batches[int, int] = Batches(
        run,
        supplier="whisper",
        workers=1,
        most=3,
        wait_s=3600,
        most_waiting=9,
        hangs_after_s=20,
        on_broken=lambda _: None,
    )
    try:
        assert await asyncio.gather(*(batches.submit("a", n) for n in range(3))) == [0, 1, 2]
        assert sizes == [3]
    finally:
        await batches.close()


# --- weights --------------------------------------------------------------------------------------


def test_a_download_happens_only_when_the_profile_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def snapshot_download(name: str, *, local_dir: Path, allow_patterns: list[str]) -> None:
        asked.append(name)
        said.speaking_model(local_dir)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    folder = tmp_path / "base"
    with pytest.raises(OperatorError, match="no Whisper weights"):
        weights(folder, "base", download=False)
    assert asked == []
    assert weights(folder, "base", download=True) == folder
    assert weights(folder, "base", download=True) == folder
    assert asked == ["Systran/faster-whisper-base"]
    (folder / "tokenizer.json").unlink()
    assert missing(folder) == ["tokenizer.json"]


def test_a_download_that_fails_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: Any, **__: Any) -> None:
        raise ConnectionError("secret-host.example refused")

    monkeypatch.setattr("huggingface_hub.snapshot_download", no_network)
    with pytest.raises(OperatorError, match=r"could not be downloaded.*\(ConnectionError\).*download: false"):
        weights(tmp_path, "base", download=True)
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: None)
    with pytest.raises(OperatorError, match="holds no CTranslate2 model"):
        weights(tmp_path, "base", download=True)
    with pytest.raises(OperatorError, match="no Whisper model is called basic"):
        repository("basic")
    assert repository("clinic/whisper-tuned") == "clinic/whisper-tuned"
