"""The options of ``python -m loadtests pauses`` and of ``python -m loadtests.pauses``: one set for both.

Imports nothing that measures: ``--help`` is quick.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from loadtests.arguments import count
from loadtests.pauses.settings import SNR_DB, TEXT_MS, VOICES, Patience, Settings


@dataclass(frozen=True, slots=True)
class PauseOptions:
    """What was asked for.

    Attributes:
        file: a labelled set; None: the one that comes with this.
        processes: None: one for each core.
    """

    settings: Settings = field(default_factory=Settings)
    file: Path | None = None
    processes: int | None = None


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
    add("--processes", type=count, default=None, metavar="N", help="default: one for each core")
    add("--file", type=Path, default=None, help="another labelled set (YAML)")


def read_options(given: argparse.Namespace) -> PauseOptions:
    """What a parser with these options found.

    Raises:
        OperatorError: a value that cannot be measured with.
    """
    settings = Settings(tuple(given.voices), given.snr, given.text_ms, given.patience)
    return PauseOptions(settings, given.file, given.processes)
