"""One command of the load tests: its notes, its exit codes, and what is left when it is stopped."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
from loadtests.progress import Display, Quiet
from loadtests.results import Calibration, Comparison, Run, read_results
from loadtests.run import Bench, Offer, WarmUp
from loadtests.scenario import load_scenario
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
    results = read_results(tmp_path)
    assert (results.interrupted, results.calibrations) == (True, ())


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


class Here:
    """A session whose server is up; its runs are made up, and what they were asked for is kept."""

    def __init__(self, options: Options) -> None:
        scenario = load_scenario("short")
        self.options, self.scenario, self.display = options, scenario, Said()
        self.base = Offer("twilio", 1, scenario, "short", (), seed=1)
        self.bench = Bench(Cores(), made_up.environment(), display=self.display)
        self.asked: list[tuple[Offer, dict[str, object]]] = []
        call = MeantCall(10.0, (2.0, 5.0))
        self.systems = {
            name: Up(Elsewhere(), WarmUp(None, None, call), made_up.turn(0, 1, 900.0), 210.0)  # type: ignore[arg-type]
            for name in ("ours", "equal_silence")
        }

    async def up(self, name: str) -> Up:
        return self.systems[name]

    async def run_once(self, system: object, offer: Offer, bench: Bench, **more: object) -> Run:
        self.asked.append((offer, more))
        mine = next(name for name, up in self.systems.items() if up.system is system)
        return made_up.run(mine, concurrency=offer.concurrency, calls=4, block=more["block"])  # type: ignore[arg-type]


async def done(monkeypatch: pytest.MonkeyPatch, line: str) -> tuple[Here, Findings]:
    """Do one command on a made-up session."""
    options = parse(line.split())
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
    assert "one call a line: the load never stands" in here.display.lines[0]
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
