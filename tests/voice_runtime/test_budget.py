"""The budget of stalls: its numbers belong together, and are those that defaults and documentation tell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_runtime import budget
from voice_runtime.budget import ANNOUNCED_PAUSE_MS, LEAD_MS, LOOP_LAG_P99_MS, MESSAGE_MS, uncovered_s
from voice_runtime.settings import Headroom

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operate.md"


def test_the_page_tells_every_number_by_its_name() -> None:
    told = re.findall(
        r"^\| `([A-Z0-9_]+)` \| ([0-9]+)(?: ms)? \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    named = {name: value for name, value in vars(budget).items() if name.isupper()}
    assert {name: float(value) for name, value in told} == named


def test_the_page_tells_the_defaults_of_admission() -> None:
    page = PAGE.read_text(encoding="utf-8")
    told = dict(re.findall(r"^    ([a-z_]+): ([0-9.]+)$", page, re.MULTILINE))
    assert {name: float(value) for name, value in told.items()} == Headroom().model_dump()


def test_admission_shuts_before_a_caller_would_get_silence() -> None:
    assert 2 * LOOP_LAG_P99_MS < LEAD_MS
    assert Headroom().loop_lag_ms == LOOP_LAG_P99_MS
    assert Headroom().announced_pause_ms == ANNOUNCED_PAUSE_MS
    assert f"{LEAD_MS} to {LEAD_MS + MESSAGE_MS} ms" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("announced", [False, True])
@given(pause_ms=st.integers(0, 5_000))
def test_what_no_audio_pays_for_is_what_is_longer_than_it(announced: bool, pause_ms: int) -> None:
    covered_ms = ANNOUNCED_PAUSE_MS if announced else LEAD_MS
    found = uncovered_s(pause_ms / 1000, announced=announced)
    assert found == pytest.approx(max(0, pause_ms - covered_ms) / 1000)
    assert (found > 0) == (pause_ms > covered_ms)
