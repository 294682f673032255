"""What callers ask of the runtime itself, in words as a recogniser writes them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls import intents
from controls.errors import ConfigurationError
from controls.intents import Intent, intent, load_intents, parse_intents, yes_or_no
from controls.rules.pack_files import emergency_names
from tests.controls.rules.packs import FOLDER, pack, rule, shipped_packs


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("let me talk to a person", Intent.PERSON),
        ("Let me talk to a PERSON, please!", Intent.PERSON),
        ("can i speak with a real human being", Intent.PERSON),
        ("operator", Intent.PERSON),
        ("uh representative", Intent.PERSON),
        ("i'd like a human please", Intent.PERSON),
        ("transfer me to reception", Intent.PERSON),
        ("is there a person i can talk to", Intent.PERSON),
        ("no let me talk to a person", Intent.PERSON),
        ("i do not want to talk to a robot", Intent.PERSON),
        ("no person needed", Intent.NO),
        ("there is no need for a person", None),
        ("i don't need to talk to a person", None),
        ("is there a person named okafor", None),
        ("i already spoke to a nurse", None),
        ("are you a person", Intent.ROBOT_QUESTION),
        ("am i talking to a real person", Intent.ROBOT_QUESTION),
        ("are you a robot", Intent.ROBOT_QUESTION),
        ("stop calling me", Intent.OPT_OUT),
        ("take me off your list", Intent.OPT_OUT),
        ("don't record this", Intent.NO_RECORDING),
        ("i do not want to be recorded", Intent.NO_RECORDING),
        ("is this call being recorded", None),
        ("do not call me before nine", None),
        ("stop", Intent.STOP),
        ("please stop talking", Intent.STOP),
        ("does the bus stop there", None),
        ("yes", Intent.YES),
        ("yes please book it", Intent.YES),
        ("yep that's right", Intent.YES),
        ("that is correct", Intent.YES),
        ("no", Intent.NO),
        ("no thank you", Intent.NO),
        ("no that is wrong", Intent.NO),
        ("no problem", Intent.YES),
        ("i don't know", None),
        ("yes but on wednesday", None),
        ("mhmm", Intent.BACKCHANNEL),
        ("uh-huh", Intent.BACKCHANNEL),
        ("okay", Intent.BACKCHANNEL),
        ("right", Intent.BACKCHANNEL),
        ("can i see doctor patel on tuesday", None),
        ("at ten", None),
        ("is this rash serious", None),
        ("the last person was rude", None),
        ("", None),
        ("...", None),
    ],
)
def test_intents(said: str, meant: Intent | None) -> None:
    assert intent(said, "en-US") is meant


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ("i have chest pain", "emergency-us/danger-to-life"),
        ("i cant breathe", "emergency-us/danger-to-life"),
        ("He can't breathe!", "emergency-us/danger-to-life"),
        ("please call nine one one", "emergency-us/danger-to-life"),
        ("i think it is a heart attack", "emergency-us/danger-to-life"),
        ("no chest pain before but now i have chest pain", "emergency-us/danger-to-life"),
        ("let me talk to a person i can not breathe", "emergency-us/danger-to-life"),
        ("i want to kill myself", "emergency-us/danger-to-self"),
        ("he has a gun", "emergency-us/violence-now"),
        ("i have no chest pain", ""),
        ("this is not an emergency", ""),
        ("my father had a heart attack last year", ""),
        ("who do i put as emergency contact", ""),
        ("my back is killing me", ""),
        ("can i park in the emergency lane", ""),
    ],
)
def test_emergencies(said: str, rule: str) -> None:
    found = intents.emergency(said, "en-US")
    assert (found.rule if found else "") == rule
    assert (intent(said, "en-US") is Intent.EMERGENCY) is bool(rule)
    if found:
        assert intents.current().emergencies.phrases[found.script]["en-US"]


def test_an_emergency_goes_before_everything() -> None:
    for other in ("operator", "stop calling me", "yes", "are you a robot"):
        assert intent(f"{other} i have chest pain", "en-US") is Intent.EMERGENCY


def test_emergencies_are_found_in_calls_of_any_language() -> None:
    assert intent("i have chest pain", "de-DE") is Intent.EMERGENCY
    assert intent("operator", "de-DE") is None
    found = intents.emergency("i have chest pain", "de-DE")
    assert found is not None
    assert found.script == "emergency", "the fixed phrase every release has, where the rule has no words"
    for language in ("en-US", "es-US"):
        found = intents.emergency("no puedo respirar", language)
        assert found is not None
        assert found.script == "rule.emergency-us.danger-to-life-es"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Quiero hablar con una persona", Intent.PERSON),
        ("operadora por favor", Intent.PERSON),
        ("¿Es usted un robot?", Intent.ROBOT_QUESTION),
        ("SÍ", Intent.YES),
        ("si", Intent.YES),
        ("no, gracias", Intent.NO),
        ("espere tantito", Intent.STOP),
        ("ya no me llamen", Intent.OPT_OUT),
        ("ajá", Intent.BACKCHANNEL),
        ("quiero un corte el viernes", None),
        ("me quiero morir", Intent.EMERGENCY),
        ("llamen al nueve once", Intent.EMERGENCY),
    ],
)
def test_spanish_callers_are_understood_with_and_without_accents(said: str, meant: Intent | None) -> None:
    assert intent(said, "es-US") is meant


def test_a_spanish_condition_is_no_yes() -> None:
    assert yes_or_no("si tiene lugar el jueves", "es-US") is None
    assert yes_or_no("está bien", "es-US") is True
    assert yes_or_no("mejor no", "es-US") is False


def test_an_answer_to_a_question_may_be_an_okay() -> None:
    assert yes_or_no("okay", "en-US") is True
    assert yes_or_no("right", "en-US") is True
    assert yes_or_no("yes please", "en-US") is True
    assert yes_or_no("no", "en-US") is False
    assert yes_or_no("mhmm", "en-US") is None
    assert yes_or_no("okay but on monday", "en-US") is None
    assert yes_or_no("i have chest pain", "en-US") is None


SPOKEN = [
    "um",
    "well",
    "please",
    "i",
    "have",
    "chest",
    "pain",
    "a",
    "the",
    "person",
    "stop",
    "yes",
    "no",
    "911",
]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(SPOKEN)))
def test_asr_text_and_written_text_mean_the_same(parts: list[str]) -> None:
    said = " ".join(parts)
    assert intent(said, "en-US") is intent(said.title() + ".", "en-US") is intent(", ".join(parts), "en-US")


@given(st.text(max_size=100))
def test_any_text_has_an_answer(text: str) -> None:
    assert intent(text, "en-US") in (None, *Intent)


def test_lists_that_miss_their_examples_are_refused() -> None:
    path = FOLDER / "intents.yaml"
    text = path.read_text(encoding="utf-8")
    emergencies = [p for p in shipped_packs() if p.kind == "emergency"]
    for old, new, expected in (
        ("        - stop calling\n", "", "opt_out.catches.0: the lists miss their own example"),
        ("        - no problem\n        - no doubt", "        - no doubt", "no.lets_pass"),
        ("<person>", "<nobody>", "unknown word list"),
        ("    agrees:", "    agree:", "did you mean `agrees`?"),
    ):
        assert old in text
        with pytest.raises(ConfigurationError) as caught:
            parse_intents(text.replace(old, new, 1), "intents.yaml", emergencies)
        assert expected in str(caught.value)


def test_a_missing_folder_is_said() -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_intents(FOLDER / "nowhere")


SMOKE = """format: 1
pack: house-alarms
title: made up
kind: {kind}
{places}
owner: compliance
reviewed: 2026-01-01
languages: [en-US]
rules:
  - name: smoke
    when: caller_says
    if: {{phrases: [smells of burnt toast]}}
    then: handoff
    say: {{en-US: Leave the building now.}}
    risk: 100
    annex_a: [A.9.2]
    because: a reason of the test's own
    catches: [it smells of burnt toast]
    lets_pass: [i would like some toast]
"""


def test_an_emergency_pack_is_one_whatever_its_file_is_called(tmp_path: Path) -> None:
    """Found by reading: only files named emergency-* were looked for on calls."""
    (tmp_path / "house-alarms.yaml").write_text(SMOKE.format(kind="emergency", places="places: [us]"))
    (tmp_path / "emergency-not.yaml").write_text(
        SMOKE.format(kind="guard", places="").replace("house-alarms", "emergency-not")
    )
    shutil.copy(FOLDER / "intents.yaml", tmp_path)
    shutil.copy(FOLDER / "emergency-us.yaml", tmp_path)
    found = load_intents(tmp_path)
    assert found.of("it smells of burnt toast", "en-US") is Intent.EMERGENCY
    named = found.emergency("it smells of burnt toast", "en-US")
    assert named is not None
    assert (named.rule, named.script) == ("house-alarms/smoke", "rule.house-alarms.smoke")
    assert emergency_names(tmp_path) == ["emergency-us", "house-alarms"]


def test_emergencies_are_those_of_the_packs_that_releases_name() -> None:
    fire = pack(
        rule("fire", when="caller_says", then="handoff", **{"if": {"phrases": ["foo bar"]}}),
        name="made", kind="emergency",
    )  # fmt: skip
    twice = [fire, *shipped_packs(), fire]
    found = load_intents(FOLDER, twice)
    assert found.of("foo bar", "en-US") is Intent.EMERGENCY
    assert found.of("i have chest pain", "en-US") is Intent.EMERGENCY
    only = load_intents(FOLDER, [p for p in twice if p.pack != "made"])
    assert only.of("foo bar", "en-US") is None


def test_lists_can_be_given() -> None:
    emergency = pack(
        rule("fire", when="caller_says", then="handoff", **{"if": {"phrases": ["foo bar"]}}),
        name="emergency-made", kind="emergency",
    )  # fmt: skip
    text = (FOLDER / "intents.yaml").read_text(encoding="utf-8")
    intents.use(parse_intents(text, "intents.yaml", [emergency]))
    try:
        assert intent("foo bar", "en-US") is Intent.EMERGENCY
        assert intent("chest pain", "en-US") is None
    finally:
        intents.use(None)
    assert intent("foo bar", "en-US") is None
