"""What tests of cosigners share: one that runs, what it logged, and how long to wait at most."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from loguru import logger

from controls.ledger.cosign import Cosigner
from controls.ledger.witness_client import WitnessAddress
from tests.simulators.witness import GrowingLog

#: Longest wait for what must happen, s; never used up by what works.
LONG = 60.0


class Logged:
    """What was logged, at its level."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def at(self, level: str) -> list[str]:
        return [text for name, text in self.lines if name == level]

    @classmethod
    @contextmanager
    def listening(cls) -> Iterator[Logged]:
        found = cls()
        sink = logger.add(
            lambda m: found.lines.append((m.record["level"].name, m.record["message"])), level=0
        )
        yield found
        logger.remove(sink)


@contextmanager
def cosigner(
    log: GrowingLog, *witnesses: WitnessAddress, timeout_s: float = LONG, **options: Any
) -> Iterator[Cosigner]:
    made = Cosigner(
        log, witnesses, options.pop("every_s", 3600.0), prove=log.prove, timeout_s=timeout_s, **options
    )
    made.start()
    try:
        yield made
    finally:
        made.close()


def states(made: Cosigner) -> list[str]:
    return [s.state for s in made.standings]
