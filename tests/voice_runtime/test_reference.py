"""The agent reference: what the models say, every field of them, and no other page."""

from __future__ import annotations

import re
from pathlib import Path

from tests.voice_runtime.project import ROOT
from voice_runtime.agent_file import AgentFile, Conversation, HandoffTo, ToolEntry
from voice_runtime.reference import PAGE, page, stale, write


def test_the_page_is_current() -> None:
    """Made by ``sayso agents schema --markdown --write``."""
    assert stale(ROOT) == []


def test_every_field_has_a_row_and_says_what_it_is_for() -> None:
    text = page()
    for model in (AgentFile, Conversation, ToolEntry, HandoffTo):
        for name, field in model.model_fields.items():
            assert f"| `{field.alias or name}` |" in text, name
    rows = re.findall(r"^\| `[^`]+` \| (.*) \| (.*) \| (.*) \|$", text, re.MULTILINE)
    assert len(rows) > 80
    assert [row for row in rows if not row[2].strip()] == []


def test_every_table_referred_to_is_there() -> None:
    text = page()
    tables = set(re.findall(r"^### `(.+)`$", text, re.MULTILINE))
    assert set(re.findall(r"see `([^`]+)`", text)) <= tables


def test_a_stale_page_is_found_and_written_again(tmp_path: Path) -> None:
    assert stale(tmp_path) == write(tmp_path) == [PAGE.as_posix()]
    assert write(tmp_path) == []
    (tmp_path / PAGE).write_text("# Agent reference\n")
    assert stale(tmp_path) == [PAGE.as_posix()]
