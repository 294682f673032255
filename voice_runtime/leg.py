"""One leg of a call: the pipeline between its carrier and its caller, from first frame to last.

A call has one leg, and one more for each transfer that came back. What
outlives a leg (journal, gate, context, the way to a person) is the call's.

``input → ear → attention → user aggregator → model → guard → voice → egress → output``
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_response_universal import LLMUserAggregator, LLMUserAggregatorParams
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.workers.runner import WorkerRunner

from controls.result_text import ResultRules
from voice_runtime.events import RATE_HZ, PauseSpeechFrame
from voice_runtime.inline.attention import Attention
from voice_runtime.inline.guard import Guard
from voice_runtime.inline.whole_turns import whole_turns
from voice_runtime.speak.egress import Egress
from voice_runtime.speak.underrun import Cause
from voice_runtime.speak.voice import Voice
from voice_runtime.think.approving import Approving
from voice_runtime.think.chat import ChatModel
from voice_runtime.think.counting import Counting
from voice_runtime.think.summary import Summariser
from voice_runtime.think.tools import ToolRunner

#: Who hangs up in mid-sentence is waited for so long, s: recognition of what was said until then.
_LAST_WORDS_S = 1.5

if TYPE_CHECKING:
    from voice_runtime.call import Call
    from voice_runtime.call_ports import Carrier


@runtime_checkable
class LastWords(Protocol):
    """What an ear does when its caller is gone."""

    async def last_words(self, patience_s: float) -> None:
        """Tell what was being said, as soon as it is recognised; waits for that no longer than this."""
        ...


class Leg:
    """Built for one carrier; ``run`` once."""

    def __init__(self, call: Call, carrier: Carrier, came_back: str = "") -> None:
        """Build the pipeline; nothing runs yet.

        Args:
            came_back: ``DialCallStatus`` of the transfer the caller comes back from.
        """
        self.call, self.carrier = call, carrier
        self.approving = self._approving()
        self.tools = self._tool_runner()
        self._listening: list[LastWords] = []
        self.attention = Attention(
            call.journal, call.gate, language=call.language, opening=call.opening,
            person=call.person, read_backs=self.tools, receipt=call.receipt, reader=call.reader,
            redaction=call.redaction, writer=call.writer, capture=call.capture,
            begin=lambda: call.begin(came_back), begins_with=carrier.begins_with, finish=call.finish,
            may_end=call.ends.may_end, waits=self.approving, media_patience_s=call.house.media_patience_s,
            silenced=lambda: call.stopped.active,
            last_words=lambda: call.last_words(),  # noqa: PLW0108  # a new leg brings another one
        )  # fmt: skip
        self.worker = PipelineWorker(
            Pipeline(self._processors()),
            params=PipelineParams(audio_in_sample_rate=RATE_HZ, audio_out_sample_rate=RATE_HZ),
            idle_timeout_secs=None,  # pipecat's hangs up on people on hold; silence is the ear's
            cancel_runner_on_idle_timeout=False,
            enable_rtvi=False,  # it lets a browser send tool results and raw model text
            enable_turn_tracking=False,
            check_dangling_tasks=False,
        )

    async def run(self) -> None:
        """Run until somebody ends the pipeline."""
        runner = WorkerRunner(handle_sigint=False, check_dangling_tasks=False)
        timers = self._timers()
        try:
            await runner.add_workers(self.worker)
            await runner.run()
        finally:
            for timer in timers:
                timer.cancel()

    async def gone(self) -> None:
        """The caller is gone: what they were saying still counts, then the pipeline ends."""
        try:
            await self.attention.push_frame(PauseSpeechFrame(at_s=0.0))  # nobody hears it any more
            for ear in self._listening:
                await ear.last_words(_LAST_WORDS_S)
        finally:
            await self.worker.cancel()

    def _timers(self) -> list[asyncio.TimerHandle]:
        """When the call is offered a person for lasting long, and when it ends at the latest."""
        loop, call, release = asyncio.get_running_loop(), self.call, self.call.release
        lasted_s = call.journal.seconds(call.house.clock.monotonic_ns())
        timers = [loop.call_later(max(0.0, release.longest_call_s - lasted_s), call.too_long)]
        if release.handoff_after_s > lasted_s:
            timers.append(
                loop.call_later(
                    release.handoff_after_s - lasted_s,
                    partial(call.fetch_a_person, "rule", "the call lasts long", answers=False),
                )
            )
        return timers

    def _processors(self) -> list[FrameProcessor]:
        call, carrier = self.call, self.carrier
        release, journal, house = call.release, call.journal, call.house

        async def said_is_durable() -> None:
            await journal.caller_words_durable(house.receipt_deadline_s)

        summariser = Summariser(
            call.agent.endpoints,
            call.context,
            journal,
            budget=release.context_tokens,
            by_model=release.model != "standin",
            before_sending=said_is_durable,
        )
        model = ChatModel(
            call.agent.endpoints,
            journal=journal,
            tools=self.tools,
            on_exhausted=lambda turn: call.model_exhausted(),
            prompt=release.prompt_in(call.language),
            wait_before_sending=said_is_durable,
            summariser=summariser,
            on_failover=lambda reason: journal.control_failed("model", reason),
            clock=house.clock,
            context=call.context,
            eager=house.eager,
            for_model=lambda result: call.writer.for_model(result, journal.turn, "tool"),
        )
        guard = Guard(
            call.gate,
            journal,
            language=call.language,
            lexicon=release.say_as.get(call.language, {}),
            written={phrase: said.get(call.language, "") for phrase, said in release.phrases.items()},
            on_handoff=self._fetch_by_rule,
            judges=call.judges,
            silenced=lambda: call.stopped.active,
            on_failed=call.guard_failed,
            on_dropped=call.person.never_said,
        )
        voice = Voice(
            call.agent.voices,
            voice=release.voice,
            phrases=call.agent.phrases,
            marks=journal,
            on_failed=call.voice_failed,
            on_violation=lambda clause: journal.control_failed("egress", "refused"),
            on_failover=lambda reason: journal.control_failed("voice", reason),
            call=call.id,
            receipt_s=house.receipt_deadline_s,
            clock=house.clock,
        )
        egress = Egress(
            journal,
            carrier.link,
            house.clock,
            receipt_deadline_s=house.receipt_deadline_s,
            on_no_receipt=call.no_receipt,
            on_dropped=lambda what: journal.control_failed("egress", "refused"),
            on_sent=carrier.on_sent,
            on_underrun=self._underrun,
            lead_ms=lambda: carrier.lead_ms + house.ahead.ms,
        )
        call.last_words = egress.last_words
        aggregator = LLMUserAggregator(
            call.context,
            # Attention hands over whole turns; only we write the context.
            params=LLMUserAggregatorParams(user_turn_strategies=whole_turns(), empty_user_turn=None),
        )
        stages = [self.attention, aggregator, model, guard, voice, egress]
        entry = carrier.entry(call)
        self._listening = [stage for stage in entry if isinstance(stage, LastWords)]
        return [*entry, *stages, *carrier.exit()]

    def _approving(self) -> Approving | None:
        call, desk = self.call, self.call.house.approvals
        if desk is None:
            return None
        return Approving(
            call.gate.approvals,
            desk,
            call.house.clock,
            tenant=call.facts.tenant,
            agent=call.release.name,
            receipt_deadline_s=call.house.receipt_deadline_s,
        )

    def _tool_runner(self) -> ToolRunner:
        call = self.call
        return ToolRunner(
            call.release.tools,
            gate=call.gate,
            journal=call.journal,
            services=call.house.services,
            language=call.language,
            receipt_deadline_s=call.house.receipt_deadline_s,
            slow_after_s=call.release.moment_after_s,
            on_handoff=self._fetch_by_rule,
            approving=self.approving,
            stopped=self._tool_is_stopped,
            leaving=lambda: call.leaving,
            counting=Counting(call.house.tool_uses, call.release.name),
            result_rules=ResultRules(call.agent.rules, [tool.name for tool in call.release.tools]),
            entry=call.capture,
            judges=call.judges,
            uses=call.uses,
        )

    def _tool_is_stopped(self, tool: str) -> bool:
        """It, or the agent that uses it: what was cleared before the stop does not leave after it either."""
        stops = self.call.house.stops
        return self.call.stopped.active or (stops is not None and stops.of_tool(tool))

    def _underrun(self, cause: Cause) -> None:
        for told in (self.call.house.on_underrun, self.carrier.on_underrun):
            if told is not None:
                told(cause)

    def _fetch_by_rule(self, rule: str) -> None:
        self.call.fetch_a_person("rule", rule)
