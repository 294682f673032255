"""From an open media websocket to a call: opening messages read, transport built.

States of the socket: ``connected`` awaited → ``start`` awaited → running →
ended. ``connected`` and ``start`` are read here, each within limits of time
and size; everything after belongs to the transport.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import dataclass, field
from typing import Any

from fastapi import WebSocket

from voice_runtime.events import RATE_HZ
from voice_runtime.ingress.twilio_control import TwilioControl
from voice_runtime.ingress.twilio_serializer import (
    MOST_CHARACTERS,
    MediaStats,
    TwilioLink,
    TwilioSerializer,
)
from voice_runtime.ingress.twilio_socket import MediaSocket
from voice_runtime.ingress.twilio_transport import MediaTransport
from voice_runtime.lines import Line

_SID = re.compile(r"[A-Za-z0-9]{2,64}")
#: Messages before ``start`` that are not ``start``: one ``connected`` and a little patience.
_MOST_BEFORE_START = 4


class BadStart(Exception):
    """The stream did not open as Twilio's do; the message is a short word for logs, without content."""


@dataclass(frozen=True, slots=True)
class Start:
    """What the ``start`` message says."""

    stream_sid: str
    call_sid: str
    sequence: int


@dataclass(frozen=True)
class IncomingCall:
    """A call whose media is open: everything ``call.py`` needs of its carrier.

    Attributes:
        id: call id (``c_…``), minted when the webhook was answered.
        line: the entry it came in by.
        caller, called: numbers as the carrier gave them; personal, never logged.
        answered_ns: monotonic time at which ``start`` arrived: the call is answered.
        resumed: ``DialCallStatus`` of the transfer it comes back from, "" for a new call.
    """

    id: str
    line: Line
    caller: str = field(repr=False)
    called: str = field(repr=False)
    call_sid: str = field(repr=False)
    stream_sid: str = field(repr=False)
    answered_ns: int
    websocket: MediaSocket = field(repr=False)
    serializer: TwilioSerializer = field(repr=False)
    link: TwilioLink = field(repr=False)
    control: TwilioControl = field(repr=False)
    resumed: str = ""
    ingress: str = "twilio"

    @property
    def stats(self) -> MediaStats:
        """Counts of what came in and went out."""
        return self.serializer.stats

    @property
    def stopped_by_carrier(self) -> bool:
        """Whether the carrier said ``stop`` (caller hung up, or the call was transferred or ended)."""
        return self.serializer.ended == "stop"

    def transport(self) -> MediaTransport:
        """A new pipecat transport: 8 kHz both ways, 20 ms chunks, no VAD, nothing added.

        Build it once. Its ``on_gone`` tells when the stream ends.
        """
        return MediaTransport(self.websocket, self.serializer)


async def read_start(websocket: WebSocket, *, call_sid: str, timeout_s: float) -> Start:
    """Read ``connected`` and ``start``.

    Raises:
        BadStart: too slow, too big, out of order, another call's, or not µ-law 8 kHz mono.
    """
    try:
        async with asyncio.timeout(timeout_s):
            for _ in range(_MOST_BEFORE_START):
                message = await _receive(websocket)
                event = message.get("event")
                if event == "start":
                    return _start(message, call_sid)
                if event != "connected":
                    raise BadStart("order")
    except TimeoutError:
        raise BadStart("timeout") from None
    raise BadStart("order")


async def _receive(websocket: WebSocket) -> dict[str, Any]:
    received = await websocket.receive()
    if received["type"] == "websocket.disconnect":
        raise BadStart("disconnect")
    text = received.get("text")
    if not isinstance(text, str):
        raise BadStart("binary")
    if len(text) > MOST_CHARACTERS:
        raise BadStart("oversized")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise BadStart("json") from None
    if not isinstance(message, dict):
        raise BadStart("json")
    return message


def _start(message: dict[str, Any], call_sid: str) -> Start:
    start = message.get("start")
    if not isinstance(start, dict):
        raise BadStart("fields")
    if start.get("callSid") != call_sid:
        raise BadStart("another call")
    stream_sid = start.get("streamSid", message.get("streamSid"))
    if not isinstance(stream_sid, str) or not _SID.fullmatch(stream_sid):
        raise BadStart("stream sid")
    media = start.get("mediaFormat")
    if not isinstance(media, dict):
        raise BadStart("format")
    found = (media.get("encoding"), str(media.get("sampleRate")), str(media.get("channels")))
    if found != ("audio/x-mulaw", str(RATE_HZ), "1"):
        raise BadStart("format")
    sequence = str(message.get("sequenceNumber", ""))
    number = int(sequence) if sequence.isascii() and sequence.isdigit() and len(sequence) < 7 else 0
    return Start(stream_sid=stream_sid, call_sid=call_sid, sequence=number)


def answered_now() -> int:
    """Monotonic ns; the media stream has started."""
    return time.monotonic_ns()
