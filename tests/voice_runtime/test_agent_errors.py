# ruff: noqa: E501 - a table of mistakes is read line by line
"""Every kind of mistake in an agent folder: named by file, line and field, with a remedy, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from controls.errors import ConfigurationError
from tests.voice_runtime.project import AGENT, Project, copy, only
from voice_runtime.agent_checks import estimate_s
from voice_runtime.lines import load_lines
from voice_runtime.resolve import load_release, validate_agent


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return copy(tmp_path)


def test_the_shipped_agent_has_no_problem_at_all(project: Project) -> None:
    assert project.problems() == []


# (what is replaced, by what, the field named, words of the message, words of the remedy)
MISTAKES = [
    ("owner: practice-manager", "ownr: practice-manager", "ownr", "not a known key", "did you mean 'owner'?"),
    ("owner: practice-manager ", "owner: boss ", "owner", "no role 'boss'", "practice-manager, compliance"),
    ("patience: unhurried", "patience: unhuried", "conversation.patience", "known values", "did you mean 'unhurried'"),
    ("voice: warm", "voice: velvet", "conversation.voice", "no voice 'velvet'", "warm, clear"),
    ("longest_call_min: 12", "longest_call_min: 1000", "conversation.longest_call_min", "less than or equal", "minutes"),
    ("ask_after_s: 8", "ask_after_s: 31", "conversation.silence", "ends before it asks", "less than end_after_s"),
    ("first: en-US,", "first: english,", "languages.first", "match pattern", "such as en-US"),
    ("any_other: handoff", "also: [en-US]", "languages", "names a language twice", "each once"),
    ("any_other: handoff", "also: [fr-FR]", "languages.also[0]", "nobody reviewed these packs", "have them reviewed"),
    ("any_other: handoff", "also: [es-US]", "disclosure.say", "has no words in es-US", "add es-US"),
    ("any_other: handoff", "also: [es-US]", "phrases.no-one-free", "has no words in es-US", "add es-US"),
    ("any_other: handoff", "also: [es-US]", "tools.book_appointment.read_back_say", "has no words in es-US", "add es-US"),
    ("any_other: handoff", "also: [es-US]", "handoff.to[0].desk", "has no title in es-US", "titles: {es-US"),
    ("    - Patel\n", "    - {word: Patel, language: es-US}\n", "conversation.known_words[0].language", "does not serve", "en-US"),
    ("  patience: unhurried", "  say_as: {es-US: {Okafor: okafor}}\n  patience: unhurried", "conversation.say_as.es-US", "does not serve", "en-US"),
    ("  patience: unhurried", "  say_as: {en-US: {Okafor: 'oh4'}}\n  patience: unhurried", "conversation.say_as.en-US.Okafor", "match pattern", ""),
    ("  patience: unhurried", "  say_as: {en-US: {'{x}': x}}\n  patience: unhurried", "conversation.say_as.en-US.{x}", "match pattern", ""),
    ("conversation:\n", "before_release: {approvals: [a]}\nconversation:\n", "before_release", "not supported yet", ""),
    ("    at_most: {per_call: 2}\n    undo", "    approval: {by: nobody-known}\n    undo",
     "tools.book_appointment.approval.by", "there is no role 'nobody-known'", "roles in configs/people.yaml"),
    ("    at_most: {per_call: 2}\n    undo", "    approval: {by: compliance, else: grant}\n    undo",
     "tools.book_appointment.approval.else", "", "refuse"),
    ("during: opening-hours,", "mode: warm,", "handoff.to[0].mode", "not supported yet", "remove it"),
    ("disclosure:                ", "disclosure:\n  recording: always\n  #", "disclosure.recording", "known values", "'off' or 'ask'"),
    ("meets: [us-health, eu-ai-act]", "meets: [eu-ai-act]", "disclosure.meets", "none of these speaks for 'us-il' of line riverside-front-desk", "us-general, us-health"),
    ("appointments/book\n", "appointments/buy\n", "tools.book_appointment.calls", "no operation", "appointments/book"),
    ("read_back: [doctor, day, time]   #", "read_back: [doctor, day]   #", "tools.book_appointment", "asks about other", "{doctor} {day}"),
    ("read_back: [doctor, day, time]   #", "read_bakc: [doctor]   #", "tools.book_appointment.read_bakc", "not a known key", "'read_back'"),
    ("undo_with: cancel_appointment", "undo_with: uncancel", "tools.book_appointment.undo_with", "not another tool", "find_slots"),
    ("at_most: {per_call: 2}\n    undo", "at_most: {}\n    undo", "tools.book_appointment.at_most", "limits nothing", "per_day"),
    ("at_most: {per_call: 2}\n    undo", "at_most: {per_day: 0}\n    undo", "tools.book_appointment.at_most.per_day", "greater than or equal", ""),
    ("at_most: {per_call: 2}\n    undo", "amount: {argument: time}\n    undo", "tools.book_appointment.amount", "limits nothing", "at_most, per_day or both"),
    ("at_most: {per_call: 2}\n    undo", "amount: {argument: time, at_most: 9, per_day: 3}\n    undo",
     "tools.book_appointment.amount", "more in one use than in a day", "per_day at least at_most"),
    ("at_most: {per_call: 2}\n    undo", "amount: {argument: time, at_most: 9}\n    undo",
     "tools.book_appointment.amount.argument", "'time' is not a number it always has", "numbers appointments/book always has: none"),
    ("risk: low", "risk: tiny", "tools.find_slots.risk", "known values", "'low', 'medium' or 'high'"),
    ("meets: [us-health, eu-ai-act]", "meets: [us-health, moon]", "disclosure.meets[1]", "no configs/disclosures/moon.yaml", "eu-ai-act"),
    ("Say 'person' or press 0 for our staff.", "Hello.", "disclosure.say.en-US", "us-health: it must say how to reach", "press 0"),
    ("en-US: \"Riverside Clinic. I'm", "de-DE: \"Riverside Clinic. I'm", "disclosure.say", "has no words in en-US", "add en-US"),
    ("packs: [truthful-ai, health", "packs: [health", "rules.packs", "'truthful-ai' is missing", "add truthful-ai"),
    (", emergency-us]", "]", "rules.packs", "no pack knows emergencies", "emergency-us"),
    ("then: say\n", "then: sing\n", "rules.ours[0].then", "known values", "'say'"),
    ('lets_pass: ["The clinic opens at nine."', 'lets_pass: ["The wait is long."', "rules.ours[0].lets_pass[0]", "", "own examples"),
    ("{desk: reception, during", "{desk: recepton, during", "handoff.to[0].desk", "no desk 'recepton'", "reception"),
    ("    - {callback: reception, within_working_h: 4}\n", "", "handoff.to", "ends with nobody", "callback"),
    ("{callback: reception, within_working_h: 4}", "{callback: reception, wait_s: 5}", "handoff.to[2]", "mixes", "remove wait_s"),
    ("retention: {schedule", "risk: {block_at: 96}\n\nretention: {schedule", "risk.block_at", "is above 95", "never raise it"),
    ("retention: {schedule", "risk: {approve_at: 81}\n\nretention: {schedule", "risk.approve_at", "is above 80", "never raise it"),
    ("retention: {schedule", "risk: {block_at: 0}\n\nretention: {schedule", "risk.block_at", "", ""),
    ("schedule: us-clinic", "schedule: forever", "retention.schedule", "no schedule 'forever'", "us-clinic"),
    ("transcripts: 90", "transcripts: 9000", "retention.shorter.transcripts", "never lengthen", "180 days or fewer"),
    ("conversation:\n", "redaction: {model: [passport]}\nconversation:\n", "redaction.model[0]", "should be 'card'", ""),
    ("conversation:\n", "redaction: {modell: [email]}\nconversation:\n", "redaction.modell", "", ""),
    ("conversation:\n", "redaction: {model: [name]}\nconversation:\n", "redaction.model", "names cannot be masked", "in export"),
    ("transcripts: 90", "transcript: 90", "retention.shorter.transcript", "no such class", "transcripts"),
    ("  no-one-free: {", "  noone-free: {", "phrases.noone-free", "not a known phrase", "no-one-free"),
    ("  no-one-free: {", "  moment: {en-US: I have booked it.}\n  no-one-free: {", "phrases.moment.en-US",
     "claims something before it is known: booked, have", "One moment, please."),
    ("Nobody is free. Our staff", "Nobody is free. It is probably just eczema. Our staff", "phrases.no-one-free.en-US",
     "health-boundaries/no-diagnosis would refuse", "change its words"),
    ("purpose: Books and", "purpose: Ring +1 202 555 0142. Books and", "purpose", "telephone number", "configs/desks.yaml"),
    ("purpose: Books and", "purpose: See https://x.example. Books and", "purpose", "address", "configs/"),
    ("purpose: Books and", "purpose: Key sk-abcdefghijklmnopqrstu. Books", "purpose", "secret", "revoke"),
    ("format: 1", "format: 2", "format", "known values", "1"),
    ("title: Riverside Clinic front desk (fictional clinic)\n", "", "title", "is missing", "what people call this agent"),
    ("refuses: [diagnosis,", "refuses: diagnosis # [", "refuses", "", ""),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "field", "message", "remedy"), MISTAKES)
def test_a_mistake_is_named_with_its_line_field_and_remedy(
    project: Project, old: str, new: str, field: str, message: str, remedy: str
) -> None:
    project.edit(AGENT, old, new)

    problem = only([p for p in project.problems() if p.severity == "error"], field)

    assert problem.file == AGENT
    assert message in problem.message
    assert remedy in problem.remedy
    lines = (project.root / AGENT).read_text().splitlines()
    leaf = field.split(".")[-1].partition("[")[0]
    if field != "title":  # what is missing has no line of its own
        above = lines[max(0, problem.line - 4) : problem.line]
        assert any(leaf in line for line in above), (problem.line, leaf)
    with pytest.raises(ConfigurationError):
        project.release()


def test_the_line_is_that_of_the_mistake(project: Project) -> None:
    line = project.edit(AGENT, "voice: warm", "voice: velvet")
    assert only(project.problems(), "conversation.voice").line == line


def test_all_problems_come_at_once_from_every_file(project: Project) -> None:
    project.edit(AGENT, "voice: warm", "voice: velvet")
    project.edit(AGENT, "schedule: us-clinic", "schedule: forever")
    project.edit("configs/desks.yaml", "America/Chicago", "America/Chikago")
    project.edit("agents/healthcare/offline.yaml", "tool: cancel_appointment", "tool: cancel")
    (project.root / "agents/healthcare/facts.md").unlink()

    found = {(p.file, p.field) for p in project.problems()}

    assert (AGENT, "conversation.voice") in found
    assert (AGENT, "retention.schedule") in found
    assert ("configs/desks.yaml", "desks.reception.time_zone") in found
    assert ("agents/healthcare/facts.md", "") in found
    assert any(file == "agents/healthcare/offline.yaml" for file, _ in found)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("+19005550177", "is a premium-rate number, which an agent never dials"),
        ("+120255501", "is no number of its country's plan"),
        ("+99912345678", "is no number of its country's plan"),
    ],
)
def test_a_number_an_agent_must_never_dial(project: Project, number: str, message: str) -> None:
    project.edit("configs/desks.yaml", "+12025550177", number)
    assert message in only(project.problems(), "desks.reception.number").message


def test_several_mistakes_of_shape_come_at_once(project: Project) -> None:
    project.edit(AGENT, "owner: practice-manager", "ownr: practice-manager")
    project.edit(AGENT, "risk: low", "risk: tiny")
    assert {"ownr", "owner", "tools.find_slots.risk"} <= {p.field for p in project.problems()}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("format: 1\ntitle: [\n", 3, "not valid YAML"),
        ("format: 1\nformat: 1\n", 2, "written twice"),
        ("format: 1\nowner: &a x\ntitle: *a\n", 2, "alias"),
        ("format: 1\ntitle: !!python/object:os.system x\n", 2, "tag"),
        ("- a list\n", 1, "not a mapping"),
        ("", 1, "not a mapping"),
        ("format: .inf\n", 1, "not a plain number"),
        ("format: 1.0e+999\n", 1, "not a finite number"),
        ("a: " + "[" * 400 + "\n", 1, ""),
        ("? [a, b]\n: c\n", 1, "not a word"),
    ],
)
def test_what_is_no_plain_yaml_is_refused_with_its_line(
    project: Project, text: str, line: int, words: str
) -> None:
    (project.root / AGENT).write_text(text)
    problems = project.problems()
    assert problems[0].file == AGENT
    assert any(words in p.message for p in problems)
    assert any(p.line == line or not words for p in problems)


def test_what_is_no_text_or_too_much_of_it_is_refused(project: Project) -> None:
    path = project.root / AGENT
    path.write_bytes(b"format: 1\ntitle: \xff\xfe\n")
    assert (project.problems()[0].line, project.problems()[0].message) == (2, "is not UTF-8")
    path.write_bytes(b"#" * 600_000)
    assert "too large" in project.problems()[0].message


def test_a_secret_in_the_file_is_not_repeated_in_the_problem(project: Project) -> None:
    project.edit(AGENT, "purpose: Books", "purpose: sk-abcdefghijklmnopqrstu. Books")
    assert not any("abcdefghijkl" in str(p) for p in project.problems())


def test_an_unknown_agent_names_those_there_are(project: Project) -> None:
    for name in ("helthcare", "../healthcare", ""):
        with pytest.raises(ConfigurationError, match="agents here: healthcare, real_estate, salon"):
            load_release(project.root, name, project.settings(), load_lines(project.root))


def test_a_tool_whose_service_the_profile_does_not_know(project: Project) -> None:
    project.edit(
        "configs/profiles/offline.yaml",
        "services:\n  appointments: {embedded: true, key: {generate: true}}",
        "services:",
    )
    problem = only(project.problems(), "tools.find_slots.calls")
    assert "no address for service 'appointments'" in problem.message


def test_a_desk_without_number_cannot_be_rung(project: Project) -> None:
    project.edit("configs/desks.yaml", '    number: "+12025550177"\n', "")
    assert "no number" in only(project.problems(), "handoff.to[0].desk").message


def test_a_line_in_a_region_nobody_reviewed(project: Project) -> None:
    project.edit("configs/lines.yaml", "region: us\n", "region: mars\n")
    assert "region 'mars'" in only(project.problems(), "retention.schedule").message


def test_missing_fixed_phrases_are_named(project: Project) -> None:
    project.edit("configs/phrases/en-US.yaml", "  moment:", "  momentum:")
    problem = only(project.problems(), "phrases")
    assert problem.file == "configs/phrases/en-US.yaml"
    assert "add moment" in problem.remedy
    assert "remove momentum" in problem.remedy


def test_a_language_without_reviewed_phrases_is_not_served(project: Project) -> None:
    project.edit(AGENT, "first: en-US", "first: de-DE")
    assert any(p.file == "configs/phrases/de-DE.yaml" and "missing" in p.message for p in project.problems())
    named = [p for p in project.problems() if p.field == "languages.first" and p.severity == "error"]
    assert [p.line > 1 for p in named] == [True]


# --- warnings -------------------------------------------------------------------------------------


def test_a_long_disclosure_is_warned_about_not_refused(project: Project) -> None:
    project.edit(
        AGENT, "press 0 for our staff.", "press 0 for our staff. " + "We are very glad that you call us. " * 3
    )
    problem = only(project.problems(), "disclosure.say.en-US")
    assert problem.severity == "warning"
    assert "would take about 1" in problem.message
    assert project.release().phrases["disclosure"]["en-US"].count("call us.") == 3


def test_the_true_length_counts_where_a_synthesiser_is_asked(project: Project) -> None:
    asked: list[tuple[str, str, str]] = []

    def spoken_s(text: str, language: str, voice: str) -> float:
        asked.append((text, language, voice))
        return 7.2

    problems = validate_agent(
        project.root, "healthcare", project.settings(), load_lines(project.root), spoken_s=spoken_s
    )
    assert "takes 7.2 s" in only(problems, "disclosure.say.en-US").message
    [(own, language, voice)] = asked
    assert (language, voice) == ("en-US", "warm")
    assert project.release().phrases["disclosure"]["en-US"].startswith(own), (
        "what the runtime adds is its own"
    )


def test_the_estimate_follows_the_rate() -> None:
    assert estimate_s("one two three four", 60) == pytest.approx(4.0)
    assert estimate_s("One two. Three four.", 120) == pytest.approx(2.25)


def test_a_word_nobody_can_pronounce_is_warned_about(project: Project) -> None:
    pytest.importorskip("pocketsphinx")
    project.edit(AGENT, '- {word: Okafor, sounds: "OW K AH F ER"}', "- Okafor")
    warnings = [p for p in project.problems() if p.severity == "warning"]
    assert only(warnings, "conversation.known_words[1]").remedy.startswith("write {word: Okafor, sounds:")
    assert any(p.file.endswith("offline.yaml") and "'okafor'" in p.message for p in warnings)
    assert project.release().pronunciations == {"copay": "K OW P EY"}


def test_an_agent_without_line_or_impact_assessment_is_warned_about(project: Project) -> None:
    (project.root / "agents/healthcare/impact.md").unlink()
    (project.root / "configs/lines.yaml").write_text("format: 1\nlines: []\n")
    found = {(p.file, p.severity) for p in project.problems()}
    assert found == {("agents/healthcare/impact.md", "warning"), ("configs/lines.yaml", "warning")}
    assert project.release().tenant == "local"
