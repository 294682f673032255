"""One agent, several languages: words, prompts, hints and lines for each; what is missing is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from controls.errors import ConfigurationError, Problem
from tests.voice_runtime.project import ROOT, Project, copy, only
from voice_runtime.agent import Release, answer_in, answered_in
from voice_runtime.agent_checks import unserved_languages
from voice_runtime.lines import load_lines
from voice_runtime.resolve import load_release, validate_agent

SALON = "agents/salon/agent.yaml"


@pytest.fixture(scope="module")
def release() -> Release:
    return salon(Project(ROOT))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return copy(tmp_path)


def salon(project: Project) -> Release:
    return load_release(project.root, "salon", project.settings(), load_lines(project.root))


def test_a_release_holds_every_fixed_word_in_each_language(release: Release) -> None:
    assert (release.language, release.languages) == ("en-US", ("en-US", "es-US"))
    for by_language in (*release.phrases.values(), *release.templates.values()):
        assert set(by_language) == {"en-US", "es-US"}
    for tool in release.tools:
        assert not tool.read_back or set(tool.read_back_say) == {"en-US", "es-US"}
    assert release.phrases["disclosure"]["es-US"].startswith("Copper and Clay Salon. Soy asistente")
    assert release.phrases["no-one-free"]["es-US"].startswith("Todos")
    assert release.phrases["handoff"]["es-US"] == "Le comunico ahora."
    assert "nueve uno uno" in release.phrases["rule.emergency-us.danger-to-life"]["es-US"]
    assert [route.title_in("es-US") for route in release.handoff] == [
        "nuestro equipo", "la persona de guardia", "nuestro equipo",
    ]  # fmt: skip
    assert release.handoff[0].title_in("en-US") == "our team"


def test_the_prompt_of_a_language_is_the_same_bytes_and_says_which(release: Release) -> None:
    english, spanish = release.prompt_in("en-US"), release.prompt_in("es-US")
    assert english == salon(Project(ROOT)).prompt_in("en-US")
    assert english.startswith(release.prompt.rstrip())
    assert spanish.startswith(release.prompt.rstrip()), "a model server keeps the common prefix"
    assert (answered_in(english), answered_in(spanish)) == ("en-US", "es-US")
    assert "Answer in Spanish (es-US)" in spanish
    with pytest.raises(ValueError, match="serves en-US, es-US"):
        release.prompt_in("fr-FR")


@pytest.mark.parametrize("language", ["en-US", "es-US", "zh-Hans-CN", "tlh"])
def test_whatever_the_language_it_can_be_read_back(language: str) -> None:
    assert answered_in(f"You are a desk.\n\n{answer_in(language)}") == language
    assert answered_in("Answer in your own words (briefly).") == ""


def test_hints_are_those_of_the_language(release: Release) -> None:
    english, spanish = release.known_in("en-US"), release.known_in("es-US")
    assert english.phrases == release.known_phrases
    assert "i would like a haircut on friday" in english.phrases
    assert "quiero un corte el viernes" in spanish.phrases
    assert "cero" in spanish.phrases
    assert "no puedo respirar" not in english.phrases
    assert not any("zero" in phrase.split() or "haircut" in phrase for phrase in spanish.phrases)
    assert "blowout" in english.words
    assert "blowout" not in spanish.words
    with pytest.raises(ValueError, match="not fr-FR"):
        release.known_in("fr-FR")


def test_a_word_s_sounds_belong_to_its_language(project: Project) -> None:
    project.edit(
        SALON, "{word: blowout, language: en-US}", '{word: blowout, language: en-US, sounds: "B L OW"}'
    )
    found = salon(project)
    assert found.known_in("en-US").pronunciations == found.pronunciations == {"blowout": "B L OW"}
    assert found.known_in("es-US").pronunciations == {}


def test_a_release_of_one_language_needs_no_more_than_it_did() -> None:
    healthcare = Project(ROOT).release()
    assert healthcare.languages == ("en-US",)
    assert all(set(words) == {"en-US"} for words in healthcare.phrases.values())
    assert answered_in(healthcare.prompt_in("en-US")) == "en-US"


def test_respelled_words_come_with_the_release(release: Release) -> None:
    assert release.say_as == {"es-US": {"Copper": "cóper", "Clay": "cley", "Salon": "salón"}}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (SALON, "Diga 'persona' o marque cero.", "Diga 'persona' u oprima cero."),
        (SALON, "Todos están con clientes.", "Todos tienen clientes."),
        (SALON, "¿Lo agendo?", "¿La agendo?"),
        (SALON, "Copper: cóper", "Copper: coper"),
        (SALON, "word: mechas, language: es-US", "word: mechas"),
        (SALON, "reaccionará su piel.", "va a reaccionar su piel."),
        ("configs/phrases/es-US.yaml", "Hasta luego.", "Adiós."),
        ("configs/phrases/es-US.yaml", "¿Es correcto?", "¿Está bien?"),
        ("configs/desks.yaml", "es-US: nuestro equipo", "es-US: el salón"),
        ("configs/rules/emergency-us.yaml", "cuelgue y marque", "cuelgue ya y marque"),
    ],
)
def test_words_of_every_language_are_in_the_digest(
    project: Project, release: Release, file: str, old: str, new: str
) -> None:
    project.edit(file, old, new)
    assert salon(project).digest != release.digest


def test_what_is_only_for_trying_out_stays_outside_in_every_language(
    project: Project, release: Release
) -> None:
    project.edit("agents/salon/offline.es-US.yaml", 'say: "¿Qué día?"', 'say: "¿Y qué día?"')
    assert salon(project).digest == release.digest


def test_the_prompt_of_each_language_is_resolved(release: Release) -> None:
    assert json.loads(release.resolved)["answer_in"] == {la: answer_in(la) for la in release.languages}


# --- what is missing ------------------------------------------------------------------------------

NOBODY_FREE = '    es-US: "Todos están con clientes. Le podemos devolver la llamada."\n'
MISSING = [
    (SALON, NOBODY_FREE, "phrases.no-one-free"),
    (SALON, '      es-US: "Sería {service}, el {day} a las {time}. ¿Lo agendo?"\n',
     "tools.book_appointment.read_back_say"),
    (SALON, '    es-US: "Copper and Clay Salon. Soy asistente de inteligencia artificial. '
     "Diga 'persona' o marque cero.\"\n", "disclosure.say"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "words", "field"), MISSING)
def test_words_missing_in_one_language_are_named(project: Project, file: str, words: str, field: str) -> None:
    project.edit(file, words, "")
    problem = only(problems(project), field)
    assert (problem.message, problem.remedy) == ("has no words in es-US", "add es-US: …")


def problems(project: Project, severity: str = "error") -> list[Problem]:
    found = validate_agent(project.root, "salon", project.settings(), load_lines(project.root))
    return [p for p in found if p.severity == severity]


def test_a_fixed_phrase_a_rule_refuses_is_named_with_its_language(project: Project) -> None:
    project.edit(SALON, "Todos están con clientes.", "Todos están con clientes. No le va a dar alergia.")
    problem = only(problems(project), "phrases.no-one-free.es-US")
    assert "health-boundaries/no-prognosis" in problem.message


def test_a_disclosure_is_held_to_its_rules_in_each_language(project: Project) -> None:
    project.edit(SALON, "Soy asistente de inteligencia artificial. ", "")
    assert "talks to an AI" in only(problems(project), "disclosure.say.es-US").message


def test_a_pack_nobody_reviewed_for_a_language_is_named(project: Project) -> None:
    project.edit(SALON, "packs: [truthful-ai,", "packs: [truthful-ai, mortgage,")
    problem = only(problems(project), "languages.also[0]")
    assert problem.message == "nobody reviewed these packs for it: mortgage"


# --- lines and recognisers ------------------------------------------------------------------------


def test_a_line_may_have_one_of_its_agent_s_languages(project: Project) -> None:
    project.edit("configs/lines.yaml", "agent: salon\n", "agent: salon\n    language: es-US\n")
    desk = load_lines(project.root).named("copper-and-clay-desk")
    assert desk is not None
    assert desk.language == "es-US"
    web = load_lines(project.root).named("copper-and-clay-web")
    assert web is not None
    assert web.language == ""


def test_a_line_in_another_language_is_an_error(project: Project) -> None:
    line = project.edit("configs/lines.yaml", "agent: salon\n", "agent: salon\n    language: fr-FR\n")
    with pytest.raises(ConfigurationError) as caught:
        load_lines(project.root)
    problem = only(caught.value.problems, "lines[4].language")
    assert problem.line == line + 1
    assert "does not serve fr-FR" in problem.message
    assert "en-US, es-US" in problem.remedy


def test_a_language_the_recogniser_does_not_know_is_warned_about(project: Project, release: Release) -> None:
    settings = project.settings()
    assert unserved_languages(release, settings) == ("es-US",)
    found = validate_agent(project.root, "salon", settings, load_lines(project.root))
    problem = only(found, "languages.also[0]")
    assert problem.severity == "warning"
    assert problem.message.startswith(
        "es-US is not served by this profile's recogniser; lines in es-US refuse"
    )


def test_another_recogniser_is_believed(project: Project, release: Release) -> None:
    first = "[{engine: faster-whisper, name: whisper, model: base, folder: models/whisper-base}"
    project.edit(
        "configs/profiles/offline.yaml", "[{engine: pocketsphinx", f"{first}, {{engine: pocketsphinx"
    )
    assert unserved_languages(release, project.settings()) == ()
    assert not [p for p in problems(project, severity="warning") if p.field.startswith("languages")]


def test_a_script_missing_in_one_language_is_warned_about(project: Project) -> None:
    (project.root / "agents/salon/offline.es-US.yaml").unlink()
    found = validate_agent(project.root, "salon", project.settings(), load_lines(project.root))
    assert any(p.file.endswith("offline.es-US.yaml") and p.severity == "warning" for p in found)
