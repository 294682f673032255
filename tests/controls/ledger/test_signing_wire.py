"""Frames between the signing process and its clients: they come back as sent, and nothing else is read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controls.ledger.keys import KeyInfo
from controls.ledger.signing_wire import Answer, Request, frame, read_answer, read_request

DIGEST = st.integers(0, 2**256 - 1).map(lambda n: f"sha256:{n:064x}")
ORIGIN = st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=16, max_size=16).map("o_".__add__)
REQUESTS = st.builds(
    Request, op=st.sampled_from(["open", "statements", "note", "promote", "list"]),
    origin=st.none() | ORIGIN, state=st.sampled_from(["present", "next"]), create=st.booleans(),
    key=st.none() | DIGEST,
)  # fmt: skip
PARTS = st.lists(st.binary(max_size=40), max_size=6)


@given(REQUESTS, PARTS)
def test_a_request_comes_back_as_it_was_sent(request: Request, parts: list[bytes]) -> None:
    sent = frame(request, parts)
    assert int.from_bytes(sent[:4], "big") == len(sent) - 4
    assert read_request(sent[4:]) == (request, parts)


@given(st.sampled_from(["", "refused", "failed"]), st.text(max_size=50), PARTS)
def test_an_answer_comes_back_as_it_was_sent(error: str, detail: str, parts: list[bytes]) -> None:
    answer = Answer(error=error, detail=detail)  # type: ignore[arg-type]
    assert read_answer(frame(answer, parts)[4:]) == (answer, parts)


def test_a_house_of_many_logs_fits_one_answer() -> None:
    key = KeyInfo("log", "present", "o_" + "0" * 16, "/" + "k" * 200, "sha256:" + "0" * 64, "v" * 100, 1)
    answer = Answer(keys=(key,) * 5000)
    assert read_answer(frame(answer)[4:]) == (answer, [])


@given(st.binary(max_size=80), st.data())
def test_whatever_else_comes_is_a_value_error(noise: bytes, draw: st.DataObject) -> None:
    sent = frame(Request(op="list"), [b"one", b"two"])[4:]
    cut = draw.draw(st.integers(0, len(sent)))
    for body in (noise, sent[:cut], sent[:cut] + noise):
        try:
            request, parts = read_request(body)
        except ValueError:
            continue
        # What is read says what it is: nothing was skipped and nothing added.
        assert len(body) >= sum(len(part) + 4 for part in parts) + 4
        assert read_request(frame(request, parts)[4:]) == (request, parts)
