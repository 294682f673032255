"""The demo's thinking from end to end: the clinic's script, the real model stage, the real book."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pipecat.frames.frames import LLMContextFrame, LLMFullResponseEndFrame, LLMTextFrame

from tests.simulators.pipeline import running
from tests.simulators.tool_server import ToolServer
from tests.voice_runtime.think.conftest import KEY, Call, tool
from voice_runtime.events import SayFrame
from voice_runtime.offline.standin import MODEL
from voice_runtime.think.chat import ChatModel, tool_schemas
from voice_runtime.think.endpoints import Endpoint, Endpoints
from voice_runtime.think.services import Service, ServiceClient

pytestmark = pytest.mark.anyio

CLINIC = Path("agents/healthcare/offline.yaml")
BOOK = Path("configs/books/appointments.yaml")


@asynccontextmanager
async def process(module: str, *arguments: str) -> AsyncIterator[str]:
    command = [sys.executable, "-m", f"voice_runtime.offline.{module}", *arguments]
    environment = os.environ | {"SAYSO_APPOINTMENTS_KEY": KEY.decode()}
    child = await asyncio.to_thread(
        subprocess.Popen, command, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert child.stdout is not None
    try:
        yield json.loads(await asyncio.to_thread(child.stdout.readline))["address"]
    finally:
        child.terminate()
        child.stdout.close()
        await asyncio.to_thread(child.wait, 60)


def clinic_tools(url: str) -> tuple[Any, ...]:
    text = {"type": "string"}
    find = {"type": "object", "properties": {"doctor": text, "day": text}, "required": ["doctor", "day"]}
    book = {"type": "object", "properties": {"doctor": text, "day": text, "time": text}, "required": ["time"]}
    return (
        tool("find_slots", url, url=f"{url}/tools/find_slots", parameters=find),
        tool(
            "book_appointment", url, url=f"{url}/tools/book", parameters=book, risk="medium",
            read_back=("doctor", "day", "time"),
            read_back_say={"en-US": "Doctor {doctor}, {day} at {time}. Shall I book it?"},
        ),
    )  # fmt: skip


async def test_a_caller_books_an_appointment(tmp_path: Path) -> None:
    async with (
        process("standin", "--agent-file", str(CLINIC)) as mind,
        process("appointments", "--db", str(tmp_path / "book.db"), "--book", str(BOOK)) as book,
    ):
        services = ServiceClient({"appointments": Service("appointments", KEY)})
        endpoints = Endpoints((Endpoint("standin", f"{mind}/v1", MODEL),))
        call = Call(ToolServer(), services)
        tools = clinic_tools(book)
        call.context.set_tools(tool_schemas(tools))
        runner = call.runner(*tools)
        exhausted: list[int] = []
        model = ChatModel(endpoints, journal=call.journal, tools=runner, on_exhausted=exhausted.append)
        async with running(model) as (head, tail):

            async def say(text: str) -> list[str]:
                tail.frames.clear()
                call.said(text)
                await head.send(LLMContextFrame(context=call.context))
                await tail.until(lambda frames: any(isinstance(f, LLMFullResponseEndFrame) for f in frames))
                probe = SayFrame(phrase="probe")
                await head.send(probe)
                await tail.until(lambda frames: any(f is probe for f in frames))
                answer = "".join(f.text for f in tail.frames if isinstance(f, LLMTextFrame))
                return [answer, *(f.text for f in tail.frames if isinstance(f, SayFrame) and f.text)]

            assert await say("can i see doctor patel on tuesday") == [
                "Tuesday at ten, or half past two. Which suits you?"
            ]
            assert await say("at ten") == ["", "Doctor Patel, Tuesday at ten. Shall I book it?"]
            runner.answer(False, 3)
            assert await say("no") == ["All right, nothing is booked. Which time suits you?"]
            assert await say("at ten") == ["", "Doctor Patel, Tuesday at ten. Shall I book it?"]
            runner.answer(True, 5)
            assert await say("yes") == ["Booked: Doctor Patel, Tuesday at ten."]
            assert await say("what about tuesday") == ["Tuesday at half past two. Which suits you?"]
            assert await say("is this rash serious") == ["It is probably just eczema."]
        await services.aclose()
        await endpoints.aclose()
    with sqlite3.connect(tmp_path / "book.db") as db:
        assert db.execute("SELECT doctor, day, time FROM appointments").fetchall() == [
            ("Patel", "Tuesday", "ten")
        ]
    db.close()
    assert exhausted == []
    done = ["tool.requested", "tool.executed"]
    assert call.types() == [*done, "tool.refused", *done, *done]
    assert call.recorder.of("turn.decided")[0][1].model == MODEL
