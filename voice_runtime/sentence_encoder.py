"""A model of sentences from a folder: what rules with ``like: {by: meaning}`` go by.

The folder is one of sentence-transformers exported to ONNX: ``tokenizer.json``, ``model.onnx`` (or
``onnx/model.onnx``) and, where they are there, ``1_Pooling/config.json`` (which words' vectors count) and
``sentence_bert_config.json`` (how many). Nothing is downloaded. One session for the process, one thread a
clause: a caller waits for it, and other calls want the cores.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from controls.errors import ConfigurationError, Problem

#: Words' parts that are read of a sentence where the model does not say, and at most.
_USUAL_LENGTH, _LONGEST = 128, 512
#: Clauses remembered: every form of one is judged, by every rule.
_REMEMBERED = 256

Vectors = NDArray[np.float32]


class SentenceEncoder:
    """Implements ``controls.rules.meaning.Encoder``. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        """Load it. Blocks for as long as reading some 20 to 500 MB takes.

        Raises:
            ConfigurationError: the folder lacks a file, or holds another kind of model.
        """
        network = next((p for p in (folder / "model.onnx", folder / "onnx/model.onnx") if p.is_file()), None)
        vocabulary = folder / "tokenizer.json"
        if network is None or not vocabulary.is_file():
            lacks = "model.onnx" if network is None else "tokenizer.json"
            raise _refused(folder, f"there is no {lacks}", "export the model to ONNX, and name its folder")
        try:
            options = onnxruntime.SessionOptions()
            options.inter_op_num_threads = options.intra_op_num_threads = 1
            self._session = onnxruntime.InferenceSession(
                network.as_posix(), sess_options=options, providers=["CPUExecutionProvider"]
            )
            self._tokens = Tokenizer.from_file(vocabulary.as_posix())
            self._first = bool(_json(folder / "1_Pooling/config.json").get("pooling_mode_cls_token"))
            length = int(_json(folder / "sentence_bert_config.json").get("max_seq_length") or _USUAL_LENGTH)
            self._tokens.no_padding()
            self._tokens.enable_truncation(min(length, _LONGEST))
            self._inputs = {found.name for found in self._session.get_inputs()}
            self.digest = _digest(network, vocabulary)
            self._encoded = lru_cache(maxsize=_REMEMBERED)(self._encode)
            self._examples = lru_cache(maxsize=_REMEMBERED)(self._all)
            if self._encode("is it one").ndim != 1:
                raise ValueError("its vectors have another shape")
        except Exception as error:  # onnxruntime's, tokenizers' and ours have no common kind
            kind = type(error).__name__
            message = f"this is no model of sentences that can be run ({kind})"
            raise _refused(folder, message, "name the folder of one of sentence-transformers") from error

    def cosines(self, text: str, sentences: tuple[str, ...]) -> Sequence[float]:
        """As in the Protocol; vectors have length 1, so their product is the cosine."""
        return [float(c) for c in self._examples(sentences) @ self._encoded(text)]

    def _all(self, sentences: tuple[str, ...]) -> Vectors:
        return np.stack([self._encode(sentence) for sentence in sentences])

    def _encode(self, text: str) -> Vectors:
        read = self._tokens.encode(text)
        every = {
            "input_ids": read.ids,
            "attention_mask": read.attention_mask,
            "token_type_ids": read.type_ids,
        }
        given = {
            name: np.asarray([ids], dtype=np.int64) for name, ids in every.items() if name in self._inputs
        }
        found: Vectors = self._session.run(None, given)[0][0]
        if found.ndim == 2:  # a vector for each part of a word
            found = found[0] if self._first else found.mean(axis=0)
        length = float(np.linalg.norm(found))
        if not np.isfinite(length) or not length:
            raise ValueError("the model yields no vector")
        return found / length


@lru_cache(maxsize=2)
def loaded(folder: Path) -> SentenceEncoder:
    """The model of a folder, loaded once.

    Raises:
        ConfigurationError: as ``SentenceEncoder``.
    """
    return SentenceEncoder(folder)


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _digest(*files: Path) -> str:
    found = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return f"sha256:{found.hexdigest()}"


def _refused(folder: Path, message: str, remedy: str) -> ConfigurationError:
    return ConfigurationError([Problem(folder.as_posix(), 0, "meaning.folder", message, remedy)])
