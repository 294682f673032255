"""Rules that go by meaning: the model is loaded from a folder, gone by, and missed by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from controls.decision import Verdict
from controls.errors import ConfigurationError
from controls.rules import meaning
from controls.rules.engine import Rules
from controls.rules.model import Pack
from tests.controls.rules.packs import pack, rule
from tests.controls.rules.test_engine import speak
from tests.simulators.sentence_model import write_sentence_model
from tests.voice_runtime.project import Project, copy
from voice_runtime.lines import load_lines
from voice_runtime.resolve import validate_agent
from voice_runtime.sentence_encoder import SentenceEncoder

PROFILE = "configs/profiles/offline.yaml"
AGENT = "agents/real_estate/agent.yaml"
LIKE = ("this home will be gone soon", "somebody else will take this home", "decide now")
UNLIKE = ("the viewing is on friday", "the kitchen has a window", "take your time")
WORDS = " ".join((*LIKE, *UNLIKE, "residence shall vanish and other filler . , '"))


@pytest.fixture(autouse=True)
def _nobody_elses() -> Iterator[None]:
    yield
    meaning.use(None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_sentence_model(tmp_path / "sentences", WORDS, same=("residence", "home"))


def by_meaning(**like: object) -> Pack:
    made = rule(
        "hurry",
        **{
            "if": {"like": {"topic": "hurry", "by": "meaning", "at_least": 20, **like}},
            "catches": ["This home will be gone soon."],
            "lets_pass": ["The viewing is on Friday."],
        },
    )
    return pack(made, topics={"hurry": {"en-US": {"like": LIKE, "unlike": UNLIKE}}})


def test_another_word_for_the_same_is_found(folder: Path) -> None:
    meaning.use(SentenceEncoder(folder))
    rules = Rules.compile([by_meaning()])
    assert speak(rules, "This residence will be gone soon.").verdict is Verdict.BLOCK
    assert speak(rules, "The viewing is on Friday.").verdict is Verdict.ALLOW
    [ground] = rules.why("made-up/hurry", speak(rules, "This residence will be gone soon.").proposal)
    assert ground.line.startswith("like hurry: ")
    assert ground.words == LIKE[0]  # the example that is nearest


def test_only_the_clause_is_read(folder: Path) -> None:
    meaning.use(SentenceEncoder(folder))
    rules = Rules.compile([by_meaning()])
    assert speak(rules, "Take your time.", before="This home will be gone soon.").verdict is Verdict.ALLOW
    assert speak(rules, "…").verdict is Verdict.ALLOW


def test_without_a_model_the_rule_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Rules.compile([by_meaning()])
    assert "name a model of sentences in the profile" in str(caught.value)
    assert "if.like" in str(caught.value) or "catches" in str(caught.value)
    assert speak(Rules([by_meaning()]), "The viewing is on Friday.").verdict is Verdict.BLOCK  # and refuses


def test_without_a_model_a_rule_may_go_by_words(folder: Path) -> None:
    made = by_meaning(without_model=2)
    rules = Rules.compile([made])
    assert speak(rules, "This home will be gone soon.").verdict is Verdict.BLOCK
    assert speak(rules, "Residence vanishes.").verdict is Verdict.ALLOW
    [ground] = rules.why("made-up/hurry", speak(rules, "This home will be gone soon.").proposal)
    assert ground.line.endswith("from 2 on")


def test_a_model_that_breaks_refuses(folder: Path) -> None:
    class Broken:
        digest = "sha256:" + "0" * 64

        def cosines(self, text: str, sentences: tuple[str, ...]) -> list[float]:
            raise RuntimeError

    meaning.use(SentenceEncoder(folder))
    rules = Rules.compile([by_meaning()])
    meaning.use(Broken())
    decision = speak(rules, "The viewing is on Friday.")
    assert decision.verdict is Verdict.BLOCK
    assert decision.verdicts[0].reason.startswith("rule failed")


def test_vectors_are_told_by_the_first_word_where_the_model_says_so(tmp_path: Path) -> None:
    mean = SentenceEncoder(write_sentence_model(tmp_path / "mean", WORDS))
    first = SentenceEncoder(write_sentence_model(tmp_path / "first", WORDS, pooling="cls"))
    [near] = first.cosines("home and filler", ("home will vanish",))
    assert near == pytest.approx(1.0, abs=1e-5)
    assert mean.cosines("home and filler", ("home will vanish",))[0] < 0.9
    assert mean.digest == first.digest  # the same weights and vocabulary
    other = SentenceEncoder(write_sentence_model(tmp_path / "other", WORDS + " more"))
    assert other.digest != mean.digest


@pytest.mark.parametrize(
    ("missing", "message"),
    [("model.onnx", "there is no model.onnx"), ("tokenizer.json", "there is no tokenizer.json")],
)
def test_a_folder_that_lacks_a_file_is_named(folder: Path, missing: str, message: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(ConfigurationError, match=message):
        SentenceEncoder(folder)


def test_what_is_no_model_is_named(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"no network")
    with pytest.raises(ConfigurationError, match="no model of sentences that can be run"):
        SentenceEncoder(folder)


def test_a_profile_names_it_and_a_release_its_digest(tmp_path: Path) -> None:
    project = copy(tmp_path / "project")
    project.edit(AGENT, "{topic: hurry, at_least: 6.0}", "{topic: hurry, by: meaning, at_least: 1}")
    assert any("name a model of sentences" in str(p) for p in problems(project))
    text = (project.root / "agents/real_estate/examples/hurry.en-US.txt").read_text()
    examples = "never last weekend fool wait saturday ten hurry all " + text
    write_sentence_model(project.root / "models/sentences", examples)
    project.edit(PROFILE, "desks: nobody_there ", "meaning: {folder: models/sentences}\ndesks: nobody_there ")
    assert not any("name a model of sentences" in str(p) for p in problems(project))
    found = meaning.current()
    assert found is not None
    assert found.digest == SentenceEncoder(project.root / "models/sentences").digest


def test_a_profile_that_names_no_model_is_refused(tmp_path: Path) -> None:
    project = copy(tmp_path)
    project.edit(PROFILE, "desks: nobody_there ", "meaning: {folder: models/none}\ndesks: nobody_there ")
    [problem] = problems(project)
    assert (problem.file, problem.message) == ("models/none", "there is no model.onnx")


def problems(project: Project) -> list:
    return validate_agent(project.root, "real_estate", project.settings(), load_lines(project.root))
