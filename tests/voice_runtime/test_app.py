"""The composition root: what is measured while it starts is of starting up, and turns nobody away."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from tests.simulators.recorder import MemoryRecorder
from voice_runtime import app as under_test
from voice_runtime.app import App
from voice_runtime.lines import load_lines
from voice_runtime.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.anyio


class Started:
    """An app whose parts are not started: in their place the loop stands still, on a clock set by hand."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = load_settings(ROOT / "configs" / "profiles" / "offline.yaml")
        self.app = App(settings.model_copy(update={"data_dir": folder}))
        self.now_s = 1000.0
        vitals: Any = self.app.vitals
        vitals._now_s = vitals._pauses._now_s = lambda: self.now_s
        vitals._busy = lambda: True

        async def nothing(*args: object) -> None:
            pass

        async def engines(releases: object) -> None:
            self.stalls(seconds=8, late_s=2.28)

        async def doors() -> list[object]:
            return []

        monkeypatch.setattr(self.app, "_configuration", dict)
        monkeypatch.setattr(self.app, "_start_ledger", nothing)
        monkeypatch.setattr(self.app, "_start_engines", engines)
        monkeypatch.setattr(self.app, "_open_doors", doors)
        monkeypatch.setattr(under_test, "archive_releases", lambda *args: None)
        monkeypatch.setattr(under_test, "build_server", lambda *args: None)

    def stalls(self, *, seconds: int, late_s: float) -> None:
        """Each second's last tick comes so late."""
        for n in range(20 * seconds):
            self.now_s = self.app.vitals._due_s + (late_s if n % 20 == 19 else 0.0)
            self.app.vitals.tick()

    async def enter(self, *calls: str) -> list[str]:
        """What each of them is told who calls now."""
        return [await self.app.admission.enter("clinic", call) for call in calls]


@pytest.fixture
def lines() -> Any:
    said: list[str] = []
    sink = logger.add(lambda message: said.append(str(message)), level="INFO")
    yield said
    logger.remove(sink)


async def test_a_server_that_has_just_started_takes_calls_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    """Regression: the second caller was turned away for some 15 s by what starting up had cost."""
    started = Started(tmp_path, monkeypatch)
    app = started.app
    assert app.headroom is not None
    await app.start()
    try:
        started.now_s += 3.0  # everything there is, is frozen: the loop stands still once more
        app.begin()
        assert app.headroom.open
        assert app.headroom.state()["measures"]["loop_lag_ms"]["now"] is None
        assert await started.enter("a", "b", "c") == ["admitted"] * 3
        assert lines == []
        started.stalls(seconds=8, late_s=0.0)
        assert app.headroom.open
        assert app.headroom.state()["measures"]["loop_lag_ms"]["now"] == 0.0
    finally:
        await app.admission.close()
        await app.stop()


async def test_once_it_serves_the_same_lag_turns_the_second_caller_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    started = Started(tmp_path, monkeypatch)
    app = started.app
    await app.start()
    try:
        started.stalls(seconds=8, late_s=2.28)
        assert await started.enter("a", "b") == ["admitted", "overload"]
        assert any("calls are turned away, 0 on the line: loop_lag_ms" in line for line in lines)
    finally:
        await app.admission.close()
        await app.stop()


def test_each_silence_of_a_browser_counts_for_admission_once(tmp_path: Path) -> None:
    settings = load_settings(ROOT / "configs" / "profiles" / "offline.yaml")
    app = App(settings.model_copy(update={"data_dir": tmp_path}))
    app._underrun("loop")
    app._track_underrun("loop")  # the same one, as the track saw it
    assert app._counts().underruns == 1
    app._track_underrun("unknown")
    assert app._counts().underruns == 2
    app._underrun("source")
    app._track_underrun("source")
    assert app._counts().underruns == 2
    sample = app.telemetry.registry.get_sample_value
    assert sample("sayso_track_underruns_total", {"cause": "unknown"}) == 1.0
    assert sample("sayso_track_underruns_total", {"cause": "loop"}) == 1.0


async def test_what_is_masked_in_its_log_lines_is_told_to_each_tenant_before_the_ledger_closes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings(ROOT / "configs" / "profiles" / "offline.yaml")
    app = App(settings.model_copy(update={"data_dir": tmp_path}))
    app.lines = await asyncio.to_thread(load_lines, ROOT)
    recorder = MemoryRecorder()

    async def opened(*args: Any) -> tuple[MemoryRecorder, None]:
        app._stack.callback(setattr, recorder, "refusing", True)  # what comes behind it finds it closed
        return recorder, None

    async def nothing(*args: Any) -> None:
        pass

    monkeypatch.setattr(under_test, "open_ledger", opened)
    monkeypatch.setattr(under_test, "record_what_is_weaker", nothing)
    monkeypatch.setattr(under_test, "taggers_of", lambda *args: {})
    await app._start_ledger({})
    assert app._masked.log.mask("no card: 4111 1111 1111 1111") == "no card: [card]"
    await app._stack.aclose()
    tenants = {line.tenant for line in app._all_lines()}
    assert tenants
    told = {record.tenant: record.found for record, _ in recorder.records}
    assert told == dict.fromkeys(tenants, 1)
    assert {record.type for record, _ in recorder.records} == {"redaction.counted"}
