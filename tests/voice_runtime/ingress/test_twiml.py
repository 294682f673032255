"""TwiML: what it says, and that no word can become markup."""

from __future__ import annotations

from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.twiml.voice_response import Dial, VoiceResponse

from controls.errors import OperatorError
from voice_runtime.ingress import twiml
from voice_runtime.ingress.twiml import Words

WORDS = Words("busy", "failed", "nobody", "+12025550177")


def tags(document: str) -> list[str]:
    return [element.tag for element in fromstring(document)]


def test_a_person_follows_connect_without_an_action() -> None:
    document = twiml.connect("wss://h.example/x", {"call": "c_1"}, WORDS, after_url=None)
    root = fromstring(document)
    assert tags(document) == ["Connect", "Say", "Dial", "Say", "Hangup"]
    assert root[0].attrib == {}
    assert root[0][0].attrib == {"url": "wss://h.example/x"}
    assert root[0][0][0].attrib == {"name": "call", "value": "c_1"}
    assert (root[1].text, root[2][0].text, root[3].text) == ("failed", "+12025550177", "nobody")


def test_without_a_number_it_says_what_happens_next() -> None:
    alone = Words("busy", "failed", "nobody")
    assert tags(twiml.connect("wss://h", {}, alone, after_url=None)) == ["Connect", "Say", "Say", "Hangup"]
    assert tags(twiml.full(alone)) == ["Say", "Say", "Hangup"]


def test_full_says_capacity_and_reaches_a_person() -> None:
    root = fromstring(twiml.full(WORDS))
    assert [e.tag for e in root] == ["Say", "Dial", "Say", "Hangup"]
    assert root[0].text == "busy"


@given(st.text(max_size=200))
def test_no_text_becomes_markup(text: str) -> None:
    words = Words(text, text, text, language="en-US")
    for document in (
        twiml.full(words),
        twiml.unreachable(words),
        twiml.say_and_hang_up(text),
        twiml.connect("wss://h", {"a": text}, words, after_url="https://h"),
        twiml.dial("+12025550177", announce=text, action="https://h/?a=1&b=2"),
    ):
        root = fromstring(document)
        said = {e.text or "" for e in root.iter("Say")}
        kept = "".join(c for c in text if c in "\t\n\r" or (c >= " " and not "\ud800" <= c <= "\udfff"))
        kept = kept.replace("\ufffe", "").replace("\uffff", "").replace("\r\n", "\n").replace("\r", "\n")
        assert said <= {kept, ""}
        assert {e.tag for e in root.iter()} <= {
            "Response", "Say", "Hangup", "Connect", "Stream", "Parameter", "Dial", "Number",
        }  # fmt: skip


def test_dial_is_what_twilios_own_builder_makes() -> None:
    theirs = VoiceResponse()
    theirs.say("one moment", language="en-US")
    dial = Dial(action="https://h.example/d?a=1&b=2", timeout=25)
    dial.number("+12025550177")
    theirs.append(dial)
    ours = twiml.dial("+12025550177", announce="one moment", action="https://h.example/d?a=1&b=2")
    assert _shape(ours) == _shape(str(theirs))


def _shape(document: str) -> list[tuple[str, dict[str, str], str | None]]:
    return [(e.tag, dict(e.attrib), e.text) for e in fromstring(document).iter()]


def test_a_sip_address_is_dialled_as_one() -> None:
    root = fromstring(twiml.dial("sip:desk@pbx.example", action="https://h"))
    assert root[0][0].tag == "Sip"


@pytest.mark.parametrize(
    "to", ["", "12025550177", "+1 202", "tel:+12025550177", "sip:a b@c", "+12025550177\n"]
)
def test_other_targets_are_refused(to: str) -> None:
    with pytest.raises(OperatorError):
        twiml.dial(to, action="https://h")
