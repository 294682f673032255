"""Long calls: the beginning of the conversation is replaced on record, the prompt never changes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pipecat.processors.aggregators.llm_context import LLMContext

from tests.simulators.house import on_the_line
from tests.simulators.model_server import STALL, ModelServer, refuse, say, serving
from voice_runtime.think.endpoints import Deadlines, Endpoint, Endpoints
from voice_runtime.think.summary import Summariser

pytestmark = pytest.mark.anyio
LONG = "and I would like to know about that in some detail please " * 4


class Told:
    def __init__(self) -> None:
        self.summaries: list[dict[str, Any]] = []

    def current_turn(self) -> int:
        return 9

    def summarised(self, **told: Any) -> None:
        self.summaries.append(told)


def talk(turns: int) -> LLMContext:
    context = LLMContext()
    for n in range(turns):
        context.add_message({"role": "user", "content": f"question {n} {LONG}"})
        context.add_message({"role": "assistant", "content": f"answer {n} {LONG}"})
    return context


def summariser(
    model: ModelServer, context: LLMContext, told: Told, budget: int, **options: Any
) -> Summariser:
    deadlines = Deadlines(first_token_s=2, give_up_s=2, between_s=2, total_s=5, retries=0)
    endpoints = Endpoints((Endpoint("server", f"{model.url}/v1", "model"),), deadlines)
    return Summariser(endpoints, context, told, budget=budget, **options)


async def test_a_short_conversation_is_left_alone() -> None:
    async with serving(ModelServer()) as model:
        one = summariser(model, talk(3), Told(), 6000)
        assert not one.due
        await one._endpoints.aclose()


async def test_the_beginning_is_replaced_by_a_summary_and_the_newest_messages_stay() -> None:
    async with serving(ModelServer(plans=[say("The caller wants a viewing on Tuesday.")])) as model:
        context, told = talk(8), Told()
        before = list(context.get_messages())
        one = summariser(model, context, told, 800)
        assert one.due
        assert await one.run()
        after: list[Any] = list(context.get_messages())
        assert after[0]["content"].endswith("The caller wants a viewing on Tuesday.")
        assert all(a is b for a, b in zip(after[1:], before[-6:], strict=True))
        [row] = told.summaries
        assert (row["kept"], row["outcome"], row["supplier"]) == (3, "summarised", "server")
        assert row["tokens_after"] < row["tokens_before"]
        assert not one.due
        await one._endpoints.aclose()


async def test_what_changed_meanwhile_is_not_replaced() -> None:
    async with serving(ModelServer(plans=[say("A summary.")])) as model:
        context, told = talk(8), Told()
        one = summariser(model, context, told, 800)
        asked = one._endpoints.ask

        async def ask(*args: Any, **options: Any) -> None:
            await asked(*args, **options)
            context.set_messages([dict(m) for m in context.get_messages()])  # type: ignore[arg-type]

        one._endpoints.ask = ask  # type: ignore[method-assign]
        assert not await one.run()
        assert told.summaries == []
        await one._endpoints.aclose()


async def test_without_a_summary_nothing_is_dropped_while_there_is_room() -> None:
    async with serving(ModelServer(plans=[refuse(500), refuse(500)])) as model:
        context, told = talk(8), Told()
        total = len(context.get_messages())
        roomy = summariser(model, context, told, 1000)
        assert not await roomy.run()
        assert len(context.get_messages()) == total
        await roomy._endpoints.aclose()
        tight = summariser(model, context, told, 300)
        assert await tight.run()
        assert len(context.get_messages()) == 6
        assert told.summaries[0]["outcome"] == "trimmed"
        await tight._endpoints.aclose()


async def test_a_stand_in_writes_no_summary_and_is_not_asked() -> None:
    async with serving(ModelServer()) as model:
        context, told = talk(8), Told()
        one = summariser(model, context, told, 800, by_model=False)
        assert await one.run()
        assert model.requests == []
        assert told.summaries[0]["outcome"] == "trimmed"
        await one._endpoints.aclose()


async def test_on_the_line_the_summary_is_on_record_and_the_prompt_is_the_same_bytes() -> None:
    plans = [say(f"Answer number {n}, with a good many words in it to fill it up.") for n in range(6)]
    plans.insert(5, say("They asked five things."))
    async with on_the_line(*plans, context_tokens=235, model="model") as line:
        await line.opened()
        for n in range(5):
            await line.say(f"question number {n}, which is as long as the answer, or nearly so")
        async with asyncio.timeout(30):  # it is written beside the call, once the answer is over
            while not line.of("context.summarised"):
                await asyncio.sleep(0.01)
        await line.say("and the last question")
        [(record, details)] = line.of("context.summarised")
        assert details.summary == "They asked five things."
        assert (record.from_turn, record.outcome) == (1, "summarised")
        assert record.to_turn == 2
        requests = [r.json["messages"] for r in line.model.requests]
        prompts = {m[0]["content"] for m in requests if "keep the notes" not in m[0]["content"]}
        assert prompts == {line.call.release.prompt_in("en-US")}
        assert "They asked five things." in requests[-1][1]["content"]


async def test_hanging_up_while_a_summary_is_written_leaves_nothing_behind() -> None:
    plans = [say(f"Answer number {n}, with a good many words in it to fill it up.") for n in range(5)]
    async with on_the_line(*plans, [STALL], context_tokens=235, model="model") as line:
        await line.opened()
        for n in range(5):
            await line.say(f"question number {n}, which is as long as the answer, or nearly so")
        await line.model.wait_for_request(6)
        await line.hang_up()
        assert line.closed() == ("caller", "hung_up")
        assert line.of("context.summarised") == []
