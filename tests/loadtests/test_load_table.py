"""README and docs/measuring show the load tests that are kept, and say which are not. All figures made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from controls.errors import ConfigurationError
from loadtests import readme
from loadtests.reporting import load_table
from loadtests.reporting.tables import Table
from loadtests.results import write_results
from tests.loadtests.made_up import environment, results, run, whole

ROOT = Path(__file__).resolve().parents[2]


def test_the_pages_are_the_kept_results(monkeypatch: pytest.MonkeyPatch):
    """Made by ``python -m loadtests.readme``, never by hand."""
    monkeypatch.chdir(ROOT)
    for page, text in readme.pages().items():
        assert page.read_text(encoding="utf-8") == text, f"{page}: python -m loadtests.readme"
        assert any(f"<!-- {block}: " in text for block in ("load", "goals", "packs"))


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
    assert "| Mock suppliers with fixed delays, telephone (Twilio) | 16 | " in short
    assert "| Mock suppliers with fixed delays, telephone (Twilio) | 32 | " in short
    assert "telephone (Twilio) | 2 | " not in short  # the README shows the knee, load-results every load
    assert "telephone (Twilio) | 4 | " not in short
    assert "Models on a GPU, telephone (Twilio) (random weights) | 1 | " in short
    assert "Offline engines on CPU | not measured yet" in short
    [at_knee] = [line for line in short.splitlines() if "(Twilio) | 16 | " in line]
    assert "| met (missed) | yes | " in at_knee
    assert at_knee.endswith("| 0000000 |")
    assert "bare pipecat, its defaults" in short
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


def test_machines_are_rows_of_their_own_and_a_commit_is_said(tmp_path: Path):
    write_results(results([run()]), tmp_path / "load" / "a")
    faster = environment(cpu="a faster one", commit="1111111")
    write_results(results([run(environment=faster)]), tmp_path / "load" / "b")
    newer = [run(concurrency=n, environment=environment(commit="2222222")) for n in (1, 2)]
    write_results(results(newer), tmp_path / "load" / "c")
    rows = [line.split(" | ") for line in load_table.short(load_table.kept(tmp_path)).splitlines()]
    mock = [(row[0], row[-1]) for row in rows if row[0].startswith("| Mock")]
    slow, fast = "on MADE UP processor, 2 cores", "on a faster one, 2 cores"
    assert [(slow in what, fast in what, commit) for what, commit in mock] == [
        (True, False, "2222222 |"),
        (True, False, "2222222 |"),
        (False, True, "1111111 |"),
    ]


def test_the_table_of_the_readme_is_narrow_enough_to_read():
    lines = load_table.short({"mock": whole()}).splitlines()
    assert len(lines[0].split(" | ")) <= 8
    assert max(map(len, lines)) <= 300


def test_a_table_of_markdown_keeps_its_cells():
    made = load_table.markdown(Table("", ("a", "b"), (("1|2", "3\n4"),)))
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
        ("README.md", "docs/measuring.md", "docs/load-results.md", "docs/rules.md"),
    )
    for name in ("demo.txt", "steady/results.json", "packs/results.json"):
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
    row = "| Mock suppliers with fixed delays, telephone (Twilio) | 16 | "
    assert row in (tmp_path / "README.md").read_text()
    monkeypatch.setattr("sys.argv", ["readme", "--check"])
    assert readme.main() == 0


def test_the_error_calibrated_apart_is_of_the_tests_on_its_machine(tmp_path: Path):
    without = results([run()], calibrations=())
    write_results(without, tmp_path / "load" / "mock")
    elsewhere = results([run(environment=environment(cores=4))], calibrations=())
    write_results(elsewhere, tmp_path / "load" / "other")
    assert "| telephone (Twilio) | not calibrated yet |" in load_table.instrument(load_table.kept(tmp_path))
    write_results(results(environment=environment()), tmp_path / "calibrate-twilio")
    found = load_table.kept(tmp_path)
    here, there = (found[name].calibration("twilio") for name in ("mock", "other"))
    assert here is not None
    assert here.error_p95_ms == 2.5
    assert there is None
    table = load_table.instrument(found, load_table.calibrations(tmp_path))
    assert "| telephone (Twilio) | 40.0 | 0.8 / 2.5 / 3.6 | 200 | 2026-11-21 | " in table
    assert "| browser (WebRTC) | not calibrated yet |" in table
