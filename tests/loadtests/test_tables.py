"""Tables count what was found and hide nothing behind a percentile. All figures made up."""

from __future__ import annotations

import pytest

from loadtests.reporting import tables
from loadtests.reporting.comparison import headline_ratios, ratio_rows
from loadtests.reporting.loads import Load, loads
from loadtests.results import Beside, Calibration, Completeness, Network, Run
from tests.loadtests.made_up import run, whole


def cells(table: tables.Table, row: int = 0) -> dict[str, str]:
    return dict(zip(table.columns, table.rows[row], strict=True))


def of(*runs: Run) -> tuple[Load, ...]:
    [found] = loads(runs).values()
    return found


def test_interruptions_that_nobody_minded_are_counted():
    plain = run(calls=10)
    deaf = [
        turn.model_copy(update={"barge_in_pause_ms": 10_000.0, "barge_in_censored": True})
        if turn.kind == "interrupt" and turn.call < 4
        else turn
        for turn in plain.turns
    ]
    found = cells(tables.openings(of(plain.model_copy(update={"turns": tuple(deaf)}))))
    assert found["fell silent / interrupted"] == "6/10"
    assert found["disclosed / answered"] == "10/10"
    assert found["answered after p50 / max, ms"] == "12 / 12"
    assert found["paused / backchannels"].endswith("/10")


def test_a_record_that_lacks_something_is_not_whole():
    plain = run(calls=5)
    torn = plain.calls[0].model_copy(
        update={"completeness": Completeness(heard=9, recorded=8, missing=("1.2 s",))}
    )
    found = cells(tables.costs(of(plain.model_copy(update={"calls": (torn, *plain.calls[1:])}))))
    assert found["records whole"] == "4/5"
    assert found["gaps of 40 ms and more"] == "1 (1 call)"
    assert cells(tables.costs(of(run("defaults"))))["records whole"] == tables.NONE


def test_each_outcome_has_its_row_known_or_not():
    odd = run(calls=8, refused=3).model_copy(update={"outcomes": {"completed": 5, "refused": 3, "eaten": 1}})
    rows = tables.outcomes(of(odd)).rows
    assert [(row[1], row[3]) for row in rows] == [("completed", "5"), ("refused", "3"), ("eaten", "1")]
    assert rows[1][4] == "503"


def test_what_does_not_count_is_muted_and_marked():
    table = tables.waits(of(run(), run(concurrency=2, valid=False)))
    assert table.muted == {1}
    assert table.rows[1][0] == "ours, 2 (1.9 on average, at most 2) (does not count)"


def test_every_row_has_a_cell_for_every_column():
    made = whole()
    by_setting = loads(made.runs)
    assert made.comparison
    every = [
        tables.verdicts(made, by_setting),
        tables.cold_starts(made.runs),
    ]
    every += [tables.carried(found, 0.0, 150.0) for found in by_setting.values()]
    every += [ratio_rows(made.comparison.rows), headline_ratios(made.comparison)]
    for found in by_setting.values():
        makers = (tables.carried, tables.waits, tables.costs, tables.openings, tables.outcomes)
        every += [make(found) for make in makers]
    for table in every:
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.columns)}, table.title


def test_an_impaired_network_is_a_setting_of_its_own():
    clean, lossy = run(), run(network=Network(by="proxy", loss_percent=1.5, delay_ms=20, jitter_ms=30))
    settings = list(loads([clean, lossy]))
    assert len(settings) == 2
    assert settings[1].title.endswith("1.5 % loss, 20 ms delay, 30 ms jitter by a proxy in user space")
    assert len({setting.key for setting in settings}) == 2
    assert "." not in settings[1].key


def memory(concurrency: int, peak_mb: float, idle_mb: float | None = 300.0) -> Run:
    plain = run(concurrency=concurrency, calls=2)
    weighed = plain.resources.model_copy(update={"idle_mb": idle_mb, "peak_mb": peak_mb})
    return plain.model_copy(update={"resources": weighed})


def test_a_block_of_a_comparison_has_no_memory_of_its_own():
    alone, beside = tables.costs(of(run())), tables.costs(of(run(), run("defaults")))
    column = "MB above idle / call"
    assert cells(alone)[column] != tables.NONE
    assert [cells(beside, n)[column] for n in (0, 1)] == [tables.NONE, tables.NONE]


def test_turns_of_lost_calls_are_no_interruptions():
    plain = run(calls=10)
    never = [turn.model_copy(update={"never_said": turn.call < 4}) for turn in plain.turns]
    found = cells(tables.openings(of(plain.model_copy(update={"turns": tuple(never)}))))
    assert found["fell silent / interrupted"] == "6/6"


def test_what_is_carried_is_said_without_and_with_the_network_behind_the_carrier():
    ramp = of(run(calls=60), run(concurrency=2, calls=60, slower=1.25))
    plain, allowed = tables.carried(ramp), tables.carried(ramp, allowance_ms=150)
    assert allowed.columns == (*plain.columns, "carried with 150 ms of telephone network")
    assert [row[-1] for row in plain.rows] == ["yes", "yes"]
    assert allowed.rows[0][-1] == "yes"
    assert allowed.rows[1][-1].startswith("no: ASR to first token p95")
    assert allowed.rows[1][-2] == "yes"
    assert "No knee up to 2 calls at once. With 150 ms of telephone network: Knee at 2" in allowed.note


def test_memory_of_several_loads_is_one_line_through_all_of_them():
    note = tables.costs(of(memory(1, 302), memory(2, 304), memory(4, 308))).note
    assert note == (
        "Memory, ours: 2.0 MB for each added call, by one line through the idle server and 3 loads."
    )
    assert tables.costs(of(memory(1, 302))).note == ""  # one load is no line
    assert tables.costs(of(memory(1, 302, None), memory(2, 304, None))).note == ""
    two_servers = tables.costs(of(memory(1, 302), memory(2, 404, 400.0))).note
    assert two_servers == ""


def test_turns_at_the_edge_of_a_load_are_in_no_count_of_interruptions():
    plain = run(calls=10)
    edged = [turn.model_copy(update={"edge": turn.call < 4}) for turn in plain.turns]
    found = cells(tables.openings(of(plain.model_copy(update={"turns": tuple(edged)}))))
    assert found["fell silent / interrupted"] == "6/6"


def test_what_worked_beside_the_servers_says_how_late_it_was():
    late = Beside(what="suppliers", late_p99_ms=4.0, late_max_ms=9.0)
    worst = Beside(what="suppliers", late_p99_ms=2.0, late_max_ms=30.0)
    proxy = Beside(what="proxy", late_p99_ms=0.5, late_max_ms=1.0)
    assert list(tables.beside([run(beside=(late,)), run(beside=(worst, proxy)), run()])) == [
        (
            "Suppliers",
            "event loop late by at most 4.0 ms at p99, 30.0 ms ever; the limit is 10 ms at p99",
        ),
        ("Proxy", "event loop late by at most 0.5 ms at p99, 1.0 ms ever; the limit is 10 ms at p99"),
    ]


def test_what_the_test_itself_broke_is_said_to_be_its_own_fault():
    broken = run(calls=10, outcomes={"completed": 8, "harness_failed": 2}, completed=8)
    found = dict(tables.validity(loads([broken])))
    [(which, why)] = found.items()
    assert which.endswith("ours, 1 at once, 2 calls left out")
    assert "its own fault" in why


def test_a_ramp_that_the_test_ended_has_no_knee():
    ramp = of(run(calls=60), run(concurrency=2, calls=60, valid=False, invalid_because=("ticks late",)))
    words = tables.knee_words(ramp)
    assert words == "The test itself could not go on at 2: ticks late; no knee found up to 1."
    assert tables.knee_words(ramp, reasons=False).endswith("no knee found up to 1.")
    assert tables.knee_words(of(run(valid=False))) == "No knee: nothing that counts was measured."


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0, "0"), (3.14, "3.1"), (-2.5, "-2.5"), (1234.4, "1,234")]
)
def test_figures_show_the_digits_they_deserve(value: float | None, text: str):
    assert tables.ms(value) == text


def test_the_error_against_the_hand_over_is_said_where_it_was_measured():
    error = {"delay_ms": 300, "bias_ms": 40, "error_p50_ms": 1, "error_p95_ms": 2, "error_max_ms": 3, "n": 9}
    assert tables.handed_over(Calibration.model_validate(error)) == ""
    told = tables.handed_over(Calibration.model_validate({**error, "handed_over_p95_ms": 9.5}))
    assert "handed the packet over p95 9.5 ms" in told


def test_fillers_are_told_on_their_own():
    plain = run(calls=10)
    assert tables.filler_words(of(plain)[0]) == ""
    filled = [
        turn.model_copy(update={"filler_audio_ms": 800.0 + turn.n}) if turn.call < 3 and turn.n == 2 else turn
        for turn in plain.turns
    ]
    [load] = of(plain.model_copy(update={"turns": tuple(filled)}))
    told = tables.filler_words(load)
    assert told.startswith("3 of ")
    assert "began after 802 ms at p50" in told
    assert told in tables.waits((load,)).note
    assert "filler" not in tables.waits(of(plain)).note
