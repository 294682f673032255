"""Generator processes over real sockets: every failure of a server is a row, and they end when told."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest

from controls.errors import OperatorError
from loadtests.generator.job import Done, Finished, Job, Ready, read_line
from loadtests.generator.process import Conductor, Teller
from loadtests.generator.processes import Generated, broken, generate
from loadtests.generator.voices import voices_for
from loadtests.network.impairment import impaired
from loadtests.results import Generator, Network, Resources
from loadtests.scenario import load_scenario
from loadtests.schedule import Start
from loadtests.systems import TwilioDoor
from loadtests.validity import why_invalid
from tests.simulators import bad_servers
from voice_runtime.caller.playout import Onset
from voice_runtime.caller.results import CallResult, TurnResult
from voice_runtime.caller.script import Script

pytestmark = pytest.mark.anyio
GOOD = Generator(cpu_percent=9, tick_late_p99_ms=1, tick_late_max_ms=1)
KEYS = str(Path(__file__).parent / "keys_only.yaml")


def job(address: str, *starts_s: float, **more: object) -> Job:
    starts = tuple(Start(at_s, n, n) for n, at_s in enumerate(starts_s))
    plain: dict[str, object] = {
        "transport": "twilio", "twilio": TwilioDoor(address), "scenario": KEYS, "starts": starts,
        "connect_timeout_s": 5.0,
    }  # fmt: skip
    return Job.model_validate({**plain, **more})


async def made(*jobs: Job, stop: asyncio.Event | None = None, **more: object) -> Generated:
    return await generate(jobs, stop=stop or asyncio.Event(), **more)  # type: ignore[arg-type]


async def test_calls_that_go_well_are_told_in_order_and_the_generator_tells_of_itself():
    seen: list[Finished] = []
    async with bad_servers.streaming(bad_servers.answer) as address:
        found = await made(job(address, 0.0, 0.1, 0.2), on_call=seen.append)
    assert [call.start.n for call in found.calls] == [0, 1, 2]
    assert len(seen) == 3
    assert {call.outcome for call in found.calls} == {"completed"}
    assert found.failures == []
    for call in found.calls:
        assert call.result.turns[0].first_audio_out_ms is not None
        assert call.answered_ms is not None
        assert call.answered_ms >= call.started_late_ms
        assert call.ended_at_s > call.start.at_s
    [done] = found.done
    assert done.seconds > 0
    assert done.tick_late_max_ms >= done.tick_late_p99_ms - 0.1


async def test_whatever_a_server_does_is_a_row():
    async with (
        bad_servers.answering(lambda path: bad_servers.http(503, "no")) as refusing,
        bad_servers.streaming(bad_servers.close_early) as closing,
        bad_servers.gone() as gone,
    ):
        found = await made(job(refusing, 0.0), job(closing, 0.0), job(gone, 0.0))
    assert sorted(call.outcome for call in found.calls) == ["closed_early", "refused", "unreachable"]
    assert found.failures == []
    assert len(found.done) == 3


async def test_a_stopped_generator_hangs_up_and_tells():
    stop = asyncio.Event()
    answered = asyncio.Event()

    async def silent(stream: bad_servers.Stream) -> None:
        answered.set()
        await stream.until_closed()

    async with bad_servers.streaming(silent) as address:
        far_off = job(address, 0.0, 1000.0, scenario=KEYS)
        making = asyncio.create_task(made(far_off, stop=stop))
        await answered.wait()
        stop.set()
        found = await making
    assert [call.outcome for call in found.calls] == ["cut_short"]
    assert found.failures == []
    assert len(found.done) == 1


async def test_a_job_that_cannot_be_done_is_the_operators_fault(tmp_path: Path):
    with pytest.raises(OperatorError, match="missing"):
        await made(job("http://127.0.0.1:1", 0.0, scenario=str(tmp_path / "missing.yaml")))


async def test_a_generator_that_dies_is_a_failure_of_the_test(monkeypatch: pytest.MonkeyPatch):
    dying = "\n".join(
        (
            "import sys",
            'print(\'{"kind":"ready"}\', flush=True)',
            "sys.stdin.readline()",
            "sys.exit('out of memory')",
        )
    )
    monkeypatch.setattr("loadtests.generator.processes._COMMAND", (sys.executable, "-c", dying))
    found = await made(job("http://127.0.0.1:1", 0.0, 1.0))
    assert found.calls == []
    assert found.failures == ["a generator process died (exit code 1), 2 calls lost: out of memory"]


class Voiceless:
    """Stands in for ``doors.make_caller``: callers whose ``run`` does what the test says."""

    def __init__(self, *acts: Exception | None) -> None:
        self._acts = list(acts)
        self.playout: object | None = None
        self.stream = None
        self.result = CallResult("")

    def __call__(self, door: object, **options: object) -> Voiceless:
        return self

    async def run(self, script: Script) -> CallResult:
        self.result = CallResult("CA1", answered_ns=time.monotonic_ns(), ended_by="caller")
        act = self._acts.pop(0)
        if act is not None:
            raise act
        self.result.turns = [TurnResult(1, kind="press", step=1, first_audio_out_ms=1.0)]
        self.result.heard = [Onset(0, 800)]
        return self.result


async def conducted(
    monkeypatch: pytest.MonkeyPatch, *acts: Exception | None
) -> tuple[list[Finished], Conductor]:
    monkeypatch.setattr("loadtests.generator.process.make_caller", Voiceless(*acts))
    found: list[Finished] = []
    scenario = load_scenario(KEYS)
    voices, _ = await voices_for(scenario, range(len(acts)))
    todo = job("http://127.0.0.1:1", *[0.0] * len(acts))
    conductor = Conductor(todo, scenario, voices, lambda finished, caller: found.append(finished))
    await conductor.run(time.monotonic_ns())
    return sorted(found, key=lambda call: call.start.n), conductor


async def test_a_caller_that_breaks_is_no_finding_about_the_server(monkeypatch: pytest.MonkeyPatch):
    calls, _ = await conducted(monkeypatch, None, TypeError("'NoneType' has no len()"), KeyError())
    assert [call.outcome for call in calls] == ["completed", "harness_failed", "harness_failed"]
    assert calls[1].result.error == "TypeError: 'NoneType' has no len()"
    assert calls[2].result.error == "KeyError"
    assert broken(calls) == ["the test itself broke in 2 calls: TypeError: 'NoneType' has no len()"]
    assert broken(calls[:1]) == []
    assert why_invalid(GOOD, Resources(), failures=broken(calls)) == tuple(broken(calls))


async def test_a_caller_that_breaks_while_the_test_is_stopped_was_not_cut_short(
    monkeypatch: pytest.MonkeyPatch,
):
    caller = Voiceless(TypeError())
    monkeypatch.setattr("loadtests.generator.process.make_caller", caller)
    found: list[Finished] = []
    scenario = load_scenario(KEYS)
    voices, _ = await voices_for(scenario, range(1))
    conductor = Conductor(
        job("http://127.0.0.1:1", 0.0), scenario, voices, lambda finished, caller: found.append(finished)
    )
    run, entered = caller.run, asyncio.Event()

    async def stopped(script: Script) -> CallResult:
        entered.set()
        conductor.stop()
        return await run(script)

    monkeypatch.setattr(caller, "run", stopped)
    await conductor.run(time.monotonic_ns())
    assert entered.is_set()
    assert [call.outcome for call in found] == ["harness_failed"]


def test_a_judge_that_breaks_takes_no_call_away():
    class Broken:
        def correct(self, result: CallResult, playout: object) -> tuple[bool | None, ...]:
            raise ZeroDivisionError

    lines: list[bytes] = []
    teller = Teller(Broken(), lines.append)  # type: ignore[arg-type]
    caller = Voiceless()
    caller.playout = object()
    for n in range(2):
        teller.finished(
            Finished(
                start=Start(0.0, n, n), started_late_ms=0, answered_ms=1.0, ended_at_s=1.0,
                outcome="completed", result=CallResult(f"CA{n}"),
            ),
            caller,  # type: ignore[arg-type]
        )  # fmt: skip
    teller.close()
    told = [read_line(line) for line in lines]
    assert [call.outcome for call in told if isinstance(call, Finished)] == ["harness_failed"] * 2
    assert broken([call for call in told if isinstance(call, Finished)]) == [
        "the test itself broke in 2 calls: ZeroDivisionError"
    ]


async def test_a_generator_that_forgets_a_call_is_found_out(monkeypatch: pytest.MonkeyPatch):
    forgetful = "\n".join(
        (
            "import sys",
            'print(\'{"kind":"ready"}\', flush=True)',
            "sys.stdin.readline()",
            "sys.stdin.readline()",
            'print(\'{"kind":"done","cpu_percent":1,"tick_late_p99_ms":1,"tick_late_max_ms":1,"seconds":1}\')',
        )
    )
    monkeypatch.setattr("loadtests.generator.processes._COMMAND", (sys.executable, "-c", forgetful))
    found = await made(job("http://127.0.0.1:1", 0.0, 1.0))
    assert found.failures == ["2 calls were placed, or due, and never told of"]


async def test_a_call_that_would_go_round_an_impaired_network_ends_the_test_by_name():
    """The webhook's answer leads to another port: past the proxy."""
    bad = Network(by="proxy", delay_ms=5)
    async with (
        bad_servers.streaming(bad_servers.answer) as address,
        impaired(TwilioDoor(address), bad) as door,
    ):
        found = await made(job(address, 0.0, 1000.0, twilio=door))
    [failure] = found.failures
    assert "a generator process gave up: the call leads to 127.0.0.1:" in failure
    assert f"stands before {address.removeprefix('http://')} only" in failure
    assert (found.calls, found.silent) == ([], 1)


def test_lines_are_read_back_as_they_were_written():
    for told in (Ready(), Done(cpu_percent=1, tick_late_p99_ms=2, tick_late_max_ms=3, seconds=4)):
        assert read_line(told.model_dump_json().encode()) == told
    with pytest.raises(ValueError, match="unknown"):
        read_line(b'{"kind": "other"}')


async def test_a_long_script_is_given_the_time_it_may_take(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Ten minutes a call, whatever its script: a longer one was cut, and the server blamed."""

    class Timed(Voiceless):
        def __call__(self, door: object, **options: object) -> Voiceless:
            given.append(options["longest_s"])
            return self

    given: list[object] = []
    monkeypatch.setattr("loadtests.generator.process.make_caller", Timed(None, None))
    longer = tmp_path / "longer.yaml"
    silences = "  - silence_s: 500\n" * 3
    longer.write_text(Path(KEYS).read_text().replace("steps:\n", f"steps:\n{silences}"))
    for path in (KEYS, str(longer)):
        scenario = load_scenario(path)
        voices, _ = await voices_for(scenario, range(1))
        todo = job("http://127.0.0.1:1", 0.0, scenario=path)
        await Conductor(todo, scenario, voices, lambda finished, caller: None).run(time.monotonic_ns())
    assert given[0] == 600.0
    assert isinstance(given[1], float)
    assert given[1] >= scenario.script.lasts_at_most_s > 1500
