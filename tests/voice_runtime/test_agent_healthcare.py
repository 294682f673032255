# ruff: noqa: E501 - a table of mistakes is read line by line
"""The clinic's front desk as shipped: its script, its phrases and conversations hold together."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from controls.decision import Effect, Proposal, Verdict
from controls.errors import ConfigurationError
from controls.intents import Intent, load_intents
from tests.voice_runtime.project import ROOT, Project, copy
from voice_runtime import dictionary
from voice_runtime.agent import Release
from voice_runtime.eval_file import EvalFile, load_evals
from voice_runtime.offline.script import Call, Say, Script, load_script
from voice_runtime.offline_file import OfflineFile, load_offline
from voice_runtime.phrases import expand, intent_phrases, known_phrases, load_phrases, plain

#: What the stand-in says on purpose although the agent may not.
FORBIDDEN = {
    "It is probably just eczema.": "health-boundaries/no-diagnosis",
    "The wait is about ten minutes.": "ours/no-waiting-times",
}


@pytest.fixture(scope="module")
def release() -> Release:
    return Project(ROOT).release()


@pytest.fixture(scope="module")
def offline(release: Release) -> OfflineFile:
    found, problems = load_offline(ROOT / "agents/healthcare", ROOT, frozenset(t.name for t in release.tools))
    assert problems == []
    assert found is not None
    return found


@pytest.fixture(scope="module")
def script() -> Script:
    return load_script(ROOT / "agents/healthcare/offline.yaml", ROOT)


@pytest.fixture(scope="module")
def cases(release: Release) -> dict[str, EvalFile]:
    assert release.rules is not None
    found, problems = load_evals(
        ROOT,
        "healthcare",
        tools=[t.name for t in release.tools],
        phrases=release.phrases,
        rules=[f"{p.pack}/{r.name}" for p in release.rules.packs for r in p.rules],
    )
    assert problems == []
    return found


def test_only_what_misbehaves_on_purpose_is_refused(release: Release, offline: OfflineFile) -> None:
    assert release.rules is not None
    refused = {}
    for pattern in offline.patterns:
        slots = {name: values[:1] for name, values in offline.slots.items()} | {
            "slots": ["ten, or half past two"]
        }
        said = pattern.say or ""
        for name, values in slots.items():
            said = said.replace(f"{{{name}}}", values[0])
        for clause in re.findall(r"[^.?!]+[.?!]", said):
            judged = release.rules.evaluate(Proposal(Effect.SPEAK, "", 1, "", text=clause.strip()))
            if judged.verdict is not Verdict.ALLOW:
                refused[clause.strip()] = judged.verdicts[0].rule
    assert refused == FORBIDDEN


def test_the_demo_s_conversation_goes_through_the_script(script: Script) -> None:
    asked = [{"role": "user", "content": "can i see doctor patel on tuesday"}]
    assert script.answer(asked) == Call("find_slots", {"doctor": "Patel", "day": "Tuesday"})
    found = {"ok": True, "doctor": "Patel", "day": "Tuesday", "slots": ["ten", "half past two"]}
    call = {"id": "1", "function": {"name": "find_slots"}}
    asked += [
        {"role": "assistant", "tool_calls": [call]},  # type: ignore[dict-item]
        {"role": "tool", "tool_call_id": "1", "content": __import__("json").dumps(found)},
    ]
    assert script.answer(asked) == Say("Tuesday at ten, or half past two. Which suits you?")
    asked.append({"role": "user", "content": "at ten"})
    assert script.answer(asked) == Call(
        "book_appointment", {"doctor": "Patel", "day": "Tuesday", "time": "ten"}
    )
    asked.append({"role": "user", "content": "is this rash serious"})
    assert script.answer(asked) == Say("It is probably just eczema.")


def test_no_question_of_the_script_is_taken_for_something_else(release: Release) -> None:
    """What is meant for the model must not be a request for a person, a stop or an emergency."""
    intents = load_intents(ROOT / "configs/rules")
    answers = {Intent.YES, Intent.NO, Intent.BACKCHANNEL, Intent.ROBOT_QUESTION, None}
    found, _ = load_offline(ROOT / "agents/healthcare", ROOT, frozenset(t.name for t in release.tools))
    assert found is not None
    said = {form for p in found.patterns if p.when for s in p.when.said for form in expand(s, found.slots)}
    assert {s: i for s in said if (i := intents.of(s, "en-US")) not in answers} == {}


# --- what the recogniser expects ------------------------------------------------------------------


def test_the_recogniser_expects_the_script_the_intents_and_digits(release: Release) -> None:
    for phrase in (
        "can i see doctor patel on tuesday", "at half past two", "let me talk to a person", "i have chest pain",
        "yes", "no", "five", "oh two", "is this rash serious",
    ):  # fmt: skip
        assert phrase in release.known_phrases
    assert len(release.known_phrases) < 1500
    assert len(set(release.known_phrases)) == len(release.known_phrases)
    assert all(re.fullmatch(r"[a-z' ]+", phrase) for phrase in release.known_phrases)


def test_every_word_of_the_agent_s_own_phrases_can_be_pronounced(
    release: Release, offline: OfflineFile
) -> None:
    if not dictionary.words():
        pytest.skip("pocketsphinx is not installed")
    own = {
        w
        for p in offline.patterns
        if p.when
        for s in p.when.said
        for f in expand(s, offline.slots)
        for w in f.split()
    }
    assert {w for w in own if dictionary.lacking(w)} <= set(release.pronunciations)


def test_every_caller_s_line_of_the_evals_is_expected_by_the_recogniser(
    release: Release, cases: dict[str, EvalFile]
) -> None:
    said = {plain(s.caller) for case in cases.values() for s in case.steps if s.caller}
    assert said <= set(release.known_phrases)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Call 9 1 1!", "call nine one one"),
        ("I'd like it — “please”", "i'd like it please"),
        ("'quoted' doctor’s", "quoted doctor's"),
        ("  \n", ""),
    ],
)
def test_plain_words_are_what_a_recogniser_writes(text: str, wanted: str) -> None:
    assert plain(text) == wanted


def test_expansion_is_complete_ordered_and_bounded() -> None:
    slots = {"a": ["x", "y"], "b": ["1", "2"]}
    assert expand("say {a} {b}", slots) == ["say x one", "say x two", "say y one", "say y two"]
    many = {"a": [f"w{i}" for i in range(50)], "b": [f"v{i}" for i in range(50)]}
    assert len(expand("{a} {b}", many)) == 600


def test_rules_that_cannot_be_read_leave_phrases_out_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "intents.yaml").write_text("languages: [")
    (tmp_path / "emergency-x.yaml").write_text(
        "kind: emergency\nlanguages: [en-US]\nrules: [{catches: [Help me now]}]\n"
    )
    (tmp_path / "odd.yaml").write_text("- 1\n")
    assert intent_phrases(tmp_path, "en-US") == ["help me now"]
    assert known_phrases(None, tmp_path, "en-US")[:2] == ("help me now", "zero")
    assert known_phrases(None, tmp_path, "es-US")[0] == "cero"
    assert known_phrases(None, tmp_path, "de-DE") == ()


# --- mistakes in offline.yaml and evals -----------------------------------------------------------

OFFLINE = "agents/healthcare/offline.yaml"
SCRIPT_MISTAKES = [
    ("slots:\n", "slotts:\n", "slotts", "did you mean 'slots'?"),
    ("can i see doctor {doctor} on {day}", "can i see doctor {doktor} on {day}", "patterns[20].when.said", "slots here: doctor, day, time"),
    ("call: {tool: find_slots, arguments", "call: {tool: find_slot, arguments", "patterns[20].call.tool", "find_slots"),
    ("  - otherwise: true\n", "  - when: {said: anything}\n", "patterns", "otherwise: true"),
    ("{tool_result: find_slots, ok: true, slots: []}", "{tool_result: find_slots, said: x}", "patterns[0].when", "said, or tool_result"),
    ('say: "You\'re welcome."', 'say: "You\'re welcome."\n    call: {tool: find_slots}', "patterns[38]", "write say, or call"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "field", "remedy"), SCRIPT_MISTAKES)
def test_a_mistake_in_the_script_is_named(
    tmp_path: Path, old: str, new: str, field: str, remedy: str
) -> None:
    project = copy(tmp_path)
    line = project.edit(OFFLINE, old, new)
    problem = next(p for p in project.problems() if p.field == field)
    assert problem.file == OFFLINE
    assert remedy in problem.remedy
    if field != "patterns":
        assert line - 4 <= problem.line <= line


EVAL_MISTAKES = [
    ("name: find_slots", "name: find_slot", "steps[0].expect.tool.name", "one of its tools"),
    ("rows: 0", "row: 0", "steps[0].expect.row", "did you mean 'rows'?"),
    ("verdict: allow", "verdict: allowed", "steps[0].expect.verdict", "did you mean 'allow'?"),
    ("caller: at ten", "caler: at ten", "steps[1].caler", "did you mean 'caller'?"),
    ("tool.executed, agent", "tool.done, agent", "outcome", "see docs/record-format"),
    ("- hangs_up: true", '- hangs_up: true\n    key: "1"', "steps[3]", "write one of caller"),
    ("verdict: allow", "rule: health/none", "steps[0].expect.rule", "one of its rules"),
]


@pytest.mark.parametrize(("old", "new", "field", "remedy"), EVAL_MISTAKES)
def test_a_mistake_in_a_conversation_is_named(
    tmp_path: Path, release: Release, old: str, new: str, field: str, remedy: str
) -> None:
    project = copy(tmp_path)
    file = "agents/healthcare/evals/books-a-slot.yaml"
    project.edit(file, old, new)
    _, problems = load_evals(
        tmp_path, "healthcare", tools=[t.name for t in release.tools], phrases=release.phrases, rules=["a/b"]
    )
    problem = next(p for p in problems if (p.file, p.field) == (file, field))
    assert problem.line > 1
    assert remedy in problem.remedy


def test_there_are_conversations_for_what_must_never_fail(cases: dict[str, EvalFile]) -> None:
    assert len(cases) >= 8
    about = {tag for case in cases.values() for tag in case.about}
    assert {
        "emergency",
        "asks-for-a-person",
        "are-you-a-robot",
        "booking",
        "diagnosis",
        "handoff",
        "barge-in",
    } <= about


def test_every_conversation_asserts_something(cases: dict[str, EvalFile]) -> None:
    for name, case in cases.items():
        asserted = [s for s in case.steps if s.expect.model_fields_set]
        assert asserted, name
        assert case.outcome.model_fields_set, name


def test_fixed_phrases_of_an_unknown_language_are_an_error() -> None:
    with pytest.raises(ConfigurationError, match="xx-XX is missing"):
        load_phrases(ROOT, "xx-XX")
