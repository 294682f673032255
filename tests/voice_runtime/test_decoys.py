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
from voice_runtime.approvals import Decoys
from voice_runtime.decoys import DECOYS_FILE, DecoysFile, load_decoys

DECOY = {"role": "compliance", "tool": "refund", "arguments": {"amount": 9000}, "shown": "no order at all"}


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
        ({"agent": "healthcare"}, "agent"),
    ],
)
def test_a_mistake_is_named(project: Project, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named) as error:
        written(project, declared(**changes))
    assert all(p.file == str(DECOYS_FILE) for p in error.value.problems)


@given(st.integers(1, 40), st.integers(0, 2**32))
def test_on_average_one_comes_with_so_many(one_in: int, seed: int) -> None:
    file = DecoysFile.model_validate(declared(one_in=one_in, decoys=[DECOY, DECOY | {"tool": "cancel"}]))
    decoys = Decoys.of(file, random.Random(seed))
    drawn = [decoys.drawn("compliance") for _ in range(one_in * 60)]
    came = sum(d is not None for d in drawn)
    assert 20 <= came <= 110
    assert {d.tool for d in drawn if d is not None} == {"refund", "cancel"}
    assert decoys.drawn("front-desk") is None
