"""Generator processes over real sockets: every failure of a server is a row, and they end when told."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from controls.errors import OperatorError
from loadtests.generator.job import Done, Finished, Job, Ready, read_line
from loadtests.generator.processes import Generated, generate
from loadtests.schedule import Start
from loadtests.systems import TwilioDoor
from tests.simulators import bad_servers

pytestmark = pytest.mark.anyio
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


def test_lines_are_read_back_as_they_were_written():
    for told in (Ready(), Done(cpu_percent=1, tick_late_p99_ms=2, tick_late_max_ms=3, seconds=4)):
        assert read_line(told.model_dump_json().encode()) == told
    with pytest.raises(ValueError, match="unknown"):
        read_line(b'{"kind": "other"}')
