"""The last lines on a terminal: every load, verdicts with and without the allowance, what did not count."""

from __future__ import annotations

from loadtests.reporting import terminal
from loadtests.results import Comparison
from tests.loadtests import made_up


def test_every_load_has_a_line_and_both_targets_a_verdict():
    text = terminal.table(made_up.whole())
    lines = text.splitlines()
    assert lines[0].startswith("system")
    assert sum(line.startswith("ours ") for line in lines) >= 5
    assert "ASR to first token, p95 below 800 ms: met" in text
    assert "with 150 ms of network: " in text
    assert "MADE UP" in text  # notes come last


def test_the_allowance_is_of_telephone_networks_only():
    browser = made_up.results([made_up.run(transport="webrtc")])
    assert "of network" not in terminal.table(browser)


def test_the_allowance_can_turn_a_verdict():
    close = made_up.results([made_up.run(calls=60, slower=1.25, seed=5)], network_allowance_ms=600)
    text = terminal.table(close)
    assert "first audio out, p95 below 1,400 ms: met" in text
    assert "with 600 ms of network: missed" in text


def test_what_did_not_count_is_said():
    bad = made_up.run(valid=False, invalid_because=("2.4 % of the CPU was stolen",))
    results = made_up.results(
        [bad],
        interrupted=True,
        comparison=Comparison(valid=False, invalid_because=("no block was made",)),
    )
    text = terminal.table(results)
    assert "ours at 1: 2.4 % of the CPU was stolen" in text
    assert "comparison: no block was made" in text
    assert "Interrupted" in text
    assert not terminal.valid(results)


def test_a_test_without_a_run_does_not_count():
    nothing = made_up.results(calibrations=())
    assert not terminal.valid(nothing)
    assert "no run was made" in terminal.table(nothing)


def test_calibration_and_policies_have_their_lines():
    text = terminal.table(made_up.results(pauses=made_up.pauses()))
    assert "around it p95 2.5 ms" in text
    assert "Turn policies on labelled pauses, first set, by which rules are written" in text
    (row, _) = (line for line in text.splitlines() if line.startswith("| Smart Turn alone"))
    assert [cell.strip() for cell in row.split("|")[2:5]] == ["9.0 % (4.5 to 17.0)", "290", "3,050"]
    assert terminal.valid(made_up.results(pauses=made_up.pauses()))
    assert terminal.valid(made_up.results(barge_in=(made_up.barge_in(),)))


def test_loads_put_together_have_one_verdict_and_a_knee():
    text = terminal.table(made_up.whole())
    over_all = text.split("telephone (Twilio), over all loads:")[1].split("\n\n")[0]
    assert "ASR to first token, p95 below 800 ms: met up to 16; 32 missed" in over_all
    assert "every audible event on record, every record audible: met" in over_all
    assert "Knee at 32 calls at once (16 carried)" in over_all
    assert "over all loads" not in terminal.table(made_up.results([made_up.run()]))


def test_whether_a_load_was_carried_is_said_and_what_the_test_broke():
    text = terminal.table(made_up.results([made_up.run(calls=60)]))
    assert "  carried: yes" in text
    assert "1 (0.9 on average, at most 1)" in text
    broken = made_up.run(calls=5, valid=False, outcomes={"completed": 4, "harness_failed": 1})
    text = terminal.table(made_up.results([broken]))
    assert "ours at 1: 1 harness_failed (the test's own doing)" in text


def test_ratios_have_their_lines():
    text = terminal.table(made_up.whole())
    assert "Ours against theirs" in text
    lines = [line for line in text.splitlines() if line.startswith("  equal_silence")]
    assert any("range of blocks" in line for line in lines if "cpu_ms" in line)
    assert any("first_audio_out_ms.p50" in line and " to " in line for line in lines)


def test_a_target_missed_by_the_allowance_alone_is_missed():
    close = [made_up.run(calls=60, slower=1.25, seed=5)]
    assert terminal.missed(made_up.results(close, network_allowance_ms=600))
    assert not terminal.missed(made_up.results(close, network_allowance_ms=0))


def test_a_missed_target_is_a_finding_and_the_test_still_counts():
    slow = made_up.results([made_up.run(calls=60, slower=4)])
    assert terminal.valid(slow)
    assert terminal.missed(slow)
    assert not terminal.missed(made_up.results([made_up.run(calls=60)]))


def test_a_slow_baseline_misses_nothing_of_ours():
    assert not terminal.missed(made_up.results([made_up.run("defaults", calls=60, slower=4)]))
