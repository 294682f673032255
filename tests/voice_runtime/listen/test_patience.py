"""Patience, end to end: an agent's word for it decides how long its callers are waited for."""

from __future__ import annotations

from typing import get_args

import pytest

from tests.voice_runtime.listen.ear_stage import LOUD, QUIET, staged
from tests.voice_runtime.listen.turns import kinds, speak_and_pause, the_end
from voice_runtime.events import TurnEnd
from voice_runtime.listen.patience import Patience, policy_of
from voice_runtime.listen.turn import TurnMachine
from voice_runtime.ports import Recognition
from voice_runtime.settings import PatienceSettings, Turn

ALL: tuple[Patience, ...] = get_args(Patience)
#: Words that are whole, may be, and break off, and the wait each of them has with nobody to judge the tone.
WORDS = {
    "when are you open": ("complete_wait_ms", TurnEnd.QUESTION),
    "i need an appointment today": ("unsure_wait_ms", TurnEnd.SILENCE),
    "can i see doctor patel and": ("incomplete_wait_ms", TurnEnd.SILENCE),
}
#: By patience, in the order of ``WORDS``: what a profile has unless it says otherwise, ms.
WAITS = {"quick": (200, 400, 1600), "normal": (200, 600, 2400), "unhurried": (200, 900, 3200)}


def test_each_patience_has_waits_of_its_own() -> None:
    assert set(WAITS) == set(ALL) == set(Turn().patience)
    for patience, waits in WAITS.items():
        found = Turn().patience[patience]  # type: ignore[index]  # the keys are those of ``ALL``
        assert (found.complete_wait_ms, found.unsure_wait_ms, found.incomplete_wait_ms) == waits


@pytest.mark.parametrize("patience", ALL)
@pytest.mark.parametrize("text", WORDS)
def test_the_turn_machine_waits_as_long_as_the_patience_says(patience: Patience, text: str) -> None:
    settings = Turn()
    m = TurnMachine(policy_of(settings, patience), "en-US", lambda text: False)
    speak_and_pause(m)
    outputs = m.final(1, text)
    while "EndOfTurn" not in kinds(outputs):
        outputs = m.chunk(False)
    wait, why = WORDS[text]
    end = the_end(outputs)
    assert (m.now_ms - end.ended_ms, end.why) == (getattr(settings.patience[patience], wait), why)


@pytest.mark.anyio
@pytest.mark.parametrize("patience", ALL)
@pytest.mark.parametrize("text", WORDS)
async def test_a_caller_is_waited_for_as_long_as_the_agents_patience_says(
    patience: Patience, text: str
) -> None:
    """From the caller's audio to the frame that ends the turn, with a turn model too busy to judge."""
    wait, _ = WORDS[text]
    expected_ms = getattr(Turn().patience[patience], wait)
    async with staged(patience=patience) as stage:
        stage.turn_model.says = None
        stage.recogniser.hears = Recognition(text, 0.9)
        await stage.line((LOUD, 600))
        waited_ms = 0
        while not stage.said:
            await stage.line((QUIET, 20))
            waited_ms += 20
            assert waited_ms <= expected_ms
        assert waited_ms == expected_ms


@pytest.mark.anyio
async def test_a_profile_may_say_how_long_each_patience_waits() -> None:
    waits = PatienceSettings(complete_wait_ms=300, unsure_wait_ms=500, incomplete_wait_ms=700)
    turn = Turn(patience={**Turn().patience, "quick": waits})
    async with staged(patience="quick", turn=turn) as stage:
        stage.turn_model.says = None
        stage.recogniser.hears = Recognition("can i see doctor patel and", 0.9)
        await stage.line((LOUD, 600), (QUIET, 680))
        assert stage.said == []
        await stage.line((QUIET, 20))
        assert len(stage.said) == 1
