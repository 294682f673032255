"""One leaf and its .tlog-proof file: what they show together, and every way they can fail to."""

from __future__ import annotations

from pathlib import Path

import pytest

from controls.errors import OperatorError
from controls.ledger import records as r
from controls.ledger.__main__ import main
from controls.ledger.findings import Report
from controls.ledger.proof_file import ProofFile
from controls.ledger.sources import verify
from controls.ledger.trust import Trust
from controls.ledger.verify_proof import verify_leaf
from tests.controls.ledger.forged import Forged, ForgedWitness, changed
from tests.controls.ledger.support import TENANT


def failed(report: Report) -> dict[str, str]:
    return {c.name: c.detail for c in report.checks if not c.ok}


class Given:
    """A proof of record 3 of 6, and the record."""

    def __init__(self, folder: Path) -> None:
        self.log, self.folder = Forged(), folder
        for _ in range(5):
            self.log.add(r.CallRefused(tenant=TENANT, reason="capacity"))
        self.trust = Trust.of([self.log.verifier()])
        self.proof, self.leaf = folder / "3.tlog-proof", folder / "3.json"
        self.write(self.log.checkpoint().note)

    def write(self, checkpoint: bytes, index: int = 3, leaf: int = 3) -> None:
        path = self.log.tree.inclusion(index, len(self.log.tree))
        self.proof.write_bytes(ProofFile(index, path, checkpoint).to_bytes())
        self.leaf.write_bytes(self.log.envelopes[leaf])

    def judged(self, trust: Trust | None = None) -> Report:
        return verify(self.proof, trust or self.trust, leaf=self.leaf)


@pytest.fixture
def given_proof(tmp_path: Path) -> Given:
    return Given(tmp_path)


def test_a_leaf_under_a_trusted_checkpoint(given_proof: Given, capsys: pytest.CaptureFixture[str]) -> None:
    report = given_proof.judged()
    assert report.ok and report.authenticated and report.origins == [given_proof.log.origin]
    assert report.checks[12].detail == "not applicable: one record alone"
    alone = verify(given_proof.proof, leaf=given_proof.leaf)
    assert alone.ok and not alone.authenticated
    assert "not checked: the log's key is not at hand" in alone.checks[3].detail
    assert main(["verify", str(given_proof.proof), "--leaf", str(given_proof.leaf)]) == 0
    assert "self-consistent, issuer not authenticated" in capsys.readouterr().out


def test_any_change_of_proof_or_leaf_is_found(given_proof: Given) -> None:
    for file in (given_proof.proof, given_proof.leaf):
        data = file.read_bytes()
        for at in range(0, len(data), 3):
            file.write_bytes(changed(data, at))
            assert not given_proof.judged().ok, (file.name, at)
        file.write_bytes(data)
    assert given_proof.judged().ok


def test_another_leaf_another_key_another_log(given_proof: Given) -> None:
    given_proof.write(given_proof.log.checkpoint().note, leaf=4)
    assert failed(given_proof.judged()).keys() == {"proof"}
    given_proof.write(given_proof.log.checkpoint().note)
    assert failed(given_proof.judged(Trust.of([Forged().verifier()]))).keys() == {"issuer"}
    other = Forged()
    other.origin = given_proof.log.origin
    found = failed(given_proof.judged(Trust.of([other.verifier()])))
    assert found["signature"] == "checkpoint 6: signature; record 3: not signed by a key of the trust file"


def test_a_leaf_that_names_another_place_or_signer(given_proof: Given) -> None:
    log = given_proof.log
    for forged in ({"leaf": 9}, {"names": "sha256:" + "0" * 64}, {"role": "node"}):
        index = log.add(r.CallRefused(tenant=TENANT, reason="capacity"), **forged)
        given_proof.write(log.checkpoint().note, index, index)
        assert not given_proof.judged().ok, forged


def test_the_policys_quorum(given_proof: Given) -> None:
    witness = ForgedWitness()
    trust = Trust.of([given_proof.log.verifier(), witness.key])
    assert "short of the policy's quorum" in failed(given_proof.judged(trust))["witness"]
    given_proof.write(witness.cosign(given_proof.log.checkpoint()).note)
    assert given_proof.judged(trust).authenticated


def test_usage(given_proof: Given, tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="--leaf"):
        verify(given_proof.proof)
    with pytest.raises(OperatorError, match="cannot be read"):
        verify_leaf(given_proof.proof, tmp_path / "nowhere")
    garbage = tmp_path / "x.tlog-proof"
    garbage.write_bytes(b"\x00garbage")
    assert failed(verify(garbage, leaf=given_proof.leaf)) == {"parse": "proof: malformed proof"}
