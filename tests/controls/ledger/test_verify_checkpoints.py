"""Checkpoints: what embeds them, what witnesses add to them, and forks between them."""

from __future__ import annotations

import base64

import pytest

from controls.ids import new_id
from controls.ledger import records as r
from controls.ledger.findings import Findings
from controls.ledger.notes import Checkpoint, sign_checkpoint
from controls.ledger.trust import Trust
from controls.ledger.verify_checkpoints import NO_WITNESS
from controls.ledger.verify_register import HouseChecks
from tests.controls.ledger.forged import AT, Forged, ForgedWitness, changed, details, failures
from tests.controls.ledger.support import TENANT, opened


def embedding(checkpoint: Checkpoint) -> r.CallOpened:
    note = base64.b64encode(checkpoint.note).decode()
    return opened(new_id("c"))[0].model_copy(update={"checkpoint": note})


def judged(*logs: Forged) -> Findings:
    findings = Findings()
    HouseChecks(findings, [log.verified(findings) for log in logs], now=AT).finish(None)
    return findings


def test_a_call_embeds_an_earlier_checkpoint_of_its_log() -> None:
    log = Forged()
    log.add(embedding(log.checkpoint()))
    log.add(embedding(log.checkpoint(1)))
    log.rotate()
    log.add(embedding(log.checkpoint()))
    assert not failures(judged(log))


def test_an_embedded_checkpoint_that_is_none_of_the_logs() -> None:
    log, other = Forged(), Forged()
    log.add(embedding(other.checkpoint()))
    assert failures(judged(log, other)) == {
        "root": f"{log.origin} record 1: embedded checkpoint: of another log"
    }


def test_an_embedded_checkpoint_with_another_root() -> None:
    log = Forged()
    log.add(embedding(sign_checkpoint(log.checkpoint().origin, 1, bytes(32), log.key)))
    found = failures(judged(log))
    assert found["root"] == f"{log.origin} record 1: embedded checkpoint: root"


def test_an_embedded_checkpoint_that_counts_its_own_record() -> None:
    log = Forged()
    log.add(embedding(sign_checkpoint(log.checkpoint().origin, 2, bytes(32), log.key)))
    assert "counts records behind itself" in failures(judged(log))["root"]


def test_an_embedded_checkpoint_nobody_signed() -> None:
    log, stranger = Forged(), Forged()
    log.add(embedding(log.checkpoint(1, stranger.key)))
    assert failures(judged(log)) == {"signature": f"{log.origin} record 1: embedded checkpoint: signature"}


def test_the_first_calls_of_a_period_embed_the_one_before() -> None:
    before = Forged()
    log = Forged(previous=before.origin)
    log.add(embedding(before.checkpoint()))
    assert not failures(judged(log, before)) and not failures(judged(before, log))
    alone = judged(log)
    assert not failures(alone) and "is not here, not checked" in details(alone)["root"]
    before.key = Forged().key
    log.add(embedding(before.checkpoint()))
    assert "signature" in failures(judged(log, before))


def test_two_checkpoints_of_one_size_are_a_fork() -> None:
    log, findings = Forged(), Findings()
    log.add(r.CallRefused(tenant=TENANT, reason="capacity"))
    other = sign_checkpoint(log.checkpoint().origin, 2, bytes(32), log.key)
    verified = log.verified(findings, log.checkpoint(), other)
    HouseChecks(findings, [verified]).finish(None)
    assert {"root", "consistency"} == failures(findings).keys()
    assert failures(findings)["consistency"] == f"{log.origin} checkpoint 2 to 2"


def test_a_log_without_a_checkpoint() -> None:
    log, findings = Forged(), Findings()
    verified = log.verified(findings)
    verified.checkpoints.good.clear()
    HouseChecks(findings, [verified]).finish(None)
    assert failures(findings) == {"root": f"{log.origin} no checkpoint covers the log"}


# --- witnesses ------------------------------------------------------------------------------------

ONE, TWO = ForgedWitness("one.example"), ForgedWitness("two.example")


def policy(quorum: str, log: Forged) -> Trust:
    lines = f"log {log.verifier()}\nwitness one {ONE.key}\nwitness two {TWO.key}\n"
    return Trust.parse(f"{lines}group both all one two\nquorum {quorum}\n".encode())


def witnessed(log: Forged, trust: Trust | None, *notes: Checkpoint) -> Findings:
    findings = Findings()
    verified = log.verified(findings)
    for note in notes:
        verified.checkpoints.with_witnesses(note.note)
    HouseChecks(findings, [verified], now=AT + 30).finish(trust)
    return findings


def test_a_quorum_over_the_newest_that_reaches_it() -> None:
    log = Forged()
    old = TWO.cosign(ONE.cosign(log.checkpoint()), at=AT - 10)
    log.add(r.CallRefused(tenant=TENANT, reason="capacity"))
    new = ONE.cosign(log.checkpoint())
    both = witnessed(log, policy("both", log), old, new)
    assert not failures(both)
    assert "quorum reached at 1 records, cosigned 30 s ago" in details(both)["witness"]
    assert "no witness has seen the 1 newest records" in details(both)["witness"]
    assert "at 2 records" in details(witnessed(log, policy("one", log), old, new))["witness"]
    short = witnessed(log, policy("both", log), new)
    assert "no checkpoint reaches the quorum" in failures(short)["witness"]
    assert "witness" in failures(witnessed(log, policy("one", log)))
    embedded = Forged()
    embedded.add(embedding(ONE.cosign(embedded.checkpoint())))
    assert not failures(witnessed(embedded, policy("one", embedded)))


def test_without_witnesses_it_says_for_whom_it_is_tamper_evident() -> None:
    log = Forged()
    plain = Trust.of([log.verifier()])
    assert details(witnessed(log, None))["witness"] == NO_WITNESS
    assert details(witnessed(log, plain))["witness"] == NO_WITNESS
    found = details(witnessed(log, None, ONE.cosign(log.checkpoint())))["witness"]
    assert "prove nothing without a trust file" in found
    assert "asks for no witness" in details(witnessed(log, policy("none", log)))["witness"]


@pytest.mark.parametrize("trusted", [True, False])
def test_any_change_of_a_cosigned_checkpoint_is_found(trusted: bool) -> None:
    """With a policy, or by the witness's key in the register."""
    log = Forged(r.REGISTER)
    log.add(log.created(ONE.private, role="witness", origin=None))
    good = ONE.cosign(log.checkpoint())
    trust = policy("one", log) if trusted else None
    for at in range(len(good.note)):
        note = changed(good.note, at)
        findings = witnessed(log, trust, Checkpoint(good.origin, good.size, good.root, note))
        unknown = "not checked" in details(findings)["witness"]  # its line names another witness now
        assert failures(findings) or (unknown and not trusted), at


def test_a_cosigned_checkpoint_must_be_the_logs_and_carry_a_cosignature() -> None:
    log = Forged()
    assert "carries no cosignature" in failures(witnessed(log, None, log.checkpoint()))["witness"]
    fork = ONE.cosign(sign_checkpoint(log.checkpoint().origin, 1, bytes(32), log.key))
    assert "root" in failures(witnessed(log, None, fork))
