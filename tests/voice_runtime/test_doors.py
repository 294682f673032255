"""A call that is not taken: on record wherever there is room, and nobody waits for the disk to be told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.simulators.house import FakeSpool
from tests.simulators.recorder import MemoryRecorder
from voice_runtime.doors import Doors
from voice_runtime.ingress.twilio_hooks import Reason, Refusal
from voice_runtime.lines import Lines

pytestmark = pytest.mark.anyio


class Counter:
    """Doors with nothing behind them but a recorder and a spool."""

    def __init__(self, recorder: MemoryRecorder) -> None:
        self.recorder, self.spool = recorder, FakeSpool()
        nothing = cast("Any", None)
        self.doors = Doors(
            nothing, lines=Lines(()), agents={}, house=cast("Any", SimpleNamespace(recorder=self.recorder)),
            hearing=nothing, ledger=cast("Any", SimpleNamespace(append_spooled=self.spool)),
            admission=nothing, coordinator=nothing, telemetry=nothing, public_url=str,
        )  # fmt: skip

    async def refuse(self, reason: Reason) -> None:
        await self.doors._on_refused(Refusal(reason, carrier_call="CA1"))


REASONS: tuple[Reason, ...] = ("ledger", "capacity")


@pytest.mark.parametrize("reason", REASONS)
async def test_the_answer_to_the_carrier_does_not_wait_for_the_disk(reason: Reason) -> None:
    desk = Counter(MemoryRecorder(delayed=True))
    await desk.refuse(reason)
    assert not desk.recorder.records and not desk.spool.entries
    desk.recorder.commit()
    ((record, details),) = desk.recorder.of("call.refused")
    assert (record.reason, details.carrier_call) == (reason, "CA1")
    assert not desk.spool.entries


@pytest.mark.parametrize("reason", REASONS)
async def test_what_the_log_does_not_take_lies_in_the_spool(reason: Reason) -> None:
    desk = Counter(MemoryRecorder(failing=True))
    await desk.refuse(reason)
    ((record, details),) = desk.spool.entries
    assert (record.reason, details.carrier_call) == (reason, "CA1")
