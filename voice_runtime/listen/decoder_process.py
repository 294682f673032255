"""One decoder process seen from the pool: starting it, talking to it, ending it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Protocol

from controls.errors import InternalError
from voice_runtime.listen import wire
from voice_runtime.priority import background_process

#: Bytes a process may leave unread before it counts as hung.
_MOST_UNREAD_BYTES = 2 * 1024 * 1024


class Decoding(Protocol):
    """What a process is decoding."""

    def answered(self, kind: bytes, body: dict[str, Any]) -> None: ...

    def fail(self, why: str) -> None: ...


@dataclass
class DecoderProcess:
    """One decoder process.

    Attributes:
        open: what it is decoding, by utterance number.
        loads: who waits for its phrase models, in order.
        heard: messages received from it.
        ready: it has every phrase model.
    """

    child: asyncio.subprocess.Process
    open: dict[int, Decoding] = field(default_factory=dict)
    loads: deque[asyncio.Future[dict[str, Any]]] = field(default_factory=deque)
    heard: int = 0
    ready: bool = False

    @classmethod
    async def spawn(cls) -> DecoderProcess:
        """Start one.

        Raises:
            OSError: it cannot be started.
        """
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "voice_runtime.listen.sphinx_worker",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=None,
            start_new_session=True,  # Ctrl-C is for us; we end it in order
        )  # fmt: skip
        background_process(child.pid)  # it decodes while people speak: what is played goes first
        return cls(child)

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def alive(self) -> bool:
        return self.child.returncode is None

    @property
    def stdin(self) -> asyncio.StreamWriter:
        if self.child.stdin is None:
            raise InternalError("a decoder process without standard input")
        return self.child.stdin

    def send(self, kind: bytes, number: int = 0, body: bytes | dict[str, Any] = b"") -> None:
        """Queue a message; a process that reads nothing any more is killed."""
        stdin = self.stdin
        if stdin.is_closing():
            return
        stdin.write(wire.pack(kind, number, body))
        if stdin.transport.get_write_buffer_size() > _MOST_UNREAD_BYTES:
            self.kill()

    def kill(self) -> None:
        if self.alive:
            self.child.kill()

    async def receive(self) -> tuple[bytes, int, dict[str, Any]] | None:
        """The next message; None when the process has ended."""
        stdout = self.child.stdout
        if stdout is None:
            raise InternalError("a decoder process without standard output")
        try:
            kind, number, length = wire.HEADER.unpack(await stdout.readexactly(wire.HEADER.size))
            body = await stdout.readexactly(min(length, wire.LONGEST))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        self.heard += 1
        return kind, number, json.loads(body or b"{}")

    async def end(self, patience_s: float = 2.0) -> None:
        """Close its input, wait, then insist; returns when it is gone."""
        self.stdin.close()
        try:
            async with asyncio.timeout(patience_s):
                await self.child.wait()
        except TimeoutError:
            self.kill()
            await self.child.wait()
        # The transport would otherwise be closed by the garbage collector, after the loop.
        getattr(self.child, "_transport").close()  # noqa: B009  # asyncio offers no public way
