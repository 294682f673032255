"""The stand-in in a process of its own, asked by the real client over a real socket."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import NotFoundError, OpenAI

from voice_runtime.offline.standin import MODEL, main

SCRIPT = textwrap.dedent("""\
    slots: {day: [Monday, Tuesday]}
    patterns:
      - when: {said: "on {day}"}
        call: {tool: find, arguments: {day: "{day}"}}
      - when: {tool_result: find}
        say: "Nothing on {day}."
      - otherwise: true
        say: "This is {name}."
    """)


def start(*arguments: str | Path) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    command = [sys.executable, "-m", "voice_runtime.offline.standin", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


def stop(process: subprocess.Popen[str]) -> int:
    process.terminate()
    if process.stdout is not None:
        process.stdout.close()
    return process.wait(60)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    files: list[str | Path] = []
    for agent in ("clinic", "bank"):
        folder = tmp_path_factory.mktemp("agents") / agent
        folder.mkdir()
        (folder / "offline.yaml").write_text(SCRIPT.replace("{name}", agent))
        files += ["--agent-file", folder / "offline.yaml"]
    process, announced = start(*files)
    yield announced
    stop(process)


@pytest.fixture
def client(ready: dict[str, Any]) -> Iterator[OpenAI]:
    with OpenAI(base_url=ready["address"] + "/v1", api_key="none", max_retries=0, timeout=30) as client:
        yield client


TOOLS: Any = [{"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}]


def test_it_says_what_it_is(ready: dict[str, Any], client: OpenAI) -> None:
    assert ready["model"] == MODEL == "sayso-standin-not-a-language-model"
    assert ready["agents"] == ["bank", "clinic"]
    assert [m.id for m in client.models.list()] == [f"{MODEL}/bank", f"{MODEL}/clinic"]
    assert httpx.get(ready["address"] + "/healthz").json() == {"ok": True, "not": "a language model"}


@pytest.mark.parametrize("agent", ["clinic", "bank"])
def test_each_agent_has_its_own_script(client: OpenAI, agent: str) -> None:
    answer = client.chat.completions.create(
        model=f"{MODEL}/{agent}", messages=[{"role": "user", "content": "hello"}]
    )
    assert answer.choices[0].message.content == f"This is {agent}."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 4


def test_it_streams_words_and_then_usage(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model=f"{MODEL}/clinic", messages=[{"role": "user", "content": "hi"}],
        stream=True, stream_options={"include_usage": True},
    )  # fmt: skip
    chunks = list(stream)
    assert [c.choices[0].delta.content for c in chunks[1:4]] == ["This", " is", " clinic."]
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 3
    assert {c.model for c in chunks} == {f"{MODEL}/clinic"}


def test_it_streams_a_tool_call_in_pieces_and_speaks_the_result(client: OpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "on Tuesday"}]
    model = f"{MODEL}/clinic"
    with client.chat.completions.stream(model=model, messages=messages, tools=TOOLS) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.tool_calls is not None
    (call,) = final.choices[0].message.tool_calls
    assert final.choices[0].finish_reason == "tool_calls"
    assert (call.function.name, json.loads(call.function.arguments)) == ("find", {"day": "Tuesday"})
    messages += [final.choices[0].message.model_dump(include={"role", "content", "tool_calls"})]
    messages += [{"role": "tool", "tool_call_id": call.id, "content": '{"ok": true}'}]
    answer = client.chat.completions.create(model=model, messages=messages, tools=TOOLS)
    assert answer.choices[0].message.content == "Nothing on Tuesday."


def test_the_same_request_gives_the_same_bytes(ready: dict[str, Any]) -> None:
    body = {
        "model": f"{MODEL}/clinic",
        "messages": [{"role": "user", "content": "on monday"}],
        "stream": True,
    }
    url = ready["address"] + "/v1/chat/completions"
    assert httpx.post(url, json=body).content == httpx.post(url, json=body).content


def asking(messages: list[Any], **fields: Any) -> bytes:
    return json.dumps({"model": f"{MODEL}/bank", "messages": messages, **fields}).encode()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b"{}", 400),
        (b'{"messages": []}', 400),
        (b'{"messages": ["x"]}', 400),
        (asking([{"role": "user"}], tools=[{"function": 1}]), 400),
        (asking([{"role": "tool", "content": "x", "tool_call_id": 3}]), 200),
        (asking([{"tool_calls": 3}, {"role": "tool"}]), 400),
        (b"[" * 100_000, 400),
        (b"x" * 1_100_000, 413),
    ],
)  # fmt: skip
def test_bad_requests_get_the_protocols_errors(ready: dict[str, Any], body: bytes, status: int) -> None:
    answer = httpx.post(ready["address"] + "/v1/chat/completions", content=body)
    assert answer.status_code == status
    if status != 200:
        assert answer.json()["error"]["message"]


def test_an_unknown_model_is_not_found(client: OpenAI) -> None:
    for model in (MODEL, "gpt-x"):  # with two agents the bare name says too little
        with pytest.raises(NotFoundError):
            client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}])


def test_a_broken_file_is_named_and_nothing_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").mkdir()
    file = tmp_path / "x" / "offline.yaml"
    file.write_text(SCRIPT.replace("find,", "finde, x: 1,"))
    assert main(["--agent-file", "x/offline.yaml"]) == 2
    assert "x/offline.yaml:4:" in capsys.readouterr().err
    assert main(["--agent-file", "missing.yaml"]) == 2
    assert main([]) == 2


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    (tmp_path / "offline.yaml").write_text(SCRIPT.replace("{name}", "x"))
    parent = textwrap.dedent("""\
        import subprocess, sys, time
        subprocess.Popen([sys.executable, "-m", "voice_runtime.offline.standin", "--agent-file", sys.argv[1]])
        time.sleep(60)
        """)
    process = subprocess.Popen(
        [sys.executable, "-c", parent, str(tmp_path / "offline.yaml")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    pid = json.loads(process.stdout.readline())["pid"]
    process.kill()
    process.wait(60)
    deadline = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.stdout.close()
    if Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
        os.kill(pid, signal.SIGKILL)
        pytest.fail("the stand-in outlived its parent")
