"""The voice: every frame is computed before its piece goes out, and the pieces are the tone of the answer."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from loadtests.engines.mouth import NeuralMouth, NeuralVoice
from loadtests.engines.voice_graph import VOICES, VoiceShape, frames_graph, text_graph
from loadtests.suppliers import tones
from loadtests.suppliers.answers import AnswerBook

pytestmark = pytest.mark.anyio

ANSWER = "Parking is behind the building. It is free for patients."


class Counted(NeuralVoice):
    """Counts what is computed."""

    rendered, texts = 0, 0

    def render(self, frames: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        self.rendered += frames
        return super().render(frames)

    def read(self, text: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        self.texts += 1
        return super().read(text)


@pytest.mark.parametrize("text", ["Yes.", ANSWER, ANSWER * 3])
async def test_what_goes_out_is_the_tone_and_what_was_computed_is_as_long(text: str) -> None:
    voice = Counted("toy", "cpu", 1)
    mouth = NeuralMouth(voice, AnswerBook({"where can i park": ANSWER}), 2)
    voice.rendered = voice.texts = 0
    try:
        pieces = []
        async for piece in mouth.speech(text):
            pieces.append(piece)
            seconds = sum(map(len, pieces)) / 2 / mouth.rate_hz
            assert voice.rendered * voice.shape.frame / voice.shape.rate_hz >= seconds - 1e-4
    finally:
        mouth.close()
    speech = b"".join(pieces)
    assert speech == tones.voice(text, 1 if text == ANSWER else 0, mouth.rate_hz)
    assert voice.texts == 1
    surplus = voice.rendered * voice.shape.frame / voice.shape.rate_hz - len(speech) / 2 / mouth.rate_hz
    assert 0 <= surplus < voice.shape.frame / voice.shape.rate_hz
    assert len(pieces[0]) / 2 / mouth.rate_hz < 0.24


def test_the_graphs_compute_all_their_samples() -> None:
    voice = NeuralVoice("toy", "cpu", 1)
    samples = voice.render(10)
    assert samples.shape == (10 * voice.shape.frame,)
    assert 0.01 < samples.std() < 1
    assert voice.read("abc").shape == (2 * voice.shape.latent, 7)
    assert not np.allclose(voice.read("abc"), voice.read("abd"))


def test_the_published_shape_has_the_weights_of_its_paper() -> None:
    full = VOICES["full"]
    assert (full.frame, full.rate_hz) == (256, 22_050)
    weights = [w.dims for model in (text_graph(full), frames_graph(full)) for w in model.graph.initializer]
    assert 15.0e6 < sum(int(np.prod(dims)) for dims in weights) < 16.0e6


def test_every_stage_of_the_generator_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """No branch of the graph is dead: each weight changes what comes out."""
    shape = VoiceShape(
        hidden=8,
        latent=8,
        filters=8,
        layers=1,
        flows=2,
        flow_layers=2,
        channels=8,
        rates=(2, 2),
        kernels=(4, 4),
    )
    model = frames_graph(shape)
    latent = np.random.default_rng(1).standard_normal((1, 8, 30), dtype=np.float32)

    def computed() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return np.asarray(session.run(None, {"latent": latent})[0])

    before = computed()
    for weight in model.graph.initializer:
        if len(weight.dims) == 3:
            kept = weight.raw_data
            weight.raw_data = bytes(len(kept))
            assert not np.array_equal(computed(), before), weight.name
            weight.raw_data = kept


def test_without_its_provider_it_says_that_it_computes_on_the_cpu() -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("onnxruntime has its CUDA provider here")
    voice = NeuralVoice("toy", "cuda", 1)
    assert voice.device == "cpu"
    assert "no CUDA provider" in voice.where
