"""The labelled set: whole, and broken files with their lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import pytest

from controls.errors import ConfigurationError
from loadtests.pauses.settings import VOICES
from loadtests.pauses.utterances import (
    DEVELOPMENT,
    FILE,
    HELD_OUT,
    HELD_OUT_ES,
    INTERRUPTIONS,
    KINDS,
    LISTENING,
    OVER_AGENT,
    OVER_AGENT_ES,
    OVER_AGENT_SECOND,
    Utterance,
    load_labelled,
    load_utterances,
)
from loadtests.results import MIN_P95

HEAD = "format: 1\nlanguage: en-US\nutterances:\n"
GOOD = """\
  - id: on-tuesday
    kind: conjunction
    pieces:
      - {text: on tuesday and, pause_ms: [500, 900], open: true}
      - {text: maybe wednesday}
"""

#: Sets of what is said over the agent, in which there are no turns.
OVER = (OVER_AGENT, OVER_AGENT_SECOND, *OVER_AGENT_ES)


def written(folder: Path, text: str) -> Path:
    path = folder / "utterances.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_set_has_every_kind_and_many_lengths() -> None:
    utterances = load_utterances()
    kinds = Counter(utterance.kind for utterance in utterances)
    pauses = [ms for u in utterances for variant in range(4) for ms in u.pauses_ms(variant)]
    assert len(utterances) >= 60
    assert set(kinds) == set(KINDS)
    assert min(kinds.values()) >= 6
    assert min(pauses) == 300
    assert max(pauses) == 2000
    assert len(set(pauses)) >= 10


def test_the_held_out_set_has_at_least_fifteen_of_each_kind_and_lengths_like_the_first() -> None:
    utterances = load_utterances(HELD_OUT)
    kinds = Counter(utterance.kind for utterance in utterances)
    assert len(utterances) >= 150
    assert set(kinds) == set(KINDS)
    assert min(kinds.values()) >= 15
    ours, theirs = (pauses_ms(load_utterances(path)) for path in (HELD_OUT, FILE))
    assert (min(ours), max(ours)) == (min(theirs), max(theirs)) == (300, 2000)
    assert fmean(ours) == pytest.approx(fmean(theirs), rel=0.1)
    for quarter in range(1, 4):
        mine, first = (sorted(found)[quarter * len(found) // 4] for found in (ours, theirs))
        assert mine == pytest.approx(first, rel=0.15)


def pauses_ms(utterances: Sequence[Utterance]) -> list[int]:
    return [ms for u in utterances for variant in range(4) for ms in u.pauses_ms(variant)]


@pytest.mark.parametrize("held_out", [HELD_OUT, HELD_OUT_ES], ids=lambda path: path.stem)
@pytest.mark.parametrize("written_by", [*DEVELOPMENT, *OVER], ids=lambda path: path.stem)
def test_no_sentence_that_rules_are_written_by_is_held_out(written_by: Path, held_out: Path) -> None:
    """Else what was learnt by heart would be scored as understood. Hums are everybody's."""

    def words(path: Path) -> dict[str, str]:
        labelled = load_labelled(path)
        turns = {" ".join(piece.text for piece in one.pieces): one.id for one in labelled.utterances}
        over = {one.text or "": one.id for one in labelled.interjections if one.interrupts}
        return turns | over

    theirs, ours = words(written_by), words(held_out)
    both = theirs.keys() & ours.keys()
    assert not {ours[text] for text in both if len(text.split()) > 1}
    assert len(both) <= 3, "words alone, such as nope, are few"


def head(path: Path) -> str:
    """The comment above a set."""
    return path.read_text(encoding="utf-8").partition("format:")[0]


@pytest.mark.parametrize("path", [HELD_OUT, HELD_OUT_ES], ids=lambda path: path.stem)
def test_a_held_out_set_says_so_and_what_it_first_scored(path: Path) -> None:
    assert "HELD OUT. DO NOT TUNE TO THIS FILE" in head(path)
    assert "First score" in head(path)
    assert "fictional" in head(path)
    assert path not in DEVELOPMENT


@pytest.mark.parametrize("path", OVER, ids=lambda path: path.stem)
def test_a_set_over_the_agent_says_that_rules_were_written_by_it(path: Path) -> None:
    assert "A development set" in head(path)
    assert "fictional" in head(path)


def test_the_sets_over_the_agent_are_wide() -> None:
    def many(*paths: Path) -> tuple[int, int]:
        said = [one for path in paths for one in load_labelled(path).interjections]
        return sum(not one.interrupts for one in said), sum(one.interrupts for one in said)

    assert many(OVER_AGENT, OVER_AGENT_SECOND) >= (80, 60)
    assert many(*OVER_AGENT_ES) >= (30, 25)


def test_the_second_set_says_that_it_has_been_looked_at() -> None:
    assert "LOOKED AT: rules were written by it" in head(FILE.with_name("second.yaml"))


def test_every_set_is_held_out_or_for_development() -> None:
    over = {OVER_AGENT, OVER_AGENT_SECOND, *OVER_AGENT_ES}
    assert set(FILE.parent.glob("*.yaml")) == {*DEVELOPMENT, *over, HELD_OUT, HELD_OUT_ES}


@pytest.mark.parametrize("path", [FILE, HELD_OUT])
def test_each_set_has_enough_over_the_agent_for_a_p95(path: Path) -> None:
    interjections = load_labelled(path).interjections
    interrupting = sum(one.interrupts for one in interjections)
    assert min(interrupting, len(interjections) - interrupting) * len(VOICES) >= MIN_P95
    kinds = Counter(one.kind for one in interjections)
    assert set(kinds) == {*INTERRUPTIONS, *LISTENING}
    assert min(kinds.values()) >= 10


def test_lengths_are_taken_in_turn(tmp_path: Path) -> None:
    (utterance,) = load_utterances(written(tmp_path, HEAD + GOOD))
    assert [utterance.pauses_ms(variant) for variant in range(3)] == [(500,), (900,), (500,)]


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ("format: 2\nlanguage: en-US\nutterances:\n" + GOOD, 1, "format"),
        ("format: 1\nlanguage: de-DE\nutterances:\n" + GOOD, 2, "language"),
        ("format: 1\nlanguage: en-US\nutterances: []\n", 3, "utterances"),
        (HEAD + GOOD.replace("kind: conjunction", "kind: conjunctoin"), 5, "utterances[0].kind"),
        (HEAD + GOOD.replace("[500, 900]", "[50]"), 7, "utterances[0].pieces[0].pause_ms[0]"),
        (HEAD + GOOD.replace("[500, 900]", "[9000]"), 7, "utterances[0].pieces[0].pause_ms[0]"),
        (HEAD + GOOD.replace("pause_ms", "pauses"), 7, "utterances[0].pieces[0].pauses"),
        (HEAD + GOOD.replace("maybe wednesday", "Maybe 2"), 8, "utterances[0].pieces[1].text"),
        (HEAD + GOOD.replace(", open: true", ""), 4, "utterances[0]"),
        (HEAD + GOOD.replace("wednesday}", "wednesday, pause_ms: [500], open: true}"), 4, "utterances[0]"),
        (HEAD + GOOD.replace("conjunction", "question"), 4, "utterances[0]"),
        (HEAD + "  - {id: alone, kind: filler, pieces: [{text: um}]}\n", 4, "utterances[0]"),
        (HEAD + GOOD + GOOD, 9, "utterances[1].id"),
        (HEAD + GOOD + "    voice: slt\n", 9, "utterances[0].voice"),
    ],
)
def test_a_broken_file_names_line_and_field(tmp_path: Path, text: str, line: int, field: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_utterances(written(tmp_path, text))
    found = [(problem.line, problem.field) for problem in raised.value.problems]
    assert (line, field) in found
    assert all(problem.remedy for problem in raised.value.problems)


OVER = "format: 1\nlanguage: en-US\ninterjections:\n"


def test_turns_and_interjections_may_stand_alone(tmp_path: Path) -> None:
    alone = load_labelled(written(tmp_path, OVER + "  - {id: stop, kind: command, text: stop}\n"))
    assert ([one.id for one in alone.interjections], alone.utterances) == (["stop"], ())
    assert not load_labelled(written(tmp_path, HEAD + GOOD)).interjections


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ("format: 1\nlanguage: en-US\n", 1, ""),
        ("format: 1\nlanguage: en-US\ninterjections: []\n", 3, "interjections"),
        (OVER + "  - {id: a, kind: shout, text: stop}\n", 4, "interjections[0].kind"),
        (OVER + "  - {id: a, kind: command}\n", 4, "interjections[0]"),
        (OVER + "  - {id: a, kind: sound, text: stop}\n", 4, "interjections[0]"),
        (OVER + "  - {id: a, kind: sound}\n", 4, "interjections[0]"),
        (OVER + "  - {id: a, kind: sound, sound: cough}\n", 4, "interjections[0]"),
        (OVER + "  - {id: a, kind: sound, sound_ms: [200]}\n", 4, "interjections[0]"),
        (
            OVER + "  - {id: a, kind: sound, sound: cough, sound_ms: [20]}\n",
            4,
            "interjections[0].sound_ms[0]",
        ),
        (OVER + "  - {id: a, kind: sound, sound: bark, sound_ms: [200]}\n", 4, "interjections[0].sound"),
        (
            OVER + "  - {id: a, kind: sound, sound: cough, sound_ms: [200], phones: m}\n",
            4,
            "interjections[0]",
        ),
        (OVER + "  - {id: a, kind: command, text: stop, phones: M-M}\n", 4, "interjections[0].phones"),
        (
            HEAD + GOOD + "interjections: [{id: on-tuesday, kind: command, text: stop}]\n",
            9,
            "interjections[0].id",
        ),
    ],
)
def test_a_broken_interjection_names_line_and_field(tmp_path: Path, text: str, line: int, field: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_labelled(written(tmp_path, text))
    assert (line, field) in [(problem.line, problem.field) for problem in raised.value.problems]
    assert all(problem.remedy for problem in raised.value.problems)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="missing"):
        load_utterances(tmp_path / "none.yaml")
