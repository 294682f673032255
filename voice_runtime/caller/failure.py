"""Why a simulated call came to nothing, told from the error that ended it."""

from __future__ import annotations

import errno
from typing import Literal

import httpx
from websockets.exceptions import InvalidStatus, WebSocketException

from controls.errors import ProviderError

#: ``unreachable``: nothing listens, or the connection broke before an answer. ``refused``: an answer
#: that says no. ``stalled``: connected, and no answer in time. ``out_of_protocol``: an answer that no
#: carrier, or no page, would take. ``exhausted``: this machine had no file, port or memory left for another
#: connection, or a proxy of the test's own had no place, which says nothing about the server.
Failure = Literal["", "unreachable", "refused", "stalled", "out_of_protocol", "exhausted"]

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
#: How such a proxy says it (RFC 9209, 2.3.12): the header, and the status beside it.
PROXY_STATUS = ("proxy-status", "sayso-impairment; error=connection_limit_reached")
NO_PLACE_STATUS = 503


class Refused(ProviderError):
    """The server answered, and its answer says no."""


class NoPlace(ProviderError):
    """A proxy of the test's own had no place for another call: no word of the server's."""


def failure_of(error: BaseException) -> Failure:
    """Which failure ``error`` is: by itself where it says so, else by what it was raised from."""
    if _exhausted(error):
        return "exhausted"
    at: BaseException | None = error
    while at is not None:
        match at:
            case Refused() | InvalidStatus():
                return "refused"
            case httpx.ConnectTimeout():  # a full backlog, or packets dropped: nobody is there
                return "unreachable"
            case httpx.TimeoutException() | TimeoutError():
                return "stalled"
            case httpx.ProtocolError() | httpx.DecodingError() | WebSocketException():
                return "out_of_protocol"
            case httpx.TransportError() | OSError():
                return "unreachable"
        at = at.__cause__
    # A supplier's error of our own: worth another try only when nothing wrong was said.
    return "stalled" if isinstance(error, ProviderError) and error.transient else "out_of_protocol"


def _exhausted(error: BaseException) -> bool:
    """Whether it began with a limit of our own. HTTP clients hide that behind errors of their own."""
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, NoPlace) or (isinstance(at, OSError) and at.errno in _EXHAUSTED):
            return True
        at = at.__cause__ or at.__context__
    return False
