"""The command line: what is said becomes options, what cannot be is refused with a word why."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import get_args

import pytest

from controls.errors import OperatorError
from loadtests import calibrate
from loadtests.options import OUT, Command, parse


def test_the_shortest_command_has_sound_defaults():
    options = parse(["run"])
    assert (options.profile, options.transport, options.calls, options.system) == (
        "mock",
        "twilio",
        (1,),
        "ours",
    )
    assert options.folder == OUT / "run"
    assert options.level_s == 20
    assert parse(["compare"]).level_s == 20
    assert parse(["compare"]).baselines == ("defaults", "equal_silence", "controls_off")


def test_everything_can_be_said():
    line = (
        "run --profile remote --url https://agent.example --to +12025550142 --from +12025550143 "
        "--auth-token-env TOKEN --webhook /voice --calls 1 2 4 --turns 200 --scenario booking --seed 9 "
        "--loss 1 --delay 20 --jitter 30 --network-allowance-ms 120 --out a --strict --no-wait-first"
    )
    options = parse(line.split())
    assert options.calls == (1, 2, 4)
    assert (options.to, options.from_, options.webhook) == ("+12025550142", "+12025550143", "/voice")
    assert (options.loss, options.delay, options.jitter, options.network_allowance_ms) == (1, 20, 30, 120)
    assert options.folder == Path("a")
    assert options.strict
    assert not options.wait_first


def test_a_report_of_several_folders():
    options = parse(["report", "--out", "a", "--out", "b", "--into", "c"])
    assert options.out == (Path("a"), Path("b"))
    assert options.folder == Path("c")


@pytest.mark.parametrize(
    "line",
    [
        "run --profile remote",
        "run --url http://127.0.0.1:1",
        "compare --profile remote --url http://127.0.0.1:1",
        "run --soak 60 --ramp",
        "run --soak 60 --calls 1 2",
        "run --soak 60 --turns 200",
    ],
)
def test_what_does_not_go_together_is_refused(line: str):
    with pytest.raises((OperatorError, SystemExit)):
        parse(line.split())


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("run --ramp --calls 4", "leave --calls away; --most N"),
        ("run --profile remote --url http://127.0.0.1:1 --system defaults", "leave --system away"),
        ("run --out a --out b", "give --out once"),
        ("compare --out a --out b", "give --out once"),
        ("calibrate --out a --out b", "give --out once"),
        ("pauses --out a --out b", "give --out once"),
        ("report --out a --out b", "--into"),
        ("report --out a --out b --out a --into c", "--out a would count the same runs twice"),
        ("report --out a --out x/../a --into c", "--out a would count the same runs twice"),
        ("report --out a/results.json --out a --into c", "would count the same runs twice"),
        ("report --out a --out b --into ./b", "--into b would overwrite .* name another folder"),
        ("run --turns 200 --seconds 20", "leave one of them away"),
        ("compare --turns 200 --seconds 20", "leave one of them away"),
        ("run --soak 60 --seconds 20", "leave --seconds away"),
        ("run --soak 60 --arrivals lines", "leave --arrivals away"),
    ],
)
def test_a_refusal_says_what_to_do_instead(line: str, remedy: str):
    with pytest.raises(OperatorError, match=remedy):
        parse(line.split())


_REMOTE = "run --profile remote --url http://127.0.0.1:1"
_STREAM = "run --profile remote --stream-url ws://127.0.0.1:1"


@pytest.mark.parametrize(
    ("line", "said", "of"),
    [
        ("run", "--device cuda", "--profile gpu"),
        ("run --profile cpu-whisper", "--engines-shape toy", "--profile gpu"),
        ("compare --profile gpu", "--whisper-shape base", "--profile cpu-whisper"),
        ("run", "--most 8", "--ramp"),
        ("run --system defaults", "--headroom", "a server of ours"),
        (_REMOTE, "--headroom", "a server of ours"),
        ("run", "--url http://127.0.0.1:1", "--profile remote"),
        ("run", "--stream-url ws://127.0.0.1:1", "--profile remote"),
        ("run", "--to +12025550142", "--profile remote"),
        ("run", "--from +12025550143", "--profile remote"),
        ("run", "--auth-token-env TOKEN", "--profile remote"),
        ("run", "--webhook /voice", "--profile remote"),
        ("run --transport webrtc", "--agent dental", "--profile remote"),
        ("run --transport webrtc", "--dialect sayso", "--profile remote"),
        (_REMOTE, "--agent dental", "--transport webrtc"),
        (_REMOTE, "--dialect pipecat", "--transport webrtc"),
        (f"{_REMOTE} --transport webrtc", "--to +12025550142", "--transport twilio"),
        (f"{_REMOTE} --transport webrtc", "--stream-url ws://127.0.0.1:1", "--transport twilio"),
        ("run --transport webrtc", "--network-allowance-ms 100", "--transport twilio"),
        (_STREAM, "--webhook /voice", "calls that begin with a webhook"),
        (_STREAM, "--auth-token-env TOKEN", "calls that begin with a webhook"),
    ],
)
def test_what_would_change_nothing_is_refused_and_says_what_it_is_of(line: str, said: str, of: str):
    parse(line.split())  # without it there is nothing wrong
    name = said.split()[0]
    with pytest.raises(OperatorError, match=f"^{name} is of {of}: leave it away"):
        parse([*line.split(), *said.split()])


def test_what_belongs_where_it_stands_is_taken():
    assert parse(["run", "--ramp", "--most", "8"]).most == 8
    assert parse(["run", "--headroom"]).headroom
    assert parse(["run", "--soak", "60", "--arrivals", "poisson"]).soak == 60
    assert parse(["run", "--profile", "gpu", "--engines-shape", "full", "--device", "cuda"]).device == "cuda"
    assert parse(["report", "--out", "a", "--into", "b"]).folder == Path("b")
    line = f"{_REMOTE} --transport webrtc --agent dental --dialect pipecat"
    assert parse(line.split()).agent == "dental"


def test_every_option_of_every_command_stands_in_the_docs(capsys: pytest.CaptureFixture[str]):
    page = (Path(__file__).parents[2] / "docs" / "load-tests.md").read_text(encoding="utf-8")
    for command in get_args(Command):
        with pytest.raises(SystemExit):
            parse([command, "--help"])
        usage = capsys.readouterr().out.partition("\n\n")[0]
        options = set(re.findall(r"--[a-z][a-z-]+", usage))
        assert "--out" in options
        assert sorted(option for option in options if not re.search(rf"{option}(?![a-z-])", page)) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("run --calls x", "error: --calls takes whole numbers of 1 or more, not 'x'"),
        ("run --calls 1 2.5", "error: --calls takes whole numbers of 1 or more, not '2.5'"),
        ("run --turns 0", "error: --turns takes whole numbers of 1 or more, not '0'"),
        ("compare --rounds -1", "error: --rounds takes whole numbers of 1 or more, not '-1'"),
        ("run --calls 99999999999999999999", "error: --calls takes whole numbers"),
        ("run --seconds soon", "error: --seconds takes seconds above 0, a week at most, not 'soon'"),
        ("run --soak nan", "error: --soak takes seconds above 0"),
        ("run --delay -1", "error: --delay takes milliseconds from 0 to 60000, not '-1'"),
        ("run --loss 101", "error: --loss takes percent from 0 to 100, not '101'"),
    ],
)
def test_a_number_that_is_none_is_named_with_what_its_option_takes(
    line: str, said: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as ended:
        parse(line.split())
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_ramp_needs_no_calls_and_a_level_is_of_one_unless_told_otherwise():
    assert parse(["run", "--ramp", "--most", "8"]).calls == (1,)
    assert parse(["run"]).calls == (1,)


def test_calls_arrive_by_lines_unless_by_chance_and_a_comparison_has_two_rounds():
    assert parse(["run"]).arrivals == "lines"
    assert parse(["run", "--arrivals", "poisson"]).arrivals == "poisson"
    assert parse(["compare"]).rounds == 2
    assert parse(["compare", "--rounds", "5"]).rounds == 5


def test_a_calibration_may_be_of_many_callers():
    default = parse(["calibrate"])
    assert (default.trials, default.callers, default.seed) == (200, 0, 0)  # 0: as many as it takes by itself
    options = parse(["calibrate", "--calls", "32", "--transport", "webrtc", "--trials", "50", "--seed", "7"])
    assert (options.callers, options.calls, options.trials, options.seed) == (32, (1,), 50, 7)


def test_both_ways_to_calibrate_take_the_same_options(capsys: pytest.CaptureFixture[str]):
    """Only where the figures go is each one's own."""
    found = []
    for command, line, own in ((calibrate.main, [], "--json"), (parse, ["calibrate"], "--out")):
        with pytest.raises(SystemExit):
            command([*line, "--help"])
        usage = capsys.readouterr().out.partition("\n\n")[0]
        found.append(set(re.findall(r"--[a-z][a-z-]+", usage)) - {own})
    assert found[0] == found[1] == {"--trials", "--transport", "--calls", "--seed"}


def test_labelled_pauses_take_the_options_of_their_own_command():
    options = parse(["pauses", "--voices", "slt", "rms", "--processes", "2", "--out", "a"])
    assert options.pauses.settings.voices == ("slt", "rms")
    assert options.pauses.processes == 2
    assert not options.pauses.show_cut
    assert parse(["pauses", "--show-cut"]).pauses.show_cut
    assert options.folder == Path("a")


_WRONG = ["", "run --calls 0", "run --loss 101", "run --seconds -1", "report", "walk"]


@pytest.mark.parametrize("line", _WRONG)
def test_usage_errors_exit_with_two(line: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        parse(line.split())
    assert ended.value.code == 2
    assert "usage: python -m loadtests" in capsys.readouterr().err


@pytest.mark.parametrize("command", get_args(Command))
def test_the_examples_of_a_command_are_its_own_and_can_be_said(
    command: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit):
        parse([command, "--help"])
    shown = capsys.readouterr().out.replace("\\\n", " ")
    said = re.findall(r"^  python -m loadtests (.*)$", shown, re.MULTILINE)
    assert len(said) >= 2
    for example in said:
        assert parse(shlex.split(example)).command == command


def test_help_has_examples(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        parse(["run", "--help"])
    assert ended.value.code == 0
    assert "python -m loadtests run --profile mock --calls 5" in capsys.readouterr().out


def test_a_token_comes_from_the_environment_and_only_from_there(monkeypatch: pytest.MonkeyPatch):
    line = "run --profile remote --url http://127.0.0.1:1 --auth-token-env SAYSO_TEST_TOKEN"
    options = parse(line.split())
    monkeypatch.delenv("SAYSO_TEST_TOKEN", raising=False)
    with pytest.raises(OperatorError, match="SAYSO_TEST_TOKEN"):
        _ = options.auth_token
    monkeypatch.setenv("SAYSO_TEST_TOKEN", "made up")
    assert options.auth_token == "made up"
    assert parse(["run"]).auth_token == ""


@pytest.mark.parametrize(
    "words",
    [
        ["compare", "--profile", "cpu-offline"],
        ["run", "--profile", "remote", "--stream-url", "ws://127.0.0.1:9/ws", "--loss", "1"],
    ],
)
def test_what_could_not_be_done_was_found_out_only_later(words: list[str]):
    with pytest.raises(OperatorError):
        parse(words)
