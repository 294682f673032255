"""How people decide: how often they grant, how long they take, and whether they notice a decoy. Pure.

Who grants everything within two seconds reads nothing. A decoy is a request made up by the operator
that has to be refused; which ones are decoys stands in sealed content only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from controls.approval import Word


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision that counted; ``after_s``: s from the request to it; ``blind``: they were not shown it."""

    by: str
    word: Word
    after_s: int
    decoy: bool = False
    blind: bool = False


@dataclass(frozen=True, slots=True)
class Rates:
    """What a person's (or everybody's) decisions come to.

    Attributes:
        decided: decisions on real requests.
        approval_rate: share of them granted or edited, 0 to 1; None without any.
        median_s: time to a decision, decoys among them, s; None without any.
        decoys: decoys decided on; ``caught`` of them were refused or taken over, ``granted_decoys`` granted
            or edited.
        undecided_decoys: decoys that ran out, or whose caller was gone, before anybody decided.
        blind: decisions, on decoys too, by whoever had not been shown what they were about.
        expired, late: requests nobody decided in time, and decisions that came too late.
    """

    decided: int
    approval_rate: float | None
    median_s: float | None
    decoys: int
    caught: int
    expired: int = 0
    late: int = 0
    granted_decoys: int = 0
    undecided_decoys: int = 0
    blind: int = 0


def rates(decisions: Iterable[Decided], *, expired: int = 0, late: int = 0, undecided: int = 0) -> Rates:
    """What these decisions come to; ``undecided``: decoys nobody decided on."""
    every = list(decisions)
    real = [d for d in every if not d.decoy]
    decoys = [d for d in every if d.decoy]
    granted = sum(d.word in ("granted", "edited") for d in real)
    return Rates(
        decided=len(real),
        approval_rate=granted / len(real) if real else None,
        median_s=float(median(d.after_s for d in every)) if every else None,
        decoys=len(decoys),
        caught=sum(d.word in ("refused", "taken_over") for d in decoys),
        expired=expired,
        late=late,
        granted_decoys=sum(d.word in ("granted", "edited") for d in decoys),
        undecided_decoys=undecided,
        blind=sum(d.blind for d in every),
    )
