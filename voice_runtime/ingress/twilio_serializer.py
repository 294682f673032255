"""Twilio's media messages to frames and back, trusting nothing that arrives.

Protocol: Twilio, "Media Streams – WebSocket Messages". In: ``media`` (µ-law,
8 kHz, mono, base64), ``dtmf``, ``mark``, ``stop``. Out: ``media``, ``mark``,
``clear``. Every message in carries ``sequenceNumber``; every ``media`` carries
``chunk``; both count up by one from 1, as decimal strings.

Ordering: what is not newer than what was already taken is dropped and counted.
Loss: gaps in ``chunk`` are counted, not filled; media time is samples received.
Closing: ``stop``, or too many malformed messages, set ``ended``; the socket in
``ingress.twilio`` then reports a disconnect to the transport.
Errors: none leaves ``deserialize``; no content is ever logged.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from loguru import logger
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import (
    AudioRawFrame,
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    InterruptionFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
)
from pipecat.serializers.twilio import TwilioFrameSerializer

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


class TwilioSerializer(TwilioFrameSerializer):
    """One stream's serializer, for pipecat's ``FastAPIWebsocketTransport``.

    Args:
        stream_sid, call_sid: from the ``start`` message.
        link: told of marks that come back.
        start_sequence: ``sequenceNumber`` of the ``start`` message.
        most_malformed: how many malformed messages end the stream.
    """

    def __init__(
        self,
        stream_sid: str,
        call_sid: str,
        link: TwilioLink,
        *,
        start_sequence: int = 0,
        most_malformed: int = MOST_MALFORMED,
    ) -> None:
        params = TwilioFrameSerializer.InputParams(
            auto_hang_up=False, twilio_sample_rate=RATE_HZ, sample_rate=RATE_HZ
        )
        super().__init__(stream_sid=stream_sid, call_sid=call_sid, params=params)
        self.stats = MediaStats()
        #: Why no more messages are taken: the carrier's ``stop``, ``protocol`` or "".
        self.ended: Literal["", "stop", "protocol"] = ""
        self._sid = stream_sid
        self._media_head = f'{{"event":"media","streamSid":{json.dumps(stream_sid)},"media":{{"payload":"'
        self._link = link
        self._most_malformed = most_malformed
        self._sequence = start_sequence
        self._chunk = 0

    # -- in ---------------------------------------------------------------------------------------

    async def deserialize(self, data: str | bytes) -> Frame | None:
        """Return the frame of one message, or None; never raises."""
        if self.ended:
            return None
        try:
            message = self._parse(data)
            return self._take(message)
        except _MalformedMessage:
            self.stats.malformed += 1
            if self.stats.malformed > self._most_malformed:
                self.ended = "protocol"
                logger.warning("media stream ended: {} malformed messages", self.stats.malformed)
            return None

    def _parse(self, data: str | bytes) -> dict[str, Any]:
        if len(data) > MOST_CHARACTERS:
            self.stats.oversized += 1
            raise _MalformedMessage
        if not isinstance(data, str):
            raise _MalformedMessage  # the protocol has no binary messages
        try:
            message = json.loads(data)
        except (ValueError, RecursionError):
            raise _MalformedMessage from None
        if not isinstance(message, dict):
            raise _MalformedMessage
        return message

    def _take(self, message: dict[str, Any]) -> Frame | None:
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

    def _media(self, media: dict[str, Any]) -> Frame | None:
        if media.get("track", "inbound") != "inbound":
            self.stats.foreign += 1
            return None
        payload = media.get("payload")
        if not isinstance(payload, str):
            raise _MalformedMessage
        if len(payload) > MOST_MEDIA_BYTES * 2:
            self.stats.oversized += 1
            raise _MalformedMessage
        chunk = _number(media.get("chunk"), self._chunk)
        try:
            ulaw = base64.b64decode(payload, validate=True)
        except (binascii.Error, ValueError):
            raise _MalformedMessage from None
        if not ulaw:
            raise _MalformedMessage
        if len(ulaw) > MOST_MEDIA_BYTES:
            self.stats.oversized += 1
            raise _MalformedMessage
        if chunk is not None:
            if chunk <= self._chunk:
                self.stats.late += 1
                return None
            self.stats.gaps += chunk - self._chunk - 1
            self._chunk = chunk
        self.stats.media += 1
        self.stats.media_bytes += len(ulaw)
        return InputAudioRawFrame(audio=audioop.ulaw2lin(ulaw, 2), sample_rate=RATE_HZ, num_channels=1)

    def _dtmf(self, dtmf: dict[str, Any]) -> Frame | None:
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

    async def serialize(self, frame: Frame) -> str | bytes | None:
        """Return the message of an audio frame, an interruption or a mark; None drops the rest."""
        if isinstance(frame, InterruptionFrame):
            self.stats.sent_clears += 1
            return await super().serialize(frame)
        if isinstance(frame, AudioRawFrame):
            if frame.sample_rate != RATE_HZ or frame.num_channels != 1 or len(frame.audio) % 2:
                self.stats.dropped_out += 1
                logger.error("audio for a caller was not 16-bit mono at 8 kHz")
                return None
            payload = base64.b64encode(audioop.lin2ulaw(frame.audio, 2)).decode("ascii")
            self.stats.sent_media += 1
            return self._media_head + payload + '"}}'
        if isinstance(frame, OutputTransportMessageFrame | OutputTransportMessageUrgentFrame):
            if self._is_mark(frame.message):
                self.stats.sent_marks += 1
                return json.dumps(frame.message, separators=(",", ":"))
            self.stats.dropped_out += 1
        return None

    def _is_mark(self, message: Mapping[str, Any]) -> bool:
        mark = message.get("mark")
        if not isinstance(mark, dict) or not isinstance(mark.get("name"), str):
            return False
        return dict(message) == self._link.mark_message(mark["name"])


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
