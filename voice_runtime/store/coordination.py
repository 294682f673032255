"""Counts and one-time tokens of one process: ``ports.Coordinator`` without a server.

No method awaits anything between reading and writing, so on one event loop
each is atomic. What several workers share lies in ``store.workers``.
"""

from __future__ import annotations

from collections.abc import Mapping

from controls.errors import OperatorError
from voice_runtime.clock import Clock, SystemClock

#: More tokens than this at one time is a flood of webhooks, not telephony.
MOST_TOKENS = 20_000


class InProcessCoordinator:
    """Implements ``ports.Coordinator`` in memory.

    Args:
        cap: most simultaneous calls, of all tenants together.
        tenants: most simultaneous calls of a tenant; those not named have only ``cap``.
        clock: for the expiry of tokens.

    Raises:
        OperatorError: a cap is negative.
    """

    def __init__(
        self, cap: int, *, tenants: Mapping[str, int] | None = None, clock: Clock | None = None
    ) -> None:
        self._tenants = dict(tenants or {})
        if min((cap, *self._tenants.values())) < 0:
            raise OperatorError("an admission cap cannot be negative")
        self._cap = cap
        self._clock = clock or SystemClock()
        self._calls: dict[str, str] = {}
        self._tokens: dict[str, tuple[str, int]] = {}
        self._shared: dict[str, tuple[int, str]] = {}

    @property
    def calls(self) -> int:
        """How many places are taken."""
        return len(self._calls)

    @property
    def cap(self) -> int:
        """How many places there are."""
        return self._cap

    async def admit(self, tenant: str, call: str) -> bool:
        """Take a place for ``call``; True again when it has one already."""
        if call in self._calls:
            return True
        if len(self._calls) >= self._cap:
            return False
        limit = self._tenants.get(tenant)
        if limit is not None and sum(t == tenant for t in self._calls.values()) >= limit:
            return False
        self._calls[call] = tenant
        return True

    async def release(self, call: str) -> None:
        """Give the place back; harmless when it has none."""
        self._calls.pop(call, None)

    async def put_token(self, token: str, value: str, ttl_s: float) -> None:
        """Store a one-time token; the oldest go first when there are absurdly many."""
        now = self._clock.monotonic_ns()
        for old in [t for t, (_, ends) in self._tokens.items() if ends <= now]:
            del self._tokens[old]
        while len(self._tokens) >= MOST_TOKENS:
            del self._tokens[next(iter(self._tokens))]
        self._tokens[token] = (value, now + int(ttl_s * 1e9))

    async def take_token(self, token: str) -> str | None:
        """Return its value once; None when unknown, used or expired."""
        value, ends = self._tokens.pop(token, ("", 0))
        return value if ends > self._clock.monotonic_ns() else None

    async def read(self, name: str) -> tuple[int, str] | None:
        """The version and value written last."""
        return self._shared.get(name)

    async def swap(self, name: str, before: int, after: int, value: str) -> bool:
        """Put a value in the place of version ``before``; False when another stands."""
        if self._shared.get(name, (0, ""))[0] != before:
            return False
        self._shared[name] = (after, value)
        return True
