"""A model of sentences written from scratch: the real format and code, and words that mean themselves.

Every word has a random vector, so two sentences are as near as the words they share. It proves that such a
model is loaded, run and gone by; it says nothing about how well a trained one judges.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

WIDTH = 64


def write_sentence_model(
    folder: Path, words: str, *, pooling: str = "mean", same: tuple[str, str] | None = None
) -> Path:
    """Write one that knows these words.

    Args:
        same: a word that means what another does, which no list of words would know.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = ["[UNK]", *dict.fromkeys(words.lower().split())]
    tokens = Tokenizer(models.WordLevel({word: i for i, word in enumerate(known)}, unk_token="[UNK]"))
    tokens.normalizer = normalizers.Lowercase()
    tokens.pre_tokenizer = pre_tokenizers.Whitespace()
    tokens.save((folder / "tokenizer.json").as_posix())
    table = np.random.default_rng(7).normal(size=(len(known), WIDTH)).astype(np.float32)
    if same is not None:
        table[known.index(same[0])] = table[known.index(same[1])]
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])],
        "words",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"])],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "length", WIDTH])],
        [numpy_helper.from_array(table, "table")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 9
    onnx.save(made, (folder / "model.onnx").as_posix())
    (folder / "1_Pooling").mkdir(exist_ok=True)
    kind = {"pooling_mode_cls_token": pooling == "cls", "pooling_mode_mean_tokens": pooling == "mean"}
    (folder / "1_Pooling/config.json").write_text(json.dumps(kind))
    return folder
