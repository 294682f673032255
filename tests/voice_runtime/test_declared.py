"""Limits count as declared in a release that is on record; what a later one loosens is found."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from controls.ledger import records as r
from controls.ledger.ledger import Ledger
from controls.ledger.reader import Reader
from tests.controls.ledger.support import tagger
from tests.voice_runtime.project import AGENT, copy
from voice_runtime.agent import Release
from voice_runtime.declared import Declared, read_declared, record_served
from voice_runtime.lines import load_lines
from voice_runtime.release_archive import archive_releases
from voice_runtime.resolve import load_release
from voice_runtime.settings import Settings

pytestmark = pytest.mark.anyio

LIMIT = "at_most: {per_call: 2}"


@lru_cache(maxsize=1)
def _made() -> tuple[Settings, dict[int, Release]]:
    """An agent of the operator's own: by how often one of its tools may be used in a call."""
    with TemporaryDirectory() as folder:
        project = copy(Path(folder) / "project")
        (project.root / "agents" / "healthcare").rename(project.root / "agents" / "clinic")
        lines = project.root / "configs" / "lines.yaml"
        lines.write_text(lines.read_text().replace("agent: healthcare", "agent: clinic"))
        found, limit = {}, LIMIT
        for uses in (2, 9, 1):
            wanted = f"at_most: {{per_call: {uses}}}"
            project.edit(AGENT.replace("healthcare", "clinic"), limit, wanted)
            limit = wanted
            found[uses] = load_release(project.root, "clinic", project.settings(), load_lines(project.root))
        return project.settings(), found


@pytest.fixture
def settings() -> Settings:
    return _made()[0]


@pytest.fixture
def allowed() -> dict[int, Release]:
    return _made()[1]


class Place:
    """A data directory, and what a process does in it at its start."""

    def __init__(self, root: Path, settings: Settings, environment: str = "staging") -> None:
        self.root = root
        self.settings = settings.model_copy(update={"environment": r.Environment(environment)})

    async def serves(self, *releases: Release) -> list[str]:
        """A process starts with these: what of them is weaker than was declared."""
        await asyncio.to_thread(archive_releases, self.root, releases)
        declared = self.declared()
        found = [str(one) for release in releases for one in declared.weaker(release)]
        await self._append(lambda ledger: record_served(self.settings, ledger, releases, declared))
        return found

    async def approved(self, release: Release) -> None:
        record = r.ReleaseApproved(tenant=release.tenant, release=release.digest, by="p_0123456789ABCDEF")
        await self._append(lambda ledger: asyncio.wrap_future(ledger.append(record)))

    async def _append(self, act) -> None:  # type: ignore[no-untyped-def]
        ledger = await asyncio.to_thread(Ledger.open, self.root / "ledger", tagger=tagger)
        try:
            await act(ledger)
        finally:
            await asyncio.to_thread(ledger.close)

    def declared(self) -> Declared:
        ledger = self.root / "ledger"
        return read_declared(ledger, self.root) if ledger.is_dir() else Declared()

    def served(self) -> list[str]:
        with Reader.open(self.root / "ledger") as reader:
            return [e.record.release for e in reader.records() if isinstance(e.record, r.ReleaseServed)]


@pytest.fixture
def place(tmp_path: Path, settings: Settings) -> Place:
    return Place(tmp_path / "data", settings)


RAISED = "agents/clinic, tool book_appointment: per_call is 9, and was 2"


async def test_a_limit_raised_after_the_first_release_that_was_served(
    place: Place, allowed: dict[int, Release]
) -> None:
    """A11: a tool's limits were raised and nothing was on record."""
    first, raised = allowed[2], allowed[9]
    assert await place.serves(first) == []
    assert await place.serves(raised) == [RAISED]
    assert await place.serves(raised) == [RAISED]  # it does not become what is declared by being served
    assert await place.serves(allowed[1]) == []
    assert len(place.served()) == len(set(place.served())) == 3


async def test_what_was_approved_is_what_is_declared(place: Place, allowed: dict[int, Release]) -> None:
    first, raised = allowed[2], allowed[9]
    await place.serves(first)
    await place.serves(raised)
    await place.approved(raised)
    assert await place.serves(raised) == []
    await place.approved(first)
    assert await place.serves(raised) == [RAISED]


async def test_where_releases_are_tried_out_nothing_is_declared(
    tmp_path: Path, settings: Settings, allowed: dict[int, Release]
) -> None:
    for environment in ("demo", "development"):
        place = Place(tmp_path / environment, settings, environment)
        assert await place.serves(allowed[2]) == []
        assert await place.serves(allowed[9]) == []
        assert place.served() == []


async def test_whoever_removes_the_archive_hides_nothing(place: Place, allowed: dict[int, Release]) -> None:
    await place.serves(allowed[2])
    [kept] = (place.root / "releases").glob("*.json")
    kept.unlink()
    [told] = await place.serves(allowed[9])
    assert "no longer archived" in told


async def test_another_tenants_agent_of_that_name_declares_nothing(
    place: Place, allowed: dict[int, Release]
) -> None:
    other = replace(allowed[2], tenant="lake")
    await place.serves(other)
    assert await place.serves(allowed[9]) == []
