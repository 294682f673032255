"""Annex A held against the record: what each of the 38 controls had to do, did, and failed to do. Pure.

Fed from leaves alone, so nothing personal is opened: call by call, and with the records that
belong to none. It counts what the log says; that the log says the truth about itself is
checked by ``controls.ledger.verify``, and told here by ``verified``.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from controls.annex_a import CONTROLS, AnnexControl
from controls.evidence.occasions.actions import Actions
from controls.evidence.occasions.binding import Binding
from controls.evidence.occasions.data import Data
from controls.evidence.occasions.house import Fault, House
from controls.evidence.occasions.speech import Speech
from controls.evidence.occasions.tally import Call, CallJudge, Tallies, Tally, Terms, Where
from controls.evidence.populations import BY_CONTROL
from controls.evidence.states import DAY_S, State, judge
from controls.evidence.trace import rfc3339
from controls.ledger import records as r
from controls.soa import SoaFile, standing
from controls.suppliers import Suppliers

#: Records about a call that the call did not make; they are counted for the house.
ABOUT_CALLS = frozenset(("access.viewed", "control.missed", "legal_hold.placed", "legal_hold.lifted"))
#: The control that the log itself evidences.
_LOG = "A.6.2.8"


class Shown(BaseModel):
    """Base of the report's parts: closed and frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Place(Shown):
    """A record; ``call`` is null for one that belongs to none."""

    origin: str
    leaf: int
    call: str | None


class FaultShown(Shown):
    """Something that makes a control fail until it is put right."""

    what: Literal["disabled", "bypass", "missed", "broken"] = Field(
        description="bypass: a setting weakens it"
    )
    at: str
    until: str | None = Field(default=None, description="when it was restored; null: not yet")
    setting: r.WeakenedBy | None = Field(default=None, description="for bypass: what weakens it")
    tenant: str | None = Field(description="whose; null: every one's")
    told_by: Place | None = Field(description="null: no record does, but the configuration as it is now")
    missed: Place | None = Field(description="the record at which the control should have acted")


class DocumentShown(Shown):
    document: str
    current: bool
    because: str
    due: datetime.date | None


class ControlCoverage(Shown):
    """One control. Times are RFC 3339; null: never."""

    id: str
    title: str
    evidence: Literal["A", "P", "N"]
    state: State
    because: list[str]
    occasion: str
    why: str
    tested_by: str
    challenged_within_days: int = Field(description="how long a test counts, by configs/soa.yaml")
    population: int = Field(ge=0)
    exercised: int = Field(ge=0)
    passed: int = Field(ge=0)
    failed: int = Field(ge=0)
    unexplained: int = Field(ge=0)
    last_challenged: str | None
    owner: str | None
    not_applicable: str | None
    document: DocumentShown | None
    failures: list[Place]
    gaps: list[Place] = Field(description="the first few occasions of which nothing is on record")
    faults: list[FaultShown]
    cannot: str = Field(description="what no record of a runtime can show")

    @model_validator(mode="after")
    def _adds_up(self) -> ControlCoverage:
        if (
            self.exercised != self.passed + self.failed
            or self.population != self.exercised + self.unexplained
        ):
            raise ValueError(f"{self.id}: the counts do not add up")
        green = (
            self.population > 0
            and not (self.failed or self.unexplained or any(f.until is None for f in self.faults))
            and self.last_challenged is not None
            and (self.evidence == "A" or (self.document is not None and self.document.current))
            and self.evidence != "N"
        )
        if self.state is State.OPERATING and not green:
            raise ValueError(f"{self.id}: operating on no such evidence")
        return self


class LanguageRates(Shown):
    """Input for assessing impact on groups (A.5.4): of the calls that ended, by language of the line."""

    language: str
    calls: int
    with_handoff: int
    with_refusal: int


class Statement(Shown):
    """Annex A held against the record: what ``sayso evidence soa --json`` prints."""

    format: Literal[1] = 1
    made_at: str
    since: str | None
    tenants: list[str]
    calls: dict[str, int] = Field(description="environment → calls counted")
    left_out: dict[str, int] = Field(description="environment → calls left out, as was asked")
    settle_within_days: int = Field(description="for incidents and failures found later, by configs/soa.yaml")
    cleared_below: int = Field(description="risk from which on a clearance has failed, by configs/soa.yaml")
    verified: bool | None = Field(description="the whole log was verified with this report; null: it was not")
    states: dict[State, int]
    languages: list[LanguageRates]
    controls: list[ControlCoverage]

    @property
    def holds(self) -> bool:
        """Whether nothing is failing."""
        return not self.states.get(State.FAILING)


@dataclass(slots=True)
class _Rates:
    calls: int = 0
    with_handoff: int = 0
    with_refusal: int = 0


class Coverage:
    """Counts. ``call`` once for each call, ``house`` for each other record, then ``statement`` once."""

    def __init__(
        self,
        soa: SoaFile,
        suppliers: Suppliers,
        *,
        now: int,
        since: int = 0,
        environments: Collection[r.Environment] = tuple(r.Environment),
    ) -> None:
        """Begin.

        Args:
            suppliers: the register as it is now.
            now, since: Unix times in s; calls opened before ``since`` are left out.
            environments: calls opened in others are left out, and said to be.
        """
        self._environments = frozenset(environments)
        self._left_out: Counter[str] = Counter()
        self._soa = soa
        self._now, self._since = now, since
        self._terms = Terms(suppliers, soa.cleared_below, now, soa.settle_within_days * DAY_S)
        self._tallies = Tallies()
        self._house = House(self._terms, since)
        self._calls: Counter[str] = Counter()
        self._languages: dict[str, _Rates] = {}
        self._tenants: set[str] = set()
        self._verified: bool | None = None

    def call(self, origin: str, call: str, records: Iterable[tuple[int, r.Record]]) -> None:
        """One call's records, in leaf order of the log that holds it.

        Those about it (``ABOUT_CALLS``) are among its numbers; ``house`` is told them as well.
        """
        of = Call(origin, call, self._terms)
        judges: tuple[CallJudge, ...] = (Binding(of), Speech(of), Actions(of), Data(of))
        opening: r.CallOpened | None = None
        handoff = refusal = ended = counted = False
        for leaf, record in records:
            if not counted and record.at < self._since:
                return
            if not counted and isinstance(record, r.CallOpened) and self._elsewhere(record):
                return
            counted = True
            match record:
                case r.CallOpened() if opening is None:
                    opening = record
                    self._opens(origin, leaf, record)
                case r.HandoffRequested():
                    handoff = True
                case r.ClauseRefused():
                    refusal = True
                case r.CallClosed() | r.CallRecovered():
                    ended = True
                case _:
                    pass
            for each in judges:
                each.add(leaf, record)
        for each in judges:
            each.finish(self._tallies)
        if opening is not None and ended:
            rates = self._languages.setdefault(opening.language, _Rates())
            rates.calls += 1
            rates.with_handoff += handoff
            rates.with_refusal += refusal

    def _elsewhere(self, record: r.CallOpened) -> bool:
        """Whether the call is of an environment that was not asked for."""
        elsewhere = record.environment not in self._environments
        self._left_out[record.environment.value] += elsewhere
        return elsewhere

    def _opens(self, origin: str, leaf: int, record: r.CallOpened) -> None:
        self._tenants.add(record.tenant)
        self._calls[record.environment.value] += 1
        self._house.binds(record.release, Where(origin, leaf, record.call))

    def house(self, origin: str, leaf: int, record: r.Record) -> None:
        """One record that belongs to no call, or tells about one that did not make it (``ABOUT_CALLS``)."""
        self._house.add(Where(origin, leaf, getattr(record, "call", None) or ""), record)

    def weaker(self, settings: Iterable[r.WeakenedBy]) -> None:
        """What the configuration this is judged by weakens, as it is now and whatever the record says."""
        self._house.weaker |= set(settings)

    def verified(self, ok: bool) -> None:
        """A whole log was verified just now, or does not hold."""
        self._verified = ok if self._verified is None else self._verified and ok

    def statement(self, documents: Mapping[str, str | None]) -> Statement:
        """The report.

        Args:
            documents: each document the operator names → digest of the file as it lies there, None where it
                cannot be read.
        """
        self._tallies.add(self._house.finish())
        faults = self._house.faults()
        controls = [self._control(control, faults, documents) for control in CONTROLS]
        states = Counter(control.state for control in controls)
        return Statement(
            made_at=rfc3339(self._now),
            since=rfc3339(self._since) if self._since else None,
            tenants=sorted(self._tenants),
            calls=dict(sorted(self._calls.items())),
            left_out={name: n for name, n in sorted(self._left_out.items()) if n},
            settle_within_days=self._soa.settle_within_days,
            cleared_below=self._soa.cleared_below,
            verified=self._verified,
            states={state: states.get(state, 0) for state in State},
            languages=[
                LanguageRates(
                    language=name, calls=x.calls, with_handoff=x.with_handoff, with_refusal=x.with_refusal
                )
                for name, x in sorted(self._languages.items())
            ],
            controls=controls,
        )

    def _control(
        self, control: AnnexControl, faults: list[Fault], documents: Mapping[str, str | None]
    ) -> ControlCoverage:
        population = BY_CONTROL[control.id]
        tally = self._tally(control.id, population.topics)
        mine = [fault for fault in faults if control.id in fault.annex_a]
        entry = self._soa.controls.get(control.id)
        named = entry.document if entry is not None else None
        today = datetime.datetime.fromtimestamp(self._now, datetime.UTC).date()
        document = standing(entry, documents.get(named or ""), today)
        judged = judge(
            control.evidence, tally, mine, entry, document,
            now=self._now, within_days=self._soa.challenged_within(control.id), since=self._since,
            kinds={topic: self._tallies.of((topic,)) for topic in population.topics}
            if len(population.topics) > 1 else {},
            testable=bool(population.tested) or control.id == _LOG,
        )  # fmt: skip
        return ControlCoverage(
            id=control.id, title=control.title, evidence=control.evidence,
            state=judged.state, because=[*self._unverified(control.id), *judged.because],
            occasion=population.occasion, why=population.because, tested_by=population.tested,
            challenged_within_days=self._soa.challenged_within(control.id),
            population=tally.population, exercised=tally.exercised, passed=tally.passed,
            failed=tally.failed, unexplained=tally.unexplained,
            last_challenged=rfc3339(tally.challenged_at) if tally.challenged_at else None,
            owner=entry.owner if entry is not None else None,
            not_applicable=entry.not_applicable if entry is not None else None,
            document=None if document is None else DocumentShown(**asdict(document)),
            failures=[_place(where) for where in tally.failures],
            gaps=[_place(where) for where in tally.gaps],
            faults=[_fault(fault) for fault in mine],
            cannot=control.cannot,
        )  # fmt: skip

    def _unverified(self, control: str) -> list[str]:
        return ["the log does not verify: see `sayso ledger verify`"] if self._breaks(control) else []

    def _breaks(self, control: str) -> bool:
        return control == _LOG and self._verified is False

    def _tally(self, control: str, topics: tuple[str, ...]) -> Tally:
        tally = self._tallies.of(topics)
        if self._breaks(control):
            tally.judge(False, Where("", 0, ""))
        elif control == _LOG and self._verified:
            tally.challenge(self._now)  # every numbered check ran over all of it, just now
        return tally


def _place(where: Where) -> Place:
    return Place(origin=where.origin, leaf=where.leaf, call=where.call or None)


def _fault(fault: Fault) -> FaultShown:
    return FaultShown.model_validate(
        {
            "what": fault.what,
            "at": rfc3339(fault.at),
            "until": None if fault.until is None else rfc3339(fault.until),
            "setting": fault.setting,
            "tenant": fault.tenant or None,
            "told_by": None if fault.where is None else _place(fault.where),
            "missed": None if fault.missed is None else _place(fault.missed),
        }
    )
