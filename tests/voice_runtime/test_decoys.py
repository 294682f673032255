"""Decoys from configs/decoys.yaml: refused with their line, and drawn by lot."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import ConfigurationError
from tests.voice_runtime.project import Project, copy
from voice_runtime.decoys import DECOYS_FILE, DecoysFile, load_decoys
from voice_runtime.decoys_laid import Decoys

DECOY = {
    "role": "compliance",
    "tool": "refund",
    "arguments": {"amount": 9000},
    "said": ["caller: no order at all"],
}


def declared(**changes: Any) -> dict[str, Any]:
    return {"format": 1, "written_by": "practice-manager", "one_in": 1, "decoys": [DECOY], **changes}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return copy(tmp_path)


def written(project: Project, value: object) -> DecoysFile | None:
    (project.root / DECOYS_FILE).write_text(json.dumps(value, indent=1))
    return load_decoys(project.root)


def test_there_need_be_none(project: Project) -> None:
    assert load_decoys(project.root) is None


def test_they_are_read(project: Project) -> None:
    found = written(project, declared())
    assert found is not None
    assert (found.one_in, found.decoys[0].arguments) == (1, {"amount": 9000})


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"written_by": "nobody"}, "there is no role 'nobody'"),
        ({"decoys": [DECOY | {"role": "nobody"}]}, "there is no role 'nobody'"),
        ({"written_by": "compliance"}, "whoever writes decoys would decide on them"),
        ({"one_in": 0}, "one_in"),
        ({"decoys": []}, "decoys"),
        ({"decoys": [DECOY | {"said": ["no order at all"]}]}, "does not say who spoke"),
        ({"decoys": [DECOY | {"said": []}]}, "said"),
        ({"agent": "healthcare"}, "agent"),
    ],
)
def test_a_mistake_is_named(project: Project, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named) as error:
        written(project, declared(**changes))
    assert all(p.file == str(DECOYS_FILE) for p in error.value.problems)


@given(st.integers(1, 40), st.integers(0, 2**32))
def test_on_average_one_comes_with_so_many(one_in: int, seed: int) -> None:
    file = DecoysFile.model_validate(declared(one_in=one_in, decoys=[DECOY, DECOY | {"tool": "move"}]))
    decoys = Decoys(file, random.Random(seed))
    drawn = [decoys.behind("compliance", "refund") for _ in range(one_in * 60)]
    came = sum(d is not None for d in drawn)
    assert 20 <= came <= 110
    assert decoys.behind("front-desk", "refund") is None
    assert decoys.behind("compliance", "cancel") is None, "of the tool that is really asked for"
    assert all(2.0 <= decoys.delay_s() <= 15.0 for _ in range(20))
