"""Fixtures of the commands' tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.voice_runtime.cli.records_house import ROOT, House


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> House:
    monkeypatch.chdir(ROOT)
    data_dir = tmp_path / "data"
    text = (ROOT / "configs/profiles/offline.yaml").read_text()
    assert "data_dir: .sayso" in text
    profile = tmp_path / "profile.yaml"
    profile.write_text(text.replace("data_dir: .sayso", f"data_dir: {data_dir}"))
    return House(profile, data_dir, capsys)
