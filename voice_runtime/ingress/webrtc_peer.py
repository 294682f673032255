"""One caller's peer connection: pipecat's, with our audio both ways, our data channel and our patience.

From pipecat's ``SmallWebRTCConnection`` come the aiortc connection, offer and
answer. Replaced, because of what its source does (1.14):

* its outgoing track paces on the wall clock; ours, without a track, is ``webrtc_speech``;
* aiortc's jitter buffer; ours is ``webrtc_audio``;
* its data channel parses anything, logs what it cannot parse and has messages of
  its own (``trackStatus``, ``peerLeft``, ``ping`` by prefix); ours goes to ``webrtc_link``;
* it closes a failed connection at once; here ``webrtc_presence`` waits for another;
* a restart gives the connection another id, and the old one stays in the map of
  connections for good; here a call keeps its id;
* an ICE restart does nothing (``webrtc_ice``).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol, cast

from aiortc import RTCDataChannel, RTCIceServer, RTCPeerConnection, RTCRtpReceiver
from loguru import logger
from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection

from controls.errors import InternalError
from voice_runtime.events import CHUNK_BYTES, CHUNK_MS
from voice_runtime.ice_agent import close_connection
from voice_runtime.ingress.webrtc_audio import AudioReceiver
from voice_runtime.ingress.webrtc_ice import check_new_paths, renew_credentials
from voice_runtime.ingress.webrtc_messages import LABEL
from voice_runtime.ingress.webrtc_sdp import BadOffer, Offer, check_offer
from voice_runtime.ingress.webrtc_speech import SpeechSender
from voice_runtime.ingress.webrtc_timeline import Timeline

# These write offers, candidates and messages, so callers' addresses and words.
logger.disable("pipecat.transports.smallwebrtc")
for _name in ("aiortc", "aioice"):
    logging.getLogger(_name).setLevel(logging.ERROR)

#: A browser that does not read lets so much wait, bytes; then messages are lost and counted.
_MOST_BUFFERED = 128 * 1024
#: How long the last messages may take to leave, s.
_LAST_WORDS_S = 0.5
_CAPABILITIES = RTCRtpReceiver.getCapabilities("audio")
_OPUS = [c for c in (_CAPABILITIES.codecs if _CAPABILITIES else []) if c.mimeType.lower() == "audio/opus"]


class PeerEvents(Protocol):
    """Told what happens on the connection; none of these may block or raise."""

    def connected(self) -> None:
        """Media can flow."""
        ...

    def failed(self) -> None:
        """ICE or DTLS failed, or the other side has not answered for long."""
        ...

    def ended(self) -> None:
        """The far end closed the connection."""
        ...

    def channel_open(self) -> None:
        """The data channel is there; ``Peer.send`` works."""
        ...

    def channel_closed(self) -> None: ...

    def message(self, data: str | bytes) -> None: ...


@dataclass(slots=True)
class _Ours:
    """What we put into one peer connection, and what its newest offer said."""

    speech: SpeechSender
    receiver: AudioReceiver
    ufrag: str = ""
    sends_audio: bool = False


async def _silence() -> AsyncGenerator[bytes, None]:
    """20 ms of silence every 20 ms, from now on."""
    due = asyncio.get_running_loop().time()
    while True:
        await asyncio.sleep(due - asyncio.get_running_loop().time())
        yield bytes(CHUNK_BYTES)
        due += CHUNK_MS / 1000


class Peer(SmallWebRTCConnection):
    """See the module.

    Args:
        timeline: the agent's speech, for whichever connection stands.
        events: told what happens.
        ice_servers: STUN and TURN servers for our side.
    """

    def __init__(self, timeline: Timeline, events: PeerEvents, ice_servers: list[RTCIceServer]) -> None:
        self._timeline = timeline
        self._events = events
        self._id_of_the_call = secrets.token_urlsafe(24)
        self._closing: set[asyncio.Task[None]] = set()
        self._audio_changed = asyncio.Event()
        self._ours: _Ours
        self.ended = False
        super().__init__(ice_servers=ice_servers)

    # -- what the call uses -----------------------------------------------------------------------

    @property
    def origin(self) -> int | None:
        """RTP origin of what this side sends; None until the first packet is out."""
        return self._ours.speech.origin

    @property
    def receiver(self) -> AudioReceiver:
        """The caller's audio on the present connection."""
        return self._ours.receiver

    def answer(self) -> dict[str, str]:
        """The newest answer: ``sdp``, ``type`` and ``pc_id``."""
        return dict(self.get_answer() or {})  # type: ignore[no-untyped-call]  # pipecat leaves it untyped

    async def audio(self) -> AsyncIterator[bytes]:
        """The caller's audio: 20 ms chunks of 8 kHz s16le, over as many connections as it takes.

        Silence from who has no microphone, so that media time goes on for them, too. For one consumer.
        """
        while not self.ended:
            self._audio_changed.clear()
            source = self._audio_now()
            async with aclosing(source):
                async for chunk in source:
                    yield chunk
                    if self._audio_changed.is_set():
                        break
            await self._audio_changed.wait()

    def _audio_now(self) -> AsyncGenerator[bytes, None]:
        if self._ours.sends_audio:
            return cast("AsyncGenerator[bytes, None]", self.receiver.frames())
        return _silence()

    def send(self, text: str) -> bool:
        """Send on the data channel; False when it is not open or the browser takes nothing."""
        channel = self._data_channel
        if channel is None or channel.readyState != "open" or channel.bufferedAmount > _MOST_BUFFERED:
            return False
        channel.send(text)
        return True

    async def close(self) -> None:
        """Let the last message leave, and close; harmless twice."""
        if self.ended:
            return
        self.ended = True
        channel = self._data_channel
        if channel is not None and channel.readyState == "open":
            await self._flushed(channel)
        self.receiver.close()
        self._audio_changed.set()
        await close_connection(self._pc)
        if self._closing:
            await asyncio.wait(set(self._closing))

    async def _flushed(self, channel: RTCDataChannel) -> None:
        """Wait until the other side has acknowledged everything, within reason."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _LAST_WORDS_S
        sctp = channel.transport
        queues = ("_data_channel_queue", "_outbound_queue", "_sent_queue")  # aiortc has no public word for it
        while any(getattr(sctp, name, ()) for name in queues) and loop.time() < until:  # noqa: ASYNC110 - aiortc tells nobody
            await asyncio.sleep(0.01)

    # -- offers -----------------------------------------------------------------------------------

    async def initialize(self, sdp: str, type: str = "offer") -> None:
        """Take the call's first offer.

        Raises:
            BadOffer: it is not one of ours, or aiortc cannot answer it.
        """
        await self._answer_to(check_offer(sdp))

    async def renegotiate(self, sdp: str, type: str, restart_pc: bool = False) -> None:
        """Take a further offer: another connection in place of this one, an ICE restart, or other media.

        The present connection stays when the offer is bad.

        Raises:
            BadOffer: it is not one of ours, aiortc cannot answer it, or there is nothing left to mend.
        """
        offer = check_offer(sdp)
        if self.ended:
            raise BadOffer("over")
        if restart_pc:
            await self._replace(offer)
            return
        if self._pc.connectionState in ("failed", "closed"):
            raise BadOffer("dead")  # nothing mends it; the page comes back with a new connection
        restarts = offer.ufrag != self._ours.ufrag
        if restarts:
            renew_credentials(self._pc, offer)
        await self._answer_to(offer)
        if restarts:
            check_new_paths(self._pc)

    async def _replace(self, offer: Offer) -> None:
        before = (self._pc, self._data_channel, self._answer, self._ours)
        self._initialize()
        try:
            await self._answer_to(offer)
        except BaseException:
            failed = self._pc
            self._pc, self._data_channel, self._answer, self._ours = before
            self._beside(close_connection(failed))
            raise
        self._events.channel_closed()
        before[-1].receiver.close()
        self._audio_changed.set()
        if self.ended:  # meanwhile: this one is nobody's
            self._beside(close_connection(self._pc))
        self._beside(close_connection(before[0]))

    async def _answer_to(self, offer: Offer) -> None:
        try:
            await self._create_answer(offer.sdp, "offer")
        except Exception as error:  # noqa: BLE001 - aiortc raises whatever its parsing comes upon
            # without the message: it quotes the offer
            raise BadOffer(f"not answered: {type(error).__name__}") from None
        if self._ours.sends_audio != offer.sends_audio:
            self._ours.sends_audio = offer.sends_audio
            self._audio_changed.set()
        self._ours.ufrag = offer.ufrag

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="webrtc-close")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    # -- in place of pipecat's --------------------------------------------------------------------

    def _initialize(self) -> None:
        super()._initialize()  # type: ignore[no-untyped-call]  # pipecat leaves it untyped
        self._pc_id = self._id_of_the_call
        transceiver = self._pc.addTransceiver("audio", direction="sendrecv")
        transceiver.setCodecPreferences(_OPUS)
        speech = SpeechSender(self._timeline, transceiver.sender)
        self._ours = _Ours(speech, AudioReceiver(transceiver.receiver))

    def force_transceivers_to_send_recv(self) -> None:
        """Not needed: the one transceiver is made before the offer is read."""

    def _setup_listeners(self) -> None:
        pc = self._pc

        @pc.on("datachannel")
        def _(channel: RTCDataChannel) -> None:
            self._channel(pc, channel)

        @pc.on("connectionstatechange")
        def _() -> None:
            if pc is self._pc and not self.ended:
                self._state(pc)

    def _state(self, pc: RTCPeerConnection) -> None:
        match pc.connectionState:
            case "connected":
                try:
                    self._ours.receiver.go_straight()
                except InternalError as error:  # another release of aiortc or aioice: dearer, and no worse
                    logger.warning("a browser's audio takes aiortc's own way: {}", error)
                self._events.connected()
            case "failed":
                self._events.failed()
            case "closed":
                self._events.ended()

    def _channel(self, pc: RTCPeerConnection, channel: RTCDataChannel) -> None:
        taken = self._data_channel is not None and self._data_channel.readyState == "open"
        reliable = channel.ordered and channel.maxRetransmits is None and channel.maxPacketLifeTime is None
        if pc is not self._pc or taken or channel.label != LABEL or not reliable:
            channel.close()
            return
        self._data_channel = channel

        @channel.on("message")
        def _(data: str | bytes) -> None:
            if channel is self._data_channel and not self.ended:
                self._events.message(data)

        @channel.on("close")
        def _() -> None:
            if channel is self._data_channel and not self.ended:
                self._data_channel = None
                self._events.channel_closed()

        self._events.channel_open()  # made by the other side: aiortc tells of it once it is open
