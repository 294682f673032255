"""The published JSON Schemas: current, named in each file, and of one mind with the models."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from tests.voice_runtime.project import ROOT
from voice_runtime.schemas import SCHEMAS, schema, stale, text, write
from voice_runtime.yaml_file import check, load_document, parse_document

FILES = sorted(
    [
        *ROOT.glob("agents/*/agent.yaml"),
        *ROOT.glob("agents/*/offline*.yaml"),
        *ROOT.glob("agents/*/evals/*.yaml"),
        *ROOT.glob("configs/profiles/*.yaml"),
        *ROOT.glob("configs/phrases/*.yaml"),
        *ROOT.glob("configs/books/*.yaml"),
        *ROOT.glob("configs/rules/*.yaml"),
        *ROOT.glob("configs/disclosures/*.yaml"),
        *(
            ROOT / f"configs/{name}.yaml"
            for name in ("lines", "services", "desks", "people", "retention", "suppliers", "must_say")
        ),
    ]
)


def _named(path: Path) -> Path:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    found = re.match(r"# yaml-language-server: \$schema=(\S+)", first)
    assert found, f"{path.name} names no schema in its first line"
    return (path.parent / found.group(1)).resolve()


def test_what_is_published_is_what_the_models_say() -> None:
    assert stale(ROOT) == []


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_file_names_a_published_schema_and_meets_it(path: Path) -> None:
    published = _named(path)
    assert published.relative_to(ROOT).as_posix() in SCHEMAS
    validator = jsonschema_rs.validator_for(json.loads(published.read_text(encoding="utf-8")))
    errors = [f"{e.instance_path}: {e.message}" for e in validator.iter_errors(load_document(path).data)]
    assert errors == []


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_a_published_schema_is_valid_and_refuses_unknown_keys(name: str) -> None:
    document = schema(SCHEMAS[name])
    jsonschema_rs.meta.validate(document)
    assert not jsonschema_rs.is_valid(document, {"format": 1, "surprise": True})


AGENT_MISTAKES: list[tuple[str, Any]] = [
    ("before_release", {"approvals": []}),
    ("surprise", 1),
    ("refuses", "diagnosis"),
    ("owner", "Bo S."),
    ("format", 2),
]


@pytest.mark.parametrize(("key", "value"), AGENT_MISTAKES)
def test_editor_and_validate_refuse_the_same(key: str, value: Any) -> None:
    path = ROOT / "agents/healthcare/agent.yaml"
    document = load_document(path)
    changed = {**document.data, key: value}
    model = SCHEMAS["agents/agent.schema.json"]
    assert not jsonschema_rs.is_valid(schema(model), changed)
    assert check(model, parse_document(json.dumps(changed), "agent.yaml"))[0] is None


def test_writing_again_changes_only_what_is_stale(tmp_path: Path) -> None:
    assert write(tmp_path) == list(SCHEMAS)
    assert write(tmp_path) == []
    first = next(iter(SCHEMAS))
    (tmp_path / first).write_text("{}")
    assert stale(tmp_path) == write(tmp_path) == [first]
    assert (tmp_path / first).read_text() == text(SCHEMAS[first])
