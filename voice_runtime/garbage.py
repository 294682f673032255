"""Collecting garbage so that no pause is longer than the audio that was sent ahead of it.

A collection stops every thread for as long as it looks at objects. Four measures:

1. What exists when the server has started (modules, models, agents: most of all objects) is frozen: no
   collection looks at it again (``gc.freeze``).
2. Young collections come at larger thresholds: objects of a frame die by reference count and never get there.
3. The collections of everything, whose pause grows with the calls on the line, do not come when an
   allocation happens to ask for one. Ended calls leave cycles behind (pipecat's processors know each
   other), so one is made when the last caller has gone, or when a good share of the calls have gone since
   the last one: what they left is then worth the pause, and memory stays bounded by that share.
4. Before such a collection while calls are on the line, it is announced: whoever speaks sends further ahead
   (``Ahead``). At a hundred calls it takes longer than the audio that otherwise lies at the caller.

On telephones what was sent ahead lies at the carrier. In browsers it lies before the packets are made, in
this process, which stands still with the rest: there a pause is covered by the browser's own jitter buffer,
or not at all. How long pauses are is measured (``voice_runtime.vitals``) against ``voice_runtime.budget``.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from voice_runtime.budget import ANNOUNCED_MS

#: Net allocations before a young collection, young ones before a middle one, middle ones before Python itself
#: would look at everything (a last resort: five million objects that came to stay).
THRESHOLDS = (2_000, 20, 125)
#: Calls that have ended before everything is looked at while others go on: so many, or half of those there.
LEAST_ENDED = 16
_EVERY_S = 1.0
#: How long before a collection it is announced, s: a message of egress's (60 ms) later all who speak
#: have sent further ahead.
_NOTICE_S = 0.1


class Ahead:
    """How much more audio than usual lies at a caller now, because a pause of ours is coming.

    Attributes:
        ms: on top of the playout lead; 0 also when nobody is on the line, who could hear the pause.
        collecting: the pause is now: a collection that nobody on the line was left unprepared for.
    """

    def __init__(self) -> None:
        self.ms = 0
        self.collecting = False


def due(ended: int, active: int) -> bool:
    """Whether everything is to be looked at now. Pure.

    Args:
        ended: calls that have ended since the last time.
        active: calls on the line.
    """
    if not ended:
        return False
    return active == 0 or ended >= max(LEAST_ENDED, active // 2)


@asynccontextmanager
async def quiet_collections(
    ended: Callable[[], int], active: Callable[[], int], ahead: Ahead
) -> AsyncIterator[None]:
    """Freeze what exists, and from now on collect as above; afterwards all is as before.

    Enter it on the event loop that serves, once everything is started.

    Args:
        ended: calls that have ended since the start.
        active: calls on the line now.
        ahead: raised before a collection that calls have to bear, and told when it is.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    looking = asyncio.create_task(_look(ended, ended(), active, ahead), name="garbage")
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        gc.set_threshold(*before)
        gc.unfreeze()


async def _look(ended: Callable[[], int], seen: int, active: Callable[[], int], ahead: Ahead) -> None:
    while True:
        await asyncio.sleep(_EVERY_S)
        now = ended()
        if not due(now - seen, active()):
            continue
        try:
            if active():
                ahead.ms = ANNOUNCED_MS
                await asyncio.sleep(_NOTICE_S)
            ahead.collecting = True
            gc.collect()
        finally:
            ahead.ms, ahead.collecting = 0, False
        seen = now
