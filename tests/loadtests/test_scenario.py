"""Scenarios: what is shipped is whole, what rotates rotates, what is broken says where."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from controls.errors import ConfigurationError
from loadtests.scenario import SCENARIOS, load_scenario
from voice_runtime.caller.script import Backchannel, HangUp, Interrupt, MakeSound, Noise, Press, Silence
from voice_runtime.offline_file import OfflineFile
from voice_runtime.phrases import offline_phrases
from voice_runtime.yaml_file import load_model

SHIPPED = sorted(path.stem for path in SCENARIOS.glob("*.yaml"))
GOOD = """\
format: 1
title: Two questions
agent: healthcare
voices: [rms, kal, slt]
rates: [1.0, 1.2]
snr_db: [20, 10]
steps:
  - wait
  - say: where are you
  - interrupt: stop it
  - backchannel: mhmm
  - say: {text: where are you, expect: mill}
answers:
  where are you: We are in Mill Street. The door is beside the pharmacy.
  stop it: All right then. What else would you like to know from us?
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str) -> list[tuple[int, str]]:
    with pytest.raises(ConfigurationError) as wrong:
        load_scenario(written(folder, text))
    return [(p.line, p.field) for p in wrong.value.problems]


def test_the_shipped_ones_are_there_and_do_what_they_are_for() -> None:
    assert SHIPPED == ["booking", "interrupts", "mixed", "noisy", "patient", "questions", "short"]
    steps = {name: load_scenario(name).script.steps for name in SHIPPED}
    assert sum(type(s).__name__ == "Say" for s in steps["short"]) == 3
    assert sum(type(s).__name__ == "Say" for s in steps["questions"]) == 15
    for kind in (Interrupt, Backchannel, Press):
        assert any(isinstance(s, kind) for s in steps["booking"])
    for kind in (MakeSound, Noise):
        assert any(isinstance(s, kind) for s in steps["noisy"])
    assert sum(s.seconds for s in steps["patient"] if isinstance(s, Silence)) > 15
    noisy = load_scenario("noisy")
    assert noisy.script_for(0).snr_db == 15
    assert len(set(noisy.voices)) >= 3
    assert len(set(noisy.rates)) >= 3


@pytest.mark.parametrize("name", SHIPPED)
def test_every_answer_of_a_shipped_one_belongs_to_something_that_is_said(name: str) -> None:
    scenario = load_scenario(name)
    assert {*scenario.answers, *scenario.fails} <= set(scenario.sentences)
    for step in (step for script in scenario.scripts for step in script.steps):
        expect = getattr(step, "expect", "")
        if expect:
            assert expect in scenario.answers[step.text].lower()  # type: ignore[union-attr]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_offline_profile_knows_every_sentence_of_a_shipped_one(name: str) -> None:
    scenario = load_scenario(name)
    agent = Path(__file__).parents[2] / "agents" / scenario.agent / "offline.yaml"
    known = set(offline_phrases(load_model(OfflineFile, agent)))
    steps = [step for script in scenario.scripts for step in script.steps]
    nods = {step.text for step in steps if isinstance(step, Backchannel)}
    assert set(scenario.sentences) - nods <= known


def test_everything_written_is_there(tmp_path: Path) -> None:
    scenario = load_scenario(written(tmp_path, GOOD))
    assert (scenario.name, scenario.title, scenario.agent) == ("mine", "Two questions", "healthcare")
    assert scenario.sentences == ("where are you", "stop it", "mhmm")
    assert scenario.answers["stop it"].startswith("All right")
    assert scenario.script.steps[4].expect == "mill"  # type: ignore[union-attr]


def test_every_combination_of_voice_rate_and_noise_comes_once_in_a_round(tmp_path: Path) -> None:
    scenario = load_scenario(written(tmp_path, GOOD))
    scripts = [scenario.script_for(n) for n in range(24)]
    found = [(s.voice, s.rate, s.snr_db) for s in scripts]
    assert sorted(found[:12]) == sorted(product(("rms", "kal", "slt"), (1.0, 1.2), (20.0, 10.0)))  # type: ignore[type-var]
    assert found[:12] == found[12:]
    assert [s.voice for s in scripts[:4]] == ["rms", "kal", "slt", "rms"]
    assert [s.seed for s in scripts] == list(range(24))
    assert all(s.steps == scenario.script.steps for s in scripts)


def test_without_lists_every_call_is_as_the_script_says(tmp_path: Path) -> None:
    plain = GOOD.replace("voices: [rms, kal, slt]\nrates: [1.0, 1.2]\nsnr_db: [20, 10]\n", "voice: kal\n")
    script = load_scenario(written(tmp_path, plain)).script_for(7)
    assert (script.voice, script.rate, script.snr_db, script.noises) == ("kal", 1.0, None, ())
    one = load_scenario(written(tmp_path, plain.replace("voice: kal", "snr_db: 12"))).script_for(7)
    assert one.snr_db == 12


@pytest.mark.parametrize(
    ("old", "new", "line", "field"),
    [
        ("title: Two questions\n", "", 1, "title"),
        ("title:", "titel:", 2, "titel"),
        ("agent: healthcare", "agent: ../x", 3, "agent"),
        ("[rms, kal, slt]", "[rms, hal]", 4, "voices"),
        ("[1.0, 1.2]", "[1.0, 9]", 5, "rates[1]"),
        ("[20, 10]", "[20, 99]", 6, "snr_db[1]"),
        ("say: where are you", "say: ''", 9, "steps[1].say.text"),
        ("say: where are you", "shout: where are you", 9, "steps[1].shout"),
        ("interrupt: stop it", "interrupt: stop now", 10, "steps[2].interrupt"),
        ("expect: mill", "expects: mill", 12, "steps[4].say.expects"),
        ("All right then. What", "Yes. No", 15, "answers.stop it"),
        ("We are in Mill Street", "We are at 12 Mill Street", 14, "answers.where are you"),
        ("Mill Street. The door", "Mill Street and the door", 14, "answers.where are you"),
        ("All right then.", "We stop.", 15, "answers.stop it"),
        ("All right then.", "Right. The door is beside the pharmacy.", 15, "answers.stop it"),
    ],
)
def test_a_broken_one_names_line_and_field(tmp_path: Path, old: str, new: str, line: int, field: str) -> None:
    assert old in GOOD
    broken = GOOD.replace(old, new, 1)
    if old == "All right then. What":
        broken = broken.replace(" else would you like to know from us?", ".")
    assert (line, field) in problems(tmp_path, broken)


def test_a_scenario_that_does_not_exist_says_which_do(tmp_path: Path) -> None:
    known = "known: booking, interrupts, mixed, noisy, patient, questions, short"
    with pytest.raises(ConfigurationError, match=known):
        load_scenario("shrot")
    with pytest.raises(ConfigurationError, match="missing"):
        load_scenario(tmp_path / "none.yaml")


def test_what_is_typed_takes_a_browser_and_a_telephone_says_so_with_line_and_field(tmp_path: Path) -> None:
    typed = written(tmp_path, GOOD.replace("- say: where are you", "- type: where are you"))
    assert load_scenario(typed).script.typed
    assert load_scenario(typed, "webrtc").script.typed
    with pytest.raises(ConfigurationError, match="--transport webrtc") as wrong:
        load_scenario(typed, "twilio")
    assert [(p.line, p.field) for p in wrong.value.problems] == [(9, "steps[1].type")]
    assert not load_scenario(written(tmp_path, GOOD), "twilio").script.typed


# --- several kinds of call --------------------------------------------------------------------------

KINDS = GOOD.replace(
    "answers:\n",
    """\
also:
  breaks-off: [wait, {say: {text: where are you, wait: false}}, {hang_up: abrupt}]
  finds-it-broken: [wait, {say: {text: this fails, wait: false}}, {silence_s: 3}]
fails: [this fails]
answers:
""",
)


def test_kinds_of_call_are_taken_in_turn_and_each_in_every_voice(tmp_path: Path) -> None:
    scenario = load_scenario(written(tmp_path, KINDS))
    assert list(scenario.others) == ["breaks-off", "finds-it-broken"]
    scripts = [scenario.script_for(n) for n in range(36)]
    assert [s.steps for s in scripts[:3]] == [s.steps for s in scenario.scripts]
    assert [len(s.steps) for s in scripts[:6]] == [5, 3, 3, 5, 3, 3]
    found = [(s.steps, s.voice, s.rate, s.snr_db) for s in scripts]
    assert all(found.count(one) == 1 for one in found), "every combination once in a round"
    assert scenario.sentences == ("where are you", "stop it", "mhmm", "this fails")
    assert scenario.fails == ("this fails",)


@pytest.mark.parametrize(
    ("old", "new", "line", "field"),
    [
        ("fails: [this fails]\n", "", 15, "also.finds-it-broken[1].say"),
        ("{hang_up: abrupt}", "{hang_up: rudely}", 14, "also.breaks-off[2].hang_up.how"),
        ("breaks-off:", "Breaks off:", 14, "also.Breaks off"),
        ("[wait, {say: {text: where are you, wait: false}}, {hang_up: abrupt}]", "[]", 14, "also.breaks-off"),
    ],
)
def test_a_broken_kind_names_line_and_field(
    tmp_path: Path, old: str, new: str, line: int, field: str
) -> None:
    assert old in KINDS
    found = problems(tmp_path, KINDS.replace(old, new, 1))
    assert [at for at, _ in found] == [line]
    assert found[0][1].startswith(field.split("[")[0])


def test_what_a_kind_types_takes_a_browser(tmp_path: Path) -> None:
    typed = written(tmp_path, KINDS.replace("{say: {text: this fails, wait: false}}", "{type: this fails}"))
    assert load_scenario(typed, "webrtc").others["finds-it-broken"].typed
    with pytest.raises(ConfigurationError, match="--transport webrtc"):
        load_scenario(typed, "twilio")


def test_the_mixed_one_has_every_way_a_call_may_go() -> None:
    mixed = load_scenario("mixed", "twilio")
    kinds = {"asks": mixed.script, **mixed.others}
    assert len(kinds) == 10
    ends = [step.how for script in kinds.values() for step in script.steps if isinstance(step, HangUp)]
    assert {"stop", "abrupt"} == set(ends)
    for kind in (Interrupt, Backchannel, Press, Silence):
        assert any(isinstance(step, kind) for script in kinds.values() for step in script.steps)
    silent = [s for s in mixed.others["falls-silent"].steps if isinstance(s, Silence)]
    assert silent[0].seconds > 8, "longer than the agent waits before it asks"
    assert set(mixed.fails) <= set(mixed.sentences)
