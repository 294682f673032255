"""From a file that somebody thinned to a red control: a server's own start, and the report on its record."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from controls.evidence.coverage import ControlCoverage
from tests.voice_runtime.project import Project, copy
from voice_runtime.app import App
from voice_runtime.cli.evidence import statement
from voice_runtime.release_archive import archive_releases

MASKS = "[card, card-code, iban, national-id]\n"
THIN = "[card, card-code]\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """One agent's lines, so that a start is short."""
    project = copy(tmp_path / "project")
    lines = project.root / "configs" / "lines.yaml"
    mine, _, _ = lines.read_text().partition("  - name: lake-and-larch-desk")
    lines.write_text(mine)
    return project


def starts(project: Project) -> None:
    """A server reads its configuration, opens its record and has put on it what is weaker."""
    app = App(project.settings())
    releases = app._configuration()
    archive_releases(app.settings.data_dir, releases.values())

    async def ledger() -> None:
        try:
            await app._start_ledger(releases)
        finally:
            await app._stack.aclose()

    anyio.run(ledger)


def prepared(project: Project, since: int = 0) -> ControlCoverage:
    """A.7.6, Data preparation."""
    found = statement(project.settings(), since=since, verify=False)
    [one] = [control for control in found.controls if control.id == "A.7.6"]
    return one


def test_masks_that_were_thinned_are_red_until_they_are_put_back_and_told_afterwards(
    project: Project,
) -> None:
    starts(project)
    assert prepared(project).faults == []
    project.edit("configs/redaction.yaml", MASKS, THIN)
    starts(project)
    red = prepared(project)
    [fault] = red.faults
    assert (red.state, fault.what, fault.setting, fault.until) == ("failing", "bypass", "redaction", None)
    assert fault.tenant == "riverside"
    assert red.because[0] == "bypass: less personal data is masked than it comes"
    project.edit("configs/redaction.yaml", THIN, MASKS)
    starts(project)
    now = prepared(project)
    assert now.state != "failing" and "restored since" in now.because[-1]
    assert prepared(project, since=1).state == "failing"  # of the period in which it was
