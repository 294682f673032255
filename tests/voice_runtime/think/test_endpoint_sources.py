"""A service by import path among the endpoints: asked, passed over and deadlined like a server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from tests.simulators.model_server import STALL, ModelServer, Plan, refuse, say, serving
from tests.voice_runtime.think.test_pipecat_llm import OLLAMA, PARAMS, provider
from voice_runtime.engine_settings import ModelSettings
from voice_runtime.think.answer import Reply
from voice_runtime.think.endpoints import Deadlines, Endpoints
from voice_runtime.think.pipecat_llm import PipecatChat

pytestmark = pytest.mark.anyio


@dataclass
class Pair:
    """A service by import path, and a server behind it."""

    endpoints: Endpoints
    service: ModelServer
    server: ModelServer
    failovers: list[str] = field(default_factory=list)

    async def ask(self) -> tuple[Reply, list[str]]:
        reply, said = Reply(), list[str]()

        async def take(text: str) -> None:
            said.append(text)

        await self.endpoints.ask(
            PARAMS, reply, on_first=lambda: None, on_text=take, on_failover=self.failovers.append
        )
        return reply, said


@asynccontextmanager
async def paired(*plans: Plan) -> AsyncIterator[Pair]:
    service = ModelServer(keep_alive=True, plans=list(plans))
    server = ModelServer(keep_alive=True, plans=[say("Yes.")])
    async with serving(service), serving(server):
        settings = ModelSettings.model_validate(
            {
                "endpoints": [
                    {"engine": "pipecat", "name": "supplier", "use": OLLAMA, "settings": {"model": "m"}},
                    {"name": "server", "base_url": f"{server.url}/v1", "model": "m"},
                ],
                "retries": 0,
            }
        )
        chat = PipecatChat(provider(OLLAMA, service.url), "small-model")
        await chat.start()
        endpoints = Endpoints.of(settings, sources={"supplier": chat})
        try:
            yield Pair(endpoints, service, server)
        finally:
            await endpoints.aclose()
            await chat.close()


async def test_it_answers_with_its_counts() -> None:
    async with paired(say("Hi.")) as pair:
        reply, said = await pair.ask()
    assert (reply.supplier, said, reply.text) == ("supplier", ["Hi."], "Hi.")
    assert (reply.tokens_in, reply.tokens_out, reply.attempts) == (11, 7, 1)
    assert (pair.server.requests, pair.failovers) == ([], [])


async def test_the_server_behind_it_answers_when_it_refuses() -> None:
    async with paired(refuse(401)) as pair:
        reply, said = await pair.ask()
    assert (reply.supplier, said, reply.attempts) == ("server", ["Yes."], 2)
    assert pair.failovers == ["broken"]


async def test_the_server_behind_it_answers_when_it_is_late() -> None:
    async with paired([STALL]) as pair:
        pair.endpoints.deadlines = Deadlines(1.5, 60, 30, 120, retries=0)
        reply, said = await pair.ask()
    assert (reply.supplier, said) == ("server", ["Yes."])
    assert pair.failovers == ["deadline"]


async def test_it_has_no_client_and_needs_no_warming() -> None:
    async with paired(say("Hi.")) as pair:
        await pair.endpoints.warm()
        assert pair.endpoints.client("supplier") is None
        assert pair.endpoints.client("server") is not None
        assert pair.service.requests == []
