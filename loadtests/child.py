"""A process of its own: started on its cores, told, awaited, stopped with everything it started."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from controls.errors import OperatorError
from loadtests.cores import start_process

#: For it to come up, models and fixed phrases included, and to go down once told, s.
START_S, STOP_S = 180.0, 60.0
#: Lines of its log that an error quotes.
_LOG_LINES = 15


class Child:
    """A command that prints one JSON object on standard output once it is ready. For one start.

    Args:
        cores: what it and all it starts are pinned to, from its first instruction on; () nothing.
        told: one line on its standard input, which then stays open: when it closes (this process ended
            it, or died) the command is to end. "": it has no input, and is stopped by SIGTERM.
        log: where its standard error goes; None: where ours does.
        env: beside this process's own.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        cores: Sequence[int] = (),
        told: str = "",
        log: Path | None = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._command, self._cores, self._told = tuple(command), tuple(cores), told
        self._log, self._cwd, self._env = log, cwd, {**os.environ, **(env or {})}
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
        """Tell it to end, then kill its group. Harmless when repeated, and while it is still starting."""
        self._given_up.set()
        if self._starting is not None:
            if not self._starting.done():
                self._kill()
            await asyncio.wait([self._starting])
        await asyncio.to_thread(self._end, patience_s)

    def _start(self, patience_s: float) -> dict[str, Any]:
        with contextlib.ExitStack() as stack:
            err = stack.enter_context(self._log.open("w", encoding="utf-8")) if self._log else None
            process = self._process = start_process(
                self._command,
                self._cores,
                stdin=subprocess.PIPE if self._told else None,
                stdout=subprocess.PIPE,
                stderr=err,
                cwd=self._cwd,
                env=self._env,
            )
        if self._given_up.is_set():  # told to stop between the decision and the process
            self._kill()
        late = threading.Timer(patience_s, self._kill)  # ends the writing and reading below
        late.daemon = True
        late.start()
        try:
            ready = self._ready(process)
        finally:
            late.cancel()
        if not isinstance(ready, dict):
            raise OperatorError(f"{' '.join(self._command[1:4])} did not start{self._said()}")
        return ready

    def _ready(self, process: subprocess.Popen[str]) -> Any:
        """What it printed first; None when that is no JSON."""
        try:
            if process.stdin is not None:
                process.stdin.write(self._told + "\n")
                process.stdin.flush()
            assert process.stdout is not None
            return json.loads(process.stdout.readline() or "null")
        except (ValueError, OSError):
            return None

    def _said(self) -> str:
        if self._log is None:
            return "; what it said stands above"
        try:
            lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return ":\n" + "\n".join(lines[-_LOG_LINES:])

    def _kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _end(self, patience_s: float) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            with contextlib.suppress(OSError):  # what it was told and never read
                process.stdin.close()
        elif process.poll() is None:
            process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=patience_s)
        with contextlib.suppress(ProcessLookupError):  # children it left behind, or all of it
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
