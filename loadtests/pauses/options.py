"""The options of ``python -m loadtests pauses`` and of ``python -m loadtests.pauses``: one set for both.

Imports nothing that measures: ``--help`` is quick.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from loadtests.arguments import count
from loadtests.pauses.settings import SNR_DB, TEXT_MS, VOICES, Patience, Settings

#: The sets that come with this and can be said, by the names ``--sets`` takes.
SetName = Literal["first", "held_out", "listening", "listening_second"]
#: A part of a set: turns while the agent is silent, interjections while it speaks.
Part = Literal["utterances", "interjections"]


@dataclass(frozen=True, slots=True)
class PauseOptions:
    """What was asked for.

    Attributes:
        file: a labelled set of its own; None: ``sets``.
        sets: of those that come with this.
        only: None: turns and interjections.
        processes: None: one for each core.
        show_cut: name what was cut off and by what; of the held-out set only where ``file`` is it.
    """

    settings: Settings = field(default_factory=Settings)
    file: Path | None = None
    sets: tuple[SetName, ...] = ("first", "held_out")
    only: Part | None = None
    processes: int | None = None
    show_cut: bool = False


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give a parser these options; ``read_options`` reads what it finds."""
    add = parser.add_argument
    add(
        "--voices", nargs="+", choices=tuple(VOICES), default=list(VOICES),
        help="of flite; each says every utterance (default: all)",
    )  # fmt: skip
    add("--snr", type=float, default=SNR_DB, metavar="DB", help="of the line (default: %(default)s)")
    add(
        "--text-ms", type=int, default=TEXT_MS, metavar="MS",
        help="how late our policy gets the words (default: %(default)s)",
    )  # fmt: skip
    add(
        "--patience", choices=get_args(Patience), default="normal",
        help="of our policy (default: %(default)s)",
    )  # fmt: skip
    add(
        "--sets", nargs="+", choices=get_args(SetName), default=["first", "held_out"], metavar="SET",
        help="%(choices)s (default: the first and the held-out one)",
    )  # fmt: skip
    add(
        "--only", choices=get_args(Part), default=None,
        help="the turns of a set, or what is said over the agent (seconds instead of minutes; default: both)",
    )  # fmt: skip
    add("--processes", type=count, default=None, metavar="N", help="default: one for each core")
    add(
        "--file", type=Path, default=None,
        help="one labelled set (YAML) instead of those that come with this",
    )  # fmt: skip
    add(
        "--show-cut", action="store_true", default=False,
        help="name what our policy cut off or mistook, and by what; never of the held-out set,"
        " by which nobody may tune, unless --file is that set",
    )  # fmt: skip


def read_options(given: argparse.Namespace) -> PauseOptions:
    """What a parser with these options found.

    Raises:
        OperatorError: a value that cannot be measured with.
    """
    settings = Settings(tuple(given.voices), given.snr, given.text_ms, given.patience)
    sets = tuple(dict.fromkeys(given.sets))
    return PauseOptions(settings, given.file, sets, given.only, given.processes, given.show_cut)
