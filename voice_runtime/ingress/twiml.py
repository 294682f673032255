"""The few TwiML documents Sayso answers with, as escaped XML text.

Built with the standard library's ElementTree, so that no word of a
configuration can become markup; characters XML 1.0 forbids are dropped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

from controls.errors import OperatorError

#: How long a person's telephone rings before the caller is told that nobody is there, s.
RING_S = 25

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_SIP = re.compile(r"sips?:[^\s<>\"]{1,250}")


@dataclass(frozen=True, slots=True)
class Words:
    """What the *carrier's* voice says when the agent cannot speak, and whom it then calls.

    Attributes:
        capacity: every place is taken.
        failed: the agent went silent or could not be reached; a person follows.
        no_person: nobody answered, or no number is configured: what happens next.
        person: E.164 number or SIP address of a person, "" for none.
        language: BCP 47 tag of all of them.
    """

    capacity: str
    failed: str
    no_person: str
    person: str = ""
    language: str = "en-US"


def connect(stream_url: str, parameters: Mapping[str, str], words: Words, *, after_url: str | None) -> str:
    """Stream the call to us; what follows ``<Connect>`` reaches a person without us.

    Args:
        stream_url: ``wss://…``; Twilio allows no query string in it.
        parameters: come back in ``start.customParameters``.
        words: of the fallback.
        after_url: ``action`` of ``<Connect>``, None to let Twilio go on with the
            verbs behind it (see ``ingress.twilio``, "How a call ends").
    """
    response = Element("Response")
    verb = SubElement(response, "Connect", {"action": after_url} if after_url else {})
    stream = SubElement(verb, "Stream", {"url": stream_url})
    for name, value in parameters.items():
        SubElement(stream, "Parameter", {"name": name, "value": _text(value)})
    _person(response, words.failed, words)
    return _render(response)


def full(words: Words) -> str:
    """Every place is taken: say so, then a person, or good-bye."""
    response = Element("Response")
    _person(response, words.capacity, words)
    return _render(response)


def unreachable(words: Words) -> str:
    """The agent is gone: say so, then a person, or good-bye."""
    response = Element("Response")
    _person(response, words.failed, words)
    return _render(response)


def dial(to: str, *, announce: str = "", language: str = "en-US", action: str, ring_s: int = RING_S) -> str:
    """Hand the caller to ``to``; Twilio reports the outcome to ``action``.

    Raises:
        OperatorError: ``to`` is neither an E.164 number nor a SIP address.
    """
    response = Element("Response")
    if announce:
        _say(response, announce, language)
    verb = SubElement(response, "Dial", {"action": action, "timeout": str(ring_s)})
    _target(verb, to)
    return _render(response)


def say_and_hang_up(text: str, language: str = "en-US") -> str:
    """Say ``text`` unless it is empty, and end the call."""
    response = Element("Response")
    if text:
        _say(response, text, language)
    SubElement(response, "Hangup")
    return _render(response)


def _person(response: Element, first: str, words: Words) -> None:
    _say(response, first, words.language)
    if words.person:
        _target(SubElement(response, "Dial", {"timeout": str(RING_S)}), words.person)
    _say(response, words.no_person, words.language)
    SubElement(response, "Hangup")


def _target(verb: Element, to: str) -> None:
    if _NUMBER.fullmatch(to):
        SubElement(verb, "Number").text = to
    elif _SIP.fullmatch(to):
        SubElement(verb, "Sip").text = to
    else:
        raise OperatorError("a transfer needs a number such as +12025550142, or a sip: address")


def _say(response: Element, text: str, language: str) -> None:
    kept = _text(text)
    if kept.strip():
        SubElement(response, "Say", {"language": language}).text = kept


def _text(text: str) -> str:
    return _ILLEGAL.sub("", text)


def _render(response: Element) -> str:
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(response, encoding="unicode")
