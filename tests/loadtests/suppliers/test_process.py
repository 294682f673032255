"""The mock suppliers in a process of their own: up, asked, and gone with whoever started them."""

from __future__ import annotations

import os

import httpx
import pytest

from controls.errors import OperatorError
from loadtests.suppliers.mocks import Delays
from loadtests.suppliers.process import suppliers
from voice_runtime.caller.recorded import RecordedFlite

pytestmark = pytest.mark.anyio


async def test_suppliers_answer_while_they_are_wanted_and_not_after() -> None:
    spoken = await RecordedFlite("rms").say("yes")
    at_once = Delays(asr_ms=0, first_token_ms=0, token_ms=0, speech_ms=0)
    core = sorted(os.sched_getaffinity(0))[:1] if hasattr(os, "sched_getaffinity") else []
    async with (
        httpx.AsyncClient(trust_env=False) as client,
        suppliers([spoken], {"yes": "Good. We will see you then."}, at_once, core) as address,
    ):
        assert address.endswith("/v1")
        asked = {"model": "m", "messages": [{"role": "user", "content": "Yes!"}]}
        answer = (await client.post(f"{address}/chat/completions", json=asked)).json()
        assert answer["choices"][0]["message"]["content"] == "Good. We will see you then."
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{address}/models")


async def test_answers_that_cannot_be_told_apart_start_nothing() -> None:
    with pytest.raises(OperatorError, match="at most 65"):
        async with suppliers([], {f"q {n}": f"answer {n}" for n in range(99)}):
            raise AssertionError("it is up")
