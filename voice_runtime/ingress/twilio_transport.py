"""pipecat's websocket transport with a playout lead at the carrier.

pipecat's own output sleeps one packet's duration after each packet, so nothing
ever lies at the carrier and any stall of ours is a gap in the caller's ear.
Here a packet leaves as soon as it comes, until ``LEAD_S`` lie at the carrier;
egress keeps less than that, and ``clear`` cuts it.
"""

from __future__ import annotations

import asyncio
import time

from fastapi import WebSocket
from pipecat.frames.frames import StartFrame
from pipecat.transports.websocket.fastapi import (
    FastAPIWebsocketOutputTransport,
    FastAPIWebsocketParams,
    FastAPIWebsocketTransport,
)

#: Most audio that may lie at the carrier unplayed, s. A bound: egress paces more tightly.
LEAD_S = 0.4


class LeadingOutput(FastAPIWebsocketOutputTransport):
    """Paces by playout time, not by packets. An interruption starts the clock anew."""

    _packet_s = 0.02

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        self._packet_s = self.audio_chunk_size / 2 / self.sample_rate

    async def _write_audio_sleep(self) -> None:
        now = time.monotonic()
        # pipecat sets _next_send_time to 0 on an interruption; here it is when the last packet has sounded
        sounds_until = max(self._next_send_time, now) + self._packet_s
        self._next_send_time = sounds_until  # type: ignore[assignment]  # starts as 0, so taken for an int
        await asyncio.sleep(max(0.0, sounds_until - now - LEAD_S))


class MediaTransport(FastAPIWebsocketTransport):
    """``FastAPIWebsocketTransport`` with ``LeadingOutput``."""

    def __init__(self, websocket: WebSocket, params: FastAPIWebsocketParams) -> None:
        super().__init__(websocket, params)
        self._output = LeadingOutput(self, self._client, self._params, name=self._output_name)
