"""What a load test reads of the agent it calls: the words it opens with, and what it declares to reach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from controls.errors import ConfigurationError
from loadtests.scenario import SCENARIOS
from voice_runtime.yaml_file import load_document

_AGENTS = Path(__file__).resolve().parents[1] / "agents"


def known_agent(agent: str, scenario: str) -> None:
    """Refuse a scenario for an agent that is not in this checkout.

    Args:
        agent: whom the scenario is meant for.
        scenario: a name under ``SCENARIOS``, or a file; there, and sound otherwise.

    Raises:
        ConfigurationError: with file, line and field.
    """
    if (_AGENTS / agent / "agent.yaml").is_file():
        return
    file = Path(scenario) if Path(scenario).is_file() else SCENARIOS / f"{scenario}.yaml"
    known = ", ".join(sorted(path.parent.name for path in _AGENTS.glob("*/agent.yaml")))
    document = load_document(file, what="scenario")
    raise ConfigurationError([document.problem(("agent",), f"no agent is called {agent}", f"known: {known}")])


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
