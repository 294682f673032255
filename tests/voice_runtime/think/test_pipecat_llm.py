"""pipecat's own model services behind an endpoint: Ollama's (chat protocol) and OpenAI's Responses."""

from __future__ import annotations

import asyncio
import importlib
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from controls.errors import OperatorError, ProviderError
from tests.simulators.model_server import STALL, ModelServer, call, pieces, refuse, say, serving
from tests.simulators.responses_server import ResponsesServer
from voice_runtime.engine_settings import PipecatModel
from voice_runtime.providers import Provider, resolve
from voice_runtime.secret import Secret
from voice_runtime.think.answer import Gathering, Reply
from voice_runtime.think.pipecat_llm import PipecatChat

pytestmark = pytest.mark.anyio

OLLAMA = "pipecat.services.ollama.llm.OLLamaLLMService"
RESPONSES = "pipecat.services.openai.responses.llm.OpenAIResponsesHttpLLMService"
for _path in (OLLAMA, RESPONSES):  # some seconds of importing, which no loop should wait for
    importlib.import_module(_path.rpartition(".")[0])
BOOK = {
    "type": "function",
    "function": {
        "name": "book", "description": "Books.",
        "parameters": {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]},
    },
}  # fmt: skip
PARAMS: dict[str, Any] = {
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Tuesday?"}],
    "tools": [BOOK],
    "max_tokens": 400,
    "stream": True,
}


def provider(use: str, base_url: str, **entry: Any) -> Provider:
    key = Secret(env="A_KEY")
    key._value = "k3y-of-the-supplier"
    entry = {"arguments": {"base_url": f"{base_url}/v1"}, "settings": {"model": "small-model"}, **entry}
    checked = PipecatModel(engine="pipecat", name="supplier", use=use, keys={"api_key": key}, **entry)
    return resolve(checked, "model", [use])


@asynccontextmanager
async def asking(
    server: ModelServer | ResponsesServer, use: str = OLLAMA, **options: Any
) -> AsyncIterator[PipecatChat]:
    async with serving(server):
        chat = PipecatChat(provider(use, server.url), "small-model", **options)
        await chat.start()
        try:
            yield chat
        finally:
            await chat.close()


async def answered(chat: PipecatChat, params: Mapping[str, Any] = PARAMS) -> Reply:
    """As ``Endpoints`` reads it."""
    reply = Reply()
    gathering = Gathering("supplier", reply)
    async with asyncio.timeout(30), aclosing(chat.chunks(params)) as chunks:
        async for chunk in chunks:
            gathering.take(chunk)
    gathering.close()
    return reply


# --- answers --------------------------------------------------------------------------------------


async def test_a_chat_service_answers() -> None:
    server = ModelServer(keep_alive=True, plans=[say("Ten ", "thirty.")])
    async with asking(server) as chat:
        reply = await answered(chat)
    assert reply.words == ["Ten ", "thirty."]
    assert (reply.finish, reply.model, reply.tokens_in, reply.tokens_out) == ("stop", "small-model", 11, 7)
    sent = server.requests[0].json
    assert sent["messages"] == PARAMS["messages"]
    assert sent["model"] == "small-model"
    assert sent["max_tokens"] == 400
    assert sent["tools"][0]["function"]["name"] == "book"
    assert sent["tools"][0]["function"]["parameters"]["required"] == ["day"]
    assert server.requests[0].headers["authorization"] == "Bearer k3y-of-the-supplier"


async def test_a_service_of_another_protocol_answers() -> None:
    server = ResponsesServer(keep_alive=True)
    async with asking(server, RESPONSES) as chat:
        reply = await answered(chat)
    assert reply.text == "Hello there."
    assert (reply.finish, reply.tokens_in, reply.tokens_out) == ("stop", 21, 9)
    sent = server.asked[0]
    assert sent["input"][-1]["content"] == "Tuesday?"
    assert sent["tools"][0]["name"] == "book"


async def test_tools_are_told_and_never_run() -> None:
    server = ModelServer(keep_alive=True, plans=[call(("book", '{"day": "Tuesday"}'), ("find", "{}"))])
    async with asking(server) as chat:
        reply = await answered(chat)
    assert reply.finish == "tool_calls"
    assert [(t.name, t.arguments) for t in reply.tools] == [("book", {"day": "Tuesday"}), ("find", {})]
    assert len(server.requests) == 1  # pipecat would run them, and ask again


async def test_tools_of_another_protocol() -> None:
    server = ResponsesServer(keep_alive=True, text=["One moment."], tools=[("book", '{"day": "Tuesday"}')])
    async with asking(server, RESPONSES) as chat:
        reply = await answered(chat)
    assert reply.text == "One moment."
    assert [(t.name, t.arguments) for t in reply.tools] == [("book", {"day": "Tuesday"})]


async def test_what_tools_came_to_goes_back_to_the_model() -> None:
    called = {
        "id": "u_1",
        "type": "function",
        "function": {"name": "book", "arguments": '{"day": "Tuesday"}'},
    }
    history = [
        *PARAMS["messages"],
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "u_1", "content": '{"ok": true}'},
    ]
    server = ResponsesServer(keep_alive=True)
    async with asking(server, RESPONSES) as chat:
        await answered(chat, PARAMS | {"messages": history})
    kinds = [item.get("type", "message") for item in server.asked[0]["input"]]
    assert kinds[-2:] == ["function_call", "function_call_output"]


async def test_each_answer_has_the_prompt_it_was_asked_with() -> None:
    """One service serves several agents and languages."""
    server = ResponsesServer(keep_alive=True)
    prompts = ["Be brief.", "Sé breve.", "Sé breve.", None, "Be brief."]
    async with asking(server, RESPONSES) as chat:
        for prompt in prompts:
            told = [{"role": "system", "content": prompt}] if prompt else []
            await answered(chat, {"messages": [*told, {"role": "user", "content": "Tuesday?"}]})
    assert [asked.get("instructions") for asked in server.asked] == prompts
    assert all([item["role"] for item in asked["input"]] == ["user"] for asked in server.asked)


async def test_an_answer_without_tools_sends_none() -> None:
    server = ModelServer(keep_alive=True)
    async with asking(server) as chat:
        await answered(chat, {"messages": PARAMS["messages"]})
    assert not server.requests[0].json.get("tools")


async def test_text_comes_while_the_server_still_answers() -> None:
    server = ModelServer(keep_alive=True, plans=[[*pieces("Ten "), STALL]])
    async with asking(server) as chat, aclosing(chat.chunks(PARAMS)) as chunks:
        async with asyncio.timeout(30):
            first = await anext(chunks)
        assert first["choices"][0]["delta"]["content"] == "Ten "


async def test_answers_of_several_calls_go_side_by_side() -> None:
    server = ModelServer(keep_alive=True, plans=[say("Yes.")])
    async with asking(server) as chat:
        replies = await asyncio.gather(*(answered(chat) for _ in range(6)))
    assert [r.text for r in replies] == ["Yes."] * 6


# --- withdrawn ------------------------------------------------------------------------------------


async def test_a_withdrawn_answer_is_hung_up_on_and_leaves_nothing_behind() -> None:
    server = ResponsesServer(keep_alive=True, then="stall_within")
    async with asking(server, RESPONSES) as chat:
        chunks = chat.chunks(PARAMS)
        async with asyncio.timeout(30):
            await anext(chunks)
            await chunks.aclose()
            await server.gone.wait()
        server.then, server.text = "whole", ["Something else."]
        assert (await answered(chat)).text == "Something else."


async def test_a_request_may_be_withdrawn_before_anything_came() -> None:
    server = ResponsesServer(keep_alive=True, then="stall")
    async with asking(server, RESPONSES) as chat:
        task = asyncio.create_task(answered(chat))
        await server.wait_for_request()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with asyncio.timeout(30):
            await server.gone.wait()
        server.then = "whole"
        assert (await answered(chat)).text == "Hello there."


# --- failing --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "transient"), [(400, False), (401, False), (404, False)])
async def test_a_refusal_is_the_suppliers(status: int, transient: bool) -> None:
    server = ModelServer(keep_alive=True, plans=[refuse(status), say("Yes.")])
    async with asking(server) as chat:
        with pytest.raises(ProviderError, match=f"status {status}") as caught:
            await answered(chat)
        assert caught.value.transient is transient
        assert "SECRET" not in str(caught.value)
        assert (await answered(chat)).text == "Yes."  # pipecat would have given the service up


async def test_a_failure_in_the_answer_is_a_failure() -> None:
    server = ResponsesServer(keep_alive=True, then="failed")
    async with asking(server, RESPONSES) as chat:
        with pytest.raises(ProviderError) as caught:
            await answered(chat)
    assert "SECRET" not in str(caught.value)


async def test_a_server_that_is_not_there() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        chat = PipecatChat(provider(OLLAMA, f"http://127.0.0.1:{bound.getsockname()[1]}"), "small-model")
        await chat.start()
        with pytest.raises(ProviderError) as caught:
            await answered(chat)
        await chat.close()
    assert caught.value.transient


async def test_answers_are_bounded_and_closing_fails_those_under_way() -> None:
    server = ModelServer(keep_alive=True, plans=[[*pieces("Ten "), STALL]])
    async with asking(server, most=1) as chat:
        chunks = chat.chunks(PARAMS)
        async with asyncio.timeout(30):
            await anext(chunks)
        with pytest.raises(ProviderError, match="no instance is free"):
            await answered(chat)
        await chat.close()
        with pytest.raises(ProviderError, match="closed"):
            await anext(chunks)
        with pytest.raises(ProviderError):
            await answered(chat)


async def test_a_class_that_refuses_its_arguments_is_found_at_the_start() -> None:
    of = provider("pipecat.services.groq.llm.GroqLLMService", "http://127.0.0.1:1")
    for secret in of.keys.values():
        secret._value = ""
    with pytest.raises(OperatorError, match="GroqLLMService"):
        await PipecatChat(Provider(**_without_key(of)), "small-model").start()


def _without_key(of: Provider) -> dict[str, Any]:
    fields = {name: getattr(of, name) for name in of.__dataclass_fields__}
    return fields | {"keys": {}, "arguments": {**of.arguments, "api_key": ""}}
