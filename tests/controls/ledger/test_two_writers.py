"""Two writers started by mistake: the second refuses, says what to do, and changes nothing."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controls.errors import WriterLocked
from controls.ids import new_id
from controls.ledger.ledger import Ledger
from controls.ledger.log import Log
from controls.ledger.verify import verify_directory
from loadtests.ledger.calls import TENANT
from loadtests.ledger.calls import tagger as load_tagger
from tests.controls.ledger.support import open_log, said, tagger

ROOT = Path(__file__).parents[3]
REMEDY = "stop that server|data_dir of its own"


@contextmanager
def another_process(root: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that writes to ``root`` and is killed with -9 in the end."""
    command = [sys.executable, "-m", "loadtests.ledger.busy", str(root), "1", "0"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        assert any(line.startswith("leaf") for line in lines), "it never wrote"
        try:
            yield process
        finally:
            process.kill()


def house(root: Path) -> Ledger:
    return Ledger.open(root, tagger=load_tagger, spool_bytes=65_536)


def a_log_of(root: Path) -> Path:
    return next(p.parent for p in root.glob("*/log.db"))


def test_another_process(tmp_path: Path) -> None:
    with another_process(tmp_path):
        with pytest.raises(WriterLocked, match=REMEDY):
            house(tmp_path)
        with pytest.raises(WriterLocked, match=REMEDY):  # one of its logs, by its own name
            Log.open(a_log_of(tmp_path), tenant=TENANT, tagger=tagger)
    assert verify_directory(tmp_path).ok


def test_after_kill_9_the_next_one_may_start(tmp_path: Path) -> None:
    with another_process(tmp_path) as process:
        process.kill()
        process.wait(60)
        ledger = house(tmp_path)
        ledger.prepare(TENANT)
        ledger.close()
    assert verify_directory(tmp_path).ok


def test_a_house_twice_in_one_process(tmp_path: Path) -> None:
    first = house(tmp_path)
    with pytest.raises(WriterLocked, match=REMEDY):
        house(tmp_path)
    first.prepare(TENANT)
    first.close()
    house(tmp_path).close()


def test_a_log_twice_in_one_process(tmp_path: Path) -> None:
    first = open_log(tmp_path / "log")
    with pytest.raises(WriterLocked, match=REMEDY):
        open_log(tmp_path / "log")
    leaf = first.append(*said(new_id("c"))).result(60).leaf
    first.close()
    second = open_log(tmp_path / "log")
    assert second.append(*said(new_id("c"))).result(60).leaf == leaf + 1
    second.close()
    assert verify_directory(tmp_path).ok


def test_a_log_of_a_house_that_is_open_and_the_other_way_round(tmp_path: Path) -> None:
    ledger = house(tmp_path)
    directory = ledger.prepare(TENANT).directory
    with pytest.raises(WriterLocked, match=REMEDY):
        Log.open(directory, tenant=TENANT, tagger=tagger, keys=None)
    ledger.close()

    from controls.ledger.keys import FileKeys

    log = Log.open(directory, tenant=TENANT, tagger=tagger, keys=FileKeys(tmp_path / "keys"))
    ledger = house(tmp_path)
    with pytest.raises(WriterLocked, match=REMEDY):
        ledger.prepare(TENANT)
    log.close()
    assert ledger.prepare(TENANT).origin == directory.name, "tried again, and then it works"
    ledger.close()
    assert verify_directory(tmp_path).ok


@pytest.mark.parametrize("what", ["house", "log"])
def test_of_many_at_once_one_wins(tmp_path: Path, what: str) -> None:
    starts: dict[str, Callable[[], Ledger | Log]] = {
        "house": lambda: house(tmp_path),
        "log": lambda: open_log(tmp_path / "log"),
    }
    barrier, won, refused = threading.Barrier(8), [], []

    def start() -> None:
        barrier.wait(60)
        try:
            won.append(starts[what]())
        except WriterLocked as error:
            refused.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (len(won), len(refused)) == (1, 7)
    won[0].close()


def test_the_second_one_changes_nothing(tmp_path: Path) -> None:
    ledger = house(tmp_path)
    log = ledger.prepare(TENANT)
    before = {
        p: p.stat().st_size for p in sorted(tmp_path.rglob("*")) if p.name in ("log.db", "spool", "lock")
    }
    keys = sorted(p.name for p in (tmp_path / "keys").iterdir())
    with pytest.raises(WriterLocked):
        house(tmp_path)
    with pytest.raises(WriterLocked):
        Log.open(log.directory, tenant=TENANT, tagger=tagger)
    assert {p: p.stat().st_size for p in before} == before
    assert sorted(p.name for p in (tmp_path / "keys").iterdir()) == keys
    assert not (log.directory / "keys").exists()
    ledger.close()
