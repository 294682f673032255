"""The ICE agent beneath an aiortc connection, and a close that leaves none of it behind."""

from __future__ import annotations

import contextlib

from aioice.ice import Connection
from aiortc import RTCPeerConnection

from controls.errors import InternalError


def agent_of(pc: RTCPeerConnection) -> Connection:
    """The ICE agent of a bundled connection.

    Raises:
        InternalError: aiortc or aioice is not as read.
    """
    try:
        connection = pc.getTransceivers()[0].receiver.transport.transport._connection
        _ = connection._local_username, connection._local_password, connection._check_list
        _ = connection._remote_candidates_end, connection.query_consent
    except (AttributeError, IndexError) as error:
        raise InternalError("aioice's connection is not as read") from error
    if not isinstance(connection, Connection):
        raise InternalError("aiortc's ICE agent is not aioice's connection")
    return connection


async def close_connection(pc: RTCPeerConnection) -> None:
    """Close a connection, also in the moment its path is found.

    When a path is nominated, aioice (to 0.13) wakes up to 20 ms later to ask for consent on it from then on
    (RFC 7675). A connection closed in between would ask for ever: a task, and what it holds, for each call.
    """
    with contextlib.suppress(InternalError):  # no agent yet: nothing that could ask
        agent_of(pc).query_consent = _ask_nothing  # type: ignore[method-assign]
    await pc.close()


async def _ask_nothing() -> None:
    """Consent is asked for on nothing that is closed."""
