"""Folders of results: looked at beforehand, and left as they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from controls.errors import OperatorError
from loadtests.outputs import FILES, prepare


def test_a_folder_is_made_and_nothing_in_it_is_touched(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    prepare(folder)
    assert list(folder.iterdir()) == []
    (folder / FILES[0]).write_text("older", encoding="utf-8")
    prepare(folder)
    assert [path.name for path in folder.iterdir()] == [FILES[0]]
    assert (folder / FILES[0]).read_text(encoding="utf-8") == "older"


def test_a_file_is_no_folder_nor_is_what_would_lie_in_it(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(OperatorError, match="file is a file.*name another folder with --out"):
        prepare(file)
    with pytest.raises(OperatorError, match="Not a directory.*name another folder with --out"):
        prepare(file / "below")


def test_a_file_that_cannot_be_overwritten_is_found_out(tmp_path: Path) -> None:
    (tmp_path / FILES[1]).mkdir()
    with pytest.raises(OperatorError, match=f"{FILES[1]}: Is a directory"):
        prepare(tmp_path)
