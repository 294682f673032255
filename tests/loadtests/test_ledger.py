"""The ledger's load tests report whole, valid tables; how fast they were is nobody's business here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from loadtests.ledger import __main__ as ledger
from loadtests.ledger import figures as ledger_figures
from loadtests.ledger.figures import Figures, Spread, figures, spread_ms
from loadtests.ledger.proofs import ProofRow, _includes, _leaf
from loadtests.ledger.rates import AppendRow, LeavesRow, VerifyRow

_FAST = {
    "leaves": ["--seconds", "0.2", "--calls", "3"],
    "append": ["--seconds", "0.2", "--per-s", "100"],
    "verify": ["--leaves", "60"],
    "proof": ["--leaves", "700", "--proofs", "20"],
    "crash": ["--kills", "1"],
}
_ROWS = {"leaves": LeavesRow, "append": AppendRow, "verify": VerifyRow, "proof": ProofRow}


@pytest.mark.parametrize("benchmark", sorted(_FAST))
def test_a_table_is_complete(
    benchmark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ledger, "RESULTS", tmp_path / "kept")
    assert ledger.main([benchmark, *_FAST[benchmark], "--keep", "--dir", str(tmp_path)]) == 0
    kept = Figures.model_validate_json((tmp_path / "kept" / f"{benchmark}.json").read_text())
    assert kept.benchmark == benchmark
    assert all(row.get("holds", True) for row in kept.rows)
    if benchmark in _ROWS:
        rows = [_ROWS[benchmark].model_validate(row) for row in kept.rows]
        assert len({row.what for row in rows}) == len(rows)
    shown = capsys.readouterr().out
    assert kept.machine in shown
    assert all(str(row["what"]) in shown for row in kept.rows)


def test_what_does_not_hold_fails_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = VerifyRow(what="damaged", leaves=1, seconds=1, leaves_per_s=1, holds=False)
    monkeypatch.setattr(ledger.ledger_rates, "verify", lambda *_: [row])
    assert ledger.main(["verify", "--dir", str(tmp_path)]) == 1


def test_rows_check_themselves() -> None:
    assert spread_ms([0.002, 0.001]) == {"p50_ms": 1.0, "p99_ms": 2.0, "max_ms": 2.0}
    with pytest.raises(ValidationError, match="out of order"):
        Spread(what="x", n=1, p50_ms=2, p99_ms=1, max_ms=3)
    with pytest.raises(ValidationError):
        Spread(what="x", n=1, p50_ms=1, p99_ms=1, max_ms=float("inf"))
    with pytest.raises(ValidationError):
        figures("nothing", [])


def test_our_own_check_of_a_proof_refuses_another_leaf() -> None:
    from controls.ledger.tree import node_hash

    leaves = [_leaf(i) for i in range(3)]
    root = node_hash(node_hash(leaves[0], leaves[1]), leaves[2])
    assert _includes(leaves[1], 1, 3, [leaves[0], leaves[2]], root)
    assert _includes(leaves[2], 2, 3, [node_hash(leaves[0], leaves[1])], root)
    assert not _includes(leaves[0], 1, 3, [leaves[0], leaves[2]], root)
    assert not _includes(leaves[1], 1, 3, [leaves[0]], root)
    assert not _includes(leaves[1], 3, 3, [leaves[0], leaves[2]], root)


def test_what_is_kept_is_json_with_its_origin(tmp_path: Path) -> None:
    row = VerifyRow(what="x", leaves=1, seconds=1, leaves_per_s=1, holds=True)
    path = ledger_figures.keep(figures("verify", [row]), tmp_path)
    assert {"command", "commit", "machine", "at"} <= json.loads(path.read_text()).keys()
