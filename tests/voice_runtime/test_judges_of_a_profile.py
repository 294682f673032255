"""Judges as a profile names them: checked, bound and kept apart from the models that talk to callers."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from controls.errors import ConfigurationError, SayError
from controls.suppliers import parse_suppliers
from tests.simulators.house import release
from tests.voice_runtime.project import Project, copy
from voice_runtime.binding import SUPPLIERS_FILE, bound_judges, bound_suppliers
from voice_runtime.resolve import _models
from voice_runtime.settings import Settings, load_settings
from voice_runtime.think.endpoints import Endpoint, Endpoints

pytestmark = pytest.mark.anyio

PROFILE = "configs/profiles/offline.yaml"
JUDGE = (
    "{name: local, base_url: 'http://127.0.0.1:9/v1', model: judge-1, outside: false, api_key: {env: A_KEY}}"
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return copy(tmp_path)


def with_judges(project: Project, *judges: str) -> Settings:
    file = project.root / PROFILE
    text = file.read_text()
    assert "model:\n" in text
    file.write_text(text.replace("model:\n", f"model:\n  judges: [{', '.join(judges)}]\n", 1))
    return load_settings(file, environ={"A_KEY": "sk-very-secret"})


async def test_a_judge_is_bound_checked_and_part_of_the_version(project: Project) -> None:
    before = load_settings(project.root / PROFILE, environ={})
    settings = with_judges(project, JUDGE)
    assert settings.model.judges[0] in settings.engines()
    assert "sk-very-secret" not in repr(settings)
    assert _models(settings) != _models(before)
    assert "sk-very-secret" not in str(_models(settings))
    register = parse_suppliers((project.root / SUPPLIERS_FILE).read_text(), "suppliers.yaml")
    async with AsyncExitStack() as stack:
        own = Endpoints((Endpoint("standin", "http://127.0.0.1:9/v1", "standin"),))
        stack.push_async_callback(own.aclose)
        bound = bound_suppliers(release(), settings, own, register)
        assert [(s.name, s.model) for s in bound if s.note == "asked by rules, as a judge"] == [
            ("local", "judge-1")
        ]
        judges = bound_judges(settings, own, stack)
        found = judges.endpoint("local")
        assert found is not None
        assert (found.model, found.api_key, found.outside) == ("judge-1", "sk-very-secret", False)
        assert judges.endpoint("standin") is None


async def test_a_judge_nobody_answers_for_is_refused(project: Project) -> None:
    settings = with_judges(project, JUDGE.replace("name: local", "name: stranger"))
    register = parse_suppliers((project.root / SUPPLIERS_FILE).read_text(), "suppliers.yaml")
    own = Endpoints((Endpoint("standin", "http://127.0.0.1:9/v1", "standin"),))
    try:
        with pytest.raises(SayError, match="stranger"):
            bound_suppliers(release(), settings, own, register)
    finally:
        await own.aclose()


def test_two_of_a_name_are_refused(project: Project) -> None:
    with pytest.raises(ConfigurationError, match="names an engine twice"):
        with_judges(project, JUDGE, JUDGE)


def test_an_unset_key_of_a_judge_is_named(project: Project) -> None:
    with pytest.raises(ConfigurationError, match=r"model\.judges\[0\]\.api_key"):
        with_judges(project, JUDGE.replace("A_KEY", "ANOTHER_KEY"))
