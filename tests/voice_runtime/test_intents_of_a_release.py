"""``intents.yaml`` is part of what is approved: in the digest, kept, checked by validate and rules test."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from controls.intent_examples import tried_intents
from controls.rules.pack_files import emergency_names, load_packs
from tests.voice_runtime.project import AGENT, Project, copy
from voice_runtime.agent_folder import RULES_FOLDER
from voice_runtime.release_archive import archive_releases

INTENTS = "configs/rules/intents.yaml"
STOPS = "        - remove/delete/erase/scrub/drop my number\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return copy(tmp_path / "project")


def test_other_lists_are_another_release(project: Project) -> None:
    """Found by reading: how opting out sounds could change under an approved digest."""
    before = project.release()
    assert project.release().digest == before.digest
    project.edit(INTENTS, "    fillers:\n      [um,", "    fillers:\n      [um, umm,")
    after = project.release()
    assert after.digest != before.digest
    assert before.intents is not None
    assert after.intents is not None
    assert after.intents.digest != before.intents.digest
    assert json.loads(after.resolved)["intents"] == after.intents.digest


def test_a_remark_is_no_other_release(project: Project) -> None:
    before = project.release()
    project.edit(INTENTS, "format: 1\n", "# read again today\nformat: 1\n")
    assert project.release().digest == before.digest


def test_the_lists_of_a_release_are_kept_by_their_digest(project: Project, tmp_path: Path) -> None:
    release = project.release()
    archive_releases(tmp_path, [release])
    digest = json.loads(release.resolved)["intents"]
    kept = (tmp_path / "intents" / f"{digest.removeprefix('sha256:')}.json").read_bytes()
    assert "sha256:" + hashlib.sha256(kept).hexdigest() == digest
    assert "opt_out" in json.loads(kept)["languages"]["en-US"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (STOPS, "", "the lists miss their own example"),
        ("    agrees:", "    agree:", "did you mean `agrees`?"),
        ("<person>", "<nobody>", "unknown word list"),
    ],
)
def test_validate_names_what_is_wrong_with_the_lists(
    project: Project, old: str, new: str, message: str
) -> None:
    line = project.edit(INTENTS, old, new)
    found = [p for p in project.problems() if p.file == INTENTS]
    assert any(message in str(p) and p.severity == "error" for p in found), [str(p) for p in found]
    if new:
        assert line in [p.line for p in found]


def test_a_missing_file_is_an_error_of_the_agents(project: Project) -> None:
    (project.root / INTENTS).unlink()
    assert any(p.file == INTENTS and "cannot be read" in p.message for p in project.problems())


def test_a_language_without_lists_is_not_served(project: Project) -> None:
    project.edit(AGENT, "any_other: handoff", "also: [fr-FR]")
    [found] = [p for p in project.problems() if p.file == INTENTS]
    assert (found.field, found.severity) == ("languages", "error")
    assert "no lists in fr-FR" in found.message


def test_every_example_of_the_lists_is_tried_with_its_line(project: Project) -> None:
    folder = project.root / RULES_FOLDER
    packs = load_packs(folder, emergency_names(folder))
    path = project.root / INTENTS
    whole = list(tried_intents(path.read_text(encoding="utf-8"), INTENTS, packs))
    assert len(whole) > 200
    assert not any(example.fault for example in whole)
    assert {e.wanted for e in whole} == {True, False}
    project.edit(INTENTS, STOPS, "")
    text = path.read_text(encoding="utf-8")
    broken = [e for e in tried_intents(text, INTENTS, packs) if e.fault]
    assert {e.rule for e in broken} == {"intents/opt-out.en-US"}
    for example in broken:
        file, line, field = example.place
        assert (file, field.split("[")[0]) == (INTENTS, "languages.en-US.opt_out.catches")
        assert example.shown in text.splitlines()[line - 1]
