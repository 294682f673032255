"""What the caller said, as the walk knows it, against the turns on record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from controls.ledger import records as r
from tests.simulators.whole import Entry

#: In place of a caller's words that are kept nowhere, and what masks a part of them.
_WITHHELD, _MASKED = "[withheld]", "["


@dataclass(frozen=True, slots=True)
class Said:
    """What the caller said; ``durable`` as in ``Sounded``, when they did.

    Attributes:
        private: figures were being entered, before it or after it.
        last: the call was about to end: it may have come too late.
    """

    text: str
    durable: int
    private: bool = False
    last: bool = False


def said_on_record(entries: Sequence[Entry], said: Sequence[Said]) -> list[str]:
    """Each turn of the caller's is on record once, in order, in their words or in none."""
    turns = sorted(
        ((x.turn, x.kept, p.text) for x, p in entries if isinstance(x, r.CallerSaid)),
        key=lambda turn: turn[0],
    )
    return _in_order(said, turns)


def _in_order(said: Sequence[Said], turns: list[tuple[int, bool, str]]) -> list[str]:
    """The reading under which least is wrong: words that were kept nowhere leave more than one."""
    best: dict[int, list[str]] = {0: []}  # turns accounted for so far -> what is wrong then
    for words in said:
        after: dict[int, list[str]] = {}
        for n, found in best.items():
            missing = f"the caller's words {words.text!r} are not on record where they were said"
            left_out = found if words.private or words.last else [*found, missing]
            if n not in after or len(left_out) < len(after[n]):
                after[n] = left_out
            fits = n < len(turns) and _may_be(words, *turns[n][1:])
            if fits and (n + 1 not in after or len(found) < len(after[n + 1])):
                after[n + 1] = found
        best = after
    whole = [f + [f"turn {t} was said by nobody" for t, _, _ in turns[n:]] for n, f in best.items()]
    return min(whole, key=len)


def _may_be(words: Said, kept: bool, text: str) -> bool:
    if not kept:
        return text == ""
    return (
        text == words.text or (words.private and text == _WITHHELD) or (_MASKED in text and bool(words.text))
    )
