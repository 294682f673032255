"""An agent does not interrupt itself on a line that echoes, and a caller still interrupts it.

On lines drawn by ``loadtests.echo_lines``: real synthetic voices, rooms and hybrids, µ-law,
noise, jitter. A few of each kind; the table over many is ``python -m loadtests.echo``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests import echo
from loadtests.echo_lines import Line, Received, Scenario, Sent, make
from tests import audio
from voice_runtime.listen.echo import Echo
from voice_runtime.listen.echo_match import MOST_AT_ONCE
from voice_runtime.listen.echo_spectra import BANDS
from voice_runtime.listen.vad import Vad

MS = 1_000_000
ROOM = Scenario(-20, 160, utterances=6, seed=71)
LINES = [
    replace(ROOM, echo_db=-10, delay_ms=80, path="hybrid"),
    replace(ROOM, echo_db=-15, delay_ms=500, agent="rms", caller="awb"),
    ROOM,
    replace(ROOM, echo_db=-25, path="speakerphone", delay_ms=300, noise_rms=60.0),
    replace(ROOM, echo_db=-35),
]


@pytest.fixture(autouse=True, scope="module")
def lines_are_let_go() -> Iterator[None]:
    """Forty thousand chunks, which every later collection of garbage would look at."""
    yield
    line_of.cache_clear()


@pytest.fixture(autouse=True)
def flite(needs_system: Callable[..., None]) -> None:
    needs_system("flite")


@lru_cache(maxsize=16)
def line_of(scenario: Scenario) -> Line:
    return make(scenario)


def played(scenario: Scenario) -> tuple[echo.Result, Echo, list[bool]]:
    told: list[bool] = []
    comparison = Echo(told.append)
    return echo.play(line_of(scenario), comparison), comparison, told


def feed(comparison: Echo, line: Line, until_chunk: int = 1 << 30) -> int:
    """Everything up to a received chunk, the voice detector before it; how many were suppressed."""
    vad, suppressed = Vad(), 0
    for event in line.events:
        if isinstance(event, Sent):
            comparison.on_sent(event.pcm, event.at_ns)
        elif event.number < until_chunk:
            speech = vad.hear(event.pcm)
            suppressed += comparison.hear(event.pcm, event.at_ns, speech) != speech
        else:
            break
    return suppressed


# -- the agent's own voice -----------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", LINES, ids=lambda s: f"{s.echo_db} dB {s.delay_ms} ms {s.path}")
def test_an_agent_does_not_interrupt_itself(scenario: Scenario) -> None:
    result, comparison, told = played(scenario)
    # At most 1 % of all utterances, says the table; of these few lines the loudest may falter once.
    assert result.paused <= (1 if (scenario.echo_db or 0) > -20 else 0)
    assert result.cut == 0
    if scenario.echo_db is not None and scenario.echo_db >= -25:
        assert told == [True], "told once"
        assert comparison.half_duplex
        assert comparison.delay_ms is not None
        assert abs(comparison.delay_ms - scenario.delay_ms) <= 40


def test_without_the_comparison_it_would() -> None:
    result = echo.play(line_of(ROOM), None)
    assert result.paused == result.utterances


def test_a_louder_echo_measures_louder() -> None:
    levels = [played(replace(ROOM, echo_db=db))[1].level_db for db in (-10, -20)]
    assert levels[0] is not None
    assert levels[1] is not None
    assert 6 < levels[0] - levels[1] < 14


def test_what_comes_back_late_is_suppressed_after_the_agent_has_ended() -> None:
    line = line_of(replace(ROOM, delay_ms=500, utterances=2))
    last_sent_ns = max(e.at_ns for e in line.events if isinstance(e, Sent))
    comparison, vad, judged = Echo(), Vad(), []
    for event in line.events:
        if isinstance(event, Sent):
            comparison.on_sent(event.pcm, event.at_ns)
        else:
            speech = vad.hear(event.pcm)
            caller = comparison.hear(event.pcm, event.at_ns, speech)
            if event.at_ns > last_sent_ns + 40 * MS:
                judged.append((speech, caller))
    assert sum(speech for speech, _ in judged) > 10
    assert not any(caller for _, caller in judged)


@pytest.mark.parametrize("scenario", LINES, ids=lambda s: f"{s.echo_db} dB {s.delay_ms} ms {s.path}")
def test_what_is_worked_off_in_batches_is_judged_as_one_by_one(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judged() -> tuple[list[bool], int | None, bool]:
        comparison, vad, found = Echo(), Vad(), []
        for event in line_of(scenario).events:
            if isinstance(event, Sent):
                comparison.on_sent(event.pcm, event.at_ns)
            else:
                found.append(comparison.hear(event.pcm, event.at_ns, vad.hear(event.pcm)))
        return found, comparison.delay_ms, comparison.half_duplex

    batches = judged()
    monkeypatch.setattr("voice_runtime.listen.echo.MOST_AT_ONCE", 1)
    assert batches == judged()


def test_an_echo_is_found_after_the_agent_has_spoken_for_longer_than_frames_are_kept() -> None:
    """Such as when a caller switches to the loudspeaker: nothing came back before."""
    line = line_of(ROOM)
    begins_ns = line.events[0].at_ns
    spoken = [e for e in line.events if isinstance(e, Sent)]
    comparison, noise = Echo(), iter(range(10_000))
    for n, sent in enumerate(spoken[:400]):  # 8 s
        at_ns = begins_ns - (410 - n) * 20 * MS
        comparison.on_sent(sent.pcm, at_ns)
        heard = audio.noise(20, rms=30, seed=next(noise))
        assert not comparison.hear(heard, at_ns + 25 * MS, False)
    assert comparison.delay_ms is None
    feed(comparison, line)
    assert comparison.delay_ms is not None
    assert abs(comparison.delay_ms - 160) <= 40


@settings(max_examples=50)
@given(st.lists(st.floats(0, 2.0**30, width=32), min_size=1, max_size=MOST_AT_ONCE), st.integers(0, 5))
def test_many_frames_decay_as_one_after_another(powers: list[float], before: int) -> None:
    one, many = Echo(), Echo()
    for comparison in (one, many):
        for n in range(before):
            comparison._decay(np.full(BANDS, 1000.0 * n, dtype=np.float32))
    played = np.repeat(np.array(powers, dtype=np.float32)[:, None], BANDS, axis=1)
    each = []
    for frame in played:
        one._decay(frame)
        each.append(one._envelope.copy())
    assert np.allclose(many._decay_all(played), each, rtol=1e-6)
    assert np.allclose(many._envelope, one._envelope, rtol=1e-6)
    assert np.array_equal(many._newest, one._newest)


# -- the caller ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("caller_db", [5.0, 10.0, 20.0])
def test_a_caller_interrupts_over_the_echo(caller_db: float) -> None:
    result, _, _ = played(replace(ROOM, caller_db=caller_db))
    assert len(result.latencies_ms) >= 4
    assert all(x is not None and x <= 300 for x in result.latencies_ms), result.latencies_ms
    assert result.lost == 0


@pytest.mark.parametrize(("agent", "caller"), [("slt", "rms"), ("rms", "rms"), ("awb", "slt")])
def test_a_line_without_echo_is_judged_as_ever(agent: str, caller: str) -> None:
    result, comparison, told = played(replace(ROOM, echo_db=None, agent=agent, caller=caller, caller_db=10.0))
    assert result.speech > 200
    assert result.changed == 0
    assert (comparison.delay_ms, comparison.level_db, told) == (None, None, [])


def test_while_the_agent_is_silent_nothing_is_suppressed() -> None:
    comparison = Echo()
    line = line_of(ROOM)
    assert feed(comparison, line) > 100
    after_ns = line.events[-1].at_ns + 1000 * MS
    vad = Vad()
    said = audio.silence(1000) + audio.say("can i see doctor patel on tuesday", "slt")
    for n, chunk in enumerate(audio.chunks(said)):
        speech = vad.hear(chunk)
        assert comparison.hear(chunk, after_ns + n * 20 * MS, speech) == speech


def test_chunks_that_are_no_speech_never_become_speech() -> None:
    comparison = Echo()
    for event in line_of(ROOM).events:
        if isinstance(event, Sent):
            comparison.on_sent(event.pcm, event.at_ns)
        else:
            assert not comparison.hear(event.pcm, event.at_ns, False)


def test_a_call_that_is_never_spoken_to() -> None:
    comparison = Echo()
    for n in range(100):
        assert comparison.hear(audio.noise(20, rms=3000, seed=n), n * 20 * MS, True)


# -- whole turns ---------------------------------------------------------------------------------------


def first_echo(line: Line) -> tuple[int, int]:
    """The first utterance's echo in ms of media time."""
    first, last = line.agent[0]
    return (first // 8 + line.scenario.delay_ms, last // 8 + line.scenario.delay_ms)


def test_a_turn_of_echo_is_explained_and_learnt_although_nobody_knew_of_it() -> None:
    line = line_of(ROOM)
    first_ms, last_ms = first_echo(line)
    comparison = Echo()
    vad = Vad()
    comparison._compare = lambda compressed, speech: None  # type: ignore[method-assign]  # finds nothing
    for event in line.events:
        if isinstance(event, Sent):
            comparison.on_sent(event.pcm, event.at_ns)
        elif event.number * 20 <= last_ms:
            comparison.hear(event.pcm, event.at_ns, vad.hear(event.pcm))
    assert comparison.delay_ms is None
    assert comparison.explains(first_ms, last_ms)
    assert comparison.delay_ms is not None


def test_a_turn_of_the_callers_is_not_explained() -> None:
    for scenario in (replace(ROOM, caller_db=10.0), replace(ROOM, echo_db=None, caller_db=10.0)):
        line = line_of(scenario)
        for first, last in line.caller[:4]:
            comparison = Echo()
            feed(comparison, line, last // 160)
            assert not comparison.explains(first // 8, last // 8)


def test_speech_while_the_agent_was_silent_is_nobodys_echo() -> None:
    comparison = Echo()
    for n in range(100):
        comparison.hear(audio.noise(20, rms=3000, seed=n), n * 20 * MS, True)
    assert not comparison.explains(0, 2000)
    assert not comparison.explains(5000, 9000)


# -- lines that change ---------------------------------------------------------------------------------


def test_an_echo_that_subsides_is_told_and_forgotten() -> None:
    told: list[bool] = []
    comparison = Echo(told.append)
    line = line_of(ROOM)
    feed(comparison, line)
    assert told == [True]
    at_ns = line.events[-1].at_ns + 1000 * MS
    tone = (6000 * np.sin(np.arange(160) / 3)).astype("<i2").tobytes()
    for n in range(700):
        comparison.on_sent(tone, at_ns + n * 20 * MS)
        comparison.hear(bytes(320), at_ns + n * 20 * MS, False)
    assert told == [True, False]
    assert not comparison.half_duplex
    assert comparison.delay_ms is None


def test_speech_is_the_callers_at_once_when_the_agent_was_cleared() -> None:
    comparison = Echo()
    line = line_of(ROOM)
    first, last = line.agent[3]
    middle = (first + last) // 2 // 160
    feed(comparison, line, middle)
    at_ns = next(e.at_ns for e in line.events if isinstance(e, Received) and e.number == middle)
    comparison.cleared(at_ns)
    passed = 0
    said = audio.say("no i meant wednesday", "rms", gain_db=-12.0)
    quiet = 40
    for n, chunk in enumerate(audio.chunks(audio.silence(quiet * 20) + said)):
        passed += comparison.hear(chunk, at_ns + (n + 1) * 20 * MS, n >= quiet)
    assert passed == len(audio.chunks(said)), "every chunk, 800 ms after the clear"


def test_a_loudspeaker_turned_on_in_mid_call_costs_little_and_is_learnt() -> None:
    result, comparison, told = played(replace(ROOM, echo_from=2, utterances=8))
    assert result.paused <= 1
    assert told == [True]
    assert comparison.half_duplex
