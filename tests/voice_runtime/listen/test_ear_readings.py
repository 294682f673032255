"""The ear and other readings of a turn: one that overrules is the turn, any other goes nowhere."""

from __future__ import annotations

import pytest

from tests.voice_runtime.listen.test_ear import LOUD, QUIET, staged
from voice_runtime.ports import Recognition

pytestmark = pytest.mark.anyio


def _overrules(text: str, reading: str) -> bool:
    return reading == "chest pain" and text != "a person"


@pytest.mark.parametrize(("text", "confidence"), [("i have a test plan", 0.9), ("gibberish", 0.1), ("", 0.0)])
async def test_another_reading_that_names_an_emergency_is_the_turn(text: str, confidence: float) -> None:
    async with staged(overrules=_overrules, urgent=lambda text: text == "chest pain") as stage:
        stage.recogniser.hears = Recognition(text, confidence, also=("nothing", "chest pain"))
        await stage.line((LOUD, 600), (QUIET, 300))
        [said] = stage.said
        assert (said.text, said.urgent) == ("chest pain", True)
        assert not stage.failed


@pytest.mark.parametrize(
    ("text", "confidence", "also", "said"),
    [
        ("when are you open", 0.9, ("when a few hope on",), ["when are you open"]),
        ("a person", 0.9, ("chest pain",), ["a person"]),
        ("gibberish", 0.1, ("pain of some kind",), []),
    ],
)
async def test_another_reading_that_overrules_nothing_goes_nowhere(
    text: str, confidence: float, also: tuple[str, ...], said: list[str]
) -> None:
    async with staged(overrules=_overrules) as stage:
        stage.recogniser.hears = Recognition(text, confidence, also=also)
        await stage.line((LOUD, 600), (QUIET, 1500))
        assert [f.text for f in stage.said] == said
        assert stage.failed == ([] if said else ["misheard"])
