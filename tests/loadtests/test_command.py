"""One command of the load tests: its notes, its exit codes, and what is left when it is stopped."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from controls.errors import OperatorError
from loadtests import command as under_test
from loadtests.command import (
    GIVEN_UP,
    INVALID,
    UNMADE,
    VALID,
    Findings,
    carry_out,
    exit_code,
    few_turns,
    why_no_calibration,
)
from loadtests.cores import Cores
from loadtests.levels import POISSON
from loadtests.options import Options, parse
from loadtests.pauses import results as pause_results
from loadtests.progress import Display, Quiet
from loadtests.results import Calibration, Comparison, Results, Run, read_results, write_results
from loadtests.run import Bench, Offer, WarmUp
from loadtests.scenario import SCENARIOS, load_scenario
from loadtests.schedule import MeantCall
from loadtests.session import Up
from tests.loadtests import made_up

RUN = Options("run")


def test_levels_too_short_for_a_p95_are_named_in_one_note():
    short = [made_up.run(concurrency=n, calls=2) for n in (1, 2)]
    enough = made_up.run(concurrency=8, calls=50)
    remedy = "--turns 200 gives one"
    assert few_turns([*short, enough], remedy) == (
        "levels of 1, 2 calls have fewer than 200 turns: no p95; --turns 200 gives one",
    )
    assert few_turns([short[1], short[1], enough]) == (
        "the level of 2 calls has fewer than 200 turns: no p95",
    )
    assert few_turns(short[:1])[0].startswith("the level of 1 call has")
    assert few_turns([enough]) == few_turns([]) == ()


def test_turns_at_the_edges_give_no_p95():
    run = made_up.run(calls=50)
    edges = [turn.model_copy(update={"edge": True}) for turn in run.turns[:100]]
    assert few_turns([run.model_copy(update={"turns": (*edges, *run.turns[100:])})])


def test_blocks_of_a_comparison_are_put_together_before_anybody_counts_their_turns():
    findings = Findings(runs=[made_up.run(calls=2)], told=["told"])
    assert len(findings.notes) == 2
    findings.comparison = Comparison(valid=True)
    assert findings.notes == ("told",)


def calibrated(n: int, unanswered: int) -> Calibration:
    return Calibration(
        delay_ms=300, bias_ms=40, error_p50_ms=1, error_p95_ms=2, error_max_ms=3, n=n, unanswered=unanswered
    )


def test_a_calibration_with_trials_that_were_never_answered_does_not_count():
    options = Options("calibrate")
    good = made_up.results(calibrations=(calibrated(198, 2),))
    bad = made_up.results(calibrations=(calibrated(197, 3),))
    assert (exit_code(good, options), exit_code(bad, options)) == (VALID, INVALID)
    assert why_no_calibration(good.calibrations) == ()
    assert "3 of 200 trials" in why_no_calibration(bad.calibrations)[0]


@pytest.mark.parametrize("command", ["run", "compare", "report", "calibrate", "pauses"])
def test_what_was_interrupted_exits_with_one_whatever_it_was(command: str):
    options = Options(command)  # type: ignore[arg-type]
    done = made_up.results([made_up.run()], pauses=made_up.pauses())
    assert exit_code(done, options) == VALID
    assert exit_code(done.model_copy(update={"interrupted": True}), options) == INVALID


def test_a_missed_target_is_a_finding_and_an_exit_code_only_where_it_is_asked_for():
    slow = made_up.results([made_up.run(calls=60, slower=9.0)])
    assert exit_code(slow, RUN) == VALID
    assert exit_code(slow, Options("run", strict=True)) == INVALID


def acting(monkeypatch: pytest.MonkeyPatch, signals: int) -> None:
    """Have ``run`` make one run, and be told to stop so many times before the next."""

    async def run(options: Options, findings: Findings, stop: asyncio.Event, shown: Display) -> None:
        findings.keep(made_up.run())
        for _ in range(signals):
            os.kill(os.getpid(), signal.SIGINT)
            await stop.wait()
            await asyncio.sleep(0)  # the loop takes its signals
        if signals > 1:
            await asyncio.Event().wait()

    monkeypatch.setitem(under_test.COMMANDS, "run", run)


@pytest.mark.parametrize(("signals", "code"), [(0, VALID), (1, INVALID), (2, GIVEN_UP)])
def test_the_first_ctrl_c_writes_the_report_and_the_second_gives_up(
    signals: int,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    acting(monkeypatch, signals)
    assert carry_out(Options("run", out=(tmp_path,)), "made up") == code
    results = read_results(tmp_path)
    assert (len(results.runs), results.interrupted) == (1, signals > 0)
    assert (tmp_path / "report.html").is_file()
    assert ("given up" in capsys.readouterr().err) is (signals > 1)


def test_what_cannot_be_made_says_so_and_keeps_what_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    async def run(options: Options, findings: Findings, stop: asyncio.Event, shown: Display) -> None:
        findings.keep(made_up.run())
        raise OperatorError("made up")

    monkeypatch.setitem(under_test.COMMANDS, "run", run)
    assert carry_out(Options("run", out=(tmp_path,)), "made up") == UNMADE
    assert "loadtests: made up" in capsys.readouterr().err
    assert read_results(tmp_path).interrupted


def test_where_a_calibration_took_place_is_kept_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async def calibrate(n: int, **more: object) -> Calibration:
        return calibrated(n, 0)

    monkeypatch.setattr("loadtests.calibrate.calibrate", calibrate)
    assert carry_out(Options("calibrate", out=(tmp_path,)), "made up") == VALID
    results = read_results(tmp_path)
    assert results.calibrations[0].n == 200
    assert results.environment is not None
    assert results.environment.cpu


def test_a_calibration_that_is_interrupted_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async def calibrate(n: int, **more: object) -> Calibration:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr("loadtests.calibrate.calibrate", calibrate)
    assert carry_out(Options("calibrate", out=(tmp_path,)), "made up") == INVALID
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_before_anything_was_measured_leaves_older_results_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    async def run(options: Options, findings: Findings, stop: asyncio.Event, shown: Display) -> None:
        findings.calibrations = (calibrated(200, 0),)  # before the first run, as --calibrate has it
        os.kill(os.getpid(), signal.SIGINT)
        await stop.wait()

    older = write_results(made_up.results([made_up.run()]), tmp_path)
    before = older.read_bytes()
    monkeypatch.setitem(under_test.COMMANDS, "run", run)
    assert carry_out(Options("run", out=(tmp_path,)), "made up") == INVALID
    assert older.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [older.name]
    assert f"nothing was measured, {tmp_path} is as it was" in capsys.readouterr().err


def never(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nothing be measured."""

    async def run(*_: object) -> None:
        raise AssertionError("that should have been refused before")

    monkeypatch.setitem(under_test.COMMANDS, "run", run)


def test_a_folder_that_is_a_file_is_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    never(monkeypatch)
    file = tmp_path / "results"
    file.touch()
    assert carry_out(Options("run", out=(file,)), "made up") == UNMADE
    assert f"{file} is a file" in capsys.readouterr().err


def test_a_typed_scenario_is_refused_by_telephone_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    never(monkeypatch)
    shipped = (SCENARIOS / "short.yaml").read_text(encoding="utf-8")
    typed = tmp_path / "typed.yaml"
    typed.write_text(re.sub(r"(?m)^  - say:", "  - type:", shipped, count=1), encoding="utf-8")
    folder = tmp_path / "out"
    assert carry_out(Options("run", scenario=str(typed), out=(folder,)), "made up") == UNMADE
    said = capsys.readouterr().err
    assert "typed.yaml:" in said
    assert "--transport webrtc" in said
    assert not folder.exists()


def test_what_was_measured_is_printed_though_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def full(results: Results, folder: Path) -> Path:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / "results.json"))

    acting(monkeypatch, 0)
    monkeypatch.setattr(under_test, "write_results", full)
    assert carry_out(Options("run", out=(tmp_path,)), "made up") == UNMADE
    printed = capsys.readouterr()
    assert "first audio p50/p95/max" in printed.out
    assert "results.json: No space left on device" in printed.err


@pytest.mark.parametrize(
    ("part", "code"), [("none", 0), ("run", 0), ("report", 0), ("all", 0), ("broken", 2)]
)
def test_make_loadtest_makes_its_report_whatever_did_not_count(
    part: str, code: int, tmp_path: Path, needs_system: Callable[..., None]
):
    """A Python that does nothing stands in for the one that measures."""
    needs_system("make")
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python"
    python.write_text(
        f'#!/bin/sh\necho "$3" >> {tmp_path}/asked\n'
        f'case "{part}" in "$3"|all) exit 1;; broken) exit 2;; *) exit 0;; esac\n'
    )
    python.chmod(0o755)
    (tmp_path / ".installed").touch()  # newer than the lock: nothing is installed
    root = Path(__file__).parents[2]
    made = subprocess.run(
        ["make", "loadtest", f"VENV={tmp_path}"],
        cwd=root, env={**os.environ, "MAKEFLAGS": ""}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == code, made.stderr
    asked = (tmp_path / "asked").read_text().split()
    assert asked == (["run"] if part == "broken" else ["run", "compare", "pauses", "report"])


class Said(Quiet):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


class Elsewhere:
    """A system that is up, somewhere."""

    pid = None

    async def loop_lag_p99_ms(self) -> float | None:
        return None


SYSTEMS = ("ours", "equal_silence")


class Here:
    """A session whose server is up; its runs are made up, and what they were asked for is kept."""

    longest: dict[str, MeantCall] = {}

    def __init__(self, options: Options) -> None:
        scenario = load_scenario("short")
        self.options, self.scenario, self.display = options, scenario, Said()
        self.base = Offer("twilio", 1, scenario, "short", (), seed=1)
        self.bench = Bench(Cores(), made_up.environment(), display=self.display)
        self.asked: list[tuple[Offer, dict[str, object]]] = []
        warm = {n: WarmUp(None, None, self.longest.get(n, MeantCall(10.0, (2.0, 5.0)))) for n in SYSTEMS}
        self.systems = {
            name: Up(Elsewhere(), warm[name], made_up.turn(0, 1, 900.0), 210.0)  # type: ignore[arg-type]
            for name in SYSTEMS
        }

    async def up(self, name: str) -> Up:
        return self.systems[name]

    async def run_once(self, system: object, offer: Offer, bench: Bench, **more: object) -> Run:
        self.asked.append((offer, more))
        mine = next(name for name, up in self.systems.items() if up.system is system)
        return made_up.run(mine, concurrency=offer.concurrency, calls=4, block=more["block"])  # type: ignore[arg-type]


async def done(monkeypatch: pytest.MonkeyPatch, line: str, **changed: object) -> tuple[Here, Findings]:
    """Do one command on a made-up session."""
    options = replace(parse(line.split()), **changed)  # type: ignore[arg-type]
    here, findings = Here(options), Findings()

    @asynccontextmanager
    async def session(*_: object) -> AsyncIterator[Here]:
        yield here

    monkeypatch.setattr(under_test, "session", session)
    monkeypatch.setattr(under_test, "run_once", here.run_once)
    await under_test.COMMANDS[options.command](options, findings, asyncio.Event(), here.display)
    return here, findings


@pytest.mark.anyio
async def test_a_level_says_before_it_begins_how_many_steady_turns_it_will_have(
    monkeypatch: pytest.MonkeyPatch,
):
    here, findings = await done(monkeypatch, "run --calls 1 4 --seconds 20")
    assert [offer.concurrency for offer, _ in here.asked] == [1, 4]
    assert here.display.lines[0] == (
        "1 at once: about 4 turns while the load stands, fewer than 200 turns: no p95; --turns 200 gives one"
    )
    assert findings.notes == (
        "levels of 1, 4 calls have fewer than 200 turns: no p95; --turns 200 gives one",
    )
    here, _ = await done(monkeypatch, "run --calls 4 --seconds 1")
    assert len(here.asked[0][0].starts) == 8  # two calls a line, or the load would never stand
    here, _ = await done(monkeypatch, "run --calls 4 --turns 200")
    assert "fewer" not in here.display.lines[0]


@pytest.mark.anyio
async def test_idle_memory_goes_to_every_run_and_the_cold_turn_to_the_first_only(
    monkeypatch: pytest.MonkeyPatch,
):
    here, _ = await done(monkeypatch, "run --calls 1 2")
    assert [more["idle_mb"] for _, more in here.asked] == [210.0, 210.0]
    assert [more["cold"] is not None for _, more in here.asked] == [True, False]


@pytest.mark.anyio
async def test_poisson_arrivals_are_asked_for_and_told_apart(monkeypatch: pytest.MonkeyPatch):
    here, _ = await done(monkeypatch, "run --calls 2 --turns 20 --arrivals poisson")
    [(offer, _)] = here.asked
    assert (offer.arrivals, offer.variant, offer.concurrency) == ("poisson", POISSON, 2)


@pytest.mark.anyio
async def test_a_soak_and_a_ramp_leave_their_sentence(monkeypatch: pytest.MonkeyPatch):
    here, findings = await done(monkeypatch, "run --calls 2 --soak 60")
    assert here.asked[0][0].arrivals == "poisson"
    assert findings.notes[0].startswith("soak: memory unknown")
    assert findings.notes[1].endswith("a longer soak gives one")
    here, findings = await done(monkeypatch, "run --ramp --most 4")
    assert [offer.concurrency for offer, _ in here.asked] == [1, 2, 4]
    assert findings.notes[0] == "no knee up to 4 calls at once"


@pytest.mark.anyio
async def test_a_comparison_repeats_its_rounds(monkeypatch: pytest.MonkeyPatch):
    here, findings = await done(monkeypatch, "compare --baselines equal_silence --rounds 3 --calls 2")
    assert [run.system for run in findings.runs] == 3 * ["ours", "equal_silence", "equal_silence", "ours"]
    assert [more["block"] for _, more in here.asked] == list(range(12))
    assert findings.comparison is not None
    assert len(findings.comparison.blocks) == 12
    assert len({offer.starts for offer, _ in here.asked}) == 1


@pytest.mark.anyio
async def test_a_comparison_spaces_calls_by_the_longest_first_call_and_says_how_many_turns_come_of_it(
    monkeypatch: pytest.MonkeyPatch,
):
    line = "compare --baselines equal_silence --calls 2 --seconds 20"
    plain, _ = await done(monkeypatch, line)
    slow = MeantCall(25.0, (2.0, 5.0))
    monkeypatch.setattr(Here, "longest", {"equal_silence": slow})
    here, _ = await done(monkeypatch, line)
    by_line = [start.at_s for start in here.asked[0][0].starts if start.line == 0]
    assert by_line[1] - by_line[0] >= slow.length_s
    assert len({offer.starts for offer, _ in here.asked}) == 1
    [said] = [text for text in plain.display.lines if "turns" in text]
    assert "in each of 4 blocks a side, fewer than 200 turns: no p95; --turns 200 gives one" in said


@pytest.mark.anyio
async def test_a_ramp_is_judged_with_the_telephone_networks_allowance(monkeypatch: pytest.MonkeyPatch):
    _, plain = await done(monkeypatch, "run --ramp --most 2 --network-allowance-ms 0")
    assert plain.notes[0] == "no knee up to 2 calls at once"
    _, allowed = await done(monkeypatch, "run --ramp --most 2 --network-allowance-ms 900")
    assert "900 ms of network" in allowed.notes[0]
    _, browser = await done(monkeypatch, "run --ramp --most 2 --transport webrtc", network_allowance_ms=900.0)
    assert browser.notes[0] == "no knee up to 2 calls at once"


def test_what_was_cut_is_printed_and_not_kept_and_speech_over_the_agent_alone_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    made = made_up.results(barge_in=(made_up.barge_in(),))
    monkeypatch.setattr(pause_results, "measured", lambda *_: pause_results.Scored(made, ("", "made-up cut")))
    assert carry_out(Options("pauses", out=(tmp_path / "a",)), "made up") == VALID
    assert "made-up cut" in capsys.readouterr().out
    assert read_results(tmp_path / "a").barge_in == made.barge_in
    assert "made-up cut" not in (tmp_path / "a" / "results.json").read_text(encoding="utf-8")
