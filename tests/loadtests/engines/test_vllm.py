"""vLLM as a process: started on the written model, asked for the answer's tokens, always stopped."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import psutil
import pytest

from controls.errors import OperatorError, ProviderError
from loadtests.engines.llama import LLAMAS
from loadtests.engines.mind import ForcedMind
from loadtests.engines.vllm import Vllm, write_model
from loadtests.suppliers.answers import AnswerBook

pytestmark = pytest.mark.anyio


def children() -> set[int]:
    """Of this process, whatever started them: other tests of this worker may have pools."""
    return {child.pid for child in psutil.Process().children(recursive=True)}


_FAKE = str(Path(__file__).parents[2] / "simulators" / "vllm_server.py")
ANSWER = "Parking is behind the building. It is free for patients."


async def test_each_token_of_the_answer_leaves_when_vllm_sent_one_of_its_own() -> None:
    before = children()
    engine = Vllm("toy", command=(sys.executable, _FAKE))
    try:
        await engine.start()
        mind = ForcedMind(engine, AnswerBook({"where can i park": ANSWER}), engine.vocabulary)
        tokens = [token async for token in mind.tokens([{"role": "user", "content": "Where can I park?"}])]
        assert "".join(tokens) == ANSWER
        assert len([n async for n in engine.tokens([1] * 5000, [2] * 30)]) == 30  # cut to the context
        with pytest.raises(ProviderError, match="refused with 400"):
            await anext(engine.tokens([engine.vocabulary], [1]))
    finally:
        await engine.close()
    assert children() == before
    assert "random weights" in engine.line


async def test_one_that_ends_at_once_is_said() -> None:
    engine = Vllm("toy", command=(sys.executable, "-c", "raise SystemExit(3)"))
    with pytest.raises(OperatorError, match="did not start"):
        await engine.start()
    await engine.close()
    await engine.close()


async def test_one_that_cannot_be_run_is_said() -> None:
    engine = Vllm("toy", command=("no-such-program-here",))
    with pytest.raises(OperatorError, match="cannot be run"):
        await engine.start()
    await engine.close()


def test_the_written_model_is_the_published_one(tmp_path: Path) -> None:
    folder = write_model(tmp_path, LLAMAS["full"])
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    # https://huggingface.co/meta-llama/Meta-Llama-3-8B: config.json
    published = {"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
                 "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256,
                 "rope_theta": 500000.0, "architectures": ["LlamaForCausalLM"]}  # fmt: skip
    assert {key: config[key] for key in published} == published
