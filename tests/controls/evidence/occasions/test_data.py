"""What was kept of a call, judged by its leaves: words without consent count, beside whichever record."""

from __future__ import annotations

import pytest

from controls.evidence.occasions.data import Data
from controls.evidence.occasions.tally import Call, Tallies, Terms
from controls.ledger import records as r
from controls.redaction.sealed import QUOTES
from tests.controls.evidence.counted import NOW, ORIGIN, register
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
