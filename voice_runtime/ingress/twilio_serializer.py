"""Twilio's media messages to samples and frames, and back, trusting nothing that arrives.

Protocol: Twilio, "Media Streams – WebSocket Messages". In: ``media`` (µ-law,
8 kHz, mono, base64), ``dtmf``, ``mark``, ``stop``. Out: ``media``, ``mark``,
``clear``. Every message in carries ``sequenceNumber``; every ``media`` carries
``chunk``; both count up by one from 1, as decimal strings.

Ordering: what is not newer than what was already taken is dropped and counted.
Loss: gaps in ``chunk`` are counted, not filled; media time is samples received.
Closing: ``stop``, or too many malformed messages, set ``ended``; the socket in
``ingress.twilio`` then reports a disconnect to the transport.
Errors: none leaves ``take``; no content is ever logged.
"""

from __future__ import annotations

import binascii
import json
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Never

from loguru import logger
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import InputDTMFFrame

from controls.ledger.records import Evidence
from voice_runtime.events import RATE_HZ

with warnings.catch_warnings():  # deprecated in the standard library; audioop-lts takes its place in 3.13
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

#: Longest message looked at, characters.
MOST_CHARACTERS = 64 * 1024
#: Most µ-law bytes in one ``media`` message: 1 s. Twilio sends 160 (20 ms).
MOST_MEDIA_BYTES = RATE_HZ
#: After this many malformed messages the other end is not Twilio.
MOST_MALFORMED = 50
#: A number this far ahead of the last one is an error, not a loss.
_FARTHEST = 100_000
_LONGEST_MARK = 200
_decode = json.JSONDecoder().raw_decode

MarkCallback = Callable[[str, int], None]


@dataclass(slots=True)
class MediaStats:
    """What came in and went out on one stream. All are counts of messages unless named otherwise.

    Attributes:
        media: taken; ``media_bytes`` are their µ-law bytes.
        gaps: media messages missing from the sequence.
        late: duplicates, and those older than one already taken.
        malformed: not JSON, not an object, wrong types, bad base64, oversized.
        foreign: of another stream or track.
        unknown: events this protocol does not have, or not at this point.
        dropped_out: frames that had no business going to a caller.
    """

    media: int = 0
    media_bytes: int = 0
    gaps: int = 0
    late: int = 0
    malformed: int = 0
    oversized: int = 0
    foreign: int = 0
    unknown: int = 0
    keys: int = 0
    marks: int = 0
    sent_media: int = 0
    sent_marks: int = 0
    sent_clears: int = 0
    dropped_out: int = 0


class TwilioLink:
    """``ports.MediaLink`` on one stream: marks out by message, back by callback.

    Twilio also returns every pending mark after a ``clear``; the link reports
    them all, in order, and whoever counts knows what it cleared.
    """

    evidence = Evidence.CARRIER_MARK

    def __init__(self, stream_sid: str) -> None:
        self._stream_sid = stream_sid
        self._callbacks: list[MarkCallback] = []

    def mark_message(self, name: str) -> dict[str, object]:
        """The message that places mark ``name`` behind the audio sent so far."""
        return {"event": "mark", "streamSid": self._stream_sid, "mark": {"name": name}}

    def clear_message(self) -> dict[str, object]:
        """The message that empties what Twilio has buffered."""
        return {"event": "clear", "streamSid": self._stream_sid}

    def receipt(self, code: str) -> None:
        """A telephone shows none."""

    def caption(self, who: str, text: str, *, id: str, state: str) -> None:
        """A telephone shows nothing."""

    def on_mark(self, callback: MarkCallback) -> None:
        """Call ``callback(name, monotonic_ns)`` for each mark that comes back."""
        self._callbacks.append(callback)

    def returned(self, name: str, at_ns: int) -> None:
        """A mark came back; a callback that raises is logged and loses only its own news."""
        for callback in self._callbacks:
            try:
                callback(name, at_ns)
            except Exception as error:  # noqa: BLE001 - a listener's bug must not end the call's audio
                logger.error("a listener to marks raised {}", type(error).__name__)


class _MalformedMessage(Exception):
    """The message does not follow the protocol."""


class TwilioSerializer:
    """One stream's.

    Args:
        stream_sid: from the ``start`` message.
        link: told of marks that come back.
        start_sequence: ``sequenceNumber`` of the ``start`` message.
        most_malformed: how many malformed messages end the stream.
    """

    def __init__(
        self,
        stream_sid: str,
        link: TwilioLink,
        *,
        start_sequence: int = 0,
        most_malformed: int = MOST_MALFORMED,
    ) -> None:
        self.stats = MediaStats()
        #: Why no more messages are taken: the carrier's ``stop``, ``protocol`` or "".
        self.ended: Literal["", "stop", "protocol"] = ""
        self._sid = stream_sid
        quoted = json.dumps(stream_sid)
        self._media_head = f'{{"event":"media","streamSid":{quoted},"media":{{"payload":"'.encode()
        self._mark_head = f'{{"event":"mark","streamSid":{quoted},"mark":{{"name":'.encode()
        self._clear = f'{{"event":"clear","streamSid":{quoted}}}'.encode()
        self._link = link
        self._most_malformed = most_malformed
        self._sequence = start_sequence
        self._chunk = 0

    # -- in ---------------------------------------------------------------------------------------

    def take(self, data: str | bytes) -> bytes | InputDTMFFrame | None:
        """Return the samples (8 kHz s16le) or the key of one message, or None; never raises."""
        if self.ended:
            return None
        try:
            return self._take(_parse(data) if len(data) <= MOST_CHARACTERS else self._oversized())
        except _MalformedMessage:
            self.stats.malformed += 1
            if self.stats.malformed > self._most_malformed:
                self.ended = "protocol"
                logger.warning("media stream ended: {} malformed messages", self.stats.malformed)
            return None

    def _oversized(self) -> Never:
        self.stats.oversized += 1
        raise _MalformedMessage

    def _take(self, message: dict[str, Any]) -> bytes | InputDTMFFrame | None:
        event = message.get("event")
        if not isinstance(event, str):
            raise _MalformedMessage
        if event not in ("media", "dtmf", "mark", "stop"):
            self.stats.unknown += 1
            return None
        if message.get("streamSid") != self._sid:
            self.stats.foreign += 1
            return None
        if event == "stop":
            self.ended = "stop"
            return None
        body = message.get(event)
        if not isinstance(body, dict):
            raise _MalformedMessage
        if not self._is_newer(message):
            return None
        if event == "media":
            return self._media(body)
        if event == "dtmf":
            return self._dtmf(body)
        self._mark(body)
        return None

    def _is_newer(self, message: dict[str, Any]) -> bool:
        """Whether the message is newer than all before it; carriers akin to Twilio may not number."""
        number = _number(message.get("sequenceNumber"), self._sequence)
        if number is None:
            return True
        if number <= self._sequence:
            self.stats.late += 1
            return False
        self._sequence = number
        return True

    def _media(self, media: dict[str, Any]) -> bytes | None:
        if media.get("track", "inbound") != "inbound":
            self.stats.foreign += 1
            return None
        payload = media.get("payload")
        if not isinstance(payload, str):
            raise _MalformedMessage
        if len(payload) > MOST_MEDIA_BYTES * 2:
            self._oversized()
        chunk = _number(media.get("chunk"), self._chunk)
        try:
            ulaw = binascii.a2b_base64(payload, strict_mode=True)
        except ValueError:
            raise _MalformedMessage from None
        if not ulaw:
            raise _MalformedMessage
        if len(ulaw) > MOST_MEDIA_BYTES:
            self._oversized()
        if chunk is not None:
            if chunk <= self._chunk:
                self.stats.late += 1
                return None
            self.stats.gaps += chunk - self._chunk - 1
            self._chunk = chunk
        self.stats.media += 1
        self.stats.media_bytes += len(ulaw)
        return audioop.ulaw2lin(ulaw, 2)

    def _dtmf(self, dtmf: dict[str, Any]) -> InputDTMFFrame:
        digit = dtmf.get("digit")
        if not isinstance(digit, str) or len(digit) != 1 or digit not in "0123456789*#":
            raise _MalformedMessage
        self.stats.keys += 1
        return InputDTMFFrame(button=KeypadEntry(digit))

    def _mark(self, mark: dict[str, Any]) -> None:
        name = mark.get("name")
        if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_MARK:
            raise _MalformedMessage
        self.stats.marks += 1
        self._link.returned(name, time.monotonic_ns())

    # -- out --------------------------------------------------------------------------------------

    def media(self, pcm: bytes) -> bytes:
        """The message of 8 kHz mono s16le samples, in whole samples."""
        self.stats.sent_media += 1
        payload = binascii.b2a_base64(audioop.lin2ulaw(pcm, 2), newline=False)
        return b'%b%b"}}' % (self._media_head, payload)

    def clear(self) -> bytes:
        """The message that discards what the carrier has not played yet."""
        self.stats.sent_clears += 1
        return self._clear

    def message(self, message: Mapping[str, Any]) -> bytes | None:
        """One of our marks, or ``clear``, as it goes out; None drops the rest."""
        if message == self._link.clear_message():
            return self.clear()
        mark = message.get("mark")
        name = mark.get("name") if isinstance(mark, dict) else None
        if not isinstance(name, str) or message != self._link.mark_message(name):
            self.stats.dropped_out += 1
            return None
        self.stats.sent_marks += 1
        return b"%b%b}}" % (self._mark_head, json.dumps(name).encode())


def _parse(data: str | bytes) -> dict[str, Any]:
    """One message's object.

    Raises:
        _MalformedMessage: binary (the protocol has none), no JSON, or no object.
    """
    if not isinstance(data, str):
        raise _MalformedMessage
    try:
        message, end = _decode(data) if data[:1] == "{" else (None, 0)
        if end != len(data):  # space around it, or what is no object at all
            message = json.loads(data)
    except (ValueError, RecursionError):
        raise _MalformedMessage from None
    if not isinstance(message, dict):
        raise _MalformedMessage
    return message


def _number(value: Any, last: int) -> int | None:
    """A counter of the protocol; None when absent.

    Raises:
        _MalformedMessage: not a positive decimal, or absurdly far ahead of ``last``.
    """
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 12:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= last + _FARTHEST:
        raise _MalformedMessage
    return value
