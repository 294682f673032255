"""The recogniser for others: stock Whisper on the same weights, on the device that is there."""

from __future__ import annotations

from asyncio import to_thread
from pathlib import Path

import ctranslate2
import numpy as np
import pytest

from controls.errors import OperatorError, ProviderError
from loadtests.engines import ears
from loadtests.engines.ears import NoEars, WhisperEars, whisper_device
from loadtests.engines.known_speech import _linear, write_whisper
from voice_runtime.caller.recorded import RecordedFlite

pytestmark = pytest.mark.anyio

SENTENCES = ("can i see doctor patel on tuesday", "let me talk to a person", "yes")


async def test_windows_padded_to_30_s_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tqdm.tqdm.monitor_interval", 0)  # faster-whisper's progress bar starts a thread
    spoken = [await RecordedFlite("rms").say(text) for text in SENTENCES]
    folder = await to_thread(write_whisper, tmp_path, SENTENCES, "micro-turbo", spoken=spoken)
    recogniser = await to_thread(WhisperEars, str(folder), "cpu", 1)
    try:
        for one in spoken:
            pcm = (np.pad(_linear(one.ulaw), 1600) * 32767).astype("<i2").tobytes()
            assert await recogniser.text(pcm, 8000) == one.text
        assert recogniser.line.endswith(", one at a time, 30 s window")
    finally:
        recogniser.close()


def test_a_folder_without_a_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="does not run on cpu"):
        WhisperEars(str(tmp_path), "cpu", 1)


async def test_without_a_model_it_refuses() -> None:
    with pytest.raises(ProviderError, match="without a recogniser"):
        await NoEars().text(b"", 8000)


def test_what_keeps_it_from_the_gpu_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert whisper_device("cpu") == ("cpu", "int8", "")
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 0)
    assert whisper_device("cuda") == ("cpu", "int8", "CTranslate2 finds no CUDA device")
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 1)
    monkeypatch.setattr(ears, "_CUBLAS", "libnot-there.so.12")
    assert whisper_device("cuda")[2] == "there is no libnot-there.so.12, which CTranslate2 needs"
    monkeypatch.setattr(ears, "_CUBLAS", "libc.so.6")
    assert whisper_device("cuda") == ("cuda", "float16", "")
