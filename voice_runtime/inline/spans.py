"""Spans follow the record: the call's first record opens its trace, every further one goes into it."""

from __future__ import annotations

from collections.abc import Callable

from loguru import logger

from controls.ledger import records as r
from voice_runtime.tracing import CallSpans, CallTimes, Tracing


class FollowingSpans:
    """One call's spans. What goes wrong with them is not the call's business."""

    def __init__(self, tracing: Tracing | None, release: str, times: Callable[[], CallTimes]) -> None:
        """Make them.

        Args:
            tracing: None where nothing is exported.
            release: the agent's name.
            times: where the call's own times are read, once it is opened.
        """
        self._tracing, self._release, self._times = tracing, release, times
        self._spans: CallSpans | None = None

    def __call__(self, record: r.Record, personal: r.Personal | None) -> None:
        """A record was appended."""
        if self._tracing is None:
            return
        try:
            if isinstance(record, r.CallOpened):
                self._spans = self._tracing.call(record, self._release, self._times())
            elif self._spans is not None:
                self._spans.record(record, personal)
        except Exception as error:  # noqa: BLE001 - a bug in telemetry must not end a call
            logger.error("call {}: a span was lost: {}", getattr(record, "call", ""), type(error).__name__)
