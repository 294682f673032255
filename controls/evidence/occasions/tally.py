"""What is counted of one kind of occasion: how many, how they went, when it was last tested. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from controls.ledger import records as r
from controls.suppliers import Suppliers

#: How many occasions of one kind are named where something is wrong; the others are only counted.
NAMED = 5


class Where(NamedTuple):
    """The record by which an occasion is known; ``call`` is "" for what belongs to none."""

    origin: str
    leaf: int
    call: str


@dataclass(slots=True)
class Tally:
    """Occasions of one kind.

    Attributes:
        population: occasions on which something had to be done.
        passed, failed: of these, done as it should be, or not; both are on record.
        challenged_at: Unix time in s of the newest one that was a real test; 0 for none.
        failures, gaps: the first few that failed, and the first few of which nothing is on record.
    """

    population: int = 0
    passed: int = 0
    failed: int = 0
    challenged_at: int = 0
    failures: list[Where] = field(default_factory=list)
    gaps: list[Where] = field(default_factory=list)

    @property
    def exercised(self) -> int:
        """Occasions on which it did something, right or wrong."""
        return self.passed + self.failed

    @property
    def unexplained(self) -> int:
        """Occasions of which no record says what was done."""
        return self.population - self.exercised

    def judge(self, held: bool | None, where: Where) -> None:
        """Count one occasion.

        Args:
            held: None where no record says.
        """
        self.population += 1
        if held:
            self.passed += 1
        elif held is None:
            _name(self.gaps, where)
        else:
            self.failed += 1
            _name(self.failures, where)

    def challenge(self, at: int) -> None:
        """It was really tested at this Unix time, s."""
        self.challenged_at = max(self.challenged_at, at)

    def add(self, other: Tally) -> None:
        """Take another's occasions in."""
        self.population += other.population
        self.passed += other.passed
        self.failed += other.failed
        self.challenge(other.challenged_at)
        for mine, theirs in ((self.failures, other.failures), (self.gaps, other.gaps)):
            for where in theirs:
                _name(mine, where)


def _name(known: list[Where], where: Where) -> None:
    if len(known) < NAMED:
        known.append(where)


class Tallies:
    """A tally for each kind of occasion, made when it is first asked for."""

    def __init__(self) -> None:
        self._by_topic: defaultdict[str, Tally] = defaultdict(Tally)

    def __getitem__(self, topic: str) -> Tally:
        return self._by_topic[topic]

    def add(self, other: Tallies) -> None:
        """Take another's in, topic by topic."""
        for topic, tally in other._by_topic.items():
            self._by_topic[topic].add(tally)

    def of(self, topics: tuple[str, ...]) -> Tally:
        """Several topics as one."""
        total = Tally()
        for topic in topics:
            if topic in self._by_topic:
                total.add(self._by_topic[topic])
        return total

    def challenged(self, topics: tuple[str, ...]) -> dict[str, int]:
        """When each was really tested last, of those that occurred: Unix time in s, 0 for never."""
        return {t: self._by_topic[t].challenged_at for t in topics if t in self._by_topic}

    def known(self) -> Mapping[str, Tally]:
        """What was counted so far."""
        return dict(self._by_topic)


@dataclass(frozen=True, slots=True)
class Terms:
    """What occasions are held against; times in s.

    Attributes:
        suppliers: the operator's register as it is now.
        cleared_below: nothing may be cleared at this risk or above.
        now: Unix time of the report.
        settle_s: within how long an incident, or a failure found later, has to be settled.
        open_s: a call without an end is taken to be under way for so long.
    """

    suppliers: Suppliers
    cleared_below: int
    now: int
    settle_s: int
    open_s: int = 3 * 3600


class CallJudge(Protocol):
    """Counts some kinds of occasion of one call; told its records in leaf order, then finished once."""

    def add(self, leaf: int, record: r.Record) -> None: ...
    def finish(self, tallies: Tallies) -> None: ...


@dataclass(frozen=True, slots=True)
class Call:
    """Which call is judged, and against what."""

    origin: str
    call: str
    terms: Terms

    def where(self, leaf: int) -> Where:
        return Where(self.origin, leaf, self.call)
