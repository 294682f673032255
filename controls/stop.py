"""What is stopped, by whom, and who may start it again, as a value. Pure.

    running ──Stop, by anybody──▶ STOPPED ──Resume by A──▶ ASKED ──Resume by B, not A──▶ RESUMING
                                     ▲                       │ too long ago: B is the first    │
                                     └───────────────────────┴──── Lost ───────────────────────┤
                                                                                       Durable ▼ running

Stopping takes one person and has its effect at once: no failing record delays it. Resuming takes two
different persons, and has none before it is on record. Sources: Regulation (EU) 2024/1689 Art. 14(4)(e).

Several workers hold one state between them: ``version`` counts its changes, and ``meeting`` says what is in
force where a worker's own and the shared one differ. What nobody can be sure of stays stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from controls.errors import OperatorError

Kind = Literal["everything", "tenant", "agent", "tool"]
#: How the accounts of two persons tell them apart.
Accounts = Literal["different", "shared", "unknown"]
#: A first wish to resume that no second person has joined by then counts for nothing, s.
RESUME_WITHIN_S = 3600.0
#: A resuming whose record nobody answered for by then is lost, with the worker that was to write it, s.
RECORD_WITHIN_S = 30.0


class _Value(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Scope(_Value):
    """What is stopped: a tenant's calls, an agent's, a tool in every agent, or all of it (no name)."""

    kind: Kind
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".rstrip()


class Person(_Value):
    """Who, by their opaque id, their name and the account they act by.

    Attributes:
        id: "" of whoever stops: a stop waits for no look-up.
        account: as the system knows it; "" where it does not.
        shared: several persons act by that account, as the operator declared.
    """

    id: str
    name: str
    account: str = ""
    shared: bool = False

    def same(self, other: Person) -> bool:
        """Whether they may be one: workers can know one name by two ids, and a person can take two names."""
        known = bool(self.id and self.id == other.id) or self.name.casefold() == other.name.casefold()
        return known or self.one_account(other)

    def one_account(self, other: Person) -> bool:
        """Whether both act by one account that is no shared one."""
        return bool(self.account) and self.account == other.account and not (self.shared or other.shared)

    def apart(self, other: Person) -> Accounts:
        """By what two persons were told apart, besides their names."""
        if not (self.account and other.account):
            return "unknown"
        return "different" if self.account != other.account else "shared"


class Stopped(_Value):
    """One stop in force.

    Attributes:
        at_s, resume_at_s: Unix times, s.
        resume_by: who asked first to resume; None without anybody.
        resuming_by, resuming_at_s: who asked second and when, while that goes on record.
        alone: only this worker knows; the shared store could not be reached.
    """

    scope: Scope
    by: Person
    why: str
    at_s: float
    resume_by: Person | None = None
    resume_at_s: float = 0.0
    resuming_by: Person | None = None
    resuming_at_s: float = 0.0
    alone: bool = False


# --- what comes in, and what is to be done --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stop:
    scope: Scope
    by: Person
    why: str
    at_s: float


@dataclass(frozen=True, slots=True)
class Resume:
    scope: Scope
    by: Person
    at_s: float


@dataclass(frozen=True, slots=True)
class Durable:
    """``agent.resumed`` of this scope is durable."""

    scope: Scope


@dataclass(frozen=True, slots=True)
class Lost:
    """``agent.resumed`` of this scope failed, or is late."""

    scope: Scope


Event = Stop | Resume | Durable | Lost


@dataclass(frozen=True, slots=True)
class Enforce:
    """Stop it now, then append ``agent.stopped``."""

    stopped: Stopped


@dataclass(frozen=True, slots=True)
class AwaitSecond:
    """Somebody else has to want it, too."""

    stopped: Stopped


@dataclass(frozen=True, slots=True)
class RecordResumed:
    """Append ``agent.resumed``; answer with Durable or Lost."""

    stopped: Stopped
    first: Person
    second: Person


@dataclass(frozen=True, slots=True)
class Lift:
    """It runs again."""

    scope: Scope


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Nothing came of it."""

    why: Literal["stopped_already", "not_stopped", "same_person", "same_account", "under_way"]


Output = Enforce | AwaitSecond | RecordResumed | Lift | Unchanged


class Stops(_Value):
    """Every stop in force; at most one of each scope. ``version`` is that of the shared state."""

    stops: tuple[Stopped, ...] = ()
    version: int = 0

    @classmethod
    def read(cls, text: str | bytes) -> Self:
        """What ``model_dump_json`` wrote.

        Raises:
            OperatorError: it is damaged; what was stopped is not known.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            raise OperatorError("what is stopped cannot be read") from None

    def of_call(self, tenant: str, agent: str) -> Stopped | None:
        """What keeps this agent from taking this tenant's calls."""
        names = {"everything": "", "tenant": tenant, "agent": agent}
        return next((s for s in self.stops if names.get(s.scope.kind) == s.scope.name), None)

    def of_tool(self, tool: str) -> Stopped | None:
        """What keeps a tool from being used."""
        return self._of(Scope(kind="tool", name=tool))

    def step(self, event: Event) -> tuple[Stops, tuple[Output, ...]]:
        """What an event leads to. Never raises."""
        known = self._of(event.scope)
        match event:
            case Stop(scope, by, why, at_s):
                if known is not None and known.resuming_by is None:
                    return self._with(known.model_copy(update={"resume_by": None})), (
                        Unchanged("stopped_already"),
                    )
                stopped = Stopped(scope=scope, by=by, why=why, at_s=at_s)
                return self._with(stopped), (Enforce(stopped),)
            case Resume():
                return self._resume(known, event)
            case Durable(scope) if known is not None and known.resuming_by is not None:
                return self._without(scope), (Lift(scope),)
            case Lost() if known is not None and known.resuming_by is not None:
                return self._with(known.model_copy(update={"resuming_by": None})), ()
            case _:
                return self, ()

    def _resume(self, known: Stopped | None, event: Resume) -> tuple[Stops, tuple[Output, ...]]:
        if known is None:
            return self, (Unchanged("not_stopped"),)
        if known.resuming_by is not None:
            if event.at_s - known.resuming_at_s <= RECORD_WITHIN_S:
                return self, (Unchanged("under_way"),)
            known = known.model_copy(update={"resuming_by": None})
        first = known.resume_by
        if first is None or event.at_s - known.resume_at_s > RESUME_WITHIN_S:
            asked = known.model_copy(update={"resume_by": event.by, "resume_at_s": event.at_s})
            return self._with(asked), (AwaitSecond(asked),)
        if first.same(event.by):
            by_account = first.name.casefold() != event.by.name.casefold() and first.one_account(event.by)
            return self, (Unchanged("same_account" if by_account else "same_person"),)
        resuming = known.model_copy(update={"resuming_by": event.by, "resuming_at_s": event.at_s})
        return self._with(resuming), (RecordResumed(resuming, first, event.by),)

    # -- with other workers -----------------------------------------------------------------------

    def meeting(self, found: Stops) -> Stops:
        """What is in force, now that the shared store shows ``found``.

        A newer state counts, or the one that is known, with what was stopped here alone. One that is older,
        or another of the same version, was lost, put back or forged: then everything is stopped that either
        says, and wishes to resume count for nothing.
        """
        if found == self:
            return self
        alone = [mine for mine in self.stops if mine.alone]
        known = found.version == self.version and self._besides(alone) == found._besides(alone)
        if known or found.version > self.version:
            after = found
            for mine in alone:
                after = after.joined_by(mine)
            return after
        both = {x.scope: x for x in (*found.stops, *self.stops)}
        kept = tuple(x.model_copy(update={"resume_by": None, "resuming_by": None}) for x in both.values())
        return Stops(stops=kept, version=max(self.version, found.version))

    def alone(self, scope: Scope) -> Stops:
        """The same, with a stop of which no other worker knows yet."""
        known = self._of(scope)
        return self if known is None else self._with(known.model_copy(update={"alone": True}))

    def joined_by(self, stopped: Stopped) -> Stops:
        """The same, with a stop in the place of what is known of its scope."""
        return self._with(stopped)

    def told(self, version: int) -> Stops:
        """The same, as every worker will know it under that version."""
        return Stops(stops=tuple(x.model_copy(update={"alone": False}) for x in self.stops), version=version)

    def _besides(self, stops: Sequence[Stopped]) -> dict[Scope, Stopped]:
        """What is stopped in other scopes."""
        scopes = {stopped.scope for stopped in stops}
        return {x.scope: x for x in self.stops if x.scope not in scopes}

    def _of(self, scope: Scope) -> Stopped | None:
        return next((s for s in self.stops if s.scope == scope), None)

    def _with(self, stopped: Stopped) -> Stops:
        return Stops(stops=(*self._without(stopped.scope).stops, stopped), version=self.version)

    def _without(self, scope: Scope) -> Stops:
        return Stops(stops=tuple(s for s in self.stops if s.scope != scope), version=self.version)
