"""An answer begun before the caller's turn was over: gathered where nothing reads it until it is taken.

pipecat's ``SpeculationGate`` stands in the model's ``push_frame``, through which the runtime's own
phrases pass as well, and opens on any ``UserStoppedSpeakingFrame``. Here nothing is pushed at all:
what a provisional turn's request brings lies in an ``EagerAnswer``, and only the ordinary way of
an ordinary turn can take it out: same number, same words, same conversation (decision 0014).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from functools import partial
from typing import Any, Protocol

from loguru import logger
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.utils.context.llm_context_summarization import LLMContextSummarizationUtil as Counting

from controls.errors import ProviderError
from voice_runtime.events import ProvisionalTurnFrame
from voice_runtime.settings import EagerTurns
from voice_runtime.think.answer import Outcome, Reply
from voice_runtime.think.endpoints import Before, Endpoints, OnText

#: A request that was cancelled gets so long to close its connection and to be on record, s.
_LAST_S = 2.0


class EagerJournal(Protocol):
    """Where provisional turns are told (the call's journal). Nothing here waits."""

    def current_turn(self) -> int: ...

    def provisional(self, frame: ProvisionalTurnFrame) -> None:
        """The model begins on words of a turn that is not over."""
        ...

    def asked(self, turn: int, at_ns: int = 0) -> None: ...

    def first_token(self, turn: int, at_ns: int) -> None: ...

    def withdrawn(
        self, turn: int, *, eager: bool = False, tokens_in: int = 0, tokens_out: int = 0,
        estimated: bool = False,
    ) -> None:  # fmt: skip
        """What the model was asked for in ``turn`` is not wanted any more."""
        ...


class Tools(Protocol):
    """What is needed of the call's tools."""

    @property
    def at_rest(self) -> bool:
        """Nothing is under way or waits for a yes, and the model was told of everything."""
        ...


class Asking(Protocol):
    """One request over all endpoints, filling ``reply``; as ``Endpoints.ask``."""

    def __call__(
        self, context: LLMContext, reply: Reply, *, on_first: Callable[[], None], on_text: OnText,
        before_outside: Before | None = None,
    ) -> Awaitable[None]: ...  # fmt: skip


class Deciding(Protocol):
    """Puts one request on record once it is over."""

    def __call__(
        self, turn: int, reply: Reply, outcome: Outcome, *, provisional: bool, estimated: bool
    ) -> None: ...


class Settled(StrEnum):
    """What became of the turn an answer was begun on."""

    OPEN = "open"
    TAKEN = "taken"  # it ended in the same words, on the same conversation
    WITHDRAWN = "withdrawn"


class EagerAnswer:
    """One request on a provisional turn, and what it has brought so far.

    Settled once: open, then taken or withdrawn, for good. Ordering: pieces in the order they came.
    Bounded by the length an answer may have (``think.answer``).

    Attributes:
        turn: the number the turn will have.
        reply: what has come, as of any request.
        asked_ns, first_ns: asked, and its first word or tool call; monotonic, 0 before.
        over: the request is; nothing more comes.
        error: why it failed.
        estimated: the reply's tokens are ours, for its supplier told none.
    """

    def __init__(self, turn: int, messages: list[Any]) -> None:
        """Make it; nothing is asked yet.

        Args:
            messages: the conversation it is asked on, a copy, the caller's words last.
        """
        self.turn = turn
        self.reply = Reply()
        self.asked_ns = self.first_ns = 0
        self.over = self.estimated = False
        self.error: Exception | None = None
        self.settled = Settled.OPEN
        self._messages = messages
        self._taken = asyncio.Event()
        self._pieces: asyncio.Queue[str | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    # -- the request's side ------------------------------------------------------------------------

    def begin(self, request: Callable[[EagerAnswer], Any]) -> asyncio.Task[None]:
        """Make the request, beside everything else."""
        self._task = asyncio.create_task(request(self), name=f"eager answer to turn {self.turn}")
        return self._task

    def context(self, like: LLMContext) -> LLMContext:
        """What is asked: a context of its own, with the tools of the call's."""
        return LLMContext(messages=list(self._messages), tools=like.tools, tool_choice=like.tool_choice)

    def start(self, now_ns: int) -> bool:
        """The request is made now; False when nobody wants it any more."""
        if self.settled is Settled.WITHDRAWN:
            return False
        self.asked_ns = now_ns
        return True

    @property
    def running(self) -> bool:
        """Whether the request has been made and is not over."""
        return bool(self.asked_ns) and not self.over

    async def put(self, text: str) -> None:
        """The next piece of text."""
        self._pieces.put_nowait(text)

    async def until_taken(self) -> None:
        """Wait for the end of the turn, if it ends in these words."""
        await self._taken.wait()

    def ended(self, error: Exception | None) -> None:
        """The request is over, whole or not."""
        self.over, self.error = True, error
        self._pieces.put_nowait(None)

    def estimate(self, prompt: str) -> None:
        """Count the tokens of a request whose supplier told none (it was cut off), 4 characters each."""
        reply = self.reply
        if reply.attempts and not reply.tokens_in and not reply.tokens_out:
            asked = LLMContext(messages=list(self._messages))
            reply.tokens_in = Counting.estimate_context_tokens(asked) + Counting.estimate_tokens(prompt)
            reply.tokens_out = Counting.estimate_tokens(reply.text)
            self.estimated = True

    # -- the turn's side ---------------------------------------------------------------------------

    def fits(self, turn: int, messages: list[Any]) -> bool:
        """Whether it answers this turn of this conversation, and has not failed so far."""
        open_ = self.settled is Settled.OPEN and self.error is None
        return open_ and turn == self.turn and messages == self._messages

    def take(self) -> None:
        """The turn is over, and this is its answer: from now on ``next`` hands it out."""
        self.settled = Settled.TAKEN
        self._taken.set()

    def withdraw(self) -> None:
        """Nobody gets it."""
        self.settled = Settled.WITHDRAWN
        self.cancel()

    def cancel(self) -> None:
        """Cut the request off where it is running; where it is not made yet, it never will be."""
        if self.running and self._task is not None:
            self._task.cancel()
        elif not self.over:
            self.settled = Settled.WITHDRAWN

    async def next(self) -> str | None:
        """The next piece of a taken answer; None when there are no more.

        Raises:
            PermissionError: it was not taken.
        """
        if self.settled is not Settled.TAKEN:
            raise PermissionError("a provisional turn's answer is nobody's before the turn is over")
        return await self._pieces.get()


class Eagerness:
    """One call's provisional turns, one at a time: from the pause to whatever settles it.

    Not a frame processor: the model service tells it what came. Every request made has one
    ``decided``; every provisional turn is taken, or has one ``withdrawn`` right behind that.
    """

    def __init__(
        self,
        mode: EagerTurns,
        context: LLMContext,
        *,
        endpoints: Endpoints,
        journal: EagerJournal,
        tools: Tools,
        ask: Asking,
        decided: Deciding,
        before_sending: Before | None,
        prompt: str,
        now_ns: Callable[[], int],
    ) -> None:
        """Make it.

        Args:
            context: the call's; only read.
            before_sending: waits until the caller's newest words are on record. A provisional turn's
                wait for it before any outside endpoint, whatever that endpoint's entry says.
            prompt: what goes ahead of the context, for estimates.
        """
        self._mode, self._context = mode, context
        self._endpoints, self._journal, self._tools = endpoints, journal, tools
        self._ask, self._decided = ask, decided
        self._before_sending = before_sending
        self._prompt, self._now_ns = prompt, now_ns
        self._open: EagerAnswer | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, frame: ProvisionalTurnFrame) -> None:
        """Ask the model now, where that is allowed and can be taken back."""
        self.withdraw()
        if not self._may_begin(frame.turn):
            return
        self._journal.provisional(frame)
        words = {"role": "user", "content": frame.paused.text}  # as the aggregator will write it
        messages: list[Any] = [*map(_copied, self._context.get_messages()), words]
        answer = self._open = EagerAnswer(frame.turn, messages)
        task = answer.begin(self._request)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def take(self, turn: int, context: LLMContext) -> EagerAnswer | None:
        """The answer begun on the words that are now turn ``turn``; anything else begun is withdrawn."""
        answer = self._open
        if answer is None or not answer.fits(turn, context.get_messages()):
            self.withdraw()
            return None
        self._open = None
        answer.take()
        self._journal.asked(turn, answer.asked_ns)
        if answer.first_ns:
            self._journal.first_token(turn, answer.first_ns)
        return answer

    def withdraw(self) -> None:
        """Whatever was begun is void."""
        answer, self._open = self._open, None
        if answer is None:
            return
        if answer.running:
            self._tell(answer, "withdrawn")
        answer.withdraw()
        reply = answer.reply
        self._journal.withdrawn(
            answer.turn, eager=True, tokens_in=reply.tokens_in, tokens_out=reply.tokens_out,
            estimated=answer.estimated,
        )  # fmt: skip

    async def aclose(self) -> None:
        """The call's leg is over: nothing is left running, and everything is on record."""
        self.withdraw()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_LAST_S)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=_LAST_S)

    # -- inside ------------------------------------------------------------------------------------

    def _may_begin(self, turn: int) -> bool:
        return (
            self._mode != "off"
            and turn == self._journal.current_turn() + 1  # else it is over already
            and self._tools.at_rest  # what a tool came to is told first, and only to a turn that counts
            and self._endpoints.may_begin(outside=self._mode == "all")
        )

    async def _request(self, answer: EagerAnswer) -> None:
        if not answer.start(self._now_ns()):
            return  # nothing was asked
        outside: Before | None = self._before_sending if self._mode == "all" else answer.until_taken
        outcome: Outcome = "withdrawn"
        error: Exception | None = None
        try:
            await self._ask(
                answer.context(self._context), answer.reply, on_first=partial(self._first, answer),
                on_text=answer.put, before_outside=outside,
            )  # fmt: skip
            outcome = answer.reply.outcome
        except Exception as failure:  # noqa: BLE001 - whoever takes it meets it; else the turn is asked anew
            if not isinstance(failure, ProviderError):
                logger.error("an eager answer failed: {}", type(failure).__name__)
            outcome, error = "failed", failure
        finally:  # also when it is cancelled; it only queues
            answer.ended(error)
            if answer.settled is not Settled.WITHDRAWN:  # that is on record already
                self._tell(answer, outcome)
            if answer.settled is Settled.TAKEN and outcome == "withdrawn":
                self._journal.withdrawn(answer.turn)  # interrupted

    def _first(self, answer: EagerAnswer) -> None:
        answer.first_ns = self._now_ns()
        if answer.settled is Settled.TAKEN:
            self._journal.first_token(answer.turn, answer.first_ns)

    def _tell(self, answer: EagerAnswer, outcome: Outcome) -> None:
        if outcome != "failed":
            answer.estimate(self._prompt)
        self._decided(answer.turn, answer.reply, outcome, provisional=True, estimated=answer.estimated)


def _copied(message: Any) -> Any:
    """Played words are added to the newest message in place: what was asked must not change with it."""
    return dict(message) if isinstance(message, dict) else message
