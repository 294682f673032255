"""Twilio's side of the wire, as the simulated carrier speaks it: signatures, TwiML, messages.

Written from Twilio's documentation and not from ``ingress``, so that an error
there is not repeated here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element, ParseError, fromstring

from pydantic_core import from_json

from controls.errors import ProviderError
from voice_runtime.caller import audible
from voice_runtime.events import CHUNK_MS, CHUNK_SAMPLES, RATE_HZ

SUPPLIER = "voice server"
#: What callers send most of the time, and its payload.
_SILENT_TICK = audible.ULAW_SILENCE * CHUNK_SAMPLES
_SILENT = base64.b64encode(_SILENT_TICK).decode()
_MOST_TWIML = 64 * 1024


def new_sid(prefix: str) -> str:
    """A Twilio identifier: two letters and 32 hexadecimal digits."""
    return prefix + secrets.token_hex(16)


def signature(auth_token: str, url: str, fields: Mapping[str, str]) -> str:
    """``X-Twilio-Signature`` of a webhook (Twilio, "Validating requests are coming from Twilio")."""
    text = url
    for name in sorted(fields):
        text += name + fields[name]
    return base64.b64encode(hmac.digest(auth_token.encode(), text.encode(), hashlib.sha1)).decode()


@dataclass(frozen=True, slots=True)
class Verb:
    """One TwiML verb: its name, attributes, text, and nouns inside."""

    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    nouns: tuple[Verb, ...] = ()

    def noun(self, name: str) -> Verb | None:
        """The first noun of that name."""
        return next((n for n in self.nouns if n.name == name), None)

    @property
    def target(self) -> str:
        """Whom a ``<Dial>`` calls."""
        return next((n.text for n in self.nouns if n.name in ("Number", "Sip")), self.text)


def parse_twiml(document: str) -> list[Verb]:
    """Return the verbs of a TwiML document.

    Raises:
        ProviderError: it is not TwiML.
    """
    if len(document) > _MOST_TWIML or "<!DOCTYPE" in document or "<!ENTITY" in document:
        raise ProviderError("the answer is not TwiML", supplier=SUPPLIER, transient=False)
    try:
        root = fromstring(document)  # noqa: S314 - no document type, so no entities to expand
        verbs = [_verb(element) for element in root]
    except (ParseError, ValueError, RecursionError) as error:
        raise ProviderError(f"the answer is not XML: {error}", supplier=SUPPLIER, transient=False) from error
    if root.tag != "Response":
        raise ProviderError("the answer is not TwiML", supplier=SUPPLIER, transient=False)
    return verbs


def _verb(element: Element) -> Verb:
    nouns = tuple(_verb(child) for child in element)
    return Verb(element.tag, dict(element.attrib), (element.text or "").strip(), nouns)


@dataclass
class Outgoing:
    """Numbers messages as Twilio does. Hand each to the socket in the order it was made.

    Media, of which there are 50 a second, is put together by hand: nothing in it needs
    escaping but the stream's identifier, which ``json`` quotes once.
    """

    stream_sid: str
    call_sid: str
    account_sid: str
    sequence: int = 0
    chunk: int = 0

    def __post_init__(self) -> None:
        self._stream = json.dumps(self.stream_sid)

    def connected(self) -> str:
        return json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})

    def start(self, parameters: Mapping[str, str]) -> str:
        start = {
            "accountSid": self.account_sid,
            "streamSid": self.stream_sid,
            "callSid": self.call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": RATE_HZ, "channels": 1},
            "customParameters": dict(parameters),
        }
        return self._message("start", start)

    def media(self, ulaw: bytes) -> str:
        self.chunk += 1
        self.sequence += 1
        payload = (
            _SILENT if ulaw == _SILENT_TICK else binascii.b2a_base64(ulaw, newline=False).decode("ascii")
        )
        return (
            f'{{"event": "media", "sequenceNumber": "{self.sequence}", "streamSid": {self._stream}, '
            f'"media": {{"track": "inbound", "chunk": "{self.chunk}", '
            f'"timestamp": "{(self.chunk - 1) * CHUNK_MS}", "payload": "{payload}"}}}}'
        )

    def dtmf(self, key: str) -> str:
        return self._message("dtmf", {"track": "inbound_track", "digit": key})

    def mark(self, name: str) -> str:
        return self._message("mark", {"name": name})

    def stop(self) -> str:
        return self._message("stop", {"accountSid": self.account_sid, "callSid": self.call_sid})

    def _message(self, event: str, body: dict[str, Any]) -> str:
        self.sequence += 1
        return json.dumps(
            {
                "event": event,
                "sequenceNumber": str(self.sequence),
                "streamSid": self.stream_sid,
                event: body,
            }
        )


class Incoming(NamedTuple):
    """A message from the server: ``media`` with samples, ``mark`` with a name, or ``clear``."""

    event: str
    ulaw: bytes = b""
    name: str = ""


def parse_message(data: str | bytes, stream_sid: str) -> Incoming | None:
    """Return what the server says, or None when Twilio would not take it (error 31951 and kin)."""
    try:
        message = from_json(data)
        if message["streamSid"] != stream_sid:
            return None
        event = message["event"]
        if event == "media":
            return Incoming("media", binascii.a2b_base64(message["media"]["payload"], strict_mode=True))
        if event == "mark":
            return Incoming("mark", name=str(message["mark"]["name"]))
        return Incoming("clear") if event == "clear" else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
