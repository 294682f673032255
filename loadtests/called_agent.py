"""What a load test reads of the agent it calls: the words it opens with, and what it declares to reach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

_AGENTS = Path(__file__).resolve().parents[1] / "agents"


def disclosure(agent: str) -> str:
    """The words a caller hears first; "" where the agent is not in this checkout."""
    says: Any = _read(agent).get("disclosure", {}).get("say", {})
    return str(next(iter(says.values()), ""))


def objectives(agent: str) -> dict[str, float]:
    """Declared objectives that are a number, by name; empty where the agent is not in this checkout."""
    declared: Any = _read(agent).get("objectives", {})
    return {str(name): float(value) for name, value in declared.items() if isinstance(value, int | float)}


def _read(agent: str) -> dict[str, Any]:
    path = _AGENTS / agent / "agent.yaml"
    if not agent or not path.is_file():
        return {}
    content: Any = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    return content if isinstance(content, dict) else {}
