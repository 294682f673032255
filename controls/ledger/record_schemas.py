"""Every record type as JSON Schema, leaf and sealed part: for whoever reads records without our code.

``python -m controls.ledger.record_schemas`` prints what docs/records.schema.json holds.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from pydantic.json_schema import models_json_schema

from controls.ledger.records import RECORDS


def schemas() -> dict[str, Any]:
    """``records``: type → ``leaf`` (``predicate.record``) and ``sealed`` beside it; ``$defs`` of them all."""
    leaves = {name: RECORDS[name] for name in sorted(RECORDS)}
    sealed = {name: model.personal for name, model in leaves.items() if model.personal is not None}
    models = list(dict.fromkeys([*leaves.values(), *sealed.values()]))
    refs, shared = models_json_schema([(model, "validation") for model in models])
    found: dict[str, dict[str, Any]] = {
        name: {"leaf": refs[model, "validation"]} for name, model in leaves.items()
    }
    for name, personal in sealed.items():
        found[name]["sealed"] = refs[personal, "validation"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Sayso's records: predicate.record by type, and what is sealed beside it",
        "records": found,
        **shared,
    }


def text() -> str:
    """The schemas as the published file holds them."""
    return json.dumps(schemas(), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
