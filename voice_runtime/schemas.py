"""The JSON Schemas that editors read: one for each kind of file, made from the models that judge it.

They are published in the repository, named in the first line of each file, and
a test holds them to the models. Validation itself never uses them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from voice_runtime.agent_file import AgentFile
from voice_runtime.desks import DesksFile, PeopleFile
from voice_runtime.eval_file import EvalFile
from voice_runtime.lines import LinesFile
from voice_runtime.offline_file import OfflineFile
from voice_runtime.phrases import PhrasesFile
from voice_runtime.services import ServicesFile
from voice_runtime.settings import Settings

#: Where each is published, below the project's root.
SCHEMAS: Mapping[str, type[BaseModel]] = {
    "agents/agent.schema.json": AgentFile,
    "agents/offline.schema.json": OfflineFile,
    "agents/eval.schema.json": EvalFile,
    "configs/schemas/profile.schema.json": Settings,
    "configs/schemas/lines.schema.json": LinesFile,
    "configs/schemas/services.schema.json": ServicesFile,
    "configs/schemas/desks.schema.json": DesksFile,
    "configs/schemas/people.schema.json": PeopleFile,
    "configs/schemas/phrases.schema.json": PhrasesFile,
}


def schema(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of one kind of file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}


def text(model: type[BaseModel]) -> str:
    """The same as published: indented, keys in the model's order, a newline at the end."""
    return json.dumps(schema(model), indent=2, ensure_ascii=False) + "\n"


def stale(root: Path) -> list[str]:
    """Published schemas that are missing or no longer what the models say."""
    return [
        name
        for name, model in SCHEMAS.items()
        if not (root / name).is_file() or (root / name).read_text(encoding="utf-8") != text(model)
    ]


def write(root: Path) -> list[str]:
    """Publish those that are stale; their names."""
    names = stale(root)
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text(SCHEMAS[name]), encoding="utf-8")
    return names
