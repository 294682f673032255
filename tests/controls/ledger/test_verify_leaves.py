"""Checks on single leaves, each rule broken on purpose: places, keys, numbers, kinds, calls."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.ids import new_id
from controls.ledger import records as r
from controls.ledger.envelope import Envelope, envelope_of, pae, parse_envelope
from controls.ledger.findings import Findings
from controls.ledger.notes import key_digest
from controls.ledger.verify_encoding import split_envelope
from controls.ledger.verify_leaves import LeafChecks
from tests.controls.ledger.forged import Forged, changed, details, failures, public
from tests.controls.ledger.support import DIGEST, TENANT, cleared, closed, opened, played, tagger

CALL, CLAUSE = new_id("c"), new_id("k")


def judged(log: Forged, **options: object) -> dict[str, str]:
    findings = Findings()
    log.leaves(findings, **options)
    return failures(findings)


def refused(tenant: str = TENANT) -> r.CallRefused:
    return r.CallRefused(tenant=tenant, reason="capacity")


def other_digest(log: Forged, key: Ed25519PrivateKey) -> r.KeyCreated:
    return log.created(key).model_copy(update={"key": DIGEST})


# --- keys -----------------------------------------------------------------------------------------


def test_keys_follow_from_leaf_0_by_rotation() -> None:
    log, findings = Forged(), Findings()
    first = log.verifier()
    log.add(refused())
    log.rotate()
    log.add(refused())
    log.rotate()
    log.add(refused())
    leaves = log.leaves(findings)
    assert not failures(findings)
    assert [link.leaf for link in leaves.chain.links] == [0, 2, 5]
    assert leaves.chain.present == [log.verifier()]
    assert leaves.chain.vouched([first]) == {link.key for link in leaves.chain.links}
    assert leaves.chain.vouched([log.verifier()]) == {log.verifier()}
    assert leaves.chain.vouched([Forged().verifier()]) == set()
    assert leaves.chain.signer_of(log.checkpoint(2)) is None  # not valid yet at two leaves
    assert leaves.chain.signer_of(log.checkpoint()) == log.verifier()


def test_a_retired_key_signs_neither_leaves_nor_later_checkpoints() -> None:
    log, findings = Forged(), Findings()
    old = log.key
    log.rotate()
    log.add(refused(), key=old)
    log.add(refused())
    leaves = log.leaves(findings)
    assert failures(findings) == {"signature": "record 3: not signed by a key valid there"}
    assert leaves.chain.signer_of(log.checkpoint(3, old)) == log.verifier(old)  # its own last leaf
    assert leaves.chain.signer_of(log.checkpoint(4, old)) is None


@pytest.mark.parametrize(
    ("forge", "says"),
    [
        (lambda log, key: log.add(refused(), key=key), "record 1: not signed by a key valid there"),
        (lambda log, key: log.add(log.created(key), key=key), "record 1: not signed by a key valid"),
        (lambda log, key: log.add(other_digest(log, key)), "record 1: its key is not the one it names"),
        (lambda log, key: log.add(log.retired(key)), "record 1: retires a key that was not valid"),
        (lambda log, key: log.add(log.retired(log.key)), "record 1: retires the only key"),
        (lambda log, key: log.add(refused(), names=key_digest(public(key))), "names another signer"),
        (lambda log, key: log.add(refused(), role="node"), "names another signer"),
    ],
)
def test_a_key_that_nobody_made_valid(forge: Callable[[Forged, Ed25519PrivateKey], int], says: str) -> None:
    log = Forged()
    forge(log, Ed25519PrivateKey.generate())
    found = judged(log)
    assert found.keys() == {"signature"} and says in found["signature"]


def test_a_retired_key_does_not_come_back() -> None:
    log = Forged()
    old = log.key
    log.rotate()
    log.add(log.created(old))
    assert judged(log) == {"signature": "record 3: brings a retired key back"}


def test_what_a_register_says_of_another_log_gives_it_no_key() -> None:
    """A packet's part of the register, without its leaf 0."""
    register, log, findings = Forged(r.REGISTER), Forged(), Findings()
    register.add(log.opening().model_copy(update={"tenant": r.REGISTER}), key=log.key)
    checks = LeafChecks(findings, register.origin, whole=False)
    checks.add(1, register.envelopes[1])
    checks.finish()
    assert failures(findings) == {"signature": "record 1: not signed by a key valid there"}
    given = LeafChecks(Findings(), register.origin, whole=False, first_key=register.verifier())
    given.add(1, register.envelopes[1])
    given.finish()
    assert given.chain.present == [register.verifier()]


def test_keys_of_other_logs_and_roles_sign_nothing_here() -> None:
    for fields in ({"role": "node", "origin": None}, {"origin": new_id("o")}):
        log, other = Forged(), Ed25519PrivateKey.generate()
        log.add(log.created(other, **fields))
        log.add(refused(), key=other)
        assert judged(log) == {"signature": "record 2: not signed by a key valid there"}


def test_a_key_record_whose_signature_does_not_hold_brings_no_key() -> None:
    log, other = Forged(), Ed25519PrivateKey.generate()
    log.add(log.created(other))
    parts = parse_envelope(log.envelopes[1])
    log.envelopes[1] = envelope_of(parts.payload, parts.keyid, changed(parts.signature, 5))
    log.add(refused(), key=other)
    assert judged(log) == {
        "signature": "record 1: signature; record 2: not signed by a key valid there"
    }  # fmt: skip


# --- places and numbers ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("forge", "check", "says"),
    [
        (lambda log: log.add(refused(), leaf=7), "order", "record 1: its place is not the signed one"),
        (lambda log: log.add(refused(), origin=new_id("o")), "order", "record 1: its place"),
        (lambda log: log.add(refused("beta")), "order", "record 1: its place"),
        (lambda log: log.add(refused(), n=5), "numbers", "record 1: number 5, expected 1"),
        (lambda log: log.raw(b"{}"), "parse", "record 1: cannot be parsed"),
        (lambda log: log.raw(b""), "parse", "record 1: cannot be parsed"),
        (
            lambda log: log.add(r.OriginClosed(tenant=TENANT, origin=log.origin, size=9)),
            "order", "record 1: closes a log of 9 records",
        ),
    ],
)  # fmt: skip
def test_what_is_out_of_place_is_named(forge: Callable[[Forged], object], check: str, says: str) -> None:
    log = Forged()
    forge(log)
    found = judged(log)
    assert found.keys() == {check} and says in found[check]


def test_nothing_stands_behind_the_end() -> None:
    log, findings = Forged(), Findings()
    log.add(r.OriginClosed(tenant=TENANT, origin=log.origin, size=2))
    leaves = log.leaves(findings)
    assert not failures(findings) and leaves.closing is not None and leaves.closing[0] == 1
    log.add(refused())
    assert judged(log) == {"order": "record 2: stands behind origin.closed"}


def test_a_log_begins_with_its_opening() -> None:
    log = Forged(begun=False)
    log.add(refused())
    assert judged(log, first_key=log.verifier()) == {"order": "record 0: a log begins with origin.opened"}
    assert "signature" in judged(log)
    log = Forged(begun=False)
    log.add(log.opening().model_copy(update={"origin": new_id("o")}))
    assert judged(log)["order"] == "record 0: opens another log"


def test_a_gap_is_named_and_a_large_one_costs_nothing() -> None:
    log = Forged()
    for _ in range(4):
        log.add(refused())
    findings = Findings()
    checks = LeafChecks(findings, log.origin)
    for index in (0, 1, 4):
        checks.add(index, log.envelopes[index])
    checks.add(2**60, log.envelopes[4])
    checks.finish()
    assert failures(findings)["order"].startswith("record 2 to 3: missing; record 5 to ")
    assert len(checks.tree) < 100_000


def test_a_packets_leaves_are_a_part_of_the_log() -> None:
    log, findings = Forged(), Findings()
    log.add(refused())
    for record in (opened(CALL)[0], closed(CALL, 1)):
        log.add(refused())
        log.add(record)
    checks = LeafChecks(findings, log.origin, whole=False)
    for index in (0, 3, 5):
        assert checks.add(index, log.envelopes[index]) is not None
    checks.finish()
    assert not failures(findings) and len(checks.tree) == 0
    checks.add(3, log.envelopes[3])
    assert failures(findings)["order"] == "record 3: out of order"


def test_a_clock_set_back_is_told_and_is_no_damage() -> None:
    log, findings = Forged(), Findings()
    log.add(refused(), at=500)
    log.add(refused(), at=400)
    log.leaves(findings)
    assert not failures(findings) and "the clock was set back" in details(findings)["order"]


# --- calls ----------------------------------------------------------------------------------------


def call_of(*records: r.Record) -> dict[str, str]:
    log = Forged()
    for record in records:
        log.add(record)
    return judged(log)


def spoken(samples: int = 800, clause: str = CLAUSE) -> r.AgentPlayed:
    return played(CALL, clause, samples=samples)[0]


CLEARED, END = cleared(CALL, CLAUSE)[0], closed(CALL, 2)


def test_every_cleared_clause_of_an_ended_call_was_settled_once() -> None:
    assert not call_of(CLEARED)  # the call goes on
    assert not call_of(CLEARED, spoken(), END)
    assert not call_of(CLEARED, spoken(samples=0), END)
    assert call_of(CLEARED, refused(), closed(CALL, 1)) == {
        "played": "record 1: cleared, and no agent.played"
    }  # fmt: skip
    recovered = r.CallRecovered(tenant=TENANT, call=CALL, last_n=0)
    assert call_of(CLEARED, recovered) == {"played": "record 1: cleared, and no agent.played"}
    assert call_of(CLEARED, spoken(), spoken()) == {
        "played": "record 3: clause played at record 2 already"
    }  # fmt: skip
    assert "clears a clause that was cleared" in call_of(CLEARED, CLEARED, spoken())["played"]


def test_a_settlement_from_the_spool_may_come_late() -> None:
    late = spoken().model_copy(update={"recovered": True})
    assert not call_of(CLEARED, closed(CALL, 1), late)


def test_words_that_were_refused_were_not_played() -> None:
    blocked = r.ClauseRefused(tenant=TENANT, call=CALL, turn=1, clause=CLAUSE, verdict="block", risk=90)
    assert call_of(blocked, spoken()) == {"cleared": "record 2: played though refused"}


def test_call_closed_counts_its_records() -> None:
    assert not call_of(opened(CALL)[0], closed(CALL, 1))
    assert call_of(opened(CALL)[0], closed(CALL, 3)) == {
        "numbers": "record 2: call.closed counts 3 records of its call, 1 are there"
    }
    viewed = r.AccessViewed(tenant=TENANT, call=CALL, what="trace")
    assert not call_of(opened(CALL)[0], viewed, closed(CALL, 1), viewed)
    assert not call_of(opened(CALL)[0], viewed, closed(CALL, 2))  # by numbers, as after a crash
    assert "numbers" in call_of(opened(CALL)[0], viewed, closed(CALL, 3))
    assert "closes a call that is closed" in call_of(closed(CALL, 0), closed(CALL, 1))["numbers"]
    recovered = r.CallRecovered(tenant=TENANT, call=CALL, last_n=4)
    assert call_of(opened(CALL)[0], recovered) == {"numbers": "record 2: last number 4, its own is 1"}


def test_sealed_content_is_of_its_records_kind() -> None:
    ref = r.SealedRef(
        artifact=new_id("a"), kind="transcript", digest=DIGEST, hmac="hmac-" + DIGEST, tag=tagger("x", 0)
    )
    assert call_of(opened(CALL)[0].model_copy(update={"sealed": ref})) == {
        "schema": "record 1: sealed content of another kind"
    }


# --- bytes ----------------------------------------------------------------------------------------


def test_any_change_of_any_byte_of_a_leaf_is_found() -> None:
    log = Forged()
    log.add(refused())
    data = log.envelopes[1]
    for at in range(len(data)):
        log.envelopes[1] = changed(data, at, 1 + at % 255)
        assert judged(log), at


@pytest.mark.parametrize(
    ("this", "other"),
    [
        (b'"reason":"capacity"', b'"reason":"ledger","reason":"capacity"'),
        (b'"reason":"capacity"', b'"reason": "capacity"'),
        (b'"reason":"capacity"', b'"reason":"\\u0063apacity"'),
        (b'"n":1,"reason":"capacity"', b'"reason":"capacity","n":1'),
    ],
)
def test_a_statement_has_one_encoding(this: bytes, other: bytes) -> None:
    """Two verifiers that read JSON in their own ways read the same."""
    log = Forged()
    log.add(refused())
    payload = parse_envelope(log.envelopes[1]).payload
    assert this in payload
    odd = payload.replace(this, other)
    log.envelopes[1] = envelope_of(odd, key_digest(public(log.key)), log.key.sign(pae(odd)))
    assert judged(log)["parse"] == "record 1: not in its one encoding"


@given(st.binary(max_size=80), st.integers(0, 400), st.integers(1, 255))
@settings(max_examples=200, deadline=None)
def test_the_quick_way_to_read_an_envelope_takes_what_the_plain_one_takes(
    payload: bytes, at: int, by: int
) -> None:
    good = envelope_of(payload, DIGEST, bytes(range(64)))
    assert split_envelope(good) == parse_envelope(good) == Envelope(payload, DIGEST, bytes(range(64)))
    bad = changed(good, at % len(good), by)

    def read(how: Callable[[bytes], Envelope]) -> Envelope | None:
        try:
            return how(bad)
        except Exception:
            return None

    assert read(split_envelope) == read(parse_envelope)


def test_many_leaves_are_verified_in_threads_and_the_wrong_ones_are_named() -> None:
    log = Forged()
    for _ in range(600):
        log.add(refused())
    for index in (100, 300, 599):
        parts = parse_envelope(log.envelopes[index])
        log.envelopes[index] = envelope_of(parts.payload, parts.keyid, changed(parts.signature, 9))
    assert judged(log) == {
        "signature": "record 100: signature; record 300: signature; record 599: signature"
    }  # fmt: skip
