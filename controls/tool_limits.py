"""How often a tool may be used and for how much: per use, and in any 24 hours. Pure.

Amounts are counted in whole millionths of the unit the argument has, and rounded up, so that
what is counted is never less than what was asked for. "A day" is the last 24 hours: no
midnight lets twice the limit through, and no time zone has to be agreed on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

#: What a day is, s.
DAY_S = 24 * 60 * 60
#: An amount of 1, as it is counted.
MILLIONTHS = 1_000_000
#: Limits above this are none (units); it keeps what is counted within 64 bits.
MOST_AMOUNT = 1_000_000_000.0

Over = Literal["too_often", "too_much"]


@dataclass(frozen=True, slots=True)
class AmountLimit:
    """Bounds of one numeric argument, in its own unit; None is no bound.

    Attributes:
        argument: its name.
        at_most: of one use.
        per_day: of all uses in any 24 hours together.
    """

    argument: str
    at_most: float | None = None
    per_day: float | None = None


@dataclass(frozen=True, slots=True)
class Used:
    """What was counted in the last 24 hours: uses, and their amounts in millionths."""

    uses: int = 0
    amount: int = 0


class NoAmount(ValueError):
    """The argument holds no number that could be counted: it lacks, is no number, or is below nought."""


def amount_of(limit: AmountLimit | None, arguments: Mapping[str, Any]) -> int:
    """What a use would count for, in millionths, rounded up; 0 where nothing is limited.

    Raises:
        NoAmount: an amount below nought would give back what others used.
    """
    if limit is None:
        return 0
    value = arguments.get(limit.argument)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NoAmount(limit.argument)
    if value < 0 or (isinstance(value, float) and not math.isfinite(value)):
        raise NoAmount(limit.argument)
    return math.ceil(_exact(value) * MILLIONTHS)


def over(
    per_day: int | None, limit: AmountLimit | None, amount: int, used: Used = Used()
) -> tuple[Over, str] | None:
    """Which limit a further use of ``amount`` would break, and why in words; None when it fits.

    Args:
        per_day: uses in any 24 hours.
        amount: as ``amount_of``.
        used: what was counted in the last 24 hours, without this use.
    """
    if limit is not None and limit.at_most is not None and amount > _counted(limit.at_most):
        return "too_much", f"{limit.argument} is more than {limit.at_most:g}, the most for one use"
    if per_day is not None and used.uses >= per_day:
        return "too_often", f"used {per_day} times in a day already, which is the most"
    if limit is not None and limit.per_day is not None and used.amount + amount > _counted(limit.per_day):
        return "too_much", f"with this the {limit.argument} of a day would be more than {limit.per_day:g}"
    return None


def _counted(limit: float) -> int:
    return math.floor(_exact(limit) * MILLIONTHS)


def _exact(value: float) -> Fraction:
    """A fraction as it is written: 0.1 is a tenth."""
    return Fraction(value) if isinstance(value, int) else Fraction(repr(value))
