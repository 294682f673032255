"""The labelled set: whole, and broken files with their lines."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from controls.errors import ConfigurationError
from loadtests.pauses.utterances import KINDS, load_utterances

HEAD = "format: 1\nlanguage: en-US\nutterances:\n"
GOOD = """\
  - id: on-tuesday
    kind: conjunction
    pieces:
      - {text: on tuesday and, pause_ms: [500, 900], open: true}
      - {text: maybe wednesday}
"""


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


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="missing"):
        load_utterances(tmp_path / "none.yaml")
