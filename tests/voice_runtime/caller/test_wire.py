"""The simulated carrier's wire, against Twilio's own package and against hostile answers."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator
from twilio.twiml.voice_response import Connect, VoiceResponse

from controls.errors import ProviderError
from voice_runtime.caller.twilio_wire import Outgoing, parse_message, parse_twiml, signature


@given(st.dictionaries(st.text(min_size=1, max_size=9), st.text(max_size=20), max_size=6))
def test_the_caller_signs_as_twilio_does(fields: dict[str, str]) -> None:
    url = "https://voice.example/telephony/twilio/voice"
    assert RequestValidator("t").validate(url, fields, signature("t", url, fields))


def test_twiml_of_twilios_own_builder_is_understood() -> None:
    response = VoiceResponse()
    connect = Connect(action="https://h.example/after")
    connect.stream(url="wss://h.example/s").parameter(name="call", value="a & b")
    response.append(connect)
    response.say("one < two")
    response.dial("+12025550177")
    verbs = parse_twiml(str(response))
    assert [v.name for v in verbs] == ["Connect", "Say", "Dial"]
    stream = verbs[0].noun("Stream")
    assert stream is not None
    assert stream.attributes["url"] == "wss://h.example/s"
    assert stream.nouns[0].attributes == {"name": "call", "value": "a & b"}
    assert (verbs[1].text, verbs[2].target) == ("one < two", "+12025550177")


@pytest.mark.parametrize(
    "document",
    [
        "",
        "hello",
        "<Response>",
        "<html/>",
        '<!DOCTYPE x [<!ENTITY a "b">]><Response><Say>&a;</Say></Response>',
        "<Response>" + " " * 70_000 + "</Response>",
    ],
)
def test_what_is_not_twiml_is_an_error_of_the_servers(document: str) -> None:
    with pytest.raises(ProviderError):
        parse_twiml(document)


@given(st.one_of(st.text(max_size=60), st.binary(max_size=60)))
def test_no_message_raises(data: str | bytes) -> None:
    assert parse_message(data, "MZ1") is None


@pytest.mark.parametrize(
    "message",
    [
        {"event": "clear"},
        {"event": "clear", "streamSid": "MZ2"},
        {"event": "media", "streamSid": "MZ1"},
        {"event": "media", "streamSid": "MZ1", "media": {"payload": "*"}},
        {"event": "mark", "streamSid": "MZ1", "mark": None},
        {"event": "stop", "streamSid": "MZ1"},
    ],
)
def test_what_twilio_would_not_take_is_not_taken(message: object) -> None:
    assert parse_message(json.dumps(message), "MZ1") is None


def test_messages_count_up_as_twilios_do() -> None:
    out = Outgoing("MZ1", "CA1", "AC1")
    assert json.loads(out.connected()) == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    messages = [
        json.loads(m) for m in (out.start({"a": "b"}), out.media(b"\xff"), out.dtmf("1"), out.media(b"\xff"))
    ]
    assert [m["sequenceNumber"] for m in messages] == ["1", "2", "3", "4"]
    assert messages[0]["start"]["customParameters"] == {"a": "b"}
    assert [m["media"]["chunk"] for m in messages if m["event"] == "media"] == ["1", "2"]
    assert messages[3]["media"]["timestamp"] == "20"


@given(st.binary(min_size=160, max_size=160), st.text(max_size=20))
def test_media_put_together_by_hand_is_json_whatever_the_stream_is_called(ulaw: bytes, sid: str) -> None:
    out = Outgoing(sid, "CA1", "AC1")
    silent, loud = json.loads(out.media(b"\xff" * 160)), json.loads(out.media(ulaw))
    assert silent["streamSid"] == loud["streamSid"] == sid
    assert base64.b64decode(silent["media"]["payload"]) == b"\xff" * 160
    assert base64.b64decode(loud["media"]["payload"]) == ulaw
    assert (loud["event"], loud["sequenceNumber"]) == ("media", "2")
    assert loud["media"] | {"payload": ""} == {
        "track": "inbound", "chunk": "2", "timestamp": "20", "payload": "",
    }  # fmt: skip
