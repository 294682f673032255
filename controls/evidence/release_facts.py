"""What a resolved release is made of, part by part, with a digest of each: for people who compare. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from controls.errors import IntegrityError, LedgerError
from controls.ledger.envelope import canonical

#: Parts worth a digest of their own, and what to call them.
_WHOLE = (
    ("prompt", "Prompt"),
    ("facts", "Facts"),
    ("phrases", "Fixed phrases"),
    ("disclosures", "Disclosure rules"),
    ("retention", "Retention schedule"),
    ("thresholds", "Thresholds"),
    ("handoff", "Handoff routes"),
)
_ENGINES = (("models", "Model"), ("recognisers", "Recogniser"), ("voices", "Voice"))


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """(part, its name, its digest or "") in a fixed order."""

    parts: tuple[tuple[str, str, str], ...]


def release_facts(resolved: bytes) -> ReleaseFacts:
    """Take the bytes of a resolved release apart.

    Raises:
        IntegrityError: they are no JSON object.
    """
    try:
        found = json.loads(resolved)
        if not isinstance(found, dict):
            raise IntegrityError("the release is no JSON object")
        return ReleaseFacts(tuple(_parts(found)))
    except (ValueError, RecursionError, LedgerError):
        raise IntegrityError("the release is no JSON object") from None


def _parts(release: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    yield "Rules", _name(release, "agent", "rules", "packs"), str(release.get("rules", ""))
    for key, title in _WHOLE:
        if release.get(key):
            yield title, "", _digest(release[key])
    for tool in _entries(release.get("tools")):
        yield (
            "Tool",
            f"{tool.get('name', '')} ({tool.get('service', '')}/{tool.get('operation', '')})",
            _digest(tool),
        )
    for key, title in _ENGINES:
        for engine in _entries(release.get(key)):
            model = engine.get("model") or engine.get("engine") or engine.get("note") or ""
            name = str(engine.get("name", ""))
            yield title, name if model in ("", name) else f"{name}: {model}", _digest(engine)
    if release.get("voice"):
        yield "Voice setting", "", _digest(release["voice"])


def _entries(value: Any) -> list[dict[str, Any]]:
    return [x for x in value if isinstance(x, dict)] if isinstance(value, list) else []


def _name(release: dict[str, Any], *path: str) -> str:
    value: Any = release
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return ", ".join(map(str, value)) if isinstance(value, list) else ""


def _digest(value: Any) -> str:
    return "sha256:" + hashlib.sha256(canonical(value)).hexdigest()
