"""What a signing process signs and what it refuses, without a process: the rules and the memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.errors import LedgerError, OperatorError
from controls.ledger import records as r
from controls.ledger.envelope import STATEMENT_TYPE, canonical, predicate_subject, statement_of
from controls.ledger.keys import checkpoint_name
from controls.ledger.notes import checkpoint_text, key_digest, public_text
from controls.ledger.signing_rules import (
    MAX_LEAF_PAYLOAD,
    PACKET_TYPE,
    SignedMemory,
    check_checkpoint,
    check_leaf,
    check_manifest,
)
from tests.controls.ledger.support import TENANT, closed, opened, small_call

LOG, OTHER = "o_0000000000000000", "o_1111111111111111"
KEY, FOREIGN = "sha256:" + "a" * 64, "sha256:" + "b" * 64
RAW = bytes(range(32))
ROOT = bytes(32)


def payload(record: r.Record | None = None, **changes: Any) -> bytes:
    return statement_of(
        record or closed("c_0000000000000000", 3), **{"origin": LOG, "key": KEY, "leaf": 7} | changes
    )


def check(data: bytes, *, size: int = 0, known: Callable[[str | None, str], bool] = lambda *_: False) -> None:
    check_leaf(data, origin=LOG, key=KEY, closed=size, known=known)


def test_every_record_of_a_call_is_signed() -> None:
    for leaf, (record, _) in enumerate(small_call()):
        check(payload(record, leaf=leaf))
    with pytest.raises(OperatorError, match="not a record of ours"):
        check(payload(leaf=None))  # a record has its place or is none
    check(payload(opened("c_0000000000000000")[0]), size=7)


def altered(change: Callable[[dict[str, Any]], None]) -> bytes:
    """A statement changed and made consistent again: canonical, with its own subject."""
    statement = json.loads(payload())
    change(statement)
    if statement["subject"][0]["name"] == "record":
        statement["subject"][0]["digest"]["sha256"] = predicate_subject(canonical(statement["predicate"]))
    return canonical(statement)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (payload(origin=OTHER), "another log"),
        (payload(key=FOREIGN), "another log, key"),
        (payload(role="node"), "key or role"),
        (payload(leaf=6), "below a checkpoint"),
        (payload().replace(b'"leaf":7', b'"leaf": 7'), "canonical"),
        (payload().replace(b'"leaf":7', b'"leaf":6,"leaf":7'), "canonical"),  # read one way or the other
        (payload() + b"\n", "canonical"),
        (b"", "canonical"),
        (b"\xff", "canonical"),
        (b"[" * 100_000, "canonical"),
        (b'"' + b"x" * MAX_LEAF_PAYLOAD + b'"', "leaf's length"),
        (b"[]", "record"),
        (b"{}", "record"),
        (altered(lambda s: s["predicate"]["record"].update(note="free text")), "record"),
        (altered(lambda s: s["predicate"]["record"].update(ended_by="somebody")), "record"),
        (altered(lambda s: s.update(predicateType="https://sayso.dev/record/v1/no.such")), "record"),
        (altered(lambda s: s.update(predicateType=PACKET_TYPE)), "record"),
        (altered(lambda s: s["predicate"].update(extra=1)), "record"),
        (altered(lambda s: s["subject"][0].update(name="a_0000000000000000")), "subject"),
        (altered(lambda s: s["subject"].append(s["subject"][0])), "record"),
        (checkpoint_text(checkpoint_name(LOG), 9, ROOT), "canonical"),
    ],
)  # fmt: skip
def test_anything_else_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(OperatorError, match=why):
        check(data, size=7)


def test_a_changed_record_under_its_old_subject_is_refused() -> None:
    data = payload(closed("c_0000000000000000", 3)).replace(b'"records":3', b'"records":2')
    with pytest.raises(OperatorError, match="subject"):
        check(data)


def announced(**changes: Any) -> r.KeyCreated:
    found = {"key": key_digest(RAW), "public": public_text(RAW), "role": "log", "origin": LOG} | changes
    return r.KeyCreated(tenant=TENANT, **found)


def test_only_keys_that_lie_here_are_announced() -> None:
    ours = {(LOG, key_digest(RAW)), (None, key_digest(RAW))}

    def known(origin: str | None, key: str) -> bool:
        return (origin, key) in ours

    first = r.OriginOpened(tenant=TENANT, origin=LOG, key=key_digest(RAW), public=public_text(RAW))
    for record in (announced(), announced(role="node", origin=None), first):
        check(payload(record), known=known)
        with pytest.raises(OperatorError, match="does not lie here"):
            check(payload(record))
    for record in (
        announced(origin=OTHER),
        announced(origin=None),  # whose would it be?
        announced(role="node"),
        announced(public=None),
        announced(public=public_text(bytes(32))),  # the digest of one key beside another one
        first.model_copy(update={"origin": OTHER}),
    ):
        with pytest.raises(OperatorError, match="does not lie here"):
            check(payload(record), known=known)
    # Keys that are never ours: a witness's or a person's authority does not come from this leaf.
    for role in ("witness", "person", "wrapping"):
        check(payload(announced(role=role, origin=None)))


NAME = checkpoint_name(LOG)


def test_a_checkpoint_of_this_log_is_read() -> None:
    text = checkpoint_text(NAME, 2**40, ROOT)
    assert check_checkpoint(text, origin=LOG) == (2**40, ROOT)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n\n\n",
        b"\xff\n1\n",
        checkpoint_text(checkpoint_name(OTHER), 9, ROOT),
        checkpoint_text(LOG, 9, ROOT),
        checkpoint_text(NAME, -1, ROOT),
        checkpoint_text(NAME, 2**63, ROOT),
        checkpoint_text(NAME, 9, bytes(31)),
        checkpoint_text(NAME, 9, bytes(64)),
        checkpoint_text(NAME, 9, ROOT) + b"an extension\n",
        checkpoint_text(NAME, 9, ROOT)[:-1],
        checkpoint_text(NAME, 9, ROOT).replace(b"\n9\n", b"\n09\n"),
        checkpoint_text(NAME, 9, ROOT).replace(b"\n9\n", b"\n+9\n"),
        checkpoint_text(NAME, 9, ROOT).replace(b"\n9\n", b"\n 9\n"),
        checkpoint_text(NAME, 9, ROOT).replace(b"\n9\n", b"\n" + b"9" * 5000 + b"\n"),
        checkpoint_text(NAME, 9, ROOT).replace(b"AAA=\n", b"AAB=\n"),  # unused bits of the base64
        b"cosignature/v1\ntime 1\n" + checkpoint_text(NAME, 9, ROOT),
    ],
)  # fmt: skip
def test_what_is_not_exactly_a_checkpoint_of_this_log_is_refused(text: bytes) -> None:
    with pytest.raises(OperatorError, match="not a checkpoint of this log"):
        check_checkpoint(text, origin=LOG)


def manifest(**changes: Any) -> dict[str, Any]:
    predicate = {"signer": {"role": "node", "key": KEY}, "files": 3}
    return {
        "_type": STATEMENT_TYPE, "predicateType": PACKET_TYPE, "predicate": predicate,
        "subject": [{"name": "trace.json", "digest": {"sha256": "0" * 64}}],
    } | changes  # fmt: skip


def test_a_packets_manifest_is_signed_by_the_nodes_key() -> None:
    check_manifest(canonical(manifest()), key=KEY)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (canonical(manifest()) + b" ", "canonical"),
        (json.dumps(manifest()).encode(), "canonical"),
        (b"", "canonical"),
        (b"[]", "canonical"),
        (canonical(manifest(predicateType="https://sayso.dev/record/v1/call.closed")), "packets only"),
        (canonical(manifest(_type="https://in-toto.io/Statement/v0.1")), "packets only"),
        (canonical(manifest(predicate=[])), "packets only"),
        (canonical(manifest(predicate={"signer": {"role": "node", "key": FOREIGN}})), "another key or role"),
        (canonical(manifest(predicate={"signer": {"role": "log", "key": KEY}})), "another key or role"),
        (canonical(manifest(predicate={})), "another key or role"),
        (payload(role="node"), "packets only"),
    ],
)  # fmt: skip
def test_a_nodes_key_signs_nothing_else(data: bytes, why: str) -> None:
    with pytest.raises(OperatorError, match=why):
        check_manifest(data, key=KEY)


# --- the memory ------------------------------------------------------------------------------------


def test_a_rewind_is_refused_also_by_the_next_process(tmp_path: Path) -> None:
    memory = SignedMemory(tmp_path / "signed.db")
    memory.advance(LOG, 10, ROOT)
    memory.advance(LOG, 10, ROOT)  # the same again: its answer was lost
    memory.advance(OTHER, 3, ROOT)  # each log for itself
    for again in range(2):
        for size, root, why in ((9, ROOT, "rewind"), (0, ROOT, "rewind"), (10, RAW, "fork")):
            with pytest.raises(OperatorError, match=why):
                memory.advance(LOG, size, root)
        assert (memory.size(LOG), memory.size(OTHER), memory.size("o_2222222222222222")) == (10, 3, 0)
        if again == 0:
            memory.close()
            memory = SignedMemory(tmp_path / "signed.db")
    memory.advance(LOG, 11, RAW)
    memory.close()


def test_what_cannot_be_remembered_is_not_signed(tmp_path: Path) -> None:
    memory = SignedMemory(tmp_path / "signed.db")
    memory.close()  # as a disk that takes nothing more
    with pytest.raises(LedgerError, match="cannot remember"):
        memory.advance(LOG, 1, ROOT)
    assert memory.size(LOG) == 0


def test_two_processes_never_share_a_memory_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "signed.db"
    memory = SignedMemory(path)
    with pytest.raises(OperatorError, match="another signing process"):
        SignedMemory(path)
    memory.close()
    SignedMemory(path).close()
    path.write_bytes(b"no database " * 400)
    with pytest.raises(OperatorError, match="damaged"):
        SignedMemory(path)
    with pytest.raises(OperatorError, match="cannot be used"):
        SignedMemory(tmp_path / "nowhere" / "signed.db")


@settings(max_examples=30, deadline=None)
@given(
    offered=st.lists(st.tuples(st.integers(0, 5), st.sampled_from([ROOT, RAW]), st.booleans()), max_size=20)
)
def test_whatever_is_offered_what_was_signed_is_one_history(
    tmp_path_factory: pytest.TempPathFactory, offered: list[tuple[int, bytes, bool]]
) -> None:
    path = tmp_path_factory.mktemp("memory") / "signed.db"
    memory, signed = SignedMemory(path), []
    for size, root, restarted in offered:
        if restarted:
            memory.close()
            memory = SignedMemory(path)
        try:
            memory.advance(LOG, size, root)
        except OperatorError:
            continue
        signed.append((size, root))
    memory.close()
    assert [size for size, _ in signed] == sorted(size for size, _ in signed)
    assert len(dict(signed)) == len(set(signed))
