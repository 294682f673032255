"""The model on the line: pipecat's OpenAI service with shared clients, deadlines, fallback and a record.

One ``ChatModel`` per call; the ``Endpoints`` behind it belong to the process. It
turns a context into ``LLMFullResponseStartFrame``, ``LLMTextFrame`` … and
``LLMFullResponseEndFrame``; the guard is next in line. Tools the model asks for go
to the ``ToolRunner``, and the model is run again on their results, all within one
such answer. Whatever becomes of a request, exactly one ``decided`` says so.

An answer may have been begun before the turn was over (``think.eager``): then it is taken over in
place of the first request. Until then nothing of it is pushed, and no tool it wants is used.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from loguru import logger
from pipecat.adapters.llm.schemas.direct_function import DirectFunction
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.frames.frames import (
    EagerEndOfTurnCancelFrame,
    Frame,
    FunctionCallFromLLM,
    InterruptionFrame,
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
from voice_runtime.events import AnswerBrokenFrame, ProvisionalTurnFrame, SayFrame, ThinkingFrame
from voice_runtime.phrases import HOLDING
from voice_runtime.settings import EagerTurns
from voice_runtime.think.answer import Outcome, Reply
from voice_runtime.think.eager import EagerAnswer, EagerJournal, Eagerness
from voice_runtime.think.endpoints import Before, Endpoints, OnFailover, OnText
from voice_runtime.think.summary import Summariser
from voice_runtime.think.tool_values import ToolResult
from voice_runtime.think.tools import ToolRunner

#: Comes back in the ``SpokenFrame`` of a read-back and of the phrase spoken when nothing answers.
READ_BACK_TAG = "read-back"
FALLBACK_TAG = "fallback"

#: How often the model is run for one turn: its first answer, and after tools.
_DEPTH = 4


#: Masks a value on its way to the model.
ForModel = Callable[[Any], Any]


def _as_it_is(value: Any) -> Any:
    return value


class TurnSource(Protocol):
    """Which turn of the caller is being answered."""

    def current_turn(self) -> int:
        """Its number, from 1; 0 before the first."""
        ...

    def caller_text(self) -> str:
        """What the caller said in it."""
        ...


class Journal(TurnSource, EagerJournal, Protocol):
    """Where requests to the model are told. Nothing here waits: records are only queued."""

    def asked(self, turn: int, at_ns: int = 0) -> None:
        """The context goes to the model, now or at that time."""
        ...

    def first_token(self, turn: int, at_ns: int) -> None:
        """Its first word or tool call arrived, ``at_ns`` on the monotonic clock."""
        ...

    def decided(
        self, turn: int, *, supplier: str, model: str, candidate: str,
        tools: tuple[tuple[str, dict[str, Any]], ...], outcome: Outcome,
        tokens_in: int = 0, tokens_out: int = 0, attempts: int = 1, provisional: bool = False,
        estimated: bool = False,
    ) -> PendingReceipt:  # fmt: skip
        """One request is over, once per request: whole, cut off (``withdrawn``) or failed."""
        ...


class ChatModel(OpenAILLMService):
    """One call's model.

    Ordering: text in the order it arrives, then the end of the answer, then (where there is
    one) the read-back or the fallback phrase. Interruptions: a request is withdrawn and what
    arrived by then is on record; tools already asked for go on. A tool that takes long is covered
    by the holding phrase, once, where nothing else was said. Failing: never silence, see
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
        context: LLMContext | None = None,
        eager: EagerTurns = "off",
        for_model: ForModel = _as_it_is,
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
            context: the call's, which answers are begun on before the turn is over.
            eager: where that may be done; nowhere without ``context``.
            for_model: masks what a tool came to before the model sees it.
        """
        self._endpoints = endpoints  # create_client needs it
        settings = OpenAILLMService.Settings(model=endpoints.endpoints[0].model)
        if max_tokens is not None:
            settings.max_tokens = max_tokens
        super().__init__(settings=settings)
        self._journal = journal
        self._tools = tools
        tools.say, tools.speak = self._waits, self._speaks
        self._on_exhausted = on_exhausted
        self._prompt = prompt
        self._wait_before_sending = wait_before_sending
        self._summariser = summariser
        self._on_failover = on_failover
        self._clock = clock or SystemClock()
        self._for_model = for_model
        self._afterwards: list[SayFrame] = []
        self._exhausted = False
        self._asked_after: object = None
        self._answering = False  # this answer has words
        self._moment_last = False  # the holding phrase was what was said last
        self._eagerness = Eagerness(
            "off" if context is None else eager,
            LLMContext() if context is None else context,
            endpoints=endpoints,
            journal=journal,
            tools=tools,
            ask=self._ask,
            decided=self._decided,
            before_sending=wait_before_sending,
            prompt=prompt,
            now_ns=self._clock.monotonic_ns,
        )

    def create_client(self, *_: Any, **__: Any) -> Any:
        """The process's client, not one of this call's own (a TLS context each)."""
        return self._endpoints.client(self._endpoints.endpoints[0].name)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, ProvisionalTurnFrame):
            self._eagerness.begin(frame)
            return
        if isinstance(frame, EagerEndOfTurnCancelFrame | InterruptionFrame):
            self._eagerness.withdraw()
            if isinstance(frame, EagerEndOfTurnCancelFrame):
                return  # nothing of it has left this stage
        self_is_asked = isinstance(frame, LLMContextFrame)
        if self_is_asked:
            self._afterwards, self._exhausted = [], False
        elif isinstance(frame, SayFrame):
            self._moment_last = False
        await super().process_frame(frame, direction)
        if not self_is_asked:
            return
        # After the end of the answer, so that the guard has finished its last clause.
        for say in self._afterwards:
            if say.tag == READ_BACK_TAG and self._tools.pending is None:
                continue  # it was dropped meanwhile: nobody is asked what no yes would do
            if say.tag == READ_BACK_TAG and self._tools.ask is not None:
                await self._tools.ask(say.text)
            else:
                await self.push_frame(say)
            self._moment_last = False
        self._afterwards = []
        if self._summariser is not None and self._summariser.due:
            self.create_task(self._summariser.run(), name="model::summary")
        if self._exhausted:
            self._on_exhausted(self._journal.current_turn())

    async def cleanup(self) -> None:
        """End what was begun and is nobody's."""
        await self._eagerness.aclose()
        await super().cleanup()  # type: ignore[no-untyped-call]  # pipecat leaves it untyped

    async def _process_context(self, context: LLMContext) -> None:
        """Answer ``context``; replaces pipecat's, which waits for ever and knows one endpoint."""
        turn = self._journal.current_turn()
        self._answering = False
        await self.push_frame(ThinkingFrame(active=True, turn=turn), FrameDirection.UPSTREAM)
        try:
            for told in await self._tools.settle(on_slow=partial(self._bridge, turn)):
                if told.pending:  # a person changed what the caller had agreed to: they are asked anew
                    self._ask_back(turn)
                else:
                    _into_context(context, self._shown(told), self._asked_after)
            if self._afterwards:
                return
            begun = self._eagerness.take(turn, context)
            for _ in range(_DEPTH):
                reply = await (self._request(context, turn) if begun is None else self._take_over(begun))
                begun = None
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
            await self._ask(
                context,
                reply,
                on_first=lambda: self._journal.first_token(turn, self._clock.monotonic_ns()),
                on_text=self._push_text,
            )
            outcome = reply.outcome
        except Exception:
            outcome = "failed"
            raise
        finally:  # also when an interruption cancels it; it only queues
            self._decided(turn, reply, outcome)
        return reply

    async def _take_over(self, begun: EagerAnswer) -> Reply:
        """As ``_request``, of a request that was made before the turn was over.

        Raises:
            ProviderError: as ``_request``.
        """
        try:
            while (text := await begun.next()) is not None:
                await self._push_text(text)
        except asyncio.CancelledError:
            begun.cancel()
            raise
        if begun.error is not None:
            raise begun.error
        return begun.reply

    async def _ask(
        self, context: LLMContext, reply: Reply, *, on_first: Callable[[], None], on_text: OnText,
        before_outside: Before | None = None,
    ) -> None:  # fmt: skip
        adapter = self.get_llm_adapter()
        params = await adapter.get_llm_invocation_params(
            context, system_instruction=self._prompt or None, convert_developer_to_user=True
        )
        await self._endpoints.ask(
            self.build_chat_completion_params(params),
            reply,
            on_first=on_first,
            on_text=on_text,
            before_sending=self._wait_before_sending,
            before_outside=before_outside,
            on_failover=self._on_failover,
        )

    def _decided(
        self, turn: int, reply: Reply, outcome: Outcome, *, provisional: bool = False, estimated: bool = False
    ) -> None:
        first = self._endpoints.endpoints[0]
        self._journal.decided(
            turn,
            supplier=reply.supplier or first.name,
            model=reply.model or first.model,
            candidate=reply.text,
            tools=tuple((t.name, t.arguments or {}) for t in reply.tools),
            outcome=outcome,
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
            attempts=reply.attempts,
            provisional=provisional,
            estimated=estimated,
        )

    async def _push_text(self, text: str) -> None:
        if text.strip():
            self._answering, self._moment_last = True, False
        await self.push_frame(LLMTextFrame(text))

    async def _bridge(self, turn: int) -> None:
        """A tool takes long: ask for a moment, unless something was said, or just that."""
        if self._answering or self._moment_last:
            return
        self._moment_last = True
        # No answer: the turn's latency is that of the words that follow, and the floor stays ours.
        await self.push_frame(SayFrame(phrase=HOLDING, turn=turn, tag=HOLDING, final=False, answers=False))

    async def _use(self, context: LLMContext, reply: Reply, turn: int) -> bool:
        """Use what the model asked for; whether the model is to be run again."""
        if reply.text and not reply.text[-1].isspace():
            await self._push_text("\n")  # what it says next is another sentence
        self._asked_after = _newest_caller_words(context)
        for n, wanted in enumerate(reply.tools):
            result = await self._tools.use(
                wanted.name, wanted.arguments, turn, on_slow=partial(self._bridge, turn)
            )
            if result.pending:
                self._ask_back(turn)
                for other in reply.tools[n + 1 :]:
                    self._tools.pass_over(other.name, other.arguments, turn)
                return False
            _into_context(context, self._shown(result), self._asked_after)
        return True

    def _shown(self, result: ToolResult) -> ToolResult:
        """A result as the model may see it."""
        content = self._for_model(result.content)
        return replace(result, content=content if isinstance(content, dict) else {"ok": result.ok})

    def _ask_back(self, turn: int) -> None:
        """Ask the caller what waits for their yes, once this answer is over."""
        waiting = self._tools.pending
        words = waiting.words if waiting is not None else ""
        self._afterwards.append(SayFrame(text=words, turn=turn, tag=READ_BACK_TAG))

    async def _waits(self, phrase: str, turn: int) -> None:
        """A person decides first: say so. It answers nothing, and the floor stays ours."""
        self._moment_last = True
        await self.push_frame(SayFrame(phrase=phrase, turn=turn, tag=phrase, final=False, answers=False))

    async def _speaks(self, frame: SayFrame) -> None:
        """A use of a tool has something of its own to say meanwhile."""
        self._moment_last = True
        await self.push_frame(frame)

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
                for name, of in _mapping(tool.asked.get("properties")).items()
            },
            required=[str(name) for name in _sequence(tool.asked.get("required"))],
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
