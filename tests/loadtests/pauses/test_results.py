"""Both commands give the same results; what was done before an interruption is kept; and what they say."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from controls.errors import OperatorError
from loadtests.pauses import __main__ as command
from loadtests.pauses import results as pause_results
from loadtests.pauses.measure import Verdicts
from loadtests.pauses.options import PauseOptions, add_options, read_options
from loadtests.pauses.results import joined, kinds_table, measured
from loadtests.pauses.score import Verdict
from loadtests.pauses.settings import VOICES, Settings
from loadtests.pauses.utterances import Utterance, load_utterances
from loadtests.results import read_results

UTTERANCES = len(load_utterances())


def made_up(part: Sequence[Utterance], settings: Settings) -> Verdicts:
    """Two policies: the quick one cuts everybody off, the slow one nobody."""
    lines = [u for u in part for _ in settings.voices]
    return {
        "quick": [Verdict(u.kind, tuple(True for p in u.pieces if p.open), 1, 100.0) for u in lines],
        "slow": [Verdict(u.kind, tuple(False for p in u.pieces if p.open), 0, None) for u in lines],
    }


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Utterances come in the other order, as from processes of which one is slow."""

    def each(
        utterances: Sequence[Utterance], settings: Settings, *, processes: int | None = None
    ) -> Iterator[tuple[int, Verdicts]]:
        yield from reversed([(n, made_up([one], settings)) for n, one in enumerate(utterances)])

    monkeypatch.setattr(pause_results, "measure_each", each)


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C when two utterances are done."""

    def each(
        utterances: Sequence[Utterance], settings: Settings, *, processes: int | None = None
    ) -> Iterator[tuple[int, Verdicts]]:
        yield 55, made_up([utterances[55]], settings)
        yield 2, made_up([utterances[2]], settings)
        raise KeyboardInterrupt

    monkeypatch.setattr(pause_results, "measure_each", each)


def given(*arguments: str) -> PauseOptions:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return read_options(parser.parse_args(arguments))


@pytest.mark.usefixtures("quick")
def test_results_say_what_was_measured_where_and_how_to_do_it_again() -> None:
    told: list[tuple[int, int]] = []
    found = measured(given("--voices", "slt", "rms"), "python -m x", lambda *at: told.append(at))
    assert [(p.policy, p.cut_off_percent, p.never_ended) for p in found.pauses] == [
        ("quick", 100.0, 0), ("slow", 0.0, 2 * UTTERANCES),
    ]  # fmt: skip
    assert found.command == "python -m x"
    assert not found.interrupted
    assert found.environment is not None
    assert found.environment.commit
    assert found.environment.cores >= 1
    assert told[-1] == (UTTERANCES, UTTERANCES)
    assert 20 <= len(told) <= 30
    (quick,) = (note for note in found.notes if note.startswith("| quick"))
    assert quick.split()[-2] == str(2 * UTTERANCES), "decisions in mid-speech, in two voices"


@pytest.mark.usefixtures("quick")
def test_without_options_it_is_the_whole_set_in_every_voice() -> None:
    assert given() == PauseOptions()
    assert given().settings.voices == tuple(VOICES)
    assert measured(PauseOptions(), "").notes[0].startswith(f"{UTTERANCES} utterances, each said by 4")


@pytest.mark.usefixtures("interrupted")
def test_an_interruption_keeps_what_was_done(tmp_path: Path) -> None:
    assert command.main(["--voices", "slt", "--out", str(tmp_path)]) == 1
    kept = read_results(tmp_path)
    assert kept.interrupted
    assert [policy.ends for policy in kept.pauses] == [2, 2]
    assert kept.notes[0].startswith(f"2 of {UTTERANCES} (interrupted) utterances")


def test_an_interruption_before_anything_was_done_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def each(*_: object, **__: object) -> Iterator[tuple[int, Verdicts]]:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(pause_results, "measure_each", each)
    found = measured(PauseOptions(), "")
    assert found.interrupted
    assert found.pauses == found.notes == ()


def test_verdicts_are_joined_in_their_order_whichever_was_first() -> None:
    one, two = ([Verdict("answer", (), n, 0.0)] for n in (1, 2))
    assert (
        joined({1: {"p": two}, 0: {"p": one}}) == joined({0: {"p": one}, 1: {"p": two}}) == {"p": one + two}
    )
    assert joined({}) == {}


def test_kinds_have_their_shares_and_their_slowest_turn() -> None:
    found = [
        Verdict("thinking", (True, False), 0, 100.0),
        Verdict("thinking", (True,), 2, 300.0),
        Verdict("answer", (), 0, 40.0),
        Verdict("answer", (), 0, None),
    ]
    head, _, row = kinds_table({"quick": found})
    assert [cell.strip() for cell in head.split("|")[2:-1]] == ["answer", "thinking", "mid-speech"]
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert cells == ["quick", "– / 40 / 5000 ms", "67 % / 100 / 300 ms", "2"]


@pytest.mark.usefixtures("quick")
def test_the_command_prints_and_keeps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--voices", "slt", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "| quick " in printed
    assert "Synthetic speech" in printed
    kept = read_results(tmp_path)
    assert kept.command == f"python -m loadtests.pauses --voices slt --out {tmp_path}"
    assert all(note in printed for note in kept.notes)


@pytest.mark.parametrize(
    "wrong",
    [
        ["--voices", "nobody"], ["--voices"], ["--patience", "endless"], ["--processes", "0"],
        ["--text-ms", "soon"],
    ],
)  # fmt: skip
def test_an_option_that_is_not_there_ends_it_with_2(
    wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main(wrong)
    assert wrong[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (["--voices", "slt", "slt"], "name each once"),
        (["--snr", "nan"], "number of dB"),
        (["--text-ms", "-20"], "0 or more"),
        (["--file", "set.yaml"], "set.yaml"),
    ],
)
def test_what_cannot_be_measured_is_an_operators_error(
    wrong: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(wrong) == 2
    assert why in capsys.readouterr().err


def test_a_broken_set_names_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "set.yaml"
    path.write_text("format: 1\nlanguage: en-US\nutterances: [1]\n")
    assert command.main(["--file", str(path)]) == 2
    assert "set.yaml:3" in capsys.readouterr().err


def test_without_flite_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert command.main([]) == 2
    assert "flite" in capsys.readouterr().err


@pytest.mark.parametrize("voices", [(), ("slt", "nobody")])
def test_settings_refuse_voices_nobody_has(voices: tuple[str, ...]) -> None:
    with pytest.raises(OperatorError, match="slt, rms"):
        Settings(voices=voices)


def test_what_could_not_be_kept_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def each(*_: object, **__: object) -> Iterator[tuple[int, Verdicts]]:
        raise AssertionError("that should have been refused before")

    monkeypatch.setattr(pause_results, "measure_each", each)
    file = tmp_path / "file"
    file.touch()
    assert command.main(["--out", str(file)]) == 2
    assert f"{file} is a file" in capsys.readouterr().err


def test_nothing_measured_overwrites_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def each(*_: object, **__: object) -> Iterator[tuple[int, Verdicts]]:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(pause_results, "measure_each", each)
    assert command.main(["--out", str(tmp_path)]) == 1
    assert list(tmp_path.iterdir()) == []
