"""Fixed silence, ours and Smart Turn alone: causal, deterministic, and as the theory says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.pauses.lines import Line, Rendered, interjection_of, line_of
from loadtests.pauses.ours import Ours, speech_of
from loadtests.pauses.overlaps import FloorEvent
from loadtests.pauses.policies import FixedSilence, Policy
from loadtests.pauses.score import decisions, judge
from loadtests.pauses.smart_turn import SmartTurnAlone
from loadtests.pauses.speech_cuts import SpeechCuts
from loadtests.pauses.utterances import load_labelled, load_utterances

pytestmark = pytest.mark.anyio

UTTERANCES = {utterance.id: utterance for utterance in load_utterances()}
#: Runs of speech and silence in turn, in chunks; speech long enough to begin a turn.
RUNS = st.lists(st.tuples(st.integers(4, 30), st.integers(1, 90)), min_size=1, max_size=6)


class TurnModelSays:
    """A turn model that always says the same, and notes what it was asked."""

    def __init__(self, probability: float) -> None:
        self.probability = probability
        self.asked: list[int] = []

    async def complete(self, pcm: bytes) -> float:
        self.asked.append(len(pcm) // 16)
        return self.probability


@pytest.fixture
def spoken(needs_system: Callable[..., None]) -> Callable[..., Line]:
    needs_system("flite")
    return lambda name, variant=0, voice="slt": line_of(UTTERANCES[name], variant, voice)


def drawn(runs: list[tuple[int, int]]) -> tuple[Line, list[bool]]:
    """A line of nothing but chunks, and which of them are speech."""
    speech = [s for a, b in runs for s in [*[True] * a, *[False] * b]]
    return cast(Line, SimpleNamespace(chunks=lambda: [b""] * len(speech))), speech


@given(RUNS)
def test_a_longer_silence_ends_fewer_pauses_and_later(runs: list[tuple[int, int]]) -> None:
    line, speech = drawn(runs)
    ends, silent = 0, []
    for spoken_chunks, quiet_chunks in runs:
        ends += spoken_chunks
        silent.append((ends, ends + quiet_chunks))
        ends += quiet_chunks
    shorter = None
    for silence_ms in (200, 400, 600, 800, 1000, 1500):
        policy = FixedSilence(silence_ms, lambda line: speech)
        found = [end.at // 160 for end in asyncio.run(decisions(policy, line))]
        assert found == [a + silence_ms // 20 for a, b in silent if b - a >= silence_ms // 20]
        assert shorter is None or len(found) <= shorter
        shorter = len(found)


async def test_a_click_begins_no_turn() -> None:
    line, speech = drawn([(3, 90)])
    assert await decisions(FixedSilence(200, lambda line: speech), line) == []


async def test_a_complete_question_ends_the_turn_once_its_words_are_there(
    spoken: Callable[..., Line],
) -> None:
    line = spoken("see-patel-tuesday")
    model = TurnModelSays(0.0)
    verdict = judge(line, await decisions(Ours(model, text_ms=150), line))
    at_once = judge(line, await decisions(Ours(model, text_ms=0), line))
    assert verdict.delay_ms is not None
    assert at_once.delay_ms is not None
    assert verdict.delay_ms - at_once.delay_ms == pytest.approx(140, abs=20)  # 150 in chunks of 20
    assert model.asked == [], "its words settled the matter"


async def test_a_trailing_and_keeps_the_turn_open_only_with_words(spoken: Callable[..., Line]) -> None:
    line = spoken("tuesday-and", 1)  # 900 ms
    model = TurnModelSays(0.9)
    assert judge(line, await decisions(Ours(model), line)).cut == (False,)
    assert judge(line, await decisions(Ours(model, words=False), line)).cut == (True,)
    assert model.asked, "without words it is the turn model's to say"


async def test_a_turn_that_was_cut_goes_on_with_the_words_after_it(spoken: Callable[..., Line]) -> None:
    line = spoken("looking-for-a", 3)  # 2000 ms: longer than the bound
    verdict = judge(line, await decisions(Ours(TurnModelSays(0.9), patience="quick"), line))
    assert verdict.cut == (True,)
    assert verdict.delay_ms is not None
    assert verdict.delay_ms < 600


async def test_patience_changes_the_bound(spoken: Callable[..., Line]) -> None:
    line = spoken("looking-for-a", 3)
    policy = Ours(TurnModelSays(0.9), patience="normal")
    assert judge(line, await decisions(policy, line)).cut == (False,)


async def test_smart_turn_falls_back_after_its_three_seconds(
    spoken: Callable[..., Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = SmartTurnAlone()
    seen: list[int] = []

    def never(audio: object) -> dict[str, float]:
        seen.append(len(cast(bytes, audio)))
        return {"prediction": 0, "probability": 0.1}

    monkeypatch.setattr(policy._analyser, "_predict_endpoint", never)
    line = spoken("at-ten")
    (end,) = await decisions(policy, line)
    assert 3000 <= (end.at - line.end) / 8 <= 3400
    assert end.why == "its 3 s of silence"
    speech_ms = (line.end - line.pieces[0][0]) / 8
    # From 0.5 s before the speech (0.7 s before the detector was sure) to the detector's stop 0.2 s after.
    assert [n / 8 for n in seen] == [pytest.approx(speech_ms + 500 + 200, abs=150)]


async def test_smart_turn_says_when_the_real_model_says_so(spoken: Callable[..., Line]) -> None:
    policy = SmartTurnAlone()
    line = spoken("move-appointment")
    first = await decisions(policy, line)
    assert first
    assert first == await decisions(policy, line), "nothing of one line is left for the next"


@pytest.mark.parametrize("name", ["phone-three-groups", "like-uh"])
async def test_every_policy_decides_the_same_twice(spoken: Callable[..., Line], name: str) -> None:
    policies: list[Policy] = [
        Ours(TurnModelSays(0.3)),
        Ours(TurnModelSays(0.3), words=False),
        SmartTurnAlone(),
        FixedSilence(400, speech_of),
    ]
    for policy in policies:
        once = await decisions(policy, spoken(name))
        assert once
        assert once == await decisions(policy, spoken(name)), policy.name


async def test_our_policy_says_what_it_went_by(spoken: Callable[..., Line]) -> None:
    line = spoken("tuesday-and", 1)
    (early, late) = await decisions(Ours(TurnModelSays(0.9), words=False), line)
    assert early.why == f"turn_model (turn model 0.90), words '{line.utterance.pieces[0].text}'"
    assert late.at > line.end
    (end,) = await decisions(Ours(TurnModelSays(0.9)), spoken("see-patel-tuesday"))
    assert end.why == "question (turn model not asked), words 'can i see doctor patel on tuesday'"


def whats(events: list[FloorEvent]) -> list[str]:
    return [event.what for event in events]


@pytest.fixture
def over(needs_system: Callable[..., None]) -> Callable[..., Rendered]:
    needs_system("flite")
    interjections = {one.id: one for one in load_labelled().interjections}
    return lambda name, voice="slt": interjection_of(interjections[name], 0, voice)


async def test_an_agent_that_speaks_is_cut_by_stop_and_only_paused_by_a_hum(
    over: Callable[..., Rendered],
) -> None:
    policy = Ours(TurnModelSays(0.5))
    line = over("stop")
    events = await policy.over_agent(line)
    assert whats(events)[-1] == "commit"
    assert whats(events).count("commit") == 1
    assert all(line.start < event.at <= len(line.ulaw) for event in events)
    hum = await policy.over_agent(over("uh-huh"))
    assert "commit" not in whats(hum)
    assert whats(hum) == ["pause", "resume"] * (len(hum) // 2), "what was paused goes on"


async def test_without_words_a_long_sentence_takes_the_floor_all_the_same(
    over: Callable[..., Rendered],
) -> None:
    line = over("just-the-price")
    for policy in (Ours(TurnModelSays(0.5)), Ours(TurnModelSays(0.5), words=False)):
        first, *_, last = await policy.over_agent(line)
        assert (first.what, last.what) == ("pause", "commit")
        assert first.at < last.at < line.end, "long before it is over"
        assert await policy.over_agent(line) == await policy.over_agent(line)


async def test_a_knock_on_the_line_is_no_speech(over: Callable[..., Rendered]) -> None:
    assert "commit" not in whats(await Ours(TurnModelSays(0.9)).over_agent(over("knock")))


async def test_a_turn_that_nobody_is_spoken_over_in_changes_no_floor(spoken: Callable[..., Line]) -> None:
    ear = Ours(TurnModelSays(0.5)).listen(spoken("see-patel-tuesday"))
    for pcm in spoken("see-patel-tuesday").chunks():
        await ear.chunk(pcm)
    await ear.close()
    assert cast(Any, ear).floor_events == []


async def test_pipecats_default_is_cut_by_a_hum_as_by_a_sentence_and_never_goes_on(
    over: Callable[..., Rendered],
) -> None:
    for name in ("yeah-yeah", "just-the-price"):
        line = over(name)
        (event,) = await SpeechCuts().over_agent(line)
        assert event.what == "commit"
        assert 200 <= (event.at - line.start) / 8 <= 500, "0.2 s of what its detector is sure of"
