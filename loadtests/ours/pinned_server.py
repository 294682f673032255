"""A server in a process of its own: started on its cores, awaited, stopped with everything it started."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from controls.errors import OperatorError
from loadtests.cores import start_process

#: For a server to come up, models and fixed phrases included, and to go down once told, s.
START_S, STOP_S = 180.0, 60.0
#: Lines of its log that an error quotes.
_LOG_LINES = 15


class PinnedServer:
    """A command that prints one JSON object on standard output once it is ready. For one start.

    Args:
        cores: what it and all it starts are pinned to; () nothing.
        log: where its standard error goes.
    """

    def __init__(
        self, command: Sequence[str], *, cores: Sequence[int] = (), log: Path, cwd: Path | None = None
    ) -> None:
        self._command, self._cores, self._log, self._cwd = tuple(command), tuple(cores), log, cwd
        self._process: subprocess.Popen[str] | None = None
        self._given_up = threading.Event()
        self._starting: asyncio.Future[dict[str, Any]] | None = None

    @property
    def pid(self) -> int | None:
        """Of the process started; it leads a session and a process group of its own."""
        return self._process.pid if self._process is not None else None

    async def start(self, patience_s: float = START_S) -> dict[str, Any]:
        """Start it and wait until it is ready; what it printed.

        Raises:
            OperatorError: it ended first, was late, or printed something else; quotes the end of its log.
        """
        self._starting = asyncio.ensure_future(asyncio.to_thread(self._start, patience_s))
        return await asyncio.shield(self._starting)

    async def stop(self, patience_s: float = STOP_S) -> None:
        """SIGTERM, then SIGKILL to its group. Harmless when repeated, and while it is still starting."""
        self._given_up.set()
        if self._starting is not None:
            if not self._starting.done():
                self._kill()
            await asyncio.wait([self._starting])
        await asyncio.to_thread(self._end, patience_s)

    def _start(self, patience_s: float) -> dict[str, Any]:
        with self._log.open("w", encoding="utf-8") as err:
            process = self._process = start_process(
                self._command, self._cores, stdout=subprocess.PIPE, stderr=err, cwd=self._cwd
            )
        if self._given_up.is_set():  # told to stop between the decision and the process
            self._kill()
        late = threading.Timer(patience_s, self._kill)  # ends the reading below
        late.daemon = True
        late.start()
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline() or "null")
        except ValueError:
            ready = None
        finally:
            late.cancel()
        if not isinstance(ready, dict):
            raise OperatorError(f"{' '.join(self._command[1:4])} did not start:\n{self._said()}")
        return ready

    def _said(self) -> str:
        try:
            lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-_LOG_LINES:])

    def _kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _end(self, patience_s: float) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=patience_s)
        with contextlib.suppress(ProcessLookupError):  # children it left behind, or all of it
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
