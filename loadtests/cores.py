"""Who computes where: server, generator and suppliers each on cores of their own, as far as there are any.

A generator that takes time from the server it measures measures itself. With two
cores the generator and the suppliers share one; with one core nothing is pinned,
and the run's gates tell whether it counts.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TOPOLOGY = Path("/sys/devices/system/cpu")


@dataclass(frozen=True, slots=True)
class Cores:
    """Logical CPUs by part; an empty one is not pinned."""

    server: tuple[int, ...] = ()
    generator: tuple[int, ...] = ()
    suppliers: tuple[int, ...] = ()


def available_cores() -> tuple[int, ...]:
    """Logical CPUs this process may use; () where the system cannot tell."""
    if not hasattr(os, "sched_getaffinity"):
        return ()
    return tuple(sorted(os.sched_getaffinity(0)))


def choose_cores(
    available: Sequence[int] | None = None,
    *,
    server_most: int | None = None,
    together: Sequence[Sequence[int]] | None = None,
) -> Cores:
    """Share out the cores: one for the generator, one for the suppliers from three on, the rest serve.

    Args:
        available: logical CPUs; all this process may use by default.
        server_most: the server gets no more than so many: 1 shows what one core carries.
        together: logical CPUs of one physical core each; read from the system by default.
            Server and generator never share one where there are two.
    """
    mine = tuple(available_cores() if available is None else available)
    if len(mine) < 2:
        return Cores()
    order = _apart(mine, _siblings(mine) if together is None else together)
    if len(order) == 2:
        return Cores(server=order[1:], generator=order[:1], suppliers=order[:1])
    serving = order[2:] if server_most is None else order[2 : 2 + server_most]
    return Cores(server=tuple(sorted(serving)), generator=order[:1], suppliers=order[1:2])


def _apart(mine: Sequence[int], together: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """The CPUs, physical core by physical core: what stands side by side may share one, ends never do."""
    ordered = [cpu for group in together for cpu in group if cpu in mine]
    return (*ordered, *(cpu for cpu in mine if cpu not in ordered))


def _siblings(mine: Sequence[int]) -> list[tuple[int, ...]]:
    """Logical CPUs that share a physical core, in order (Linux sysfs); each alone where nothing tells."""
    groups: dict[tuple[int, ...], None] = {}
    for cpu in mine:
        try:
            text = (_TOPOLOGY / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text("ascii")
            groups[_cpu_list(text)] = None
        except (OSError, ValueError):
            groups[(cpu,)] = None
    return list(groups)


def _cpu_list(text: str) -> tuple[int, ...]:
    """Linux's list format: ``0,4`` or ``0-1``."""
    found: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return tuple(found)


def start_process(command: Sequence[str], cores: Sequence[int], **options: Any) -> subprocess.Popen[str]:
    """``subprocess.Popen`` with text streams, pinned to ``cores`` from its first instruction on.

    On Linux a child inherits the affinity of the thread that starts it, and hands it to
    its own children: so a thread pins itself and starts it, and nothing runs between
    fork and exec. It leads a session of its own: Ctrl-C reaches the test, which stops it.

    Raises:
        OSError: it cannot be started.
    """
    made: list[subprocess.Popen[str]] = []
    failed: list[OSError] = []

    def start() -> None:
        try:
            pin_thread(cores)
            made.append(subprocess.Popen(command, text=True, start_new_session=True, **options))
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=start, name="start pinned")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made[0]


def pin_thread(cores: Sequence[int]) -> None:
    """Keep the calling thread on ``cores``; () leaves it alone.

    Raises:
        OSError: they are not this process's to use.
    """
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
