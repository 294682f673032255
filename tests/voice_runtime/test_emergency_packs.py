"""Emergency packs by their kind: found, bound and expected by the recogniser, whatever the file is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from controls.intents import load_intents
from tests.voice_runtime.project import AGENT, Project, copy
from voice_runtime.agent_folder import RULES_FOLDER
from voice_runtime.phrases import intent_phrases
from voice_runtime.urgent_phrases import urgent_sentences


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Its emergencies stand in a file of another name."""
    made = copy(tmp_path / "project")
    folder = made.root / RULES_FOLDER
    text = (folder / "emergency-us.yaml").read_text(encoding="utf-8")
    (folder / "urgent.yaml").write_text(text.replace("pack: emergency-us", "pack: urgent", 1))
    (folder / "emergency-us.yaml").unlink()
    made.edit(AGENT, "emergency-us]", "urgent]")
    return made


def test_a_release_detects_with_its_own_packs_and_binds_every_script(project: Project) -> None:
    release = project.release()
    assert release.rules is not None
    intents = load_intents(project.root / RULES_FOLDER, release.rules.packs)
    found = intents.emergency("i have chest pain", "en-US")
    assert found is not None
    assert found.rule == "urgent/danger-to-life"
    assert found.script in release.phrases
    assert "9 1 1" in release.phrases[found.script]["en-US"]
    for script, said in intents.emergencies.phrases.items():
        assert set(release.languages) <= set(release.phrases[script]) <= set(said)


def test_a_recogniser_expects_the_words_of_every_emergency_pack(project: Project) -> None:
    folder = project.root / RULES_FOLDER
    assert "i have chest pain" in intent_phrases(folder, "en-US")
    assert len(urgent_sentences(folder, "en-US")) > 3000
