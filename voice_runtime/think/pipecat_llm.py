"""Any language-model service of pipecat as one of the endpoints, in private pipelines of its own.

It answers with the chunks of OpenAI's protocol that ``answer.Gathering`` reads,
whatever its own protocol is: text as it comes, then the tools it asks for, what
it used, and the end. Tools are never run in there: ``run_function_calls`` only
tells us what was wanted, and ``ToolRunner`` does the rest, through the gate.

What pipecat's services do not tell: why the model stopped. An answer that a
server cut off at its length, or that broke off without an error, looks whole.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import (
    Frame,
    FunctionCallFromLLM,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMTextFrame,
    LLMUpdateSettingsFrame,
    MetricsFrame,
)
from pipecat.metrics.metrics import LLMUsageMetricsData
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.services.llm_service import LLMService

from controls.errors import ProviderError
from voice_runtime.providers import Provider
from voice_runtime.sub_pipeline import SubPipeline
from voice_runtime.think.answer import Chunk

#: What comes of an answer: frames, the tools that are wanted, or the fault that ended it.
Came = Frame | list[FunctionCallFromLLM] | ProviderError


class _Telling(LLMService[Any]):
    """Tells which tools the model wants instead of running them; stands before the service's class."""

    place: _Place

    async def run_function_calls(self, function_calls: Sequence[FunctionCallFromLLM]) -> None:
        self.place.wanted(function_calls)


class _Place:
    """One running instance of the service, for one answer at a time."""

    def __init__(self, provider: Provider, defaults: Mapping[str, Any], resources: Mapping[str, Any]) -> None:
        service: Any = provider.make(_Telling, defaults=defaults, resources=resources)
        service.place = self
        self._service = service
        self._instruction: str | None = service.settings.system_instruction
        self.fault: ProviderError | None = None
        self._came: asyncio.Queue[Came] | None = None
        self.pipeline = SubPipeline(
            service, provider.name, on_frame=self._frame, on_fault=self.failed, usage=True
        )
        self.pipeline.begin()

    def ask(self, instruction: str | None, context: LLMContext) -> asyncio.Queue[Came]:
        """Begin an answer; what comes of it is in the queue, up to ``LLMFullResponseEndFrame`` or a fault."""
        self._came = asyncio.Queue()
        if instruction != self._instruction:
            self._instruction = instruction
            delta = type(self._service.settings)(system_instruction=instruction)
            self.pipeline.send(LLMUpdateSettingsFrame(delta=delta))
        if self.fault is not None:
            self._came.put_nowait(self.fault)
        self.pipeline.send(LLMContextFrame(context))
        return self._came

    def silence(self) -> None:
        """Nobody listens to the answer any more."""
        self._came = None

    def wanted(self, calls: Sequence[FunctionCallFromLLM]) -> None:
        """The model asks for tools."""
        if self._came is not None:
            self._came.put_nowait(list(calls))

    def _frame(self, frame: Frame) -> None:
        if self._came is not None and isinstance(
            frame, LLMTextFrame | MetricsFrame | LLMFullResponseEndFrame
        ):
            self._came.put_nowait(frame)

    def failed(self, error: ProviderError) -> None:
        """The service is no more use; the answer under way ends with this."""
        self.fault = self.fault or error
        if self._came is not None:
            self._came.put_nowait(error)


class PipecatChat:
    """A source of chat chunks for ``Endpoints``. ``start`` before use, ``close`` after; one event loop."""

    def __init__(
        self, provider: Provider, model: str, *, max_tokens: int = 400, most: int = 64, idle: int = 4
    ) -> None:
        """Make a source of a service.

        Args:
            provider: the service's class and what it is given.
            model: on record, as the profile says.
            max_tokens: of one answer, where the profile's settings leave it open.
            most: answers at a time; more are refused at once.
            idle: instances kept for the next answer.
        """
        self.name = provider.name
        self.model = model
        self._provider = provider
        self._defaults = {"max_tokens": max_tokens}
        self._most, self._most_idle = most, idle
        self._idle: list[_Place] = []
        self._in_use: set[_Place] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._resources: dict[str, Any] = {}
        self._running = False

    async def start(self) -> None:
        """Make the first instance.

        Raises:
            OperatorError: the service refuses its arguments.
        """
        if "aiohttp_session" in self._provider.accepts:
            import aiohttp

            self._resources["aiohttp_session"] = aiohttp.ClientSession()
        self._running = True
        try:
            self._idle.append(self._make())
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close every instance; answers under way fail. Harmless when repeated."""
        self._running = False
        for place in (*self._in_use, *self._idle):
            place.failed(ProviderError("the model was closed", supplier=self.name))
            self._in_background(place.pipeline.close())
        self._idle.clear()
        self._in_use.clear()
        while self._tasks:
            await asyncio.gather(*self._tasks)
        if (http := self._resources.pop("aiohttp_session", None)) is not None:
            await http.close()

    async def chunks(self, params: Mapping[str, Any]) -> AsyncIterator[Chunk]:
        """Answer once. Closing the generator withdraws the request.

        Args:
            params: of ``chat.completions.create``; messages and tools are what is used of them.

        Raises:
            ProviderError: the service failed, or too many answers are under way.
        """
        if not self._running or len(self._in_use) >= self._most:
            raise ProviderError("no instance is free", supplier=self.name)
        place = self._idle.pop() if self._idle else self._make()
        self._in_use.add(place)
        calls: list[FunctionCallFromLLM] = []
        usage: Chunk | None = None
        whole = False
        try:
            came = place.ask(*_context(params))
            while not isinstance(item := await came.get(), LLMFullResponseEndFrame):
                if isinstance(item, ProviderError):
                    raise item
                if isinstance(item, LLMTextFrame):
                    yield self._chunk(delta={"content": item.text})
                elif isinstance(item, MetricsFrame):
                    usage = _usage(item) or usage
                elif not isinstance(item, Frame):
                    calls += item
            whole = True
        finally:
            self._give_back(place, whole)
        if calls:
            yield self._chunk(delta={"tool_calls": [_tool(n, call) for n, call in enumerate(calls)]})
        if usage is not None:
            yield self._chunk(usage=usage)
        yield self._chunk(delta={}, finish="tool_calls" if calls else "stop")

    def _chunk(
        self, *, delta: Chunk | None = None, finish: str | None = None, usage: Chunk | None = None
    ) -> Chunk:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
        return {"model": self.model, "choices": choices, "usage": usage}

    # -- instances ---------------------------------------------------------------------------------

    def _make(self) -> _Place:
        return _Place(self._provider, self._defaults, self._resources)

    def _give_back(self, place: _Place, whole: bool) -> None:
        """Keep an instance whose answer came to its end; make sure of every other in the background."""
        place.silence()
        if place not in self._in_use:
            return
        self._in_use.discard(place)
        if place.fault is not None or not self._running:
            self._in_background(place.pipeline.close())
        elif whole:
            self._keep(place)
        else:
            self._in_background(self._interrupt(place))

    async def _interrupt(self, place: _Place) -> None:
        if await place.pipeline.interrupt() and place.fault is None and self._running:
            self._keep(place)
        else:
            await place.pipeline.close()

    def _keep(self, place: _Place) -> None:
        self._idle.append(place)
        if len(self._idle) > self._most_idle:
            self._in_background(self._idle.pop(0).pipeline.close())

    def _in_background(self, work: Any) -> None:
        task = asyncio.create_task(work, name=f"provider {self.name}: letting go")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _context(params: Mapping[str, Any]) -> tuple[str | None, LLMContext]:
    """OpenAI's messages and tools as the prompt and pipecat's context, for each service's own protocol."""
    given = params.get("tools")
    functions = [tool["function"] for tool in given] if isinstance(given, list) else []
    tools = [
        FunctionSchema(
            name=f["name"],
            description=f.get("description", ""),
            properties=(f.get("parameters") or {}).get("properties") or {},
            required=(f.get("parameters") or {}).get("required") or [],
        )
        for f in functions
    ]
    messages = list(params["messages"])
    instruction: str | None = None
    if messages and messages[0].get("role") == "system":
        instruction = str(messages.pop(0).get("content") or "")
    # Further ones are what a protocol without them is told as the operator's words.
    messages = [m | {"role": "developer"} if m.get("role") == "system" else m for m in messages]
    schema = ToolsSchema(standard_tools=list(tools))
    return instruction, LLMContext(messages, schema) if tools else LLMContext(messages)


def _tool(index: int, call: FunctionCallFromLLM) -> Chunk:
    function = {"name": call.function_name, "arguments": json.dumps(dict(call.arguments))}
    return {"index": index, "id": call.tool_call_id, "type": "function", "function": function}


def _usage(frame: MetricsFrame) -> Chunk | None:
    for data in frame.data:
        if isinstance(data, LLMUsageMetricsData):
            used = data.value
            return {"prompt_tokens": used.prompt_tokens, "completion_tokens": used.completion_tokens}
    return None
