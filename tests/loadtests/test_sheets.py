"""Tables count what was found and hide nothing behind a percentile. All figures made up."""

from __future__ import annotations

import pytest

from loadtests.reporting import sheets
from loadtests.reporting.loads import Load, loads
from loadtests.results import Completeness, Network, Run
from tests.loadtests.made_up import run, whole


def cells(sheet: sheets.Sheet, row: int = 0) -> dict[str, str]:
    return dict(zip(sheet.columns, sheet.rows[row], strict=True))


def of(*runs: Run) -> tuple[Load, ...]:
    [found] = loads(runs).values()
    return found


def test_interruptions_that_nobody_minded_are_counted():
    plain = run(calls=10)
    deaf = [
        turn.model_copy(update={"barge_in_pause_ms": None})
        if turn.kind == "interrupt" and turn.call < 4
        else turn
        for turn in plain.turns
    ]
    found = cells(sheets.openings(of(plain.model_copy(update={"turns": tuple(deaf)}))))
    assert found["fell silent / interrupted"] == "6/10"
    assert found["disclosed / answered"] == "10/10"
    assert found["paused / backchannels"].endswith("/10")


def test_a_record_that_lacks_something_is_not_whole():
    plain = run(calls=5)
    torn = plain.calls[0].model_copy(
        update={"completeness": Completeness(heard=9, recorded=8, missing=("1.2 s",))}
    )
    found = cells(sheets.costs(of(plain.model_copy(update={"calls": (torn, *plain.calls[1:])}))))
    assert found["records whole"] == "4/5"
    assert found["gaps of 40 ms and more"] == "1 (1 call)"
    assert cells(sheets.costs(of(run("defaults"))))["records whole"] == sheets.NONE


def test_each_outcome_has_its_row_known_or_not():
    odd = run(calls=8, refused=3).model_copy(update={"outcomes": {"completed": 5, "refused": 3, "eaten": 1}})
    rows = sheets.outcomes(of(odd)).rows
    assert [(row[1], row[3]) for row in rows] == [("completed", "5"), ("refused", "3"), ("eaten", "1")]
    assert rows[1][4] == "503"


def test_what_does_not_count_is_muted_and_marked():
    sheet = sheets.waits(of(run(), run(concurrency=2, valid=False)))
    assert sheet.muted == {1}
    assert sheet.rows[1][0] == "ours, 2 (does not count)"


def test_every_row_has_a_cell_for_every_column():
    made = whole()
    by_setting = loads(made.runs)
    assert made.comparison
    tables = [sheets.verdicts(made, by_setting), sheets.cold_starts(made.runs), sheets.pauses(made.pauses)]
    tables += [sheets.ratio_rows(made.comparison), sheets.headline_ratios(made.comparison)]
    for found in by_setting.values():
        tables += [make(found) for make in (sheets.waits, sheets.costs, sheets.openings, sheets.outcomes)]
    for table in tables:
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.columns)}, table.title


def test_an_impaired_network_is_a_setting_of_its_own():
    clean, lossy = run(), run(network=Network(by="proxy", loss_percent=1.5, delay_ms=20, jitter_ms=30))
    settings = list(loads([clean, lossy]))
    assert len(settings) == 2
    assert settings[1].title.endswith("1.5 % loss, 20 ms delay, 30 ms jitter by a proxy in user space")
    assert len({setting.key for setting in settings}) == 2
    assert "." not in settings[1].key


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0, "0"), (3.14, "3.1"), (-2.5, "-2.5"), (1234.4, "1,234")]
)
def test_figures_show_the_digits_they_deserve(value: float | None, text: str):
    assert sheets.ms(value) == text
