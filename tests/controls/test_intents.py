"""What callers ask of the runtime itself, in words as a recogniser writes them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls import intents
from controls.errors import ConfigurationError
from controls.intents import Intent, beside_robot_question, intent, load_intents, parse_intents, yes_or_no
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


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en-US", "yes i'm twelve"), ("en-US", "sure i'm only a kid"), ("en-US", "yeah my mom isn't home"),
        ("en-US", "yes wednesday at ten"), ("en-US", "yep what does it cost"),
        ("es-US", "sí tengo doce años"),
        ("es-US", "claro mi mamá no está"), ("es-US", "sí el miércoles"),
    ],
)  # fmt: skip
def test_a_yes_with_something_else_behind_it_is_no_yes(language: str, said: str) -> None:
    assert yes_or_no(said, language) is None


@pytest.mark.parametrize(
    ("language", "said", "asked", "yes"),
    [
        ("en-US", "book it", "Tuesday at ten. Shall I book it?", True),
        ("en-US", "yes book it please", "Tuesday at ten. Shall I reserve it?", True),
        ("en-US", "cancel that", "Tuesday at ten. Shall I book it?", False),
        ("en-US", "move it", "Tuesday at ten. Shall I book it?", None),
        ("en-US", "change it", "Tuesday at ten. Shall I book it?", None),
        ("en-US", "book it", "Tuesday at ten. Shall I cancel it?", None),
        ("en-US", "cancel it", "Tuesday at ten. Shall I cancel it?", True),
        ("en-US", "you may record", "Tuesday at ten. Shall I book it?", None),
        ("en-US", "you may record", "May this call be recorded?", True),
        ("en-US", "you may call me", "May we call you back?", True),
        ("en-US", "you may record", "May we call you back?", None),
        ("en-US", "book it", "", None),
        ("en-US", "yes please", "", True),
        ("es-US", "resérvelo", "El martes a las diez. ¿Lo reservo?", True),
        ("es-US", "cancélela", "El martes a las diez. ¿Lo reservo?", None),
        ("es-US", "sí cámbielo", "El martes a las diez. ¿La cancelo?", None),
    ],
)
def test_a_yes_to_one_act_is_none_to_another(language: str, said: str, asked: str, yes: bool | None) -> None:
    """Found by a walk: "you may record" booked, and so did "change it"."""
    assert yes_or_no(said, language, asked) is yes


@pytest.mark.parametrize(
    ("said", "yes"),
    [
        ("yes tuesday at ten", True), ("yes for tuesday please", True), ("yes wednesday at ten", None),
        ("yes not tuesday", None), ("tuesday at ten", None), ("yes but tuesday", None), ("no", False),
        ("yes i'm ten", None),
    ],
)  # fmt: skip
def test_a_yes_may_repeat_what_was_asked(said: str, yes: bool | None) -> None:
    assert yes_or_no(said, "en-US", asked="Tuesday at ten. Shall I book it?") is yes


#: Faults found by reading: each of these ended the call and barred the caller for good.
NO_OPT_OUTS = {
    "en-US": [
        "take me off the waitlist", "remove me from tuesday's appointment", "take me off lisinopril",
        "don't contact me by email", "don't want you to call my husband", "take me off speaker",
        "leave me alone for a second", "drop my number seven piercing", "stop calling me ma'am",
        "do not call me before nine", "don't call me back today", "opt me out of paper bills",
    ],
    "es-US": [
        "quítenme de la lista de espera", "quíteme de la cita del martes", "me quitaron el lisinopril",
        "no me contacten por correo", "no quiero que llamen a mi esposo", "quíteme del altavoz",
        "déjeme en paz un segundo", "borre mi número de la cita", "quiten mi nombre del contrato",
        "no me llamen antes de las nueve", "no me llame hoy", "quiero darme de baja del seguro",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("language", "said"), [(k, s) for k, each in NO_OPT_OUTS.items() for s in each])
def test_wishes_about_something_else_are_no_opt_out(language: str, said: str) -> None:
    assert intent(said, language) not in (Intent.OPT_OUT, Intent.MAYBE_OPT_OUT)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en-US", "take me off"), ("en-US", "please leave me alone"), ("en-US", "take me off the list"),
        ("en-US", "i want you to remove me"), ("en-US", "stop calling my husband"),
        ("en-US", "can i opt out"),
        ("es-US", "quítenme"), ("es-US", "déjenme en paz"), ("es-US", "sáquenme de la lista"),
        ("es-US", "ya no me molesten"), ("es-US", "no me llame señora"),
    ],
)  # fmt: skip
def test_wishes_that_may_mean_opting_out_are_asked_back(language: str, said: str) -> None:
    assert intent(said, language) is Intent.MAYBE_OPT_OUT


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en-US", "don't call me anymore"), ("en-US", "never call this number again"),
        ("en-US", "unsubscribe"),
        ("en-US", "put my number on your do not call list"), ("en-US", "no more calls"),
        ("en-US", "i don't want to be called"), ("en-US", "quit calling my house"),
        ("en-US", "take us off your calling list"), ("en-US", "i revoke my consent to be called"),
        ("es-US", "no me llamen nunca más"), ("es-US", "dejen de llamarme"), ("es-US", "borren mi número"),
        ("es-US", "pónganme en la lista de no llamar"), ("es-US", "sáquenme de su lista de llamadas"),
    ],
)  # fmt: skip
def test_unmistakable_wishes_opt_out_at_once(language: str, said: str) -> None:
    assert intent(said, language) is Intent.OPT_OUT


@pytest.mark.parametrize(
    ("said", "beside"),
    [
        ("are you a robot", ""), ("tell me honestly are you a real person", ""),
        ("are you human or what", ""),
        ("are you a robot how much is a haircut", "how much is a haircut"),
        ("what are your hours on monday and are you a machine", "what are your hours on monday and"),
        ("how much is a haircut", None), ("is the robot vacuum included", None),
    ],
)  # fmt: skip
def test_what_is_asked_beside_what_one_talks_to(said: str, beside: str | None) -> None:
    assert beside_robot_question(said, "en-US") == beside


def test_what_is_asked_beside_what_one_talks_to_in_spanish() -> None:
    assert beside_robot_question("oiga dígame la verdad es usted un robot", "es-US") == ""
    said = "es usted un robot y cuánto cuesta un corte"
    assert beside_robot_question(said, "es-US") == "y cuánto cuesta un corte"


#: Faults found by reading: each of these was missed, or taken for what it is not.
MISSED = {
    "en-US": [
        ("is this thing a robot", Intent.ROBOT_QUESTION), ("is that thing automated", Intent.ROBOT_QUESTION),
        ("tell me honestly if you are human", Intent.ROBOT_QUESTION),
        ("am i on with an actual agent", Intent.ROBOT_QUESTION),
        ("is this an actual lady", Intent.ROBOT_QUESTION), ("aren't you a machine", Intent.ROBOT_QUESTION),
        ("customer service", Intent.PERSON), ("customer support please", Intent.PERSON),
        ("get me somebody", Intent.PERSON), ("get me someone else", Intent.PERSON),
        ("can somebody human help me", Intent.PERSON), ("could anyone human help me", Intent.PERSON),
        ("is there a real person there", Intent.PERSON),
        ("delete my number and never call me", Intent.OPT_OUT),
        ("erase my information and do not contact us", Intent.OPT_OUT),
        ("please do not keep a transcript", Intent.NO_RECORDING),
        ("i do not want a transcript", Intent.NO_RECORDING),
        ("i do not want this written down", Intent.NO_RECORDING),
        ("don't write this down", Intent.NO_RECORDING),
        ("is this the machine that colors hair", None), ("is this the app you use for booking", None),
        ("is this thing on", None), ("am i on the list", None), ("can somebody help me with my bill", None),
        ("your customer service is terrible", None), ("i have it written down somewhere", None),
        ("can you send me a transcript of my grades", None), ("write it down for tuesday", None),
        ("delete my number and put in the new one", None),
    ],
    "es-US": [
        ("esta cosa es un robot", Intent.ROBOT_QUESTION),
        ("dígame honestamente si es humana", Intent.ROBOT_QUESTION),
        ("estoy en la línea con una persona real", Intent.ROBOT_QUESTION),
        ("servicio al cliente", Intent.PERSON), ("tráigame a alguien", Intent.PERSON),
        ("me puede atender alguien humano", Intent.PERSON),
        ("borren mi número y no me llamen", Intent.OPT_OUT),
        ("no guarden ninguna transcripción", Intent.NO_RECORDING),
        ("no quiero que esto quede por escrito", Intent.NO_RECORDING),
        ("es la máquina que tiñe el pelo", None), ("su servicio al cliente es muy malo", None),
        ("lo tengo por escrito en casa", None), ("alguien me puede decir el horario", None),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("language", "said", "meant"), [(k, said, meant) for k, each in MISSED.items() for said, meant in each]
)
def test_wishes_that_were_missed_are_found_and_what_sounds_like_them_is_not(
    language: str, said: str, meant: Intent | None
) -> None:
    assert intent(said, language) is meant


def test_lists_that_miss_their_examples_are_refused() -> None:
    path = FOLDER / "intents.yaml"
    text = path.read_text(encoding="utf-8")
    emergencies = [p for p in shipped_packs() if p.kind == "emergency"]
    for old, new, expected in (
        ("        - lose my/this/our number\n", "", "opt_out.catches.8: the lists miss their own example"),
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
