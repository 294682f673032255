"""A chain of model servers: who is asked in the time there is, what is told of it, who shares it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tests.simulators.model_server import STALL, ModelServer, refuse, say, serving
from voice_runtime.breaker import Breaker
from voice_runtime.think.answer import Reply
from voice_runtime.think.endpoints import Deadlines, Endpoint, Endpoints

pytestmark = pytest.mark.anyio
PARAMS = {"messages": [{"role": "user", "content": "Tuesday?"}], "stream": True}


@asynccontextmanager
async def chain(
    *servers: ModelServer, retries: int = 0, first_token_s: float = 1.0
) -> AsyncIterator[Endpoints]:
    """Endpoints named a, b, c … in this order; the phrase is due after three first tokens, as in profiles."""
    deadlines = Deadlines(first_token_s, 3 * first_token_s, 30, 120, retries)
    async with AsyncExitStack() as stack:
        for server in servers:
            await stack.enter_async_context(serving(server))
        endpoints = Endpoints(
            tuple(Endpoint(name, f"{s.url}/v1", "m") for name, s in zip("abcd", servers, strict=False)),
            deadlines,
        )
        stack.push_async_callback(endpoints.aclose)
        yield endpoints


async def ask(endpoints: Endpoints) -> tuple[Reply, list[str]]:
    reply, failovers = Reply(), list[str]()

    async def take(text: str) -> None:
        pass

    await endpoints.ask(PARAMS, reply, on_first=lambda: None, on_text=take, on_failover=failovers.append)
    return reply, failovers


@pytest.mark.parametrize("late", [1, 2])
async def test_retries_do_not_use_up_the_time_of_those_behind(late: int) -> None:
    """Two retries of a late primary took the whole time to the fixed phrase: nobody else was asked."""
    servers = [ModelServer(plans=[[STALL]]) for _ in range(late)]
    async with chain(*servers, ModelServer(plans=[say("Yes.")]), retries=5) as endpoints:
        reply, failovers = await ask(endpoints)
    assert reply.text == "Yes."
    assert failovers == ["deadline"] * late
    assert len(servers[-1].requests) == (2 if late == 1 else 1)


async def test_a_quick_refusal_leaves_time_to_ask_again_and_is_one_failover() -> None:
    primary = ModelServer(plans=[refuse(503)])
    async with chain(primary, ModelServer(plans=[say("Yes.")]), retries=1, first_token_s=30) as endpoints:
        reply, failovers = await ask(endpoints)
    assert (reply.supplier, reply.attempts, failovers) == ("b", 3, ["broken"])


async def test_what_is_known_of_a_supplier_is_shared_between_agents() -> None:
    """Each agent had breakers of its own: one's failures taught the others nothing, and hid from /metrics."""
    known: dict[str, Breaker] = {}
    one = Endpoints((Endpoint("a", "http://127.0.0.1:1/v1", "m"),), breakers=known)
    two = Endpoints((Endpoint("a", "http://127.0.0.1:1/v1", "n"),), breakers=known)
    one.breakers[0].failed("late")
    assert two.health()["engines"]["a"]["failures"] == 1
    assert known["a"] is two.breakers[0]
    await one.aclose()
    await two.aclose()
