"""Where a load test stands, on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

#: Plain lines come no oftener than this, s.
_EVERY_S = 10.0


class Display(Protocol):
    """Told what happens; used as a context."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def say(self, text: str) -> None:
        """Something worth a line of its own."""
        ...

    def begin(self, what: str, calls: int) -> None:
        """A run of so many calls begins."""
        ...

    def call(self, outcome: str) -> None:
        """One of them is over."""
        ...


class Quiet:
    """Shows nothing; for tests and for runs inside others."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def say(self, text: str) -> None:
        """Nothing."""

    def begin(self, what: str, calls: int) -> None:
        """Nothing."""

    def call(self, outcome: str) -> None:
        """Nothing."""


class Lines(Quiet):
    """Plain lines."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._what, self._calls, self._done, self._other = "", 0, 0, 0
        self._told_at = 0.0

    def say(self, text: str) -> None:
        """One line."""
        print(f"{time.monotonic() - self._began:6.1f} s  {text}", file=sys.stderr, flush=True)

    def begin(self, what: str, calls: int) -> None:
        """One line."""
        self._what, self._calls, self._done, self._other = what, calls, 0, 0
        self._told_at = time.monotonic()
        self.say(f"{what}: {calls} calls")

    def call(self, outcome: str) -> None:
        """A line now and then, and for the last call."""
        self._done += 1
        self._other += outcome != "completed"
        now = time.monotonic()
        if self._done == self._calls or now - self._told_at >= _EVERY_S:
            self._told_at = now
            other = f", {self._other} not completed" if self._other else ""
            self.say(f"{self._what}: {self._done}/{self._calls} calls over{other}")


class Bars(Quiet):
    """A bar for the run in progress, lines above it."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} calls"),
            TextColumn("{task.fields[other]}", style="yellow"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            refresh_per_second=2,  # it is drawn on the generator's core
        )
        self._task: TaskID | None = None
        self._other = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """A line above the bar."""
        self._progress.console.print(text, markup=False, highlight=False)

    def begin(self, what: str, calls: int) -> None:
        """A new bar; those before stay."""
        self._other = 0
        self._task = self._progress.add_task(what, total=calls, other="")

    def call(self, outcome: str) -> None:
        """One step."""
        if self._task is None:
            return
        self._other += outcome != "completed"
        other = f"{self._other} not completed" if self._other else ""
        self._progress.update(self._task, advance=1, other=other)


def display() -> Display:
    """Bars on a terminal, lines elsewhere."""
    return Bars() if sys.stderr.isatty() else Lines()
