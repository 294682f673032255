"""Chaos before a supplier: passes requests on to a simulated server, does to its answers what a test says.

Real sockets, HTTP/1.1. One stands in front of each stage's server, whatever that
speaks; ``fault`` may be changed mid-test. Requests that only warm a connection
(GET) pass untouched.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from tests.simulators.model_server import RawServer, Request

_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Fault:
    """What becomes of an answer.

    Attributes:
        before_s: latency before its first byte, s.
        between_s: latency before its second half, s.
        status: refused with this one; 0 answers.
        reset: the connection is reset ``before`` the first byte or ``within`` the answer.
        half: the connection closes in mid-answer.
        garbage: bytes that are sent instead of an answer; b"" answers.
        stops: nothing more comes ``before`` the first byte or ``within`` the answer, until the client goes.
    """

    before_s: float = 0.0
    between_s: float = 0.0
    status: int = 0
    reset: str = ""
    half: bool = False
    garbage: bytes = b""
    stops: str = ""

    @property
    def within(self) -> bool:
        """Whether some of the answer arrives before it goes wrong."""
        return self.half or "within" in (self.reset, self.stops)


WELL = Fault()
STOPS = Fault(stops="before")
STOPS_WITHIN = Fault(stops="within")
RESET = Fault(reset="before")
RESET_WITHIN = Fault(reset="within")
HALF = Fault(half=True)
TOO_MANY = Fault(status=429)
BROKEN = Fault(status=500)
UNAVAILABLE = Fault(status=503)
NO_HTTP = Fault(garbage=b"\x00\xffthis is no HTTP at all\r\n\r\n")
ERROR_PAGE = Fault(
    garbage=b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 37\r\nconnection: close\r\n\r\n"
    b"<html>the gateway has a cold</html>\r\n"
)

#: Every fault after which the next engine of a chain is asked, or the caller gets the fixed phrase.
FAULTS = {
    "stops before the first byte": STOPS,
    "stops within the answer": STOPS_WITHIN,
    "reset before the first byte": RESET,
    "reset within the answer": RESET_WITHIN,
    "half an answer": HALF,
    "429": TOO_MANY,
    "500": BROKEN,
    "503": UNAVAILABLE,
    "no HTTP": NO_HTTP,
    "an error page with status 200": ERROR_PAGE,
}


@dataclass
class Chaos(RawServer):
    """A server in front of ``upstream`` (which answers once per connection)."""

    upstream: RawServer = field(default_factory=RawServer)
    fault: Fault = WELL
    #: Faults met so far, one for each request that was no GET.
    met: list[Fault] = field(default_factory=list)

    async def answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        fault = WELL if request.method == "GET" else self.fault
        if request.method != "GET":
            self.met.append(fault)
        if fault.before_s and not await self._wait(fault.before_s, request):
            return False
        if fault.stops == "before":
            await self.stall(request)
        elif fault.reset == "before":
            self.reset(writer)
        elif fault.status:
            await self.reply(writer, fault.status, b'{"error": {"message": "SECRET-ECHO"}}')
        elif fault.garbage:
            writer.write(fault.garbage)
            await writer.drain()
        else:
            await self._pass_on(fault, request, writer)
        return False

    async def _pass_on(self, fault: Fault, request: Request, writer: asyncio.StreamWriter) -> None:
        answer = await self._ask_upstream(request)
        body_at = answer.index(_HEAD_END) + len(_HEAD_END)
        middle = body_at + (len(answer) - body_at) // 2
        writer.write(answer[:middle])
        await writer.drain()
        if fault.between_s and not await self._wait(fault.between_s, request):
            return
        if fault.stops == "within":
            await self.stall(request)
        elif fault.reset == "within":
            self.reset(writer)
        elif not fault.half:
            writer.write(answer[middle:])
            await writer.drain()

    async def _ask_upstream(self, request: Request) -> bytes:
        """The upstream's whole answer, head and all."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.upstream.port)
        try:
            headers = {**request.headers, "connection": "close"}
            lines = [f"{request.method} {request.path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
            writer.write("\r\n".join(lines).encode() + _HEAD_END + request.body)
            return await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()

    async def _wait(self, seconds: float, request: Request) -> bool:
        """Wait; False when the client has gone meanwhile."""
        gone = asyncio.create_task(self.stall(request))
        try:
            done, _ = await asyncio.wait({gone}, timeout=seconds)
            return not done
        finally:
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)
