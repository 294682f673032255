"""The Llama shape: it computes what a plain implementation computes, and the cache changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from controls.errors import OperatorError
from loadtests.engines import arrays as arrays_module
from loadtests.engines.arrays import Arrays
from loadtests.engines.llama import LLAMAS, Llama, LlamaShape, fitted

SHAPE = LlamaShape(32, 2, 4, 2, 48, 97, places=3, context=192)
PROMPT = [(7 * n + 3) % SHAPE.vocabulary for n in range(90)]


@pytest.fixture
def model() -> Llama:
    return Llama(SHAPE, Arrays("cpu"))


def plainly(model: Llama, ids: list[int]) -> np.ndarray[Any, Any]:
    """Logits after every token, written as the paper says it: no cache, one head after another."""
    shape, x = model.shape, model._embedding[ids]
    half, count = shape.head // 2, len(ids)
    angle = np.arange(count)[:, None] * shape.rope_theta ** (-np.arange(half) / half)

    def normal(v: Any) -> Any:
        return v / np.sqrt((v**2).mean(-1, keepdims=True) + 1e-5)

    def turned(v: Any) -> Any:
        pairs = (v[:, :half] + 1j * v[:, half:]) * np.exp(1j * angle)
        return np.concatenate((pairs.real, pairs.imag), axis=1)

    for layer in model._layers:
        heads, kv = shape.heads * shape.head, shape.kv_heads * shape.head
        query, key, value = np.split(normal(x) @ layer.query_key_value, [heads, heads + kv], axis=1)
        mixed = []
        for n in range(shape.heads):
            one = slice(n * shape.head, (n + 1) * shape.head)
            its = n // (shape.heads // shape.kv_heads)
            of = slice(its * shape.head, (its + 1) * shape.head)
            scores = turned(query[:, one]) @ turned(key[:, of]).T / np.sqrt(shape.head)
            scores[np.triu_indices(count, 1)] = -np.inf
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            mixed.append(weights / weights.sum(-1, keepdims=True) @ value[:, of])
        x = x + np.concatenate(mixed, axis=1) @ layer.out
        gate, up = np.split(normal(x) @ layer.gate_up, 2, axis=1)
        x = x + gate / (1 + np.exp(-gate)) * up @ layer.down
    return np.asarray(normal(x) @ model._head)


def test_a_prompt_is_computed_as_the_paper_says(model: Llama) -> None:
    np.testing.assert_allclose(model.prefill(0, 0, PROMPT)[0], plainly(model, PROMPT)[-1], atol=1e-4)


def test_a_prompt_in_stretches_and_tokens_one_by_one_are_the_same(model: Llama) -> None:
    expected = plainly(model, PROMPT)
    model.prefill(1, 0, PROMPT[:30])
    np.testing.assert_allclose(model.prefill(1, 30, PROMPT[30:60])[0], expected[59], atol=1e-4)
    for at in range(60, 90):
        np.testing.assert_allclose(model.decode([1], [at], [PROMPT[at]])[0], expected[at], atol=1e-4)


def test_conversations_of_different_lengths_do_not_touch_each_other(model: Llama) -> None:
    short, long = PROMPT[40:45], PROMPT[:80]
    model.prefill(2, 0, short)
    model.prefill(0, 0, long)
    together = model.decode([0, 2], [80, 5], [1, 2])
    np.testing.assert_allclose(together[0], plainly(model, [*long, 1])[-1], atol=1e-4)
    np.testing.assert_allclose(together[1], plainly(model, [*short, 2])[-1], atol=1e-4)


def test_a_beginning_copied_from_another_place_serves_as_well(model: Llama) -> None:
    model.prefill(0, 0, PROMPT)
    model.copy(0, 1, 50)
    other = [*PROMPT[:50], 5, 6, 7]
    np.testing.assert_allclose(model.prefill(1, 50, other[50:])[0], plainly(model, other)[-1], atol=1e-4)


def test_float16_as_on_a_gpu_stays_float16_and_finite(model: Llama) -> None:
    arrays = Arrays("cpu")
    arrays.dtype = np.dtype(np.float16)
    half = Llama(SHAPE, arrays)
    found, expected = half.prefill(0, 0, PROMPT), model.prefill(0, 0, PROMPT)
    assert found.dtype == np.float16
    np.testing.assert_allclose(found, expected, atol=0.1)
    assert half.decode([0], [90], [1]).dtype == np.float16


def test_places_are_as_many_as_the_device_has_memory_for() -> None:
    full = LLAMAS["full"]
    assert fitted(full, 2, None) == full
    assert fitted(full, 2, 140_000_000_000) == full
    assert fitted(full, 2, 24_000_000_000).places == 10
    with pytest.raises(OperatorError, match="needs 18 GB"):
        fitted(full, 2, 16_000_000_000)


def test_the_published_shape_has_eight_billion_weights() -> None:
    full = LLAMAS["full"]
    assert round(full.parameters / 1e9, 2) == 8.03
    assert full.cache_bytes(2) == 17_179_869_184
    assert full.head == 128


def test_weights_are_random_and_of_their_size() -> None:
    found = Arrays("cpu").random(4096, 2100, 2.0)  # longer than the pool
    assert found.shape == (4096, 2100)
    assert abs(float(found.std()) * 64 / 2 - 1) < 0.01
    assert abs(float(np.corrcoef(found[0], found[1])[0, 1])) < 0.1


def test_without_cupy_the_operator_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(arrays_module.importlib, "import_module", missing)
    with pytest.raises(OperatorError, match="pip install cupy"):
        Arrays("cuda")
