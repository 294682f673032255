"""The stop switch of a process: what is stopped, enforced on running calls, kept over a restart.

What is in force lies in ``data_dir/stopped.json``, replaced in one step, and in what the workers share, where
each looks twice a second. A stop takes hold before anything is written, here first; should the log not take
it, it goes to the spool, and should the shared store not answer, the others are told once it does. Nothing
is resumed while the store cannot be reached: what was stopped last stays stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loguru import logger
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from controls import stop as s
from controls.decision import Receipt, Recorder
from controls.errors import LedgerError, OperatorError
from controls.ids import new_id
from controls.ledger import records as r
from voice_runtime.clock import Clock
from voice_runtime.desks import PEOPLE_FILE
from voice_runtime.local import Question
from voice_runtime.people import People, account_text, written
from voice_runtime.ports import Shared, StoreUnreachable
from voice_runtime.receipts import receipt_in_time
from voice_runtime.roster import Asking, Roster
from voice_runtime.stops_file import FILE, StopsFile

#: Under which name the workers share it.
SHARED = "stops"
#: How often a worker looks at what others have stopped, s: calls are told within two seconds.
LOOK_S = 0.5
#: Longest wait for a record, s.
RECEIPT_S = 5.0
#: Longest wait for the id of whoever stopped it, s; it is in force by then, and their name is known.
NAMED_S = 2.0
#: Workers that change it in the same moment: one of them is through with each try.
TRIES = 16


@dataclass(frozen=True, slots=True)
class Names:
    """What can be stopped here: tenants; agents and tools, each with the tenants it concerns."""

    tenants: tuple[str, ...]
    agents: Mapping[str, tuple[str, ...]]
    tools: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, lines: Iterable[tuple[str, str]], tools: Mapping[str, Iterable[str]]) -> Names:
        """From each line's agent and tenant, and each agent's tools."""
        agents: dict[str, tuple[str, ...]] = {}
        for agent, tenant in lines:
            agents[agent] = tuple(dict.fromkeys((*agents.get(agent, ()), tenant)))
        used: dict[str, tuple[str, ...]] = {}
        for agent, names in tools.items():
            for name in names:
                used[name] = tuple(dict.fromkeys((*used.get(name, ()), *agents.get(agent, ()))))
        return cls(tuple(dict.fromkeys(t for found in agents.values() for t in found)), agents, used)


Spool = Callable[[r.Record, r.Personal | None], Receipt]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: s.Kind
    name: str = Field(default="", max_length=64)
    who: str
    why: str = Field(default="", max_length=1000)
    account: int | None = None


class _List(BaseModel):
    model_config = ConfigDict(extra="forbid")
    account: int | None = None


class StopSwitch:
    """One process's. ``start`` before serving; on the event loop only."""

    def __init__(
        self,
        data_dir: Path,
        *,
        recorder: Recorder,
        spool: Spool | None,
        people: People,
        clock: Clock,
        shared: Shared,
        names: Names,
        changed: Callable[[s.Stopped], None],
        roster: Roster | None = None,
    ) -> None:
        """Prepare; nothing is stopped before ``start``.

        Args:
            names: of what can be stopped here.
            changed: told of every stop that takes hold; must not block.
            roster: who may; without one, whoever has a name.
        """
        self.stops = s.Stops()
        self._file = StopsFile(data_dir / FILE)
        self._recorder, self._spool = recorder, spool
        self._people, self._clock, self._shared = people, clock, shared
        self._names, self._changed = names, changed
        self._roster = roster or Roster()
        self._one = asyncio.Lock()
        #: Whether the shared store answered when it was last asked.
        self.reached = True
        self._watching: asyncio.Task[None] | None = None

    # -- what is stopped --------------------------------------------------------------------------

    def of_call(self, tenant: str, agent: str) -> bool:
        """Whether this agent takes no calls of this tenant."""
        return self.stops.of_call(tenant, agent) is not None

    def of_tool(self, tool: str) -> bool:
        """Whether this tool is not to be used."""
        return self.stops.of_tool(tool) is not None

    # -- starting and ending ----------------------------------------------------------------------

    async def start(self) -> None:
        """Take up what was stopped before, and look at what other workers stop.

        Raises:
            OperatorError: the file or the shared store cannot be read; nothing is served on a guess.
        """
        self.stops = await asyncio.to_thread(self._file.read)
        try:
            await self._agree()
        except StoreUnreachable as error:
            raise OperatorError(
                f"what other workers have stopped is not known: {error}; start Redis, or mend workers.redis "
                "in the profile"
            ) from None
        self._watching = asyncio.create_task(self._watch(), name="stops of other workers")

    async def close(self) -> None:
        """Look no more. Harmless twice."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(LOOK_S)
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - a store that fails must not end the looking
                logger.error("what is stopped could not be looked at: {}", type(error).__name__)

    async def look(self) -> None:
        """Take over what another worker stopped or resumed, and tell what only this one knows.

        Raises:
            LedgerError: what is in force now could not be written to disk.
        """
        with suppress(StoreUnreachable):  # told once, below; what was in force stays in force
            await self._agree()

    async def _agree(self, event: s.Event | None = None) -> tuple[s.Output, ...]:
        """Take a step from what every worker knows, and have every worker know it, or take none.

        Raises:
            StoreUnreachable: the shared store did not answer.
            LedgerError: it is in force, and would not outlive a restart.
        """
        try:
            async with self._one:
                outputs = await self._swapped(event)
        except StoreUnreachable:
            if self.reached:
                logger.error("what the workers share cannot be reached: what was stopped stays stopped")
            self.reached = False
            raise
        if not self.reached:
            logger.info("what the workers share can be reached again")
        self.reached = True
        return outputs

    async def _swapped(self, event: s.Event | None) -> tuple[s.Output, ...]:
        for _ in range(TRIES):
            base = self.stops
            read = await self._shared.read(SHARED)
            found = _understood(read[1]) if read is not None else None
            met = base if found is None else base.meeting(found)
            after, outputs = met.step(event) if event is not None else (met, ())
            if after != found:
                after = after.told(after.version + 1)
                before = read[0] if read is not None else 0
                value = after.model_dump_json()
                if not await self._shared.swap(SHARED, before, after.version, value):
                    continue
            await self._take_over(base, after)
            return outputs
        raise StoreUnreachable("the workers could not agree")

    async def _take_over(self, base: s.Stops, after: s.Stops) -> None:
        """What was stopped here while the store was asked stays stopped, and is told the next time."""
        for stopped in self.stops.stops:
            if stopped.alone and stopped not in base.stops:
                after = after.joined_by(stopped)
        known = {x.scope for x in self.stops.stops}
        changed, self.stops = after != self.stops, after
        for stopped in after.stops:
            if stopped.scope not in known:
                self._changed(stopped)
        if changed:
            await self._keep()

    # -- what people ask --------------------------------------------------------------------------

    @property
    def questions(self) -> dict[str, Question]:
        """What the local socket may ask."""
        return {"stops.list": self._list, "stops.stop": self._stop, "stops.resume": self._resume}

    async def _list(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        try:
            _List.model_validate(dict(asked))
        except ValidationError:
            raise OperatorError("a list of what is stopped takes nothing") from None
        return {
            "reached": self.reached,
            "stopped": [
                {
                    "kind": x.scope.kind, "name": x.scope.name, "by": x.by.name, "why": x.why,
                    "at_s": int(x.at_s),
                    "resume_asked_by": x.resume_by.name if x.resume_by is not None else None,
                }
                for x in self.stops.stops
            ]
        }  # fmt: skip

    async def _stop(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Stop it now: on running calls before anything is read or written, then on other workers'."""
        wanted, scope, asking = self._wanted(asked)
        self._roster.require("stop", asking)
        by = self._person(asking)  # their id lies on the disk, which a stop does not wait for
        after, outputs = self.stops.step(s.Stop(scope, by, wanted.why, self._clock.unix_s()))
        self.stops = after.alone(scope)
        enforced = [output.stopped for output in outputs if isinstance(output, s.Enforce)]
        for stopped in enforced:
            self._changed(stopped)
        unnamed = ""
        try:
            await self._agree()
        except StoreUnreachable:
            await self._keep()
        finally:  # on record whatever the disk and the store say
            for stopped in enforced:
                person, account, unnamed = await self._named(asking)
                await self._record_stopped(stopped, person, account)
        return {
            "kind": scope.kind, "name": scope.name, "stopped": True, "already": not enforced,
            "everywhere": self.reached, "unnamed": unnamed,
        }  # fmt: skip

    async def _named(self, asking: Asking) -> tuple[str, str, str]:
        """Whose id and account stand in the record, and why the id is one made for it ("": it is theirs)."""
        try:
            async with asyncio.timeout(NAMED_S):
                person = await asyncio.to_thread(self._people.named, asking.name, asking.account)
                return person.id, person.account, ""
        except TimeoutError:
            why = f"who that is was not found within {NAMED_S:g} s"
        except OperatorError as error:
            why = str(error)
        logger.error("a stop is in force, and the key of whoever asked for it cannot be kept")
        return new_id("p"), "" if asking.account is None else str(asking.account), why

    def _person(self, asking: Asking, id: str = "") -> s.Person:
        account = "" if asking.account is None else str(asking.account)
        return s.Person(
            id=id, name=asking.name, account=account, shared=self._roster.is_shared(asking.account)
        )

    async def _resume(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """One of the two wishes it takes; whichever worker is asked, all know of it, or none."""
        wanted, scope, asking = self._wanted(asked)
        self._roster.require("resume", asking)
        by = self._person(asking, (await asyncio.to_thread(self._people.named, asking.name)).id)
        told = {"kind": scope.kind, "name": scope.name, "stopped": True, "needs": "somebody else"}
        try:
            outputs = await self._agree(s.Resume(scope, by, self._clock.unix_s()))
        except StoreUnreachable as error:
            raise OperatorError(
                f"{scope} stays as it is: nothing is resumed while the workers cannot agree ({error}); try "
                "again once Redis can be reached"
            ) from None
        for output in outputs:
            match output:
                case s.Unchanged("not_stopped"):
                    raise OperatorError(f"{scope} is not stopped: `sayso stop --list` names what is")
                case s.Unchanged("same_person"):
                    raise OperatorError("resuming takes two different persons, and you are the first")
                case s.Unchanged("same_account"):
                    raise OperatorError(
                        "resuming takes two different persons, and whoever asked first acts by your account; "
                        f"where several persons act by one, {PEOPLE_FILE} says so (shared_accounts)"
                    )
                case s.Unchanged("under_way"):
                    raise OperatorError(f"{scope} is being resumed already: `sayso stop --list` shows it")
                case s.RecordResumed():
                    await self._record_resumed(output, wanted.why)
                    told |= {"stopped": False, "needs": ""}
                case _:
                    pass
        return told

    def _wanted(self, asked: Mapping[str, Any]) -> tuple[_Asked, s.Scope, Asking]:
        """What is asked, of what, and by whom. From memory alone.

        Raises:
            OperatorError: there is no such thing to stop, or no such name.
        """
        try:
            wanted = _Asked.model_validate(dict(asked))
        except ValidationError as error:
            fields = ", ".join(sorted({".".join(str(x) for x in e["loc"]) for e in error.errors()}))
            raise OperatorError(f"cannot be asked like this: {fields}") from None
        known = self._known(wanted.kind)
        if wanted.kind != "everything" and wanted.name not in known:
            raise OperatorError(
                f"there is no {wanted.kind} {wanted.name!r}; there are {', '.join(sorted(known)) or 'none'}"
            )
        name = "" if wanted.kind == "everything" else wanted.name
        return wanted, s.Scope(kind=wanted.kind, name=name), Asking(written(wanted.who), wanted.account)

    def _known(self, kind: s.Kind) -> Mapping[str, Iterable[str]]:
        """Names of this kind, each with the tenants it concerns."""
        match kind:
            case "everything":
                return {"": self._names.tenants}
            case "tenant":
                return {tenant: (tenant,) for tenant in self._names.tenants}
            case "agent":
                return self._names.agents
            case "tool":
                return self._names.tools

    # -- on record --------------------------------------------------------------------------------

    async def _record_stopped(self, stopped: s.Stopped, by: str, account: str) -> None:
        """In the log of every tenant it concerns, or else in the spool; it is in force all the same.

        Args:
            by: the person's id; account: the one they act by.

        Raises:
            LedgerError: neither took it.
        """
        details = r.StopDetails(
            name=stopped.scope.name, who=(stopped.by.name,), accounts=(account,), why=stopped.why
        )
        for tenant in self._tenants(stopped.scope):
            record = r.AgentStopped(tenant=tenant, scope=stopped.scope.kind, by=by)
            try:
                await receipt_in_time(self._recorder.append(record, details), RECEIPT_S)
            except LedgerError:
                if self._spool is None:
                    raise
                await asyncio.to_thread(self._spool, record, details)

    async def _record_resumed(self, resumed: s.RecordResumed, why: str) -> None:
        """Lift it once that is on record.

        Raises:
            LedgerError: it is not on record everywhere, and stays stopped.
            OperatorError: it stays stopped: somebody stopped it anew, or the store could not be reached.
        """
        scope = resumed.stopped.scope
        first, second = resumed.first, resumed.second
        accounts = await asyncio.to_thread(lambda: (_told(first.account), _told(second.account)))
        details = r.StopDetails(name=scope.name, who=(first.name, second.name), accounts=accounts, why=why)
        try:
            for tenant in self._tenants(scope):
                record = r.AgentResumed(
                    tenant=tenant, scope=scope.kind, by=second.id, first_by=first.id,
                    accounts=first.apart(second),
                )  # fmt: skip
                await receipt_in_time(self._recorder.append(record, details), RECEIPT_S)
        except LedgerError:
            with suppress(StoreUnreachable):  # then the wish runs out by itself
                await self._agree(s.Lost(scope))
            raise
        try:
            outputs = await self._agree(s.Durable(scope))
        except StoreUnreachable as error:
            raise OperatorError(f"{scope} stays stopped, though on record as resumed: {error}") from None
        if s.Lift(scope) not in outputs:
            raise OperatorError(f"{scope} stays stopped: somebody stopped it anew meanwhile")

    def _tenants(self, scope: s.Scope) -> list[str]:
        """Whose logs say it; a name that has gone since concerns everybody."""
        known = self._known(scope.kind)
        return sorted(set(known.get(scope.name, ()) or self._names.tenants))

    # -- kept -------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        """On disk, as it is in force by then.

        Raises:
            LedgerError: it is in force, and would not outlive a restart.
        """
        await asyncio.to_thread(lambda: self._file.write(self.stops))


def _told(account: str) -> str:
    return account_text(int(account)) if account else ""


def _understood(text: str) -> s.Stops:
    """Raises StoreUnreachable: another version's worker wrote it."""
    try:
        return s.Stops.read(text)
    except OperatorError:
        raise StoreUnreachable("what the workers share was written by another version of Sayso") from None
