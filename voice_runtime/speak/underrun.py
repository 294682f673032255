"""Silences in the agent's speech that are of our making, and why they came. Pure.

Egress keeps 100 to 160 ms of audio ahead of the caller's ear, and sends up to 60 ms a message. Where it has
none left and speech goes on, the caller gets silence. What egress knows of the cause is what came last:

- ``loop``: samples and receipt were there in time, and egress was woken late: the event loop, or the machine.
- ``record``: the receipt of the next clause came late: the ledger.
- ``synthesis``: the samples in the middle of a clause came late: the voice.
- ``source``: the next clause of the same answer was not there: the model, its guard or the clause's first
  samples. Beyond a second that is a wait, told by other figures, and no underrun.

A browser's outgoing track runs dry by a clock of its own. Mostly egress has just said why; where it found
itself in time, the cause is ``unknown``.
"""

from __future__ import annotations

from typing import Literal

from voice_runtime.events import CHUNK_MS

Cause = Literal["loop", "record", "synthesis", "source"]
TrackCause = Cause | Literal["unknown"]

#: Callers play 20 ms at a time, however many a message brings: silence longer than that counts, ns.
_TOLERATED_NS = CHUNK_MS * 1_000_000
#: Silence between two clauses up to this long is an underrun, ns.
_LONGEST_NS = 1_000_000_000


def underrun(due_ns: int, now_ns: int, samples_ns: int, admitted_ns: int, *, in_clause: bool) -> Cause | None:
    """Why samples that go out now leave a silence before them; None: they leave none. Monotonic times.

    Args:
        due_ns: when all that was sent before them has sounded, its last message whole; 0: nothing was.
        samples_ns: when they came, if egress had no others; else some earlier time.
        admitted_ns: when their clause's receipt had come.
        in_clause: they go on with a clause, not only with an answer.
    """
    silent_ns = now_ns - due_ns
    if not due_ns or silent_ns <= _TOLERATED_NS:
        return None
    if in_clause:
        return "synthesis" if samples_ns > due_ns else "loop"
    if silent_ns > _LONGEST_NS:
        return None
    if samples_ns > due_ns:
        return "source"
    return "record" if admitted_ns > due_ns else "loop"
