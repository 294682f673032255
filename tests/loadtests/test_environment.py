"""Where a run took place: complete, and nobody's name in it."""

from __future__ import annotations

import getpass
import platform
import subprocess
from pathlib import Path

from loadtests.cores import Cores
from loadtests.environment import commit_of, environment


def test_it_tells_hardware_packages_and_cores():
    found = environment(Cores(server=(1,), generator=(0,)))
    assert found.cpu
    assert found.cores >= 1
    assert found.memory_gb > 0
    assert "pipecat-ai" in found.packages
    assert (found.generator_cores, found.server_cores) == ((0,), (1,))


def test_it_names_no_machine_and_no_person():
    written = environment().model_dump_json()
    assert platform.node() not in written
    assert f'"{getpass.getuser()}"' not in written


def _git(root: Path, *arguments: str) -> None:
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    subprocess.run(["git", "-C", str(root), *who, *arguments], check=True, capture_output=True)


def test_a_change_of_the_code_is_told_and_one_of_the_notes_is_not(tmp_path: Path):
    _git(tmp_path, "init")
    (tmp_path / "controls").mkdir()
    (tmp_path / "controls" / "a.py").write_text("1")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-m", "first")
    commit, changed = commit_of(tmp_path)
    assert len(commit) >= 7
    assert not changed
    (tmp_path / "NOTES.md").write_text("notes")
    assert commit_of(tmp_path) == (commit, False)
    (tmp_path / "loadtests" / "results").mkdir(parents=True)
    (tmp_path / "loadtests" / "results" / "results.json").write_text("another run's")
    assert commit_of(tmp_path) == (commit, False)
    (tmp_path / "controls" / "a.py").write_text("2")
    assert commit_of(tmp_path) == (commit, True)


def test_without_git_the_commit_is_unknown(tmp_path: Path):
    assert commit_of(tmp_path) == ("unknown", False)
