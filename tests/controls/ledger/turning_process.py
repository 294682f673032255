"""Calls, rotations, new wrapping keys and ends of periods without pause, each told once it is durable.

``test_crash_turning.py`` kills it. The clock goes on a month in every round.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from controls.ids import new_id
from controls.ledger.ledger import Ledger
from tests.controls.ledger.support import TENANT, Clock, closed, opened, said, tagger

MONTH_S = 31 * 86_400


def begin(root: Path, clock: Clock) -> Ledger:
    return Ledger.open(root, tagger=tagger, clock=clock, period="month", spool_bytes=65_536)


def tell(line: str) -> None:
    """In one piece: two threads tell."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def talk(ledger: Ledger, stop: threading.Event) -> None:
    while not stop.is_set():
        call = new_id("c")
        futures = [ledger.append(*opened(call)), *(ledger.append(*said(call, t)) for t in range(3))]
        futures.append(ledger.append(closed(call, 4)))
        for future in futures:
            receipt = future.result(30)
            tell(f"{receipt.origin} {receipt.leaf} {call}")


def main(root: Path, rounds: int) -> None:
    clock, stop = Clock(), threading.Event()
    clock.now_s += rounds * MONTH_S
    ledger = begin(root, clock)
    ledger.prepare(TENANT)
    tell("ready")
    threading.Thread(target=talk, args=(ledger, stop), daemon=True).start()
    while True:
        ledger.rotate(TENANT)
        clock.now_s += MONTH_S
        ledger.keep()
        ledger.rewrap()
        tell("turned")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
