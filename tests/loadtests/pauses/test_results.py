"""Both commands give the same results; what was done before an interruption is kept; and what they say."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from controls.errors import OperatorError
from loadtests.pauses import __main__ as command
from loadtests.pauses import results as pause_results
from loadtests.pauses.measure import Judged, Said
from loadtests.pauses.options import PauseOptions, add_options, read_options
from loadtests.pauses.overlaps import Overlap
from loadtests.pauses.results import measured
from loadtests.pauses.score import Cut, Verdict
from loadtests.pauses.settings import VOICES, Settings
from loadtests.pauses.utterances import HELD_OUT, Interjection, Labelled, load_labelled
from loadtests.results import Results, read_results

FIRST, UNSEEN = load_labelled(), load_labelled(HELD_OUT)
UTTERANCES = len(FIRST.utterances) + len(UNSEEN.utterances)
EVERY = UTTERANCES + len(FIRST.interjections) + len(UNSEEN.interjections)


def made_up(part: Sequence[Said], settings: Settings) -> Judged:
    """Two policies: ours cuts everybody off and takes anything for an interruption, the slow one nobody."""
    found = Judged()
    for one in part:
        for voice in settings.voices:
            if isinstance(one, Interjection):
                found.add(Judged(overlaps={"ours": [Overlap(one.id, one.kind, 90, 100, 0, voice)]}))
                found.add(Judged(overlaps={"slow": [Overlap(one.id, one.kind, None, None, 0, voice)]}))
                continue
            opened = [piece for piece in one.pieces if piece.open]
            cuts = tuple(Cut(piece.text, 700, 200, "made up") for piece in opened)
            ours = Verdict(one.id, one.kind, (True,) * len(opened), 1, 100.0, voice, cuts)
            slow = Verdict(one.id, one.kind, (False,) * len(opened), 0, None, voice)
            found.add(Judged(turns={"ours": [ours], "slow": [slow]}))
    return found


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Utterances come in the other order, as from processes of which one is slow."""

    def each(
        said: Sequence[Said], settings: Settings, *, processes: int | None = None
    ) -> Iterator[tuple[int, Judged]]:
        yield from reversed([(n, made_up([one], settings)) for n, one in enumerate(said)])

    monkeypatch.setattr(pause_results, "measure_each", each)


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C when two utterances are done, one of each set."""

    def each(
        said: Sequence[Said], settings: Settings, *, processes: int | None = None
    ) -> Iterator[tuple[int, Judged]]:
        next_set = len(FIRST.utterances) + len(FIRST.interjections)
        yield next_set, made_up([said[next_set]], settings)
        yield 2, made_up([said[2]], settings)
        raise KeyboardInterrupt

    monkeypatch.setattr(pause_results, "measure_each", each)


def given(*arguments: str) -> PauseOptions:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return read_options(parser.parse_args(arguments))


def opened(labelled: Labelled) -> int:
    return sum(bool(piece.open) for one in labelled.utterances for piece in one.pieces)


@pytest.mark.usefixtures("quick")
def test_results_say_what_was_measured_where_and_how_to_do_it_again() -> None:
    told: list[tuple[int, int]] = []
    found = measured(given("--voices", "slt", "rms"), "python -m x", lambda *at: told.append(at)).results
    assert [(p.policy, p.overall.cut_off_percent) for p in found.pauses] == 2 * [
        ("ours", 100.0), ("slow", 0.0),
    ]  # fmt: skip
    assert found.command == "python -m x"
    assert not found.interrupted
    assert found.environment is not None
    assert found.environment.commit
    assert found.environment.cores >= 1
    assert told[-1] == (EVERY, EVERY)
    assert 20 <= len(told) <= 30


@pytest.mark.usefixtures("quick")
def test_each_set_has_its_own_figures_with_what_they_rest_on() -> None:
    found = measured(given("--voices", "slt", "rms"), "").results
    assert [p.labelled for p in found.pauses] == 2 * ["development"] + 2 * ["held_out"]
    for policy, labelled in zip(found.pauses[::2], (FIRST, UNSEEN), strict=True):
        assert policy.overall.ends == 2 * len(labelled.utterances)
        assert policy.overall.mid_speech == 2 * len(labelled.utterances)
        assert policy.overall.thinking_pauses == 2 * opened(labelled)
        assert policy.overall.labelled_pauses == opened(labelled)
        assert sum(kind.ends for kind in policy.kinds.values()) == policy.overall.ends
    assert [(b.policy, b.labelled) for b in found.barge_in] == [
        ("ours", "development"), ("slow", "development"), ("ours", "held_out"), ("slow", "held_out"),
    ]  # fmt: skip
    ours, slow = found.barge_in[2:]
    assert ours.listening is not None
    assert ours.listening.committed == 2 * sum(not one.interrupts for one in UNSEEN.interjections)
    assert slow.interruptions is not None
    assert slow.interruptions.missed == 2 * sum(one.interrupts for one in UNSEEN.interjections)


@pytest.mark.usefixtures("quick")
def test_without_options_it_is_both_sets_in_every_voice() -> None:
    assert given() == PauseOptions()
    assert given().settings.voices == tuple(VOICES)
    said = measured(PauseOptions(), "").results.notes[0]
    assert said.startswith(
        f"the first set: {len(FIRST.utterances)} utterances, {len(FIRST.interjections)} interjections;"
        f" the held-out set: {len(UNSEEN.utterances)} utterances, {len(UNSEEN.interjections)} interjections."
        " Each is said by 4"
    )


@pytest.mark.usefixtures("quick")
def test_a_file_stands_for_both_sets_and_says_whose_labels_it_has(tmp_path: Path) -> None:
    def sets(*arguments: str) -> list[str]:
        found = measured(given(*arguments), "").results
        return list(dict.fromkeys(p.labelled for p in (*found.pauses, *found.barge_in)))

    shutil.copy(HELD_OUT, tmp_path / "copy.yaml")
    (tmp_path / "link.yaml").symlink_to(HELD_OUT)
    assert sets("--file", str(tmp_path / "copy.yaml")) == ["file"]
    assert sets("--file", str(tmp_path / "link.yaml")) == sets("--file", str(HELD_OUT)) == ["held_out"]
    alone = tmp_path / "alone.yaml"
    alone.write_text("format: 1\nlanguage: en-US\ninterjections: [{id: stop, kind: command, text: stop}]\n")
    found = measured(given("--file", str(alone), "--voices", "slt"), "").results
    assert not found.pauses
    assert [b.policy for b in found.barge_in] == ["ours", "slow"]
    assert found.notes[0].startswith("a set of its own: 0 utterances, 1 interjections.")


def names(lines: Sequence[str], said: Labelled) -> set[str]:
    """Which of a set's turns and interjections are named."""
    text = "\n".join(lines)
    return {one.id for one in (*said.utterances, *said.interjections) if f", {one.id} (" in text}


@pytest.mark.usefixtures("quick")
def test_what_was_cut_is_shown_of_the_first_set_and_never_of_the_held_out_one() -> None:
    lines = measured(given("--show-cut", "--voices", "slt"), "").cut
    wrong = {one.id for one in FIRST.utterances if any(piece.open for piece in one.pieces)}
    wrong |= {one.id for one in FIRST.interjections if not one.interrupts}
    assert names(lines, FIRST) == wrong
    only_there = {one.id for one in (*UNSEEN.utterances, *UNSEEN.interjections)} - wrong
    assert not names(lines, UNSEEN) & only_there
    said = "\n".join(lines)
    first = {piece.text for one in FIRST.utterances for piece in one.pieces}  # "um" is everybody's
    unseen = {piece.text for one in UNSEEN.utterances for piece in one.pieces if piece.open} - first
    assert not [text for text in unseen if f"'{text} …'" in said]
    assert "not shown: rules must not be tuned to it" in lines[-1]
    assert measured(given("--voices", "slt"), "").cut == ()


@pytest.mark.usefixtures("quick")
def test_the_held_out_set_is_shown_to_whom_names_it() -> None:
    lines = measured(given("--show-cut", "--voices", "slt", "--file", str(HELD_OUT)), "").cut
    assert {one.id for one in UNSEEN.utterances if any(p.open for p in one.pieces)} <= names(lines, UNSEEN)


@pytest.mark.usefixtures("quick")
def test_what_was_cut_is_printed_and_not_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--voices", "slt", "--show-cut", "--out", str(tmp_path)]) == 0
    assert " cut 200 ms into a pause of 700 ms: made up" in capsys.readouterr().out
    assert "made up" not in (tmp_path / "results.json").read_text(encoding="utf-8")


@pytest.mark.usefixtures("interrupted")
def test_an_interruption_keeps_what_was_done(tmp_path: Path) -> None:
    assert command.main(["--voices", "slt", "--out", str(tmp_path)]) == 1
    kept = read_results(tmp_path)
    assert kept.interrupted
    assert [policy.overall.ends for policy in kept.pauses] == [1, 1, 1, 1]
    assert kept.notes[0].startswith(
        f"the first set: 1 of {len(FIRST.utterances)} utterances,"
        f" 0 of {len(FIRST.interjections)} interjections (interrupted);"
    )


def test_an_interruption_before_anything_was_done_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def each(*_: object, **__: object) -> Iterator[tuple[int, Judged]]:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(pause_results, "measure_each", each)
    found: Results = measured(PauseOptions(), "").results
    assert found.interrupted
    assert found.pauses == found.barge_in == found.notes == ()


@pytest.mark.usefixtures("quick")
def test_the_command_prints_and_keeps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--voices", "slt", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "| ours " in printed
    assert "Turn policies on labelled pauses, held-out set, to which no rule is tuned" in printed
    assert "Backchannels and sounds, first set, by which rules are written" in printed
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
    def each(*_: object, **__: object) -> Iterator[tuple[int, Judged]]:
        raise AssertionError("that should have been refused before")

    monkeypatch.setattr(pause_results, "measure_each", each)
    file = tmp_path / "file"
    file.touch()
    assert command.main(["--out", str(file)]) == 2
    assert f"{file} is a file" in capsys.readouterr().err


def test_nothing_measured_overwrites_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def each(*_: object, **__: object) -> Iterator[tuple[int, Judged]]:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(pause_results, "measure_each", each)
    assert command.main(["--out", str(tmp_path)]) == 1
    assert list(tmp_path.iterdir()) == []
