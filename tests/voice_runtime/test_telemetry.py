"""Metrics: the dashboard and the page know exactly those there are, and readings are true."""

from __future__ import annotations

import json
import re
from concurrent.futures import Future
from pathlib import Path

from controls.decision import PendingReceipt, Receipt
from controls.ids import new_id
from controls.ledger import records as r
from controls.ledger.witnesses import Reading
from tests.simulators.recorder import MemoryRecorder
from voice_runtime.breaker import Breaker
from voice_runtime.telemetry import CountingRecorder, Telemetry, metrics_table

DOCS = Path(__file__).resolve().parents[2] / "docs"


def sample(telemetry: Telemetry, name: str, **labels: str) -> float:
    value = telemetry.registry.get_sample_value(name, labels)
    assert value is not None, f"{name} {labels} is not there"
    return value


def test_the_dashboard_asks_only_for_metrics_there_are() -> None:
    dashboard = json.loads((DOCS / "grafana" / "sayso.json").read_text(encoding="utf-8"))
    known = set(re.findall(r"`(sayso_\w+)`", metrics_table()))
    asked = {
        re.sub(r"_bucket$", "", name)
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in re.findall(r"sayso_\w+", target["expr"])
    }
    assert asked <= known
    assert known <= asked, "a metric nobody would see"


def test_the_page_lists_the_metrics() -> None:
    assert metrics_table() in (DOCS / "observe.md").read_text(encoding="utf-8")


def test_what_eager_turns_gain_and_waste_is_counted() -> None:
    telemetry = Telemetry()
    recorder = CountingRecorder(MemoryRecorder(), telemetry)
    call = {"tenant": "clinic", "call": new_id("c"), "turn": 1}
    for _ in range(3):
        recorder.append(r.TurnProvisional(**call, engine="test"))
    recorder.append(r.TurnWithdrawn(**call, reason="eager", tokens_in=40, tokens_out=7))
    recorder.append(r.TurnWithdrawn(**call, reason="eager", tokens_in=2, tokens_out=0))
    recorder.append(r.TurnWithdrawn(**call, reason="interrupted"))
    played = r.AgentPlayed(
        **call, clause=new_id("k"), samples=1, of_samples=1, rate_hz=8000, interrupted=False,
        evidence=r.Evidence.SENT_ONLY,
    )  # fmt: skip
    for latency in (r.Latency(eager=250.0), r.Latency(first_token=3.0)):
        recorder.append(played, r.PlayedDetails(text="Yes.", played_text="Yes.", latency_ms=latency))
    assert sample(telemetry, "sayso_eager_turns_total") == 3
    assert sample(telemetry, "sayso_eager_withdrawn_total") == 2
    assert sample(telemetry, "sayso_eager_tokens_wasted_total", direction="in") == 42
    assert sample(telemetry, "sayso_eager_tokens_wasted_total", direction="out") == 7
    assert sample(telemetry, "sayso_eager_gained_seconds_count") == 1
    assert sample(telemetry, "sayso_eager_gained_seconds_sum") == 0.25


def test_a_supplier_whose_breaker_is_open_shows() -> None:
    telemetry, good, bad = Telemetry(), Breaker("good"), Breaker("bad", after=1)
    bad.failed("late")
    telemetry.engines("voice", [good, bad])
    assert sample(telemetry, "sayso_engine_up", stage="voice", engine="good") == 1
    assert sample(telemetry, "sayso_engine_up", stage="voice", engine="bad") == 0
    assert sample(telemetry, "sayso_engine_failures", stage="voice", engine="bad") == 1


def test_a_witness_against_the_log_shows() -> None:
    telemetry = Telemetry()
    telemetry.witness_readings = lambda: [
        Reading("good.example/w", "ok", 2, 2, {}, 1_900_000_060, 1_900_000_000, 2, 0),
        Reading("bad.example/w", "conflict", 2, 1, {"o_B": "conflict"}, None, None, 7, 1),
    ]
    telemetry.exposition()
    assert sample(telemetry, "sayso_witness_up", witness="good.example/w") == 1
    assert sample(telemetry, "sayso_witness_up", witness="bad.example/w") == 0
    age = "sayso_witness_cosigned_timestamp_seconds"
    assert sample(telemetry, age, witness="good.example/w") == 1_900_000_000
    assert sample(telemetry, age, witness="bad.example/w") == 0
    assert sample(telemetry, "sayso_witness_conflicts", witness="bad.example/w") == 1
    logs = "sayso_witness_logs"
    assert sample(telemetry, logs, witness="good.example/w", cosigned="yes") == 2
    assert sample(telemetry, logs, witness="good.example/w", cosigned="no") == 0
    assert sample(telemetry, logs, witness="bad.example/w", cosigned="yes") == 1
    assert sample(telemetry, logs, witness="bad.example/w", cosigned="no") == 1


def test_records_without_a_receipt_are_counted_until_they_have_one() -> None:
    class Slow:
        def __init__(self) -> None:
            self.futures: list[PendingReceipt] = []

        def append(self, record: r.Record, personal: r.Personal | None = None) -> PendingReceipt:
            self.futures.append(Future())
            return self.futures[-1]

    telemetry, slow = Telemetry(), Slow()
    recorder = CountingRecorder(slow, telemetry)
    for _ in range(3):
        recorder.append(r.MediaHalfDuplex(tenant="clinic", call="c_" + "A" * 16, active=True))
    assert sample(telemetry, "sayso_receipts_pending") == 3
    slow.futures[0].set_result(Receipt("o", 1, "x", 1))
    slow.futures[1].set_exception(OSError())
    assert sample(telemetry, "sayso_receipts_pending") == 1


def test_what_is_read_and_not_counted_is_asked_before_each_exposition() -> None:
    telemetry = Telemetry()
    threads = iter((3, 4))
    telemetry.before_exposition = lambda: telemetry.threads.set(next(threads))
    assert b"\nsayso_threads 3.0\n" in telemetry.exposition()
    assert b"\nsayso_threads 4.0\n" in telemetry.exposition()
