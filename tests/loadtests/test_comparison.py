"""Ratios of different profiles, networks and comparisons stand side by side. All figures made up."""

from __future__ import annotations

from loadtests.ratios import ratios
from loadtests.reporting.comparison import (
    block_lines,
    compared,
    headline_ratios,
    measure_words,
    ratio,
    ratio_rows,
)
from loadtests.results import Block, Comparison, Network, Profile, Row, SystemName
from tests.loadtests.made_up import run


def rows(profile: Profile = "mock", slower: float = 1.0, **changed: object) -> tuple[Row, ...]:
    ours = [run(profile=profile, slower=slower, seed=n, **changed) for n in (1, 2)]  # type: ignore[arg-type]
    theirs = [run("defaults", profile=profile, seed=n, **changed) for n in (1, 2)]  # type: ignore[arg-type]
    return ratios(ours, theirs, draws=50)


def headlines(*made: Row) -> dict[tuple[str, str], str]:
    return {(row[0], row[1]): row[2] for row in headline_ratios(Comparison(valid=True, rows=made)).rows}


def test_two_profiles_put_together_keep_their_rows():
    mock, real = rows(), rows("cpu-whisper", slower=2.0, variant="tiny")
    found = headlines(*mock, *real)
    assert found == headlines(*mock) | headlines(*real)
    assert len(found) == len(headlines(*mock)) + len(headlines(*real))
    loads = {load for _, load in found}
    assert loads == {
        "Mock suppliers with fixed delays, telephone (Twilio), 1 at once",
        "Whisper on CPU (tiny), telephone (Twilio), 1 at once",
    }
    assert len({what.key for what in compared((*mock, *real))}) == 2
    every = ratio_rows((*mock, *real)).rows
    assert len(every) == len(set(every)) == len(mock) + len(real)


def test_two_networks_and_two_loads_are_two_comparisons():
    clean, bad = rows(), rows(network=Network(by="proxy", loss_percent=1))
    found = compared((*clean, *bad, *rows(concurrency=4)))
    assert len(found) == len({what.title for what in found}) == 3


def test_the_same_compared_again_overwrites_nothing():
    first, again = rows(), rows(slower=1.5)
    found = compared((*first, *again))
    assert [what.nth for what in found] == [1, 2]
    assert [len(of) for of in found.values()] == [len(first), len(again)]
    assert len(headlines(*first, *again)) == 2 * len(headlines(*first))
    assert any("(comparison 2)" in load for _, load in headlines(*first, *again))


def test_an_interval_that_is_a_range_says_so():
    one = rows()[0]
    plain = one.model_copy(update={"ratio": 0.5, "ci": (0.4, 0.6), "ci_is": "95 %"})
    assert ratio(plain) == "0.50 (0.40 to 0.60)"
    assert ratio(plain.model_copy(update={"ci_is": "range"})) == "0.50 (0.40 to 0.60, range of blocks)"


def test_the_order_of_blocks_is_a_line_for_each_baseline():
    systems: tuple[SystemName, ...] = ("ours", "defaults", "defaults", "ours")
    made = [Block(n=n, system=s, baseline="defaults", concurrency=4) for n, s in enumerate(systems)]
    made += [Block(n=4, system="controls_off", baseline="controls_off", concurrency=4)]
    made += [Block(n=6, system="defaults", baseline="defaults", concurrency=8)]
    made += [Block(n=5, system="ours", baseline="defaults", concurrency=8)]
    assert list(block_lines(made)) == [
        ("bare pipecat, its defaults", "A B B A at 4 calls; A B at 8 calls"),
        ("ours, controls off", "B at 4 calls"),
    ]


def test_measures_have_words_known_or_not():
    assert measure_words("first_audio_out_ms.p95") == "first audio out p95"
    assert measure_words("cpu_ms_per_call_s") == "CPU ms per second of a call"
    assert measure_words("of_tomorrow.p50") == "of_tomorrow p50"
