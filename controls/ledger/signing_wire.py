"""What the signing process and its clients say to each other: length-prefixed frames with strict limits.

Frame: ``length(4)`` and a body of that many bytes. Body: ``length(4)`` and a JSON
header, then parts of ``length(4)`` and bytes each; numbers big-endian. A request's
parts are what is to be signed, an answer's the signatures (64 bytes) in order.
One answer a request, in order.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from controls.ledger.keys import KeyInfo, KeyState
from controls.ledger.records import Closed, Digest, OriginId

#: Most signatures of one round trip.
MAX_PARTS = 1000
#: Longest body, bytes: the writer's largest group of the largest leaves, and room.
MAX_FRAME = 16 << 20
#: Longest single part, bytes: the manifest of an audit packet of 20,000 files.
MAX_PART = 4 << 20
#: Longest wait for the rest of a frame that has begun, or for an answer, in s.
DEADLINE_S = 5.0

_LENGTH = struct.Struct(">I")


class Request(Closed):
    """What a client asks for.

    Attributes:
        op: ``open`` a key (its public half comes back), sign ``statements`` or a
            checkpoint's ``note``, ``promote`` the next key, ``list`` all keys.
        origin: the log; None for the node's key.
        key: whose signature is wanted, or which key is to take over.
    """

    op: Literal["open", "statements", "note", "promote", "list"]
    origin: OriginId | None = None
    state: KeyState = "present"
    create: bool = False
    key: Digest | None = None


class Answer(Closed):
    """``refused``: it will never sign this. ``failed``: it cannot now. ``detail`` names nothing secret."""

    error: Literal["", "refused", "failed"] = ""
    detail: str = Field(default="", max_length=1000)
    vkey: str = ""
    keys: tuple[KeyInfo, ...] = ()


def read_request(body: bytes) -> tuple[Request, list[bytes]]:
    """Take a request apart.

    Raises:
        ValueError: it is malformed or beyond a limit.
    """
    header, parts = _split(body)
    return Request.model_validate_json(header), parts


def read_answer(body: bytes) -> tuple[Answer, list[bytes]]:
    """Take an answer apart.

    Raises:
        ValueError: it is malformed or beyond a limit.
    """
    header, parts = _split(body)
    return Answer.model_validate_json(header), parts


def frame(header: Request | Answer, parts: Sequence[bytes] = ()) -> bytes:
    """One frame.

    Raises:
        ValueError: it is beyond a limit.
    """
    encoded = header.model_dump_json(exclude_defaults=True).encode()
    pieces = [_LENGTH.pack(len(encoded)), encoded]
    for part in parts:
        pieces += (_LENGTH.pack(len(part)), part)
    body = b"".join(pieces)
    if len(body) > MAX_FRAME or len(parts) > MAX_PARTS or any(len(part) > MAX_PART for part in parts):
        raise ValueError("beyond the limits of one request")
    return _LENGTH.pack(len(body)) + body


def receive(connection: socket.socket, *, patient: bool = False) -> bytes:
    """The body of the next frame; ``b""`` when the peer has closed.

    Args:
        patient: wait for its beginning without end; else ``DEADLINE_S``, as for its rest.

    Raises:
        OSError: the connection broke, or the deadline passed.
        ValueError: it is longer than allowed.
    """
    connection.settimeout(None if patient else DEADLINE_S)
    start = connection.recv(1)
    connection.settimeout(DEADLINE_S)
    if not start:
        return b""
    (length,) = _LENGTH.unpack(start + _exactly(connection, _LENGTH.size - 1))
    if not 0 < length <= MAX_FRAME:
        raise ValueError("beyond the limits of one request")
    return _exactly(connection, length)


def _exactly(connection: socket.socket, length: int) -> bytes:
    received = bytearray()
    while len(received) < length:
        piece = connection.recv(min(length - len(received), 1 << 18))
        if not piece:
            raise ConnectionError("closed in the middle of a frame")
        received += piece
    return bytes(received)


def _split(body: bytes) -> tuple[bytes, list[bytes]]:
    try:
        (length,) = _LENGTH.unpack_from(body)
        at = _LENGTH.size + length
        header, parts = body[_LENGTH.size : at], []
        while at < len(body):
            (length,) = _LENGTH.unpack_from(body, at)
            at += _LENGTH.size
            parts.append(body[at : at + length])
            at += length
            if length > MAX_PART or len(parts) > MAX_PARTS:
                raise ValueError("beyond the limits of one request")
    except struct.error:
        raise ValueError("malformed frame") from None
    if at != len(body):
        raise ValueError("malformed frame")
    return header, parts
