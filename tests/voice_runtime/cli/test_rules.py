"""`sayso rules`: held to their examples, tried on a sentence, and explained from the record."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
import rfc8785

from controls.rules.engine import Rules
from controls.rules.pack_files import load_packs
from tests.controls.evidence.calls import clinic_call
from tests.controls.evidence.packets import released
from tests.voice_runtime.cli.records_house import ROOT, House

WHO = ("--as", "r.okafor", "--purpose", "complaint 17")


@pytest.fixture
def own(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """A copy of the configuration that a test may break; the test stands in its root."""
    for part in ("configs", "agents"):
        shutil.copytree(ROOT / part, tmp_path / "root" / part)
    monkeypatch.chdir(tmp_path / "root")
    return house


def test_every_pack_shipped_holds_to_its_examples(house: House):
    found = house.json("rules", "test")
    assert found["ok"] is True and found["rules"] >= 30
    assert {example["fault"] for example in found["examples"]} == {""}
    assert any(e["rule"] == "intents/opt-out.en-US" for e in found["examples"])

    code, out, _ = house.sayso("rules", "test", "truthful-ai")
    assert code == 0 and "all hold" in out
    assert "configs/rules/truthful-ai.yaml:" in out and "truthful-ai/never-denies-being-ai" in out


def test_an_agent_s_rules_are_tried_together_with_its_own(house: House):
    code, out, _ = house.sayso("rules", "test", "--agent", "healthcare")
    assert code == 0 and "ours/no-waiting-times" in out


def test_an_unknown_pack_and_both_ways_at_once_are_usage_errors(house: House):
    code, _, err = house.sayso("rules", "test", "health")
    assert code == 2 and "there is no pack `health`" in err
    assert house.sayso("rules", "test", "abuse", "--agent", "salon")[0] == 2


def test_a_rule_that_misses_its_example_is_named_with_file_and_line(own: House):
    file = Path("configs/rules/abuse.yaml")
    file.write_text(file.read_text().replace("- Shut up.", "- Please be quiet."))
    line = next(i for i, text in enumerate(file.read_text().splitlines(), 1) if "Please be quiet." in text)
    code, out, _ = own.sayso("rules", "test", "abuse")
    assert code == 1
    assert (
        f"configs/rules/abuse.yaml:{line}: the rule does not catch its own example: Please be quiet." in out
    )


def test_a_file_with_an_error_is_a_usage_error_with_its_line(own: House):
    file = Path("configs/rules/abuse.yaml")
    file.write_text(file.read_text().replace("then: handoff", "then: shout"))
    code, _, err = own.sayso("rules", "test", "abuse")
    assert code == 2 and "abuse.yaml:" in err and "allow" in err


def test_a_sentence_is_tried_and_the_words_are_shown(house: House):
    code, out, _ = house.sayso("rules", "try", "healthcare", "It is probably just eczema.")
    assert code == 0
    assert out.startswith("block: I can't judge that. Our staff can call you back.")
    assert "health-boundaries/no-diagnosis" in out and "eczema" in out.split("words", 1)[1]
    assert house.json("rules", "try", "healthcare", "Tuesday at ten.")["verdict"] == "allow"
    assert not house.ledger.exists(), "nothing was recorded"


def test_a_caller_s_sentence_is_tried_too_emergencies_first(house: House):
    found = house.json("rules", "try", "healthcare", "i have chest pain", "--caller")
    assert found["verdict"] == "handoff" and found["rules"][0]["rule"].startswith("emergency-us/")
    assert "9 1 1" in found["spoken"]


@pytest.mark.parametrize(
    ("said", "what", "left", "spoken"),
    [
        ("i object to being recorded", "no_recording", "", "not recorded"),
        ("i object to the price", "words", "i object to the price", None),
        ("are you a robot", "robot_question", "", "AI assistant"),
        ("i want to talk to a real person please", "person", "", "connecting"),
        ("i have chest pain", "emergency", "", "9 1 1"),
        ("take me off your list and never call me again", "opt_out", "", "This call ends"),
        ("have you got tuesday at ten", "words", "have you got tuesday at ten", None),
        ("yes please", "yes", "yes please", None),
    ],
)
def test_what_the_runtime_itself_does_with_a_caller_s_words_comes_first(
    house: House, said: str, what: str, left: str, spoken: str | None
):
    """Finding 11: `i object to the price` withdrew the record on a call, and was shown as allowed."""
    found = house.json("rules", "try", "healthcare", said, "--caller")
    [done] = found["runtime"]
    assert (done["what"], found["left"]) == (what, left)
    assert (done["spoken"] is None) if spoken is None else spoken in done["spoken"]


def test_what_is_left_beside_a_robot_question_is_what_the_rules_judge(house: House):
    asked = house.json("rules", "try", "healthcare", "are you a robot can you diagnose my rash", "--caller")
    assert asked["runtime"][0]["what"] == "robot_question"
    assert "diagnose my rash" in asked["left"]


def test_a_card_said_aloud_is_shown_as_masked_and_in_text_the_runtime_comes_first(house: House):
    said = "my card is 4111 1111 1111 1111"
    found = house.json("rules", "try", "healthcare", said, "--caller")
    masked = [d for d in found["runtime"] if d["what"] == "personal_data"]
    assert masked and all("card" in d["does"] and "4111" not in d["does"] for d in masked)
    assert found["verdict"] != "allow" and any(row["rule"].startswith("payment/") for row in found["rules"])

    code, out, _ = house.sayso("rules", "try", "healthcare", "i object to being recorded", "--caller")
    assert code == 0
    first, *rest = out.splitlines()
    assert first.startswith("runtime no_recording:")
    assert any(line.startswith("left    nothing") for line in rest)
    assert any(line.startswith("rules   by themselves: allow") for line in rest)


def test_what_fixed_phrases_must_say_is_held_to_its_examples(own: House):
    code, out, _ = own.sayso("rules", "test", "must-say")
    assert code == 0 and "must-say/ai-answer.en-US" in out and "must-say/ai-answer.es-US" in out
    file = Path("configs/must_say.yaml")
    text = file.read_text()
    file.write_text(text.replace('en-US: ["Of course not.", "No.",', 'en-US: ["I am an AI.", "No.",', 1))
    line = next(i for i, row in enumerate(file.read_text().splitlines(), 1) if '"I am an AI.", "No."' in row)
    code, out, _ = own.sayso("rules", "test", "must-say")
    assert code == 1 and f"configs/must_say.yaml:{line}: the example holds though it must not" in out


def test_the_packs_are_listed_with_who_uses_them(house: House):
    packs = {p["pack"]: p for p in house.json("rules", "list")["packs"]}
    assert "healthcare" in packs["health-boundaries"]["agents"]
    assert "health-boundaries" in house.sayso("rules", "list")[1]


def test_a_turn_is_explained_by_the_rules_of_its_release(house: House):
    script = released(clinic_call(), _archive(house))
    house.fill(script)
    found = house.json("rules", "explain", script.call, "2", *WHO)
    assert found["rules"] is True
    [judged] = [row for row in found["judged"] if row["rule"] == "health-boundaries/no-diagnosis"]
    assert (judged["what"], judged["verdict"]) == ("agent", "block")
    assert any("eczema" in ground["words"] for ground in judged["words"])
    code, out, _ = house.sayso("rules", "explain", script.call, "2", *WHO)
    assert code == 0 and "It is probably just eczema." in out and "words   “" in out
    assert [record.what for record, _ in house.access()] == ["trace", "trace"]


def test_without_the_release_s_rules_the_record_alone_is_shown(house: House):
    script = clinic_call()
    house.fill(script)
    code, out, _ = house.sayso("rules", "explain", script.call, "2", *WHO)
    assert code == 0 and "were not kept here" in out and "block by health-boundaries/no-diagnosis" in out
    assert "words   " not in out


def test_a_turn_that_is_not_there(house: House):
    script = clinic_call()
    house.fill(script)
    code, _, err = house.sayso("rules", "explain", script.call, "9", *WHO)
    assert code == 2 and "has no turn 9: it has 0 to 3" in err


def _archive(house: House) -> str:
    """Keep a release and its rules as a server does; returns its digest."""
    rules = Rules(load_packs(ROOT / "configs" / "rules", ["truthful-ai", "health-boundaries"]))
    resolved = rfc8785.dumps({"name": "healthcare", "rules": rules.digest})
    digest = "sha256:" + hashlib.sha256(resolved).hexdigest()
    for name, of, content in (("releases", digest, resolved), ("rules", rules.digest, rules.canonical)):
        folder = house.data_dir / name
        folder.mkdir(parents=True)
        (folder / f"{of.removeprefix('sha256:')}.json").write_bytes(content)
    return digest
