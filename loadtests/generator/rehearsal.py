"""A generator's rehearsal: what the first call of a process would load late is loaded before any call.

HTTP clients import their event loop's backend, and aiortc makes its certificate, when
they are first used: some hundred ms in which no other call's tick is taken.
"""

from __future__ import annotations

import socket
from dataclasses import replace

from aiortc import RTCPeerConnection

from loadtests.doors import make_caller
from loadtests.systems import Door, TwilioDoor
from voice_runtime.caller.script import HangUp, Press, Script

#: Nobody speaks in it: no voice is needed.
_SILENT = Script(steps=(Press(keys="1", wait=False), HangUp()))


async def rehearse(door: Door) -> None:
    """Place one call of the door's kind where nobody listens, on this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nowhere = f"127.0.0.1:{listener.getsockname()[1]}"
    if isinstance(door, TwilioDoor):
        away: Door = TwilioDoor(f"http://{nowhere}")
        streamed = TwilioDoor(f"http://{nowhere}", stream_url=f"ws://{nowhere}/")
        await make_caller(streamed).run(_SILENT)
    else:
        away = replace(door, base_url=f"http://{nowhere}")
        peer = RTCPeerConnection()
        try:
            peer.addTransceiver("audio")
            await peer.setLocalDescription(await peer.createOffer())
        finally:
            await peer.close()
    await make_caller(away).run(_SILENT)
