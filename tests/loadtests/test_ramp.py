"""A ramp doubles its load until one is not carried, and says what was missed there."""

from __future__ import annotations

import asyncio

import pytest

from loadtests.ramp import Knee, levels, missed, ramp
from loadtests.results import Call, Completeness, Gap, Run
from loadtests.shapes import Spread
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
        (run(outcomes={"completed": 197, "no_answer": 3}), "197 of 200 calls completed"),
        (run(outcomes={"completed": 197, "no_answer": 3, "cut_short": 200}), "197 of 200 calls completed"),
        (run(outcomes={"completed": 399, "refused": 1}), "1 calls were turned"),
        (run(summary={}), "no turn was answered"),
    ],
)
def test_what_is_missed_is_named(made: Run, named: str):
    assert any(named in why for why in missed(made))


def test_what_the_test_itself_broke_off_is_no_finding():
    assert missed(run(outcomes={"completed": 5, "cut_short": 4, "harness_failed": 3})) == ()
    assert missed(run(summary={}, outcomes={"cut_short": 4})) == ()


def with_calls(answers: int, gaps: int, **changed: object) -> Run:
    """One call after another, of so many answers and gaps in all."""
    calls = [
        Call(n=n, intended_at_s=n, outcome="completed", gaps=(Gap(at_ms=9, ms=48),) if n < gaps else ())
        for n in range(answers)
    ]
    turns = [made_up.turn(n, 1, 600) for n in range(answers)]
    turns.append(made_up.turn(0, 2, 600, kind="backchannel"))
    return run(**changed).model_copy(update={"calls": calls, "turns": turns})


@pytest.mark.parametrize(("gaps", "carried"), [(0, True), (5, True), (6, False)])
def test_speech_with_gaps_in_more_than_one_answer_of_twenty_is_not_carried(gaps: int, carried: bool):
    why = missed(with_calls(100, gaps))
    assert (why == ()) is carried
    assert carried or why == (f"{gaps} gaps of 40 ms or more in 100 answers, over 5 %",)


def test_turns_that_were_never_answered_are_no_answers_without_gaps():
    made = with_calls(100, 6)
    lost = [made_up.turn(n, 2, 6000, censored=True) for n in range(50)]
    assert missed(made.model_copy(update={"turns": (*made.turns, *lost)})) == missed(made) != ()


def test_a_call_whose_record_is_not_whole_is_not_carried():
    torn = Completeness(heard=3, recorded=2, missing=("speech at 900 ms",))
    whole = Completeness(heard=3, recorded=3)
    made = with_calls(100, 0)

    def kept(completeness: Completeness | None, outcome: str = "completed") -> tuple[str, ...]:
        changed = {"completeness": completeness, "outcome": outcome}
        calls = [call.model_copy(update={"completeness": whole}) for call in made.calls[1:]]
        return missed(made.model_copy(update={"calls": [made.calls[0].model_copy(update=changed), *calls]}))

    assert kept(whole) == kept(None) == ()
    assert kept(torn) == ("the record of 1 of 100 calls is not whole",)
    assert kept(torn, "no_answer") != ()
    assert kept(torn, "cut_short") == kept(torn, "harness_failed") == ()


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
    assert (knee.carried, knee.missed, knee.by) == (2, 4, "server")
    assert "knee at 4 calls at once (2 carried)" in str(knee)


async def test_it_ends_at_its_last_level():
    assert str(await ramped(16)) == "no knee up to 16 calls at once"


async def test_not_even_one_call_may_be_carried():
    assert "none carried" in str(await ramped(16, knee_at=1))


async def test_a_level_that_does_not_count_ends_it_and_says_why():
    knee = await ramped(16, invalid_at=4)
    assert knee == Knee(2, 4, ("late",), by="test")
    assert str(knee) == "the test itself could not go on at 4: late; no knee found up to 2"
    first = await ramped(16, invalid_at=1)
    assert str(first) == "the test itself could not go on at 1: late; not one load counts"


async def test_a_ramp_ends_where_the_network_behind_the_carrier_makes_it_miss():
    async def offer(concurrency: int) -> Run:
        return run(concurrency, audio=1300 if concurrency >= 4 else 600)

    plain = await ramp(offer, 8, stop=asyncio.Event())
    allowed = await ramp(offer, 8, stop=asyncio.Event(), allowance_ms=150)
    assert plain == Knee(8, None)
    assert (allowed.carried, allowed.missed, allowed.by) == (2, 4, "server")
    assert "maximum 1300 ms and 150 ms of network, target 1400 ms" in str(allowed)


async def test_an_interruption_ends_it_without_a_verdict():
    assert await ramped(16, stop_at=4, knee_at=4) == Knee(2, None)
