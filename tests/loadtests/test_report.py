"""The report needs nothing but itself, says first what was met, and escapes what it met. All made up."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from loadtests.ratios import ratios
from loadtests.reporting.page import FILES
from loadtests.reporting.pause_tables import SETS
from loadtests.reporting.report import render, write_report
from loadtests.results import Beside, Comparison, Completeness, Results, Row, Run
from tests.loadtests.made_up import barge_in, environment, pauses, results, run, turn, whole

#: Attributes by which a page fetches something, or sends somewhere.
_FETCHES = {
    "src", "href", "srcset", "data", "poster", "action", "formaction", "background", "xlink:href",
    "ping", "manifest",
}  # fmt: skip
_CODE = "/* Plotly, for tests that draw nothing */"


class Parsed(HTMLParser):
    """What a page consists of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.read: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "br"}:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        inside = self._open[-1] if self._open else ""
        self.texts.setdefault(inside, []).append(data)
        if inside not in {"script", "style"}:
            self.read.append(data)

    def words(self) -> str:
        return " ".join(" ".join(self.read).split())


def page(made: Results) -> Parsed:
    return Parsed(render(made, _CODE))


@pytest.fixture(scope="module")
def parsed() -> Parsed:
    return page(whole())


def test_it_is_one_file_that_fetches_nothing(tmp_path: Path):
    path = write_report(results([run(calls=3)]), tmp_path / "new")
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    found = Parsed(path.read_text(encoding="utf-8"))
    assert not [(tag, a) for tag, attrs in found.tags for a in attrs if a in _FETCHES]
    assert not {tag for tag, _ in found.tags} & {
        "link",
        "iframe",
        "object",
        "embed",
        "img",
        "base",
        "form",
        "a",
    }
    styles = " ".join([*found.texts["style"], *(attrs.get("style") or "" for _, attrs in found.tags)])
    assert "url(" not in styles
    assert "@import" not in styles
    [policy] = [attrs["content"] for tag, attrs in found.tags if attrs.get("http-equiv")]
    assert policy == "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
    kinds = [attrs.get("type") for tag, attrs in found.tags if tag == "script"]
    assert kinds == ["application/json", None, None]
    assert sum("plotly.js v" in script for script in found.texts["script"]) == 1


def test_every_chart_has_a_place_words_and_a_table(parsed: Parsed):
    [data] = [t for t in parsed.texts["script"] if t.startswith("[")]
    keys = [chart["key"] for chart in json.loads(data)]
    places = [attrs for tag, attrs in parsed.tags if "data-chart" in attrs]
    assert [place["data-chart"] for place in places] == keys
    assert all(place["role"] == "img" and place["aria-label"] for place in places)
    assert len([1 for tag, _ in parsed.tags if tag == "details"]) == len(keys)
    ids = [attrs["id"] for _, attrs in parsed.tags if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_the_verdict_comes_first(parsed: Parsed):
    words = parsed.words()
    assert "5 met up to some load, 1 missed, 3 not decidable" in words
    assert words.index("In one minute") < words.index("met up to 16") < words.index("Mock suppliers: what")
    assert "150 turns, p95 needs 200" in words
    assert "With 150 ms of telephone network behind it" in words
    assert "tick was late by 7.9 ms at p99" in words
    assert "disclosure_played_in_full_percent" in words


def test_gaps_and_records_stand_beside_the_targets(parsed: Parsed):
    words = parsed.words()
    for line in (
        "Agent's speech without a gap of 40 ms",
        "Every audible event on record, every record audible",
    ):
        assert words.index("In one minute") < words.index(line) < words.index("Mock suppliers: what")


def test_what_is_missing_from_a_record_is_named_in_the_first_minute():
    plain = run(calls=60)
    lacks = Completeness(heard=9, recorded=8, missing=("1200 to 1500 ms: heard, no record",))
    torn = plain.calls[7].model_copy(update={"completeness": lacks})
    calls = (*plain.calls[:7], torn, *plain.calls[8:])
    words = page(results([plain.model_copy(update={"calls": calls})])).words()
    assert "missed at 1 call (1 of 60 calls not whole" in words
    assert "targets met, not carried: the record of 1 of 60 calls is not whole" in words
    assert "sounded, no record heard, no record 1 1 CA7" in words


def test_two_comparisons_put_together_have_a_chart_each():
    made: list[Run] = []
    rows: list[Row] = []
    for profile in ("mock", "cpu-whisper"):
        ours, theirs = run(profile=profile), run("defaults", profile=profile)  # type: ignore[arg-type]
        made += [ours, theirs]
        rows += ratios([ours], [theirs], draws=50)
    found = page(results(made, comparison=Comparison(valid=True, rows=tuple(rows))))
    ids = [attrs["id"] for _, attrs in found.tags if "id" in attrs]
    assert len([id_ for id_ in ids if id_ and id_.startswith("ratios-")]) == 2
    assert len(ids) == len(set(ids))


def test_how_late_the_suppliers_were_is_said_where_it_is_asked_whether_it_counts():
    late = Beside(what="suppliers", late_p99_ms=4.0, late_max_ms=9.0)
    words = page(results([run(beside=(late,))])).words()
    assert words.index("Does it count?") < words.index("late by at most 4.0 ms") < words.index("keep in mind")


def test_two_machines_in_one_report_are_named_in_its_titles():
    fast = run(environment=environment(cpu="a faster one"))
    found = page(results([run(), fast]))
    headings = found.texts["h3"]
    assert any("on a faster one, 2 cores" in text for text in headings)
    assert any("on MADE UP processor, 2 cores" in text for text in headings)


def test_everything_a_sceptic_asks_for_is_there(parsed: Parsed):
    words = parsed.words()
    for wanted in (
        "random weights: cost, not accuracy", "refused", "503", "Cold start", "python -m loadtests run",
        "MADE UP processor", "bias 40 ms", "error p50 0.8, p95 2.5", "Smart Turn alone", "longest such pause",
        "0000000", "pipecat-ai 1.14.0", "Knee at 32", "never answered",
    ):  # fmt: skip
        assert wanted in words, wanted


def test_colours_are_named_in_the_style(parsed: Parsed):
    [data] = [t for t in parsed.texts["script"] if t.startswith("[")]
    named = set(re.findall(r"var\((--[a-z0-9-]+)\)", data))
    css = (FILES / "page.css").read_text(encoding="utf-8")
    light, dark = css.split("@media screen and (prefers-color-scheme: dark)")
    for name in named:
        assert f"{name}:" in light
        assert f"{name}:" in dark.split("* {")[0]


ODD = {
    "nothing": results(),
    "nothing but pauses": results(pauses=pauses()),
    "not calibrated": results([run()], calibrations=()),
    "no allowance, no agent": results([run()], network_allowance_ms=0, agent="", objectives={}),
    "nobody was answered": results([run(calls=9, refused=9)]),
    "nothing counts": results([run(valid=False, invalid_because=("the clock ran away",))]),
    "one turn": results([run(calls=1, turns=1)]),
    "a baseline alone": results([run("defaults")]),
    "no turns kept": results([run().model_copy(update={"turns": (), "calls": ()})]),
    "somebody else's": results([run("remote", profile="remote", environment=environment(changed=True))]),
    "stopped": results([run()], interrupted=True),
    "kept before calls at once were counted": results(
        [run(achieved=None), run(concurrency=2, achieved=None)]
    ),
    "broken by the test": results([run(outcomes={"harness_failed": 20}, completed=0, valid=False)]),
}


@pytest.mark.parametrize("what", sorted(ODD))
def test_whatever_was_found_becomes_a_page(what: str):
    found = page(ODD[what])
    assert "In one minute" in found.words()


def test_a_test_that_was_stopped_or_does_not_count_says_so():
    assert "Stopped by hand" in page(ODD["stopped"]).words()
    assert "the clock ran away" in page(ODD["nothing counts"]).words()
    assert "not calibrated" in page(ODD["not calibrated"]).words()
    assert "9 of 9 calls got nothing" in page(ODD["nobody was answered"]).words()
    assert "with changes" in page(ODD["somebody else's"]).words()


def test_a_comparison_that_does_not_count_says_so_above_its_figures():
    made = whole()
    assert made.comparison
    drifted = made.comparison.model_copy(
        update={"valid": False, "invalid_because": ("defaults drifted by 31 %",)}
    )
    words = page(made.model_copy(update={"comparison": drifted})).words()
    assert "The comparison does not count: defaults drifted by 31 %" in words


def test_each_set_has_a_chart_and_tables_of_its_own():
    made = whole()
    words = page(made).words()
    scored = {policy.labelled for policy in made.pauses}
    assert scored == {"development", "held_out"}
    for name in SETS:
        assert (f"When to answer: cut-offs against delay, {SETS[name]}" in words) is (name in scored)
        assert (f"Kind by kind, {SETS[name]}" in words) is (name in scored)
        assert (f"Interruptions, {SETS[name]}" in words) is (name in scored)
        assert (f"Backchannels and sounds, {SETS[name]}" in words) is (name in scored)


def test_speech_over_the_agent_alone_is_a_part_of_the_page():
    words = page(results(barge_in=(barge_in(),))).words()
    assert "When to answer" in words
    assert "cut-offs against delay" not in words


def test_hostile_words_stay_words():
    hostile = "</script><img src=x onerror=alert(1)><!--\"'&"
    made = run(calls=3, refused=1, engines=(hostile,))
    calls = tuple(call.model_copy(update={"error": hostile, "scenario": hostile}) for call in made.calls)
    plain = results(
        [made.model_copy(update={"calls": calls})],
        agent=hostile, command=hostile, notes=(hostile,), objectives={hostile: 1.0},
        pauses=(pauses()[0].model_copy(update={"policy": hostile}),),
    )  # fmt: skip
    found = page(plain)
    assert not [tag for tag, _ in found.tags if tag == "img"]
    assert len([tag for tag, _ in found.tags if tag == "script"]) == 3
    assert not [a for _, attrs in found.tags for a in attrs if a.startswith("on")]


def test_how_much_cpu_was_stolen_is_said_and_not_that_none_was():
    def weighed(steal: float | None) -> Run:
        plain = run(calls=3)
        return plain.model_copy(
            update={"resources": plain.resources.model_copy(update={"steal_percent": steal})}
        )

    assert "at most 1.9 % of CPU time was stolen" in page(results([weighed(0.1), weighed(1.9)])).words()
    unknown = page(results([weighed(None)])).words()
    assert "stolen CPU time is unknown" in unknown
    assert "no CPU was stolen" not in unknown


def test_turns_that_nobody_said_are_not_counted_as_said():
    plain = run(calls=1, turns=1)
    never = turn(0, 9, 6000, censored=True, never_said=True)
    made = results([plain.model_copy(update={"turns": (*plain.turns, never)})])
    assert f"{len(plain.turns)} turns" in page(made).words()
