"""Child processes that print one JSON line when they are ready, and die with us.

Used for what must not share our process: the stand-in model, the demo's
booking service. Their standard input is a pipe we hold: they end when it does.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loguru import logger

from controls.errors import InternalError


class Child:
    """One child process. ``ready`` is the JSON object it printed."""

    def __init__(
        self,
        module: str,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> None:
        """Prepare it.

        Args:
            environment: added to ours.
            log: file its standard error goes to; ours when None.
        """
        self.module = module
        self.ready: dict[str, Any] = {}
        self._arguments = arguments
        self._environment = {**os.environ, **(environment or {})}
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, deadline_s: float = 30.0) -> None:
        """Start it and wait until it says that it is ready.

        Raises:
            InternalError: it ended or stayed silent.
        """
        log = self._log.open("ab") if self._log is not None else None
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", self.module, *self._arguments,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
                env=self._environment,
                start_new_session=True,  # Ctrl-C is for us; we end it in order
            )  # fmt: skip
        finally:
            if log is not None:
                log.close()
        if self._process.stdout is None:
            raise InternalError("a child without standard output")
        try:
            async with asyncio.timeout(deadline_s):
                line = await self._process.stdout.readline()
            self.ready = json.loads(line)
        except (TimeoutError, ValueError):
            await self.stop()
            raise InternalError(f"{self.module} did not become ready within {deadline_s:g} s") from None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def stop(self, patience_s: float = 3.0) -> None:
        """End it: close its input, ask, then insist."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        if process.returncode is None:
            try:
                process.send_signal(signal.SIGTERM)
                async with asyncio.timeout(patience_s):
                    await process.wait()
            except ProcessLookupError:
                pass
            except TimeoutError:
                logger.warning("{} did not end when asked; killed", self.module)
                process.kill()
                await process.wait()
        # The transport would otherwise be closed by the garbage collector, after the loop.
        getattr(process, "_transport").close()  # noqa: B009  # asyncio offers no public way
