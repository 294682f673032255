"""The witness's server, which kills itself around a write when told to; ``test_witness_server.py`` runs it.

Usage: STATE LOGS. While ``STATE/die`` holds ``before`` or ``after``, the next
checkpoint ends the process with SIGKILL before it is stored, or right after.
"""

from __future__ import annotations

import os
import signal
import sys

from controls.ledger import witness_state
from controls.ledger.notes import Checkpoint
from voice_runtime.cli.app import run


class Dying(witness_state.WitnessState):
    def store(self, checkpoint: Checkpoint) -> None:
        order = self.directory / "die"
        when = order.read_text() if order.exists() else ""
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        super().store(checkpoint)
        if when == "after":
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    witness_state.WitnessState = Dying  # type: ignore[misc]
    where = ["--state", sys.argv[1], "--logs", sys.argv[2]]
    sys.exit(run(["witness", "serve", *where, "--port", "0", "--json"]))
