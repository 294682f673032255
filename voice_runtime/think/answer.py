"""One streamed answer of a language model, put together from pieces that nothing guarantees."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import httpx2
from openai import APIConnectionError, APIStatusError, APITimeoutError

from controls.errors import ProviderError

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


class Gathering:
    """Puts the pieces of one streamed answer together; servers differ, so nothing is trusted."""

    def __init__(self, supplier: str, reply: Reply) -> None:
        self._supplier = supplier
        self._reply = reply
        self._calls: dict[int, list[str]] = {}
        self._length = 0

    @property
    def wants_tools(self) -> bool:
        return bool(self._calls)

    def take(self, chunk: Any) -> str:
        """Take one chunk; return its text."""
        try:
            return self._take(chunk)
        except (AttributeError, TypeError, ValueError, KeyError, IndexError):
            raise ProviderError("sent a broken chunk", supplier=self._supplier) from None

    def _take(self, chunk: Any) -> str:
        reply = self._reply
        if chunk.usage:
            reply.tokens_in = max(0, int(chunk.usage.prompt_tokens))
            reply.tokens_out = max(0, int(chunk.usage.completion_tokens))
        if isinstance(chunk.model, str) and chunk.model:
            reply.model = chunk.model[:200]
        if not chunk.choices:
            return ""
        choice = chunk.choices[0]
        reply.finish = choice.finish_reason or reply.finish
        delta = choice.delta
        if delta is None:
            return ""
        for call in delta.tool_calls or ():
            self._tool(call)
        text = delta.content or ""
        if not isinstance(text, str):
            raise TypeError("content is no text")
        self._grow(len(text))
        if not reply.words:  # blanks are no words: a server that sends only them has not answered
            text = text.lstrip()
        if text:
            reply.words.append(text)
        return text

    def _tool(self, call: Any) -> None:
        index = call.index if isinstance(call.index, int) else max(self._calls, default=-1) + bool(call.id)
        parts = self._calls.setdefault(max(0, index), ["", ""])
        if len(self._calls) > _MOST_TOOLS:
            raise ValueError("too many tools")
        if call.function is not None:
            parts[0] += call.function.name or ""
            parts[1] += call.function.arguments or ""
            self._grow(len(call.function.name or "") + len(call.function.arguments or ""))

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
