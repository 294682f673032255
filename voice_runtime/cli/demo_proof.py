"""What the demo promises, checked against the record afterwards: nine checks, each a sentence."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from controls.evidence.shape import Trace
from controls.ledger.findings import Report
from controls.ledger.tamper import flip_byte_in_copy
from controls.ledger.verify import verify_directory
from voice_runtime.caller.results import CallResult

#: Last caller's sample to first token, and to first audible sample (docs/measuring), ms.
TARGET_TOKEN_MS, TARGET_AUDIO_MS = 800, 1400


@dataclass(frozen=True, slots=True)
class Held:
    """One check."""

    what: str
    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TurnTimes:
    """One turn's latency at the caller, ms; None where it does not exist.

    ``first_token``: the caller's last audible sample to the model's first token at the
    runtime, joined by sample index: the server's own span from the last speech sample it
    saw, corrected by how far that sample lies from the caller's true last one.
    """

    n: int
    first_token: float | None
    first_audio: float | None
    barge_in_pause: float | None


def times(trace: Trace, result: CallResult) -> list[TurnTimes]:
    """Join the caller's turns with the record's, in order."""
    said = [turn for turn in trace.turns if turn.said is not None]
    joined = []
    for mine, theirs in zip(result.turns, said, strict=False):
        token = theirs.latency_ms.asr_to_first_token
        if token is not None and theirs.said is not None and theirs.said.ended_s is not None:
            token += theirs.said.ended_s * 1000 - mine.last_sample / 8
        joined.append(TurnTimes(theirs.n, token, mine.first_audio_out_ms, mine.barge_in_pause_ms))
    return joined


def proof(root: Path, database: Path, trace: Trace, said: Sequence[str]) -> list[Held]:
    """Every promise of the demo, held against the record and the booking service's own rows.

    Args:
        root: the ledger's directory.
        database: the appointment service's file.
        said: what the simulated caller said, in order.
    """
    report = verify_directory(root)
    return [
        _disclosed(trace),
        _understood(trace, said),
        _blocked(trace),
        _booked(trace, database),
        _interrupted(trace),
        _handed_over(trace),
        _verified(report, trace),
        _cleared(report, trace),
        _tampering_found(root),
    ]


def _disclosed(trace: Trace) -> Held:
    d = trace.disclosure
    ok = d is not None and d.played_in_full
    return Held(
        "the AI disclosure was played in full", ok, f"{d.played_s:.1f} s, by {d.evidence.value}" if d else ""
    )


def _understood(trace: Trace, said: Sequence[str]) -> Held:
    heard = [t.said.text or "" for t in trace.turns if t.said is not None]
    ok = [h.split() for h in heard] == [s.lower().split() for s in said]
    return Held("every sentence of the caller was recognised", ok, f"{len(heard)} of {len(said)} turns")


def _blocked(trace: Trace) -> Held:
    refused = [c for t in trace.turns if t.decision for c in t.decision.clauses if c.instead is not None]
    spoken = " ".join(t.played.played_text or "" for t in trace.turns if t.played)
    ok = bool(refused) and all(c.text and c.text not in spoken for c in refused)
    return Held("a sentence the model produced was blocked and never spoken", ok, f"{len(refused)} blocked")


def _booked(trace: Trace, database: Path) -> Held:
    uses = [u for t in trace.turns if t.decision for u in t.decision.tools if u.name == "book_appointment"]
    done = next((u for u in uses if u.outcome == "executed" and u.read_back == "confirmed"), None)
    row = (done.result or {}).get("row") if done else None
    if row is None:
        return Held("a booking changed a row, after a read-back", False)
    with sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True) as db:
        found = db.execute(
            "SELECT COUNT(*) FROM appointments WHERE row = ? AND cancelled_at IS NULL", (row,)
        ).fetchone()[0]
    return Held("a booking changed a row, after a read-back", found == 1, f"row {row}")


def _interrupted(trace: Trace) -> Held:
    cut = [t for t in trace.turns if t.played and t.played.interrupted and t.played.played_text]
    ok = any((t.played.played_text or "") != (t.played.text or "") for t in cut if t.played)
    return Held("an interruption cut the agent, and the record holds what was played", ok)


def _handed_over(trace: Trace) -> Held:
    handoff = trace.handoff
    promised = handoff.callback if handoff else None
    ok = promised is not None and promised.number_confirmed
    return Held("a person was asked for, and a call-back promised on record", ok)


def _verified(report: Report, trace: Trace) -> Held:
    bad = [f"{c.name}: {c.detail}" for c in report.checks if not c.ok]
    ok = report.ok and not trace.ledger.gaps
    return Held(
        "no gap, and every signature, proof and checkpoint holds",
        ok,
        "; ".join(bad) or f"{report.records} records",
    )


def _cleared(report: Report, trace: Trace) -> Held:
    """The verifier's own checks of receipts and clearances, over every clause that sounded."""
    mine = [c for c in report.checks if c.name in ("receipt", "cleared")]
    audible = [t for t in trace.turns if t.played and t.played.played_s > 0]
    ok = bool(audible) and len(mine) == 2 and all(c.ok for c in mine)
    what = "every audible clause had its clearance and receipt before its first sample"
    return Held(what, ok, "; ".join(f"{c.name}: {c.detail}" for c in mine))


def _tampering_found(root: Path) -> Held:
    with tempfile.TemporaryDirectory(prefix="copy-", dir=root.parent) as folder:
        copy = Path(folder) / "copy"
        flip = flip_byte_in_copy(root, copy)
        report = verify_directory(copy)
    found = next((c.detail for c in report.checks if not c.ok), "")
    return Held(f"one byte flipped in a copy (record {flip.leaf}) is found", not report.ok, found)
