"""Labelled pauses scored by their words alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from loadtests.pauses import by_words
from loadtests.pauses.by_words import half_of, line_of_words, main, verdicts
from loadtests.pauses.lines import LEAD_MS, TAIL_MS
from loadtests.pauses.score import Cut, Verdict
from loadtests.pauses.utterances import (
    DEVELOPMENT,
    HELD_OUT,
    HELD_OUT_ES,
    OVER_AGENT_ES,
    Interjection,
    Piece,
    Utterance,
    load_labelled,
)
from voice_runtime.events import RATE_HZ

PER_MS = RATE_HZ // 1000


def said(name: str, *pieces: str, pause_ms: tuple[int, ...] = (1500,)) -> Utterance:
    *before, last = pieces
    paused = [Piece(text=text, pause_ms=pause_ms, open=True) for text in before]
    return Utterance(id=name, kind="thinking" if before else "answer", pieces=(*paused, Piece(text=last)))


def test_a_line_has_its_words_and_pauses_where_they_are_said_to_be() -> None:
    line = line_of_words(said("one", "we need a", "lift", pause_ms=(400, 900)), 1)
    (pause,) = line.pauses
    assert (pause.end - pause.start, pause.open) == (900 * PER_MS, True)
    assert line.start == LEAD_MS * PER_MS
    assert len(line.ulaw) == line.end + TAIL_MS * PER_MS
    assert [word.text for word in line.words] == ["we", "need", "a", "lift"]
    assert [word.end <= pause.start for word in line.words] == [True, True, True, False]


def test_what_breaks_off_is_kept_open_and_what_is_whole_ends() -> None:
    (kept, *_) = verdicts([said("kept", "i would like to book a", "table")], "en-US", 1.0)
    assert kept.cut == (False,)
    (cut, *_) = verdicts([said("cut", "i would like a table", "by the window")], "en-US", 1.0)
    assert cut.cut == (True,)
    (whole,) = verdicts([said("whole", "when are you open")], "en-US", 0.0)
    assert whole.delay_ms is not None
    assert whole.delay_ms < 400


def test_words_over_the_agent_take_the_floor_or_only_listen() -> None:
    told = {
        "claro": "backchannel",
        "sí claro": "backchannel",
        "no espere": "command",
        "claro pero no": "sentence",
    }
    said = [
        Interjection.model_validate({"id": f"i-{n}", "kind": kind, "text": text})
        for n, (text, kind) in enumerate(told.items())
    ]
    found = by_words.overlaps(said, "es-US")
    assert [overlap.commit_ms is not None for overlap in found] == [False, False, True, True]


@pytest.mark.parametrize("path", DEVELOPMENT, ids=lambda path: path.name)
def test_the_development_sets_have_halves_of_a_like_size(path: Path) -> None:
    utterances = load_labelled(path).utterances
    first = sum(half_of(one) == 0 for one in utterances)
    assert 0.4 < first / len(utterances) < 0.6


def test_the_command_prints_each_half_and_says_what_is_broken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "few.yaml"
    path.write_text(
        "format: 1\nlanguage: es-US\nutterances:\n"
        + "".join(
            f"  - {{id: u-{n}, kind: answer, pieces: [{{text: necesito una cita}}]}}\n" for n in range(8)
        ),
        encoding="utf-8",
    )
    assert main([str(path), "--halves", "--turn-model", "0.5"]) == 0
    out = capsys.readouterr().out
    assert "half A (es-US)" in out
    assert "half B (es-US)" in out
    assert main([str(tmp_path / "none.yaml")]) == 2


@pytest.fixture
def all_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every open pause is cut, of every utterance."""

    def made_up(said: Sequence[Utterance], language: str, complete: float) -> list[Verdict]:
        opened = [(one, [piece.text for piece in one.pieces if piece.open]) for one in said]
        return [
            Verdict(
                one.id,
                one.kind,
                (True,) * len(texts),
                0,
                100.0,
                "",
                tuple(Cut(text, 700, 200, "made up") for text in texts),
            )
            for one, texts in opened
        ]

    monkeypatch.setattr(by_words, "verdicts", made_up)


@pytest.mark.usefixtures("all_cut")
def test_without_files_it_scores_the_development_sets_and_shows_their_cuts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--show"]) == 0
    out = capsys.readouterr().out
    scored = [line.split()[0] for line in out.splitlines() if not line.startswith(" ")]
    assert list(dict.fromkeys(scored)) == [path.name for path in (*DEVELOPMENT, *OVER_AGENT_ES)]
    assert out.count("  CUT  ") >= 100
    assert "not shown" not in out


@pytest.mark.usefixtures("all_cut")
@pytest.mark.parametrize("path", [HELD_OUT, HELD_OUT_ES], ids=lambda path: path.name)
def test_a_held_out_set_has_its_score_and_never_its_cuts(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    for file in (path, link):
        assert main([str(file), "--show"]) == 0
        out = capsys.readouterr().out
        assert "  all          cut 100.0 %" in out
        assert "not shown: rules must not be tuned to it" in out
        assert "CUT" not in out
        assert "LATE" not in out
