"""A call's records as the server's turns: what answered, and what only filled the time until then."""

from __future__ import annotations

import pytest

from controls.evidence.turns import Opened
from controls.ledger import records as r
from loadtests.ours.evidence_join import server_turns
from loadtests.systems import ServerTurn

CALL, TENANT = "c_0000000000000001", "riverside"
SPANS = r.Latency(asr_to_first_token=400.0, first_audio_out=700.0)


def played(
    started_s: float,
    *,
    phrase: str | None = None,
    latency: r.Latency | None = None,
    samples: int = 800,
    turn: int = 1,
) -> tuple[r.CallRecord, r.Personal | None]:
    record = r.AgentPlayed.model_validate({
        "tenant": TENANT, "call": CALL, "turn": turn, "clause": "k_0000000000000001",
        "fixed": phrase is not None, "samples": samples, "of_samples": 800, "rate_hz": 8000,
        "interrupted": not samples, "evidence": "carrier_mark",
    })  # fmt: skip
    left_ns = 1 if samples else 0
    return record, r.PlayedDetails(
        phrase=phrase, text="words", played_text="words" if samples else "", started_s=started_s,
        first_sample_at_ns=left_ns, latency_ms=latency,
    )  # fmt: skip


def turn_of(*sounded: tuple[r.CallRecord, r.Personal | None]) -> ServerTurn:
    common = {"tenant": TENANT, "call": CALL}
    opening: list[tuple[r.CallRecord, r.Personal | None]] = [
        (
            r.CallOpened.model_validate({
                **common, "release": "sha256:" + "0" * 64, "environment": "demo", "approved": False,
                "ingress": "twilio", "region": "us", "language": "en-US",
            }),
            r.CallDetails(
                agent="a", line="l", operator_of_record="o", carrier_call="CA1",
                opened_at="2026-11-21T10:00:00Z",
            ),
        ),
        (
            r.CallerSaid.model_validate({**common, "turn": 1, "engine": "e"}),
            r.SaidDetails(text="hello", confidence=1, started_s=1.0, ended_s=2.5),
        ),
    ]  # fmt: skip
    opened: list[Opened] = [(n, *one) for n, one in enumerate([*opening, *sounded])]
    (turn,) = server_turns(opened)
    return turn


CLAUSE = played(5.0, latency=SPANS)


@pytest.mark.parametrize(
    ("sounded", "filler_ms", "answered"),
    [
        ([CLAUSE], 0, True),
        ([CLAUSE, played(9.0, phrase="still-there")], 0, True),  # long after the answer
        ([played(3.5, phrase="still-there"), CLAUSE], 1500, True),
        ([played(4.0, phrase="not-understood"), CLAUSE], 1000, True),
        # The caller was sent away with a fixed phrase, which is what the rules answer with.
        ([played(3.0, phrase="emergency", latency=SPANS)], 0, True),
        # Marked as an answer, and still none.
        ([played(3.0, phrase="moment", latency=SPANS), played(4.0)], 1000, True),
        ([played(3.5, phrase="still-there")], 0, False),
        ([played(3.5, samples=0)], 0, False),  # cut before its first sample
        ([played(3.0, phrase="greeting", turn=0)], 0, False),  # of another turn
        ([], 0, False),
    ],
)
def test_fixed_phrases_fill_and_clauses_answer(
    sounded: list[tuple[r.CallRecord, r.Personal | None]], filler_ms: float, answered: bool
) -> None:
    turn = turn_of(*sounded)
    assert (turn.filler_ms, turn.answered) == (pytest.approx(filler_ms), answered)
