"""The agent's outgoing audio: one Opus packet every 20 ms of a monotonic clock, for ever.

pipecat's ``RawAudioTrack`` paces on the wall clock, which jumps, and cannot say
which samples a packet held. This one takes packets from the call's ``Timeline``
and encodes them itself, at 8 kHz: nothing is resampled, and no thread is asked for
0.1 ms of work.

It also takes the place of the loop in which aiortc's ``RTCRtpSender`` asks its track
for a packet, makes objects of it, packs its header extensions anew and keeps it for
retransmissions nobody may ask for (none is negotiated for Opus). The seam is
``_run_rtp``, set on the one instance. SRTP, RTCP and the sender's account of what
it sent stay aiortc's.

Read against aiortc 1.14 to 1.16.
"""

from __future__ import annotations

import asyncio
import secrets
import struct
import time
from collections.abc import Awaitable, Callable

from aiortc import RTCRtpSender
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import HeaderExtensions
from loguru import logger

from controls.errors import InternalError
from voice_runtime.ingress.opus import OpusEncoder
from voice_runtime.ingress.ticks import TICK_NS, first_tick
from voice_runtime.ingress.webrtc_timeline import PACKET, Timeline

#: A sender that fell behind by more goes on from now; up to it, packets follow in a burst.
_MOST_BEHIND_NS = 10 * TICK_NS
_WRAP = 1 << 32
#: RTP header without contributing sources (RFC 3550, 5.1): version and flags, payload type, sequence
#: number, timestamp, source. The marker stays 0: there is no discontinuous transmission (RFC 7587, 4.2).
_HEADER = struct.Struct("!BBHLL")
_VERSION, _EXTENDED = 0x80, 0x10
#: Seconds from 1900 to 1970, the epochs of NTP and of ``time``.
_NTP_EPOCH_S = 2_208_988_800

_RUN = "_run_rtp"
_PRIVATE = "_RTCRtpSender__"
_STARTED, _EXITED = _PRIVATE + "rtp_started", _PRIVATE + "rtp_exited"
_EXTENSIONS, _MID = _PRIVATE + "rtp_header_extensions_map", _PRIVATE + "mid"
_NTP, _RTP = _PRIVATE + "ntp_timestamp", _PRIVATE + "rtp_timestamp"
_OCTETS, _PACKETS = _PRIVATE + "octet_count", _PRIVATE + "packet_count"
_RELIED_ON = (_RUN, _STARTED, _EXITED, _EXTENSIONS, _MID, _NTP, _RTP, _OCTETS, _PACKETS)


class SpeechSender:
    """What one peer connection sends; a call that is reconnected has another on the same timeline.

    Args:
        sender: of the connection; it starts and stops the sending, as aiortc does.
        now_ns: monotonic clock.
        sleep: waits for s.

    Raises:
        InternalError: aiortc is not as read.
    """

    def __init__(
        self,
        timeline: Timeline,
        sender: RTCRtpSender,
        *,
        now_ns: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        for name in _RELIED_ON:
            if not hasattr(sender, name):
                raise InternalError(f"aiortc's sender has no {name}")
        self._timeline = timeline
        self._sender = sender
        self._now_ns = now_ns
        self._sleep = sleep
        self._encoder = OpusEncoder()
        self._due_ns = 0
        self._origin: int | None = None
        setattr(sender, _RUN, self._run)

    @property
    def origin(self) -> int | None:
        """The random RTP origin (RFC 3550, 5.1); None until its first packet is out."""
        return self._origin

    async def _run(self, codec: RTCRtpCodecParameters) -> None:
        """In place of aiortc's; ends when it is cancelled, or the connection does."""
        getattr(self._sender, _STARTED).set()
        try:
            await self._send(codec.payloadType or 0)  # negotiated: never None
        except ConnectionError:
            pass
        except Exception as error:  # noqa: BLE001 - nobody awaits this: aiortc only waits until it is over
            logger.error("sending speech ended by {}", type(error).__name__)
        finally:
            getattr(self._sender, _EXITED).set()

    async def _send(self, payload_type: int) -> None:
        sender, timeline, encode = self._sender, self._timeline, self._encoder.encode
        extension = self._extension()
        first = _VERSION | (_EXTENDED if extension else 0)
        # in the lower half, so that it does not wrap while SRTP's other end still learns it (RFC 3711, 3.3.1)
        sequence, origin = secrets.randbits(15), secrets.randbits(32)
        while True:
            await self._until_due()
            payload = encode(timeline.take())
            if not sender._enabled:  # the caller's side wants no audio now
                continue
            stamp = (origin + (timeline.tick - 1) * PACKET) % _WRAP
            header = _HEADER.pack(first, payload_type, sequence, stamp, sender._ssrc)
            await sender.transport._send_rtp(header + extension + payload)
            self._origin = origin
            self._account(stamp, len(payload))
            sequence = (sequence + 1) & 0xFFFF

    def _extension(self) -> bytes:
        """Every packet's header extension, profile and length first: its media section (RFC 8843, 15)."""
        extensions = HeaderExtensions(mid=getattr(self._sender, _MID))
        profile, value = getattr(self._sender, _EXTENSIONS).set(extensions)
        return struct.pack("!HH", profile, len(value) // 4) + value if value else b""

    def _account(self, stamp: int, octets: int) -> None:
        """What aiortc's sender reports say (RFC 3550, 6.4.1)."""
        sender = self._sender
        setattr(sender, _NTP, int((time.time() + _NTP_EPOCH_S) * _WRAP))
        setattr(sender, _RTP, stamp)
        setattr(sender, _OCTETS, getattr(sender, _OCTETS) + octets)
        setattr(sender, _PACKETS, getattr(sender, _PACKETS) + 1)

    async def _until_due(self) -> None:
        """Wait for the clock's next tick; after a long stall the timeline skips what it missed."""
        now = self._now_ns()
        if not self._due_ns:
            self._due_ns = first_tick(now)
        behind = now - self._due_ns
        if behind > _MOST_BEHIND_NS:
            missed = behind // TICK_NS
            self._timeline.skip(missed)
            self._due_ns += missed * TICK_NS
        elif behind < 0:
            await self._sleep(-behind / 1e9)
        self._due_ns += TICK_NS
