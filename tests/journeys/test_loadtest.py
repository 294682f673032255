"""The load tests' own command, whole: validity and completeness, never speed, on whatever machine this is."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.echo_agent.agent import echo_agent
from loadtests.results import Results, Run, Turn, read_results
from loadtests.systems import TwilioDoor
from tests.simulators import bad_servers

ROOT = Path(__file__).resolve().parents[2]
QUICK = str(Path(__file__).parent / "loadtest_quick.yaml")
#: With the first of these seeds both of two lines begin at once, with the other half a call apart.
SEED, APART = "1427", "24"
COMMAND = (sys.executable, "-m", "loadtests")
#: Servers start on a busy machine; the figures that would suffer are not looked at.
PATIENCE_S = 280
#: What a busy machine does to a run, which does not count then. Any other reason is a fault of ours.
BUSY = re.compile(r"^the generator used \d+ % of a core|late .*at p99|of the CPU was stolen")

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]


def loadtest(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, check=False, cwd=ROOT, timeout=PATIENCE_S
    )


def kept(folder: Path) -> Results:
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<html" in page
    return read_results(folder)


def only(folder: Path, done: subprocess.CompletedProcess[str]) -> Run:
    """The one run that was made; it counts, or the machine was busy, and the exit code says which."""
    [run] = kept(folder).runs
    assert [why for why in run.invalid_because if not BUSY.search(why)] == []
    assert done.returncode == int(not run.valid), done.stderr
    return run


def counted(run: Run) -> list[Turn]:
    """The turns of the run's completed calls, once every call is accounted for under one outcome.

    How many of the calls a busy machine lets come to their end is not looked at, only that some do.
    """
    outcomes = [call.outcome for call in run.calls]
    assert run.offered == len(outcomes)
    assert run.outcomes == {outcome: outcomes.count(outcome) for outcome in outcomes}
    assert run.completed == run.outcomes.get("completed", 0) > 0, run.outcomes
    completed = {call.n for call in run.calls if call.outcome == "completed"}
    turns = [turn for turn in run.turns if turn.call in completed]
    assert {turn.call for turn in turns} == completed
    return turns


def test_calls_on_mock_suppliers_are_answered_right_and_every_sound_is_on_record(tmp_path: Path):
    done = loadtest(
        "run", "--profile", "mock", "--calls", "2", "--turns", "2", "--seed", SEED,
        "--scenario", QUICK, "--out", str(tmp_path),
    )  # fmt: skip
    run = only(tmp_path, done)
    assert (run.system, run.profile, run.tier, run.concurrency) == ("ours", "mock", "mock", 2)
    assert run.offered == 4  # a line takes two calls at least: else its load never stands
    turns = counted(run)
    assert run.generator is not None
    assert run.generator.tick_late_max_ms > 0
    assert run.environment.commit
    assert run.resources.cpu_ms_per_call_s
    assert run.resources.processes

    for turn in turns:
        assert turn.answer_correct
        assert not turn.censored
        assert turn.asr_to_first_token_ms is not None
        assert turn.first_audio_out_ms is not None
        assert 0 < turn.asr_to_first_token_ms < turn.first_audio_out_ms
        assert turn.governance_ms is not None
    assert run.cold is not None
    asked = sum(not turn.edge for turn in run.turns)  # the cold call is not in it
    assert sum(not turn.edge for turn in turns) <= run.summary["first_audio_out_ms"].n <= asked
    for call in (call for call in run.calls if call.outcome == "completed"):
        assert call.completeness is not None
        assert call.completeness.whole, call.completeness
        assert call.completeness.heard >= 2
        assert call.disclosure_first_ms is not None

    assert "first token p50/p95/max" in done.stdout
    assert "with 150 ms of network" in done.stdout
    again = loadtest("report", "--out", str(tmp_path))
    assert again.returncode == done.returncode, again.stderr
    assert again.stdout == done.stdout


async def test_two_calls_a_line_have_a_time_in_which_the_load_stands(tmp_path: Path):
    async with echo_agent() as doors:
        door = doors.door("twilio")
        assert isinstance(door, TwilioDoor)
        done = await asyncio.to_thread(
            loadtest, "run", "--profile", "remote", "--stream-url", door.stream_url, "--no-wait-first",
            "--calls", "2", "--turns", "2", "--seed", APART, "--scenario", QUICK, "--out", str(tmp_path),
        )  # fmt: skip
    run = only(tmp_path, done)
    assert run.outcomes == {"completed": 4}, [call.error for call in run.calls]
    began_s = {call.n: call.intended_at_s for call in run.calls}
    assert run.achieved is not None
    # the load stands from the second line's first call on, till the first line's second one is over
    assert run.achieved.from_s == began_s[1]
    assert began_s[3] < run.achieved.to_s < run.seconds
    assert 1 < run.achieved.mean <= run.achieved.most <= 3
    assert {turn.call: turn.edge for turn in run.turns} == {0: True, 1: False, 2: False, 3: False}
    assert run.summary["first_audio_out_ms"].n == len(run.turns) - 1 == 3
    assert "3 turns while the load stands" in done.stderr


async def test_a_comparison_that_is_interrupted_keeps_the_blocks_it_made(tmp_path: Path):
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "compare", "--baselines", "equal_silence", "--seconds", "1", "--seed", SEED,
        "--scenario", QUICK, "--out", str(tmp_path),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        said = []
        async with asyncio.timeout(PATIENCE_S):
            async for line in process.stderr:
                said.append(line.decode())
                if "equal_silence twilio 1 at once: 1/1 calls over" in said[-1]:
                    process.send_signal(signal.SIGINT)
                    break
            _, rest = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 1, "".join(said) + rest.decode()
    results = kept(tmp_path)
    assert results.interrupted
    assert [run.system for run in results.runs[:2]] == ["ours", "equal_silence"]
    for run in results.runs[:2]:
        for turn in counted(run):
            assert turn.answer_correct
            assert turn.asr_to_first_token_ms is not None
    assert results.comparison is not None
    assert "equal_silence at 1: not one round of its blocks was made" in results.comparison.invalid_because


async def test_a_server_that_refuses_is_a_finding(tmp_path: Path):
    async with bad_servers.answering(lambda path: bad_servers.http(503, "no")) as address:
        done = await asyncio.to_thread(
            loadtest, "run", "--profile", "remote", "--url", address, "--calls", "2", "--seconds", "1",
            "--seed", SEED, "--scenario", QUICK, "--out", str(tmp_path),
        )  # fmt: skip
    run = only(tmp_path, done)
    assert run.outcomes == {"refused": run.offered}
    assert (run.offered, run.completed) == (4, 0)
    assert {call.outcome for call in run.calls} == {"refused"}
    assert [turn.call for turn in run.turns if turn.never_said] == [call.n for call in run.calls]
    assert len(run.turns) == 4


async def test_ctrl_c_hangs_up_and_writes_what_was_done(tmp_path: Path):
    impatient = tmp_path / "impatient.yaml"
    written = Path(QUICK).read_text(encoding="utf-8")
    impatient.write_text(written.replace("tuesday, quiet", "tuesday, timeout_s: 2, quiet"), encoding="utf-8")
    async with bad_servers.streaming(bad_servers.stay_silent) as address:
        process = await asyncio.create_subprocess_exec(
            *COMMAND, "run", "--profile", "remote", "--url", address, "--soak", "600", "--calls", "1",
            "--scenario", str(impatient), "--no-wait-first", "--out", str(tmp_path),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=ROOT,
        )  # fmt: skip
        assert process.stderr is not None
        said = []
        async with asyncio.timeout(PATIENCE_S):
            async for line in process.stderr:
                said.append(line.decode())
                if re.search(r"at once: \d+/\d+ calls over", said[-1]):
                    process.send_signal(signal.SIGINT)
                    break
            out, rest = await process.communicate()
    assert process.returncode == 1, "".join(said) + rest.decode()
    results = kept(tmp_path)
    assert results.interrupted
    [run] = results.runs
    assert run.offered == len(run.calls) > 0
    assert "stalled" in run.outcomes  # not a sound came
    assert set(run.outcomes) <= {"cut_short", "stalled"}
    assert b"Interrupted" in out


def test_what_cannot_be_made_says_so_and_exits_with_two(tmp_path: Path):
    done = loadtest("run", "--scenario", str(tmp_path / "none.yaml"), "--out", str(tmp_path))
    assert done.returncode == 2
    assert "none.yaml" in done.stderr
    assert not list(tmp_path.iterdir())
    broken = tmp_path / "broken.yaml"
    written = Path(QUICK).read_text(encoding="utf-8")
    broken.write_text(written.replace("hang_up", "hang_out"), encoding="utf-8")
    done = loadtest("run", "--scenario", str(broken), "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert "broken.yaml:9" in done.stderr
    assert json.dumps(done.stdout) == '""'


def test_results_that_could_not_be_written_are_not_measured(tmp_path: Path):
    file = tmp_path / "results"
    file.touch()
    done = loadtest("run", "--scenario", QUICK, "--out", str(file))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"loadtests: no results can be written ({file} is a file): name another folder with --out\n"
    )
