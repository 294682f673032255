"""What calibration makes of its trials; the trials themselves need two processes and real time."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from controls.errors import OperatorError
from loadtests import calibrate
from loadtests.calibrate import BIAS_MS, DrawnVoice, EachTick, Trial, counts, read, summarise, table
from loadtests.echo_agent.account import Account, Onset
from loadtests.echo_agent.agent import EchoDoors, serving
from loadtests.echo_agent.answers import voices
from loadtests.echo_agent.peer import peers
from loadtests.results import Transport
from voice_runtime.caller import audible, measure
from voice_runtime.caller.playout import Playout
from voice_runtime.caller.recorded import RecordedFlite
from voice_runtime.caller.results import CallResult, TurnResult
from voice_runtime.caller.speech import sound
from voice_runtime.caller.ticker import Lateness


def trial(over_ms: float | None, *, known_ms: float | None = 500, phase: int = 0) -> Trial:
    measured_ms = None if over_ms is None else (known_ms or 0) + over_ms
    return Trial("rms", "tone", phase, known_ms, measured_ms)


def test_bias_is_the_median_and_the_error_is_around_it() -> None:
    found = summarise([trial(40.0) for _ in range(90)] + [trial(43.0) for _ in range(9)] + [trial(30.0)])
    assert (found.bias_ms, found.error_p50_ms, found.error_p95_ms, found.error_max_ms) == (40, 0, 3, 10)
    assert (found.n, found.unanswered, found.delay_ms) == (100, 0, 500)


def test_a_late_agent_is_no_error_of_the_harness() -> None:
    found = summarise([trial(40.0, known_ms=500 + late_ms) for late_ms in range(100)])
    assert (found.bias_ms, found.error_max_ms) == (40, 0)


def test_a_trial_without_an_answer_is_counted_and_not_as_exact() -> None:
    found = summarise([trial(40.0), trial(None), trial(40.0, known_ms=None)])
    assert (found.n, found.unanswered) == (1, 2)
    with pytest.raises(OperatorError):
        summarise([trial(None)])


def test_what_is_exact_and_answered_counts() -> None:
    assert counts(summarise([trial(40.0)] * 99 + [trial(None)])) == ()


def test_more_than_one_percent_unanswered_does_not_count() -> None:
    [reason] = counts(summarise([trial(40.0)] * 98 + [trial(None)] * 2))
    assert reason.startswith("2 of 100 trials had no answer (twilio)")


def test_an_error_of_5_ms_at_p95_does_not_count() -> None:
    [reason] = counts(summarise([trial(40.0)] * 94 + [trial(45.0)] * 6, "webrtc"))
    assert reason.startswith("the harness's error is 5.0 ms at p95 (webrtc)")


def heard(*answers: int) -> Playout:
    """A playout in which tones of 100 ms begin at the samples named."""
    line = bytearray(audible.ULAW_SILENCE * 32_000)
    tone = sound("tone", 0.1).ulaw
    for at in answers:
        line[at : at + len(tone)] = tone
    playout = Playout()
    playout.audio(bytes(line))
    for _ in range(200):
        playout.tick()
    return playout


@pytest.mark.parametrize("transport", ["twilio", "webrtc"])
@pytest.mark.parametrize("slipped", [0, 160])
def test_a_tick_that_the_caller_slips_is_its_error(transport: Transport, slipped: int) -> None:
    """The agent's answers leave in time; the second is played where it is due, or a tick later."""
    turns = [TurnResult(n, first_sample=at, last_sample=at + 1599) for n, at in enumerate((1600, 16_000))]
    later = {"twilio": 1, "webrtc": 3}[transport]
    result = CallResult("c", answered_ns=7_000_000, turns=turns)
    account = Account([Onset(n * 160, n * 160 + 30) for n in (40, 130)])
    account.left_ns = {n: 7_000_000 + n * 20_000_000 + 500_000 for n in range(200)}
    measure.measure_call(heard((40 + later) * 160 + 30, (130 + later) * 160 + 30 + slipped), result)
    first, second = read(result, account, transport, {})
    assert first.known_ms == (40 * 160 + 30 - (1600 + 1599)) / 8
    assert first.over_ms is not None
    assert second.over_ms is not None
    assert abs(first.over_ms - BIAS_MS[transport]) <= 1  # where windows lie
    assert abs(second.over_ms - first.over_ms - slipped / 8) <= 1


def test_a_caller_that_spoke_late_blames_the_agent_and_that_is_its_error() -> None:
    turns = [TurnResult(0, first_sample=1600, last_sample=3199)]  # packet 19 is the last
    result = CallResult("c", turns=turns)
    account = Account([Onset(40 * 160, 40 * 160)], {40: 40 * 20_000_000 + 1})
    measure.measure_call(heard(41 * 160), result)
    [prompt] = read(result, account, "twilio", {18: 9_000_000, 19: 0, 20: 9_000_000})
    [late] = read(result, account, "twilio", {19: 7_000_000})
    assert prompt.over_ms is not None
    assert late.over_ms == prompt.over_ms + 7


def test_ticks_are_numbered_from_the_calls_first() -> None:
    until_now = Lateness()
    until_now.note(1)
    ticks = EachTick(until_now)
    for late_ns in (5_000_000, 300_000):
        ticks.note(late_ns)
    assert ticks.late_ns == {1: 5_000_000, 2: 300_000}
    assert (ticks.ticks, ticks.worst_ms) == (2, 5)


def test_a_turn_that_the_agent_never_answered_takes_no_other_turns_answer() -> None:
    turns = [TurnResult(n, first_sample=at, last_sample=at + 1599) for n, at in enumerate((1600, 16_000))]
    result = CallResult("c", turns=turns)
    account = Account([Onset(130 * 160, 130 * 160)], {130: 130 * 20_000_000 + 1})
    measure.measure_call(heard(131 * 160), result)
    first, second = read(result, account, "twilio", {})
    assert (first.known_ms, first.measured_ms) == (None, None)
    assert second.known_ms is not None


def test_the_table_has_a_line_for_each_voice_answer_and_quarter_of_a_packet() -> None:
    lines = list(table([trial(40.0, phase=n) for n in range(160)]))
    assert len(lines) == 1 + 1 + 1 + 4 + 1
    assert lines[-1].startswith("all ")
    assert all(" 40.00 ms" in line for line in lines[1:])


@pytest.mark.anyio
@pytest.mark.parametrize("voice", [None, RecordedFlite("rms")])
async def test_a_drawn_voice_begins_anywhere_in_a_packet(voice: RecordedFlite | None) -> None:
    drawn = DrawnVoice(voice, random.Random(1))
    said = [await drawn.say("yes") for _ in range(20)]
    assert len({spoken.first for spoken in said}) > 10
    for spoken in said:
        edges = audible.bounds(audible.to_pcm(spoken.ulaw))
        assert edges is not None
        # the windows lie elsewhere now: an edge may be seen a window sooner or later
        assert abs(edges[0] - spoken.first) <= 40


@asynccontextmanager
async def agent_here(*, core: int | None = None) -> AsyncIterator[EchoDoors]:
    """The echo agent, in this process."""
    voice = voices([await RecordedFlite("rms").say("yes")])
    accounts: dict[str, Account] = {}
    server = await serving(voice, accounts)
    try:
        async with peers(voice, accounts) as offers:
            yield EchoDoors(server.sockets[0].getsockname()[1], offers)
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.anyio
@pytest.mark.parametrize("transport", ["twilio", "webrtc"])
async def test_trials_are_of_drawn_delays_and_each_has_its_answer(
    monkeypatch: pytest.MonkeyPatch, transport: Transport
) -> None:
    monkeypatch.setattr(calibrate, "echo_agent", agent_here)
    counted: list[int] = []
    done = await calibrate.trials(2, transport=transport, voices=["tone"], on_trial=counted.append)
    assert counted == [2]
    assert len({trial.known_ms for trial in done}) == 2
    for trial in done:
        assert trial.over_ms is not None
        assert (
            trial.over_ms >= BIAS_MS[transport] - 10
        )  # a codec smears edges; a busy machine makes it later, never earlier


@pytest.mark.anyio
async def test_a_call_that_goes_wrong_is_an_error_and_leaves_no_other_running(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @asynccontextmanager
    async def nobody(*, core: int | None = None) -> AsyncIterator[EchoDoors]:
        async with agent_here() as doors:
            gone = doors
        yield gone

    monkeypatch.setattr(calibrate, "echo_agent", nobody)
    with pytest.raises(OperatorError, match="went wrong"):
        await calibrate.trials(20, voices=["tone"])


def test_the_error_around_the_hand_over_has_the_grid_in_it() -> None:
    """By the caller's own ticks all of these are exact: up to 20 ms of grid were once in no figure."""
    found = []
    for late_ms in range(20):
        turns = [TurnResult(0, first_sample=1600, last_sample=3199)]
        result = CallResult("c", turns=turns)
        account = Account([Onset(40 * 160, 40 * 160)], {40: 40 * 20_000_000 + late_ms * 1_000_000})
        measure.measure_call(heard(41 * 160), result)
        found += read(result, account, "twilio", {})
    calibration = summarise(found)
    assert calibration.error_max_ms == 0
    assert calibration.handed_over_p95_ms == pytest.approx(9, abs=1)  # 20 ms, evenly: 9.5 to either side
    assert all(f"{calibration.handed_over_p95_ms:.2f} ms" in line for line in table(found) if "all " in line)


def test_what_no_account_tells_is_not_told() -> None:
    assert summarise([trial(40.0)]).handed_over_p95_ms is None
    assert list(table([trial(40.0)]))[-1].endswith(" –")


@pytest.mark.parametrize("arguments", [["--trials", "0"], ["--calls", "0"], ["--trials", "many"]])
def test_numbers_that_are_none_are_refused_by_the_command_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """``--trials 0`` once was a traceback."""
    with pytest.raises(SystemExit) as ended:
        calibrate.main(arguments)
    assert ended.value.code == 2
    assert "whole numbers of 1 or more" in capsys.readouterr().err


def test_a_calibration_that_cannot_be_made_says_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def nobody(*_: object, **__: object) -> list[Trial]:
        raise OperatorError("the agent did not come up")

    monkeypatch.setattr(calibrate, "trials", nobody)
    monkeypatch.setattr("os.sched_setaffinity", lambda pid, cores: None)
    assert calibrate.main(["--trials", "1"]) == 2
    assert "calibrate: the agent did not come up" in capsys.readouterr().err
