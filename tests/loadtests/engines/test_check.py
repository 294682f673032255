"""The check: every engine computes, and every line of the table says that the weights are random."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from loadtests.engines.__main__ import main
from loadtests.engines.check import Row


def test_the_table_has_every_engine_alone_and_with_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "check.json"
    assert main(["check", "--shape", "toy", "--calls", "2", "--out", str(out)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert all("random weights" in line for line in printed[1:])
    rows = [Row.model_validate(row) for row in json.loads(out.read_text(encoding="utf-8"))["rows"]]
    assert {row.calls for row in rows} == {1, 2}
    assert {row.engine.split(",")[0] for row in rows} == {"faster-whisper", "Llama 3", "VITS"}


def test_a_figure_that_cannot_be_right_is_not_reported() -> None:
    with pytest.raises(ValidationError):
        Row(engine="x", device="cpu", calls=1, figure="y", median_ms=2, max_ms=1, n=3)
