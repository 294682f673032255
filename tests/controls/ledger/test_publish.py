"""Publishing a growing log: what is there under each checkpoint, after restarts, and where others meddled."""

from __future__ import annotations

import shutil
from pathlib import Path
from queue import SimpleQueue

import pytest

from controls.ledger import publish
from controls.ledger.blob_store import FolderStore
from controls.ledger.log import Log
from controls.ledger.notes import Checkpoint, parse_checkpoint, verify_checkpoint
from controls.ledger.prover import FolderTiles, Prover, TileSource, read_entries
from controls.ledger.publish import Publisher
from controls.ledger.reader import LogView
from controls.ledger.storage import SqliteStorage, StorageError
from controls.ledger.tiles import WIDTH, tiles_of
from controls.ledger.tree import leaf_hash
from tests.controls.ledger.support import open_log, small_call
from tests.controls.ledger.tile_folders import files_of

#: Longer than any wait here should take, in s; a wait ends as soon as its event comes.
LONG_S = 30.0


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of several hundred leaves, nothing published."""
    directory = tmp_path_factory.mktemp("grown") / "log"
    log = open_log(directory)
    add(log, 130)
    log.close()
    return directory


@pytest.fixture
def directory(grown: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(grown, tmp_path / "log"))


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "EVERY_S", 0.0)


def add(log: Log, calls: int) -> Checkpoint:
    """So many calls more, and the checkpoint over them: records are durable before it is."""
    told: SimpleQueue[Checkpoint] = SimpleQueue()
    log.on_checkpoint(told.put)
    for _ in range(calls):
        futures = [log.append(record, personal) for record, personal in small_call()]
    leaf = futures[-1].result().leaf
    found = log.checkpoint()
    while found.size <= leaf:
        found = told.get(timeout=LONG_S)
    return found


def grow(directory: Path, calls: int) -> None:
    log = open_log(directory)
    add(log, calls)
    log.close()


def newest(directory: Path) -> Checkpoint:
    view = LogView(directory)
    try:
        found = view.checkpoint()
        assert found is not None
        return found
    finally:
        view.close()


def entries_of(directory: Path) -> list[bytes]:
    view = LogView(directory)
    try:
        return [row.envelope for row in view.rows()]
    finally:
        view.close()


def published(directory: Path) -> dict[str, bytes]:
    tlog = directory / "tlog"
    return {p.relative_to(tlog).as_posix(): p.read_bytes() for p in tlog.rglob("*") if p.is_file()}


def publish_all(directory: Path) -> Publisher:
    publisher = Publisher(directory)
    assert publisher.wait(newest(directory).size, LONG_S), publisher.problem
    publisher.close()
    assert not publisher.problem and not publisher.failed
    return publisher


def holds(source: TileSource, name: str = "checkpoint") -> Checkpoint:
    """The published checkpoint, once everything under it is found and hashes to it."""
    note = source.get(name)
    assert note is not None
    checkpoint = parse_checkpoint(note)
    prover = Prover(source, checkpoint.size)
    assert prover.root() == checkpoint.root
    for index, entry in enumerate(read_entries(source, checkpoint.size)):
        assert prover.subtree(0, index) == leaf_hash(entry)
    assert all(source.get(t.path) or source.get(t.full.path) for t in tiles_of(checkpoint.size))
    return checkpoint


def test_what_is_published_is_the_whole_log(directory: Path) -> None:
    publish_all(directory)
    checkpoint = newest(directory)
    assert checkpoint.size > 2 * WIDTH
    assert published(directory) == files_of(entries_of(directory)) | {"checkpoint": checkpoint.note}
    view = LogView(directory)
    verify_checkpoint(holds(FolderTiles(directory / "tlog")), view.verifier)
    view.close()


def test_wakes_do_not_hurry_it_but_who_waits_does(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "EVERY_S", 3600.0)
    publisher = Publisher(directory, store := Watched(tmp_path / "store"))
    assert publisher.wait(newest(directory).size, LONG_S)
    for _ in range(3):
        grow(directory, 1)
        publisher.wake()
    assert publisher.wait(newest(directory).size, LONG_S)
    grow(directory, 1)
    publisher.close()
    assert publisher.published == newest(directory).size
    assert 3 <= len(store.sizes) <= 4
    assert not publisher.wait(1 << 40, LONG_S)  # nobody waits for what is closed


class Watched(FolderStore):
    """A folder that checks, with every checkpoint put, that everything under it is there."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.names: list[str] = []
        self.sizes: list[int] = []
        self.fault: StorageError | None = None

    def put(self, name: str, data: bytes, /) -> None:
        if self.fault is not None:
            raise self.fault
        super().put(name, data)
        self.names.append(name)
        if name in ("checkpoint", "cosigned"):
            self.sizes.append(holds(self, name).size)


def test_no_checkpoint_before_its_tiles_while_the_log_grows(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log", checkpoint_every_s=0.0)
    store = Watched(tmp_path / "store")
    publisher = Publisher(log.directory, store)
    for _ in range(12):
        size = add(log, 15).size
        publisher.wake()
        assert publisher.wait(size, LONG_S), publisher.problem
    log.close()
    publisher.close()
    assert store.sizes == sorted(store.sizes) and store.sizes[-1] == newest(log.directory).size
    assert len(store.sizes) >= 12 and publisher.published == store.sizes[-1]


def test_partial_tiles_go_when_a_full_one_has_come(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log")
    add(log, 20)
    log.close()
    publish_all(log.directory)
    assert any(".p/" in name for name in published(log.directory))
    grow(log.directory, 40)
    publish_all(log.directory)
    names = published(log.directory)
    assert "tile/0/000" in names and "tile/entries/000" in names
    assert not any(name.startswith(("tile/0/000.p", "tile/entries/000.p")) for name in names)
    kept = {n for n in names if n.startswith("tile/1/000.p/")}
    assert kept == {"tile/1/000.p/1"}


@pytest.mark.parametrize(
    "lost",
    [
        "tile/0/000", "tile/0/001", "tile/entries/000", "tile/entries/001", "tile/0/002.p/*",
        "tile/entries/002.p/*", "tile/1/000.p/*", "checkpoint", "tile/0/*", "tile",
    ],
)  # fmt: skip
@pytest.mark.parametrize("how", ["missing", "cut off"])
def test_what_was_lost_is_made_again(
    directory: Path, lost: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "RECHECKED", 0)  # what a listing tells is enough
    publish_all(directory)
    before = published(directory)
    paths = [p for p in (directory / "tlog").glob(lost) if p.is_file()]
    if lost == "tile":
        paths = [p for p in (directory / "tlog" / lost).rglob("*") if p.is_file()]
    assert paths
    for path in paths:
        if how == "missing":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:100])
    publish_all(directory)
    assert published(directory) == before


def test_a_bundle_that_lost_its_end_in_a_crash_is_made_again(directory: Path) -> None:
    """Its length says nothing; but the newest bundles are gone through again."""
    publish_all(directory)
    before, path = published(directory), directory / "tlog/tile/entries/001"
    path.write_bytes(path.read_bytes()[:-1])
    publish_all(directory)
    assert published(directory) == before


def test_leaves_that_do_not_hash_to_the_checkpoint_are_not_published_under_it(directory: Path) -> None:
    storage = SqliteStorage(directory)
    storage._open.execute("UPDATE leaves SET envelope=CAST(envelope || ' ' AS BLOB) WHERE leaf=600")
    storage.close()
    publisher = Publisher(directory)
    publisher.wait(1 << 40, LONG_S)
    publisher.close()
    assert publisher.failed and publisher.problem.endswith(": root")
    assert "checkpoint" not in published(directory)


def test_a_missing_leaf_is_named(directory: Path) -> None:
    storage = SqliteStorage(directory)
    storage._open.execute("DELETE FROM leaves WHERE leaf=300")
    storage.close()
    publisher = Publisher(directory)
    publisher.wait(1 << 40, LONG_S)
    publisher.close()
    assert publisher.failed and "record 300: missing" in publisher.problem


def test_an_altered_tile_that_the_edge_rests_on_stops_publishing(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "RECHECKED", 0)
    publish_all(directory)
    (path,) = (directory / "tlog/tile/1").rglob("2")
    path.write_bytes(bytes(32) + path.read_bytes()[32:])
    grow(directory, 60)  # its width is not written again
    publisher = Publisher(directory)
    publisher.wait(1 << 40, LONG_S)
    publisher.close()
    assert publisher.failed and "not this log's" in publisher.problem


def test_a_restart_far_behind_goes_on_from_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "RECHECKED", 1)
    log = open_log(tmp_path / "log")
    add(log, 220)
    log.close()
    publish_all(log.directory)
    grow(log.directory, 220)
    store = Watched(log.directory / "tlog")
    publisher = Publisher(log.directory, store)
    assert publisher.wait(newest(log.directory).size, LONG_S), publisher.problem
    publisher.close()
    assert not any(n in ("tile/0/000", "tile/entries/001") for n in store.names)  # were there already
    assert holds(FolderTiles(log.directory / "tlog")) == newest(log.directory)
    found, made = published(log.directory), files_of(entries_of(log.directory))
    assert {name: found[name] for name in made} == made
    assert {name for name in found if name.startswith("tile/") and name not in made} == {"tile/1/000.p/4"}


def test_an_edge_that_the_tiles_do_not_give_is_taken_from_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "RECHECKED", 0)
    log = open_log(tmp_path / "log")
    add(log, 220)
    log.close()
    publish_all(log.directory)
    for path in (log.directory / "tlog/tile/1").rglob("*"):
        if path.is_file():
            path.unlink()
    grow(log.directory, 60)
    publish_all(log.directory)
    assert holds(FolderTiles(log.directory / "tlog")) == newest(log.directory)


@pytest.mark.parametrize("name", ["tile/0/001", "tile/entries/001", "tile/entries/002.p/*", "tile/1/000.p/*"])
def test_other_bytes_are_never_written_over(directory: Path, name: str) -> None:
    publish_all(directory)
    (path,) = (directory / "tlog").glob(name)
    altered = bytearray(path.read_bytes())
    altered[-1] ^= 1
    path.write_bytes(altered)
    before = published(directory)
    publisher = Publisher(directory)
    publisher.wait(1 << 40, LONG_S)  # returns when it has stopped
    assert publisher.failed and "other bytes" in publisher.problem and publisher.published == 0
    grow(directory, 1)
    publisher.wake()
    publisher.close()
    assert publisher.failed and published(directory) == before


def test_another_logs_folder_is_left_alone(directory: Path, tmp_path: Path) -> None:
    other = open_log(tmp_path / "other")
    add(other, 3)
    other.close()
    publish_all(other.directory)
    shutil.copytree(other.directory / "tlog", directory / "tlog")
    before = published(directory)
    publisher = Publisher(directory)
    publisher.wait(1 << 40, LONG_S)
    publisher.close()
    assert publisher.failed and "not this log's" in publisher.problem
    assert published(directory) == before


def test_a_rewound_log_publishes_nothing(directory: Path, tmp_path: Path) -> None:
    earlier = Path(shutil.copytree(directory, tmp_path / "earlier"))
    grow(directory, 1)
    publish_all(directory)
    shutil.copytree(directory / "tlog", earlier / "tlog")
    publisher = Publisher(earlier)
    publisher.wait(1 << 40, LONG_S)
    publisher.close()
    assert publisher.failed and "rewound" in publisher.problem


def test_a_store_that_fails_is_tried_again_and_the_log_never_waits(directory: Path, tmp_path: Path) -> None:
    store = Watched(tmp_path / "store")
    store.fault = StorageError("tile/0/000 cannot be written: No space left on device")
    publisher = Publisher(directory, store)
    publisher.close()  # after one more turn
    assert "No space left" in publisher.problem and not publisher.failed and store.names == []
    store = Watched(tmp_path / "store")
    publisher = Publisher(directory, store)
    assert publisher.wait(newest(directory).size, LONG_S)
    store.fault = StorageError("full again")
    grow(directory, 1)
    publisher.wake()
    with publisher._changed:
        assert publisher._changed.wait_for(lambda: publisher.problem, LONG_S)
    store.fault = None
    publisher.wake()
    assert publisher.wait(newest(directory).size, LONG_S)
    publisher.close()
    assert publisher.problem == "" and holds(FolderTiles(tmp_path / "store")) == newest(directory)


def test_no_log_yet_and_then_one(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "log", FolderStore(tmp_path / "store"))
    with publisher._changed:
        assert publisher._changed.wait_for(lambda: publisher.problem, LONG_S)
    log = open_log(tmp_path / "log")
    publisher.wake()
    assert publisher.wait(1, LONG_S), publisher.problem
    log.close()
    publisher.close()


def test_the_newest_cosigned_checkpoint_is_there_with_its_tiles(directory: Path, tmp_path: Path) -> None:
    view = LogView(directory)
    early = view.checkpoints()[0]
    view.close()
    grow(directory, 1)  # the newest checkpoint is not the cosigned one
    for size, note in ((early.size, early.note), (newest(directory).size, None)):
        if note is None:
            note = newest(directory).note
            grow(directory, 60)
        storage = SqliteStorage(directory)
        storage._open.execute("INSERT INTO cosigned VALUES(?,?)", (size, note))
        storage.close()
        store = Watched(tmp_path / f"under {size}")
        publisher = Publisher(directory, store)
        assert publisher.wait(newest(directory).size, LONG_S), publisher.problem
        publisher.close()
        assert not publisher.problem
        assert (store.directory / "cosigned").read_bytes() == note
        assert store.names[-1] == "cosigned" and store.names.index("checkpoint") < len(store.names) - 1
        assert holds(FolderTiles(store.directory), "cosigned").size == size


def test_a_cosigned_checkpoint_of_another_tree_stops_publishing(directory: Path) -> None:
    found = newest(directory)
    text = found.note.replace(f"\n{found.size}\n".encode(), f"\n{found.size - 1}\n".encode())
    storage = SqliteStorage(directory)
    storage._open.execute("INSERT INTO cosigned VALUES(?,?)", (found.size - 1, text))
    storage.close()
    publisher = Publisher(directory)
    publisher.close()
    assert publisher.failed and "cosigned" in publisher.problem


def test_a_long_way_is_gone_in_bounded_turns(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "BUNDLES", 1)
    monkeypatch.setattr(publish, "REST_S", 3600.0)
    store = Watched(tmp_path / "store")
    publisher = Publisher(directory, store)
    publisher.close()  # ends the first rest, and allows one more turn
    assert store.names.count("checkpoint") == 0
    assert 1 <= sum(n.startswith("tile/entries/") for n in store.names) <= 2
    assert publisher.published == 0 and not publisher.problem
    monkeypatch.setattr(publish, "REST_S", 0.0)
    publisher = Publisher(directory, Watched(tmp_path / "store"))
    assert publisher.wait(newest(directory).size, LONG_S)
    publisher.close()
    assert holds(FolderTiles(tmp_path / "store")) == newest(directory)
