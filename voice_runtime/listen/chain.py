"""Recognisers in a row: the next is asked when one fails or is late, with the same samples.

Bounded by the stage's deadline in all: each engine gets its own share, so that
a slow primary leaves its fallback time to answer.

Where a caller must agree before another company hears them, that company's engines are
passed over until they did, and get no further sample once that is taken back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from loguru import logger

from controls.errors import OperatorError, ProviderError, SayError
from voice_runtime.breaker import Breaker, in_order, readings
from voice_runtime.ports import FailedAs, Hints, Recogniser, Recognition, Utterance


@dataclass(frozen=True, slots=True)
class Link:
    """One engine of the chain.

    Attributes:
        deadline_s: from the end of speech to its text.
        outside: it is another company's, and the caller's voice leaves this host.
    """

    recogniser: Recogniser
    deadline_s: float
    breaker: Breaker
    outside: bool = False


class RecogniserChain:
    """Implements ``ports.Recogniser`` over several."""

    def __init__(self, links: Sequence[Link], deadline_s: float) -> None:
        """Make a chain.

        Args:
            links: primary first.
            deadline_s: from the end of speech to the text, over all of them.
        """
        self._links = tuple(links)
        self.deadline_s = deadline_s
        self._serve: dict[str, tuple[Link, ...]] = {}
        self.name = links[0].recogniser.name

    async def load(self, key: str, hints: Hints) -> None:
        """Load every engine that can serve these hints.

        Raises:
            OperatorError: none can.
        """
        serve = []
        refused: SayError | None = None
        for link in self._links:
            try:
                await link.recogniser.load(key, hints)
            except OperatorError as error:
                refused = error
                logger.warning(
                    "recogniser {} does not serve {}: {}", link.recogniser.name, hints.language, error
                )
            else:
                serve.append(link)
        if not serve:
            raise refused or OperatorError("no recogniser is configured")
        self._serve[key] = tuple(serve)

    def open(self, key: str, may_leave: Callable[[], bool] = lambda: True) -> Utterance:
        """Begin an utterance at the first engine that is not known to be out.

        Args:
            may_leave: whether the caller's voice may go to another company now; asked again for each sample.

        Raises:
            ProviderError: no engine takes it.
        """
        order = in_order(self._serve.get(key, self._links), lambda link: link.breaker)
        return _ChainedUtterance(key, order, self.deadline_s, may_leave)

    def asking(self, may_leave: Callable[[], bool]) -> Recogniser:
        """The same chain for one call, whose caller decides what leaves this host."""
        return _ForOneCall(self, may_leave)

    @property
    def recognisers(self) -> list[Recogniser]:
        """The engines, primary first."""
        return [link.recogniser for link in self._links]

    @property
    def breakers(self) -> list[Breaker]:
        """One for each engine."""
        return [link.breaker for link in self._links]

    def health(self) -> dict[str, Any]:
        """For ``/readyz``."""
        return readings(self.breakers)

    @property
    def waiting(self) -> int:
        """Utterances that wait for a place in an engine; one without places has none waiting."""
        return sum(int(getattr(link.recogniser, "waiting", 0)) for link in self._links)


class _ForOneCall:
    """Implements ``ports.Recogniser`` over the chain, under one caller's consent."""

    def __init__(self, chain: RecogniserChain, may_leave: Callable[[], bool]) -> None:
        self._chain, self._may_leave = chain, may_leave
        self.name = chain.name

    async def load(self, key: str, hints: Hints) -> None:
        await self._chain.load(key, hints)

    def open(self, key: str) -> Utterance:
        return self._chain.open(key, self._may_leave)


class _ChainedUtterance:
    """Keeps the samples for the engines not asked yet (16 kB a second)."""

    def __init__(
        self, key: str, order: Sequence[Link], deadline_s: float, may_leave: Callable[[], bool]
    ) -> None:
        self._may_leave = may_leave
        self._passed_over = False
        self._key = key
        self._todo = list(order)
        self._deadline_s = deadline_s
        self._pcm = bytearray()
        self._failed: list[tuple[str, FailedAs]] = []
        self._asked: Link | None = None
        self._utterance: Utterance | None = None
        self._next()

    @property
    def partial(self) -> str:
        return self._utterance.partial if self._utterance is not None else ""

    def feed(self, pcm: bytes, speech: bool = True) -> None:
        if self._todo:
            self._pcm += pcm
        if self._utterance is not None and self._may_hear(self._asked):
            self._utterance.feed(pcm, speech)

    def _may_hear(self, link: Link | None) -> bool:
        return link is not None and (not link.outside or self._may_leave())

    async def finish(self) -> Recognition:
        give_up = asyncio.get_running_loop().time() + self._deadline_s
        last = ProviderError("no recogniser took the utterance", supplier="recogniser")
        try:
            while self._asked is not None and self._utterance is not None:
                link, utterance = self._asked, self._utterance
                self._utterance = None  # it ends with its ``finish``, whatever becomes of that
                try:
                    result = await self._one(link, utterance, give_up)
                except Exception as error:  # noqa: BLE001 - an engine's bug must not be silence for the caller
                    last = self._gave_up(link, error)
                    if asyncio.get_running_loop().time() >= give_up:
                        raise last from last.__cause__
                    self._next()
                else:
                    link.breaker.answered()
                    engine = result.engine or link.recogniser.name
                    return replace(result, engine=engine, failed=tuple(self._failed))
            if self._passed_over and not self._failed:  # nobody may listen: that is nobody's failure
                return Recognition("", 0.0)
            raise last
        finally:
            self.cancel()

    async def _one(self, link: Link, utterance: Utterance, give_up: float) -> Recognition:
        loop = asyncio.get_running_loop()
        left = give_up - loop.time()
        try:
            async with asyncio.timeout(min(left, link.deadline_s) if self._todo else left):
                return await utterance.finish()
        except TimeoutError as error:
            raise ProviderError("recognition took too long", supplier=link.recogniser.name) from error

    def cancel(self) -> None:
        utterance, self._utterance, self._asked = self._utterance, None, None
        self._pcm = bytearray()
        if utterance is not None:
            utterance.cancel()

    def _gave_up(self, link: Link, error: Exception) -> ProviderError:
        """Note that an engine failed; its failure as a supplier's, without words of its own."""
        name = link.recogniser.name
        if not isinstance(error, ProviderError):
            logger.error("recogniser {} failed: {}", name, type(error).__name__)
            error = ProviderError(f"failed: {type(error).__name__}", supplier=name)
        late = isinstance(error.__cause__, TimeoutError)
        self._failed.append((name, "deadline" if late else "broken"))
        link.breaker.failed(str(error))
        logger.warning("recogniser {}: {}", name, error)
        return error

    def _next(self) -> None:
        """Go on to the next engine that takes the samples so far."""
        self._asked = self._utterance = None
        while self._todo:
            link = self._todo.pop(0)
            if not self._may_hear(link):
                self._passed_over = True
                continue
            try:
                utterance = link.recogniser.open(self._key)
                if self._pcm:
                    utterance.feed(bytes(self._pcm))
            except Exception as error:  # noqa: BLE001 - as in ``finish``
                self._gave_up(link, error)
                continue
            self._asked, self._utterance = link, utterance
            return
