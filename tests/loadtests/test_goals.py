"""Goals are data: read from kept results, refused when missed without a word. All figures made up."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from controls.errors import ConfigurationError
from loadtests.baseline.system import BarePipecat
from loadtests.options import parse
from loadtests.pairs import later, neighbours
from loadtests.ratios import beyond, ratios
from loadtests.reporting.goal_figures import RULE, Figure, Kept
from loadtests.reporting.goal_file import FILE, Goal, GoalFile, kept_by, read_goals
from loadtests.reporting.goal_table import counted, judged, outlived, page, verdict
from loadtests.results import Block, Calibration, Comparison, Gate, Results, Run, SystemName
from loadtests.scenario import load_scenario
from loadtests.shapes import Histogram
from tests.loadtests.made_up import barge_in, environment, pauses, results, run

RULE_LINE = "bare pipecat: Silero, turns by fixed silence of 200 ms, which is MADE UP"


def goal(reads: Mapping[str, object], **changed: object) -> Goal:
    return Goal.model_validate({"what": "made up", "must": 10, "aim": 2, "reads": reads, **changed})


def file(one: Goal) -> GoalFile:
    made = {name: f"python -m loadtests run --out {name}" for name in kept_by(one.reads)}
    return GoalFile(kept=made, goals={"one": one})


def judge(one: Goal, kept: Kept) -> tuple[str, str]:
    """Its verdict, and what is shown of it."""
    [row] = judged(file(one), kept)
    return row.verdict, row.figure.words if row.figure else row.why_not


def at_load(made: Sequence[Run] = (), **changed: object) -> Kept:
    return Kept({"a": results(made, **changed)})


# -- the file ---------------------------------------------------------------------------------------


def test_every_goal_of_the_product_can_be_made_by_a_command():
    found = read_goals()
    assert {"calls-on-one-core", "governance", "soak"} <= found.goals.keys()
    for one in found.goals.values():
        assert found.commands(one)
    for name, command in found.kept.items():
        options = parse(shlex.split(command)[3:])
        assert options.folder.name == name
        if options.command in ("run", "compare"):
            load_scenario(options.scenario, options.transport)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"must": None}, "must and aim, or neither"),
        ({"must": 2, "aim": 10}, "aims at less"),
        ({"higher": True}, "aims at less"),
    ],
)
def test_limits_that_say_nothing_are_refused(changes: dict[str, object], said: str):
    with pytest.raises(ValueError, match=said):
        goal({"of": "gates", "kept": "a"}, **changes)


def test_a_goal_nothing_makes_is_refused():
    one = goal({"of": "carried_ratio", "kept": "a", "against": {"kept": "b"}})
    with pytest.raises(ValueError, match="makes b"):
        GoalFile(kept={"a": "python -m loadtests run"}, goals={"one": one})


def test_a_broken_file_is_named_with_its_line(tmp_path: Path):
    broken = tmp_path / "goals.yaml"
    text = FILE.read_text(encoding="utf-8")
    broken.write_text(text.replace("must: 0.35", "must: soon"), encoding="utf-8")
    line = text.splitlines().index("    must: 0.35") + 1
    with pytest.raises(ConfigurationError, match=rf"goals.yaml:{line}: goals.cpu-per-call.must"):
        read_goals(broken)


# -- verdicts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "said"), [(2.0, "met, aim too"), (2.1, "met"), (10.0, "met"), (10.1, "missed")]
)
def test_a_limit_itself_is_good_enough_unless_it_has_to_stay_below(value: float, said: str):
    one = goal({"of": "gates", "kept": "a"})
    assert verdict(one, Figure(value, "", "")) == said
    below = one.model_copy(update={"below": True})
    stays_below = {2.0: "met", 10.0: "missed"}.get(value, said)
    assert verdict(below, Figure(value, "", "")) == stays_below


def test_more_is_better_where_the_goal_says_so():
    one = goal({"of": "gates", "kept": "a"}, must=70, aim=100, higher=True)
    assert [verdict(one, Figure(n, "", "")) for n in (69.0, 70.0, 100.0)] == ["missed", "met", "met, aim too"]


def test_a_condition_that_was_not_kept_misses_whatever_the_value():
    assert verdict(goal({"of": "gates", "kept": "a"}), Figure(0.0, "", "", but="too late")) == "missed"


def test_what_is_only_reported_is_neither_met_nor_missed():
    one = goal({"of": "gates", "kept": "a"}, must=None, aim=None)
    assert verdict(one, Figure(0.0, "", "")) == "reported"
    assert verdict(one, Figure(None, "", "", held=False)) == "missed"


# -- readings ---------------------------------------------------------------------------------------


def test_nothing_kept_is_not_measured_and_names_the_command():
    one = goal({"of": "percentile", "kept": "a", "measure": "governance_ms", "percent": 95, "calls": 1})
    assert judge(one, Kept({})) == ("not measured", "no result is kept under a")
    shown = "\n".join(page(judged(file(one), Kept({}))))
    assert "python -m loadtests run --out a" in shown
    assert "0 missed and 1 not measured" in shown


def test_a_percentile_needs_its_load_its_turns_and_a_run_that_counts():
    reads: dict[str, object] = {"of": "percentile", "kept": "a", "measure": "first_audio_out_ms"}
    one = goal({**reads, "percent": 95, "calls": 1}, must=1400, aim=800)
    assert judge(one, at_load([run(calls=60)]))[0] == "met, aim too"
    assert judge(one, at_load([run(calls=4)]))[0] == "not measured"
    assert judge(one, at_load([run(calls=60, concurrency=2)]))[1] == "a has no level of 1 call"
    late = run(calls=60, valid=False, invalid_because=("its tick was late",))
    assert judge(one, at_load([late])) == ("not measured", "a at 1 call does not count: its tick was late")


def test_governance_is_of_every_clause_and_needs_a_thousand():
    one = goal({"of": "governance", "kept": "a", "percent": 99, "calls": 1})
    few = Histogram(bounds_ms=(2.0, 10.0), counts=(900, 0), above=9)
    assert judge(one, at_load([run(governance=few)]))[1] == "a: 909 clauses are too few for a p99"
    assert judge(one, at_load([run()]))[1] == "a: its server told of first clauses only"
    slow = Histogram(bounds_ms=(2.0, 10.0), counts=(980, 0), above=20)
    said, words = judge(one, at_load([run(governance=slow)]))
    assert (said, words) == ("missed", "> 10 ms (p50 ≤ 2, p95 ≤ 2, max > 10; 1,000 clauses)")
    quick = Histogram(bounds_ms=(2.0, 10.0), counts=(990, 10))
    assert judge(one, at_load([run(governance=quick)]))[0] == "met, aim too"


def compared(baseline: SystemName = "equal_silence", **changed: object) -> Results:
    theirs: dict[str, object] = {"engines": (RULE_LINE,)} if baseline == "equal_silence" else {}
    order: tuple[SystemName, ...] = ("ours", baseline, baseline, "ours")
    blocks = [
        run(system, concurrency=16, calls=60, seed=n, block=n, **(theirs if system == baseline else {}))  # type: ignore[arg-type]
        for n, system in enumerate(order)
    ]
    ours = [block for block in blocks if block.system == "ours"]
    rows = ratios(ours, [block for block in blocks if block.system == baseline], draws=50)
    plan = tuple(Block(n=b.block, system=b.system, baseline=baseline, concurrency=16) for b in blocks)
    return results(blocks, comparison=Comparison(valid=True, blocks=plan, rows=rows), **changed)


def test_a_cost_is_a_ratio_with_the_range_or_interval_it_has():
    one = goal(
        {"of": "ratio", "kept": "a", "measure": "cpu_ms_per_call_s", "against": "equal_silence", "calls": 16},
        unit="×", must=0.35, aim=0.2,
    )  # fmt: skip
    said, words = judge(one, Kept({"a": compared()}))
    assert said == "met"
    assert words.startswith("0.2")
    assert "(range of blocks: " in words
    made = compared()
    assert made.comparison is not None
    drifted = made.comparison.model_copy(update={"valid": False, "invalid_because": ("it drifted",)})
    worthless = made.model_copy(update={"comparison": drifted})
    assert judge(one, Kept({"a": worthless}))[1] == "a does not count: it drifted"


def test_the_silence_rule_is_taken_off_both_sides():
    made = compared()
    one = goal({"of": "beyond_rule", "kept": "a", "percent": 50, "calls": 16}, unit="×", must=0.8, aim=0.6)
    ours = [r for r in made.runs if r.system == "ours"]
    theirs = [r for r in made.runs if r.system != "ours"]
    plain, less = (beyond(ours, theirs, "first_audio_out_ms", 50, ms) for ms in (0.0, 200.0))
    assert plain is not None
    assert less is not None
    assert (less.ours, less.theirs) == (plain.ours - 200, plain.theirs - 200)
    assert less.interval is not None
    assert less.interval[0] <= less.ratio <= less.interval[1]
    said, words = judge(one, Kept({"a": made}))
    assert said == "met, aim too"
    assert words.startswith(f"{less.ratio:.2f} (95 %: ")
    assert "beyond 200 ms" in words


def test_what_is_beyond_a_rule_needs_turns_calls_and_a_rest():
    made = run(calls=60)
    assert beyond([made], [run(calls=5)], "first_audio_out_ms", 95, 0) is None
    assert beyond([made], [made], "first_audio_out_ms", 50, 10_000) is None


def test_the_baseline_says_its_rule_where_it_is_read():
    bare = BarePipecat("equal_silence", suppliers="http://127.0.0.1:1/v1", greeting="", silence_ms=320)
    assert [m[1] for line in bare.engines if (m := RULE.search(line))] == ["320"]


def test_what_controls_cost_is_told_turn_by_turn_from_the_instruments_error_on():
    reads = {"of": "controls", "kept": "a", "calls": 16}
    one = goal(reads, must=5, aim=0, above_error=True)
    made = same_calls(compared("controls_off", calibrations=()))
    assert judge(one, Kept({"a": made})) == ("not measured", "the instrument's error on twilio is not kept")
    assert made.comparison is not None
    pairs = neighbours(made.comparison.blocks, made.runs, "controls_off", 16)
    found = later(pairs, "first_audio_out_ms")
    assert found is not None
    exact = Calibration(
        delay_ms=300, bias_ms=40, error_p50_ms=0, error_p95_ms=0.5, error_max_ms=1, n=200
    )  # fmt: skip
    wide = exact.model_copy(update={"error_p95_ms": 1000.0})
    assert found.mean > 5.5
    said, words = judge(one, Kept({"a": made}, (exact,)))
    assert said == "missed"
    assert words.startswith(f"{found.mean:+.1f} ms (95 %: ")
    assert judge(one, Kept({"a": made}, (wide,)))[0] == "met, aim too"


def test_what_controls_cost_needs_a_comparison_that_counts_and_turns():
    one = goal({"of": "controls", "kept": "a", "calls": 16}, above_error=True)
    made = same_calls(compared("controls_off"))
    assert made.comparison is not None
    worthless = made.comparison.model_copy(update={"valid": False, "invalid_because": ("it drifted",)})
    silent = made.model_copy(update={"runs": tuple(r.model_copy(update={"turns": ()}) for r in made.runs)})
    for other, why in (
        (made.model_copy(update={"comparison": worthless}), "a does not count: it drifted"),
        (made.model_copy(update={"comparison": None}), "a does not count: no comparison"),
        (silent, "a: too few turns were answered on both sides"),
    ):
        assert judge(one, Kept({"a": other})) == ("not measured", why)


def same_calls(made: Results) -> Results:
    """With one seed, as the blocks of one load have."""
    return made.model_copy(update={"runs": tuple(r.model_copy(update={"seed": 1}) for r in made.runs)})


def lines(*concurrency: int, slow: int = 0, **changed: object) -> list[Run]:
    """Levels of one server; from ``slow`` on with answers nobody would wait for."""
    return [
        run(concurrency=n, calls=60, slower=9.0 if slow and n >= slow else 0.5, **changed)  # type: ignore[arg-type]
        for n in concurrency
    ]


def without_gaps(runs: Sequence[Run]) -> list[Run]:
    return [
        r.model_copy(update={"calls": [c.model_copy(update={"gaps": ()}) for c in r.calls]}) for r in runs
    ]


def test_carried_is_the_highest_load_below_the_first_that_was_not():
    one = goal({"of": "carried", "kept": "a"}, unit="calls", must=4, aim=8, higher=True)
    said, words = judge(one, at_load(without_gaps(lines(1, 4, 8, slow=8))))
    assert said == "met"
    assert words.startswith("4 (p95 ")
    assert words.endswith("0 gaps in 300 answers; 8 was not)")
    assert judge(one, at_load(without_gaps(lines(1, 4, 8))))[0] == "met, aim too"
    said, words = judge(one, at_load(without_gaps(lines(4, 8, slow=4))))
    assert (said, words.split(" (")[0]) == ("missed", "not even 4")
    two = environment(server_cores=(1, 2))
    assert judge(one, at_load(lines(1, environment=two)))[1] == "its server was not confined to one core"


def test_carried_against_another_server_is_a_ratio_of_both():
    reads = {"of": "carried_ratio", "kept": "a", "against": {"kept": "b", "system": "equal_silence"}}
    one = goal(reads, unit="×", must=1.5, aim=2, higher=True)
    ours = results(without_gaps(lines(1, 4, 8, slow=8)))
    bare = [r.model_copy(update={"system": "equal_silence"}) for r in without_gaps(lines(1, 2, 4, slow=4))]
    assert judge(one, Kept({"a": ours}))[1] == "no result is kept under b"
    said, words = judge(one, Kept({"a": ours, "b": results(bare)}))
    assert (said, words.split(":")[0]) == ("met, aim too", "2.0")


def weighed(n: int, idle_mb: float, each_mb: float, system: str = "ours") -> Run:
    plain = run(system, concurrency=n)  # type: ignore[arg-type]
    held = {"idle_mb": idle_mb, "peak_mb": idle_mb + each_mb * n}
    return plain.model_copy(update={"resources": plain.resources.model_copy(update=held)})


def test_memory_is_one_line_of_each_server_and_never_a_ratio():
    reads = {"of": "memory", "kept": "a", "beside": {"kept": "b", "system": "defaults"}}
    one = goal(reads, unit="MB", must=5, aim=2)
    ours = results([weighed(n, 300, 3) for n in (1, 2, 4)])
    assert judge(one, Kept({"a": ours})) == ("met", "3.0 MB; bare pipecat, its defaults: not measured")
    bare = results([weighed(n, 190, 57, "defaults") for n in (1, 2, 4)])
    assert judge(one, Kept({"a": ours, "b": bare}))[1] == "3.0 MB; bare pipecat, its defaults: 57.0 MB"
    assert judge(one, Kept({"a": results([weighed(1, 300, 3)])}))[1] == "a has too few loads that count"


def test_cut_offs_count_only_at_a_delay_that_callers_bear():
    one = goal({"of": "cut_offs", "labelled": "development", "delay_ms": 350}, unit="%", must=5, aim=2)
    kept = Kept({"pauses": results(pauses=pauses())})
    assert judge(one, kept)[0] == "met"
    hasty = one.model_copy(update={"reads": one.reads.model_copy(update={"delay_ms": 300})})
    assert judge(hasty, kept)[0] == "missed"
    other = one.model_copy(update={"reads": one.reads.model_copy(update={"labelled": "held_out"})})
    assert judge(other, kept)[0] == "not measured"


def test_backchannels_are_of_their_own_kind():
    made = barge_in()
    nods = made.model_copy(update={"kinds": {"backchannel": made.listening}})
    kept = Kept({"pauses": results(barge_in=(nods,))})
    reads: dict[str, object] = {"of": "backchannels", "labelled": "development", "figure": "committed"}
    said, words = judge(goal(reads, unit="%", must=5, aim=0), kept)
    assert (said, words) == ("met", "1.5 % (95 %: 0.3 to 7.9); 3 of 200, 50 different")
    shown = goal({**reads, "figure": "pause"}, must=None, aim=None)
    words = "120 of 200 silenced the agent, for 260 ms at p50 and at most 10,000 ms"
    assert judge(shown, kept) == ("reported", words)
    assert judge(shown, Kept({"pauses": results()}))[0] == "not measured"


def test_audible_pauses_are_counted_at_the_caller():
    reads = {"of": "audible_pauses", "kept": "a", "calls": 1}
    said, words = judge(goal(reads, must=None, aim=None), at_load([run(calls=60)]))
    assert said == "reported"
    assert " of 60" in words


@pytest.mark.parametrize(("met", "said"), [(True, "met, aim too"), (False, "missed"), (None, "not measured")])
def test_a_soak_is_all_its_gates(met: bool | None, said: str):
    gates = (Gate(name="memory", met=True, found="1 MB → 1 MB"), Gate(name="p95", met=met, found="so"))
    one = goal({"of": "gates", "kept": "a"}, must=None, aim=None, rest="made up")
    assert judge(one, at_load([run(gates=gates)]))[0] == said
    assert judge(one, at_load([run()]))[1] == "a does not count: it is no soak"


# -- the page ---------------------------------------------------------------------------------------


def percentile_goal(must: float, aim: float, **changed: object) -> Goal:
    reads: dict[str, object] = {
        "of": "percentile",
        "kept": "a",
        "measure": "first_audio_out_ms",
        "percent": 95,
    }
    return goal({**reads, "calls": 1}, must=must, aim=aim, **changed)


def test_a_missed_goal_without_words_is_refused():
    kept = at_load([run(calls=60)])
    rows = judged(file(percentile_goal(10, 2)), kept)
    with pytest.raises(ConfigurationError, match=r"goals\.one\.rest"):
        list(page(rows))
    explained = "\n".join(page(judged(file(percentile_goal(10, 2, rest="the disk is slow")), kept)))
    assert "| **missed** |" in explained
    assert "- *made up*: the disk is slow" in explained


def test_words_for_a_goal_whose_aim_is_met_are_flagged_and_not_shown():
    rows = judged(file(percentile_goal(9000, 8000, rest="the disk was slow")), at_load([run(calls=60)]))
    assert outlived(rows) == ["one"]
    assert "the disk was slow" not in "\n".join(page(rows))


def test_the_sentence_counts_what_is_judged_and_not_what_is_reported():
    reported = goal({"of": "audible_pauses", "kept": "a", "calls": 1}, must=None, aim=None)
    made = file(percentile_goal(9000, 2))
    both = made.model_copy(update={"goals": {**made.goals, "two": reported}})
    rows = judged(both, at_load([run(calls=60)]))
    assert counted(rows) == "Of 1 goals 1 are met (0 of them with their aim), 0 missed and 0 not measured."


def test_the_table_says_where_a_figure_was_measured():
    shown = "\n".join(page(judged(file(percentile_goal(9000, 2)), at_load([run(calls=60)]))))
    assert "| 1 call at once; commit 0000000; MADE UP processor, 2 cores, server on 1 of them |" in shown
    assert "| Made up | ≤ 9,000 ms | ≤ 2 ms | " in shown


def test_a_reading_is_of_one_setting():
    mixed = [run(calls=60), run(calls=60, environment=environment(commit="1111111"))]
    assert judge(percentile_goal(9000, 2), at_load(mixed))[1] == "a has several settings of ours"
