"""The signing process of a server: started with it, started again when it dies, ended with it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from loguru import logger

from controls.errors import InternalError
from controls.ledger.signing_client import ProcessKeys
from voice_runtime.children import Child

#: Time between looks at whether it lives, and between attempts to start it again, s.
_LOOK_S, _AGAIN_S = 0.2, 2.0


class SigningProcess:
    """``python -m controls.ledger.signing`` as a child of this process.

    While it is dead every signature fails, so nothing new becomes durable: no call
    is answered, and running ones end as they do when the disk fails. ``keys``
    finds the next process by itself.
    """

    def __init__(self, directory: Path, path: Path) -> None:
        """Prepare.

        Args:
            directory: of the keys.
            path: where it will listen.
        """
        self.keys = ProcessKeys(path, directory)
        self._arguments = ("--keys", str(directory), "--socket", str(path), "--parent-pid", str(os.getpid()))
        self._child = self._new()
        self._watch: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """Its process id; 0 before it is ready."""
        return int(self._child.ready.get("pid", 0))

    async def start(self) -> None:
        """Start it and wait until it listens.

        Raises:
            InternalError: it ended or stayed silent; what it said is on standard error.
        """
        await self._child.start()
        self._watch = asyncio.create_task(self._keep(), name="signing process")

    async def stop(self) -> None:
        """End it. Harmless twice. Close the ledger first: it still signs its last checkpoints."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        self.keys.close()
        await self._child.stop()

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            if self._child.alive:
                continue
            logger.error("the signing process died; nothing can be put on record until it is back")
            await self._child.stop()
            self._child = self._new()
            try:
                await self._child.start()
                logger.warning("the signing process is back")
            except InternalError as error:
                logger.error("{}", error)
                await asyncio.sleep(_AGAIN_S)

    def _new(self) -> Child:
        return Child("controls.ledger.signing", *self._arguments)
