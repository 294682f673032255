"""Fixed phrases at start: some at a time, all or a named failure, whatever order they come in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.errors import ProviderError
from tests.voice_runtime.listen.fakes import settle
from voice_runtime.ports import Speech
from voice_runtime.speak.voice import PhraseCache

pytestmark = pytest.mark.anyio

PHRASES = {f"phrase-{n}": {"en-US": f"Words {n}.", "es-US": f"Palabras {n}."} for n in range(6)}


@dataclass
class Patient:
    """Implements ``ports.Synthesiser``: a phrase is finished when the test says so, in any order.

    Attributes:
        fails: words that cannot be spoken.
        most: most that were being spoken at a time.
    """

    name: str = "patient"
    fails: set[str] = field(default_factory=set)
    waiting: dict[str, asyncio.Event] = field(default_factory=dict)
    most: int = 0
    open: int = 0

    async def speak(self, text: str, *, language: str, voice: str) -> AsyncIterator[Speech]:
        self.waiting[text] = asyncio.Event()
        self.open += 1
        self.most = max(self.most, len(self.waiting))
        try:
            await self.waiting[text].wait()
            if text in self.fails:
                raise ProviderError("the server refused", supplier=self.name)
            yield Speech(text.encode("utf-16-le"))
        finally:
            self.open -= 1
            del self.waiting[text]


async def test_some_at_a_time() -> None:
    voice, cache = Patient(), PhraseCache()
    filling = asyncio.create_task(cache.fill(PHRASES, voice, voice="warm", deadline_s=60, at_once=3))
    while not filling.done():
        await settle(5)
        for event in list(voice.waiting.values()):
            event.set()
    assert await filling == 12
    assert voice.most == 3


@settings(deadline=None, max_examples=40)
@given(st.data())
async def test_the_order_they_come_in_changes_nothing(data: st.DataObject) -> None:
    voice, cache = Patient(), PhraseCache()
    filling = asyncio.create_task(cache.fill(PHRASES, voice, voice="warm", deadline_s=60, at_once=4))
    await settle(3)
    while not filling.done():
        if voice.waiting:
            voice.waiting[data.draw(st.sampled_from(sorted(voice.waiting)))].set()
        await settle(5)
    for phrase, by_language in PHRASES.items():
        for language, text in by_language.items():
            found = cache.speech(phrase, language, "warm", text)
            assert found is not None
            assert found.pcm.decode("utf-16-le") == text


@pytest.mark.parametrize("why", ["the server refused", "not synthesised in time"])
async def test_a_failure_names_the_phrase_and_gives_up_the_rest(why: str) -> None:
    voice, cache = Patient(fails={"Words 2."}), PhraseCache()
    deadline_s = 60 if why == "the server refused" else 0.01
    filling = asyncio.create_task(cache.fill(PHRASES, voice, voice="warm", deadline_s=deadline_s, at_once=12))
    await settle(3)
    if deadline_s == 60:
        voice.waiting["Palabras 0."].set()
        await settle(5)
        voice.waiting["Words 2."].set()
        with pytest.raises(ProviderError, match=r"^fixed phrase 'phrase-2' in en-US: the server refused$"):
            await filling
        assert cache.speech("phrase-0", "es-US", "warm", "Palabras 0.") is not None, "kept"
    else:
        with pytest.raises(
            ProviderError, match=r"^fixed phrase 'phrase-\d' in ..-US: not synthesised in time$"
        ):
            await filling
    assert voice.open == 0, "no synthesis is left behind"
    assert "Words" not in str(filling.exception()), "the id, not the words"


async def test_giving_up_the_start_ends_every_synthesis() -> None:
    voice = Patient()
    filling = asyncio.create_task(PhraseCache().fill(PHRASES, voice, voice="warm", deadline_s=60))
    await settle(3)
    assert voice.open == 4
    filling.cancel()
    await asyncio.gather(filling, return_exceptions=True)
    assert voice.open == 0
