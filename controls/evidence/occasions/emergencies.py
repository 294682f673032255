"""Emergencies in one call, as its records tell of them. Pure.

One holds where both are on record:

1. somebody was fetched for it (not for one that was only asked back);
2. its words, which name the number to dial, sounded in full behind it; or a person had the caller.

Words cut short because the caller hung up are no fault: nothing was said to them any more. Words cut by
anything else are one, whatever came of the handoff. Named again while its words sound, or while somebody is
fetched, an emergency is the same one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from controls.evidence.occasions.tally import Call, Tallies
from controls.ledger import records as r

#: A handoff that ended so was not tried any further.
_GIVEN_UP = frozenset(("overtaken", "declined"))
#: Who ended a call that nobody of the house ended.
_GONE = frozenset(("caller", "carrier"))


@dataclass(slots=True)
class _Emergency:
    """One that nothing is said of yet.

    Attributes:
        at: Unix time in s.
        fetched: somebody was fetched for it, or none need be.
        told: its words sounded in full.
        reached: a person had the caller.
        cut: its words were cut, or did not sound.
        spoke_on: after that the caller was told something else.
    """

    at: int
    turn: int
    fetched: bool
    told: bool = False
    reached: bool = False
    cut: bool = False
    spoke_on: bool = False

    @property
    def held(self) -> bool:
        return self.fetched and (self.told or self.reached)

    def excused(self, gone: bool) -> bool:
        """The caller hung up before its words had sounded."""
        return self.fetched and gone and not self.spoke_on


@dataclass(slots=True)
class Emergencies:
    """One call's; judged into ``tallies`` as soon as its records allow.

    Attributes:
        open: by leaf, those of which it is not known yet.
        requested: handoffs that are not over.
        handoffs: of these, made for an emergency, or under way when one was named.
        urgent: somebody was fetched for one in this call.
        told: the words of the one that is under way have sounded.
    """

    of: Call
    tallies: Tallies
    open: dict[int, _Emergency] = field(default_factory=dict)
    requested: set[str] = field(default_factory=set)
    handoffs: set[str] = field(default_factory=set)
    urgent: bool = False
    told: bool = False
    gone: bool = False

    def add(self, leaf: int, record: r.Record) -> None:
        """Take the call's next record."""
        match record:
            case r.EmergencyDetected():
                self._detected(leaf, record)
            case r.AgentPlayed():
                self._played(record)
            case r.HandoffRecord():
                self._handoff(record)
            case r.CallClosed():
                self.gone = record.ended_by in _GONE
            case _:
                return
        self._settle()

    def _detected(self, leaf: int, record: r.EmergencyDetected) -> None:
        if record.asked_back:
            self.open[leaf] = _Emergency(record.at, record.turn, fetched=True)
            return
        goes_on = bool(self.handoffs)
        self.told = self.told and goes_on
        self.open[leaf] = _Emergency(record.at, record.turn, fetched=goes_on, told=self.told)
        self.handoffs |= self.requested

    def _played(self, record: r.AgentPlayed) -> None:
        full = record.samples > 0 and record.samples == record.of_samples and not record.interrupted
        for one in self.open.values():
            if record.turn < one.turn:
                continue
            if record.script:
                one.told, one.cut = one.told or full, not full
                one.fetched = one.fetched or self.urgent  # said again while its number was being said
            elif record.samples and (one.cut or not record.interrupted):
                one.spoke_on = True
        self.told = self.told or (bool(record.script) and full)

    def _handoff(self, record: r.HandoffRecord) -> None:
        given_up = isinstance(record, r.HandoffFailed) and record.reason in _GIVEN_UP
        reached = isinstance(record, r.HandoffAccepted | r.HandoffCompleted)
        for one in self.open.values():
            one.fetched = one.fetched or not given_up
            one.reached = one.reached or reached
        if not isinstance(record, r.HandoffRequested):
            self.requested.discard(record.handoff)
            self.handoffs.discard(record.handoff)
            self.told = self.told and bool(self.handoffs)
            return
        self.requested.add(record.handoff)
        if record.requested_by == "emergency":
            self.handoffs.add(record.handoff)
            self.urgent = True

    def _settle(self) -> None:
        for leaf, one in list(self.open.items()):
            if one.held:
                del self.open[leaf]
                self._judge(leaf, one, True)

    def _judge(self, leaf: int, one: _Emergency, held: bool | None) -> None:
        tally = self.tallies["emergency"]
        tally.judge(held, self.of.where(leaf))
        if held:
            tally.challenge(one.at)

    def finish(self, under_way: bool) -> None:
        """The call is over.

        Args:
            under_way: of some handoff no record tells the outcome.
        """
        for leaf, one in self.open.items():
            held: bool | None = one.excused(self.gone)
            if not held and under_way and not one.fetched:
                held = None
            self._judge(leaf, one, held)
        self.open.clear()
