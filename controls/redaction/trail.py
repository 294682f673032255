"""Card numbers that a caller says in pieces, turn by turn: what one turn alone does not show. Pure.

A recogniser ends a turn at a pause, and people pause between the groups of a card's number: four figures
here, four there, none of them a card. The trail remembers the figures of the turns just before.

* Once the caller has spoken of a card to pay with, each group of figures that follows is masked.
* Without that, the figures are joined, and the turn in which they become a card's number is masked whole. The
  groups before it stand where they went by then: of those figures nobody could know.
* As many figures as a card has, said in one breath and not as something else, are masked though its check
  digit fails and no card was understood: a recogniser that loses the word "card" loses a figure as easily.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from controls.ledger.records import PersonalData
from controls.redaction.checks import holds_card
from controls.redaction.marked import Marked, Run, Seen, labels_of
from controls.redaction.redactor import Found
from controls.redaction.tables import AMOUNTS, NOT_FOR_PAYING

#: A turn of figures has so many words beside them at most, to go on with what the turn before began.
_BESIDE = 4
#: Turns without figures after which nothing is going on any more.
_PATIENCE = 2
#: Figures kept: one less than the longest card has.
_KEPT = 18
#: Figures that can be a group of a card's, once one is spoken of; and in the very turn that names it.
_GROUP, _NAMED_GROUP = 3, 4
#: Figures a card's number has (ISO/IEC 7812-1, as in use).
_WHOLE_CARD = range(13, 20)
#: Labels that do not make figures something else than a card's.
_OF_CARDS = frozenset(("payment", "card", "card-code", "number"))
#: A card may be told by its last four (PCI DSS 4.0.1, requirement 3.4.1).
_LAST_FOUR = frozenset(("ends", "ending", "end", "last", "termina", "terminada", "acaba", "ultimos"))


@dataclass(frozen=True, slots=True)
class Trail:
    """Where a call's figures stand.

    Attributes:
        digits: those of the newest turns of figures, in order.
        card: the caller has spoken of a card to pay with, and goes on.
        silent: turns since the last figures.
    """

    digits: str = ""
    card: bool = False
    silent: int = 0

    def step(self, text: Seen) -> tuple[Trail, tuple[Found, ...]]:
        """Take a turn of the caller's; returns what is to be masked in it besides what it shows alone.

        Args:
            text: ``marked``, with what was said to the caller just before as its context. Figures that were
                asked for as something else, such as a telephone number, go on with nothing.
        """
        seen, sources = text
        speaks = _speaks_of_a_card(seen)
        if not seen.runs:
            silent = self.silent + 1
            if silent > _PATIENCE or not (self.digits or self.card or speaks):
                return Trail(card=speaks), ()
            return replace(self, card=self.card or speaks, silent=0 if speaks else silent), ()
        if not seen.labels.keys() <= _OF_CARDS:  # said, or asked for, as something else
            return Trail(), ()
        beside = sum(not token.isdecimal() for token in seen.tokens[seen.fresh :])
        goes_on = beside <= _BESIDE + sum(len(run.between) for run in seen.runs)
        said = "".join(run.digits for run in seen.runs)
        joined = self.digits + said if goes_on else said
        whole = goes_on and holds_card(joined)
        found = tuple(
            _found(seen, sources, run)
            for run in seen.runs
            if whole
            or (self.card and goes_on and len(run.digits) >= _GROUP)
            or (speaks and _said_to_be(seen, run))
            or _as_long_as_a_card(seen, run)
        )
        if whole:
            return Trail(card=True), found
        return Trail(joined[-_KEPT:], self.card or speaks), found


def _speaks_of_a_card(seen: Marked) -> bool:
    """Whether the caller's own words name a card to pay with."""
    own = seen.tokens[seen.fresh :]
    named = labels_of(own)
    return "payment" in named or ("card" in named and not NOT_FOR_PAYING & set(own))


def _said_to_be(seen: Marked, run: Run) -> bool:
    """Whether a group of figures follows the words that name the card; its last four may stay."""
    if len(run.digits) < _NAMED_GROUP or seen.token(run.last) in AMOUNTS:
        return False
    if _LAST_FOUR & set(seen.tokens[seen.fresh : run.first]):
        return False
    return any(seen.labelled(name, run.first, run.last, before=4, after=0) for name in ("payment", "card"))


def _as_long_as_a_card(seen: Marked, run: Run) -> bool:
    return len(run.digits) in _WHOLE_CARD and not NOT_FOR_PAYING & set(seen.tokens[seen.fresh : run.first])


def _found(seen: Marked, sources: list[tuple[int, int]] | None, run: Run) -> Found:
    a, b = seen.place(run.first, run.last)
    if sources is not None:
        a, b = sources[a][0], sources[b - 1][1]
    return Found(PersonalData.CARD, a, b)
