"""The table of walks: made of what is kept, and of nothing else."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from tests.voice_runtime.walks.report import BEGIN, END, PAGE, Tally, block, kept, main, written


def test_the_page_holds_what_was_walked_last() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert written(page, kept()) == page, "run python -m tests.voice_runtime.walks.report --table"


def test_a_table_names_seeds_commit_and_what_is_wrong() -> None:
    tally = Tally(500, 40, "abc1234", [], 2, Counter({"tools used": 1200, "emergencies": 0}))
    text = "\n".join(block(tally))
    assert "40 calls walked (seeds 500 to 539, commit abc1234): **2 wrong**" in text
    assert "1,200" in text
    assert "emergencies" not in text


def test_parts_add_up() -> None:
    whole = Tally(0, 20, "abc", ["seed 3: x"], 1, Counter({"a": 1}))
    whole.add(replace(whole, problems=["seed 24: y"]))
    assert (whole.walks, whole.wrong, whole.happened["a"]) == (40, 2, 2)
    assert whole.problems == ["seed 3: x", "seed 24: y"]


def test_a_page_without_a_place_for_it_is_refused() -> None:
    with pytest.raises(ValueError, match="has no"):
        written(f"{BEGIN} and no end", Tally(0))
    assert END in written(f"{BEGIN}\n{END}", Tally(0, 1))


def test_the_command_says_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "--walks" in capsys.readouterr().out
