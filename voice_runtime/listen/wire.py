"""Messages between the recogniser's pool and its decoder processes, over pipes.

A message is ``kind`` (1 byte), ``utterance`` (unsigned 32 bit), ``length``
(unsigned 32 bit), then ``length`` bytes: samples for ``AUDIO``, JSON otherwise.
Little-endian. Ordering: per pipe. Closing: the end of the decoder's input ends it.
"""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO

HEADER = struct.Struct("<cII")
#: No message is longer; a longer one means the pipe is out of step.
LONGEST = 16 * 1024 * 1024

# pool → decoder process
LOAD = b"L"  # {key, phrases, pronunciations} → LOADED
OPEN = b"O"  # {key}: an utterance begins
AUDIO = b"A"  # 8 kHz s16le samples
FINISH = b"F"  # no more samples → RESULT
CANCEL = b"C"  # forget it; no answer
# decoder process → pool
READY = b"r"  # {}: started
LOADED = b"l"  # {key, missing[], strange[], problem}
PARTIAL = b"p"  # {text}
RESULT = b"f"  # {text, confidence}; or {error} when decoding failed


def pack(kind: bytes, utterance: int = 0, body: bytes | dict[str, Any] = b"") -> bytes:
    """One message."""
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    return HEADER.pack(kind, utterance, len(data)) + data


def read(stream: BinaryIO) -> tuple[bytes, int, bytes] | None:
    """Read one message; None at the end of the stream, also in mid-message.

    Raises:
        ValueError: the stream is out of step.
    """
    head = stream.read(HEADER.size)
    if len(head) < HEADER.size:
        return None
    kind, utterance, length = HEADER.unpack(head)
    if length > LONGEST:
        raise ValueError("a message longer than any")
    body = stream.read(length)
    return None if len(body) < length else (kind, utterance, body)
