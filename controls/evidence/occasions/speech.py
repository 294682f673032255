"""What was disclosed, asked of the model, judged and spoken in one call. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from controls.decision import Verdict
from controls.evidence.occasions.tally import Call, Tallies
from controls.ledger import records as r

#: Ends of a call after which an answer that nobody got is no gap: there was nobody to give it to.
_WENT = frozenset(("caller", "carrier", "unknown"))


@dataclass(slots=True)
class Speech:
    """Topics: disclosure, clause, scope, risk, provenance, measured."""

    of: Call
    tallies: Tallies = field(default_factory=Tallies)
    # the disclosure
    opened: int = -1
    in_full: int = -1
    in_part: bool = False
    undisclosed: r.ControlFailed | None = None
    conversation: int = -1
    to_person: int = -1
    answered: bool = False
    # clauses
    cleared: dict[str, int] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    bound: bool = False
    # turns
    said: set[int] = field(default_factory=set)
    provisional: set[int] = field(default_factory=set)
    to_model: dict[int, int] = field(default_factory=dict)
    rests_on_nothing: dict[int, int] = field(default_factory=dict)
    proposed: dict[int, int] = field(default_factory=dict)
    settled: set[int] = field(default_factory=set)
    ended: r.CallClosed | r.CallRecovered | None = None

    def add(self, leaf: int, record: r.Record) -> None:
        match record:
            case r.CallOpened():
                self.opened = leaf
            case r.ReleaseBound():
                self.bound = True
            case r.MediaOpened():
                self.answered = True
            case r.DisclosurePlayed():
                self._disclosed(leaf, record)
            case r.CallerSaid():
                self._caller(leaf, record)
            case r.TurnProvisional():
                self.provisional.add(record.turn)
            case r.TurnDecided():
                self._decided(leaf, record)
            case r.TurnWithdrawn():
                self.settled.add(record.turn)
                self.tallies["provenance"].challenge(record.at)
            case r.ClauseCleared() | r.ClauseRefused():
                self._judged(leaf, record)
            case r.AgentPlayed():
                self._played(leaf, record)
            case r.ToolRequested() | r.ToolRefused():
                self._used(leaf, record)
            case r.HandoffRequested() | r.EmergencyDetected():
                self.to_person = leaf if self.to_person < 0 else self.to_person
            case r.ControlFailed():
                self._broke(record)
            case r.CallClosed() | r.CallRecovered():
                self.ended = record
            case _:
                pass

    def _disclosed(self, leaf: int, record: r.DisclosurePlayed) -> None:
        self.answered = True
        if not record.in_full:
            self.in_part = True
            return
        self.in_full = leaf if self.in_full < 0 else self.in_full
        if self.in_part or record.attempt > 1:
            self.tallies["disclosure"].challenge(record.at)  # cut off, and played again to its end

    def _caller(self, leaf: int, record: r.CallerSaid) -> None:
        self.answered = True
        self.said.add(record.turn)
        if record.addressed == "model":
            self.to_model[record.turn] = leaf

    def _decided(self, leaf: int, record: r.TurnDecided) -> None:
        known = self.provisional if record.provisional else self.said
        if record.turn:
            if record.turn in known:
                self.tallies["provenance"].judge(True, self.of.where(leaf))
            else:
                self.rests_on_nothing[leaf] = record.turn  # unless its words come later, from the spool
        if record.outcome in ("answered", "tools") and not record.provisional:
            self._talks(leaf)
            self.proposed[record.turn] = leaf
        elif record.outcome in ("withdrawn", "failed"):
            self.settled.add(record.turn)

    def _talks(self, leaf: int) -> None:
        """The model takes part from here on."""
        self.conversation = leaf if self.conversation < 0 else self.conversation

    def _judged(self, leaf: int, record: r.ClauseCleared | r.ClauseRefused) -> None:
        self._talks(leaf)
        self.settled.add(record.turn)
        limit = self.of.terms.cleared_below
        if isinstance(record, r.ClauseCleared):
            self.cleared[record.clause] = leaf
            self.tallies["risk"].judge(record.risk < limit, self.of.where(leaf))
            if record.verdict is Verdict.REWRITE:
                self.tallies["clause"].challenge(record.at)
            return
        self.refused.add(record.clause)
        self.tallies["clause"].challenge(record.at)
        self.tallies["risk"].judge(True, self.of.where(leaf))
        if record.risk >= limit:
            self.tallies["risk"].challenge(record.at)
        if "A.9.4" in record.annex_a:
            self.tallies["scope"].challenge(record.at)

    def _used(self, leaf: int, record: r.ToolRequested | r.ToolRefused) -> None:
        self.settled.add(record.turn)
        if record.score is not None:
            cleared = isinstance(record, r.ToolRequested)
            self.tallies["risk"].judge(
                not cleared or record.score < self.of.terms.cleared_below, self.of.where(leaf)
            )
        if isinstance(record, r.ToolRefused) and record.reason == "rule":
            self.tallies["scope"].challenge(record.at)

    def _played(self, leaf: int, record: r.AgentPlayed) -> None:
        self.settled.add(record.turn)
        cleared = self.cleared.pop(record.clause, None) is not None
        if not record.samples:
            return  # nothing sounded, so nothing had to be cleared
        self.answered = True
        held = self.bound if record.fixed else cleared and record.clause not in self.refused
        self.tallies["clause"].judge(held, self.of.where(leaf))

    def _broke(self, record: r.ControlFailed) -> None:
        if record.control == "disclosure":
            self.undisclosed = record
        if record.reason in ("deadline", "exhausted"):
            self.tallies["measured"].challenge(record.at)

    # -- at the end -------------------------------------------------------------------------------

    def finish(self, tallies: Tallies) -> None:
        if self.answered and self.opened >= 0:
            self._finish_disclosure()
        for leaf, turn in self.rests_on_nothing.items():
            self.tallies["provenance"].judge(turn in self.said, self.of.where(leaf))
        if self.ended is not None:
            for leaf in self.cleared.values():
                self.tallies["clause"].judge(None, self.of.where(leaf))  # whether it sounded nobody says
            self._finish_turns()
        tallies.add(self.tallies)

    def _finish_disclosure(self) -> None:
        """In full before the model took part, or somebody else did, or nobody had a conversation at all."""
        tally, where = self.tallies["disclosure"], self.of.where(self.opened)
        begun = self.conversation
        fetched = self.to_person >= 0 and (begun < 0 or self.to_person < begun)
        if begun < 0 or 0 <= self.in_full < begun or fetched:
            tally.judge(True, where)
        else:
            tally.judge(False if self.in_part or self.in_full >= 0 else None, where)
        if self.undisclosed is not None and (begun < 0 or fetched):
            tally.challenge(self.undisclosed.at)  # it could not be played, and a person was fetched

    def _finish_turns(self) -> None:
        last = max(self.said | set(self.proposed), default=0)
        went = isinstance(self.ended, r.CallRecovered) or (
            self.ended is not None and self.ended.ended_by in _WENT
        )
        for turn, leaf in self.proposed.items():
            nothing_came = turn not in self.settled and not (turn == last and (went or self.to_person >= 0))
            self.tallies["scope"].judge(None if nothing_came else True, self.of.where(leaf))
        newest = max(self.settled, default=0)
        for turn, leaf in self.to_model.items():
            # Words said while something else was spoken are answered together, by the newest of them.
            answered = turn <= newest or self.to_person >= 0 or (turn == last and went)
            self.tallies["measured"].judge(True if answered else None, self.of.where(leaf))
