"""Opt-outs on disk: remembered across restarts, forgotten with the salt, and never a number in the file."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from controls.errors import OperatorError
from voice_runtime.store.opt_outs import FILE, OptOutBook

NUMBER, OTHER = "+12025550123", "+12025550124"


def test_it_is_remembered_by_the_next_process_and_by_that_tenant_only(tmp_path: Path) -> None:
    OptOutBook(tmp_path).remember("clinic", NUMBER)
    book = OptOutBook(tmp_path)
    assert book.known("clinic", "+1 202 555 0123")
    assert not book.known("clinic", OTHER)
    assert not book.known("salon", NUMBER)


def test_no_number_is_in_the_file(tmp_path: Path) -> None:
    book = OptOutBook(tmp_path)
    book.remember("clinic", NUMBER)
    files = [p.read_bytes() for p in tmp_path.iterdir()]
    assert not any(NUMBER[2:].encode() in data for data in files)
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


def test_who_erases_the_salt_erases_what_was_remembered(tmp_path: Path) -> None:
    book = OptOutBook(tmp_path)
    book.remember("clinic", NUMBER)
    book.remember("salon", NUMBER)
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        [(salt,)] = db.execute("SELECT salt FROM salts WHERE tenant = 'clinic'").fetchall()
    book.erase("clinic")
    assert not book.known("clinic", NUMBER)
    assert book.known("salon", NUMBER)
    assert salt not in (tmp_path / FILE).read_bytes()
    book.remember("clinic", NUMBER)  # afresh, under another salt
    assert book.known("clinic", NUMBER)


def test_a_withheld_number_is_nobody(tmp_path: Path) -> None:
    book = OptOutBook(tmp_path)
    book.remember("clinic", "")
    assert not book.known("clinic", "")


def test_the_first_callers_of_a_tenant_share_one_salt(tmp_path: Path) -> None:
    book = OptOutBook(tmp_path)
    numbers = [f"+1202555{n:04}" for n in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: book.remember("clinic", number), numbers))
    assert all(book.known("clinic", number) for number in numbers)


def test_a_store_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    book = OptOutBook(tmp_path)
    (tmp_path / FILE).write_bytes(b"no database at all, but long enough to be looked at" * 30)
    with pytest.raises(OperatorError, match=FILE):
        book.known("clinic", NUMBER)
    with pytest.raises(OperatorError, match=FILE):
        book.remember("clinic", NUMBER)


def test_entries_are_named_without_numbers_and_lifted_one_by_one(tmp_path: Path) -> None:
    book = OptOutBook(tmp_path)
    book.remember("clinic", NUMBER, "c_0123456789ABCDEF")
    book.remember("clinic", OTHER)
    entry = book.entry("clinic", NUMBER)
    [kept] = [x for x in book.all("clinic") if x.call]
    assert (kept.entry, kept.call) == (entry, "c_0123456789ABCDEF")
    assert book.entry("clinic", "+12025550199") == "" == book.entry("salon", NUMBER)
    book.lift("clinic", entry)
    assert not book.known("clinic", NUMBER)
    assert book.known("clinic", OTHER)
    assert [x.entry for x in book.all()] == [book.entry("clinic", OTHER)]
    with pytest.raises(OperatorError, match="no such opt-out"):
        book.lift("clinic", entry)


def test_a_book_of_before_entries_had_a_time_is_read(tmp_path: Path) -> None:
    book = OptOutBook(tmp_path)
    book.remember("clinic", NUMBER)
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        db.execute("DROP TABLE said")
        db.commit()
    [kept] = OptOutBook(tmp_path).all()
    assert (kept.at_s, kept.call) == (0, "")
