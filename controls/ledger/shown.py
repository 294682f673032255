"""What of a house's logs goes outside while they are open: published tiles, questions to witnesses."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from loguru import logger

from controls.ledger.log import Log
from controls.ledger.notes import Checkpoint
from controls.ledger.publish import Publisher

#: Longest wait for the last checkpoint's tiles when a log is closed, in s.
_PUBLISH_S = 10.0


class Asks(Protocol):
    """Collects one log's cosignatures (``cosign.Cosigner``)."""

    def start(self) -> None:
        """Begin, in a thread of its own."""
        ...

    def close(self) -> None:
        """Ask no more; before the log closes."""
        ...


class Shown:
    """The publishers and cosigners of a house's logs; ``show`` is for every thread."""

    def __init__(self, *, publish: bool, cosigner: Callable[[Log], Asks] | None) -> None:
        self._publish, self._cosigner = publish, cosigner
        self._publishers: dict[Path, Publisher] = {}
        self._asking: dict[Path, Asks] = {}
        self._closing = False
        self._gate = threading.Lock()

    def show(self, log: Log) -> None:
        """A log is open. What fails here does not keep it from serving."""
        try:
            if self._publish:
                publisher = self._publishers[log.directory] = Publisher(log.directory)
                log.on_checkpoint(lambda checkpoint: publisher.wake())
                publisher.wake()
            with self._gate:  # a log that opens while the house closes asks nobody
                if self._cosigner is not None and not self._closing:
                    asks = self._asking[log.directory] = self._cosigner(log)
                    asks.start()
        except Exception as error:  # noqa: BLE001 - whatever shows it, the log serves
            logger.error("ledger {}: not shown outside ({})", log.origin, type(error).__name__)

    def hide(self, log: Log, end: Checkpoint) -> None:
        """A log is closed: its last tiles go out, and nothing more is asked. Blocks."""
        if (asks := self._asking.pop(log.directory, None)) is not None:
            asks.close()
        if (publisher := self._publishers.pop(log.directory, None)) is not None:
            publisher.wake()
            publisher.wait(end.size, _PUBLISH_S)
            publisher.close()

    def stop_asking(self) -> None:
        """Ask for no more cosignatures: the logs close."""
        with self._gate:
            self._closing = True
        while self._asking:
            self._asking.popitem()[1].close()

    def close(self) -> None:
        """The logs are closed: publish what is left, and stop."""
        self.stop_asking()
        for publisher in self._publishers.values():
            publisher.close()
