"""Why a simulated call came to nothing, told from the error that ended it."""

from __future__ import annotations

from typing import Literal

import httpx
from websockets.exceptions import InvalidStatus, WebSocketException

from controls.errors import ProviderError

#: ``unreachable``: nothing listens, or the connection broke before an answer. ``refused``: an answer
#: that says no. ``stalled``: connected, and no answer in time. ``out_of_protocol``: an answer that no
#: carrier, or no page, would take.
Failure = Literal["", "unreachable", "refused", "stalled", "out_of_protocol"]


class Refused(ProviderError):
    """The server answered, and its answer says no."""


def failure_of(error: BaseException) -> Failure:
    """Which failure ``error`` is: by itself where it says so, else by what it was raised from."""
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
