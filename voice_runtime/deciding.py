"""What people decide with: the desk of approvals and the stop switch, alone or with other workers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from controls.errors import OperatorError
from controls.ledger.ledger import Ledger
from controls.stop import Stopped
from voice_runtime.approvals import ApprovalDesk
from voice_runtime.approvals_elsewhere import ApprovalsElsewhere
from voice_runtime.clock import Clock
from voice_runtime.decoys import load_decoys
from voice_runtime.decoys_laid import DecoyOutcome, Decoys
from voice_runtime.desks import load_people
from voice_runtime.local import Question
from voice_runtime.people import People
from voice_runtime.ports import Shared
from voice_runtime.roster import Roster
from voice_runtime.settings import Settings
from voice_runtime.stops import Names, StopSwitch

if TYPE_CHECKING:
    from voice_runtime.store.workers import Workers

Enter = Callable[[Callable[[], Awaitable[Any]], Callable[[], Awaitable[Any]]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Deciding:
    """Both, and what the local socket may ask of them."""

    approvals: ApprovalDesk
    stops: StopSwitch
    questions: Mapping[str, Question]


async def start_deciding(
    settings: Settings,
    ledger: Ledger,
    clock: Clock,
    *,
    alone: Shared,
    names: Names,
    stopped: Callable[[Stopped], None],
    decoy_ended: Callable[[DecoyOutcome], None],
    enter: Enter,
) -> Deciding:
    """Start both; ``enter`` closes them.

    Args:
        alone: where a single process keeps what is stopped.
        stopped: told of every stop that takes hold.
        decoy_ended: told what became of each decoy.

    Raises:
        OperatorError: ``configs/people.yaml``, ``configs/decoys.yaml``, what is stopped, or the shared store
            cannot be used.
    """
    people = People(settings.data_dir)
    found = await asyncio.to_thread(load_decoys, settings.root)
    roster = await asyncio.to_thread(lambda: Roster.of(load_people(settings.root)[0]))
    approvals = ApprovalDesk(ledger, people, decoys=Decoys(found), roster=roster, counted=decoy_ended)
    workers = await _workers(settings, enter)
    switch = StopSwitch(
        settings.data_dir, recorder=ledger, spool=ledger.append_spooled, people=people, clock=clock,
        shared=workers or alone, names=names, changed=stopped, roster=roster,
    )  # fmt: skip
    await enter(switch.start, switch.close)
    questions = approvals.questions
    if workers is not None:
        elsewhere = ApprovalsElsewhere(approvals, workers, clock)
        await enter(elsewhere.start, elsewhere.close)
        questions = elsewhere.questions
    return Deciding(approvals, switch, questions | switch.questions)


async def _workers(settings: Settings, enter: Enter) -> Workers | None:
    wanted = settings.workers
    if wanted is None:
        return None
    from voice_runtime.store.workers import (
        Workers,  # its client takes 0.2 s to import, and one worker needs none
    )

    secret = wanted.key.reveal()
    if len(secret) < 32:
        raise OperatorError("workers.key is shorter than 32 letters: set one made by `openssl rand -hex 32`")
    password = wanted.password.reveal() if wanted.password is not None else ""
    workers = Workers(wanted.redis, secret=secret, house=wanted.house, password=password)

    async def nothing() -> None:
        """It connects when it is first needed."""

    await enter(nothing, workers.close)
    return workers
