"""What vLLM's server says to the load tests' engines: run as ``python vllm_server.py serve DIR …``.

Fails requests that do not force the number of tokens, the way vLLM would let them run on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from tokenizers import Tokenizer


def create_app(folder: Path, served: str, longest: int) -> Starlette:
    """The application on a model folder; several tokens may share an event, as when a client is slow."""
    vocabulary: int = json.loads((folder / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    async def health(_: Request) -> Response:
        return PlainTextResponse("")

    async def completions(request: Request) -> Response:
        asked: dict[str, Any] = await request.json()
        count = asked["max_tokens"]
        if asked["model"] != served or len(asked["prompt"]) + count > longest:
            return JSONResponse({"error": {"message": "no such model, or too long"}}, status_code=400)
        if not (asked["ignore_eos"] and asked["min_tokens"] == count and asked["stream"]):
            return JSONResponse({"error": {"message": "length not forced"}}, status_code=400)
        if max(asked["prompt"]) >= vocabulary:
            return JSONResponse({"error": {"message": "token out of vocabulary"}}, status_code=400)
        return StreamingResponse(events(count), media_type="text/event-stream")

    async def events(count: int) -> AsyncIterator[str]:
        sent = 0
        while sent < count:
            now = min(1 if sent % 4 else 2, count - sent)
            text = " " + tokenizer.decode([(sent + n) % vocabulary for n in range(now)])
            sent += now
            yield f"data: {json.dumps({'choices': [{'index': 0, 'text': text}]})}\n\n"
            await asyncio.sleep(0)
        yield f"data: {json.dumps({'choices': [], 'usage': {'completion_tokens': count}})}\n\n"
        yield "data: [DONE]\n\n"

    return Starlette(
        routes=[Route("/health", health), Route("/v1/completions", completions, methods=["POST"])]
    )


def main() -> None:
    """Serve, with vLLM's own names for its options."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["serve"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--load-format", choices=["dummy"], required=True)
    parser.add_argument("--dtype", choices=["bfloat16"], required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--served-model-name", required=True)
    parser.add_argument("--max-model-len", type=int, required=True)
    parser.add_argument("--gpu-memory-utilization", type=float, required=True)
    told = parser.parse_args()
    app = create_app(told.folder, told.served_model_name, told.max_model_len)
    uvicorn.run(app, host=told.host, port=told.port, log_level="warning")


if __name__ == "__main__":
    main()
