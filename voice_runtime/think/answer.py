"""One streamed answer of a language model, put together from pieces that nothing guarantees."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx2
from openai import APIConnectionError, APIStatusError, APITimeoutError

from controls.errors import ProviderError

#: What became of one request: cut off (``withdrawn``), or over.
Outcome = Literal["answered", "tools", "withdrawn", "failed"]

#: A ``chat.completion.chunk`` of OpenAI's protocol, or an object in it, as parsed from JSON: anything, then.
Chunk = dict[str, Any]

#: The end of a sentence, and the beginning of the next.
_SENTENCE = re.compile(r"\w\w[.?!]\s+\w")
#: No spoken answer is longer; a server that goes on is broken.
_MOST_CHARACTERS = 20_000
_MOST_TOOLS = 8


@dataclass(frozen=True, slots=True)
class WantedTool:
    """A tool the model asked for. ``arguments`` is None when they were no JSON object."""

    name: str
    arguments: dict[str, Any] | None


@dataclass(slots=True)
class Reply:
    """What one request gathered; filled as it arrives, so that it is true whenever it is cut off."""

    supplier: str = ""
    model: str = ""
    words: list[str] = field(default_factory=list)
    tools: list[WantedTool] = field(default_factory=list)
    finish: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    attempts: int = 0

    @property
    def text(self) -> str:
        """Every word so far."""
        return "".join(self.words)

    @property
    def outcome(self) -> Outcome:
        """Of a reply that is whole."""
        return "tools" if self.tools else "answered"


class Gathering:
    """Puts the pieces of one streamed answer together; servers differ, so nothing is trusted."""

    def __init__(self, supplier: str, reply: Reply) -> None:
        self._supplier = supplier
        self._reply = reply
        self._calls: dict[int, list[str]] = {}
        self._length = 0
        self._sentence_over = False

    @property
    def wants_tools(self) -> bool:
        return bool(self._calls)

    @property
    def sentence_over(self) -> bool:
        """Whether a first sentence is whole, and more has come behind it."""
        if not self._sentence_over:
            self._sentence_over = _SENTENCE.search("".join(self._reply.words[-3:])) is not None
        return self._sentence_over

    def take(self, chunk: Chunk) -> str:
        """Take one chunk; return its text."""
        try:
            return self._take(chunk)
        except (AttributeError, TypeError, ValueError, KeyError, IndexError):
            raise ProviderError("sent a broken chunk", supplier=self._supplier) from None

    def _take(self, chunk: Any) -> str:
        reply = self._reply
        if usage := chunk.get("usage"):
            reply.tokens_in = max(0, int(usage["prompt_tokens"]))
            reply.tokens_out = max(0, int(usage["completion_tokens"]))
        if isinstance(model := chunk.get("model"), str) and model:
            reply.model = model[:200]
        if not (choices := chunk.get("choices")):
            return ""
        choice = choices[0]
        reply.finish = choice.get("finish_reason") or reply.finish
        delta = choice.get("delta")
        if delta is None:
            return ""
        for call in delta.get("tool_calls") or ():
            self._tool(call)
        text = delta.get("content") or ""
        if not isinstance(text, str):
            raise TypeError("content is no text")
        self._grow(len(text))
        if not reply.words:  # blanks are no words: a server that sends only them has not answered
            text = text.lstrip()
        if text:
            reply.words.append(text)
        return text

    def _tool(self, call: Any) -> None:
        index = call.get("index")
        if not isinstance(index, int):
            index = max(self._calls, default=-1) + bool(call.get("id"))
        parts = self._calls.setdefault(max(0, index), ["", ""])
        if len(self._calls) > _MOST_TOOLS:
            raise ValueError("too many tools")
        if (function := call.get("function")) is not None:
            name, arguments = function.get("name") or "", function.get("arguments") or ""
            parts[0] += name
            parts[1] += arguments
            self._grow(len(name) + len(arguments))

    def _grow(self, by: int) -> None:
        self._length += by
        if self._length > _MOST_CHARACTERS:
            raise ValueError("endless")

    def close(self) -> None:
        """The stream is over: the answer is whole, or this raises ``ProviderError``."""
        reply = self._reply
        if not reply.finish:
            raise ProviderError("its answer broke off", supplier=self._supplier)
        if reply.finish == "content_filter":
            raise ProviderError("its own filter cut the answer", supplier=self._supplier, transient=False)
        if not reply.text.strip() and not self._calls:
            raise ProviderError("its answer was empty", supplier=self._supplier)
        if reply.finish == "length" and self._calls:
            raise ProviderError("its tool call was cut short", supplier=self._supplier, transient=False)
        reply.tools = [
            WantedTool(name, _arguments(raw)) for _, (name, raw) in sorted(self._calls.items()) if name
        ]


def _arguments(raw: str) -> dict[str, Any] | None:
    try:
        found = json.loads(raw or "{}")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def translate(error: BaseException, supplier: str) -> ProviderError:
    """A foreign error as ours. The supplier's own words are left out: they may echo the caller's."""
    if isinstance(error, ProviderError):
        return error
    if isinstance(error, APIStatusError):
        status = error.status_code
        # Asking again at once helps neither a wrong key nor a spent quota.
        transient = status in (408, 409) or status >= 500
        return ProviderError(f"refused with status {status}", supplier=supplier, transient=transient)
    if isinstance(error, APITimeoutError | httpx2.TimeoutException | TimeoutError):
        return ProviderError("did not answer in time", supplier=supplier)
    if isinstance(error, APIConnectionError | httpx2.TransportError | OSError):
        return ProviderError("its connection failed", supplier=supplier)
    if isinstance(error, ValueError | TypeError | KeyError | AttributeError):
        return ProviderError("sent a broken chunk", supplier=supplier)
    return ProviderError(f"failed: {type(error).__name__}", supplier=supplier)
