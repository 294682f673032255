"""What a process that measures does first: a module of its own, imported before what makes noise."""

from __future__ import annotations

import signal

from loguru import logger


def begin_work() -> None:
    """A terminal's Ctrl-C is for the parent, who keeps what was done; pipecat tells all it is asked."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logger.disable("pipecat")
