"""The whole comparison on a few utterances: monotone where it must be, the same in one process or two."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from loadtests.pauses import __main__ as command
from loadtests.pauses.measure import FIXED_MS, Settings, Verdicts, measure, measure_all
from loadtests.pauses.score import summarise
from loadtests.pauses.utterances import Utterance, load_utterances
from loadtests.results import read_results
from tests.needs import needs_system as needs

SOME = ("see-patel-tuesday", "let-me-see", "zip-code", "friday-but")
SETTINGS = Settings(voices=("slt",))


def some(number: int = len(SOME)) -> list[Utterance]:
    return [utterance for utterance in load_utterances() if utterance.id in SOME[:number]]


@pytest.fixture(scope="module")
def verdicts() -> Verdicts:
    needs("flite")
    return measure(some(), SETTINGS)


def test_every_policy_judges_every_line(verdicts: Verdicts) -> None:
    fixed = [f"silence {ms} ms" for ms in FIXED_MS]
    assert list(verdicts) == ["ours", "ours, no text", "Smart Turn alone", *fixed]
    assert {len(found) for found in verdicts.values()} == {len(SOME)}


def test_a_longer_silence_cuts_off_less_and_answers_later(verdicts: Verdicts) -> None:
    rows = [summarise(str(ms), verdicts[f"silence {ms} ms"]) for ms in FIXED_MS]
    cut = [row.cut_off_percent for row in rows]
    delays = [row.delay_p50_ms for row in rows]
    assert cut == sorted(cut, reverse=True)
    assert delays == sorted(delays)
    assert cut[0] > cut[-1]
    # The detector's own error, not the policy's: it stops hearing before the last sound has died away.
    assert all(-120 <= row.delay_p50_ms - ms <= 20 for row, ms in zip(rows, FIXED_MS, strict=True))


def test_words_spare_callers_what_the_turn_model_alone_does_not(verdicts: Verdicts) -> None:
    ours, deaf = (summarise(name, verdicts[name]) for name in ("ours", "ours, no text"))
    assert ours.cut_off_percent <= deaf.cut_off_percent
    assert ours.never_ended == deaf.never_ended == 0


def test_several_processes_find_the_same(needs_system: Callable[..., None]) -> None:
    needs_system("flite")
    told: list[tuple[int, int]] = []
    alone = measure(some(1), SETTINGS)
    assert alone == measure_all(some(1), SETTINGS, processes=2, progress=lambda *at: told.append(at))
    assert told == [(1, 1)]


def test_the_command_prints_and_keeps(
    tmp_path: Path,
    verdicts: Verdicts,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command, "KEPT", tmp_path)
    monkeypatch.setattr(command, "measure_all", lambda *_, **__: verdicts)
    assert command.main(["--keep", "--kinds", "--voices", "slt"]) == 0
    printed = capsys.readouterr().out
    assert "| Smart Turn alone" in printed
    assert "Synthetic speech" in printed
    kept = read_results(tmp_path)
    assert [row.policy for row in kept.pauses] == list(verdicts)
    assert kept.command == "python -m loadtests.pauses --keep --kinds --voices slt"
    assert any("synthetic voices" in note for note in kept.notes)


@pytest.mark.parametrize("voices", ["", "slt,nobody"])
def test_a_voice_that_is_not_there_is_an_operators_error(
    voices: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--voices", voices]) == 2
    assert "slt, rms" in capsys.readouterr().err


def test_without_flite_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert command.main([]) == 2
    assert "flite" in capsys.readouterr().err


def test_a_broken_set_is_an_operators_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "set.yaml"
    path.write_text("format: 1\nlanguage: en-US\nutterances: [1]\n")
    assert command.main(["--file", str(path)]) == 2
    assert "set.yaml:3" in capsys.readouterr().err
