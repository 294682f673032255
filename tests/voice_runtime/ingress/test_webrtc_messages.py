"""The data channel's closed list: what is taken, what is refused, and how much of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.ingress import webrtc_messages as m


class Clock:
    now = 0

    def __call__(self) -> int:
        return self.now


def reader(clock: Clock | None = None) -> m.Reader:
    return m.Reader(clock or Clock(), m.MessageStats())


GOOD: dict[str, tuple[dict[str, Any], m.FromCaller]] = {
    "ping": ({"type": "ping"}, m.Ping(type="ping")),
    "ready": (
        {"type": "ready", "echo_cancellation": "on", "microphone": True},
        m.Ready(type="ready", echo_cancellation="on", microphone=True),
    ),
    "key": ({"type": "key", "key": "#"}, m.Key(type="key", key="#")),
    "person": ({"type": "person"}, m.Person(type="person")),
    "receipt": ({"type": "receipt"}, m.AskReceipt(type="receipt")),
    "say": ({"type": "say", "text": "buenos días"}, m.Say(type="say", text="buenos días")),
    "playing": ({"type": "playing", "rtp": 0xFFFFFFFF}, m.Playing(type="playing", rtp=0xFFFFFFFF)),
    "bye": ({"type": "bye"}, m.Bye(type="bye")),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_on_the_list_is_taken(name: str) -> None:
    given_, expected = GOOD[name]
    taken = reader()
    assert taken.read(json.dumps(given_)) == expected
    assert taken.stats.taken == 1
    assert taken.stats.refused == 0


BAD: dict[str, tuple[str | bytes, str]] = {
    "not-json": ("hello", "malformed"),
    "a-list": ("[]", "malformed"),
    "deep": ("[" * 1500 + "]" * 1500, "malformed"),
    "no-type": ("{}", "malformed"),
    "binary": (b'{"type":"ping"}', "malformed"),
    "a-field-too-many": ('{"type":"ping","id":1}', "malformed"),
    "a-tool-result": ('{"type":"llm-function-call-result","result":1}', "unknown"),
    "rtvi": ('{"label":"rtvi-ai","type":"send-text","data":{}}', "unknown"),
    "signalling": ('{"type":"signalling","message":{"type":"trackStatus"}}', "unknown"),
    "ready-without-facts": ('{"type":"ready"}', "malformed"),
    "ready-number": ('{"type":"ready","echo_cancellation":"on","microphone":1}', "malformed"),
    "a-receipt-of-its-own": ('{"type":"receipt","code":"7K2-M9Q-X4R"}', "malformed"),
    "two-keys": ('{"type":"key","key":"12"}', "malformed"),
    "letter-key": ('{"type":"key","key":"A"}', "malformed"),
    "key-newline": ('{"type":"key","key":"1\\n"}', "malformed"),
    "nothing-said": ('{"type":"say","text":""}', "malformed"),
    "blank-said": ('{"type":"say","text":" \\n\\t "}', "malformed"),
    "too-much-said": (json.dumps({"type": "say", "text": "a" * 501}), "malformed"),
    "rtp-too-big": ('{"type":"playing","rtp":4294967296}', "malformed"),
    "rtp-negative": ('{"type":"playing","rtp":-1}', "malformed"),
    "rtp-half": ('{"type":"playing","rtp":1.5}', "malformed"),
    "rtp-text": ('{"type":"playing","rtp":"1"}', "malformed"),
    "rtp-huge": ('{"type":"playing","rtp":1' + "0" * 4000 + "}", "malformed"),
    "lone-surrogate": ('{"type":"say","text":"\ud800"}', "malformed"),
    "oversized": (json.dumps({"type": "say", "text": "a" * 5000}), "oversized"),
    "oversized-bytes": (json.dumps({"type": "say", "text": "é" * 2100}, ensure_ascii=False), "oversized"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_is_counted_and_dropped(name: str) -> None:
    data, kind = BAD[name]
    taken = reader()
    assert taken.read(data) is None
    assert getattr(taken.stats, kind) == 1
    assert taken.stats.refused == 1
    assert taken.stats.taken == 0


@given(st.text(max_size=300) | st.binary(max_size=100))
def test_nothing_raises(data: str | bytes) -> None:
    reader().read(data)


def test_typed_words_become_one_clean_line() -> None:
    taken = reader().read(json.dumps({"type": "say", "text": "  can i\r\nsee\x00 dr.\tpatel \x7f"}))
    assert taken == m.Say(type="say", text="can i see dr. patel")


def test_fifty_messages_a_second_and_no_more() -> None:
    clock = Clock()
    taken = reader(clock)
    for _ in range(80):
        taken.read('{"type":"ping"}')
    assert (taken.stats.taken, taken.stats.flooded) == (50, 30)
    clock.now += 100_000_000
    for _ in range(10):
        taken.read('{"type":"ping"}')
    assert (taken.stats.taken, taken.stats.flooded) == (55, 35)
    clock.now += 60_000_000_000
    for _ in range(80):
        taken.read('{"type":"ping"}')
    assert taken.stats.taken == 105


def test_only_listed_messages_go_out() -> None:
    caption = {"type": "caption", "who": "agent", "id": "k1", "text": "Hello.", "state": "begin"}
    assert json.loads(m.write(caption) or "") == caption
    assert m.write(m.Closed(reason="ended")) == '{"type":"closed","reason":"ended"}'
    for bad in (
        {},
        {"type": "tool"},
        {**caption, "state": "raw"},
        {**caption, "prompt": "…"},
        {"type": "closed", "reason": "the model failed at 10.0.0.1"},
        {"label": "rtvi-ai", "type": "bot-llm-text", "data": {"text": "raw"}},
    ):
        assert m.write(bad) is None


def test_only_a_whole_code_is_shown() -> None:
    assert m.write({"type": "receipt", "code": "7K2-M9Q-X4R"})
    for code in ("", "7K2", "7K2-M9Q-X4U", "<b>7K2-M9Q-X4R"):
        assert m.write({"type": "receipt", "code": code}) is None
