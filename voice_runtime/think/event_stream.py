"""Server-sent events to the data they carry, as much as comes at a time. Pure and incremental.

What OpenAI's protocol uses of https://html.spec.whatwg.org/multipage/server-sent-events.html: fields of data,
ended by a blank line. Names, ids and retry times of events are passed over, as are comments.
"""

from __future__ import annotations

#: Longest line or event, bytes; a model's chunk has some hundred.
_MOST_BYTES = 1024 * 1024


class EventStream:
    """One stream's events, fed as its bytes come, however they are cut."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._length = 0

    def feed(self, received: bytes) -> list[bytes]:
        """Take bytes; return the data of each event that is complete, in order.

        Raises:
            ValueError: an event is longer than any chunk of a model.
        """
        text = self._rest + received
        held = b""
        if b"\r" in text:  # ends a line, alone or with the line feed that may still be on its way
            if text.endswith(b"\r"):
                text, held = text[:-1], b"\r"
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = text.split(b"\n")
        self._rest = rest + held
        events = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
                self._length += len(line)
            elif not line and self._data:
                events.append(b"\n".join(self._data))
                self._data, self._length = [], 0
        if len(self._rest) + self._length > _MOST_BYTES:
            raise ValueError("an endless event")
        return events
