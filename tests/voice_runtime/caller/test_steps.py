"""A script acted out in virtual time: nods that stop nobody, noise that moves nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from voice_runtime.caller import audible, measure
from voice_runtime.caller.background import Background, background
from voice_runtime.caller.live import Live
from voice_runtime.caller.results import CallResult, TurnResult
from voice_runtime.caller.script import (
    Backchannel,
    HangUp,
    Interrupt,
    MakeSound,
    Noise,
    Press,
    Say,
    Script,
    Silence,
    Wait,
)
from voice_runtime.caller.speech import Spoken, sound
from voice_runtime.caller.steps import Steps
from voice_runtime.events import CHUNK_SAMPLES

pytestmark = pytest.mark.anyio

TONE = sound("tone", 0.5)
LOUD = audible.to_ulaw((b"\x00\x20" + b"\x00\xe0") * 4000)  # 1 s


class Deaf:
    """A listener that is told everything and takes none of it."""

    def agent_started(self, sample: int) -> None: ...

    def agent_stopped(self, sample: int) -> None: ...


class Virtual(Live):
    """A stream whose 20 ms pass as fast as they can be acted out.

    Args:
        agent: called before every tick, with the stream; puts audio into its playout.
    """

    def __init__(self, agent: Callable[[Virtual], None]) -> None:
        super().__init__(Deaf())
        self.answered_ns = 1
        self.packets: list[bytes] = []
        self.stopped = False
        self._agent = agent

    async def until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        last = self.playout.now + int(timeout_s * 8000)
        while not condition():
            if self.playout.now >= last:
                return False
            self._agent(self)
            self._tick(0)
        return True

    async def stop(self) -> None:
        self.stopped = True

    def abort(self) -> None:
        self.stopped = True

    def _play(self) -> None:
        self.playout.tick()

    def _send_key(self, key: str) -> None: ...

    def _send_words(self, text: str) -> None: ...

    def _send_audio(self, ulaw: bytes) -> None:
        self.packets.append(ulaw)


def talks(*at: tuple[int, int]) -> Callable[[Virtual], None]:
    """An agent that begins at ms and speaks for so many: ``talks((100, 3000), …)``."""

    def agent(stream: Virtual) -> None:
        for begin_ms, long_ms in at:
            if stream.playout.now == begin_ms * 8:
                stream.playout.audio((LOUD * 60)[: long_ms * 8])

    return agent


async def acted(
    script: Script,
    agent: Callable[[Virtual], None],
    noises: dict[Noise, Background] | None = None,
    speech: dict[str, Spoken] | None = None,
) -> tuple[Virtual, list[TurnResult], list[tuple[str, dict[str, Any]]]]:
    """The stream, its turns (measured), and what was told."""
    stream = Virtual(agent)
    result = CallResult("CA", answered_ns=1)
    told: list[tuple[str, dict[str, Any]]] = []

    def emit(kind: str, at_ms: float, **data: object) -> None:
        told.append((kind, {"at_ms": at_ms, **data}))

    lines = speech or dict.fromkeys(("a", "b", "mhmm", "slt: mhmm"), TONE)
    await Steps(stream, lines, noises or {}, result.turns, emit).run(script)
    measure.measure_call(stream.playout, result, stream.arrivals)
    return stream, result.turns, told


async def test_a_backchannel_is_said_while_the_agent_speaks_and_waits_for_nothing() -> None:
    script = Script(
        steps=(
            Say(text="a", wait=False),
            Backchannel(text="mhmm", after_ms=400),
            Wait(quiet_ms=300),
            Say(text="b", timeout_s=1),
            HangUp(),
        )
    )
    stream, (asked, nod, after), _ = await acted(script, talks((800, 3000), (5000, 500)))
    assert [(t.kind, t.step, t.interrupts) for t in (asked, nod, after)] == [
        ("say", 0, False),
        ("backchannel", 1, False),
        ("say", 3, False),
    ]
    assert 1200 <= nod.first_sample / 8 <= 1240
    assert (nod.audible_pause_ms, nod.first_audio_out_ms, nod.timed_out) == (None, None, False)
    assert asked.answer_first_sample == 800 * 8
    assert asked.answer_last_sample == 3800 * 8
    assert 4100 <= after.first_sample / 8 <= 4160  # Wait waited for the end of the answer
    assert not after.timed_out
    assert stream.stopped


async def test_a_backchannel_that_finds_nobody_speaking_is_not_said() -> None:
    script = Script(steps=(Backchannel(text="mhmm", timeout_s=1), Silence(seconds=0.1)))
    _, turns, _ = await acted(script, talks())
    assert turns == []


async def test_the_next_backchannel_counts_from_the_one_before() -> None:
    nods = Backchannel(text="mhmm", after_ms=500, voice="slt"), Backchannel(text="mhmm", after_ms=500)
    _, (one, two), _ = await acted(Script(steps=nods), talks((100, 5000)))
    assert two.first_sample - one.last_sample >= 480 * 8  # to the tick
    assert two.n == 2


async def test_a_paused_agent_is_measured_at_its_backchannel_only() -> None:
    script = Script(steps=(Say(text="a", wait=False), Backchannel(text="mhmm"), Wait(quiet_ms=1500)))
    _, (asked, nod), _ = await acted(script, talks((800, 1000), (2400, 1000)))
    assert nod.audible_pause_ms == 600
    assert asked.answer_last_sample == 3400 * 8


async def test_an_agent_that_never_ends_is_waited_for_no_longer_than_the_step_says() -> None:
    script = Script(steps=(Press(keys="1", longest_s=2), Interrupt(text="a", after_ms=0, timeout_s=1)))
    stream, (pressed, cut), _ = await acted(script, talks((400, 50_000)))
    assert pressed.timed_out and cut.timed_out
    assert stream.playout.now < 8000 * 5


async def test_noise_lies_under_everything_and_moves_no_edge() -> None:
    steps = (Say(text="a", timeout_s=0.1), MakeSound(), Say(text="b", timeout_s=0.1))
    quiet, noisy = Script(steps=steps), Script(steps=steps, noise="white", snr_db=10)
    clean, turns, _ = await acted(quiet, talks())
    noise = {noisy.noises[0]: await background("white", 10, [TONE])}
    mixed, same, told = await acted(noisy, talks(), noise)
    assert [(t.first_sample, t.last_sample) for t in same] == [(t.first_sample, t.last_sample) for t in turns]
    assert len(mixed.packets) == len(clean.packets)
    under = await background("white", 10, [TONE])
    assert mixed.packets == [under.mix(packet) for packet in clean.packets]
    assert told[0] == ("noise", {"at_ms": pytest.approx(-19.875), "noise": "white", "snr_db": 10.0})


async def test_noise_begins_changes_and_ends_where_the_script_says() -> None:
    loud, soft, off = Noise(kind="white", snr_db=0), Noise(kind="white", snr_db=20), Noise(kind="off")
    second = Silence(seconds=1)
    script = Script(steps=(second, loud, second, soft, second, off, second))
    noises = {step: await background("white", step.snr_db or 0, []) for step in (loud, soft)}
    stream, _, _ = await acted(script, talks(), noises)
    sent = b"".join(stream.packets)
    power = [audible.energy(audible.to_pcm(sent[n * 8000 : (n + 1) * 8000]))[0] for n in range(4)]
    assert power[1] > power[2] * 50 > 0
    assert power[0] == power[3] == 0
    assert len(sent) % CHUNK_SAMPLES == 0
