"""Fakes behind the ear's seams. Each can be changed mid-test."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from controls.errors import ProviderError
from voice_runtime.ports import Hints, Recognition


class FakeUtterance:
    """Implements ``ports.Utterance``; hears what its recogniser was told to hear."""

    def __init__(self, recogniser: FakeRecogniser) -> None:
        self.fed = bytearray()
        self.spoke: list[bool] = []
        self.finished = self.cancelled = False
        self._recogniser = recogniser

    def feed(self, pcm: bytes, speech: bool = True) -> None:
        assert not self.finished
        assert not self.cancelled
        self.fed += pcm
        self.spoke.append(speech)

    @property
    def partial(self) -> str:
        return self._recogniser.partial

    async def finish(self) -> Recognition:
        self.finished = True
        await self._recogniser.answering.wait()
        if self._recogniser.failure is not None:
            raise self._recogniser.failure
        return self._recogniser.hears

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class FakeRecogniser:
    """Implements ``ports.Recogniser``.

    Attributes:
        hears: the next final text; ``partial`` the text meanwhile.
        failure: raised by ``finish`` instead.
        answering: clear it to make ``finish`` wait.
    """

    name: str = "fake"
    hears: Recognition = field(default_factory=lambda: Recognition("yes", 0.9))
    partial: str = ""
    failure: ProviderError | None = None
    answering: asyncio.Event = field(default_factory=asyncio.Event)
    utterances: list[FakeUtterance] = field(default_factory=list)
    refusing: bool = False

    def __post_init__(self) -> None:
        self.answering.set()

    async def load(self, key: str, hints: Hints) -> None:
        """Nothing to prepare."""

    def open(self, key: str) -> FakeUtterance:
        if self.refusing:
            raise ProviderError("no place", supplier="fake")
        self.utterances.append(FakeUtterance(self))
        return self.utterances[-1]


@dataclass
class FakeTurnModel:
    """Implements ``smart_turn.TurnModel``; ``says`` None refuses."""

    says: float | None = 0.9
    asked: list[int] = field(default_factory=list)

    async def complete(self, pcm: bytes) -> float:
        self.asked.append(len(pcm))
        if self.says is None:
            raise ProviderError("busy", supplier="fake")
        return self.says


class LoudIsSpeech:
    """A speech detector for scripted chunks: anything but digital silence is speech."""

    def hear(self, chunk: bytes) -> bool:
        return any(chunk)


class HandClock:
    """Implements ``clock.Clock``: time passes when the test says so."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000_000
        self._sleepers: list[tuple[int, asyncio.Future[None]]] = []

    def monotonic_ns(self) -> int:
        return self.now_ns

    def unix_s(self) -> float:
        return self.now_ns / 1e9

    async def sleep(self, seconds: float) -> None:
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now_ns + round(seconds * 1e9), waiting))
        await waiting

    async def pass_(self, seconds: float) -> None:
        """Let time pass, waking sleepers in order."""
        end = self.now_ns + round(seconds * 1e9)
        while due := sorted((s for s in self._sleepers if s[0] <= end), key=lambda s: s[0]):
            at, waiting = due[0]
            self._sleepers.remove(due[0])
            self.now_ns = max(self.now_ns, at)
            if not waiting.done():
                waiting.set_result(None)
            await settle()
        self.now_ns = end


async def settle(turns: int = 30) -> None:
    """Let everything that can run do so."""
    for _ in range(turns):
        await asyncio.sleep(0)
