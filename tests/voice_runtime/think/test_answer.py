"""Putting an answer together: whatever a server sends, it is an answer or a ProviderError."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import OperatorError, ProviderError
from voice_runtime.engine_settings import ModelSettings
from voice_runtime.think.answer import Gathering, Reply, translate
from voice_runtime.think.endpoints import Endpoint, Endpoints

ODD: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    7,
    1.5,
    "",
    "x",
    [],
    [1],
    ["x"],
    {},
    {"a": 1},
    [{}],
    [{"index": 0}],
    [None],
]
JSON = st.sampled_from(
    [
        *ODD,
        [{"index": "0", "function": 3}],
        [{"index": -2, "id": "a", "function": {"name": 1, "arguments": 2}}],
    ]
)
DELTA = st.fixed_dictionaries({}, optional={"content": JSON, "tool_calls": JSON})
CHUNK = st.fixed_dictionaries(
    {},
    optional={
        "choices": JSON | st.lists(
            st.fixed_dictionaries({"delta": DELTA | JSON}, optional={"finish_reason": JSON}), max_size=2
        ),
        "model": JSON,
        "usage": JSON,
    },
)  # fmt: skip


def chunk(fields: dict[str, Any]) -> Any:
    return {"id": "x", "model": "m", "choices": [], "usage": None} | fields


def call(index: int | None, id: str | None, name: str | None, arguments: str | None) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"choices": [{"delta": {"tool_calls": [{"index": index, "id": id, "function": function}]}}]}


def gathered(*parts: dict[str, Any], finish: str = "tool_calls") -> Reply:
    reply = Reply()
    gathering = Gathering("s", reply)
    for part in parts:
        gathering.take(chunk(part))
    gathering.take(chunk({"choices": [{"delta": {}, "finish_reason": finish}]}))
    gathering.close()
    return reply


@given(st.lists(CHUNK, max_size=4))
def test_hostile_chunks_raise_nothing_else(parts: list[dict[str, Any]]) -> None:
    reply = Reply()
    gathering = Gathering("s", reply)
    try:
        for part in parts:
            try:
                made = chunk(part)
            except (TypeError, ValueError, AttributeError):  # the client's own parser gave up
                continue
            assert isinstance(gathering.take(made), str)
        gathering.close()
    except ProviderError:
        pass
    assert isinstance(reply.text, str)
    assert reply.tokens_in >= 0


@given(st.text(alphabet='{}[]":, ax1é\n', max_size=30), st.lists(st.integers(1, 7), max_size=10))
def test_arguments_are_the_same_however_they_are_cut(raw: str, cuts: list[int]) -> None:
    pieces, rest = [], raw
    for cut in cuts:
        pieces.append(rest[:cut])
        rest = rest[cut:]
    pieces.append(rest)
    whole = gathered(call(0, "a", "find", raw)).tools
    cut_up = gathered(call(0, "a", "find", ""), *(call(0, None, None, p) for p in pieces)).tools
    assert whole == cut_up


def test_several_calls_in_one_answer_stay_apart() -> None:
    reply = gathered(call(0, "a", "find", '{"n"'), call(1, "b", "book", "{}"), call(0, None, None, ": 1}"))
    assert [(t.name, t.arguments) for t in reply.tools] == [("find", {"n": 1}), ("book", {})]


def test_calls_without_an_index_are_told_apart_by_their_ids() -> None:
    reply = gathered(call(None, "a", "find", "{}"), call(None, "b", "book", "{"), call(None, None, None, "}"))
    assert [(t.name, t.arguments) for t in reply.tools] == [("find", {}), ("book", {})]


def test_leading_blanks_are_no_words() -> None:
    reply = Reply()
    gathering = Gathering("s", reply)
    given = ["\n\n", " ", " Yes.", " No."]
    taken = [gathering.take(chunk({"choices": [{"delta": {"content": text}}]})) for text in given]
    assert taken == ["", "", "Yes.", " No."]


def test_a_tool_call_cut_at_the_token_limit_is_no_tool_call() -> None:
    with pytest.raises(ProviderError, match="cut short"):
        gathered(call(0, "a", "find", '{"day": "Mon'), finish="length")


def test_foreign_errors_keep_none_of_their_words() -> None:
    assert "secret" not in str(translate(ValueError("secret"), "s"))
    assert "secret" not in str(translate(RuntimeError("secret"), "s"))
    assert translate(OSError("secret"), "s").transient


def test_endpoints_come_from_the_profile_and_hide_their_keys() -> None:
    one = {"name": "one", "base_url": "https://one.example/v1", "model": "m"}
    settings = ModelSettings.model_validate({"endpoints": [one], "first_token_s": 1.5})
    endpoints = Endpoints.of(settings)
    assert endpoints.endpoints[0].outside
    assert endpoints.endpoints[0].receipt_first
    assert endpoints.deadlines.first_token_s == 1.5
    assert endpoints.deadlines.give_up_s == 4.5
    standin = Endpoint("standin", "http://127.0.0.1:1/v1", "m")
    assert Endpoints.of(ModelSettings(standin=True), standin).endpoints == (standin,)
    assert "key" not in repr(Endpoint("a", "b", "c", api_key="key"))


def test_no_endpoint_is_an_operators_error() -> None:
    with pytest.raises(OperatorError, match="endpoint"):
        Endpoints.of(ModelSettings(standin=True), None)
    twice = Endpoint("a", "http://127.0.0.1:1/v1", "m")
    with pytest.raises(OperatorError, match="same name"):
        Endpoints((twice, twice))


@pytest.mark.parametrize(
    ("words", "over"),
    [
        ([], False),
        (["It", " is", " free", "."], False),
        (["It", " is", " free", ".", " You"], True),
        (["Is it free? It"], True),
        (["Dr", ".", " Okafor"], True),
        (["At", " 3", ".", "5"], False),
        (["No", ".", " "], False),
    ],
)
def test_a_first_sentence_is_over_once_another_begins(words: list[str], over: bool) -> None:
    gathering = Gathering("s", Reply())
    for word in words:
        gathering.take(chunk({"choices": [{"delta": {"content": word}}]}))
    assert gathering.sentence_over is over
    for _ in range(4 if over else 0):
        gathering.take(chunk({"choices": [{"delta": {"content": " more"}}]}))
        assert gathering.sentence_over, "it stays so"
