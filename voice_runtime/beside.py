"""Work beside a call's pipeline: none of it is lost, and what it raises is logged."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from loguru import logger


class Beside:
    """One call's tasks. True while one runs."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __bool__(self) -> bool:
        return bool(self._tasks)

    def run(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run ``work`` in a task; needs a running loop."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_log_failure)

    def cancel(self) -> None:
        """Have all of it end."""
        for task in tuple(self._tasks):
            task.cancel()


def _log_failure(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("{} beside a call failed: {}", task.get_coro(), type(error).__name__)
