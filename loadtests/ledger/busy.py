"""A busy writer that tells what it was receipted, for ``ledger_crash`` to kill.

``python -m loadtests.ledger.busy DIRECTORY SEED AHEAD_S``: several threads append to
one ledger, every fifth record with content large enough for the blobs' folder; one
uses the fallback spool, one erases, one rotates the log's key, and the clock runs
into a new period now and then. Each receipt is one line on standard output:

    opening
    open
    leaf <origin> <leaf> <call> <turn>
    spooled <call> <turn>
    erased <artefact>
    rotated <key's name>
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import threading
import time
from pathlib import Path

from controls.errors import LedgerError
from controls.ids import new_id
from controls.ledger.ledger import Ledger
from controls.ledger.reader import Reader
from loadtests.ledger.calls import TENANT, closed, opened, said, tagger

#: Threads that append, records on the way in each, and what a large content repeats.
APPENDERS, _GROUP, _LARGE = 4, 7, 5000
#: A period is a quarter; the clock jumps by this many s into the next.
_QUARTER_S = 92 * 86_400


def words(call: str, turn: int) -> str:
    """What is said in that turn, so that whoever looks later knows it."""
    return f"{call} {turn} " + "word " * (_LARGE if turn % 5 == 0 else 3)


class LeapingClock:
    """The system's clocks, ahead by some quarters."""

    def __init__(self, ahead_s: int) -> None:
        self.ahead_s = ahead_s

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def unix_s(self) -> float:
        return time.time() + self.ahead_s


def tell(*words: object) -> None:
    """One line in one write, whole or not there."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class Busy:
    """The threads, and what they share."""

    def __init__(self, root: Path, seed: int, ahead_s: int) -> None:
        self.root = root
        self.seed = seed
        self.clock = LeapingClock(ahead_s)
        tell("opening")
        self.ledger = Ledger.open(root, tagger=tagger, clock=self.clock, spool_bytes=1 << 18)
        self.ledger.prepare(TENANT)
        tell("open")

    def run(self) -> None:
        """Until killed."""
        jobs = [self.append] * APPENDERS + [self.spool, self.erase, self.rotate, self.leap]
        for number, job in enumerate(jobs):
            rng = random.Random(f"{self.seed} {number}")
            threading.Thread(target=job, args=(rng,), daemon=True).start()
        threading.Event().wait()

    def append(self, rng: random.Random) -> None:
        while True:
            self.call(rng)

    def call(self, rng: random.Random) -> None:
        """One call: opened, some groups of records on the way at once, closed."""
        call, turn = new_id("c"), 0
        self.ledger.append(*opened(call))
        while True:
            group = []
            for _ in range(_GROUP):
                group.append((turn, self.ledger.append(*said(call, turn, words(call, turn)))))
                turn += 1
            for number, future in group:
                with contextlib.suppress(LedgerError):  # said aloud is all that is asked of it
                    receipt = future.result()
                    tell("leaf", receipt.origin, receipt.leaf, call, number)
            if rng.random() < 0.05:
                self.ledger.append(*closed(call, turn + 1))
                return

    def spool(self, rng: random.Random) -> None:
        call, turn = new_id("c"), 0
        while True:
            time.sleep(rng.expovariate(20))
            with contextlib.suppress(LedgerError):
                self.ledger.append_spooled(*said(call, turn, words(call, turn)))
                tell("spooled", call, turn)
            turn += 1

    def erase(self, rng: random.Random) -> None:
        while True:
            time.sleep(rng.expovariate(20))
            with Reader.open(self.root) as reader, contextlib.suppress(LedgerError):
                there = [a for view in reader.views() if view.tenant == TENANT for a, _ in view.blobs()]
                if there:
                    artifact = rng.choice(there)
                    self.ledger.erase(TENANT, artifact, ground="request").result()
                    tell("erased", artifact)

    def rotate(self, rng: random.Random) -> None:
        while True:
            time.sleep(rng.expovariate(5))
            tell("rotated", self.ledger.rotate(TENANT).name)

    def leap(self, rng: random.Random) -> None:
        while True:
            time.sleep(rng.expovariate(1))
            self.clock.ahead_s += _QUARTER_S
            self.ledger.prepare(TENANT)  # looks at the calendar


if __name__ == "__main__":
    Busy(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])).run()
