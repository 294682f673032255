"""What a model server may keep: each request begins with the bytes of the one before, from turn to turn."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai import NotGiven
from pipecat.processors.aggregators.llm_context import LLMContext

from controls.ledger.records import Evidence
from tests.simulators.tool_server import ToolServer
from tests.voice_runtime.project import ROOT
from tests.voice_runtime.think.conftest import Call, tool
from tests.voice_runtime.think.prefixes import prefixes
from voice_runtime.agent import Tool
from voice_runtime.ports import PlayedClause
from voice_runtime.think.answer import Reply
from voice_runtime.think.chat import ChatModel, _into_context, tool_schemas
from voice_runtime.think.endpoints import Deadlines, Endpoint
from voice_runtime.think.tools import ToolResult

pytestmark = pytest.mark.anyio

PROMPT = "You answer the telephone.\n\n# Facts\n\nOpen at nine.\n"


class Kept:
    """Stands for ``Endpoints``: keeps what would be sent, as JSON."""

    endpoints = (Endpoint("server", "http://127.0.0.1:9/v1", "m"),)
    deadlines = Deadlines()

    def __init__(self) -> None:
        self.sent: list[dict[str, str]] = []

    def client(self, name: str) -> None:
        return None

    async def ask(self, params: dict[str, Any], reply: Reply, **_: Any) -> None:
        self.sent.append(
            {k: json.dumps(v) for k, v in params.items() if not isinstance(v, NotGiven) and v is not None}
        )
        reply.supplier, reply.words = "server", ["Yes."]


def kept_by(call: Call, kept: Kept) -> ChatModel:
    return ChatModel(
        kept, journal=call.journal, tools=call.runner(), on_exhausted=lambda turn: None, prompt=PROMPT,
    )  # type: ignore[arg-type]  # fmt: skip


def plays(call: Call, turn: int, text: str) -> None:
    """A clause of the answer is cleared, and played to its end."""
    cleared = call.gate.clause(text, turn).cleared
    assert cleared is not None
    call.journal.cleared(cleared, 1.0)
    call.journal.played(cleared, PlayedClause(800, 800, text, False, Evidence.SENT_ONLY))


WORDS = st.sampled_from(["yes", "monday please", "¿el martes?", "at ten, or half past two", "naïve 😀 words"])
#: What the caller says, the tools its answer takes, whether something is played before them, and the clauses.
TURNS = st.lists(
    st.tuples(WORDS, st.integers(0, 2), st.booleans(), st.lists(WORDS, min_size=1, max_size=3)),
    min_size=1,
    max_size=5,
)


@settings(deadline=None, max_examples=40)
@given(TURNS)
async def test_each_request_begins_with_the_one_before(turns: list[tuple[str, int, bool, list[str]]]) -> None:
    call, kept = Call(ToolServer(), None), Kept()  # type: ignore[arg-type]  # no tool is really used
    call.context.set_tools(tool_schemas([tool("find", "http://x"), tool("book", "http://x")]))
    model = kept_by(call, kept)
    for said, uses, early, clauses in turns:
        call.journal.goes_to_model(call.journal.turn + 1)
        turn = call.said(said)
        await model._request(call.context, turn)
        if uses and early:
            plays(call, turn, "one moment")
        for n in range(uses):
            found = ToolResult(f"u_{turn}_{n}", "find", {"day": said}, True, {"ok": True, "row": n})
            _into_context(call.context, found, None)
        if uses:
            await model._request(call.context, turn)
        for clause in clauses:
            plays(call, turn, clause)
    for before, after in zip(kept.sent, kept.sent[1:], strict=False):
        assert after["messages"].startswith(before["messages"].removesuffix("]") + ",")
        assert {k: v for k, v in before.items() if k != "messages"} == {
            k: v for k, v in after.items() if k != "messages"
        }
    assert json.loads(kept.sent[0]["messages"])[0] == {"role": "system", "content": PROMPT}


NAMES = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True)
#: Tools by name, with their arguments.
WANTED = st.lists(
    st.tuples(NAMES, st.lists(NAMES, max_size=4, unique=True)), max_size=5, unique_by=lambda wanted: wanted[0]
)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(NAMES, st.lists(NAMES, max_size=4, unique=True)), max_size=5, unique_by=lambda t: t[0])
)
async def test_tools_stand_in_the_agents_own_order(wanted: list[tuple[str, list[str]]]) -> None:
    """The same release, two calls: the same bytes, in the order of the files."""

    def made() -> tuple[Tool, ...]:
        return tuple(
            tool(
                name, "http://x", read_back=(), read_back_say={},
                parameters={
                    "type": "object", "properties": {a: {"type": "string"} for a in arguments},
                    "required": list(arguments), "additionalProperties": False,
                },
            )
            for name, arguments in wanted
        )  # fmt: skip

    sent = []
    for _ in range(2):
        call, kept = Call(ToolServer(), None), Kept()  # type: ignore[arg-type]  # no tool is really used
        call.context = LLMContext(tools=list(tool_schemas(made())))
        call.context.add_message({"role": "user", "content": "hello"})
        await kept_by(call, kept)._request(call.context, 1)
        sent.append(kept.sent[0])
    assert sent[0] == sent[1]
    if wanted:
        told = [t["function"] for t in json.loads(sent[0]["tools"])]
        assert [(f["name"], list(f["parameters"]["properties"])) for f in told] == wanted


def test_the_prefix_of_a_release_is_the_same_in_every_process() -> None:
    """Workers behind one model server share its cache: nothing depends on the order of a set."""
    other = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"  # than this process's, which is drawn
    elsewhere = subprocess.run(
        [sys.executable, "-m", "tests.voice_runtime.think.prefixes"], cwd=ROOT, capture_output=True,
        text=True, check=True, env={**os.environ, "PYTHONHASHSEED": other}, timeout=120,
    )  # fmt: skip
    here = list(prefixes())
    assert elsewhere.stdout.splitlines() == here
    assert len(here) >= 4
    assert hashlib.sha256(b"").hexdigest() not in elsewhere.stdout
