"""Published files damaged at rest or torn: found, and whole again after the next start; never proven with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.errors import IntegrityError
from controls.ledger.ledger import Ledger
from controls.ledger.notes import parse_checkpoint
from controls.ledger.prover import FolderTiles, Prover, read_entries
from controls.ledger.tree import verify_inclusion
from controls.ledger.verify import verify_directory
from loadtests.ledger.calls import TENANT, tagger, traffic
from tests.controls.ledger.damaged import copied, flipped, torn


def house(root: Path) -> Ledger:
    ledger = Ledger.open(root, tagger=tagger, spool_bytes=65_536)
    ledger.prepare(TENANT)
    return ledger


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tiles") / "house"
    ledger, source = house(root), traffic(2)
    for _ in range(300):  # one full tile and a partial one
        record, personal = next(source)
        ledger.append(record, personal)
    ledger.close()
    assert verify_directory(root).ok
    return root


def files(root: Path) -> list[Path]:
    return sorted(p for p in root.glob("*/tlog/**/*") if p.is_file())


def whole_again(before: Path, root: Path) -> None:
    """The next start shows everything it showed before, at least."""
    house(root).close()
    report = verify_directory(root)
    assert report.ok, report.verdict
    for file in files(before):
        again = root / file.relative_to(before)
        assert again.name == "checkpoint" or ".p" in str(again) or again.read_bytes() == file.read_bytes()


@settings(max_examples=12, deadline=None)
@given(pick=st.integers(0, 999), bit=st.integers(0, 2**40))
def test_a_flipped_bit(published: Path, pick: int, bit: int) -> None:
    with copied(published) as copy:
        file = files(copy)[pick % len(files(copy))]
        flipped(file, bit)
        assert not verify_directory(copy).ok, file.relative_to(copy)


@settings(max_examples=12, deadline=None)
@given(pick=st.integers(0, 999), share=st.floats(0, 1), zeroed=st.booleans())
def test_a_torn_write(published: Path, pick: int, share: float, zeroed: bool) -> None:
    with copied(published) as copy:
        file = files(copy)[pick % len(files(copy))]
        before = file.read_bytes()
        torn(file, int(share * len(before)), zeroed=zeroed)
        if file.read_bytes() != before:
            assert not verify_directory(copy).ok, file.relative_to(copy)


def superseded(file: Path) -> bool:
    """Whether a wider partial tile stands beside this one: it is kept, and not made again."""
    others = file.parent.iterdir() if file.parent.suffix == ".p" else []
    return any(int(other.name) > int(file.name) for other in others)


@pytest.mark.parametrize("how", ["lost", "torn"])
def test_a_lost_or_torn_file_is_there_again_after_the_next_start(published: Path, how: str) -> None:
    names = [f.relative_to(published) for f in files(published) if not superseded(f)]
    assert len(names) > 6
    for name in names:
        with copied(published) as copy:
            if how == "lost":
                (copy / name).unlink()
            else:
                torn(copy / name, 10, zeroed=False)
            whole_again(published, copy)


def test_a_lost_folder_is_there_again_after_the_next_start(published: Path) -> None:
    with copied(published) as copy:
        for folder in copy.glob("*/tlog"):
            shutil.rmtree(folder)
        whole_again(published, copy)


def test_nothing_is_proven_with_a_damaged_tile(published: Path) -> None:
    with copied(published) as copy:
        [folder] = [f for f in copy.glob("*/tlog") if (f / "tile/0/000").exists()]
        size = parse_checkpoint((folder / "checkpoint").read_bytes()).size
        root = Prover(FolderTiles(folder), size).root()
        entries = FolderTiles(folder)
        flipped(folder / "tile/0/000", 8 * 32 * 7)
        proven = 0
        for index, leaf in zip(range(20), read_entries(entries, size), strict=False):
            try:
                path = Prover(FolderTiles(folder), size).inclusion(index)
            except IntegrityError:
                continue
            proven += verify_inclusion(leaf, index, size, path, root)
        assert proven <= 1, "only the damaged leaf's own way up does without its hash"
