"""The model on the line: pipecat's OpenAI service with shared clients, deadlines, fallback and a record.

One ``ChatModel`` per call; the ``Endpoints`` behind it belong to the process. It
turns a context into ``LLMFullResponseStartFrame``, ``LLMTextFrame`` … and
``LLMFullResponseEndFrame``; the guard is next in line. Tools the model asks for go
to the ``ToolRunner``, and the model is run again on their results, all within one
such answer. Whatever becomes of a request, exactly one ``decided`` says so.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, Protocol

from loguru import logger
from pipecat.adapters.llm.schemas.direct_function import DirectFunction
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.frames.frames import (
    EagerEndOfTurnCancelFrame,
    Frame,
    FunctionCallFromLLM,
    LLMContextFrame,
    LLMTextFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.openai.llm import OpenAILLMService

from controls.decision import PendingReceipt
from controls.errors import ProviderError
from voice_runtime.agent import Tool
from voice_runtime.clock import Clock, SystemClock
from voice_runtime.events import AnswerBrokenFrame, SayFrame, ThinkingFrame
from voice_runtime.think.answer import Reply
from voice_runtime.think.endpoints import Endpoints, OnFailover
from voice_runtime.think.summary import Summariser
from voice_runtime.think.tools import ToolResult, ToolRunner

Outcome = Literal["answered", "tools", "withdrawn", "failed"]

#: Comes back in the ``SpokenFrame`` of a read-back and of the phrase spoken when nothing answers.
READ_BACK_TAG = "read-back"
FALLBACK_TAG = "fallback"

#: How often the model is run for one turn: its first answer, and after tools.
_DEPTH = 4


class TurnSource(Protocol):
    """Which turn of the caller is being answered."""

    def current_turn(self) -> int:
        """Its number, from 1; 0 before the first."""
        ...

    def caller_text(self) -> str:
        """What the caller said in it."""
        ...


class Journal(TurnSource, Protocol):
    """Where requests to the model are told. Nothing here waits: records are only queued."""

    def asked(self, turn: int) -> None:
        """The context goes to the model now."""
        ...

    def first_token(self, turn: int, at_ns: int) -> None:
        """Its first word or tool call arrived, ``at_ns`` on the monotonic clock."""
        ...

    def decided(
        self, turn: int, *, supplier: str, model: str, candidate: str,
        tools: tuple[tuple[str, dict[str, Any]], ...], outcome: Outcome,
        tokens_in: int = 0, tokens_out: int = 0, attempts: int = 1,
    ) -> PendingReceipt:  # fmt: skip
        """One request is over, once per request: whole, cut off (``withdrawn``) or failed."""
        ...


class ChatModel(OpenAILLMService):
    """One call's model.

    Ordering: text in the order it arrives, then the end of the answer, then (where there is
    one) the read-back or the fallback phrase. Interruptions: a request is withdrawn and what
    arrived by then is on record; tools already asked for go on. Failing: never silence, see
    ``on_exhausted``.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        *,
        journal: Journal,
        tools: ToolRunner,
        on_exhausted: Callable[[int], None],
        prompt: str = "",
        wait_before_sending: Callable[[], Awaitable[None]] | None = None,
        summariser: Summariser | None = None,
        on_failover: OnFailover | None = None,
        clock: Clock | None = None,
        max_tokens: int | None = 400,
    ) -> None:
        """Make the model of one call.

        Args:
            prompt: goes ahead of the context; "" sends none.
            on_exhausted: called with the turn when no endpoint answered, an answer
                broke off, or tools were asked for without end. The fallback phrase has
                been sent to the voice by then; a person is the caller's next step.
            wait_before_sending: waits for the receipt of the caller's words before they
                go to an outside supplier; raises ``LedgerError`` when there is none.
            summariser: keeps the context within its budget, between answers.
            on_failover: called with the reason when an endpoint failed and the next one is asked.
        """
        self._endpoints = endpoints  # create_client needs it
        settings = OpenAILLMService.Settings(model=endpoints.endpoints[0].model)
        if max_tokens is not None:
            settings.max_tokens = max_tokens
        super().__init__(settings=settings)
        self._journal = journal
        self._tools = tools
        self._on_exhausted = on_exhausted
        self._prompt = prompt
        self._wait_before_sending = wait_before_sending
        self._summariser = summariser
        self._on_failover = on_failover
        self._clock = clock or SystemClock()
        self._afterwards: list[SayFrame] = []
        self._exhausted = False
        self._asked_after: object = None

    def create_client(self, *_: Any, **__: Any) -> Any:
        """The process's client, not one of this call's own (a TLS context each)."""
        return self._endpoints.client(self._endpoints.endpoints[0].name)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        self_is_asked = isinstance(frame, LLMContextFrame)
        if self_is_asked:
            self._afterwards, self._exhausted = [], False
        await super().process_frame(frame, direction)
        if not self_is_asked:
            return
        # After the end of the answer, so that the guard has finished its last clause.
        for say in self._afterwards:
            if say.tag == READ_BACK_TAG and self._tools.ask is not None:
                await self._tools.ask(say.text)
            else:
                await self.push_frame(say)
        self._afterwards = []
        if self._summariser is not None and self._summariser.due:
            self.create_task(self._summariser.run(), name="model::summary")
        if self._exhausted:
            self._on_exhausted(self._journal.current_turn())

    async def _process_context(self, context: LLMContext) -> None:
        """Answer ``context``; replaces pipecat's, which waits for ever and knows one endpoint."""
        turn = self._journal.current_turn()
        await self.push_frame(ThinkingFrame(active=True, turn=turn), FrameDirection.UPSTREAM)
        try:
            for told in await self._tools.settle():
                _into_context(context, told, self._asked_after)
            for _ in range(_DEPTH):
                reply = await self._request(context, turn)
                if not reply.tools or not await self._use(context, reply, turn):
                    return
            logger.warning("turn {}: the model asked for tools {} times over", turn, _DEPTH)
            await self._give_up(turn)
        except ProviderError:
            await self._give_up(turn)
        except Exception as error:  # noqa: BLE001  # a bug of ours must not be silence for the caller
            logger.error("turn {}: thinking failed: {}", turn, type(error).__name__)
            await self._give_up(turn)
        finally:
            await self.push_frame(ThinkingFrame(active=False, turn=turn), FrameDirection.UPSTREAM)

    async def _give_up(self, turn: int) -> None:
        await self.push_frame(AnswerBrokenFrame())
        self._afterwards = [SayFrame(phrase="fallback", turn=turn, tag=FALLBACK_TAG)]
        self._exhausted = True

    async def _request(self, context: LLMContext, turn: int) -> Reply:
        """Ask once, over all endpoints; push the text as it arrives; say what became of it.

        Raises:
            ProviderError: nothing answered, or an answer broke off.
        """
        reply = Reply()
        outcome: Outcome = "withdrawn"
        self._journal.asked(turn)
        try:
            adapter = self.get_llm_adapter()
            params = await adapter.get_llm_invocation_params(
                context, system_instruction=self._prompt or None, convert_developer_to_user=True
            )
            await self._endpoints.ask(
                self.build_chat_completion_params(params),
                reply,
                on_first=lambda: self._journal.first_token(turn, self._clock.monotonic_ns()),
                on_text=self._push_text,
                before_sending=self._wait_before_sending,
                on_failover=self._on_failover,
            )
            outcome = "tools" if reply.tools else "answered"
        except Exception:
            outcome = "failed"
            raise
        finally:  # also when an interruption cancels it; it only queues
            self._journal.decided(
                turn,
                supplier=reply.supplier or self._endpoints.endpoints[0].name,
                model=reply.model or self._endpoints.endpoints[0].model,
                candidate=reply.text,
                tools=tuple((t.name, t.arguments or {}) for t in reply.tools),
                outcome=outcome,
                tokens_in=reply.tokens_in,
                tokens_out=reply.tokens_out,
                attempts=reply.attempts,
            )
        return reply

    async def _push_text(self, text: str) -> None:
        await self.push_frame(LLMTextFrame(text))

    async def _use(self, context: LLMContext, reply: Reply, turn: int) -> bool:
        """Use what the model asked for; whether the model is to be run again."""
        if self._speculation_gate.is_speculating:
            # A tool's effect cannot be taken back: the run that follows the real turn does it.
            await self.broadcast_frame(EagerEndOfTurnCancelFrame)
            return False
        if reply.text and not reply.text[-1].isspace():
            await self._push_text("\n")  # what it says next is another sentence
        self._asked_after = _newest_caller_words(context)
        for n, wanted in enumerate(reply.tools):
            result = await self._tools.use(wanted.name, wanted.arguments, turn)
            if result.pending:
                waiting = self._tools.pending
                words = waiting.words if waiting is not None else ""
                self._afterwards.append(SayFrame(text=words, turn=turn, tag=READ_BACK_TAG))
                for other in reply.tools[n + 1 :]:
                    self._tools.pass_over(other.name, other.arguments, turn)
                return False
            _into_context(context, result, self._asked_after)
        return True

    async def run_function_calls(self, function_calls: Sequence[FunctionCallFromLLM]) -> None:
        """Nothing reaches pipecat's own tool runner: it has no gate.

        Raises:
            PermissionError: always.
        """
        raise PermissionError("tools are used through ToolRunner only")


def tool_schemas(tools: Sequence[Tool]) -> list[FunctionSchema | DirectFunction]:
    """The agent's tools as the model is told of them, for ``LLMContext(tools=…)``."""
    return [
        FunctionSchema(
            name=tool.name,
            description=tool.does,
            properties={
                name: {
                    k: v for k, v in _mapping(of).items() if not k.startswith("x-")
                }  # ours, not the model's
                for name, of in _mapping(tool.parameters.get("properties")).items()
            },
            required=[str(name) for name in _sequence(tool.parameters.get("required"))],
        )
        for tool in tools
    ]


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _sequence(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _newest_caller_words(context: LLMContext) -> object:
    messages: list[Any] = context.get_messages()
    return next((m for m in reversed(messages) if m.get("role") == "user"), None)


def _into_context(context: LLMContext, result: ToolResult, asked_after: object) -> None:
    """Write a use and its result into the model's history, as two neighbouring messages.

    News older than the caller's last words goes before them, so that the model
    answers the caller, not the tool; but never before the words it was asked after.
    """
    call = {
        "id": result.use,
        "type": "function",
        "function": {"name": result.name, "arguments": json.dumps(result.arguments)},
    }
    pair: list[Any] = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": result.use, "content": json.dumps(result.content)},
    ]
    messages: list[Any] = list(context.get_messages())
    at = len(messages)
    if result.before_caller:
        while at and messages[at - 1].get("role") == "user" and messages[at - 1] is not asked_after:
            at -= 1
    context.set_messages([*messages[:at], *pair, *messages[at:]])
