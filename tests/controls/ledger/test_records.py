"""Leaves hold no personal data: no record type has room for free words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from controls.ledger.records import RECORDS


def free(schema: dict[str, Any], node: Any, path: str) -> Iterator[str]:
    """Paths under ``node`` at which anything could be written."""
    if not isinstance(node, dict):
        yield path
        return
    if "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[1]
        yield from free(schema, schema["$defs"][name], path)
        return
    if "const" in node or "enum" in node:
        return
    for key in ("anyOf", "allOf", "oneOf"):
        if key in node:
            for option in node[key]:
                yield from free(schema, option, path)
            return
    match node.get("type"):
        case "integer" | "boolean" | "null":
            return
        case "string":
            if "pattern" not in node:
                yield path
        case "array":
            items = [*node.get("prefixItems", []), *([node["items"]] if "items" in node else [])]
            if not items:
                yield path
            for item in items:
                yield from free(schema, item, path + "[]")
        case "object":
            if node.get("additionalProperties") is not False:
                yield path
            for name, child in node.get("properties", {}).items():
                yield from free(schema, child, f"{path}.{name}")
        case _:  # numbers with a fraction, or anything at all
            yield path


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_no_free_words_in_a_leaf(name: str) -> None:
    schema = RECORDS[name].model_json_schema()
    assert list(free(schema, schema, name)) == []


def test_the_walk_finds_free_words() -> None:
    schema = {"type": "object", "additionalProperties": False,
              "properties": {"a": {"type": "string"}, "b": {"type": "array", "items": {}},
                             "c": {"anyOf": [{"type": "object"}, {"type": "null"}]}}}  # fmt: skip
    assert list(free(schema, schema, "x")) == ["x.a", "x.b[]", "x.c"]


def test_every_type_named_in_the_design_is_there() -> None:
    named = {
        "call.opened", "call.refused", "call.closed", "call.recovered", "callback.promised",
        "release.bound", "supplier.bound", "disclosure.played", "consent.recorded",
        "consent.withdrawn", "caller.said", "turn.decided", "turn.withdrawn", "clause.cleared",
        "clause.refused", "agent.played", "tool.requested", "tool.refused", "tool.executed",
        "tool.unknown", "approval.requested", "approval.granted", "approval.edited",
        "approval.refused", "approval.expired", "handoff.requested", "handoff.accepted",
        "handoff.failed", "handoff.completed", "person.joined", "person.left", "emergency.detected",
        "control.failed", "control.disabled", "control.missed", "artifact.tagged", "redaction.made",
        "recording.started", "recording.paused", "recording.stopped", "access.viewed",
        "retention.expired", "legal_hold.placed", "legal_hold.lifted", "erasure.done",
        "agent.stopped", "agent.resumed",
    }  # fmt: skip
    assert named <= RECORDS.keys()


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_personal_models_name_their_kind(name: str) -> None:
    model = RECORDS[name].personal
    assert model is None or model.kind
