"""The offline profile's model: a rule-based server behind OpenAI's chat protocol. NOT a language model.

``python -m voice_runtime.offline.standin --agent-file agents/healthcare/offline.yaml --port 0``
prints one JSON line with its address when it accepts connections, and ends with
its parent process. Scripts of the agent's further languages lie beside that
file. With several agents each has its model name,
``sayso-standin-not-a-language-model/<agent>``; with one the bare name does too.
Token counts in ``usage`` are words.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from controls.errors import OperatorError, SayError
from voice_runtime.offline.process import serve
from voice_runtime.offline.script import Call, Say, Script, Scripts, load_scripts

MODEL = "sayso-standin-not-a-language-model"
_MOST_BYTES = 1024 * 1024


class _BadRequest(Exception):
    """What is wrong with a request, in the protocol's own terms."""

    def __init__(self, message: str, status: int = 400, code: str = "invalid_request") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def build(scripts: Mapping[str, Script | Scripts], *, token_delay_s: float = 0.0) -> FastAPI:
    """The server for these agents.

    Args:
        scripts: agent name → script; at least one.
        token_delay_s: a pause before each streamed word, for tests of deadlines.

    Raises:
        OperatorError: there is no script.
    """
    if not scripts:
        raise OperatorError("the stand-in needs at least one --agent-file")
    names = {f"{MODEL}/{agent}": script for agent, script in scripts.items()}
    if len(scripts) == 1:
        names[MODEL] = next(iter(scripts.values()))
    app = FastAPI(
        title="Sayso stand-in, not a language model", docs_url=None, redoc_url=None, openapi_url=None
    )

    @app.get("/healthz")
    async def healthz() -> dict[str, Any]:
        return {"ok": True, "not": "a language model"}

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        rows = [{"id": n, "object": "model", "created": 0, "owned_by": "sayso"} for n in sorted(names)]
        return {"object": "list", "data": rows}

    @app.post("/v1/chat/completions")
    async def completions(request: Request) -> Response:
        try:
            asked = await _read(request)
            script = names.get(str(asked.get("model")))
            if script is None:
                raise _BadRequest("no such model; see /v1/models", 404, "model_not_found")
            completion = _Completion(asked, script)
        except _BadRequest as error:
            body = {"message": str(error), "type": "invalid_request_error", "param": None, "code": error.code}
            return JSONResponse({"error": body}, status_code=error.status)
        if asked.get("stream") is True:
            return StreamingResponse(completion.events(token_delay_s), media_type="text/event-stream")
        return JSONResponse(completion.whole())

    return app


async def _read(request: Request) -> dict[str, Any]:
    raw = bytearray()
    async for piece in request.stream():
        raw += piece
        if len(raw) > _MOST_BYTES:
            raise _BadRequest("the request is too large", 413, "too_large")
    try:
        asked = json.loads(raw)
    except (ValueError, RecursionError):
        raise _BadRequest("the request is no JSON") from None
    if not isinstance(asked, dict):
        raise _BadRequest("the request is no JSON object")
    messages = asked.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
        raise _BadRequest("messages must be a list of messages")
    return asked


class _Completion:
    """One answer, in either of the protocol's two forms."""

    def __init__(self, asked: dict[str, Any], script: Script | Scripts) -> None:
        self._model = str(asked["model"])
        self._options = asked.get("stream_options") or {}
        messages: list[dict[str, Any]] = asked["messages"]
        try:
            self._answer: Say | Call = script.answer(messages, _offered(asked))
            heard = sum(len(str(m.get("content") or "").split()) for m in messages)
        except (AttributeError, TypeError):
            raise _BadRequest("a message does not have the protocol's form") from None
        told = self._answer.text if isinstance(self._answer, Say) else json.dumps(self._answer.arguments)
        self._usage = {
            "prompt_tokens": heard,
            "completion_tokens": len(told.split()),
            "total_tokens": heard + len(told.split()),
        }
        digest = hashlib.sha256(json.dumps(messages, sort_keys=True).encode()).hexdigest()
        self._id = f"chatcmpl-{digest[:24]}"
        self._call_id = f"call_{digest[24:48]}"
        self._finish = "stop" if isinstance(self._answer, Say) else "tool_calls"

    def _frame(self, kind: str, **fields: Any) -> dict[str, Any]:
        common = {"id": self._id, "object": kind, "created": 0, "model": self._model}
        return {**common, "system_fingerprint": "not_a_language_model", **fields}

    def whole(self) -> dict[str, Any]:
        """A ``chat.completion``."""
        message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
        if isinstance(self._answer, Say):
            message["content"] = self._answer.text
        else:
            message["tool_calls"] = [self._call(json.dumps(self._answer.arguments))]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish}
        return self._frame("chat.completion", choices=[choice], usage=self._usage)

    def _call(self, arguments: str) -> dict[str, Any]:
        assert isinstance(self._answer, Call)
        function = {"name": self._answer.tool, "arguments": arguments}
        return {"id": self._call_id, "type": "function", "function": function}

    async def events(self, delay_s: float) -> AsyncIterator[bytes]:
        """``chat.completion.chunk`` events, word by word, closed by ``[DONE]``."""
        for delta in self._deltas():
            if delay_s:
                await asyncio.sleep(delay_s)
            yield self._event([{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}])
        end = [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": self._finish}]
        yield self._event(end)
        if isinstance(self._options, dict) and self._options.get("include_usage") is True:
            yield self._event([], usage=self._usage)
        yield b"data: [DONE]\n\n"

    def _event(self, choices: list[dict[str, Any]], **fields: Any) -> bytes:
        chunk = self._frame("chat.completion.chunk", choices=choices, **fields)
        return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"

    def _deltas(self) -> list[dict[str, Any]]:
        if isinstance(self._answer, Say):
            text = self._answer.text.split(" ")
            pieces = [word if i == 0 else " " + word for i, word in enumerate(text)]
            return [{"role": "assistant", "content": ""}, *({"content": piece} for piece in pieces)]
        raw = json.dumps(self._answer.arguments)
        first = {"role": "assistant", "content": None, "tool_calls": [{"index": 0, **self._call("")}]}
        halves = (raw[: len(raw) // 2], raw[len(raw) // 2 :])
        return [first, *({"tool_calls": [{"index": 0, "function": {"arguments": h}}]} for h in halves)]


def _offered(asked: Mapping[str, Any]) -> set[str]:
    return {str(tool["function"]["name"]) for tool in asked.get("tools") or () if "function" in tool}


def main(arguments: list[str] | None = None) -> int:
    """Run the stand-in; 0, or 2 when a file or the address cannot be used."""
    parser = argparse.ArgumentParser(
        prog="python -m voice_runtime.offline.standin",
        description="A rule-based stand-in behind OpenAI's chat protocol. Not a language model.",
    )
    parser.add_argument("--agent-file", action="append", type=Path, default=[], metavar="OFFLINE.YAML")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token-delay-ms", type=float, default=0.0)
    options = parser.parse_args(arguments)
    try:
        files: list[Path] = options.agent_file
        scripts = {path.absolute().parent.name: load_scripts(path, Path.cwd()) for path in files}
        if len(scripts) != len(files):
            raise OperatorError("two agents have the same name: agent files lie in folders named after them")
        app = build(scripts, token_delay_s=options.token_delay_ms / 1000)
        announce = {"ready": "standin", "model": MODEL, "agents": sorted(scripts)}
        serve(app, host=options.host, port=options.port, announce=announce)
    except SayError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
