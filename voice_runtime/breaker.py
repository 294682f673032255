"""A circuit breaker: who keeps failing is asked last, and now and then one trial sees whether it is back.

Pure but for the clock it is given. One breaker for each supplier of the
process, shared by all calls; its readings are what ``/readyz`` and ``/metrics``
tell of that supplier.

    CLOSED ──`after` failures in a row──▶ OPEN ──`for_s` later──▶ HALF_OPEN: one trial
      ▲                                    ▲                          │
      └───────────── it answered ──────────┼──────────────────────────┤
                                           └────── it failed ─────────┘
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, TypeVar

#: Failures in a row after which somebody is asked last, and for how long, s.
TRIP_AFTER = 3
TRIP_FOR_S = 15.0


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """What is known of one supplier."""

    def __init__(
        self,
        name: str,
        *,
        after: int = TRIP_AFTER,
        for_s: float = TRIP_FOR_S,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a closed breaker.

        Args:
            name: the supplier's.
            after: failures in a row that open it.
            for_s: how long it stays open before one trial, s.
            now_s: a monotonic clock, s.
        """
        self.name = name
        self.answers = self.failures = self.failures_in_a_row = 0
        self.last_failure = ""
        self._after, self._for_s, self._now_s = after, for_s, now_s
        self._opened_s: float | None = None
        self._trial_until_s = 0.0

    @property
    def state(self) -> State:
        if self._opened_s is None:
            return State.CLOSED
        return State.OPEN if self._now_s() < self._opened_s + self._for_s else State.HALF_OPEN

    @property
    def closed(self) -> bool:
        return self._opened_s is None

    def take(self) -> bool:
        """Whether to ask now. In HALF_OPEN one caller gets True, the others wait for what comes of it."""
        match self.state:
            case State.CLOSED:
                return True
            case State.OPEN:
                return False
            case State.HALF_OPEN:
                now = self._now_s()
                if now < self._trial_until_s:
                    return False
                self._trial_until_s = now + self._for_s  # a trial nobody reports on does not block for ever
                return True

    def answered(self) -> None:
        """It did what was asked."""
        self.answers += 1
        self.failures_in_a_row = 0
        self._opened_s = None
        self._trial_until_s = 0.0

    def failed(self, why: str) -> None:
        """It did not. ``why`` holds no content of a call."""
        self.failures += 1
        self.failures_in_a_row += 1
        self.last_failure = why
        if self._opened_s is not None or self.failures_in_a_row >= self._after:
            self._opened_s = self._now_s()
            self._trial_until_s = 0.0

    def reading(self) -> dict[str, Any]:
        """For ``/readyz``."""
        return {
            "ok": self.state is not State.OPEN,
            "state": self.state.value,
            "answers": self.answers,
            "failures": self.failures,
            "failures_in_a_row": self.failures_in_a_row,
            "last_failure": self.last_failure,
        }


T = TypeVar("T")


def in_order(suppliers: Iterable[T], breaker_of: Callable[[T], Breaker]) -> list[T]:
    """As configured, but those not to be asked now come last: nobody is given up for good."""
    asked: list[T] = []
    last: list[T] = []
    for supplier in suppliers:
        breaker = breaker_of(supplier)
        # Behind somebody who answers it is only asked in need: that costs it no trial.
        ready = breaker.state is not State.OPEN if asked else breaker.take()
        (asked if ready else last).append(supplier)
    return asked + last


def readings(breakers: Iterable[Breaker]) -> dict[str, Any]:
    """For ``/readyz``: ``ok`` unless every supplier of a stage is out."""
    rows = {breaker.name: breaker.reading() for breaker in breakers}
    return {"ok": any(row["ok"] for row in rows.values()), "engines": rows}
