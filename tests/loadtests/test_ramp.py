"""A ramp doubles its load until one is not carried, and says what was missed there."""

from __future__ import annotations

import asyncio

import pytest

from loadtests.ramp import Knee, levels, missed, ramp
from loadtests.results import Run, Spread
from tests.loadtests import made_up

pytestmark = pytest.mark.anyio


def run(concurrency: int = 1, audio: float = 600, token: float = 400, **changed: object) -> Run:
    summary = {
        "asr_to_first_token_ms": Spread(p50=token, max=token, n=20),
        "first_audio_out_ms": Spread(p50=audio, max=audio, n=20),
    }
    changed = {"summary": summary, **changed}
    return made_up.run(concurrency=concurrency, calls=2, **changed)  # type: ignore[arg-type]


def test_levels_double():
    assert list(levels(32)) == [1, 2, 4, 8, 16, 32]
    assert list(levels(5)) == [1, 2, 4]


def test_a_load_is_carried_when_nothing_is_missed():
    assert missed(run()) == ()


@pytest.mark.parametrize(
    ("made", "named"),
    [
        (run(audio=1400), "first_audio_out_ms maximum 1400 ms"),
        (run(token=800), "asr_to_first_token_ms maximum 800 ms"),
        (run(offered=200, completed=197), "197 of 200 calls completed"),
        (run(offered=400, completed=399, outcomes={"completed": 399, "refused": 1}), "1 calls were turned"),
        (run(summary={}), "no turn was answered"),
    ],
)
def test_what_is_missed_is_named(made: Run, named: str):
    assert any(named in why for why in missed(made))


def test_a_p95_counts_where_there_is_one_and_not_the_maximum():
    slow_once = Spread(p50=500, p95=900, max=9000, n=300)
    assert missed(run(summary={"first_audio_out_ms": slow_once})) == ()
    slow = Spread(p50=5, p95=1500, max=1501, n=300)
    assert "p95 1500" in missed(run(summary={"first_audio_out_ms": slow}))[0]


async def ramped(most: int, *, knee_at: int = 10**6, invalid_at: int = 10**6, stop_at: int = 10**6) -> Knee:
    stop, seen = asyncio.Event(), []

    async def offer(concurrency: int) -> Run:
        if concurrency >= stop_at:
            stop.set()
        if concurrency >= invalid_at:
            return run(concurrency, valid=False, invalid_because=("late",))
        return run(concurrency, audio=2000 if concurrency >= knee_at else 600)

    knee = await ramp(offer, most, stop=stop, on_run=seen.append)
    assert [r.concurrency for r in seen] == [1, 2, 4, 8, 16][: len(seen)]
    return knee


async def test_it_ends_at_the_knee():
    knee = await ramped(16, knee_at=4)
    assert (knee.carried, knee.missed) == (2, 4)
    assert "knee at 4 calls at once (2 carried)" in str(knee)


async def test_it_ends_at_its_last_level():
    assert str(await ramped(16)) == "no knee up to 16 calls at once"


async def test_not_even_one_call_may_be_carried():
    assert "none carried" in str(await ramped(16, knee_at=1))


async def test_a_level_that_does_not_count_ends_it():
    knee = await ramped(16, invalid_at=4)
    assert (knee.carried, knee.missed, knee.why) == (2, 4, ("not valid: late",))


async def test_an_interruption_ends_it_without_a_verdict():
    assert await ramped(16, stop_at=4, knee_at=4) == Knee(2, None)
