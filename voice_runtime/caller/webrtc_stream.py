"""One running browser call at the caller: a peer connection, its data channel, and the page's manners.

Each tick (``caller.live``) plays the packet whose time it is. The page's manners: it
pings every second, says "ready" when the first packet plays, and reports what plays
while there is something to report.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.rtp import RtpPacket

from controls.errors import OperatorError, ProviderError
from voice_runtime.caller.live import Listener, Live, StreamEnded
from voice_runtime.caller.webrtc_audio import Microphone, tap
from voice_runtime.caller.webrtc_wire import (
    LABEL,
    SUPPLIER,
    Decoder,
    Encoder,
    PacketPlayout,
    Reports,
    parse_message,
)
from voice_runtime.events import CHUNK_MS, CHUNK_SAMPLES
from voice_runtime.ice_agent import close_connection

_PING_TICKS = 1000 // CHUNK_MS
#: How long the server may take to say that the call is closed, once we hung up, s.
_GOODBYE_S = 1.0

OnMessage = Callable[[dict[str, Any]], None]


class WebRtcStream(Live):
    """A call from its offer to its end.

    Args:
        listener: told of the agent's speech.
        on_message: told of the server's messages, but for pongs.
        ice_servers: as the server names them.
        microphone: whether we send audio.
        channel: whether there is a data channel, and the page's manners on it; without one the call
            is answered once the connection is made.
    """

    def __init__(
        self,
        listener: Listener,
        on_message: OnMessage,
        ice_servers: Sequence[RTCIceServer] = (),
        *,
        microphone: bool = True,
        channel: bool = True,
    ) -> None:
        super().__init__(listener)
        #: Why the connection broke, "" when it did not.
        self.broken = ""
        self._on_message = on_message
        self._packets = PacketPlayout()
        self._reports = Reports()
        self._encoder, self._decoder = Encoder(), Decoder()
        self._microphone = Microphone() if microphone else None
        self._ready = False
        self._ticks = 0
        self._open = asyncio.Event()
        self._pc = pc = RTCPeerConnection(
            RTCConfiguration(iceServers=list(ice_servers), bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        if self._microphone is not None:
            pc.addTrack(self._microphone)
        else:
            pc.addTransceiver("audio", direction="recvonly")
        tap(pc.getTransceivers()[0].receiver, self._arrived)
        self._channel = self._listen(pc.createDataChannel(LABEL)) if channel else None

        @pc.on("connectionstatechange")
        def _() -> None:
            if pc.connectionState == "connected" and self._channel is None:
                self._open.set()
            if pc.connectionState == "failed":
                self.broken = "the connection was lost"
            if pc.connectionState in ("failed", "closed"):
                self._end()

    @property
    def lost_packets(self) -> int:
        """Packets of the agent's that were never played."""
        return self._packets.lost

    # -- opening ----------------------------------------------------------------------------------

    async def offer(self) -> str:
        """Our offer's SDP, with every candidate: aioice gives the servers that were named 5 s."""
        await self._pc.setLocalDescription(await self._pc.createOffer())
        return self._pc.localDescription.sdp

    async def answered(self, sdp: str, timeout_s: float) -> None:
        """Take the answer and wait until the data channel (or without one, the connection) is open.

        Sample 0 is then.

        Raises:
            ProviderError: not an answer, or the connection did not come about in time.
        """
        try:
            async with asyncio.timeout(timeout_s):  # each candidate that is a name is looked up
                await self._pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        except TimeoutError:
            raise ProviderError("the connection did not come about", supplier=SUPPLIER) from None
        except Exception as error:  # noqa: BLE001 - aiortc raises whatever its parsing comes upon
            raise ProviderError(
                f"not an answer: {type(error).__name__}", supplier=SUPPLIER, transient=False
            ) from None
        waiting = [asyncio.ensure_future(event.wait()) for event in (self._open, self._closed)]
        try:
            await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        if not self._open.is_set():
            raise ProviderError("the connection did not come about", supplier=SUPPLIER)
        self.answered_ns = time.monotonic_ns()

    def _listen(self, channel: RTCDataChannel) -> RTCDataChannel:
        @channel.on("open")
        def _() -> None:
            self._open.set()

        @channel.on("close")
        def _() -> None:
            self._end()

        @channel.on("message")
        def _(data: str | bytes) -> None:
            message = parse_message(data)
            if message is None:
                self.bad_messages += 1
            elif message["type"] != "pong":
                if message["type"] == "state":
                    self._reports.until(message.get("until"))
                self._on_message(dict(message))
                if message["type"] == "closed":
                    self._end()

        return channel

    # -- ending -----------------------------------------------------------------------------------

    async def stop(self) -> None:
        """Say goodbye, and the server closes; without a data channel nothing is said."""
        if self._channel is not None:
            self._tell({"type": "bye"})
            with suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE_S):
                    await self._closed.wait()
        self._end()

    def abort(self) -> None:
        """From now on not a packet leaves, and nobody is told."""

        async def nowhere(data: bytes) -> None:
            pass

        self._pc.getTransceivers()[0].receiver.transport.transport._send = nowhere
        self._end()

    async def close(self) -> None:
        """Close the connection; harmless twice."""
        await close_connection(self._pc)

    # -- live -------------------------------------------------------------------------------------

    def _arrived(self, packet: RtpPacket) -> None:
        self.arrivals.note(time.monotonic_ns(), CHUNK_SAMPLES, rtp=packet.timestamp)
        self._packets.put(packet.timestamp, packet.payload)

    def _play(self) -> None:
        payload = self._packets.tick()
        if payload is not None:
            self.playout.audio(self._decoder.decode(payload))
            if not self._ready:
                self._ready = True
                microphone = self._microphone is not None
                self._tell({"type": "ready", "echo_cancellation": "off", "microphone": microphone})
        self.playout.tick()
        if self._ticks % _PING_TICKS == 0:
            self._tell({"type": "ping"})
        if self._reports.due(self._packets.playing):
            self._tell({"type": "playing", "rtp": self._packets.playing})
        self._ticks += 1

    def _send_key(self, key: str) -> None:
        self._must_have_channel()
        self._tell({"type": "key", "key": key})

    def _send_words(self, text: str) -> None:
        self._must_have_channel()
        self._tell({"type": "say", "text": text})

    def _send_audio(self, ulaw: bytes) -> None:
        if self._microphone is None:
            return
        try:
            self._microphone.packets.put_nowait(self._encoder.encode(ulaw))
        except asyncio.QueueFull:
            self.broken = self.broken or "no audio could be sent"
            raise StreamEnded from None

    def _must_have_channel(self) -> None:
        if self._channel is None:
            raise OperatorError("without a data channel no keys are pressed and no words typed")

    def _tell(self, message: dict[str, Any]) -> None:
        if self._channel is not None and self._channel.readyState == "open":
            self._channel.send(json.dumps(message))
