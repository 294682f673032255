"""The blob store protocol, on a folder; an S3 store will have to pass the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from controls.ledger.blob_store import BlobStore, FolderStore, Listed
from controls.ledger.storage import StorageError


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return FolderStore(tmp_path / "store")


def test_blobs_are_put_found_listed_and_deleted(store: BlobStore) -> None:
    assert store.get("checkpoint") is None and list(store.list()) == []
    store.put("tile/0/000.p/5", b"five")
    store.put("tile/0/000", b"full")  # beside the folder of its partial ones
    store.put("tile/0/x001/000", b"")
    store.put("checkpoint", b"old")
    store.put("checkpoint", b"newer")
    assert store.get("checkpoint") == b"newer" and store.get("tile/0/x001/000") == b""
    assert store.get("tile") is None and store.get("tile/0/000/x") is None
    assert sorted(store.list()) == [
        Listed("checkpoint", 5),
        Listed("tile/0/000", 4),
        Listed("tile/0/000.p/5", 4),
        Listed("tile/0/x001/000", 0),
    ]
    assert [b.name for b in store.list("tile/0/000.p/")] == ["tile/0/000.p/5"]
    assert sorted(b.name for b in store.list("tile/0/000")) == ["tile/0/000", "tile/0/000.p/5"]
    assert list(store.list("tile/7/")) == []
    for _ in range(2):
        store.delete("tile/0/000.p/5")
    assert store.get("tile/0/000.p/5") is None and store.get("tile/0/000") == b"full"


@pytest.mark.parametrize("name", ["", "/etc/x", "../x", "a/../x", "a//b", "a/", ".new", "a\0", "A", "a b"])
def test_what_is_no_name_is_refused(store: BlobStore, name: str) -> None:
    with pytest.raises(ValueError):
        store.put(name, b"")
    with pytest.raises(ValueError):
        store.get(name)


def test_a_closed_store_takes_nothing(store: BlobStore) -> None:
    store.put("a", b"1")
    store.close()
    store.close()
    for use in (lambda: store.put("a", b"2"), lambda: store.get("a"), lambda: store.delete("a")):
        with pytest.raises(StorageError):
            use()


def test_a_put_that_fails_leaves_the_old_blob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderStore(tmp_path)
    store.put("checkpoint", b"old")

    def no_sync(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", no_sync)
        with pytest.raises(StorageError, match="No space left"):
            store.put("checkpoint", b"new")
    assert store.get("checkpoint") == b"old"
    assert [b.name for b in store.list()] == ["checkpoint"]  # what was being written is no blob


def test_a_folder_keeps_no_empty_folders_and_no_partial_file(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    store.put("tile/entries/x001/000.p/3", b"")
    store.delete("tile/entries/x001/000.p/3")
    store.close()
    assert list((tmp_path / "store").iterdir()) == []
