"""Appends as fast as it can and prints each receipt; ``test_crash.py`` kills it."""

from __future__ import annotations

import sys
from pathlib import Path

from controls.ids import new_id
from tests.controls.ledger.support import open_log, said


def main(directory: Path) -> None:
    log, call = open_log(directory, checkpoint_every_s=0.02), new_id("c")
    print(call, flush=True)
    turn = 0
    while True:
        # A group of records, every third with content for the folder; and one for the spool.
        group = [log.append(*said(call, turn + i, "word " * (5000 if i % 3 == 0 else 1))) for i in range(7)]
        for i, future in enumerate(group):
            print(future.result().leaf, turn + i, flush=True)
        turn += 7
        if turn % 70 == 0:
            log.append_spooled(*said(call, turn))
            print("spooled", turn, flush=True)
            turn += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]))
