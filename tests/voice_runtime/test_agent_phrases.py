"""An agent's own wording of fixed phrases: each must say what it is for, in its file and on its line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from controls.errors import Problem
from tests.voice_runtime.project import AGENT, ROOT, Project, copy
from voice_runtime.lines import load_lines
from voice_runtime.resolve import resolve
from voice_runtime.settings import load_settings

OWN = "  no-one-free: {en-US: "
MUST_SAY = "configs/must_say.yaml"
ENGLISH, SPANISH = "configs/phrases/en-US.yaml", "configs/phrases/es-US.yaml"

#: Each was validated once, and played: (phrase, words, what the problem says)
AMISS = [
    ("ai-answer", "Of course not.", "say that an AI, or a machine, speaks"),
    ("words-kept", "Nice weather.", "say that the call is kept as text"),
    ("ask-callback", "Anything else?", "ask about calling back"),
    ("ask-opt-out", "Pardon?", "say that the call would end"),
    ("ask-emergency", "Shall I go on?", "ask whether this is an emergency"),
    ("emergency", "Please hold the line.", "say to call the emergency number"),
    ("stopped", "One moment.", "say that a person is fetched"),
    ("waiting-for-approval", "It is done.", "claims something before it is known: done, is"),
    ("still-waiting-for-approval", "My colleague still decides: it's free.", "claims something before"),
    ("moment", "Thank you.", "ask for a moment"),
    ("callback-promised", "We will call you back within an hour.", "may not say 'within'"),
    ("capture-enter", "Please tell me your number.", "say to key them in"),
    ("not-recorded", "All right.", "say that the call is not recorded"),
    ("objection-noted", "All right.", "say that it is not done any more"),
    ("still-there", "Shall I book it?", "ask whether the caller is still there"),
]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return copy(tmp_path)


def errors(project: Project) -> list[Problem]:
    return [p for p in project.problems() if p.severity == "error"]


def test_words_that_do_not_say_what_their_phrase_is_for_are_refused_where_they_stand(
    project: Project,
) -> None:
    own = [(name, words) for name, words, _ in AMISS if name != "capture-enter"]
    lines = "".join(f'  {name}: {{en-US: "{words}"}}\n' for name, words in own)
    first = project.edit(AGENT, OWN, lines + OWN)
    project.edit(AGENT, "Please key in your member number, then press pound.", "Please tell me your number.")
    found = errors(project)
    for name, _, says in AMISS:
        field = f"phrases.{name}.en-US"
        mine = [p for p in found if p.field == field]
        assert any(says in p.message for p in mine), (field, [str(p) for p in found])
        assert all(p.file == AGENT for p in mine)
        if name != "capture-enter":
            at = first + [n for n, _ in own].index(name)
            assert {p.line for p in mine} == {at}
        assert any('such as: "' in p.remedy or "without any claim" in p.remedy for p in mine)
    assert {p.field for p in found} == {f"phrases.{name}.en-US" for name, _, _ in AMISS}


@pytest.mark.parametrize("words", ["No.", "No, I'm not.", "Yes, a real one."])
def test_no_is_no_answer_to_are_you_a_robot(project: Project, words: str) -> None:
    project.edit(AGENT, OWN, f'  ai-answer: {{en-US: "{words}"}}\n{OWN}')
    assert "phrases.ai-answer.en-US" in {p.field for p in errors(project)}


def test_the_answer_is_also_judged_by_the_rules_as_the_answer_to_the_question(project: Project) -> None:
    """Where the requirement has a hole, the rules that need the caller's question still see it."""
    project.edit(MUST_SAY, "en-US: [ai, artificial", "en-US: [of course, ai, artificial")
    project.edit(MUST_SAY, 'en-US: ["Of course not.", "No.",', 'en-US: ["No.",')
    assert errors(project) == []
    project.edit(AGENT, OWN, f'  ai-answer: {{en-US: "Of course not."}}\n{OWN}')
    [problem] = errors(project)
    assert (problem.file, problem.field) == (AGENT, "phrases.ai-answer.en-US")
    assert "truthful-ai/" in problem.message and "as the answer to '" in problem.message


def test_a_default_that_says_too_little_is_named_in_its_own_file(project: Project) -> None:
    line = project.edit(
        ENGLISH, '  ai-answer: "I\'m an AI assistant, not a person."', '  ai-answer: "I\'m Sam."'
    )
    settled = project.edit(ENGLISH, "I have {number}. Is that right?", "I have {number}. Anything else?")
    found = {(p.file, p.line, p.field) for p in errors(project)}
    assert (ENGLISH, line, "phrases.ai-answer") in found
    assert (ENGLISH, settled, "templates.confirm-number") in found


def test_a_language_nobody_wrote_it_for_is_named(project: Project) -> None:
    text = (project.root / MUST_SAY).read_text(encoding="utf-8")
    kept = [line for line in text.splitlines() if not line.strip().startswith("es-US:")]
    inline = "\n".join(kept).replace("languages: [en-US, es-US]", "languages: [en-US]")
    inline = re.sub(r", es-US: \[[^\]]*\]", "", inline)
    (project.root / MUST_SAY).write_text(inline + "\n", encoding="utf-8")
    assert errors(project) == []
    settings = load_settings(project.root / "configs/profiles/offline.yaml", environ={}, root=project.root)
    _, found = resolve(project.root, "salon", settings, load_lines(project.root))
    [problem] = [p for p in found if p.severity == "error"]
    assert (problem.file, problem.field) == (MUST_SAY, "languages")
    assert "es-US" in problem.message and "salon" in problem.message


def test_a_phrase_it_says_nothing_about_is_named(project: Project) -> None:
    project.edit(MUST_SAY, "\n  goodbye:\n", "\n  farewell:\n")
    messages = {p.field: p.message for p in errors(project) if p.file == MUST_SAY}
    assert "'goodbye'" in messages["phrases"]
    assert "phrases.farewell" in messages


def test_without_the_file_no_agent_is_served(project: Project) -> None:
    (project.root / MUST_SAY).unlink()
    assert MUST_SAY in {p.file for p in errors(project)}


@pytest.mark.parametrize("agent", ["healthcare", "real_estate", "salon"])
def test_the_agents_that_come_say_all_of_it_in_each_language(agent: str) -> None:
    settings = load_settings(ROOT / "configs/profiles/offline.yaml", environ={})
    release, found = resolve(ROOT, agent, settings, load_lines(ROOT))
    assert [p for p in found if p.severity == "error"] == []
    assert release is not None


def test_in_spanish_too(project: Project) -> None:
    project.edit(SPANISH, "Soy un asistente de inteligencia artificial, no una persona.", "Claro que no.")
    project.edit(
        SPANISH,
        "Alguien de mi equipo lo tiene que confirmar. Un momento.",
        "Alguien lo confirma: está listo.",
    )
    settings = load_settings(project.root / "configs/profiles/offline.yaml", environ={}, root=project.root)
    _, found = resolve(project.root, "salon", settings, load_lines(project.root))
    fields = {p.field for p in found if p.severity == "error" and p.file == SPANISH}
    assert fields == {"phrases.ai-answer", "phrases.waiting-for-approval"}
