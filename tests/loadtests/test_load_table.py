"""README and docs/measuring show the load tests that are kept, and say which are not. All figures made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from controls.errors import ConfigurationError
from loadtests import readme
from loadtests.reporting import load_table
from loadtests.reporting.sheets import Sheet
from loadtests.results import write_results
from tests.loadtests.made_up import results, run, whole

ROOT = Path(__file__).resolve().parents[2]


def test_the_pages_are_the_kept_results(monkeypatch: pytest.MonkeyPatch):
    """Made by ``python -m loadtests.readme``, never by hand."""
    monkeypatch.chdir(ROOT)
    for page, text in readme.pages().items():
        assert page.read_text(encoding="utf-8") == text, f"{page}: python -m loadtests.readme"
        assert "<!-- load: " in text


def test_what_is_not_kept_is_named():
    short, long = load_table.short({}), load_table.long({})
    assert short.count("not measured yet") == 5
    assert "Not measured yet: Mock suppliers with fixed delays, Offline engines on CPU" in long


def test_a_kept_test_has_its_rows(tmp_path: Path):
    write_results(whole(), tmp_path / "load" / "mock")
    write_results(results([run(profile="gpu", calls=300)]), tmp_path / "load" / "h200")
    found = load_table.kept(tmp_path)
    assert list(found) == ["h200", "mock"]
    short = load_table.short(found)
    assert "| Mock suppliers with fixed delays, telephone (Twilio) | 16 | p50 " in short
    assert "| Mock suppliers with fixed delays, telephone (Twilio) | 32 | p50 " in short
    assert "telephone (Twilio) | 4 |" not in short  # the README shows the ends and the knee, the docs all
    assert "Models on a GPU, telephone (Twilio) (random weights) | 1 | p50 " in short
    assert "Offline engines on CPU | not measured yet" in short
    assert "122 of 128" in short
    [at_knee] = [line for line in short.splitlines() if "(Twilio) | 16 |" in line]
    assert "| met | missed (150 ms) |" in at_knee
    assert "bare pipecat, its defaults" in short
    assert "p99" in short.split("Models on a GPU")[1].split("\n")[0]
    assert "`python -m loadtests run" in short
    long = load_table.long(found)
    for wanted in (
        "### mock",
        "### h200",
        "Smart Turn alone",
        "ours, 4",
        "refused",
        "random weights",
        "7.9 ms",
    ):
        assert wanted in long


def test_a_table_of_markdown_keeps_its_cells():
    made = load_table.markdown(Sheet("", ("a", "b"), (("1|2", "3\n4"),)))
    assert made.splitlines() == ["| a | b |", "|---|---|", "| 1\\|2 | 3 4 |"]


def test_a_broken_file_is_named(tmp_path: Path):
    (tmp_path / "load" / "bad").mkdir(parents=True)
    (tmp_path / "load" / "bad" / "results.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="bad"):
        load_table.kept(tmp_path)


def test_check_names_the_page_that_is_out_of_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    kept, pages = (
        ROOT / "loadtests" / "results",
        {"README.md": "README.md", "docs/measuring.md": "docs/measuring.md"},
    )
    for name in ("demo.txt", "steady/results.json"):
        (tmp_path / "loadtests/results" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "loadtests/results" / name).write_bytes((kept / name).read_bytes())
    for name in pages:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    write_results(whole(), tmp_path / "loadtests/results/load/mock")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["readme", "--check"])
    assert readme.main() == 1
    assert "README.md is out of date" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["readme"])
    assert readme.main() == 0
    assert (
        "| Mock suppliers with fixed delays, telephone (Twilio) | 16 |"
        in (tmp_path / "README.md").read_text()
    )
    monkeypatch.setattr("sys.argv", ["readme", "--check"])
    assert readme.main() == 0
