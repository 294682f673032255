"""Nothing that is asked outlives the logs it is asked for."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from controls.ledger.shown import Shown


class Asked:
    """A cosigner that asks nobody."""

    started = closed = False

    def start(self) -> None:
        self.started = True

    def close(self) -> None:
        self.closed = True


def log(name: str) -> Any:
    return cast(Any, SimpleNamespace(directory=Path(name), origin=name))


def test_a_log_that_opens_while_the_house_closes_asks_nobody() -> None:
    made: list[Asked] = []

    def cosigner(_: object) -> Asked:
        made.append(Asked())
        return made[-1]

    shown = Shown(publish=False, cosigner=cosigner)
    shown.show(log("first"))
    shown.stop_asking()
    shown.show(log("late"))
    shown.close()
    assert [(asked.started, asked.closed) for asked in made] == [(True, True)]
