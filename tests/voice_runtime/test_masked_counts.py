"""What was masked in log lines and spans is on record: how often, by type, by which rules, to each tenant."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from controls.errors import LedgerError
from controls.ledger import records as r
from controls.redaction.counting import Counting
from controls.redaction.file import strictest, unconfigured
from tests.simulators.recorder import MemoryRecorder
from tests.voice_runtime.test_redacted_sinks import Kept
from voice_runtime.masked_counts import MaskedCounts
from voice_runtime.tracing import MaskingExporter

pytestmark = pytest.mark.anyio
CARD = "4111 1111 1111 1111"


class Ticks:
    """Sleeps until it is told to go on."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._next = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._next.clear()
        await self._next.wait()

    def go(self) -> None:
        self._next.set()


def told(recorder: MemoryRecorder) -> Counter[tuple[str, str, str]]:
    found: Counter[tuple[str, str, str]] = Counter()
    for record, personal in recorder.records:
        assert isinstance(record, r.RedactionCounted)
        assert personal is None
        found[record.tenant, record.sink, record.what.value] += record.found
    return found


async def test_log_lines_and_spans_are_told_apart_for_each_tenant() -> None:
    recorder, ticks = MemoryRecorder(), Ticks()
    counts = MaskedCounts(unconfigured(), sleep=ticks)
    assert [counts.log.mask(f"paid with {CARD}") for _ in range(2)] == ["paid with [card]"] * 2
    await counts.start(recorder, ["clinic", "estate", "clinic"])
    await asyncio.sleep(0)
    assert ticks.slept == [60.0]
    kept, provider = Kept(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(MaskingExporter(kept, counts.span.mask)))
    provider.get_tracer("t").start_span("said", attributes={"sayso.text": "write to a@example.com"}).end()
    ticks.go()
    async with asyncio.timeout(5):
        while len(ticks.slept) < 2:
            await asyncio.sleep(0)
    every = {("log", "card"): 2, ("span", "email"): 1}
    assert told(recorder) == {(t, *k): n for t in ("clinic", "estate") for k, n in every.items()}
    versions = {record.sink: record.version for record, _ in recorder.records}
    assert versions == {sink: unconfigured().before(sink).version for sink in ("log", "span")}
    provider.get_tracer("t").start_span(f"pay {CARD}").end()
    await counts.close()
    provider.shutdown()
    assert told(recorder)["clinic", "span", "card"] == 1, "what is left is told at the end"
    before = len(recorder.records)
    counts.tell()
    assert len(recorder.records) == before, "nothing is told twice"


async def test_what_the_ledger_does_not_take_is_told_later() -> None:
    class Full(MemoryRecorder):
        full = True

        def append(self, record: Any, personal: Any = None) -> Any:
            if self.full:
                raise LedgerError("full")
            return super().append(record, personal)

    counts, recorder = MaskedCounts(unconfigured(), sleep=Ticks()), Full()
    await counts.start(recorder, ["clinic"])
    counts.log.mask(CARD)
    counts.tell()
    assert recorder.records == []
    recorder.full = False
    counts.log.mask(CARD)
    await counts.close()
    assert told(recorder) == {("clinic", "log", "card"): 2}


async def test_before_there_is_a_ledger_nothing_is_lost() -> None:
    counts, recorder = MaskedCounts(unconfigured(), sleep=Ticks()), MemoryRecorder()
    counts.log.mask(CARD)
    counts.tell()
    await counts.start(recorder, ["clinic"])
    await counts.close()
    assert told(recorder) == {("clinic", "log", "card"): 1}


def test_threads_lose_no_count() -> None:
    counting = Counting(strictest())
    threads = [threading.Thread(target=lambda: [counting.mask(CARD) for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counting.take() == {r.PersonalData.CARD: 200}
    assert counting.take() == {}
    assert counting.version == strictest().version
