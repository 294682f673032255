"""A copy of the project's own agents and configuration that a test may spoil."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from controls.errors import ConfigurationError, Problem
from voice_runtime.agent import Release
from voice_runtime.lines import load_lines
from voice_runtime.resolve import load_release, validate_agent
from voice_runtime.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
AGENT = "agents/healthcare/agent.yaml"


@dataclass(frozen=True)
class Project:
    root: Path

    def edit(self, file: str, old: str, new: str) -> int:
        """Replace ``old`` (it must occur) once; the 1-based line where the change begins."""
        path = self.root / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{file} no longer holds {old!r}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return text[: text.index(old)].count("\n") + 1

    def settings(self, profile: str = "offline") -> Settings:
        return load_settings(self.root / f"configs/profiles/{profile}.yaml", environ={}, root=self.root)

    def release(self) -> Release:
        return load_release(self.root, "healthcare", self.settings(), load_lines(self.root))

    def problems(self) -> list[Problem]:
        try:
            lines = load_lines(self.root)
        except ConfigurationError as error:
            return error.problems
        return validate_agent(self.root, "healthcare", self.settings(), lines)


def copy(to: Path) -> Project:
    for folder in ("agents", "configs"):
        shutil.copytree(ROOT / folder, to / folder)
    return Project(to)


def only(problems: list[Problem], field: str) -> Problem:
    """The one problem of a field."""
    found = [p for p in problems if p.field == field]
    assert len(found) == 1, [str(p) for p in problems]
    return found[0]
