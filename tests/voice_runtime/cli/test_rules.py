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
