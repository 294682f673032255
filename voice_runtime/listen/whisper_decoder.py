"""One CTranslate2 Whisper model: windows of several calls in, what was said in each out. Blocking.

Runs in worker threads (``listen.whisper_batches``); CTranslate2 releases the GIL
while it computes. Greedy, one pass: no beam, no temperature fallback, no
timestamps.

What is encoded is only as long as the speech, with a floor
(docs/decisions/0005-one-whisper-for-all-calls.md).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor
from faster_whisper.tokenizer import Tokenizer
from tokenizers import Tokenizer as Tokens

from controls.errors import OperatorError
from voice_runtime.events import RATE_HZ
from voice_runtime.listen import whisper_audio as windows
from voice_runtime.listen.whisper_prompt import Prompt, make_prompt, prompt_tokens, suppressed
from voice_runtime.listen.whisper_text import Decoded

#: Below this probability a detected language is a guess, and the agent's own is used (faster-whisper's own
#: ``language_detection_threshold``).
_SURE_OF_LANGUAGE = 0.5
#: Detection on less speech than this is no better than a guess.
_DETECTABLE_S = 1.0
_POSITIONS = 448


@dataclass(frozen=True, slots=True)
class Window:
    """One utterance, or a piece of one: 8 kHz s16le samples, and the s to encode, at most 30."""

    pcm: bytes
    seconds: float
    prompt: Prompt
    detect: bool = False

    @property
    def key(self) -> tuple[float, int, bool]:
        """Windows of one key can be decoded together: CTranslate2 wants one length, and one of prompts."""
        return self.seconds, len(self.prompt.hotwords), self.detect


class WhisperDecoder:
    """The model. Thread-safe: as many decodings run side by side as it has workers."""

    def __init__(
        self, folder: Path, *, device: str, compute: str, threads: int, workers: int, shortest_window_s: float
    ) -> None:
        """Load it and run it once (0.5 s for ``base`` on two cores).

        Args:
            folder: a complete model (``whisper_weights.weights``).
            threads: CPU threads of one decoding.
            workers: decodings side by side.

        Raises:
            OperatorError: the device, the type of computation or the files cannot be used.
        """
        self._shortest_s = shortest_window_s
        self._check(device, compute)
        try:
            self._model = ctranslate2.models.Whisper(
                str(folder),
                device=device,
                compute_type=compute,
                intra_threads=threads,
                inter_threads=workers,
            )
            tokens = Tokens.from_file(str(folder / "tokenizer.json"))
            self._extractor = FeatureExtractor(**_feature_settings(folder))
        except Exception as error:  # tokenizers raises no narrower one
            raise OperatorError(f"the Whisper model in {folder} cannot be loaded: {error}") from error
        self.multilingual: bool = self._model.is_multilingual
        self._tokenizer = Tokenizer(tokens, self.multilingual, task="transcribe", language="en")
        self._suppressed = suppressed(self._tokenizer)
        try:
            self.warm_up()
        except RuntimeError as error:  # such as a CUDA library that is not found before it is used
            raise OperatorError(f"the Whisper model in {folder} does not run on {device}: {error}") from error

    @staticmethod
    def _check(device: str, compute: str) -> None:
        if device == "cuda" and ctranslate2.get_cuda_device_count() == 0:
            raise OperatorError(
                "the profile runs Whisper on cuda, but CTranslate2 finds no CUDA device here: install the "
                "NVIDIA driver with CUDA 12, cuBLAS and cuDNN 9, or write device: cpu and compute: int8"
            )
        possible = ctranslate2.get_supported_compute_types(device)
        if compute not in possible:
            raise OperatorError(
                f"Whisper cannot compute in {compute} on this {device}: write one of "
                f"{', '.join(sorted(possible))} under compute"
            )

    # -- what others ask --------------------------------------------------------------------------

    def prompt(self, language: str, words: Sequence[str]) -> Prompt:
        """The prompt of a release in one language."""
        return make_prompt(self._tokenizer, language, words)

    def window(self, pcm: bytes, prompt: Prompt, *, detect: bool = False) -> Window:
        """Samples, at most 30 s, as a window of the right length."""
        seconds = windows.window_s(windows.speech_s(pcm), self._shortest_s)
        return Window(pcm, seconds, prompt, detect and windows.speech_s(pcm) >= _DETECTABLE_S)

    def warm_up(self) -> None:
        """One utterance of the shortest window: allocates what every later one needs."""
        prompt = self.prompt("en", ())
        samples = np.random.default_rng(1).normal(0.0, 1000.0, RATE_HZ).astype("<i2")
        self.decode([self.window(samples.tobytes(), prompt)])

    def decode(self, batch: Sequence[Window]) -> list[Decoded]:
        """Recognise windows with one ``key``, in order.

        Raises:
            RuntimeError: CTranslate2 failed.
        """
        mel = np.stack([windows.log_mel(self._extractor, w.pcm, w.seconds) for w in batch])
        features = self._model.encode(ctranslate2.StorageView.from_array(mel))
        languages = [w.prompt.language for w in batch]
        if batch[0].detect:
            languages = list(self._languages(features, languages))
        prompts = [
            prompt_tokens(self._tokenizer, w.prompt, language)
            for w, language in zip(batch, languages, strict=True)
        ]
        limits = [w.prompt.limit(windows.speech_s(w.pcm)) for w in batch]
        results = self._model.generate(
            features,
            prompts,
            beam_size=1,
            max_length=_total_length(len(prompts[0]), max(limits)),
            suppress_tokens=self._suppressed,
            return_scores=True,
            return_no_speech_prob=True,
        )
        return [
            self._decoded(result, limit, language if batch[0].detect else "")
            for result, limit, language in zip(results, limits, languages, strict=True)
        ]

    def close(self) -> None:
        """Free its memory. No decoding may be under way."""
        self._model.unload_model()

    def _languages(self, features: ctranslate2.StorageView, instead: Sequence[str]) -> Iterator[str]:
        for ranked, fixed in zip(self._model.detect_language(features), instead, strict=True):
            token, probability = ranked[0]
            yield token[2:-2] if probability >= _SURE_OF_LANGUAGE else fixed

    def _decoded(self, result: Any, limit: int, language: str) -> Decoded:
        tokens: list[int] = result.sequences_ids[0]
        # The score is a mean over the tokens; the end of text counts in the sum as one more.
        log_probability = result.scores[0] * len(tokens) / (len(tokens) + 1)
        cut = len(tokens) >= limit
        kept = tokens[:limit]
        text = self._tokenizer.decode(kept).strip()
        return Decoded(tuple(kept), text, log_probability, result.no_speech_prob, cut, language)


def _total_length(prompt: int, most_new: int) -> int:
    """CTranslate2's ``max_length`` that leaves room for ``most_new`` tokens.

    It allows min(max_length / 2, max_length - prompt) new ones (its ``models/whisper.cc``).
    """
    return min(_POSITIONS, max(2 * most_new, prompt + most_new))


def _feature_settings(folder: Path) -> dict[str, Any]:
    """Arguments of the feature extractor; models of 80 mel bands may go without the file."""
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        return {}
    known = ("feature_size", "sampling_rate", "hop_length", "chunk_length", "n_fft")
    return {k: v for k, v in json.loads(path.read_text(encoding="utf-8")).items() if k in known}
