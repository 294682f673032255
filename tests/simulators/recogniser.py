"""A recogniser that says what the test wrote, or fails as the test wants."""

from __future__ import annotations

import asyncio
from typing import Literal

from controls.errors import OperatorError, ProviderError
from voice_runtime.ports import Hints, Recognition

Mood = Literal["well", "refuses", "dies", "stalls", "bug"]


class ScriptedRecogniser:
    """Implements ``ports.Recogniser``. ``text`` and ``mood`` may be changed mid-test.

    Attributes:
        mood: ``refuses`` to open, ``dies`` when it is to finish, ``stalls`` for ever,
            or raises what no recogniser may (``bug``).
        serves: languages (``en``); () serves all.
        fed: the samples of each utterance finished.
        spoke: whether each piece that came was speech.
    """

    def __init__(
        self, name: str, text: str = "", *, mood: str = "well", serves: tuple[str, ...] = ()
    ) -> None:
        self.name = name
        self.text = text
        self.mood = mood
        self.serves = serves
        self.fed: list[bytes] = []
        self.spoke: list[bool] = []
        self.opened = self.busy = 0

    async def load(self, key: str, hints: Hints) -> None:
        if self.serves and hints.language.partition("-")[0] not in self.serves:
            raise OperatorError(f"{self.name} recognises English only")

    def open(self, key: str) -> _Utterance:
        self.opened += 1
        if self.mood == "refuses":
            raise ProviderError("no place is free", supplier=self.name)
        self.busy += 1
        return _Utterance(self)


class _Utterance:
    def __init__(self, of: ScriptedRecogniser) -> None:
        self._of = of
        self._pcm = bytearray()

    @property
    def partial(self) -> str:
        return ""

    def feed(self, pcm: bytes, speech: bool = True) -> None:
        self._pcm += pcm
        self._of.spoke.append(speech)

    async def finish(self) -> Recognition:
        try:
            if self._of.mood == "dies":
                raise ProviderError("the engine died", supplier=self._of.name)
            if self._of.mood == "bug":
                raise RuntimeError("index out of range")
            if self._of.mood == "stalls":
                await asyncio.Event().wait()
            self._of.fed.append(bytes(self._pcm))
            return Recognition(self._of.text, 0.9)
        finally:
            self._of.busy -= 1

    def cancel(self) -> None:
        self._of.busy -= 1
