"""Cosignatures are collected and checked; a witness that is slow, wrong or hostile costs only its own."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from controls.errors import IntegrityError, LedgerError
from controls.ledger.cosign import Cosigner, prover_of
from controls.ledger.log import Log
from controls.ledger.notes import (
    Checkpoint,
    cosigned_at,
    parse_note,
    verify_checkpoint,
)
from controls.ledger.publish import Publisher
from controls.ledger.reader import LogView
from controls.ledger.tree import Tree, leaf_hash, verify_consistency
from controls.ledger.witness_client import WitnessAddress
from tests.controls.ledger.support import open_log, small_call
from tests.controls.ledger.witnessing import LONG, Logged, cosigner, states
from tests.simulators.witness import GrowingLog, Listed, MemoryState, Reply, WitnessHouse


@pytest.fixture
def logged() -> Iterator[Logged]:
    with Logged.listening() as found:
        yield found


@pytest.fixture
def house() -> Iterator[WitnessHouse]:
    made = WitnessHouse(GrowingLog())
    yield made
    made.close()


def olds(house: WitnessHouse) -> list[int]:
    return [int(body.split(b"\n")[0][4:]) for body in house.requests]


# --- what works --------------------------------------------------------------------------------------


def test_a_growing_log_is_cosigned_from_where_the_witness_was(house: WitnessHouse) -> None:
    log = GrowingLog(5)
    with cosigner(log, house.address) as made:
        for size in (5, 6, 6, 300):
            log.grow(size - len(log.leaves))
            found = made.ask_now(LONG)
            assert found is not None
            assert found.size == size
            verify_checkpoint(found, log.verifier)
            assert cosigned_at(found, house.address.key) == 1_900_000_000
            (standing,) = made.standings
            assert (standing.state, standing.size, standing.failures) == ("ok", size, 0)
            assert standing.last_cosigned_at == 1_900_000_000
    assert olds(house)[-3:] == [5, 6, 6]
    assert house.state.stored[log.name].checkpoint.size == 300


def test_it_asks_by_itself_again_and_again(house: WitnessHouse) -> None:
    log, asked = GrowingLog(5), threading.Semaphore(0)

    def answer(body: bytes) -> Reply:
        asked.release()
        return 200, house.witness.add_checkpoint(body), {}

    house.answer = answer
    with cosigner(log, house.address, every_s=0.001):
        for _ in range(4):
            assert asked.acquire(timeout=LONG)


def test_two_witnesses_stand_on_one_note(house: WitnessHouse) -> None:
    log, second = GrowingLog(5), WitnessHouse(GrowingLog(), name="other.example/w2")
    second.now_s = 1_900_000_007.0
    try:
        with cosigner(log, house.address, second.address) as made:
            found = made.ask_now(LONG)
        assert found is not None
        assert cosigned_at(found, house.address.key) == 1_900_000_000
        assert cosigned_at(found, second.address.key) == 1_900_000_007
        assert len(parse_note(found.note)[1]) == 3
    finally:
        second.close()


def test_the_first_cosignature_of_a_size_is_the_one_that_is_kept(house: WitnessHouse) -> None:
    log = GrowingLog(5)
    with cosigner(log, house.address) as made:
        made.ask_now(LONG)
        house.now_s += 60
        found = made.ask_now(LONG)
        assert found is not None
        assert cosigned_at(found, house.address.key) == 1_900_000_000
        assert len(parse_note(found.note)[1]) == 2
        assert made.standings[0].last_cosigned_at == 1_900_000_060


def test_after_a_restart_it_starts_from_the_stored_cosignature(house: WitnessHouse) -> None:
    log = GrowingLog(5)
    with cosigner(log, house.address) as made:
        made.ask_now(LONG)
    log.grow(4)
    house.requests.clear()
    with cosigner(log, house.address) as made:
        assert made.ask_now(LONG)
    assert olds(house)[0] == 5


def test_a_size_that_only_the_witness_remembers_is_asked_for(house: WitnessHouse) -> None:
    """The log's process died between the witness's state and the answer."""
    log = GrowingLog(5)
    house.witness.add_checkpoint(log.request(0))
    log.grow(8)
    with cosigner(log, house.address) as made:
        assert made.ask_now(LONG)
    assert olds(house)[:2] == [0, 5]


def test_lines_of_other_keys_in_an_answer_are_dropped(house: WitnessHouse) -> None:
    log, stranger = GrowingLog(5), MemoryState("stranger.example/w")
    text, _ = parse_note(log.checkpoint().note)

    def answer(body: bytes) -> Reply:
        line = house.witness.add_checkpoint(body)
        return 200, stranger.key.cosign(text, 1) + line, {}

    house.answer = answer
    with cosigner(log, house.address) as made:
        found = made.ask_now(LONG)
    assert found is not None
    assert [s.name for s in parse_note(found.note)[1]] == [log.name, "witness.example/w1"]


# --- our own trouble ----------------------------------------------------------------------------------


def test_a_proof_we_cannot_make_is_our_trouble_not_the_witnesss(house: WitnessHouse, logged: Logged) -> None:
    log = GrowingLog(5)
    house.witness.add_checkpoint(log.request(0))
    log.grow(3)

    def prove(old: int, checkpoint: Checkpoint) -> list[bytes]:
        raise IntegrityError("tile/0/000.p/5: missing")

    log.prove = prove  # type: ignore[method-assign]
    with cosigner(log, house.address) as made:
        for _ in range(3):
            assert made.ask_now(LONG) is None
        assert states(made) == ["unasked"]
    assert logged.at("ERROR") == [
        "log o_0123456789ABCDEF: cosignatures: no proof for its witnesses: tile/0/000.p/5: missing"
    ]


def test_a_cosignature_that_cannot_be_stored_is_tried_again(house: WitnessHouse, logged: Logged) -> None:
    log = GrowingLog(5)
    keep = log.add_cosigned

    def full(_: Checkpoint):
        raise LedgerError("records cannot be written: database or disk is full")

    log.add_cosigned = full  # type: ignore[method-assign]
    with cosigner(log, house.address) as made:
        assert made.ask_now(LONG) is None
        assert made.ask_now(LONG) is None
        log.add_cosigned = keep  # type: ignore[method-assign]
        assert made.ask_now(LONG) is not None
    assert len(logged.at("ERROR")) == 1


# --- conflicts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("why", ["rewound", "same size", "longer"])
def test_a_witness_against_the_log_is_loud_and_told_once(
    house: WitnessHouse, logged: Logged, why: str
) -> None:
    first = GrowingLog(9)
    house.witness.add_checkpoint(first.request(0))
    log = first.fork(4, "other")
    if why == "rewound":
        log.leaves = log.leaves[:6]
    elif why == "longer":
        log.grow(30)
    told: list[tuple[WitnessAddress, bytes]] = []
    with cosigner(log, house.address, on_conflict=lambda w, note: told.append((w, note))) as made:
        for _ in range(3):
            assert made.ask_now(LONG) is None
        assert states(made) == ["conflict"]
        assert made.standings[0].conflicts == 1
    assert told == [(house.address, log.checkpoint().note)]
    assert sum("CONTRADICTS" in line for line in logged.at("ERROR")) == 1
    assert {c.kind for c in house.state.conflicts} == {
        {"rewound": "rewind", "same size": "fork", "longer": "inconsistent"}[why]
    }


def test_a_listener_that_fails_costs_nothing(house: WitnessHouse) -> None:
    first = GrowingLog(9)
    house.witness.add_checkpoint(first.request(0))

    def listener(*_: object) -> None:
        raise ValueError("a bug")

    second = WitnessHouse(GrowingLog(), name="other.example/w2")
    try:
        log = first.fork(4, "other")
        with cosigner(log, house.address, second.address, on_conflict=listener) as made:
            assert made.ask_now(LONG) is not None
            assert states(made) == ["conflict", "ok"]
    finally:
        second.close()


# --- the log itself ----------------------------------------------------------------------------------


def grow(log: Log) -> int:
    """Write a call and wait for a checkpoint over it; its size."""
    last = [log.append(*item) for item in small_call()][-1].result(LONG).leaf
    covered = threading.Event()
    log.on_checkpoint(lambda c: covered.set() if c.size > last else None)
    if log.checkpoint().size <= last:
        assert covered.wait(LONG)
    return log.checkpoint().size


def test_proofs_come_from_published_tiles_and_from_the_leaves_when_those_are_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log(tmp_path / "o_0000000000000000", checkpoint_every_s=0.01)
    sizes = [grow(log) for _ in range(3)]
    newest = log.checkpoint()
    log.close()
    prove, roots = prover_of(log), {}
    with closing(LogView(log.directory)) as view:
        tree = Tree(leaf_hash(row.envelope) for row in view.rows())
        roots = {size: tree.root(size) for size in range(1, newest.size + 1)}
    assert roots[newest.size] == newest.root

    def holds() -> bool:
        return all(
            verify_consistency(old, newest.size, roots[old], newest.root, prove(old, newest))
            for old in (1, sizes[0], sizes[1], newest.size - 1)
        )

    assert holds()  # nothing is published
    with closing(Publisher(log.directory)) as publisher:
        publisher.wake()
        assert publisher.wait(newest.size, LONG)
    (tile,) = (log.directory / "tlog" / "tile" / "0").rglob(f"*.p/{newest.size}")
    with monkeypatch.context() as alone:
        alone.setattr("controls.ledger.cosign.LogView", None)  # the tiles are enough
        assert holds()
    data = bytearray(tile.read_bytes())
    data[40] ^= 1
    tile.chmod(0o600)
    tile.write_bytes(data)
    assert holds()
    other = replace(newest, root=bytes(32))
    with pytest.raises(IntegrityError, match="not the one that was signed"):
        prove(sizes[0], other)


def test_a_real_log_is_cosigned_rotated_and_caught_when_an_older_copy_comes_back(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "o_0000000000000000"
    log = open_log(directory, checkpoint_every_s=0.01)
    house = WitnessHouse(Listed(log.verifier))
    try:
        made = Cosigner(log, [house.address], 3600.0, timeout_s=LONG)
        made.start()
        grow(log)
        first = made.ask_now(LONG)
        assert first is not None
        assert cosigned_at(first, house.address.key)
        made.close()
        log.close()
        shutil.copytree(directory, tmp_path / "older")

        log = open_log(directory, checkpoint_every_s=0.01)
        assert (found := log.cosigned()) is not None
        assert found.note == first.note
        made = Cosigner(log, [house.address], 3600.0, timeout_s=LONG)
        made.start()
        grow(log)
        log.rotate()
        assert made.ask_now(LONG) is not None  # the checkpoint over a rotation is the old key's last
        grow(log)
        assert made.ask_now(LONG) is None
        assert states(made) == ["refused"]  # a key the witness has not been given
        house.logs.append(Listed(log.verifier))
        second = made.ask_now(LONG)
        assert second is not None
        verify_checkpoint(second, log.verifier)
        made.close()
        log.close()

        shutil.rmtree(directory)
        (tmp_path / "older").rename(directory)
        told: list[bytes] = []
        log = open_log(directory, checkpoint_every_s=0.01)
        made = Cosigner(
            log, [house.address], 3600.0, timeout_s=LONG, on_conflict=lambda w, note: told.append(note)
        )
        made.start()
        assert made.ask_now(LONG) is None or log.checkpoint().size == first.size
        while log.checkpoint().size <= second.size:
            grow(log)
        assert made.ask_now(LONG) is None
        assert states(made) == ["conflict"]
        assert told
        assert "inconsistent" in {c.kind for c in house.state.conflicts}
    finally:
        made.close()
        log.close()
        house.close()
