"""``sayso evals run`` as an operator runs it: every conversation, one that fails, and the exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.journeys.conftest import ROOT
from tests.journeys.test_commands import sayso
from tests.voice_runtime.project import Project

pytest.importorskip("espeakng_loader", reason="the offline profile's voice (make .venv installs it)")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    for folder in ("agents", "configs"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return Project(tmp_path)


def test_a_fresh_agent_holds_its_conversations_in_both_languages(project: Project) -> None:
    made = sayso(
        "agents", "new", "mostrador", "--language", "en-US", "--language", "es-US", "--json",
        cwd=project.root,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    ran = sayso("evals", "run", "mostrador", cwd=project.root)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    first, *lines, last = ran.stdout.splitlines()
    assert first == f"agent   mostrador  {json.loads(made.stdout)['digest']}"
    assert last == "8 of 8 hold"
    assert sum("[es-US]" in line for line in lines) == 4


def test_what_does_not_hold_is_named_with_its_step_and_the_digest(project: Project) -> None:
    project.edit(
        "agents/salon/evals/answers-questions.yaml", "says: [forty five dollars]", "says: [forty dollars]"
    )
    ran = sayso(
        "evals", "run", "salon", "--case", "answers-questions", "--case", "are-you-a-robot-in-spanish",
        "--json", cwd=project.root,
    )  # fmt: skip
    assert ran.returncode == 1, ran.stdout + ran.stderr
    report = json.loads(ran.stdout)
    assert (report["agent"], report["ok"]) == ("salon", False)
    wrong, right = report["cases"]
    assert (wrong["name"], wrong["ok"], wrong["language"]) == ("answers-questions", False, None)
    [failure] = wrong["failures"]
    assert failure.startswith('step 1 (caller: "how much is a haircut"): says: expected "forty dollars"')
    assert (right["ok"], right["language"], right["failures"]) == (True, "es-US", [])
    assert {wrong["release"], right["release"]} == {report["release"]}
    assert report["release"].startswith("sha256:")


def test_the_records_of_a_run_can_be_kept_and_proven(project: Project, tmp_path: Path) -> None:
    ran = sayso("evals", "run", "real_estate", "--case", "never-steers", "--keep", "kept", cwd=project.root)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    from controls.ledger.verify import verify_directory

    assert verify_directory(tmp_path / "kept" / "ledger").ok
