"""What a witness cosigns, what it refuses and keeps, status by status; without sockets or disk."""

from __future__ import annotations

import base64
import threading
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import LedgerError
from controls.ledger.notes import (
    Checkpoint,
    cosigned_at,
    parse_checkpoint,
    parse_note,
    signature_line,
    signed_note,
    verify_checkpoint,
)
from controls.ledger.tree import Tree, verify_consistency
from controls.ledger.witness import (
    SIZE,
    Refused,
)
from controls.ledger.witness_state import Conflict, Cosigned
from tests.simulators.witness import LOG, Bench, GrowingLog, MemoryState, bench

# --- 200 ---------------------------------------------------------------------------------------------


def test_a_log_that_grows_is_cosigned_step_by_step() -> None:
    log = GrowingLog(0)
    made, old = Bench(log), 0
    for count in (0, 1, 0, 1, 2, 0, 4, 9, 240, 1000):
        log.grow(count)
        made.now += 60
        assert made.cosign(log, old) == int(made.now)
        old = len(log.leaves)
    assert made.state.stored[LOG].checkpoint.size == 1257
    assert not made.state.conflicts


def test_the_same_checkpoint_is_cosigned_again_at_its_new_time() -> None:
    made, log = bench(7)
    made.now += 61
    assert made.cosign(log, 7) == int(made.now)


def test_the_time_of_a_cosignature_never_goes_back() -> None:
    made, log = bench(7)
    first = made.state.stored[LOG].at
    for clock in (1_000.0, -5.0, 0.0, float(first - 1)):
        made.now = clock
        log.grow(3)
        assert made.cosign(log, len(log.leaves) - 3) == first
    made.now = float(first + 9)
    assert made.cosign(log, len(log.leaves)) == first + 9


def test_no_cosignature_says_time_zero() -> None:
    log = GrowingLog(3)
    made = Bench(log)
    made.now = -100.0
    assert made.cosign(log, 0) == 1


def test_extension_lines_are_cosigned_with_the_rest() -> None:
    log = GrowingLog(3)
    made = Bench(log)
    text = parse_note(log.checkpoint().note)[0] + b"a further line\n"
    note = signed_note(text, [signature_line(log.verifier, log.key.sign(text))])
    line = made.witness.add_checkpoint(b"old 0\n\n" + note)
    assert cosigned_at(parse_checkpoint(note + line), made.witness.verifier) == int(made.now)


@pytest.mark.parametrize("text", ["{}\nafter an empty line\n", "\n{}"])
def test_a_signed_text_with_an_empty_line_is_no_checkpoint(text: str) -> None:
    log = GrowingLog(3)
    signed = text.format(parse_note(log.checkpoint().note)[0].decode()).encode()
    note = signed_note(signed, [signature_line(log.verifier, log.key.sign(signed))])
    assert Bench(log).refusal(b"old 0\n\n" + note).status == 400


def test_sixteen_large_signatures_are_no_obstacle() -> None:
    log = GrowingLog(3)
    made = Bench(log)
    others = b"".join(
        f"— other.example/{i} ".encode() + base64.b64encode(bytes(4 + 2428)) + b"\n" for i in range(15)
    )
    note = signed_note(
        parse_note(log.checkpoint().note)[0], [others, log.checkpoint().note.rpartition(b"\n\n")[2]]
    )
    assert made.witness.add_checkpoint(b"old 0\n\n" + note)


def test_a_rotated_log_has_two_keys_of_one_name() -> None:
    made, log = bench(7)
    rotated = GrowingLog(9, key="the next key")
    assert made.refusal(rotated.request(7)).status == 403
    made.logs.append(rotated)
    made.cosign(rotated, 7)
    log.grow(9)
    made.cosign(log, 9)  # both are trusted until the list says otherwise


# --- refusals ----------------------------------------------------------------------------------------


def test_an_old_size_above_the_checkpoints_is_a_400() -> None:
    made, log = bench(7)
    assert made.refusal(log.request(8)).status == 400


def test_a_log_that_is_not_listed_is_a_404() -> None:
    made, _ = bench()
    assert made.refusal(GrowingLog(7, name="another.example/log").request(0)).status == 404


def test_a_checkpoint_without_a_known_signature_is_a_403() -> None:
    made, _ = bench()
    assert made.refusal(GrowingLog(9, key="somebody else's").request(7)).status == 403
    assert not made.state.conflicts  # nobody can accuse a log without its signature


def test_one_signature_in_a_known_keys_name_that_fails_spoils_the_note() -> None:
    made, log = bench()
    log.grow()
    good = log.checkpoint().note
    bad = signature_line(log.verifier, bytes(64))
    for note in (good + bad, signed_note(parse_note(good)[0], [bad])):
        assert made.refusal(log.request(7, note=note)).status == 403
    assert made.witness.add_checkpoint(log.request(7))


def test_a_key_of_the_same_name_that_is_not_listed_is_ignored() -> None:
    made, log = bench()
    log.grow()
    stranger = GrowingLog(8, key="somebody else's")
    note = log.checkpoint().note + stranger.checkpoint().note.rpartition(b"\n\n")[2]
    assert made.witness.add_checkpoint(log.request(7, note=note))


@pytest.mark.parametrize("old", [0, 3, 6])
def test_another_old_size_than_ours_is_a_409_that_names_ours(old: int) -> None:
    made, log = bench(7)
    log.grow(5)
    refused = made.refusal(log.request(old))
    assert (refused.status, str(refused), refused.content_type) == (409, "7\n", SIZE)
    assert SIZE == "text/x.tlog.size"
    assert not made.state.conflicts
    made.cosign(log, 7)


def test_an_old_size_before_anything_was_cosigned_is_a_409_that_names_zero() -> None:
    log = GrowingLog(7)
    made = Bench(log)
    refused = made.refusal(log.request(3))
    assert (refused.status, str(refused)) == (409, "0\n")


def test_an_empty_tree_has_its_own_root() -> None:
    log = GrowingLog(0)
    made = Bench(log)
    wrong = GrowingLog(0)
    text = wrong.checkpoint().note.split(b"\n\n")[0].split(b"\n")
    text[2] = base64.b64encode(bytes(32))
    body = b"\n".join(text) + b"\n"
    note = signed_note(body, [signature_line(log.verifier, log.key.sign(body))])
    assert made.refusal(b"old 0\n\n" + note).status == 422
    made.cosign(log, 0)
    assert made.refusal(b"old 0\n\n" + note).status == 422
    assert made.kinds() == ["fork"]  # now there are two notes of one size


def test_from_an_empty_tree_there_is_no_proof() -> None:
    log = GrowingLog(7)
    made = Bench(log)
    assert made.refusal(log.request(0, proof=[bytes(32)])).status == 422
    made.cosign(GrowingLog(0), 0)
    assert made.refusal(log.request(0, proof=[bytes(32)])).status == 422
    assert not made.state.conflicts
    made.cosign(log, 0)


@pytest.mark.parametrize("size", [8, 9, 12, 64])
def test_a_proof_that_does_not_hold_is_a_422(size: int) -> None:
    made, log = bench(7)
    log.grow(size - 7)
    proof = log.prove(7, log.checkpoint())
    spoilt = [proof[:-1], [*proof, bytes(32)], [bytes(32), *proof[1:]], proof[::-1] if len(proof) > 1 else []]
    for bad in spoilt:
        assert made.refusal(log.request(7, proof=bad)).status == 422
    made.cosign(log, 7)


def test_the_same_size_needs_no_proof() -> None:
    made, log = bench(7)
    assert made.refusal(log.request(7, proof=[bytes(32)])).status == 422
    assert not made.state.conflicts  # the same tree: only a wrong request


# --- evidence ----------------------------------------------------------------------------------------


def noted(conflict: Conflict, log: GrowingLog) -> tuple[int, int]:
    """The sizes of both notes, after checking that the log signed both, and we one."""
    sizes = []
    for note in (conflict.cosigned, conflict.contradicting):
        checkpoint = parse_checkpoint(note.encode())
        verify_checkpoint(checkpoint, log.verifier)
        sizes.append(checkpoint.size)
    assert cosigned_at(parse_checkpoint(conflict.cosigned.encode()), MemoryState().key.verifier)
    return sizes[0], sizes[1]


def test_another_root_of_the_same_size_is_refused_and_proves_a_fork() -> None:
    made, log = bench(7)
    other = log.fork(5, "other")
    assert made.refusal(other.request(7)).status == 422
    assert made.refusal(other.request(3)).status == 409  # whatever the old size says
    assert made.kinds() == ["fork", "fork"]
    assert noted(made.state.conflicts[0], log) == (7, 7)
    assert made.state.conflicts[0].proves


@pytest.mark.parametrize("fork", [0, 1, 4, 6])
def test_a_longer_fork_is_refused_and_kept_with_its_proof(fork: int) -> None:
    made, log = bench(7)
    other = log.fork(fork, "other")
    other.grow(20)
    assert made.refusal(other.request(7)).status == 422
    (conflict,) = made.state.conflicts
    assert (conflict.kind, conflict.proves, noted(conflict, log)) == ("inconsistent", False, (7, 27))
    # The proof kept shows what the fork's own tree has at our size: not what the log signed to us.
    proof = [base64.b64decode(step) for step in conflict.proof]
    roots = [parse_checkpoint(n.encode()).root for n in (conflict.cosigned, conflict.contradicting)]
    assert not verify_consistency(7, 27, roots[0], roots[1], proof)
    assert verify_consistency(7, 27, Tree(other.leaves).root(7), roots[1], proof)


def test_a_log_restored_from_an_older_copy_is_refused_until_it_has_what_it_signed() -> None:
    made, log = bench(7)
    older = GrowingLog(4)
    assert made.refusal(older.request(4)).status == 409
    assert made.refusal(older.request(7)).status == 400
    assert made.kinds() == ["rewind", "rewind"]
    assert noted(made.state.conflicts[0], log) == (7, 4)
    older.said = "since then"
    older.grow(6)
    assert made.refusal(older.request(7)).status == 422
    log.grow(2)
    made.cosign(log, 7)


def test_evidence_that_cannot_be_kept_changes_nothing_about_the_refusal() -> None:
    made, log = bench(7)

    def full(_: Conflict) -> bool:
        raise LedgerError("disk full")

    made.state.keep = full  # type: ignore[method-assign]
    assert made.refusal(log.fork(0, "other").request(7)).status == 422


# --- one after the other -----------------------------------------------------------------------------


def test_two_requests_at_once_never_both_follow_the_same_checkpoint() -> None:
    """The race of tlog-witness: N and N+K checked together, and the state rolled back to N."""
    log = GrowingLog(9)
    made, meet = Bench(log), threading.Barrier(2)
    look = made.state.latest

    def latest(origin: str) -> Cosigned | None:
        found = look(origin)
        with suppress(threading.BrokenBarrierError):  # alone, as it should be
            meet.wait(0.2)
        return found

    made.state.latest = latest  # type: ignore[method-assign]
    answers: list[object] = []

    def ask(body: bytes) -> None:
        try:
            answers.append(made.witness.add_checkpoint(body))
        except Refused as refused:
            answers.append(refused.status)

    bodies = [log.request(0, note=log.at(size).note) for size in (4, 9)]
    threads = [threading.Thread(target=ask, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made.state.history) == 1
    assert sum(answer == 409 for answer in answers) == 1


def test_a_log_whose_disk_is_slow_delays_no_other_log() -> None:
    slow, other = GrowingLog(3), GrowingLog(3, name="b.example/log")
    made, writing, go_on = Bench(slow, other), threading.Event(), threading.Event()
    keep = made.state.store

    def store(checkpoint: Checkpoint) -> None:
        if checkpoint.origin == slow.name:
            writing.set()
            assert go_on.wait(60)
        keep(checkpoint)

    made.state.store = store  # type: ignore[method-assign]
    thread = threading.Thread(target=made.cosign, args=(slow, 0))
    thread.start()
    assert writing.wait(60)
    made.cosign(other, 0)
    go_on.set()
    thread.join()
    assert [c.checkpoint.origin for c in made.state.history] == [other.name, slow.name]


# --- properties ---------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(-100, 100), st.booleans()), max_size=12)
)
def test_whatever_two_copies_of_a_log_send_only_one_history_is_cosigned(steps) -> None:
    log = GrowingLog(3)
    copies = [log, log.fork(3, "other")]
    made = Bench(log)
    for second, count, clock, knows in steps:
        copy = copies[second]
        copy.grow(count)
        made.now += clock
        latest = made.state.stored.get(LOG)
        old = latest.checkpoint.size if latest and knows else max(0, len(copy.leaves) - count)
        proof = copy.prove(old, copy.checkpoint()) if 0 < old < len(copy.leaves) else ()
        with suppress(Refused):
            made.witness.add_checkpoint(copy.request(old, proof=proof))
    history = made.state.history
    assert [c.at for c in history] == sorted(c.at for c in history)
    for before, after in pairwise(history):
        # Every step is one of either copy, and never from one to the other.
        assert before.checkpoint.size <= after.checkpoint.size
        assert any(
            Tree(copy.leaves).root(c.size) == c.root and Tree(copy.leaves).root(d.size) == d.root
            for copy in copies
            for c, d in [(before.checkpoint, after.checkpoint)]
        )
