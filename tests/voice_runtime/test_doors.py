"""A call that is not taken: on record wherever there is room, and nobody waits for the disk to be told."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from controls.disclosures import parse_disclosure
from controls.errors import LedgerError
from controls.jurisdiction import Jurisdictions
from tests.controls.rules.packs import ROOT
from tests.simulators.house import FakeSpool
from tests.simulators.recorder import MemoryRecorder
from voice_runtime import doors as d
from voice_runtime.doors import Doors
from voice_runtime.house import Facts
from voice_runtime.ingress.twilio_hooks import Reason, Refusal
from voice_runtime.lines import Line, Lines

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


# --- what a call is opened under ----------------------------------------------------------------------

LINE = Line("web", "web", "test", "clinic", "us", "us-ca")


def _doors(today: date) -> Doors:
    """Doors to one agent, whose disclosure rules end on 30 November 2026."""
    text = (
        (ROOT / "configs/disclosures/us-ca.yaml")
        .read_text(encoding="utf-8")
        .replace("2027-12-31", "2026-11-30")
    )
    law = Jurisdictions.of([parse_disclosure(text, "us-ca.yaml")], date(2026, 11, 22))
    noon = datetime(today.year, today.month, today.day, 12, tzinfo=UTC).timestamp()
    newest = SimpleNamespace(note=b"note")
    return Doors(
        cast("Any", None), lines=Lines((LINE,)), admission=cast("Any", None), hearing=cast("Any", None),
        agents={"test": cast("Any", SimpleNamespace(release=SimpleNamespace(jurisdictions=law)))},
        house=cast("Any", SimpleNamespace(clock=SimpleNamespace(unix_s=lambda: noon), stops=None)),
        ledger=cast("Any", SimpleNamespace(cosigned=lambda tenant: newest)), coordinator=cast("Any", None),
        telemetry=cast("Any", None), public_url=str,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("today", "reason"), [(date(2026, 11, 30), "ledger"), (date(2026, 12, 1), "expired")]
)
async def test_a_server_that_outlives_its_disclosure_rules_takes_no_call(
    today: date, reason: Reason, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Facts] = []

    async def open_call(agent: object, house: object, facts: Facts, id: str) -> None:
        opened.append(facts)
        raise LedgerError("this far and no further")

    monkeypatch.setattr(d, "open_call", open_call)
    call = SimpleNamespace(line=LINE, call="c_1", language="", within_s=1.0)
    assert await _doors(today)._open_browser(cast("Any", call)) == reason
    assert [facts.jurisdiction for facts in opened] == ([] if reason == "expired" else ["us-ca"])
