"""Work that may wait, behind the event loop that may not: lower priority for threads and processes on Linux.

On Linux the nice value belongs to the thread (setpriority(2), "C library/kernel differences"), so a thread
of ours can stand behind the one that carries all audio. At +5 it gets a quarter of a core that both want
(kernel/sched/core.c, ``sched_prio_to_weight``: 335 against 1024) and all of one that is free. No more than
that, and the same for all: a thread that is starved while it has the interpreter's lock would stop the loop
itself. Elsewhere nothing happens: there a thread's number might be some process's.

Lowering needs no privilege and cannot be taken back without one: it is for threads and processes of our own
making only.
"""

from __future__ import annotations

import os
import sys
import threading

#: Added niceness of what may wait.
BACKGROUND_NICE = 5


def background_thread() -> None:
    """Put the calling thread, and those it starts from now on, behind the event loop."""
    _lower(threading.get_native_id())


def background_process(pid: int) -> None:
    """Put a process we have just started behind the event loop, before it has threads of its own."""
    _lower(pid)


def _lower(number: int) -> None:
    if sys.platform != "linux":
        return
    try:
        os.setpriority(os.PRIO_PROCESS, number, os.getpriority(os.PRIO_PROCESS, 0) + BACKGROUND_NICE)
    except OSError:  # it has just ended, or a container forbids it: then all are equal
        return
