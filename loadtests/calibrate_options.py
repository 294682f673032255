"""The options of ``python -m loadtests calibrate`` and of ``python -m loadtests.calibrate``: one set.

Imports nothing that measures: ``--help`` is quick.
"""

from __future__ import annotations

import argparse
from typing import get_args

from loadtests.arguments import count
from loadtests.results import Transport

#: Utterances and their answers, by default.
TRIALS = 200


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give a parser ``trials``, ``transport``, ``callers`` (0: as many as it takes itself) and ``seed``."""
    add = parser.add_argument
    add("--trials", type=count, default=TRIALS, metavar="N", help="default: %(default)s")
    add("--transport", choices=get_args(Transport), default="twilio", help="default: %(default)s")
    add(
        "--calls", dest="callers", type=count, default=0, metavar="N",
        help="beside each other: what the callers' own load does to the error (default 20, browsers 5)",
    )  # fmt: skip
    add("--seed", type=int, default=0, help="of delays, and of where in a packet speech begins")
