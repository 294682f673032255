"""What was masked in log lines and in spans, put on record now and then: how often, by type and by rules.

A log line names no tenant, and a call may be over when its spans are masked: they are counted for the
process, and told to every tenant it serves (``redaction.counted``). No line of ours quotes a caller, so a
count of the log's is a line that broke this rule.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import Literal

from loguru import logger

from controls.decision import Recorder
from controls.errors import LedgerError
from controls.ledger import records as r
from controls.redaction.counting import Counting
from controls.redaction.file import Redaction

#: Between two looks, s.
EVERY_S = 60.0
_Told = Literal["log", "span"]


class MaskedCounts:
    """One process's. ``log`` and ``span`` mask from the beginning; ``start`` once there is a ledger."""

    def __init__(
        self,
        redaction: Redaction,
        *,
        every_s: float = EVERY_S,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Prepare.

        Args:
            redaction: of the house; what an agent masks besides applies to its calls.
            every_s: between two looks, s.
        """
        self.log, self.span = Counting(redaction.before("log")), Counting(redaction.before("span"))
        self._every_s, self._sleep = every_s, sleep
        self._recorder: Recorder | None = None
        self._tenants: Collection[str] = ()
        self._task: asyncio.Task[None] | None = None

    async def start(self, recorder: Recorder, tenants: Collection[str]) -> None:
        """From now on what is masked is told, to these tenants."""
        self._recorder, self._tenants = recorder, frozenset(tenants)
        self._task = asyncio.create_task(self._run(), name="masked counts")

    @asynccontextmanager
    async def telling(self, recorder: Recorder, tenants: Collection[str]) -> AsyncIterator[None]:
        """``start``, and ``close`` at the end."""
        await self.start(recorder, tenants)
        try:
            yield
        finally:
            await self.close()

    async def close(self) -> None:
        """Tell what is left; the ledger is still open."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self.tell()

    def tell(self) -> None:
        """Queue a record for each type and each tenant. Never raises; what cannot be told is told later."""
        if self._recorder is None:
            return
        sinks: tuple[tuple[_Told, Counting], ...] = (("log", self.log), ("span", self.span))
        for sink, counting in sinks:
            for what, found in sorted(counting.take().items()):
                if not self._told(self._recorder, sink, counting, what, found):
                    counting.add({what: found})

    def _told(
        self, recorder: Recorder, sink: _Told, counting: Counting, what: r.PersonalData, found: int
    ) -> bool:
        """Whether at least one tenant's log has it: told again to all, it would count twice there."""
        told = not self._tenants
        for tenant in sorted(self._tenants):
            try:
                recorder.append(
                    r.RedactionCounted(
                        tenant=tenant, sink=sink, what=what, found=min(found, 999_999_999),
                        version=counting.version,
                    )
                )  # fmt: skip
                told = True
            except LedgerError:
                logger.error("tenant {}: what was masked in a {} is not on record", tenant, sink)
        return told

    async def _run(self) -> None:
        while True:
            await self._sleep(self._every_s)
            self.tell()
