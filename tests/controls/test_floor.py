"""What is weaker than it comes is found, whatever it is; what is only added never is."""

from __future__ import annotations

import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.floor import FILE, OWED, Strength, shipped
from controls.floor_release import release_floor, weaker_release
from controls.intent_file import IntentFile
from controls.ledger.records import PersonalData
from controls.must_say import MustSay
from controls.redaction.file import SINKS, Redaction
from controls.risk import NEVER, Limits
from controls.risk_file import RiskFile
from controls.rules.model import Pack
from controls.rules.pack_files import load_packs
from controls.soa import SoaFile
from tests.controls.rules.packs import ROOT
from voice_runtime import floor
from voice_runtime.agent_folder import read_must_say

RULES = ROOT / "configs" / "rules"


@lru_cache(maxsize=1)
def comes() -> Strength:
    return shipped()


@lru_cache(maxsize=1)
def risk_file() -> RiskFile:
    return floor._risk(ROOT)


@lru_cache(maxsize=1)
def intents() -> IntentFile:
    found = floor.read_intents(ROOT)
    assert found is not None
    return found


@lru_cache(maxsize=2)
def pack(name: str) -> Pack:
    [found] = load_packs(RULES, [name])
    return found


def redaction() -> Redaction:
    from voice_runtime.agent_folder import read_redaction

    return Redaction(read_redaction(ROOT))


def test_the_file_is_made_of_what_comes() -> None:
    """Made by ``python -m voice_runtime.floor``."""
    assert floor.text(floor.make(ROOT)) == FILE.read_text(encoding="utf-8")


def test_as_it_comes_nothing_is_weaker() -> None:
    assert floor.weaker_house(ROOT) == []


# --- redaction --------------------------------------------------------------------------------------


@given(st.sampled_from(SINKS), st.sampled_from(list(PersonalData)))
def test_a_type_no_longer_masked_before_a_sink(sink: Any, kind: PersonalData) -> None:
    whole = redaction()
    thinned = {name: types - ({kind} if name == sink else set()) for name, types in whole.types.items()}
    found = list(comes().redaction(thinned, whole.regions))
    assert bool(found) == (kind in whole.types[sink])
    assert all(
        (one.setting, kind.value in one.what, sink in one.what) == ("redaction", True, True) for one in found
    )


def test_more_masks_are_not_weaker_and_fewer_regions_are() -> None:
    everything = {sink: frozenset(PersonalData) for sink in SINKS}
    assert list(comes().redaction(everything, ("us", "gb", "es", "de"))) == []
    [found] = comes().redaction(everything, ("us", "gb", "es"))
    assert "de" in found.what


# --- the risk score ---------------------------------------------------------------------------------


def changed(name: str, **values: Any) -> RiskFile:
    features = tuple(f.model_copy(update=values) if f.name == name else f for f in risk_file().features)
    return risk_file().model_copy(update={"features": features})


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("large-amount", {"points": 19}),
        ("large-amount", {"from_": 5000}),
        ("large-amount", {"arguments": ("amount",)}),
        ("large-amount", {"of": ("clause",)}),
        ("many-numbers", {"full_at": 12}),
        ("unsure-recognition", {"under": 0.3}),
        ("tool-class", {"shares": {"low": 0, "medium": 0, "high": 100}}),
        ("pressed-for-time", {"phrases": {"en-US": ("hurry up",), "es-US": ("de prisa",)}}),
        ("pressed-for-time", {"in_": "proposed"}),
    ],
)
def test_a_feature_that_counts_less(name: str, values: dict[str, Any]) -> None:
    [found] = comes().risk(changed(name, **values))
    assert (found.setting, name in found.what) == ("risk_points", True)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("large-amount", {"points": 40}),
        ("large-amount", {"from_": 10}),
        ("many-numbers", {"full_at": 2}),
        ("unsure-recognition", {"under": 0.9}),
        ("tool-class", {"shares": {"low": 10, "medium": 60, "high": 100}}),
    ],
)
def test_a_feature_that_counts_more_is_no_bypass(name: str, values: dict[str, Any]) -> None:
    assert list(comes().risk(changed(name, **values))) == []


@given(st.sampled_from(range(12)))
def test_a_feature_that_is_gone(i: int) -> None:
    features = risk_file().features
    gone = features[i % len(features)].name
    left = risk_file().model_copy(update={"features": tuple(f for f in features if f.name != gone)})
    [found] = comes().risk(left)
    assert found.what == f"the feature {gone} is gone"


@given(st.integers(1, NEVER), st.integers(1, NEVER))
def test_limits(block_at: int, approve_at: int) -> None:
    found = {w.what.split()[0] for w in comes().limits(Limits(block_at, approve_at), "agents/x")}
    assert found == {
        n for n, v, least in (("block_at", block_at, 95), ("approve_at", approve_at, 80)) if v > least
    }


@given(st.integers(1, 100))
def test_from_which_risk_on_a_clearance_has_failed(below: int) -> None:
    found = [w.setting for w in comes().soa(SoaFile(format=1, cleared_below=below))]
    assert found == (["cleared_below"] if below > 95 else [])


# --- rules ------------------------------------------------------------------------------------------


def spoiled(name: str, **values: Any) -> Pack:
    """A pack that comes with Sayso, its first rule changed."""
    given = pack(name)
    first, *rest = given.rules
    return given.model_copy(update={"rules": (first.model_copy(update=values), *rest), "_compiled": []})


def found_in(given: Pack) -> list[tuple[str, str]]:
    made = Pack.model_validate(given.model_dump(mode="json", by_alias=True))
    return [(w.setting, w.what) for w in comes().packs([made])]


def test_a_rule_that_is_gone_milder_or_worded_anew() -> None:
    given = pack("prices")
    assert found_in(given) == []
    first = given.rules[0]
    gone = given.model_copy(update={"rules": given.rules[1:]})
    assert found_in(gone) == [("rules", f"the rule {first.name} is gone")]
    [(_, why)] = found_in(spoiled("prices", then="allow", say={}))
    assert "milder: allow" in why
    [(_, why)] = found_in(spoiled("prices", risk=0))
    assert "a risk of 0" in why
    less = first.if_.model_copy(update={"phrases": first.if_.phrases[1:]})
    [(_, why)] = found_in(spoiled("prices", if_=less))
    assert "worded anew" in why


def test_a_rule_beside_those_that_come_is_no_bypass() -> None:
    given = pack("prices")
    more = given.model_copy(
        update={"rules": (*given.rules, given.rules[0].model_copy(update={"name": "one-more"}))}
    )
    assert found_in(more) == []
    assert found_in(given.model_copy(update={"pack": "ours-alone"})) == []


def test_emergencies_by_fewer_packs_or_another_kind_of_pack() -> None:
    packs = load_packs(RULES, comes().emergencies)
    assert {"emergency-us", "emergency-eu"} <= set(comes().emergencies)
    assert list(comes().emergency_packs(packs)) == []
    [found] = comes().emergency_packs(packs[1:])
    assert (found.setting, found.what) == ("emergency", "the pack is gone")
    guard = Pack.model_validate(packs[0].model_dump(mode="json", by_alias=True) | {"kind": "guard"})
    assert any("of kind guard" in w.what for w in comes().emergency_packs([guard, *packs[1:]]))


# --- what callers are owed --------------------------------------------------------------------------


@given(st.sampled_from(sorted(intents().languages)), st.sampled_from(OWED), st.data())
def test_a_phrase_fewer_for_what_a_caller_is_owed(language: str, name: str, data: st.DataObject) -> None:
    words = getattr(intents().languages[language], name)
    field = data.draw(st.sampled_from([f for f in ("anywhere", "whole", "begins") if getattr(words, f)]))
    phrases = list(getattr(words, field))
    del phrases[data.draw(st.integers(0, len(phrases) - 1))]
    less = words.model_copy(update={field: tuple(phrases)})
    given = intents().languages[language].model_copy(update={name: less})
    file = intents().model_copy(update={"languages": {**intents().languages, language: given}})
    found = list(comes().intents(file))
    assert [w.what for w in found] == [f"{language}: {name} is found in fewer sentences"] or set(
        phrases
    ) >= set(getattr(words, field))


def test_phrases_more_are_no_bypass_and_exceptions_more_are() -> None:
    words = intents().languages["en-US"]
    for field, weaker in (("anywhere", False), ("unless", True)):
        more = words.person.model_copy(update={field: (*getattr(words.person, field), "a green elephant")})
        given = words.model_copy(update={"person": more})
        file = intents().model_copy(update={"languages": {**intents().languages, "en-US": given}})
        assert bool(list(comes().intents(file))) is weaker
    left = {k: v for k, v in intents().languages.items() if k != "es-US"}
    assert [w.what for w in comes().intents(intents().model_copy(update={"languages": left}))] == [
        "es-US is gone"
    ]
    assert len(list(comes().intents(None))) == len(intents().languages)


def test_a_yes_that_may_name_any_act_is_weaker() -> None:
    words = intents().languages["en-US"]
    given = words.model_copy(update={"acts": words.acts[1:]})
    file = intents().model_copy(update={"languages": {**intents().languages, "en-US": given}})
    assert [w.what for w in comes().intents(file)] == ["en-US: a yes to one act is one to others"]


# --- an agent's own release -------------------------------------------------------------------------


def tool(**more: Any) -> dict[str, Any]:
    return {
        "name": "refund", "risk": "high", "per_call": 1, "per_day": 20, "read_back": ["amount", "order"],
        "amount": {"argument": "amount", "at_most": 100.0, "per_day": 500.0},
        "approval": {"role": "owner", "within_s": 60, "otherwise": "refuse"}, "undo_with": "take_back",
        "capture": {"argument": "card", "wanted": {}}, "result": {"type": "object"}, **more,
    }  # fmt: skip


def release(*tools: dict[str, Any], **more: Any) -> dict[str, Any]:
    ours = [{"name": "no-promises", "then": "say", "risk": 80}]
    return {
        "agent": {
            "rules": {"packs": ["abuse", "payment"], "ours": ours} | more.get("rules", {}),
            "risk": {"block_at": 90, "approve_at": None} | more.get("limits", {}),
            "redaction": {"record": ["card", "email"]} | more.get("sinks", {}),
        },
        "tools": list(tools or (tool(),)),
    }


def weaker(now: dict[str, Any], before: dict[str, Any] | None = None) -> list[str]:
    found = weaker_release("shop", release_floor(before or release()), release_floor(now))
    return [one.setting for one in found]


@pytest.mark.parametrize(
    ("more", "setting"),
    [
        ({"per_call": 2}, "tool_limits"),
        ({"per_call": None}, "tool_limits"),
        ({"per_day": 21}, "tool_limits"),
        ({"amount": None}, "tool_limits"),
        ({"amount": {"argument": "amount", "at_most": 101.0, "per_day": 500.0}}, "tool_limits"),
        ({"amount": {"argument": "other", "at_most": 100.0, "per_day": 500.0}}, "tool_limits"),
        ({"risk": "medium"}, "tool_limits"),
        ({"read_back": ["amount"]}, "tool_limits"),
        ({"undo_with": ""}, "tool_limits"),
        ({"capture": None}, "tool_limits"),
        ({"result": None}, "tool_limits"),
        ({"approval": None}, "approvals"),
        ({"approval": {"role": "anybody", "within_s": 60, "otherwise": "refuse"}}, "approvals"),
    ],
)
def test_a_tool_that_may_do_more_than_was_declared(more: dict[str, Any], setting: str) -> None:
    assert set(weaker(release(tool(**more)))) == {setting}


@pytest.mark.parametrize(
    "more", [{"per_call": 1}, {"per_day": 3}, {"read_back": ["amount", "order", "name"]}, {"name": "new"}]
)
def test_a_tool_that_may_do_less_or_is_new(more: dict[str, Any]) -> None:
    assert weaker(release(tool(**more))) == []


def test_what_an_agent_added_and_takes_away_again() -> None:
    assert weaker(release()) == []
    assert weaker(release(rules={"packs": ["abuse"]})) == ["rules"]
    assert weaker(release(rules={"ours": []})) == ["rules"]
    assert weaker(release(rules={"ours": [{"name": "no-promises", "then": "say", "risk": 20}]})) == ["rules"]
    assert weaker(release(limits={"block_at": 95})) == ["risk_limits"]
    assert weaker(release(limits={"block_at": None})) == ["risk_limits"]
    assert weaker(release(limits={"block_at": 80, "approve_at": 10})) == []
    assert weaker(release(sinks={"record": ["card"]})) == ["redaction"]


@given(
    st.tuples(*[st.one_of(st.none(), st.integers(1, 9))] * 2),
    st.tuples(*[st.one_of(st.none(), st.integers(1, 9))] * 2),
)
def test_a_limit_is_weaker_exactly_where_it_lets_more_through(
    before: tuple[int | None, int | None], now: tuple[int | None, int | None]
) -> None:
    def value(limit: int | None) -> float:
        return float("inf") if limit is None else limit

    more = any(value(b) > value(a) for a, b in zip(before, now, strict=True))
    was = release(tool(per_call=before[0], per_day=before[1]))
    assert bool(weaker(release(tool(per_call=now[0], per_day=now[1])), was)) is more


# --- what fixed phrases must say ---------------------------------------------------------------------------


def must_say() -> MustSay:
    return read_must_say(ROOT)


def test_what_phrases_must_say_comes_as_strong_as_it_is() -> None:
    assert list(comes().must_say(must_say())) == []


def test_a_phrase_held_to_less_is_weaker_and_so_is_one_held_to_nothing() -> None:
    file = must_say()
    answer = file.phrases["ai-answer"]
    less = answer.model_copy(update={"must": ()})
    changed = file.model_copy(update={"phrases": {**file.phrases, "ai-answer": less}})
    assert [w.what for w in comes().must_say(changed)] == [
        "en-US: what ai-answer must say was worded anew", "es-US: what ai-answer must say was worded anew",
    ]  # fmt: skip
    gone = file.model_copy(update={"phrases": {k: v for k, v in file.phrases.items() if k != "stopped"}})
    assert {w.what for w in comes().must_say(gone)} == {
        "stopped is held to nothing in en-US", "stopped is held to nothing in es-US",
    }  # fmt: skip
    assert [w.setting for w in comes().must_say(None)] == ["rules"]


def test_an_example_or_a_language_more_is_not_weaker() -> None:
    file = must_say()
    more = file.phrases["goodbye"].model_copy(update={"examples": {"en-US": ("Bye.",), "es-US": ("Adiós.",)}})
    changed = file.model_copy(
        update={"phrases": {**file.phrases, "goodbye": more}, "languages": (*file.languages, "fr-FR")}
    )
    assert list(comes().must_say(changed)) == []


def test_a_changed_file_is_weaker_for_the_house(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    file = tmp_path / "configs" / "must_say.yaml"
    worded = file.read_text(encoding="utf-8")
    file.write_text(worded.replace("call you, callback,", "call you, anything new, callback,", 1))
    assert [str(w) for w in floor.weaker_house(tmp_path)] == [
        "configs/must_say.yaml: en-US: what ask-callback must say was worded anew"
    ]
    file.unlink()
    assert [w.place for w in floor.weaker_house(tmp_path)] == ["configs/must_say.yaml"]
