"""Server-sent events: the same data however the bytes are cut, and no endless ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.think.event_stream import EventStream

#: What data may hold: anything but the ends of lines.
DATA = st.binary(min_size=1, max_size=20).map(lambda b: b.replace(b"\r", b"x").replace(b"\n", b"y"))
EVENTS = st.lists(st.lists(DATA, min_size=1, max_size=3), max_size=6)


def fed(*pieces: bytes) -> list[bytes]:
    stream = EventStream()
    return [data for piece in pieces for data in stream.feed(piece)]


@given(EVENTS, st.sampled_from([b"\n", b"\r\n", b"\r"]), st.data())
def test_data_are_the_same_however_they_are_cut(
    events: list[list[bytes]], end: bytes, data: st.DataObject
) -> None:
    wire = b"".join(b"".join(b"data: " + d + end for d in event) + end for event in events) + b": more" + end
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    pieces = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    assert fed(*pieces) == [b"\n".join(event) for event in events]


def test_what_is_no_data_is_passed_over() -> None:
    wire = b": comment\nevent: x\nid: 7\nretry: 1\ndata:{}\n\n\n\nother\n\ndata: [DONE]\n\n"
    assert fed(wire) == [b"{}", b"[DONE]"]


def test_an_event_that_was_not_ended_is_none() -> None:
    assert fed(b"data: {}\n") == []
    assert fed(b"data: {}") == []


@pytest.mark.parametrize("piece", [b"x" * 65_536, b"data: " + b"x" * 65_536 + b"\n"], ids=["line", "event"])
def test_an_endless_event_is_refused(piece: bytes) -> None:
    stream = EventStream()
    with pytest.raises(ValueError, match="endless"):
        for _ in range(20):
            assert stream.feed(piece) == []
