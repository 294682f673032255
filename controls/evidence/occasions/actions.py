"""What was done in one call, by tools and by people, and what broke in it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from controls.evidence.approvals import ApprovalOrder
from controls.evidence.occasions.emergencies import Emergencies
from controls.evidence.occasions.tally import Call, Tallies
from controls.ledger import records as r

#: A call that ended so after something broke was ended because of it, or by somebody of the house.
_ENDED_BY_US = frozenset(("agent", "operator", "failure", "person"))
#: Uses that ask for what the agent does not have, or not so.
_NOT_OURS = frozenset(("unknown_tool", "bad_arguments"))


@dataclass(slots=True)
class Actions:
    """Topics: tool, tooling, approval, acts, emergency, person, capture, break, recognition."""

    of: Call
    tallies: Tallies = field(default_factory=Tallies)
    bound: bool = False
    ended: bool = False
    # tools, by use
    requested: dict[str, tuple[int, r.ToolRequested]] = field(default_factory=dict)
    judged: set[str] = field(default_factory=set)
    asked: dict[str, int] = field(default_factory=dict)
    order: ApprovalOrder = field(default_factory=ApprovalOrder)
    decided: set[str] = field(default_factory=set)
    # figures entered by keys, by use: the leaf at which that began
    captures: dict[str, int] = field(default_factory=dict)
    # people
    handoffs: dict[str, int] = field(default_factory=dict)
    emergencies: Emergencies = field(init=False)
    # what broke: leaf → the record
    broken: dict[int, r.ControlFailed] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.emergencies = Emergencies(self.of, self.tallies)

    def add(self, leaf: int, record: r.Record) -> None:
        self.order.add(leaf, record)
        self.emergencies.add(leaf, record)
        match record:
            case r.ReleaseBound():
                self.bound = True
            case r.ToolRecord():
                self._tool(leaf, record)
            case r.ApprovalRecord():
                self._approval(leaf, record)
            case r.CaptureStarted():
                self.captures[record.use] = leaf
            case r.CaptureEnded():
                self._captured(leaf, record)
            case r.HandoffRecord():
                self._handoff(leaf, record)
            case r.CallbackPromised():
                self._outcome(record.handoff)
            case r.PersonJoined():
                self.tallies["acts"].judge(record.person is not None, self.of.where(leaf))
            case r.CallerSaid() if record.engine != "typed":
                self.tallies["recognition"].judge(True, self.of.where(leaf))
            case r.ControlFailed():
                self.broken[leaf] = record
            case r.CallRecovered():
                self.ended = True
                self.tallies["break"].judge(True, self.of.where(leaf))
                self.tallies["break"].challenge(record.at)
            case r.CallClosed():
                self.ended = True
            case _:
                pass
        if self.broken and _handles(record):
            self._handled_breaks()

    # -- tools ------------------------------------------------------------------------------------

    def _tool(self, leaf: int, record: r.ToolRecord) -> None:
        where = self.of.where(leaf)
        if isinstance(record, r.ToolRequested):
            self.requested[record.use] = (leaf, record)
            self.tallies["tooling"].judge(True if self.bound else None, where)
            return
        if isinstance(record, r.ToolAnswer):  # what became of the use is on record already
            self.tallies["tool"].challenge(record.at)
            return
        if isinstance(record, r.ToolRefused):
            if record.use not in self.requested:
                self.tallies["tooling"].judge(True if self.bound else None, where)
            if record.reason in _NOT_OURS:
                self.tallies["tooling"].challenge(record.at)
            self.tallies["tool"].challenge(record.at)
            self._judge_use(record.use, True, leaf)
            return
        request = self.requested.get(record.use)
        if request is None:
            self.tallies["tooling"].judge(False, where)
        self._judge_use(record.use, request is not None and self._allowed(request[1]), leaf)

    def _allowed(self, request: r.ToolRequested) -> bool:
        """No dry run, confirmed where it is of high risk, granted before it left where a person was asked."""
        if request.dry:
            return False
        confirmed = request.risk != "high" or request.read_back == "confirmed"
        return confirmed and request.use not in self._without_grant()

    def _without_grant(self) -> set[str]:
        return {use for _, use, _ in self.order.faults}

    def _judge_use(self, use: str, held: bool, leaf: int) -> None:
        if use not in self.judged:  # an outcome that was asked for again is the same use
            self.judged.add(use)
            self.tallies["tool"].judge(held, self.of.where(leaf))

    def _approval(self, leaf: int, record: r.ApprovalRecord) -> None:
        if isinstance(record, r.ApprovalRequested):
            self.asked.setdefault(record.use, leaf)
            return
        self.decided.add(record.use)
        if isinstance(record, r.ApprovalGranted | r.ApprovalEdited | r.ApprovalRefused):
            self.tallies["acts"].judge(record.by is not None, self.of.where(leaf))
        if not isinstance(record, r.ApprovalGranted):
            self.tallies["approval"].challenge(record.at)
            self.tallies["acts"].challenge(record.at)

    def _captured(self, leaf: int, record: r.CaptureEnded) -> None:
        began = self.captures.pop(record.use, None)
        self.tallies["capture"].judge(began is not None, self.of.where(leaf if began is None else began))
        if record.outcome != "captured":
            self.tallies["capture"].challenge(record.at)

    # -- people -----------------------------------------------------------------------------------

    def _handoff(self, leaf: int, record: r.HandoffRecord) -> None:
        if isinstance(record, r.HandoffRequested):
            self.handoffs[record.handoff] = leaf
            return
        self._outcome(record.handoff)
        if isinstance(record, r.HandoffFailed):
            self.tallies["person"].challenge(record.at)

    def _outcome(self, handoff: str) -> None:
        leaf = self.handoffs.pop(handoff, None)
        if leaf is not None:
            self.tallies["person"].judge(True, self.of.where(leaf))

    # -- what broke -------------------------------------------------------------------------------

    def _handled_breaks(self) -> None:
        for leaf, record in self.broken.items():
            for topic in _topics(record):
                self.tallies[topic].judge(True, self.of.where(leaf))
                self.tallies[topic].challenge(record.at)
        self.broken.clear()

    def finish(self, tallies: Tallies) -> None:
        if self.ended:
            for use, (leaf, request) in self.requested.items():
                if use not in self.judged:  # a dry run ends there
                    self.tallies["tool"].judge(True if request.dry else None, self.of.where(leaf))
            for leaf in self.handoffs.values():
                self.tallies["person"].judge(None, self.of.where(leaf))
            for leaf in self.captures.values():
                self.tallies["capture"].judge(False, self.of.where(leaf))  # a pause without an end
            self.emergencies.finish(under_way=bool(self.handoffs))
            for leaf, record in self.broken.items():
                for topic in _topics(record):
                    self.tallies[topic].judge(None, self.of.where(leaf))
            wrong = self._without_grant()
            for use, leaf in self.asked.items():
                held = use not in wrong and (use in self.decided or None)
                self.tallies["approval"].judge(held, self.of.where(leaf))
        tallies.add(self.tallies)


def _topics(record: r.ControlFailed) -> tuple[str, ...]:
    return ("break", "recognition") if record.control == "recogniser" else ("break",)


def _handles(record: r.Record) -> bool:
    """Whether this is what is done when something breaks: the caller is told something, or fetched."""
    match record:
        case r.AgentPlayed():
            return record.samples > 0
        case r.CallClosed():
            return record.ended_by in _ENDED_BY_US
        case _:
            return isinstance(
                record, r.HandoffRequested | r.CallbackPromised | r.DisclosurePlayed | r.CallRecovered
            )
