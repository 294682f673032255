"""The JSON Schemas that editors read: one for each kind of file, made from the models that judge it.

They are published in the repository, named in the first line of each file, and
a test holds them to the models. Validation itself never uses them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from controls.disclosures import DisclosureRule
from controls.intent_file import IntentFile
from controls.must_say import MustSay
from controls.redaction.file import RedactionFile
from controls.retention import RetentionFile
from controls.risk_file import RiskFile
from controls.rules.model import Pack
from controls.soa import SoaFile
from controls.suppliers import SupplierFile
from voice_runtime.agent_file import AgentFile
from voice_runtime.decoys import DecoysFile
from voice_runtime.desks import DesksFile, PeopleFile
from voice_runtime.eval_file import EvalFile
from voice_runtime.lines import LinesFile
from voice_runtime.offline.book_file import BookFile
from voice_runtime.offline_file import OfflineFile
from voice_runtime.pack_floor import LeftOutFile
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
    "configs/schemas/decoys.schema.json": DecoysFile,
    "configs/schemas/left_out.schema.json": LeftOutFile,
    "configs/schemas/phrases.schema.json": PhrasesFile,
    "configs/schemas/must_say.schema.json": MustSay,
    "configs/schemas/book.schema.json": BookFile,
    "configs/schemas/rules.schema.json": Pack,
    "configs/schemas/intents.schema.json": IntentFile,
    "configs/schemas/disclosure.schema.json": DisclosureRule,
    "configs/schemas/retention.schema.json": RetentionFile,
    "configs/schemas/redaction.schema.json": RedactionFile,
    "configs/schemas/suppliers.schema.json": SupplierFile,
    "configs/schemas/risk.schema.json": RiskFile,
    "configs/schemas/soa.schema.json": SoaFile,
}

#: Models that a file may write as plain text, which pydantic's own schema does not tell.
_ALSO_TEXT = ("Example",)
#: What fields are for, where neither their model nor its docstring says so.
_DESCRIBED: Mapping[str, Mapping[str, str]] = {
    "OurRule": {
        "name": "a name for people and records, lower case, such as no-waiting-times",
        "if_agent_says": "phrases the agent is about to say; see configs/rules/health-boundaries.yaml",
        "unless": "a phrase found inside one of these does not count",
        "then": "say: other words are spoken instead; handoff: a person is fetched",
        "say": "language → what is spoken instead",
        "risk": "0 to 100, shown with the verdict",
        "because": "the reason, with its source, such as a house rule and a control of Annex A",
        "catches": "sentences it must catch; held to them by validate",
        "lets_pass": "sentences it must let pass; held to them by validate",
    },
}
_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.*?)(?=^ {4}\w+: |\Z)", re.MULTILINE | re.DOTALL)


def schema(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of one kind of file."""
    found = model.model_json_schema()
    for name in _ALSO_TEXT:
        if name in found.get("$defs", {}):
            found["$defs"][name] = {"anyOf": [{"type": "string"}, found["$defs"][name]]}
    for name, node in [(model.__name__, found), *found.get("$defs", {}).items()]:
        _describe(name, node)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def _describe(name: str, node: dict[str, Any]) -> None:
    """Move what a model's docstring says of its attributes to their fields."""
    about, _, attributes = str(node.get("description", "")).partition("\n\nAttributes:\n")
    if attributes:
        node["description"] = about
    said = {field: " ".join(text.split()) for field, text in _ATTRIBUTE.findall(attributes)}
    for field, given in node.get("properties", {}).items():
        words = _DESCRIBED.get(name, {}).get(field) or said.get(field)
        if words and "description" not in given:
            given["description"] = words.replace("``", "`")


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
