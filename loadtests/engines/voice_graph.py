"""A VITS voice as two ONNX graphs written from scratch, whose random weights make noise of it.

The sizes are those of Piper's medium voices: VITS (https://arxiv.org/abs/2106.06103)
with HiFi-GAN's third generator (https://arxiv.org/abs/2010.05646, table 5) as its
decoder, from Piper's published configuration
(https://github.com/rhasspy/piper, src/python/piper_train/vits/config.py): some 15
million weights, 22,050 Hz, 256 samples a frame. Three things differ, and cost little:
no relative positions in the text encoder, the paper's deterministic predictor of
durations, and durations that are forced, so that frames need no aligning.

``text_graph``: ``ids`` (1, n) int64 → ``prior`` (1, 2 · latent, n), ``durations`` (1, 1, n).
``frames_graph``: ``latent`` (1, latent, t) → ``samples`` (1, 1, t · 256).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

_OPSET, _IR = 17, 10
_SLOPE = 0.1
_DURATION_WIDTH = 256


@dataclass(frozen=True, slots=True)
class VoiceShape:
    """Sizes of a voice, named as its papers name them.

    Attributes:
        latent: width of the latent frames.
        flows, flow_layers: coupling layers, and convolutions in each.
        channels: of the generator before it first doubles the rate.
        rates, kernels: of its transposed convolutions.
        blocks: (kernel, dilations) of the residual blocks after each.
    """

    symbols: int = 256
    hidden: int = 192
    latent: int = 192
    filters: int = 768
    heads: int = 2
    layers: int = 6
    flows: int = 4
    flow_layers: int = 4
    flow_kernel: int = 5
    channels: int = 256
    rates: tuple[int, ...] = (8, 8, 4)
    kernels: tuple[int, ...] = (16, 16, 8)
    blocks: tuple[tuple[int, tuple[int, ...]], ...] = ((3, (1, 2)), (5, (2, 6)), (7, (3, 12)))
    rate_hz: int = 22_050

    @property
    def frame(self) -> int:
        """Samples of a frame."""
        return math.prod(self.rates)


VOICES = {
    "toy": VoiceShape(
        hidden=16, latent=16, filters=32, layers=1, flows=1, flow_layers=1, channels=16, blocks=((3, (1, 2)),)
    ),
    "full": VoiceShape(),
}


class _Graph:
    """Nodes and random weights, added one after another; each method returns the name of its result."""

    def __init__(self, seed: int) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self._random = np.random.default_rng(seed)

    def add(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        names = [f"{op}{len(self.nodes)}.{n}" for n in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names if outputs > 1 else names[0]

    def constant(self, array: np.ndarray[Any, Any]) -> str:
        name = f"weight{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def random(self, *shape: int, fan_in: int, gain: float = 1.0) -> str:
        numbers = self._random.standard_normal(shape, dtype=np.float32)
        return self.constant(numbers * np.float32(gain / math.sqrt(fan_in)))

    def convolution(
        self, x: str, inputs: int, outputs: int, kernel: int = 1, dilation: int = 1, gain: float = 1.0
    ) -> str:
        """As many positions out as in."""
        weight = self.random(outputs, inputs, kernel, fan_in=inputs * kernel, gain=gain)
        bias = self.constant(np.zeros(outputs, np.float32))
        pad = dilation * (kernel - 1) // 2
        return str(self.add("Conv", x, weight, bias, dilations=[dilation], pads=[pad, pad]))

    def normal(self, x: str, width: int) -> str:
        """Layer normalisation over channels, (1, width, n)."""
        gain = self.constant(np.ones(width, np.float32))
        bias = self.constant(np.zeros(width, np.float32))
        turned = self.add("Transpose", x, perm=[0, 2, 1])
        scaled = self.add("LayerNormalization", turned, gain, bias, axis=-1)
        return str(self.add("Transpose", scaled, perm=[0, 2, 1]))

    def model(self, inputs: Sequence[Any], outputs: Sequence[tuple[str, str, Any]]) -> ModelProto:
        """The checked model; ``outputs`` are (result, public name, shape)."""
        for result, name, _ in outputs:
            self.nodes.append(helper.make_node("Identity", [result], [name]))
        values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for _, name, shape in outputs]
        graph = helper.make_graph(self.nodes, "voice", list(inputs), values, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)
        checker.check_model(model)
        return model


def text_graph(shape: VoiceShape, seed: int = 1) -> ModelProto:
    """Text encoder and predictor of durations: once for each text."""
    graph = _Graph(seed)
    table = graph.random(shape.symbols, shape.hidden, fan_in=1)
    x = graph.add("Transpose", graph.add("Gather", table, "ids"), perm=[0, 2, 1])
    for _ in range(shape.layers):
        x = graph.normal(graph.add("Add", x, _attention(graph, x, shape)), shape.hidden)
        wide = graph.add("Relu", graph.convolution(x, shape.hidden, shape.filters, 3, gain=1.4))
        x = graph.normal(
            graph.add("Add", x, graph.convolution(wide, shape.filters, shape.hidden, 3)), shape.hidden
        )
    prior = graph.convolution(x, shape.hidden, 2 * shape.latent)
    d = x
    for inputs in (shape.hidden, _DURATION_WIDTH):
        d = graph.add("Relu", graph.convolution(d, inputs, _DURATION_WIDTH, 3))
        d = graph.normal(d, _DURATION_WIDTH)
    durations = graph.convolution(d, _DURATION_WIDTH, 1)
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, [1, "n"])
    wanted = [(prior, "prior", [1, 2 * shape.latent, "n"]), (durations, "durations", [1, 1, "n"])]
    return graph.model([ids], wanted)


def _attention(graph: _Graph, x: str, shape: VoiceShape) -> str:
    head = shape.hidden // shape.heads
    split = graph.constant(np.array([shape.heads, head, -1], np.int64))
    join = graph.constant(np.array([1, shape.hidden, -1], np.int64))
    query, key, value = (
        graph.add("Reshape", graph.convolution(x, shape.hidden, shape.hidden), split) for _ in range(3)
    )
    scale = graph.constant(np.array([1 / math.sqrt(head)], np.float32))
    scores = graph.add("MatMul", graph.add("Transpose", query, perm=[0, 2, 1]), key)
    weights = graph.add("Softmax", graph.add("Mul", scores, scale), axis=-1)
    mixed = graph.add("MatMul", value, graph.add("Transpose", weights, perm=[0, 2, 1]))
    return graph.convolution(graph.add("Reshape", mixed, join), shape.hidden, shape.hidden)


def frames_graph(shape: VoiceShape, seed: int = 2) -> ModelProto:
    """Flow and generator: once for each stretch of frames."""
    graph = _Graph(seed)
    x = "latent"
    for _ in range(shape.flows):
        x = _coupling(graph, x, shape)
    x = graph.convolution(x, shape.latent, shape.channels, 7)
    channels = shape.channels
    for rate, kernel in zip(shape.rates, shape.kernels, strict=True):
        x = graph.add("LeakyRelu", x, alpha=_SLOPE)
        weight = graph.random(channels, channels // 2, kernel, fan_in=channels * kernel // rate)
        channels //= 2
        bias = graph.constant(np.zeros(channels, np.float32))
        pad = (kernel - rate) // 2
        x = graph.add("ConvTranspose", x, weight, bias, strides=[rate], pads=[pad, pad])
        x = _residual(graph, x, channels, shape.blocks)
    x = graph.convolution(graph.add("LeakyRelu", x, alpha=_SLOPE), channels, 1, 7)
    latent = helper.make_tensor_value_info("latent", TensorProto.FLOAT, [1, shape.latent, "t"])
    return graph.model([latent], [(graph.add("Tanh", x), "samples", [1, 1, "samples"])])


def _residual(graph: _Graph, x: str, channels: int, blocks: Sequence[tuple[int, tuple[int, ...]]]) -> str:
    """Residual blocks of the second kind side by side, averaged."""
    outs = []
    for kernel, dilations in blocks:
        y = x
        for dilation in dilations:
            bent = graph.add("LeakyRelu", y, alpha=_SLOPE)
            y = graph.add("Add", graph.convolution(bent, channels, channels, kernel, dilation, 0.5), y)
        outs.append(y)
    share = graph.constant(np.array([1 / len(outs)], np.float32))
    return str(graph.add("Mul", graph.add("Sum", *outs) if len(outs) > 1 else outs[0], share))


def _coupling(graph: _Graph, x: str, shape: VoiceShape) -> str:
    """A mean-only affine coupling with WaveNet's mean (https://arxiv.org/abs/2106.06103, section 2.5.2)."""
    half = shape.latent // 2
    sizes = graph.constant(np.array([half, half], np.int64))
    first, second = graph.add("Split", x, sizes, outputs=2, axis=1)
    h = graph.convolution(first, half, shape.hidden)
    skips = []
    for n in range(shape.flow_layers):
        joint = graph.convolution(h, shape.hidden, 2 * shape.hidden, shape.flow_kernel)
        gates = graph.constant(np.array([shape.hidden, shape.hidden], np.int64))
        value, gate = graph.add("Split", joint, gates, outputs=2, axis=1)
        gated = graph.add("Mul", graph.add("Tanh", value), graph.add("Sigmoid", gate))
        skips.append(graph.convolution(gated, shape.hidden, shape.hidden))
        if n < shape.flow_layers - 1:
            h = graph.add("Add", h, graph.convolution(gated, shape.hidden, shape.hidden))
    total = graph.add("Sum", *skips) if len(skips) > 1 else skips[0]
    moved = graph.add("Sub", second, graph.convolution(total, shape.hidden, half))
    return str(graph.add("Concat", moved, first, axis=1))  # halves change places
