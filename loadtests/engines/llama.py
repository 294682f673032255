"""A decoder of the Llama 3 architecture with random weights: it computes in full, and says nothing sensible.

Root mean square norms, rotary positions, grouped key and value heads, gated SiLU
feed-forward, no biases: The Llama 3 Herd of Models, section 3.2 and table 3
(https://arxiv.org/abs/2407.21783); the sizes of the 8B shape are those of its
published ``config.json`` (https://huggingface.co/meta-llama/Meta-Llama-3-8B).

Its cache of keys and values has a fixed number of places, one conversation each.
``prefill`` computes a stretch of one conversation's prompt, ``decode`` one further
token of several conversations of any lengths: what continuous batching
(``engines.batching``) is made of.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from controls.errors import OperatorError
from loadtests.engines.arrays import Arrays

_EPSILON = 1e-5
#: Attention looks at this many positions more or less than needed: fewer sizes of array to allocate.
_STEP = 64
_NEVER = -1e30


@dataclass(frozen=True, slots=True)
class LlamaShape:
    """Sizes of the model and of its cache.

    Attributes:
        ffn: width of the feed-forward layer.
        places: conversations in the cache; as many are computed together.
        context: most tokens of one conversation, prompt and answer.
    """

    width: int
    layers: int
    heads: int
    kv_heads: int
    ffn: int
    vocabulary: int
    places: int
    context: int
    rope_theta: float = 500_000.0

    @property
    def head(self) -> int:
        """Width of a head."""
        return self.width // self.heads

    @property
    def parameters(self) -> int:
        """Weights, norms left out."""
        attention = self.width * (2 * self.width + 2 * self.kv_heads * self.head)
        return self.layers * (attention + 3 * self.width * self.ffn) + 2 * self.vocabulary * self.width

    def cache_bytes(self, item: int) -> int:
        """Of keys and values with ``item`` bytes each."""
        return 2 * self.layers * self.places * self.kv_heads * self.context * self.head * item


#: 8B: 16.1 GB of weights and 17.2 GB of cache in float16. toy: 1 MB of each in float32.
LLAMAS = {
    "toy": LlamaShape(64, 2, 2, 1, 160, 1024, places=8, context=512),
    "full": LlamaShape(4096, 32, 32, 8, 14336, 128_256, places=32, context=4096),
}


def fitted(shape: LlamaShape, item: int, free_bytes: int | None) -> LlamaShape:
    """The shape with as many places as there is memory for, a tenth left to what is computed in between.

    Args:
        item: bytes of a weight.
        free_bytes: None: not bounded.

    Raises:
        OperatorError: the weights and one place do not fit.
    """
    if free_bytes is None:
        return shape
    each = shape.cache_bytes(item) // shape.places
    places = int(0.9 * free_bytes - shape.parameters * item) // each
    if places < 1:
        needed = (shape.parameters * item + each) / 0.9 / 1e9
        raise OperatorError(
            f"the model needs {needed:.0f} GB of free device memory, there are {free_bytes / 1e9:.0f}"
        )
    return replace(shape, places=min(shape.places, places))


def name_of(shape: str) -> str:
    """What a report calls it."""
    return "Llama 3 8B shape" if shape == "full" else f"Llama 3 architecture, {shape} shape"


@dataclass(frozen=True, slots=True)
class _Layer:
    before_attention: Any
    query_key_value: Any
    out: Any
    before_ffn: Any
    gate_up: Any
    down: Any


class Llama:
    """The model on its device. One thread computes with it."""

    def __init__(self, shape: LlamaShape, arrays: Arrays) -> None:
        """Make the weights, on the device, and the cache."""
        self.shape, self._arrays, self._xp = shape, arrays, arrays.xp
        xp, width, kv = arrays.xp, shape.width, shape.kv_heads * shape.head
        ones = xp.ones(width, arrays.dtype)
        small = 1 / math.sqrt(2 * shape.layers)  # the residual stream stays as large as its beginning
        self._layers = [
            _Layer(
                ones,
                arrays.random(width, width + 2 * kv),
                arrays.random(width, width, small),
                ones,
                arrays.random(width, 2 * shape.ffn),
                arrays.random(shape.ffn, width, small),
            )
            for _ in range(shape.layers)
        ]
        self._norm = ones
        self._embedding = arrays.random(shape.vocabulary, width, math.sqrt(shape.vocabulary))
        self._head = arrays.random(width, shape.vocabulary)
        cache = (shape.layers, shape.places, shape.kv_heads, shape.context, shape.head)
        self._keys, self._values = xp.zeros(cache, arrays.dtype), xp.zeros(cache, arrays.dtype)
        self._cos, self._sin = _rotations(shape, arrays)

    def prefill(self, place: int, start: int, ids: Sequence[int]) -> Any:
        """Compute positions ``start`` … of one conversation; those before it must be in its place.

        Returns:
            Logits after the last token, (1, vocabulary), on the device.
        """
        xp, shape = self._xp, self.shape
        count, length = len(ids), start + len(ids)
        group = shape.heads // shape.kv_heads
        positions = xp.arange(start, length)
        # a query's row is its head within the group, then its position: it sees positions up to its own
        unseen = xp.tile(positions, group)[:, None] < xp.arange(length)[None, :]

        def attend(layer: int, query: Any, key: Any, value: Any) -> Any:
            self._keys[layer, place, :, start:length] = key.transpose(1, 0, 2)
            self._values[layer, place, :, start:length] = value.transpose(1, 0, 2)
            grouped = query.reshape(count, shape.kv_heads, group, shape.head).transpose(1, 2, 0, 3)
            mixed = self._mix(
                grouped.reshape(shape.kv_heads, group * count, shape.head),
                self._keys[layer, place, :, :length],
                self._values[layer, place, :, :length],
                unseen,
            )
            split = mixed.reshape(shape.kv_heads, group, count, shape.head)
            return split.transpose(2, 0, 1, 3).reshape(count, shape.width)

        return self._logits(self._forward(xp.asarray(ids), positions, attend)[-1:])

    def decode(self, places: Sequence[int], positions: Sequence[int], ids: Sequence[int]) -> Any:
        """Compute one token of each conversation: ``ids[i]`` at ``positions[i]`` of ``places[i]``.

        Returns:
            Logits after each, (conversations, vocabulary), on the device.
        """
        xp, shape = self._xp, self.shape
        rows, at = xp.asarray(places), xp.asarray(positions)
        longest = min(shape.context, -(-(max(positions) + 1) // _STEP) * _STEP)
        unseen = (at[:, None] < xp.arange(longest)[None, :])[:, None, None, :]

        def attend(layer: int, query: Any, key: Any, value: Any) -> Any:
            keys, values = self._keys[layer], self._values[layer]
            keys[rows, :, at], values[rows, :, at] = key, value
            mixed = self._mix(
                query.reshape(len(places), shape.kv_heads, -1, shape.head),
                keys[rows, :, :longest],
                values[rows, :, :longest],
                unseen,
            )
            return mixed.reshape(len(places), shape.width)

        return self._logits(self._forward(xp.asarray(ids), at, attend))

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy the first ``length`` positions of one place to another."""
        for cache in (self._keys, self._values):
            cache[:, target, :, :length] = cache[:, source, :, :length]

    def likeliest(self, logits: Any) -> list[int]:
        """The most probable token of each row, on the host: what waits for the computation."""
        found: list[int] = self._arrays.on_host(self._xp.argmax(logits, axis=-1)).tolist()
        return found

    def _forward(self, ids: Any, positions: Any, attend: Callable[[int, Any, Any, Any], Any]) -> Any:
        """The residual stream after the last layer, (tokens, width)."""
        shape, kv = self.shape, self.shape.kv_heads * self.shape.head
        cos, sin = self._cos[positions][:, None, :], self._sin[positions][:, None, :]
        stream = self._embedding[ids]
        for n, layer in enumerate(self._layers):
            joint = self._normal(stream, layer.before_attention) @ layer.query_key_value
            query = joint[:, : shape.width].reshape(-1, shape.heads, shape.head)
            key = joint[:, shape.width : shape.width + kv].reshape(-1, shape.kv_heads, shape.head)
            value = joint[:, shape.width + kv :].reshape(-1, shape.kv_heads, shape.head)
            mixed = attend(n, self._turn(query, cos, sin), self._turn(key, cos, sin), value)
            stream = stream + mixed @ layer.out
            joint = self._normal(stream, layer.before_ffn) @ layer.gate_up
            gate, up = joint[:, : shape.ffn], joint[:, shape.ffn :]
            stream = stream + self._gated(gate, up) @ layer.down
        return stream

    def _logits(self, stream: Any) -> Any:
        return self._normal(stream, self._norm) @ self._head

    def _gated(self, gate: Any, up: Any) -> Any:
        """SiLU of the gate times the rest, by the hyperbolic tangent, which no float16 overflows."""
        return gate * (0.5 + 0.5 * self._xp.tanh(0.5 * gate)) * up

    def _normal(self, stream: Any, gain: Any) -> Any:
        wide = stream.astype(np.float32)
        scale = 1 / self._xp.sqrt((wide * wide).mean(axis=-1, keepdims=True) + _EPSILON)
        return (wide * scale).astype(stream.dtype) * gain

    def _turn(self, heads: Any, cos: Any, sin: Any) -> Any:
        """Rotary positions, halves as in the published implementation's converted weights."""
        half = self.shape.head // 2
        low, high = heads[..., :half], heads[..., half:]
        return self._xp.concatenate((low * cos - high * sin, high * cos + low * sin), axis=-1)

    def _mix(self, query: Any, keys: Any, values: Any, unseen: Any) -> Any:
        """Attention: (…, queries, head) over (…, positions, head), but for what is ``unseen``."""
        scores = (query @ keys.swapaxes(-1, -2)).astype(np.float32) / math.sqrt(self.shape.head)
        scores = self._xp.where(unseen, _NEVER, scores)
        weights = self._xp.exp(scores - scores.max(axis=-1, keepdims=True))
        return (weights / weights.sum(axis=-1, keepdims=True)).astype(values.dtype) @ values


def _rotations(shape: LlamaShape, arrays: Arrays) -> tuple[Any, Any]:
    """Cosines and sines, (context, head / 2): RoFormer, https://arxiv.org/abs/2104.09864, section 3.2.2."""
    half = shape.head // 2
    speed = shape.rope_theta ** (-np.arange(half) / half)
    angle = np.arange(shape.context)[:, None] * speed[None, :]
    cos, sin = (arrays.xp.asarray(turned.astype(arrays.dtype)) for turned in (np.cos(angle), np.sin(angle)))
    return cos, sin
