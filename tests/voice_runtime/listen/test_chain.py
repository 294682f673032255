"""A chain of recognisers: the fallback gets the same samples, in time, and says so."""

from __future__ import annotations

import asyncio

import pytest

from controls.errors import OperatorError, ProviderError
from tests.simulators.recogniser import ScriptedRecogniser
from voice_runtime.breaker import Breaker, State
from voice_runtime.listen.chain import Link, RecogniserChain
from voice_runtime.ports import FailedAs, Hints

pytestmark = pytest.mark.anyio
CHUNK = b"\x01\x00" * 160


def chain(*engines: ScriptedRecogniser, deadline_s: float = 60.0, share_s: float = 30.0) -> RecogniserChain:
    return RecogniserChain([Link(e, share_s, Breaker(e.name)) for e in engines], deadline_s)


async def said(
    recogniser: RecogniserChain, chunks: int = 3
) -> tuple[str, str, tuple[tuple[str, FailedAs], ...]]:
    utterance = recogniser.open("k")
    for _ in range(chunks):
        utterance.feed(CHUNK)
    result = await utterance.finish()
    return result.text, result.engine, result.failed


async def test_the_primary_answers_and_the_fallback_gets_nothing() -> None:
    first, second = ScriptedRecogniser("first", "hello"), ScriptedRecogniser("second", "other")
    assert await said(chain(first, second)) == ("hello", "first", ())
    assert second.opened == 0
    assert first.busy == 0


@pytest.mark.parametrize(
    ("mood", "why"), [("refuses", "broken"), ("dies", "broken"), ("bug", "broken"), ("stalls", "deadline")]
)
async def test_the_fallback_gets_every_sample_when_the_primary_fails(mood: str, why: str) -> None:
    first, second = ScriptedRecogniser("first", mood=mood), ScriptedRecogniser("second", "other")
    assert await said(chain(first, second, share_s=0.05)) == ("other", "second", (("first", why),))
    assert second.fed == [CHUNK * 3]
    assert (first.busy, second.busy) == (0, 0)


async def test_it_fails_when_all_fail_and_says_whether_it_was_late() -> None:
    late = chain(ScriptedRecogniser("a", mood="dies"), ScriptedRecogniser("b", mood="stalls"), deadline_s=0.1)
    with pytest.raises(ProviderError) as caught:
        await said(late)
    assert isinstance(caught.value.__cause__, TimeoutError)
    with pytest.raises(ProviderError) as caught:
        await said(chain(ScriptedRecogniser("a", mood="refuses"), ScriptedRecogniser("b", mood="dies")))
    assert caught.value.__cause__ is None


async def test_the_deadline_holds_over_all_engines() -> None:
    engines = [ScriptedRecogniser(name, mood="stalls") for name in "abc"]
    started = asyncio.get_running_loop().time()
    with pytest.raises(ProviderError):
        await said(chain(*engines, deadline_s=2.0, share_s=1.0))
    assert asyncio.get_running_loop().time() - started >= 2.0
    assert [e.opened for e in engines] == [1, 1, 0]
    assert all(e.busy == 0 for e in engines)


async def test_who_keeps_failing_is_asked_last_until_it_is_back() -> None:
    first, second = ScriptedRecogniser("first", "hello", mood="dies"), ScriptedRecogniser("second", "other")
    recogniser = chain(first, second)
    for _ in range(3):
        assert (await said(recogniser))[1] == "second"
    assert recogniser.health()["engines"]["first"]["state"] == State.OPEN
    assert recogniser.health()["ok"]
    assert await said(recogniser) == ("other", "second", ())
    assert first.opened == 3


async def test_cancelling_gives_every_place_back() -> None:
    first, second = ScriptedRecogniser("first", "hello"), ScriptedRecogniser("second", "other")
    utterance = chain(first, second).open("k")
    utterance.feed(CHUNK)
    assert first.busy == 1
    utterance.cancel()
    assert first.busy == 0


async def test_a_finish_that_is_cancelled_gives_its_place_back() -> None:
    first = ScriptedRecogniser("first", mood="stalls")
    utterance = chain(first).open("k")
    task = asyncio.create_task(utterance.finish())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert first.busy == 0


async def test_an_engine_that_cannot_serve_a_language_is_left_out_for_it() -> None:
    english, any_language = ScriptedRecogniser("english", serves=("en",)), ScriptedRecogniser("any", "hola")
    recogniser = chain(english, any_language)
    await recogniser.load("k", Hints("es-US"))
    assert await said(recogniser) == ("hola", "any", ())
    assert english.opened == 0
    with pytest.raises(OperatorError, match="English"):
        await chain(english).load("k", Hints("es-US"))


def test_who_waits_for_a_place_is_counted_over_all_engines_that_have_places() -> None:
    class Pooled(ScriptedRecogniser):
        waiting = 3

    assert chain(Pooled("a"), ScriptedRecogniser("b"), Pooled("c")).waiting == 6


# --- where the caller must agree before another company hears them ------------------------------------------


def mixed(outside: ScriptedRecogniser, inside: ScriptedRecogniser | None = None) -> RecogniserChain:
    links = [Link(outside, 30.0, Breaker(outside.name), outside=True)]
    if inside is not None:
        links.append(Link(inside, 30.0, Breaker(inside.name)))
    return RecogniserChain(links, 60.0)


async def test_without_consent_another_company_gets_no_sample_and_our_own_engine_answers() -> None:
    outside, inside = ScriptedRecogniser("outside", "theirs"), ScriptedRecogniser("inside", "ours")
    utterance = mixed(outside, inside).asking(lambda: False).open("k")
    utterance.feed(CHUNK)
    result = await utterance.finish()
    assert (result.text, result.engine, result.failed) == ("ours", "inside", ())
    assert outside.opened == 0


async def test_with_nobody_who_may_listen_nothing_was_said_and_nothing_failed() -> None:
    outside = ScriptedRecogniser("outside", "theirs")
    chain = mixed(outside)
    utterance = chain.asking(lambda: False).open("k")
    utterance.feed(CHUNK)
    result = await utterance.finish()
    assert (result.text, result.confidence, result.failed) == ("", 0.0, ())
    assert outside.opened == 0
    assert chain.breakers[0].state is State.CLOSED


async def test_from_the_consent_on_it_is_asked_and_once_it_is_taken_back_it_gets_nothing_more() -> None:
    outside = ScriptedRecogniser("outside", "theirs")
    agreed = [False]
    one = mixed(outside).asking(lambda: agreed[0])
    one.open("k").cancel()
    assert outside.opened == 0
    agreed[0] = True
    utterance = one.open("k")
    utterance.feed(CHUNK)
    agreed[0] = False
    utterance.feed(CHUNK)
    await utterance.finish()
    assert outside.fed == [CHUNK]


async def test_a_failing_engine_of_ours_is_not_replaced_by_one_that_may_not_listen() -> None:
    inside, outside = ScriptedRecogniser("inside", mood="dies"), ScriptedRecogniser("outside", "theirs")
    links = [Link(inside, 30.0, Breaker("inside")), Link(outside, 30.0, Breaker("outside"), outside=True)]
    utterance = RecogniserChain(links, 60.0).asking(lambda: False).open("k")
    utterance.feed(CHUNK)
    with pytest.raises(ProviderError):
        await utterance.finish()
    assert outside.opened == 0
