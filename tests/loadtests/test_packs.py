"""Rule packs scored on labelled sentences."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from controls.errors import ConfigurationError
from controls.rules.engine import Rules
from controls.rules.topic_files import Examples
from loadtests.packs import audio, thresholds
from loadtests.packs.__main__ import main
from loadtests.packs.cost import cost
from loadtests.packs.score import Share, compiled, judged, rows
from loadtests.packs.sentences import Sentence, sentences
from loadtests.packs.thresholds import suggested
from tests.controls.rules.packs import FOLDER, pack, rule
from tests.needs import needs_system
from voice_runtime.agent import Release


def sentence(label: str = "block", text: str = "foo bar", **more: object) -> Sentence:
    return Sentence.model_validate(
        {"pack": "made-up", "moment": "agent_says", "language": "en-US", "label": label, "text": text, **more}
    )


def scored(
    *found: Sentence, rules: Rules | None = None
) -> dict[tuple[str, str], tuple[Share | None, Share | None]]:
    known = {"en-US": rules or Rules([pack()])}
    return {(r.pack, r.language): (r.stopped, r.touched) for r in rows(list(judged(found, known)))}


def test_what_its_own_pack_stops_counts_and_what_any_touches():
    other = pack(rule(name="other", **{"if": {"phrases": ["baz"]}}), name="second")
    both = Rules([pack(), other])
    found = scored(
        sentence(), sentence(text="baz"), sentence("pass", "baz"), sentence("pass", "hello"), rules=both
    )
    stopped, touched = found["made-up", "en-US"]
    assert stopped is not None and touched is not None
    assert (stopped.found, stopped.n, stopped.percent) == (1, 2, 50.0), "another pack's rule does not count"
    assert (touched.found, touched.n) == (1, 2)
    assert stopped.ci[0] < 50 < stopped.ci[1]
    assert found["all packs", "all"] == found["made-up", "en-US"]


def test_a_language_without_rules_stops_nothing():
    stopped, _ = scored(sentence(language="fr-FR"))["made-up", "fr-FR"]
    assert stopped is not None and stopped.found == 0


def test_callers_and_tools_are_judged_as_such():
    rules = Rules(
        [
            pack(
                rule(when="caller_says"),
                rule(name="cards", when="tool", **{"if": {"cel": "size(cards) > 0"}}),
            )
        ]
    )
    card = {"note": "card 4111 1111 1111 1111"}
    found = scored(
        sentence(moment="caller_says"), sentence(moment="tool", text="", tool="book", args=card),
        sentence("pass", moment="tool", text="", tool="book", args={"day": "tuesday"}), rules=rules,
    )  # fmt: skip
    stopped, touched = found["made-up", "en-US"]
    assert stopped is not None and touched is not None
    assert (stopped.found, stopped.n, touched.found) == (2, 2, 0)


def test_both_sets_can_be_read_and_share_no_sentence():
    """Numbers only: a failing comparison would print what whoever writes rules is not to read."""
    held_out, development = sentences("held_out"), sentences("development")
    counted = len(held_out), len(development)
    assert min(counted) >= 600
    texts = {(s.moment, s.language, s.text) for s in held_out if s.text}
    shared = len(texts & {(s.moment, s.language, s.text) for s in development if s.text})
    assert shared == 0
    for moment in ("agent_says", "caller_says", "tool"):
        labels = {s.label for s in held_out if s.moment == moment}
        assert labels == {"block", "pass"}


def test_every_pack_that_is_scored_is_there():
    packs = {p.pack for rules in compiled(FOLDER).values() for p in rules.packs}
    assert {s.pack for s in (*sentences("held_out"), *sentences("development"))} <= packs


def test_the_rules_hold_to_the_sentences_they_were_written_by():
    """99 % of what must be stopped is, at most 1 % of the rest is touched; all packs together."""
    whole = rows(list(judged(sentences("development"), compiled(FOLDER))))[-1]
    assert whole.stopped is not None and whole.touched is not None
    assert whole.stopped.percent >= 99.0
    assert whole.touched.percent <= 1.0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sentences:\n  - {moment: agent_says, language: en-US, label: stop, text: a}", "sentences[0].label"),
        ("pack: a", "sentences"),
        ("- [", "YAML"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, text: str, problem: str):
    (tmp_path / "development").mkdir()
    (tmp_path / "development" / "abuse.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"abuse\.yaml") as raised:
        sentences("development", tmp_path)
    assert problem in str(raised.value)


def test_what_judging_costs_is_counted_per_language():
    found = cost(
        [sentence(), sentence(text="hello"), sentence(moment="caller_says")], {"en-US": Rules([pack()])}, 3
    )
    assert [(c.language, c.rules, c.clauses, c.judged) for c in found] == [("en-US", 1, 2, 6)]
    assert 0 < found[0].p50_ms <= found[0].p99_ms <= found[0].max_ms


def test_the_command_keeps_results_and_never_shows_a_held_out_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["--rules", str(FOLDER), "--out", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "all packs" in out
    assert not [s for s in sentences("held_out") if len(s.text) > 25 and s.text in out]
    kept = json.loads((tmp_path / "out" / "results.json").read_text())
    assert set(kept["sets"]) == {"held_out", "development"}


def test_a_pack_that_is_broken_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "abuse.yaml").write_text("format: 1\npack: abuse\n")
    assert main(["--rules", str(tmp_path)]) == 2
    assert "abuse.yaml" in capsys.readouterr().err


@pytest.fixture(scope="module")
def healthcare() -> Release:
    """Loaded before there is an event loop: compiling its packs takes 3 s."""
    return audio.agent_loaded("healthcare")


@pytest.mark.anyio
async def test_emergencies_are_scored_from_audio_too(healthcare: Release, monkeypatch: pytest.MonkeyPatch):
    """Through flite, a telephone's µ-law and the offline recogniser; a known example comes through whole."""
    needs_system("flite")
    asked = tuple(
        Sentence.model_validate(
            {
                "pack": pack,
                "moment": "caller_says",
                "language": "en-US",
                "label": label,
                "text": text,
            }
        )
        for pack, label, text in (
            ("emergency-us", "block", "i have chest pain"),
            ("emergency-us", "pass", "can i see doctor patel on tuesday"),
            ("abuse", "pass", "when do you close on friday"),
        )
    )
    monkeypatch.setattr(audio, "sentences", lambda name: asked)
    found = await audio.measured(healthcare, "development", ["slt"], paced=1)
    text, slt, every = found.rows
    assert (text.voice, slt.voice, every.voice) == ("text", "slt", "all")
    for row in (text, slt):
        assert row.found is not None and (row.found.found, row.found.n) == (1, 1)
        assert row.near is not None and (row.near.found, row.near.n) == (0, 1)
        assert row.false is not None and (row.false.found, row.false.n) == (0, 1)
    assert slt.persons is not None and (slt.persons.found, slt.persons.n) == (0, 2)
    assert slt.words_known is not None and slt.words_known > 50
    assert 0 < found.cpu_share < 5
    [waited] = found.found_after_ms
    assert waited >= 200, "an ear waits for so much silence"
    shown = "\n".join(audio.summary(found))
    assert "1 of 1" in shown and f"median {waited} ms" in shown


def test_a_topic_s_threshold_is_told_by_its_own_examples(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    like = tuple(
        f"you will win the {thing} in court" for thing in ("case", "suit", "claim", "matter", "appeal")
    )
    unlike = tuple(
        f"we open at nine on {day}" for day in ("monday", "tuesday", "friday", "sunday", "weekdays")
    )
    found = suggested(Examples(like=like, unlike=unlike))
    assert found.at_least > 0 and (found.like_percent, found.unlike_percent) == (100.0, 0.0)
    mixed = suggested(Examples(like=like, unlike=(*unlike, "you will win the prize in court")))
    assert mixed.at_least > found.at_least, "what must pass decides how near is near enough"
    (tmp_path / "abuse.yaml").write_text((FOLDER / "abuse.yaml").read_text())
    folder = tmp_path / "examples" / "abuse"
    folder.mkdir(parents=True)
    lines = [*(f"+ {text}" for text in like), *(f"- {text}" for text in unlike)]
    (folder / "law.en-US.txt").write_text("\n".join(lines))
    assert thresholds.main(["--rules", str(tmp_path)]) == 0
    assert "| abuse | law   | en-US" in capsys.readouterr().out
