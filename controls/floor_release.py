"""What an agent's own release lets happen, and whether a later one lets more. Pure.

Held against one another are two resolved releases (``Release.resolved`` as JSON): the one in
which the limits were declared, and the one that is to take calls. A tool that is new has
nothing to be held against; one that is gone lets nothing happen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from controls.ledger import records as r

_RISKS = ("low", "medium", "high")


@dataclass(frozen=True, slots=True)
class Weaker:
    """Something weaker than it comes, or than it was declared.

    Attributes:
        place: the file, or the agent.
        what: in words, without personal data: for people, never for a leaf.
    """

    setting: r.WeakenedBy
    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


def release_floor(resolved: Mapping[str, Any]) -> dict[str, Any]:
    """What counts of a resolved release, as plain values."""
    agent = resolved.get("agent", {})
    rules = agent.get("rules", {})
    return {
        "packs": sorted(rules.get("packs", ())),
        "ours": {x["name"]: {"then": x["then"], "risk": x["risk"]} for x in rules.get("ours", ())},
        # what every agent has besides is held against how that comes
        "limits": {name: agent.get("risk", {}).get(name) for name in ("block_at", "approve_at")},
        "redaction": {sink: sorted(types) for sink, types in agent.get("redaction", {}).items()},
        "tools": {tool["name"]: _tool(tool) for tool in resolved.get("tools", ())},
    }


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    amount, approval = tool.get("amount") or {}, tool.get("approval") or {}
    return {
        "risk": tool["risk"],
        "per_call": tool["per_call"],
        "per_day": tool["per_day"],
        "amount": {name: amount.get(name) for name in ("argument", "at_most", "per_day")},
        "approval": {name: approval.get(name) for name in ("role", "within_s", "otherwise")},
        "read_back": sorted(tool["read_back"]),
        "undo_with": tool["undo_with"],
        "keyed": (tool.get("capture") or {}).get("argument", ""),
        "result": tool.get("result") is not None,
    }


def weaker_release(agent: str, least: Mapping[str, Any], mine: Mapping[str, Any]) -> Iterator[Weaker]:
    """What a release lets happen that the one before did not; both as ``release_floor`` has them."""
    place = f"agents/{agent}"
    if gone := sorted(set(least["packs"]) - set(mine["packs"])):
        yield Weaker("rules", place, f"rules.packs no longer names {', '.join(gone)}")
    for name, rule in least["ours"].items():
        now = mine["ours"].get(name)
        if now is None:
            yield Weaker("rules", place, f"its own rule {name} is gone")
        elif now["risk"] < rule["risk"] or now["then"] != rule["then"]:
            yield Weaker("rules", place, f"its own rule {name} does something else, or counts less")
    for name, limit in least["limits"].items():
        if _above(mine["limits"][name], limit):
            yield Weaker("risk_limits", place, f"its own {name} is above {limit}, or gone")
    for sink, types in least["redaction"].items():
        if gone := sorted(set(types) - set(mine["redaction"].get(sink, ()))):
            yield Weaker("redaction", place, f"{', '.join(gone)} no longer masked besides before the {sink}")
    for name, tool in least["tools"].items():
        if name in mine["tools"]:
            yield from _weaker_tool(f"{place}, tool {name}", tool, mine["tools"][name])


def _weaker_tool(place: str, least: Mapping[str, Any], mine: Mapping[str, Any]) -> Iterator[Weaker]:
    for name in ("per_call", "per_day"):
        if _above(mine[name], least[name]):
            yield Weaker("tool_limits", place, f"{name} is {_shown(mine[name])}, and was {least[name]}")
    for name in ("at_most", "per_day"):
        other = least["amount"]["argument"] not in (None, mine["amount"]["argument"])
        limit = least["amount"][name]
        if limit is not None and (other or _above(mine["amount"][name], limit)):
            yield Weaker("tool_limits", place, f"amount.{name} is more than {limit:g}, or of something else")
    if _RISKS.index(mine["risk"]) < _RISKS.index(least["risk"]):
        yield Weaker("tool_limits", place, f"its risk is {mine['risk']}, and was {least['risk']}")
    if gone := sorted(set(least["read_back"]) - set(mine["read_back"])):
        yield Weaker("tool_limits", place, f"{', '.join(gone)} no longer read back")
    if least["undo_with"] and not mine["undo_with"]:
        yield Weaker("tool_limits", place, f"it is no longer taken back by {least['undo_with']}")
    if least["keyed"] and mine["keyed"] != least["keyed"]:
        yield Weaker("tool_limits", place, f"{least['keyed']} is no longer entered by keys")
    if least["result"] and not mine["result"]:
        yield Weaker("tool_limits", place, "what it answers is no longer held to a schema")
    if (role := least["approval"]["role"]) is not None and mine["approval"]["role"] != role:
        asked = mine["approval"]["role"]
        now = "nobody decides on it" if asked is None else f"{asked} decides on it"
        yield Weaker("approvals", place, f"{now}, and {role} did")


def _above(mine: float | None, least: float | None) -> bool:
    """Whether a limit lets more through; None is no limit."""
    return least is not None and (mine is None or mine > least)


def _shown(limit: float | None) -> str:
    return "not limited" if limit is None else f"{limit:g}"
