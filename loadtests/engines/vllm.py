"""The same model in vLLM, the engine a user would pick, as a process of its own, where it is installed.

vLLM makes the weights itself (``--load-format dummy``), so only a ``config.json``
and a tokenizer of numbered words are written. Requests go to ``/v1/completions``
with the prompt's token ids, exactly as many tokens as the answer has
(``min_tokens``, ``max_tokens``, ``ignore_eos``) and greedily. What comes back is
counted, not read: every word is a token
(https://docs.vllm.ai/en/stable/serving/openai_compatible_server.html).

Two things cannot be forced through its protocol and are not claimed: its own tokens,
not the answer's, are what it computes on with; its dummy weights are small numbers.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path

import httpx
from tokenizers import Tokenizer, models, pre_tokenizers

from controls.errors import OperatorError, ProviderError
from loadtests.engines.llama import LLAMAS, LlamaShape, name_of

#: Its share of the GPU's memory: recogniser and voice are there too.
_GPU_SHARE = 0.6
_READY_S, _POLL_S, _STOP_S = 900.0, 0.5, 4.0
_SERVED = "llama-shape"


def vllm_is_installed() -> bool:
    """Whether the command ``vllm`` is there."""
    return shutil.which("vllm") is not None


def write_model(folder: Path, shape: LlamaShape) -> Path:
    """Write ``config.json`` and a tokenizer in which token 17 is the word "w17" (4 MB for 128,256 tokens)."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": shape.width,
        "intermediate_size": shape.ffn,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "vocab_size": shape.vocabulary,
        "max_position_embeddings": shape.context,
        "rope_theta": shape.rope_theta,
        "rms_norm_eps": 1e-5,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "torch_dtype": "bfloat16",
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    words = Tokenizer(models.WordLevel({f"w{n}": n for n in range(shape.vocabulary)}, unk_token="w0"))  # noqa: S106 - a word
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.save(str(folder / "tokenizer.json"), pretty=False)
    about = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "w0",
        "eos_token": "w1",
        "unk_token": "w0",
        "model_max_length": shape.context,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(about), encoding="utf-8")
    return folder


class Vllm:
    """The process and its client. ``start`` before use, ``close`` after."""

    def __init__(self, shape: str, *, command: Sequence[str] = ("vllm",)) -> None:
        """Make it.

        Args:
            command: how vLLM is run, up to its ``serve``.
        """
        self.shape = LLAMAS[shape]
        self.vocabulary = self.shape.vocabulary
        self._command = tuple(command)
        self._folder = tempfile.TemporaryDirectory(prefix="llama-shape-")
        self._process: asyncio.subprocess.Process | None = None
        self._client = httpx.AsyncClient()
        self.line = (
            f"model: {name_of(shape)}, {self.shape.parameters / 1e9:.3g} B random weights, cuda; vLLM "
            "(its own batching), length forced, its tokens replaced by the answer's"
        )

    async def start(self) -> None:
        """Start it and wait until it answers; minutes for the full shape.

        Raises:
            OperatorError: it ended, or was not ready in a quarter of an hour; its log is on standard error.
        """
        folder = await asyncio.to_thread(write_model, Path(self._folder.name), self.shape)
        port = _free_port()
        arguments = [
            "serve", str(folder), "--load-format", "dummy", "--dtype", "bfloat16", "--host", "127.0.0.1",
            "--port", str(port), "--served-model-name", _SERVED, "--max-model-len", str(self.shape.context),
            "--gpu-memory-utilization", str(_GPU_SHARE),
        ]  # fmt: skip
        # what it prints goes to standard error: standard output tells the address of this server
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=2, start_new_session=True
            )
        except OSError as error:
            raise OperatorError(f"{self._command[0]} cannot be run: {error.strerror}") from error
        await self._client.aclose()
        self._client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=httpx.Timeout(60.0))
        try:
            async with asyncio.timeout(_READY_S):
                while not await self._answers():
                    if self._process.returncode is not None:
                        raise OperatorError("vLLM did not start; what it said stands above")
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            raise OperatorError(f"vLLM was not ready within {_READY_S:.0f} s") from None

    async def _answers(self) -> bool:
        try:
            return (await self._client.get("/health")).status_code == 200
        except httpx.HTTPError:
            return False

    async def tokens(self, prompt: Sequence[int], forced: Sequence[int]) -> AsyncIterator[int]:
        """As many tokens as are forced, each when it arrives; the place in the answer is all they tell.

        Raises:
            ProviderError: vLLM refused, failed, or ended too early.
        """
        count = len(forced)
        asked = {
            "model": _SERVED,
            "prompt": list(prompt)[-(self.shape.context - count) :] or [0],
            "max_tokens": count,
            "min_tokens": count,
            "ignore_eos": True,
            "temperature": 0,
            "stream": True,
        }
        done = 0
        try:
            async with self._client.stream("POST", "/v1/completions", json=asked) as response:
                if response.status_code != 200:
                    raise ProviderError(f"refused with {response.status_code}", supplier="vllm")
                async for line in response.aiter_lines():
                    for _ in range(_words(line)):
                        if done < count:
                            yield done
                            done += 1
        except httpx.HTTPError as error:
            raise ProviderError(f"broke off ({type(error).__name__})", supplier="vllm") from error
        if done < count:
            raise ProviderError(f"ended after {done} of {count} tokens", supplier="vllm")

    async def close(self) -> None:
        """Stop it and everything it started. Harmless when repeated."""
        process, self._process = self._process, None
        await self._client.aclose()
        if process is not None:
            for sign in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, sign)
                with suppress(TimeoutError):
                    async with asyncio.timeout(_STOP_S):
                        await process.wait()
        self._folder.cleanup()


def _words(line: str) -> int:
    """Tokens in a line of the stream: words of its text."""
    if not line.startswith("data: {"):
        return 0
    choices = json.loads(line[6:]).get("choices") or [{}]
    return len(str(choices[0].get("text", "")).split())


def _free_port() -> int:
    """A port nobody listens on now: vLLM cannot be told to choose one and say which."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
