"""Charts are valid Plotly figures of one setting each, with n, error and commit. All figures made up."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import plotly.graph_objects as go
import pytest

from loadtests.reporting.charts import Chart, against_load, ecdf
from loadtests.reporting.comparison import compared
from loadtests.reporting.loads import Load, Setting, loads
from loadtests.reporting.pause_chart import pause_dots
from loadtests.reporting.ratio_charts import ratio_dots
from loadtests.reporting.waterfall import bars, examples, shown_load, waterfall
from loadtests.results import Results
from loadtests.summary import turn_values
from tests.loadtests.made_up import environment, run, turn, whole

ERROR = "error ±2.5 ms (p95)"


@pytest.fixture(scope="module")
def made() -> Results:
    return whole()


def every_chart(made: Results) -> list[Chart]:
    charts: list[Chart | None] = []
    for setting, of in loads(made.runs).items():
        charts += [
            ecdf(setting, of, "first_audio_out_ms", ERROR),
            ecdf(setting, of, "asr_to_first_token_ms", ERROR),
        ]
        charts.append(against_load(setting, of, "first_audio_out_ms", ERROR))
        picked = shown_load(of, None)
        assert picked
        charts.append(waterfall(setting, picked, ERROR))
    assert made.comparison
    for what, rows in compared(made.comparison.rows).items():
        mock = [load for found in loads(made.runs).values() for load in found if load.setting.of == what.of]
        charts.append(ratio_dots(what, rows, mock, ERROR, valid=True))
    charts += pause_dots(made.pauses, environment())
    assert all(charts)
    return [chart for chart in charts if chart]


def in_colour(value: Any) -> Any:
    """Names of colours as the page would resolve them."""
    return json.loads(re.sub(r"var\(--[a-z0-9-]+\)", "#123456", json.dumps(value, allow_nan=False)))


def test_plotly_takes_every_chart_and_each_says_what_it_rests_on(made: Results):
    charts = every_chart(made)
    for chart in charts:
        go.Figure(in_colour(chart.data), in_colour(chart.layout))  # raises for a property it does not know
        assert chart.says.endswith(".")
        assert "n = " in chart.resting_on
        assert "commit 0000000" in chart.resting_on
        assert chart.table.rows
    assert len({chart.key for chart in charts}) == len(charts)


def test_mock_and_real_engines_never_share_a_chart(made: Results):
    for setting, of in loads(made.runs).items():
        assert {load.setting.tier for load in of} == {setting.tier}
    real = [chart for chart in every_chart(made) if "cpu-whisper" in chart.key]
    assert real
    assert all("random weights" in chart.resting_on for chart in real)
    mock = [c for c in every_chart(made) if "mock" in c.key]
    assert not [chart for chart in mock if "random weights" in chart.resting_on]


def one(*runs: Any) -> tuple[Setting, tuple[Load, ...]]:
    [found] = loads(runs).items()
    return found


def test_a_curve_ends_below_all_when_turns_were_never_answered():
    setting, of = one(run(calls=20, never_answered=10))
    chart = ecdf(setting, of, "first_audio_out_ms", ERROR)
    assert chart
    n = len(turn_values(of[0].turns, "first_audio_out_ms"))
    censored = of[0].summary["first_audio_out_ms"].censored
    assert censored > 0
    assert chart.data[0]["y"][-1] == pytest.approx(1 - censored / n)
    assert max(chart.data[0]["x"]) < 6000
    assert chart.table.rows[0][-1] == str(censored)


def test_turns_at_the_edge_of_a_load_are_in_no_curve():
    plain = run(calls=20)
    slow_edges = [
        turn.model_copy(update={"edge": True, "first_audio_out_ms": 5900.0}) if turn.call < 5 else turn
        for turn in plain.turns
    ]
    setting, of = one(plain.model_copy(update={"turns": tuple(slow_edges)}))
    chart = ecdf(setting, of, "first_audio_out_ms", ERROR)
    assert chart
    assert max(chart.data[0]["x"]) < 5900
    assert chart.data[0]["y"][-1] == 1


def test_the_generator_draws_no_knee():
    late = run(concurrency=2, calls=60, valid=False)
    setting, of = one(run(calls=60), late)
    chart = against_load(setting, of, "first_audio_out_ms", ERROR)
    assert chart
    assert not [note for note in chart.layout["annotations"] if "knee" in note["text"]]
    setting, of = one(run(calls=60), run(concurrency=2, calls=60, slower=4))
    chart = against_load(setting, of, "first_audio_out_ms", ERROR)
    assert chart
    assert [n["text"] for n in chart.layout["annotations"] if "knee" in n["text"]] == [
        "knee: 1 carried, 2 not"
    ]


def test_baselines_are_grey_and_ours_are_not():
    setting, of = one(run(concurrency=1), run(concurrency=2), run("defaults", concurrency=2))
    chart = ecdf(setting, of, "first_audio_out_ms", ERROR)
    assert chart
    colours = {trace["name"]: trace["line"]["color"] for trace in chart.data}
    assert colours.pop("bare pipecat, its defaults, 2") == "var(--baseline)"
    assert len(set(colours.values())) == 2
    assert "var(--baseline)" not in colours.values()


def test_no_percentile_is_drawn_that_the_turns_cannot_carry():
    setting, of = one(run(concurrency=1, calls=10), run(concurrency=2, calls=60))
    chart = against_load(setting, of, "first_audio_out_ms", ERROR)
    assert chart
    by_name = {trace["name"]: trace["x"] for trace in chart.data}
    assert by_name["ours, p50"] == [0.95, 1.9]  # as achieved, not as offered
    assert by_name["ours, p95"] == [1.9]
    assert "ours, p99" not in by_name
    assert [x for name, x in by_name.items() if "maximum" in name] == [[0.95]]


def test_what_does_not_count_is_left_out_and_said():
    setting, of = one(run(calls=60), run(concurrency=9, calls=60, valid=False))
    chart = against_load(setting, of, "first_audio_out_ms", ERROR)
    assert chart
    assert all(x == [0.95] for x in (trace["x"] for trace in chart.data))
    assert "left out: 1 that does not count" in chart.resting_on
    _, none = one(run(valid=False))
    marked = ecdf(setting, none, "first_audio_out_ms", ERROR)
    assert marked
    assert marked.resting_on.startswith("DOES NOT COUNT")
    assert marked.data[0]["name"] == "ours, 1 (does not count)"
    _, theirs = one(run("defaults"))
    assert ecdf(setting, theirs, "first_audio_out_ms", ERROR) is None


def test_the_stages_of_a_turn_add_up_to_what_the_caller_waited_for():
    found = {bar.stage: bar for bar in bars(turn(0, 1, 700))}
    assert found["endpointing"].begins == found["recognition"].begins == 0
    assert found["durable"].begins == found["synthesis"].begins
    assert found["between"].begins == found["egress"].begins + found["egress"].took
    assert found["line"].begins + found["line"].took == found["total"].took == 700
    ordered = ["endpointing", "first_token", "verdict", "synthesis", "egress", "between", "line"]
    assert sum(found[stage].took for stage in ordered) == pytest.approx(700)


def test_stages_that_a_turn_did_not_have_are_no_zeros():
    fixed = turn(0, 1, 300, stages={"egress": 2.0, "first_audio_out": 250.0, "synthesis": None})
    assert [bar.stage for bar in bars(fixed)] == ["egress", "between", "line", "total"]
    assert bars(turn(0, 1, 300, stages=None))[-1].stage == "total"


def test_the_slow_turn_is_called_what_it_is():
    turns = [turn(0, n, 500 + n) for n in range(1, 200)]
    assert [(name, t.n) for name, t in examples(turns).items()] == [
        ("typical turn (p50)", 100),
        ("slowest turn", 199),
    ]
    turns.append(turn(0, 200, 700))
    assert [(name, t.n) for name, t in examples(turns).items()] == [
        ("typical turn (p50)", 100),
        ("p95 turn", 190),
    ]
    lost = turn(0, 1, 6000, censored=True)
    assert examples([lost, replace_kind(lost)]) == {}


def replace_kind(of: Any) -> Any:
    return of.model_copy(update={"kind": "press", "censored": False})


def test_a_ratio_is_drawn_with_its_interval(made: Results):
    assert made.comparison
    [(what, rows)] = compared(made.comparison.rows).items()
    chart = ratio_dots(what, rows, (), ERROR, valid=True)
    assert chart.layout["xaxis"]["type"] == "log"
    for trace in chart.data:
        assert len(trace["x"]) == len(trace["error_x"]["array"]) == len(trace["error_x"]["arrayminus"])
    assert "DOES NOT COUNT" in ratio_dots(what, rows, (), ERROR, valid=False).resting_on


def test_what_was_measured_is_no_markup_of_plotly(made: Results):
    hostile = made.pauses[0].model_copy(update={"policy": '<a href="http://x.example">me</a>'})
    (chart,) = pause_dots((hostile,), None)
    assert chart
    assert "<a" not in json.dumps(chart.data)
    assert replace(chart, key="other").data == chart.data
