"""What an option takes: types for ``argparse`` that say so when they are given something else."""

from __future__ import annotations

import argparse
import re
from typing import NoReturn

_MOST_COUNT = 1_000_000
_WEEK_S = 604_800.0
_MINUTE_MS = 60_000.0


class Parser(argparse.ArgumentParser):
    """Says what an option takes, in the option's own name: "--calls takes …, not 'x'"."""

    def error(self, message: str) -> NoReturn:
        super().error(re.sub(r"^argument (\S+): (?=takes )", r"\1 ", message))


def count(text: str) -> int:
    """How many of something, at least one.

    Raises:
        argparse.ArgumentTypeError: it is no such number.
    """
    value = int(text) if re.fullmatch(r"[0-9]{1,7}", text) else 0
    if not 1 <= value <= _MOST_COUNT:
        raise argparse.ArgumentTypeError(f"takes whole numbers of 1 or more, not '{text}'")
    return value


def seconds(text: str) -> float:
    """A time that is not nothing, s.

    Raises:
        argparse.ArgumentTypeError: as ``count``.
    """
    value = _number(text)
    if not 0 < value <= _WEEK_S:
        raise argparse.ArgumentTypeError(f"takes seconds above 0, a week at most, not '{text}'")
    return value


def milliseconds(text: str) -> float:
    """A delay, ms; it may be nothing.

    Raises:
        argparse.ArgumentTypeError: as ``count``.
    """
    value = _number(text)
    if not 0 <= value <= _MINUTE_MS:
        raise argparse.ArgumentTypeError(f"takes milliseconds from 0 to 60000, not '{text}'")
    return value


def percent(text: str) -> float:
    """A share, percent.

    Raises:
        argparse.ArgumentTypeError: as ``count``.
    """
    value = _number(text)
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"takes percent from 0 to 100, not '{text}'")
    return value


def _number(text: str) -> float:
    """A number, or one that is in no range."""
    try:
        return float(text)
    except ValueError:
        return float("nan")
