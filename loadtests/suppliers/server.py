"""OpenAI's protocol in front of a backend: transcriptions, chat completions, speech; one server for all.

``/v1/audio/transcriptions`` takes multipart uploads (WAV, or raw ``audio/pcm``),
``/v1/chat/completions`` streams server-sent events that end with ``[DONE]``, with a
chunk of token counts before it where ``stream_options`` asks for one,
``/v1/audio/speech`` streams ``pcm`` as it is made. What a real server refuses is
refused with its error object. Keys are not looked at.
Protocol: https://platform.openai.com/docs/api-reference (audio, chat)

``python -m loadtests.suppliers.server`` is started by ``suppliers.process``, which
tells it what to mock in one line of JSON.
"""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
import wave
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from loadtests.served import begin, serve
from loadtests.suppliers.backends import SPEECH_RATE_HZ, Backend
from loadtests.suppliers.mocks import Delays, breaks_on, mock_backend
from voice_runtime.caller.speech import Spoken

#: Longest upload, bytes; OpenAI's own limit is 25 MB.
_MOST_UPLOAD = 25 * 1024 * 1024
#: Whether the model answers a conversation with an error.
Breaks = Callable[[Sequence[Mapping[str, Any]]], bool]
#: Of mocked tokens and words: sure of them.
_LOGPROB = -0.05


class _RefusedError(Exception):
    """A request the protocol does not allow; ``param`` is the field at fault."""

    def __init__(self, message: str, param: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.param, self.status = param, status


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, _RefusedError)
    what = {"message": str(error), "type": "invalid_request_error", "param": error.param, "code": None}
    return JSONResponse({"error": what}, status_code=error.status)


def create_app(backend: Backend, *, breaks: Breaks | None = None) -> Starlette:
    """The server's application.

    Args:
        breaks: whether the model answers a conversation with an error; None: it never does.
    """
    numbers = itertools.count(1)

    async def transcriptions(request: Request) -> Response:
        async with request.form(max_part_size=_MOST_UPLOAD) as form:
            upload = form.get("file")
            if not isinstance(upload, UploadFile):
                raise _RefusedError("file is required", "file")
            _text_of(form, "model")
            pcm, rate_hz = _samples(await upload.read(), upload.content_type or "")
            answer_as = form.get("response_format", "json")
            included = {*form.getlist("include[]"), *form.getlist("include")}
        text = await backend.ears.text(pcm, rate_hz)
        return _transcript(text, len(pcm) / 2 / rate_hz, str(answer_as), "logprobs" in included)

    async def completions(request: Request) -> Response:
        asked = await _json(request)
        messages = asked.get("messages")
        if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages) or not messages:
            raise _RefusedError("messages is a list of messages", "messages")
        if breaks is not None and breaks(messages):
            raise _RefusedError("made to fail", status=500)
        head = {
            "id": f"chatcmpl-{next(numbers)}",
            "created": 0,
            "model": _text_of(asked, "model"),
        }
        if not asked.get("stream"):
            return JSONResponse(await _completion(backend, head, messages))
        options = asked.get("stream_options") or {}
        events = _events(backend, head, messages, bool(options.get("include_usage")))
        return StreamingResponse(
            events, media_type="text/event-stream", headers={"cache-control": "no-cache"}
        )

    async def speech(request: Request) -> Response:
        asked = await _json(request)
        text = _text_of(asked, "input")
        for name in ("model", "voice"):
            _text_of(asked, name)
        wanted = asked.get("response_format", "mp3")
        if wanted not in ("pcm", "wav"):
            raise _RefusedError("this server speaks pcm and wav", "response_format")
        head = _wav_head(backend.mouth.rate_hz) if wanted == "wav" else b""
        return StreamingResponse(_speech(backend, text, head), media_type=f"audio/{wanted}")

    async def models(_: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": "loadtest", "object": "model", "created": 0}]})

    return Starlette(
        routes=[
            Route("/v1/audio/transcriptions", transcriptions, methods=["POST"]),
            Route("/v1/chat/completions", completions, methods=["POST"]),
            Route("/v1/audio/speech", speech, methods=["POST"]),
            Route("/v1/models", models, methods=["GET"]),
        ],
        exception_handlers={_RefusedError: _refused, ClientDisconnect: _left},
    )


async def _left(_: Request, __: Exception) -> Response:
    """Who asked has hung up (an interrupted turn): there is nobody to answer, and nothing to report."""
    return Response(status_code=499)


# -- reading requests ----------------------------------------------------------------------------------


async def _json(request: Request) -> dict[str, Any]:
    try:
        asked = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise _RefusedError("the body is not JSON") from None
    if not isinstance(asked, dict):
        raise _RefusedError("the body is not a JSON object")
    return asked


def _text_of(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value.strip():
        raise _RefusedError(f"{name} is required", name)
    return value


def _samples(data: bytes, media_type: str) -> tuple[bytes, int]:
    """An upload as s16le mono samples and their rate: WAV, or raw with ``audio/pcm; rate=…``."""
    if media_type.startswith("audio/pcm"):
        rate = re.search(r"rate=(\d+)", media_type)
        return data[: len(data) // 2 * 2], int(rate[1]) if rate else SPEECH_RATE_HZ
    try:
        with wave.open(io.BytesIO(data)) as file:
            if file.getsampwidth() != 2 or file.getnchannels() != 1:
                raise _RefusedError("the file is not 16-bit mono", "file")
            return file.readframes(file.getnframes()), file.getframerate()
    except (wave.Error, EOFError):
        raise _RefusedError("the file is no WAV", "file") from None


# -- answers -------------------------------------------------------------------------------------------


def _transcript(text: str, seconds: float, answer_as: str, logprobs: bool) -> Response:
    if answer_as == "text":
        return PlainTextResponse(text + "\n")
    answer: dict[str, Any] = {"text": text}
    if answer_as == "verbose_json":
        segment = {
            "id": 0, "seek": 0, "start": 0.0, "end": seconds, "text": text, "tokens": [], "temperature": 0.0,
            "avg_logprob": _LOGPROB, "compression_ratio": 1.0, "no_speech_prob": 0.01,
        }  # fmt: skip
        answer |= {"task": "transcribe", "language": "english", "duration": seconds}
        answer["segments"] = [segment] if text else []
    elif answer_as != "json":
        raise _RefusedError("this server answers json, verbose_json and text", "response_format")
    elif logprobs:
        words = re.findall(r"\s*\S+", text)
        answer["logprobs"] = [{"token": w, "logprob": _LOGPROB, "bytes": list(w.encode())} for w in words]
    answer["usage"] = {"type": "duration", "seconds": max(1, round(seconds))}
    return JSONResponse(answer)


def _usage(messages: Sequence[Mapping[str, Any]], tokens: int) -> dict[str, int]:
    """Token counts: the answer's own, and some four characters each for the conversation."""
    asked = sum(len(str(message.get("content", ""))) for message in messages) // 4
    return {"prompt_tokens": asked, "completion_tokens": tokens, "total_tokens": asked + tokens}


async def _completion(
    backend: Backend, head: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    tokens = [token async for token in backend.mind.tokens(messages)]
    message = {"role": "assistant", "content": "".join(tokens), "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    usage = _usage(messages, len(tokens))
    return {**head, "object": "chat.completion", "choices": [choice], "usage": usage}


async def _events(
    backend: Backend, head: Mapping[str, Any], messages: Sequence[Mapping[str, Any]], with_usage: bool
) -> AsyncIterator[bytes]:
    """Server-sent events: the role, each token, the end, token counts where asked for, ``[DONE]``."""
    common = {**head, "object": "chat.completion.chunk"}
    no_usage = {"usage": None} if with_usage else {}

    def event(delta: Mapping[str, str], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return b"data: " + json.dumps({**common, "choices": [choice], **no_usage}).encode() + b"\n\n"

    count = 0
    async with aclosing(cast(Any, backend.mind.tokens(messages))) as tokens:
        async for token in tokens:
            if not count:
                yield event({"role": "assistant", "content": ""})
            count += 1
            yield event({"content": token})
    yield event({}, "stop")
    if with_usage:
        counts = {**common, "choices": [], "usage": _usage(messages, count)}
        yield b"data: " + json.dumps(counts).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"


async def _speech(backend: Backend, text: str, head: bytes) -> AsyncIterator[bytes]:
    async with aclosing(cast(Any, backend.mouth.speech(text))) as pieces:
        async for piece in pieces:
            yield head + piece
            head = b""


def _wav_head(rate_hz: int) -> bytes:
    """A header of a length not known yet, as servers that stream write it."""
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(rate_hz)
    head = bytearray(file.getvalue())
    head[4:8] = head[40:44] = b"\xff\xff\xff\xff"
    return bytes(head)


# -- a process of its own ------------------------------------------------------------------------------


class Sentence(BaseModel):
    """A sentence callers say, as it sounds: µ-law at 8 kHz in base64."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str
    ulaw: str

    @classmethod
    def of(cls, spoken: Spoken) -> Sentence:
        """From a caller's own synthesis."""
        return cls(text=spoken.text, ulaw=base64.b64encode(spoken.ulaw).decode())

    def spoken(self) -> Spoken:
        """As the ears compare it."""
        ulaw = base64.b64decode(self.ulaw)
        return Spoken(ulaw, 0, len(ulaw) - 1, self.text)


class Mocks(BaseModel):
    """What the mock server is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sentences: tuple[Sentence, ...]
    answers: dict[str, str]
    delays: Delays = Delays()
    speech_rate_hz: int = Field(default=SPEECH_RATE_HZ, ge=8000, le=48_000)
    fails: tuple[str, ...] = ()


def main() -> None:
    """Serve the mocks until whoever started this process closes its input."""
    told = Mocks.model_validate(begin())
    sentences = [sentence.spoken() for sentence in told.sentences]
    backend = mock_backend(sentences, told.answers, told.delays, told.speech_rate_hz)
    serve(create_app(backend, breaks=breaks_on(told.fails)), tells_lateness=True)


if __name__ == "__main__":
    main()
