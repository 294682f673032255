"""What was kept of a call, judged by its leaves: words without consent count, beside whichever record."""

from __future__ import annotations

import pytest

from controls.evidence.occasions.data import Data
from controls.evidence.occasions.tally import Call, Tallies, Terms
from controls.ids import new_id
from controls.ledger import records as r
from controls.redaction.sealed import QUOTES
from tests.controls.evidence.calls import CallScript
from tests.controls.evidence.counted import (
    NOW,
    ORIGIN,
    Spoil,
    begun,
    counts,
    ended,
    register,
    statement,
)
from tests.simulators.every_record import every_record

TERMS = Terms(suppliers=register(), cleared_below=100, now=NOW, settle_s=86_400)
OF_ITS_OWN = (r.CallerSaid, r.TurnProvisional)
QUOTING = sorted((k for k in r.RECORDS.values() if k.personal in QUOTES), key=lambda kind: kind.type)
RECORDS = {type(record): record for _, record, _ in every_record()}
REFUSED = RECORDS[r.ConsentRecorded].model_copy(update={"scope": "transcript", "given": False})


def judged(*records: r.Record) -> tuple[tuple[int, int, int], tuple[int, int]]:
    """Of the words: passed, failed and unexplained; of what was taken back: passed and failed."""
    data, tallies = Data(Call(ORIGIN, "c_0", TERMS)), Tallies()
    for leaf, record in enumerate(records):
        data.add(leaf, record)
    data.finish(tallies)
    words, back = tallies["basis"], tallies["withdrawal"]
    return (words.passed, words.failed, words.unexplained), (back.passed, back.failed)


def holding(kind: type[r.Record], kept: bool | None) -> r.Record:
    return RECORDS[kind].model_copy(update={"kept": kept})


@pytest.mark.parametrize("kind", QUOTING, ids=lambda kind: kind.type)
def test_words_behind_a_refusal_fail_beside_any_record(kind: type[r.Record]) -> None:
    """Two types of record were looked at, and the words stood in five others."""
    assert judged(REFUSED, holding(kind, True)) == ((0, 1, 0), (0, 1))
    assert judged(REFUSED, holding(kind, False)) == ((0, 0, 0), (1, 0))
    assert judged(holding(kind, True), REFUSED) == ((1, 0, 0), (1, 0)), "given until it was taken back"


@pytest.mark.parametrize("kind", [k for k in QUOTING if k not in OF_ITS_OWN], ids=lambda kind: kind.type)
def test_where_nobody_told_it_is_unexplained_behind_a_refusal(kind: type[r.Record]) -> None:
    assert judged(REFUSED, holding(kind, None)) == ((0, 0, 1), (1, 0))
    assert judged(holding(kind, None)) == ((0, 0, 0), (0, 0))


# --- a promised call-back stands on a yes to one ----------------------------------------------------


def _answered(script: CallScript, given: bool) -> None:
    script.add(r.ConsentRecorded, scope="callback", given=given, how="voice", language="en-US", at_s=9)


def _promised(script: CallScript) -> None:
    details = r.CallbackDetails(number="+12025550143", reason="", summary="", desk="", due_at="")
    handoff = new_id("h")
    script.add(r.HandoffRequested, r.HandoffDetails(), handoff=handoff, requested_by="caller_voice")
    script.add(r.CallbackPromised, details, handoff=handoff, number_confirmed=True, within_working_h=4)


def _unasked(script: CallScript) -> None:
    _promised(script)


def _agreed(script: CallScript) -> None:
    _answered(script, True)
    _promised(script)


def _agreed_too_late(script: CallScript) -> None:
    _promised(script)
    _answered(script, True)


def _refused(script: CallScript) -> None:
    _answered(script, False)
    _promised(script)


def _taken_back(script: CallScript) -> None:
    _answered(script, True)
    script.add(r.ConsentWithdrawn, scope="callback", how="voice", at_s=12)
    _promised(script)


@pytest.mark.parametrize(
    ("story", "passed", "failed"),
    [(_unasked, 0, 1), (_agreed, 1, 0), (_agreed_too_late, 0, 1), (_refused, 0, 1), (_taken_back, 0, 1)],
)
def test_a_call_back_holds_only_behind_a_yes_to_one(story: Spoil, passed: int, failed: int) -> None:
    """No control looked at call-backs: one promised to who had refused it was green."""
    quiet, script = begun(), begun()
    ended(quiet)
    story(script)
    ended(script)
    before, found = statement(quiet), statement(script)
    was, now = counts(before, "A.7.3"), counts(found, "A.7.3")
    assert (now[1] - was[1], now[2] - was[2]) == (passed, failed)
    was, now = counts(before, "A.10.4"), counts(found, "A.10.4")
    assert (now[1] > was[1], now[2] > was[2]) == (bool(passed), bool(failed))
