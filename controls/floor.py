"""How strong the shared controls come: what an operator's own configuration is held against. Pure.

``floor.json`` beside this module is made of the files that come with Sayso (``python -m
voice_runtime.floor``), and a test holds it to them. It lies with the code and not with the
configuration, so that whoever changes ``configs`` does not change what that is held against.

What is only added is never weaker. Of a rule's words nobody can tell by machine whether they
still find the same, so a rule that comes with Sayso and was worded anew counts as weaker: add
a rule beside it instead.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from controls.decision import Verdict
from controls.documents import Document
from controls.floor_release import Weaker, release_floor, weaker_release
from controls.intent_file import IntentFile, IntentWords
from controls.ledger import records as r
from controls.ledger.envelope import canonical
from controls.must_say import MustSay
from controls.redaction.file import SINKS, Redaction
from controls.risk import Limits
from controls.risk_file import Feature, RiskFile
from controls.rules.compiled import compiled
from controls.rules.model import Pack, RuleSpec, as_plain
from controls.soa import SoaFile

__all__ = ["CONTROL_OF", "Floor", "Shipped", "Weaker", "floor_of", "shipped"]

FILE = Path(__file__).with_name("floor.json")
#: Setting → which of the runtime's controls it weakens.
CONTROL_OF: Mapping[r.WeakenedBy, r.ControlName] = {
    "risk_limits": "guard",
    "risk_points": "guard",
    "receipt_first": "ledger",
    "redaction": "redaction",
    "rules": "guard",
    "emergency": "guard",
    "intents": "guard",
    "tool_limits": "tool",
    "approvals": "tool",
    "cleared_below": "guard",
}
#: Intents a caller is owed: wording fewer of them takes something from callers.
OWED = ("opt_out", "person", "no_recording", "stop", "robot_question")
_HEX = 8
#: Numbers of a feature that weaken it when they grow, and those that do when they shrink.
_LATER, _LESS = ("from_", "full_at"), ("points", "under")


class Floor(Document):
    """``floor.json``.

    Attributes:
        redaction: sink → what is masked before it; regions: whose numbers are looked for.
        risk: feature → its numbers, and its phrases by language as ``_marks`` has them.
        limits: scores from which on is blocked, and asked about.
        packs: pack → its digest, kind, that of its word lists and topics, and its rules.
        intents: language → intent → its lists of phrases.
        must_say: fixed phrase → language → what its words are held to, as a digest.
        agents: agents that come with Sayso → what ``floor_release`` holds a release against.
        cleared_below: as in configs/soa.yaml.
    """

    regions: tuple[str, ...]
    redaction: dict[str, tuple[str, ...]]
    risk: dict[str, dict[str, Any]]
    limits: dict[str, int]
    packs: dict[str, dict[str, Any]]
    intents: dict[str, dict[str, Any]]
    must_say: dict[str, dict[str, str]]
    agents: dict[str, dict[str, Any]]
    cleared_below: int


@dataclass(frozen=True, slots=True)
class Shipped:
    """What a floor is made of: the files as they come."""

    redaction: Redaction
    risk: RiskFile
    limits: Limits
    packs: tuple[Pack, ...]
    intents: IntentFile
    must_say: MustSay
    soa: SoaFile
    releases: Mapping[str, Mapping[str, Any]]


@lru_cache(maxsize=1)
def shipped() -> Strength:
    """The floor that comes with this build; reads a file once.

    Raises:
        OSError, ValueError: the installation is broken.
    """
    return Strength(Floor.model_validate_json(FILE.read_bytes()))


def floor_of(given: Shipped) -> Floor:
    """The floor these files make."""
    return Floor(
        regions=given.redaction.regions,
        redaction={sink: tuple(sorted(given.redaction.types[sink])) for sink in SINKS},
        risk={feature.name: _feature(feature) for feature in given.risk.features},
        limits={"block_at": given.limits.block_at, "approve_at": given.limits.approve_at},
        packs={pack.pack: _pack(pack) for pack in sorted(given.packs, key=lambda p: p.pack)},
        intents={
            str(language): {name: _intent(getattr(words, name)) for name in OWED}
            | {"lists": _digest(words.lists)}
            | {"fillers": _marks(words.fillers), "acts": _marks(words.acts)}
            for language, words in sorted(given.intents.languages.items())
        },
        must_say=_must_say(given.must_say),
        agents={name: release_floor(resolved) for name, resolved in sorted(given.releases.items())},
        cleared_below=given.soa.cleared_below,
    )


#: In place of a phrase's name: what none of them may say.
ANYWHERE = "any phrase"


class Strength:
    """A floor to hold configurations against: each method tells what is weaker, if anything is.

    ``Weaker.place`` names the file or agent, ``Weaker.what`` says what is weaker in words.
    """

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    @property
    def emergencies(self) -> tuple[str, ...]:
        """Names of the emergency packs that come with Sayso."""
        return tuple(name for name, pack in self._floor.packs.items() if pack["kind"] == "emergency")

    def redaction(self, types: Mapping[Any, Iterable[str]], regions: Iterable[str]) -> Iterator[Weaker]:
        """What is masked before each sink."""
        for sink, least in self._floor.redaction.items():
            if missing := sorted(set(least) - {str(t) for t in types.get(sink, ())}):
                what = f"{', '.join(missing)} not masked before the {sink}"
                yield Weaker("redaction", "configs/redaction.yaml", what)
        if missing := sorted(set(self._floor.regions) - set(regions)):
            what = f"numbers of {', '.join(missing)} not looked for"
            yield Weaker("redaction", "configs/redaction.yaml", what)

    def limits(self, limits: Limits, place: str) -> Iterator[Weaker]:
        """From which risk score on something is blocked, or asked about."""
        for name, least in self._floor.limits.items():
            if (mine := getattr(limits, name)) > least:
                shown = "never" if mine > 100 else str(mine)
                yield Weaker("risk_limits", place, f"{name} is {shown}, and comes as {least}")

    def risk(self, file: RiskFile) -> Iterator[Weaker]:
        """Features of the risk score."""
        mine = {feature.name: _feature(feature) for feature in file.features}
        for name, least in self._floor.risk.items():
            if name not in mine:
                yield Weaker("risk_points", "configs/risk.yaml", f"the feature {name} is gone")
            elif found := sorted(_weaker_feature(least, mine[name])):
                what = f"the feature {name} counts less: {', '.join(found)}"
                yield Weaker("risk_points", "configs/risk.yaml", what)

    def packs(self, packs: Iterable[Pack]) -> Iterator[Weaker]:
        """Packs that come with Sayso, among those given; others have nothing to be held against."""
        for pack in packs:
            least = self._floor.packs.get(pack.pack)
            if least is not None and _pack_digest(pack) != least["digest"]:
                yield from _weaker_pack(least, pack)

    def emergency_packs(self, packs: Iterable[Pack]) -> Iterator[Weaker]:
        """Packs by which emergencies are found: every one that comes with Sayso is there, and no weaker."""
        given = {pack.pack: pack for pack in packs}
        for name in self.emergencies:
            if name not in given:
                yield Weaker("emergency", f"configs/rules/{name}.yaml", "the pack is gone")
        yield from self.packs(given.values())

    def intents(self, file: IntentFile | None) -> Iterator[Weaker]:
        """Words by which a caller asks for what they are owed; None: they cannot be read."""
        place = "configs/rules/intents.yaml"
        for language, least in self._floor.intents.items():
            words = file.languages.get(language) if file is not None else None
            if words is None:
                yield Weaker("intents", place, f"{language} is gone")
                continue
            for name in OWED:
                if _weaker_intent(least[name], _intent(getattr(words, name))):
                    yield Weaker("intents", place, f"{language}: {name} is found in fewer sentences")
            if least["lists"] != _digest(words.lists):
                yield Weaker("intents", place, f"{language}: lists that phrases name were worded anew")
            if _split(least["fillers"]) - _split(_marks(words.fillers)):
                yield Weaker("intents", place, f"{language}: words that change nothing are fewer")
            if _split(least["acts"]) - _split(_marks(words.acts)):
                yield Weaker("intents", place, f"{language}: a yes to one act is one to others")

    def must_say(self, file: MustSay | None) -> Iterator[Weaker]:
        """What fixed phrases must say; None: it cannot be read. Worded anew is weaker, as of a rule."""
        place = "configs/must_say.yaml"
        if file is None:
            yield Weaker("rules", place, "the file is gone, or cannot be used")
            return
        mine = _must_say(file)
        for name, least in self._floor.must_say.items():
            for language, digest in least.items():
                if language not in mine.get(name, {}):
                    yield Weaker("rules", place, f"{name} is held to nothing in {language}")
                elif mine[name][language] != digest:
                    yield Weaker("rules", place, f"{language}: what {name} must say was worded anew")

    def soa(self, file: SoaFile) -> Iterator[Weaker]:
        """From which risk on what was cleared counts as failed."""
        if file.cleared_below > self._floor.cleared_below:
            what = f"cleared_below is {file.cleared_below}, and comes as {self._floor.cleared_below}"
            yield Weaker("cleared_below", "configs/soa.yaml", what)

    def has_agent(self, name: str) -> bool:
        """Whether an agent of this name comes with Sayso."""
        return name in self._floor.agents

    def agent(self, name: str, resolved: Mapping[str, Any]) -> Iterator[Weaker] | None:
        """An agent that comes with Sayso, resolved; None for any other."""
        least = self._floor.agents.get(name)
        return None if least is None else weaker_release(name, least, release_floor(resolved))


# --- packs ----------------------------------------------------------------------------------------


def _pack(pack: Pack) -> dict[str, Any]:
    return {
        "digest": _pack_digest(pack),
        "kind": pack.kind,
        "lists": _lists(pack),
        "rules": {spec.name: _rule(spec) for spec in pack.rules},
    }


def _pack_digest(pack: Pack) -> str:
    """Of everything in it; made once for all agents that name it."""
    return hashlib.sha256(compiled(pack).canonical).hexdigest()[:16]


def _lists(pack: Pack) -> str:
    whole = as_plain(pack)
    return _digest([whole["lists"], whole["topics"]])


def _rule(spec: RuleSpec) -> dict[str, Any]:
    plain = spec.model_dump(mode="json", by_alias=True)
    return {
        "then": spec.then,
        "risk": spec.risk,
        "if": _digest([plain["if"], plain["when"], sorted(spec.tools)]),
        "ask": "" if spec.ask is None else spec.ask.role,
    }


def _weaker_pack(least: Mapping[str, Any], pack: Pack) -> Iterator[Weaker]:
    setting: Any = "emergency" if least["kind"] == "emergency" else "rules"
    place = f"configs/rules/{pack.pack}.yaml"
    if pack.kind != least["kind"]:
        yield Weaker(setting, place, f"is of kind {pack.kind}, and comes as {least['kind']}")
    if _lists(pack) != least["lists"]:
        yield Weaker(setting, place, "lists or topics that its rules name were worded anew")
    mine = {spec.name: spec for spec in pack.rules}
    for name, rule in least["rules"].items():
        asks: Any = "approvals" if rule["then"] == "approve" else setting
        if name not in mine:
            yield Weaker(asks, place, f"the rule {name} is gone")
        elif why := _weaker_rule(rule, mine[name]):
            yield Weaker(asks, place, f"the rule {name} {why}")


def _weaker_rule(least: Mapping[str, Any], spec: RuleSpec) -> str:
    mine = _rule(spec)
    if spec.verdict.gravity < Verdict(least["then"]).gravity:
        return f"is milder: {spec.then}, and comes as {least['then']}"
    if mine["ask"] != least["ask"] and spec.then == least["then"]:
        return f"asks {mine['ask']}, and comes asking {least['ask']}"
    if spec.risk < least["risk"]:
        return f"finds a risk of {spec.risk}, and comes with {least['risk']}"
    return "" if mine["if"] == least["if"] else "was worded anew: nobody can tell whether it finds the same"


# --- features and intents -------------------------------------------------------------------------


def _feature(feature: Feature) -> dict[str, Any]:
    found: dict[str, Any] = {
        "of": sorted(feature.of), "points": feature.points, "looks_at": feature.looks_at,
        "in": feature.in_ or "",
    }  # fmt: skip
    found |= {name: value for name in (*_LATER, "under") if (value := getattr(feature, name))}
    if feature.arguments:
        found["arguments"] = sorted(feature.arguments)
    if feature.shares:
        found["shares"] = dict(feature.shares)
    if feature.phrases:
        found["phrases"] = {str(k): _marks(v) for k, v in sorted(feature.phrases.items())}
    return found


def _weaker_feature(least: Mapping[str, Any], mine: Mapping[str, Any]) -> Iterator[str]:
    """Names of what makes it count less."""
    if (least["looks_at"], least["in"]) != (mine["looks_at"], mine["in"]):
        yield "looks_at"
    for name in ("of", "arguments"):
        if set(least.get(name, ())) - set(mine.get(name, ())):
            yield name
    yield from (name for name in _LESS if mine.get(name, 0) < least.get(name, 0))
    yield from (name.rstrip("_") for name in _LATER if mine.get(name, 0) > least.get(name, 0))
    if any(mine.get("shares", {}).get(name, 0) < share for name, share in least.get("shares", {}).items()):
        yield "shares"
    for language, phrases in least.get("phrases", {}).items():
        if _split(phrases) - _split(mine.get("phrases", {}).get(language, "")):
            yield f"phrases in {language}"


def _intent(words: IntentWords) -> dict[str, Any]:
    lists = {name: _marks(getattr(words, name)) for name in ("anywhere", "whole", "begins", "unless")}
    return lists | {"at_most": words.at_most}


def _weaker_intent(least: Mapping[str, Any], mine: Mapping[str, Any]) -> bool:
    fewer = any(_split(least[name]) - _split(mine[name]) for name in ("anywhere", "whole", "begins"))
    excused = _split(mine["unless"]) - _split(least["unless"])
    return fewer or bool(excused) or mine["at_most"] < least["at_most"]


def _must_say(file: MustSay) -> dict[str, dict[str, str]]:
    return {
        str(name): {str(language): _digest(rule.said_in(language)) for language in sorted(file.languages)}
        for name, rule in sorted(file.phrases.items())
    } | {ANYWHERE: {str(k): _digest(sorted(v)) for k, v in sorted(file.never_anywhere.items())}}


# --- digests --------------------------------------------------------------------------------------


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical(json.loads(json.dumps(value)))).hexdigest()[:16]


def _marks(phrases: Iterable[str]) -> str:
    """A set of phrases as eight hex digits each, in one string: short, and nothing to be read."""
    return "".join(sorted({hashlib.sha256(str(p).encode()).hexdigest()[:_HEX] for p in phrases}))


def _split(marks: str) -> set[str]:
    return {marks[i : i + _HEX] for i in range(0, len(marks), _HEX)}
