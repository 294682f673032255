"""The command line: what is said becomes options, what cannot be is refused with a word why."""

from __future__ import annotations

from pathlib import Path

import pytest

from controls.errors import OperatorError
from loadtests.options import OUT, parse


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
    ],
)
def test_a_refusal_says_what_to_do_instead(line: str, remedy: str):
    with pytest.raises(OperatorError, match=remedy):
        parse(line.split())


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
    assert parse(["calibrate"]).callers == 0  # as many as it takes by itself
    options = parse(["calibrate", "--calls", "32", "--transport", "webrtc"])
    assert (options.callers, options.calls) == (32, (1,))


def test_labelled_pauses_take_the_options_of_their_own_command():
    options = parse(["pauses", "--voices", "slt", "rms", "--processes", "2", "--out", "a"])
    assert options.pauses.settings.voices == ("slt", "rms")
    assert options.pauses.processes == 2
    assert options.folder == Path("a")


_WRONG = ["", "run --calls 0", "run --loss 101", "run --seconds -1", "report", "walk"]


@pytest.mark.parametrize("line", _WRONG)
def test_usage_errors_exit_with_two(line: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        parse(line.split())
    assert ended.value.code == 2
    assert "usage: python -m loadtests" in capsys.readouterr().err


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
