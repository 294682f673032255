"""Uses of a day on disk: workers and restarts count together, and a store that fails says so."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.errors import OperatorError
from controls.ids import new_id
from controls.tool_limits import DAY_S, MILLIONTHS, AmountLimit
from voice_runtime.store import tool_uses
from voice_runtime.store.tool_uses import FILE, ToolUseBook

LIMIT = AmountLimit("total", per_day=100)


class Clock:
    """A wall clock that is set by hand."""

    now_s = 1_700_000_000.0

    def unix_s(self) -> float:
        return self.now_s

    def monotonic_ns(self) -> int:
        return int(self.now_s * 1e9)


def take(book: ToolUseBook, per_day: int | None = 3, amount: int = 0, tool: str = "refund") -> str | None:
    found = book.take(new_id("u"), "shop", tool, amount * MILLIONTHS, per_day, LIMIT)
    return found and found[0]


def test_the_next_process_counts_on_and_other_tools_count_apart(tmp_path: Path) -> None:
    clock = Clock()
    assert [take(ToolUseBook(tmp_path, clock)) for _ in range(4)] == [None, None, None, "too_often"]
    book = ToolUseBook(tmp_path, clock)
    assert take(book, tool="book") is None
    assert book.take(new_id("u"), "other-agent", "refund", 0, 3, None) is None
    assert book.room("shop", "refund", 0, 3, None) is not None


def test_amounts_of_a_day_add_up(tmp_path: Path) -> None:
    book = ToolUseBook(tmp_path, Clock())
    assert [take(book, None, amount) for amount in (60, 41, 40, 1)] == [None, "too_much", None, "too_much"]


def test_a_day_is_the_last_24_hours_whatever_midnight_does(tmp_path: Path) -> None:
    clock = Clock()
    book = ToolUseBook(tmp_path, clock)
    assert [take(book, 1), take(book, 1)] == [None, "too_often"]
    clock.now_s += DAY_S - 1
    assert take(book, 1) == "too_often"
    clock.now_s += 1
    assert take(book, 1) is None
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        assert db.execute("SELECT count(*) FROM uses").fetchone() == (1,), "what is older is deleted"


def test_what_is_given_back_counts_no_longer_and_a_use_counts_once(tmp_path: Path) -> None:
    book = ToolUseBook(tmp_path, Clock())
    use = new_id("u")
    for _ in range(2):
        assert book.take(use, "shop", "refund", 0, 1, None) is None
    assert take(book, 1) == "too_often"
    book.give_back(use)
    book.give_back(use)
    assert take(book, 1) is None


def test_of_many_workers_that_want_the_last_use_one_gets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool_uses, "BUSY_S", 30.0)  # each waits for the others, however slow the disk
    ToolUseBook(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: take(ToolUseBook(tmp_path), 5), range(24)))
    assert found.count(None) == 5


@pytest.mark.parametrize("how", ["locked", "no database"])
def test_a_store_that_fails_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setattr(tool_uses, "BUSY_S", 0.0)
    book = ToolUseBook(tmp_path)
    if how == "no database":
        (tmp_path / FILE).write_bytes(b"nothing of the kind" * 100)
        with pytest.raises(OperatorError, match=FILE):
            take(book)
        return
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        with pytest.raises(OperatorError, match=FILE):
            take(book)


def test_nothing_of_the_caller_is_in_it_and_only_we_may_read_it(tmp_path: Path) -> None:
    ToolUseBook(tmp_path)
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(uses)")]
    assert columns == ["use", "agent", "tool", "at", "amount"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OperatorError, match="data folder"):
        ToolUseBook(tmp_path / "file")


#: What happens: a use of so much, a use (of those before) is given back, so many seconds pass.
STEPS = st.one_of(
    st.tuples(st.just("take"), st.integers(0, 60)),
    st.tuples(st.just("back"), st.integers(0, 30)),
    st.tuples(st.just("wait"), st.integers(0, DAY_S)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=30), st.integers(1, 4))
def test_in_no_window_of_24_hours_is_more_done_than_allowed(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]], per_day: int
) -> None:
    clock = Clock()
    book = ToolUseBook(tmp_path_factory.mktemp("uses"), clock)
    done: dict[str, tuple[float, int]] = {}
    for what, n in steps:
        if what == "wait":
            clock.now_s += n
        elif what == "back" and done:
            use = list(done)[n % len(done)]
            book.give_back(use)
            del done[use]
        elif what == "take":
            recent = [amount for at, amount in done.values() if at > clock.now_s - DAY_S]
            fits = len(recent) < per_day and sum(recent) + n <= 100
            use = new_id("u")
            found = book.take(use, "shop", "refund", n * MILLIONTHS, per_day, LIMIT)
            assert (found is None) is fits
            if found is None:
                done[use] = (clock.now_s, n)
