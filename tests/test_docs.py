"""Documentation that can be run is run: every ``console`` block, in a copy of the project."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from controls.annex_a import table as controls_table
from controls.ledger import record_schemas
from controls.ledger.__main__ import records_table
from controls.ledger.findings import CHECKS
from controls.ledger.ledger import Ledger
from controls.ledger.records import RetentionTag
from voice_runtime.cli.app import run

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)#]+)(#[^)]*)?\)")


def commands(page: Path) -> list[str]:
    """The commands of a page's ``console`` blocks, in order."""
    blocks = _BLOCK.findall(page.read_text(encoding="utf-8"))
    return [
        line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")
    ]


RUNNABLE = [page for page in PAGES if commands(page)]
#: One command may start three processes and have a dozen conversations, beside other tests, s.
_COMMAND_S = 60


def _tag(kind: str, now_s: int) -> RetentionTag:
    return RetentionTag(
        retention_class=kind, purpose="test", legal_basis="test", region="us", expires_at=now_s + 86_400
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project with a ledger that was used once."""
    for folder in ("agents", "configs"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    ledger = Ledger.open(tmp_path / ".sayso" / "ledger", tagger=_tag)
    ledger.prepare("riverside")
    ledger.close()
    return tmp_path


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.timeout(_COMMAND_S * (1 + len(commands(page)))))
        for page in RUNNABLE
    ],
    ids=[page.name for page in RUNNABLE],
)
def test_every_console_block_runs(
    page: Path, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    for command in commands(page):
        words = shlex.split(command)
        assert words[0] == ".venv/bin/sayso", f"{page.name}: {command}"
        code = run(words[1:])
        out, err = capsys.readouterr()
        assert code == 0, f"{page.name}: {command}\n{out}{err}"


def test_something_is_run() -> None:
    assert RUNNABLE


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_inside_the_project_lead_somewhere(page: Path) -> None:
    for target, _ in _LINK.findall(page.read_text(encoding="utf-8")):
        if not re.match(r"^[a-z]+:", target):
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


def test_the_readmes_figures_are_the_kept_results() -> None:
    """Made by ``python -m loadtests.readme``, never by hand."""
    from loadtests.readme import filled

    results = ROOT / "loadtests" / "results"
    steady = json.loads((results / "steady" / "results.json").read_text(encoding="utf-8"))["summary"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert filled(readme, (results / "demo.txt").read_text(encoding="utf-8"), steady) == readme


def test_the_table_of_records_is_the_models() -> None:
    """Made by ``python -m controls.ledger records``."""
    assert records_table() in (ROOT / "docs" / "record-format.md").read_text(encoding="utf-8")


def test_the_table_of_controls_is_the_list() -> None:
    """Made by ``python -m controls.annex_a``."""
    assert controls_table() in (ROOT / "docs" / "controls.md").read_text(encoding="utf-8")


def test_the_table_of_checks_is_the_verifiers() -> None:
    page = (ROOT / "docs" / "record-format.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (\d+) \| (\w+) \|", page, re.MULTILINE) == [
        (str(number), name) for number, name in enumerate(CHECKS, 1)
    ]


def test_the_ledgers_figures_are_the_kept_results() -> None:
    """Made by ``python -m loadtests.ledger table``."""
    from loadtests.ledger.table import table

    made = table(ROOT / "loadtests" / "results" / "ledger")
    assert made in (ROOT / "docs" / "measuring.md").read_text(encoding="utf-8")


def test_the_schemas_of_records_are_the_models() -> None:
    """Made by ``python -m controls.ledger.record_schemas``."""
    assert record_schemas.text() == (ROOT / "docs" / "records.schema.json").read_text(encoding="utf-8")
