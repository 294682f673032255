"""The engines' process over real sockets: it answers, speaks, says what it is, and goes when told."""

from __future__ import annotations

import json
import subprocess
import sys
from asyncio import to_thread
from pathlib import Path

import httpx
import psutil
import pytest

from controls.errors import OperatorError
from loadtests.engines import engine_server
from loadtests.engines.known_speech import write_whisper
from loadtests.suppliers import tones

pytestmark = pytest.mark.anyio


def children() -> set[int]:
    """Of this process, whatever started them: other tests of this worker may have pools."""
    return {child.pid for child in psutil.Process().children(recursive=True)}


ANSWERS = {"where can i park": "Parking is behind the building. It is free for patients."}
SAID = next(iter(ANSWERS))


async def test_all_three_engines_answer_and_go(tmp_path: Path) -> None:
    before = children()
    weights = await to_thread(write_whisper, tmp_path / "whisper", [SAID], "micro-turbo")
    async with engine_server(answers=ANSWERS, whisper=str(weights)) as engines:
        assert len(engines.lines) == 3
        assert all("random weights" in line for line in engines.lines)
        async with httpx.AsyncClient(base_url=engines.chat_url, timeout=60) as client:
            upload = {"file": ("a.pcm", tones.voice(SAID, 3, 16_000), "audio/pcm; rate=16000")}
            transcript = await client.post("/audio/transcriptions", files=upload, data={"model": "whisper"})
            assert transcript.json()["text"] == SAID
            asked = {"model": "llama", "messages": [{"role": "user", "content": SAID}]}
            answer = (await client.post("/chat/completions", json=asked)).json()
            assert answer["choices"][0]["message"]["content"] == ANSWERS[SAID]
            spoken = {"model": "v", "voice": "v", "input": ANSWERS[SAID], "response_format": "pcm"}
            pcm = (await client.post("/audio/speech", json=spoken)).content
            assert pcm == tones.voice(ANSWERS[SAID], 1)
    assert children() == before


async def test_what_cannot_be_started_is_said() -> None:
    before = children()
    with pytest.raises(OperatorError, match="did not start"):
        async with engine_server(answers={SAID: ""}):
            pass
    assert children() == before


def test_the_command_prints_where_it_serves_when_it_is_ready() -> None:
    command = [sys.executable, "-m", "loadtests.engines", "serve", "--shape", "toy", "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout is not None
        ready = json.loads(server.stdout.readline())
        assert all("random weights" in line for line in ready["lines"])
        assert httpx.get(f"{ready['address']}/engines").json() == ready["lines"]
    finally:
        server.terminate()
        server.communicate(timeout=30)
