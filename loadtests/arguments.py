"""What an option takes: types for ``argparse`` that say so when they are given something else."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
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


def _within(words: str, fits: Callable[[float], bool]) -> Callable[[str], float]:
    """The type of an option that takes ``words``: a number for which ``fits`` is true."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan  # in no range
        if not fits(value):
            raise argparse.ArgumentTypeError(f"takes {words}, not '{text}'")
        return value

    return read


#: A time that is not nothing, s; a delay, ms, that may be; a share, percent. They raise as ``count`` does.
seconds = _within("seconds above 0, a week at most", lambda value: 0 < value <= _WEEK_S)
milliseconds = _within("milliseconds from 0 to 60000", lambda value: 0 <= value <= _MINUTE_MS)
percent = _within("percent from 0 to 100", lambda value: 0 <= value <= 100)
