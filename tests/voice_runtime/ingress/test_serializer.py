"""Messages from and to Twilio: hostile ones change nothing, late ones are dropped and counted."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipecat.frames.frames import InputDTMFFrame

from voice_runtime.caller.twilio_wire import Outgoing
from voice_runtime.ingress.twilio_serializer import (
    MOST_CHARACTERS,
    MOST_MALFORMED,
    TwilioLink,
    TwilioSerializer,
)

SID = "MZ" + "a" * 32
CALL = "CA" + "b" * 32
SILENCE = b"\xff" * 160


def made(**more: Any) -> TwilioSerializer:
    return TwilioSerializer(SID, TwilioLink(SID), **more)


def take(serializer: TwilioSerializer, message: Any) -> bytes | InputDTMFFrame | None:
    return serializer.take(message if isinstance(message, str | bytes) else json.dumps(message))


def media(sequence: object = 2, chunk: object = 1, payload: object = None, **more: Any) -> dict[str, Any]:
    body = {"track": "inbound", "chunk": chunk, "timestamp": "0"}
    body["payload"] = base64.b64encode(SILENCE).decode() if payload is None else payload
    return {"event": "media", "sequenceNumber": sequence, "streamSid": SID, "media": body, **more}


def test_media_becomes_20_ms_of_16_bit_samples() -> None:
    serializer = made()
    assert take(serializer, media("2", "1")) == bytes(320)
    assert (serializer.stats.media, serializer.stats.media_bytes) == (1, 160)


MALFORMED: dict[str, Any] = {
    "empty": "",
    "truncated": json.dumps(media("2", "1"))[:-7],
    "not-json": "media",
    "two-messages": json.dumps(media("2", "1")) * 2,
    "a-list": "[1]",
    "a-number": "1",
    "null": "null",
    "deep": "[" * 5000 + "]" * 5000,
    "huge-number": '{"event": ' + "9" * 5000 + "}",
    "binary": b"\x00\x01",
    "binary-json": json.dumps(media("2", "1")).encode(),
    "event-missing": {"streamSid": SID},
    "event-not-text": {"event": {"a": 1}, "streamSid": SID},
    "media-missing": {"event": "media", "streamSid": SID, "sequenceNumber": "2"},
    "media-not-object": {"event": "media", "streamSid": SID, "sequenceNumber": "2", "media": []},
    "payload-missing": {"event": "media", "streamSid": SID, "media": {"chunk": "1"}},
    "payload-number": media("2", "1", 7),
    "payload-empty": media("2", "1", ""),
    "payload-not-base64": media("2", "1", "ab*d"),
    "payload-truncated": media("2", "1", base64.b64encode(SILENCE).decode()[:-3]),
    "payload-unicode": media("2", "1", "äöüß"),
    "payload-too-long": media("2", "1", base64.b64encode(b"\xff" * 8001).decode()),
    "sequence-text": media("two", "1"),
    "sequence-negative": media("-2", "1"),
    "sequence-zero": media("0", "1"),
    "sequence-list": media(["2"], "1"),
    "sequence-true": media(True, "1"),
    "sequence-float": media(2.5, "1"),
    "sequence-far-away": media("900000000", "1"),
    "sequence-digits-not-ascii": media("२", "1"),
    "chunk-text": media("2", "first"),
    "chunk-far-away": media("2", "999999999"),
    "dtmf-two": {"event": "dtmf", "streamSid": SID, "sequenceNumber": "2", "dtmf": {"digit": "12"}},
    "dtmf-letter": {"event": "dtmf", "streamSid": SID, "sequenceNumber": "2", "dtmf": {"digit": "A"}},
    "dtmf-empty": {"event": "dtmf", "streamSid": SID, "sequenceNumber": "2", "dtmf": {"digit": ""}},
    "mark-nameless": {"event": "mark", "streamSid": SID, "sequenceNumber": "2", "mark": {}},
    "mark-long": {"event": "mark", "streamSid": SID, "sequenceNumber": "2", "mark": {"name": "m" * 201}},
    "oversized": json.dumps(media("2", "1", pad="x" * MOST_CHARACTERS)),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_messages_are_counted_and_change_nothing(name: str) -> None:
    serializer = made()
    assert take(serializer, MALFORMED[name]) is None
    assert serializer.stats.malformed == 1
    assert not serializer.ended
    if name in ("oversized", "payload-too-long"):
        assert serializer.stats.oversized == 1
    # and the next good one is taken
    assert take(serializer, media("3", "1")) == bytes(320)


@given(st.one_of(st.text(max_size=300), st.binary(max_size=300)))
def test_nothing_raises_out_of_take(data: str | bytes) -> None:
    assert take(made(), data) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.fixed_dictionaries(
        {"event": st.sampled_from(["media", "dtmf", "mark", "stop", "start", "connected"]) | JSON},
        optional={
            "streamSid": st.just(SID) | JSON, "sequenceNumber": JSON,
            "media": JSON | st.just({"payload": "/w=="}), "dtmf": JSON, "mark": JSON,
        },
    )
)  # fmt: skip
def test_no_object_raises_either(message: dict[str, Any]) -> None:
    take(made(), message)


@given(st.lists(st.integers(1, 40), max_size=60))
def test_only_newer_media_passes_and_every_gap_is_counted(chunks: list[int]) -> None:
    serializer = made()
    newest, passed, gaps = 0, [], 0
    for sequence, chunk in enumerate(chunks, start=2):
        if take(serializer, media(str(sequence), str(chunk))) is not None:
            passed.append(chunk)
        if chunk > newest:
            gaps += chunk - newest - 1
            newest = chunk
    assert passed == sorted(set(passed))
    assert serializer.stats.media + serializer.stats.late == len(chunks)
    assert serializer.stats.gaps == gaps


def test_a_repeated_sequence_number_is_late_whatever_it_carries() -> None:
    serializer = made(start_sequence=1)
    assert take(serializer, media("1", "1")) is None  # older than start
    assert take(serializer, media("5", "1")) is not None
    key = {"event": "dtmf", "streamSid": SID, "sequenceNumber": "5", "dtmf": {"digit": "0"}}
    assert take(serializer, key) is None
    assert serializer.stats.late == 2


def test_messages_without_numbers_are_taken() -> None:
    serializer = made()
    bare = {"event": "media", "streamSid": SID, "media": {"payload": base64.b64encode(SILENCE).decode()}}
    assert take(serializer, bare) is not None
    assert take(serializer, bare) is not None


def test_media_of_another_stream_or_track_is_refused() -> None:
    serializer = made()
    assert take(serializer, media("2", "1") | {"streamSid": "MZ" + "c" * 32}) is None
    other = media("3", "1")
    other["media"]["track"] = "outbound"
    assert take(serializer, other) is None
    assert (serializer.stats.foreign, serializer.stats.media) == (2, 0)


@pytest.mark.parametrize("event", ["connected", "start", "hello", ""])
def test_other_events_are_counted(event: str) -> None:
    serializer = made()
    assert take(serializer, {"event": event, "streamSid": SID}) is None
    assert (serializer.stats.unknown, serializer.stats.malformed) == (1, 0)


@pytest.mark.parametrize("key", "0123456789*#")
def test_every_key_arrives(key: str) -> None:
    frame = take(made(), Outgoing(SID, CALL, "AC").dtmf(key))
    assert isinstance(frame, InputDTMFFrame)
    assert frame.button.value == key


def test_marks_go_to_every_listener_even_when_one_raises() -> None:
    serializer = made()
    seen: list[str] = []

    def broken(name: str, at_ns: int) -> None:
        raise RuntimeError("bug")

    link = serializer._link
    link.on_mark(broken)
    link.on_mark(lambda name, at_ns: seen.append(name) if at_ns > 0 else None)
    take(serializer, {"event": "mark", "streamSid": SID, "sequenceNumber": "2", "mark": {"name": "m1"}})
    assert seen == ["m1"]


@pytest.mark.parametrize("around", ["{}", " {}", "{}\n", "\t{} "])
def test_space_around_a_message_is_no_fault(around: str) -> None:
    assert take(made(), around.replace("{}", json.dumps(media("2", "1")))) == bytes(320)


def test_stop_ends_the_stream() -> None:
    serializer = made()
    take(serializer, {"event": "stop", "streamSid": "MZother", "sequenceNumber": "2"})
    assert not serializer.ended
    take(serializer, Outgoing(SID, CALL, "AC").stop())
    assert serializer.ended == "stop"
    assert take(serializer, media("9", "1")) is None


def test_too_many_malformed_messages_end_it() -> None:
    serializer = made()
    for _ in range(MOST_MALFORMED):
        take(serializer, "{")
    assert not serializer.ended
    take(serializer, "{")
    assert serializer.ended == "protocol"


# -- out ------------------------------------------------------------------------------------------


def test_audio_clear_and_marks_go_out() -> None:
    serializer = made()
    assert json.loads(serializer.media(bytes(320))) == {
        "event": "media", "streamSid": SID, "media": {"payload": base64.b64encode(SILENCE).decode()},
    }  # fmt: skip
    assert json.loads(serializer.clear()) == {"event": "clear", "streamSid": SID}
    mark = serializer._link.mark_message("k1")
    assert json.loads(serializer.message(mark) or b"") == mark
    clear = serializer._link.clear_message()
    assert json.loads(serializer.message(clear) or b"") == clear
    sent = serializer.stats
    assert (sent.sent_media, sent.sent_clears, sent.sent_marks) == (1, 2, 1)


def test_a_stream_name_is_quoted_whatever_it_is() -> None:
    name = 'MZ"\\ä'
    serializer = TwilioSerializer(name, TwilioLink(name))
    assert json.loads(serializer.media(bytes(2)))["streamSid"] == name
    assert json.loads(serializer.clear())["streamSid"] == name
    mark = serializer._link.mark_message('k"ä')
    assert json.loads(serializer.message(mark) or b"") == mark


@pytest.mark.parametrize(
    "message",
    [
        {"event": "media", "streamSid": SID, "media": {"payload": "AA=="}},
        {"event": "clear", "streamSid": "MZother"},
        {"event": "mark", "streamSid": "MZother", "mark": {"name": "a"}},
        {"event": "mark", "streamSid": SID, "mark": {"name": "a", "text": "hello"}},
        {"event": "mark", "streamSid": SID, "mark": {"name": "a"}, "more": 1},
        {"label": "rtvi-ai", "type": "bot-transcription", "data": {}},
        {},
    ],
)
def test_only_our_own_marks_pass_as_messages(message: dict[str, Any]) -> None:
    serializer = made()
    assert serializer.message(message) is None
    assert serializer.stats.dropped_out == 1
