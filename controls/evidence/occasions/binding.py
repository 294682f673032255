"""What a call is bound to, what carried it, and whether its records are all there. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from controls.evidence.occasions.tally import Call, Tallies
from controls.ledger import records as r
from controls.suppliers import SupplierRefused

#: Stages that every call has; one in which somebody speaks has a recogniser, too.
_STAGES = frozenset(("model", "voice"))
_SPOKEN = frozenset(("recogniser", *_STAGES))
#: Where nothing is deployed: there, no release has to be approved.
_TRYING_OUT = frozenset((r.Environment.DEMO, r.Environment.DEVELOPMENT))
#: Records that name a call and were not made by it (as ``controls.ledger.verify_calls``).
_ABOUT = (r.AccessViewed, r.ControlMissed, r.LegalHoldPlaced, r.LegalHoldLifted)


@dataclass(slots=True)
class Binding:
    """Topics: call, deployment, resources, media, supplier, responsible, numbers, language."""

    of: Call
    opened: r.CallOpened | None = None
    ended: r.CallClosed | r.CallRecovered | None = None
    first: int = -1
    begun: int = -1
    bound_first: int = -1
    media: int = -1
    bound: set[str] = field(default_factory=set)
    suppliers: list[tuple[int, r.SupplierBound]] = field(default_factory=list)
    strangers: list[int] = field(default_factory=list)
    said: bool = False
    spoken: bool = False
    next_n: int = 0
    in_order: bool = True
    own: int = 0
    late: int = 0
    closed: tuple[r.CallClosed, int] | None = None
    challenged: dict[str, int] = field(default_factory=dict)

    def add(self, leaf: int, record: r.Record) -> None:
        self.first = leaf if self.first < 0 else self.first
        self._number(record)
        match record:
            case r.CallOpened():
                self.opened = self.opened or record
            case r.SupplierBound():
                self.suppliers.append((leaf, record))
            case r.ReleaseBound():
                self.bound.add(record.release)
                self.bound_first = leaf if self.bound_first < 0 else self.bound_first
            case r.MediaOpened():
                self.media = leaf if self.media < 0 else self.media
            case r.MediaHalfDuplex():
                self._test("media", record)
            case r.CallerSaid():
                self.said = True
                self.spoken = self.spoken or record.engine != "typed"
                self._begins(leaf)
            case r.AgentPlayed() if record.samples:
                self._begins(leaf)
            case r.TurnDecided():
                self._decided(leaf, record)
            case r.HandoffFailed() | r.ClauseRefused():
                self._test("language", record)
            case r.ControlFailed():
                self._broke(record)
            case r.CallClosed() | r.CallRecovered():
                self.ended = record
            case _:
                pass

    def _number(self, record: r.Record) -> None:
        self.in_order = self.in_order and record.n == self.next_n
        self.next_n = record.n + 1
        if record.recovered:
            self._test("numbers", record)
        if isinstance(record, _ABOUT):
            return
        if isinstance(record, r.CallClosed):
            self.in_order = self.in_order and self.closed is None
            self.closed = (record, self.own)
        self.own += 1
        self.late += self.closed is not None and record.recovered

    def _begins(self, leaf: int) -> None:
        self.begun = leaf if self.begun < 0 else self.begun

    def _decided(self, leaf: int, record: r.TurnDecided) -> None:
        models = [s.supplier for _, s in self.suppliers if s.stage == "model"]
        if record.supplier not in models:
            self.strangers.append(leaf)
        elif record.supplier != models[0]:
            self._test("resources", record)  # another one of the chain stood in

    def _broke(self, record: r.ControlFailed) -> None:
        if record.control in _SPOKEN:
            self._test("resources", record)
        elif record.control == "carrier":
            self._test("media", record)
        elif record.control == "ledger":
            self._test("numbers", record)
        if record.reason == "unbound_phrase":
            self._test("call", record)

    def _test(self, topic: str, record: r.Record) -> None:
        self.challenged[topic] = max(record.at, self.challenged.get(topic, 0))

    # -- at the end -------------------------------------------------------------------------------

    def finish(self, tallies: Tallies) -> None:
        where = self.of.where(self.first)
        tallies["numbers"].judge(self._numbered(), where) if self._counts() else None
        for topic, at in self.challenged.items():
            tallies[topic].challenge(at)
        if self.opened is None:
            return
        if self.begun >= 0:
            tallies["call"].judge(self._is_bound(), where)
            tallies["resources"].judge(self._documented(), where)
            tallies["media"].judge(True if 0 <= self.media < self.begun else None, where)
            if not self.suppliers:
                tallies["supplier"].judge(None, where)
        if self.said and self.ended is not None:
            tallies["language"].judge(True, where)
        if self.opened.environment not in _TRYING_OUT:
            tallies["deployment"].judge(self.opened.approved, where)
        for leaf, bound in self.suppliers:
            tallies["supplier"].judge(self._registered(bound), self.of.where(leaf))
            known = bound.supplier in self.of.terms.suppliers.entries
            tallies["responsible"].judge(True if known else None, self.of.where(leaf))

    def _counts(self) -> bool:
        """Whether the numbers of its records can be judged: it has ended, or should have."""
        if self.ended is not None or self.opened is None:
            return True
        return self.of.terms.now - self.opened.at > self.of.terms.open_s

    def _numbered(self) -> bool | None:
        if self.opened is None or not self.in_order:
            return False
        if self.ended is None:
            return None  # long over, and no record says how
        if self.closed is None:
            return True
        closed, own = self.closed
        # Who counts by numbers (after a crash) counts looks at the call among them.
        return closed.records == closed.n or own <= closed.records <= own + self.late

    def _is_bound(self) -> bool | None:
        assert self.opened is not None
        if not self.bound:
            return None
        return self.bound == {self.opened.release} and self.bound_first < self.begun

    def _documented(self) -> bool | None:
        if self.strangers:
            return False  # a model answered that the call was not bound to
        needed = _SPOKEN if self.spoken else _STAGES
        return True if {s.stage for _, s in self.suppliers} >= needed else None

    def _registered(self, bound: r.SupplierBound) -> bool:
        try:
            self.of.terms.suppliers.check(bound.stage, bound.supplier, bound.region)
        except SupplierRefused:
            return False
        return True
