"""Continuous batching: conversations join and leave between two tokens, none waits for another's end.

One thread computes. In every round it takes one stretch of the oldest prompt that
waits, then one token of every answer under way, as serving engines do
(Orca, https://www.usenix.org/conference/osdi22/presentation/yu, section 3.1;
chunked prefill: Sarathi-Serve, https://arxiv.org/abs/2403.02310). A prompt that
begins like one still in the cache is computed from where they part.

Which tokens an answer has is **forced**: the model computes its own, which is
thrown away, and is given the next of the answer.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from controls.errors import ProviderError
from loadtests.engines.llama import LlamaShape

#: Tokens of a prompt computed at a time: answers under way wait no longer than this takes.
STRETCH = 512
_MOST_WAITING = 256


class Model(Protocol):
    """What is batched (``engines.llama.Llama``)."""

    @property
    def shape(self) -> LlamaShape: ...

    def prefill(self, place: int, start: int, ids: Sequence[int]) -> Any: ...

    def decode(self, places: Sequence[int], positions: Sequence[int], ids: Sequence[int]) -> Any: ...

    def copy(self, source: int, target: int, length: int) -> None: ...

    def likeliest(self, logits: Any) -> list[int]: ...


@dataclass(slots=True, eq=False)
class _Answer:
    """A request: its prompt, the tokens it is to have, and how far it is."""

    prompt: Sequence[int]
    forced: Sequence[int]
    out: asyncio.Queue[int | Exception]
    place: int = -1
    computed: int = 0  # tokens of the prompt
    sent: int = 0
    withdrawn: bool = False


@dataclass(slots=True)
class _Place:
    """A place in the cache: whose it is, and which tokens it holds."""

    ids: list[int] = field(default_factory=list)
    answer: _Answer | None = None


def common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens both begin with."""
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count


class ContinuousBatches:
    """The thread and its queue. Make, use and ``close`` it on one event loop."""

    def __init__(self, model: Model, *, stretch: int = STRETCH) -> None:
        self._model, self._stretch = model, stretch
        self._loop = asyncio.get_running_loop()
        self._places = [_Place() for _ in range(model.shape.places)]
        self._waiting: deque[_Answer] = deque()
        self._filling: deque[_Answer] = deque()
        self._running: list[_Answer] = []
        self._changed = threading.Condition()
        self._closed = False
        #: The most conversations computed in one round so far, and prompt tokens found in the cache.
        self.most_together, self.reused = 0, 0
        self._thread = threading.Thread(target=self._work, name="language-model", daemon=True)
        self._thread.start()

    async def tokens(self, prompt: Sequence[int], forced: Sequence[int]) -> AsyncIterator[int]:
        """Compute as many tokens as are forced, and yield each one the model would have said, as it is ready.

        Of a prompt longer than the context leaves room for, the end is computed. Closing the iterator
        withdraws the request.

        Raises:
            ProviderError: too much is waiting, it was closed, or the computation failed.
        """
        if not forced:
            return
        room = self._model.shape.context - len(forced)
        if room < 1:
            raise ProviderError("the answer is longer than the context", supplier="stand-in")
        answer = _Answer(list(prompt)[-room:] or [0], list(forced), asyncio.Queue())
        with self._changed:
            if self._closed or len(self._waiting) >= _MOST_WAITING:
                why = "it was closed" if self._closed else "too many requests are waiting"
                raise ProviderError(why, supplier="stand-in")
            self._waiting.append(answer)
            self._changed.notify()
        try:
            for _ in forced:
                found = await answer.out.get()
                if isinstance(found, Exception):
                    raise ProviderError(
                        f"the model failed ({type(found).__name__})", supplier="stand-in"
                    ) from found
                yield found
        finally:
            answer.withdrawn = True

    async def close(self) -> None:
        """End the thread after the round under way; requests fail. Harmless when repeated."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        await asyncio.to_thread(self._thread.join)

    # -- in the thread ----------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closed or self._waiting or self._filling or self._running
                )
                if self._closed:
                    break
                self._admit()
            try:
                self._round()
            except Exception as error:  # noqa: BLE001 - whatever the device said, requests fail and the thread lives
                self._fail(error)
        self._fail(RuntimeError("closed"))

    def _admit(self) -> None:
        """Give waiting conversations the free places that already hold most of their prompt."""
        while self._waiting:
            free = [n for n, place in enumerate(self._places) if place.answer is None]
            if self._waiting[0].withdrawn:
                self._waiting.popleft()
                continue
            if not free:
                return
            answer = self._waiting.popleft()
            # of a prompt found whole the last token is computed again: its logits are wanted
            most = len(answer.prompt) - 1
            known = [min(most, common_prefix(place.ids, answer.prompt)) for place in self._places]
            best = max(range(len(known)), key=lambda n: (known[n], self._places[n].answer is None))
            # a place whose content is worth least to others, unless the best is free itself
            target = best if best in free else min(free, key=lambda n: len(self._places[n].ids))
            if target != best and known[best]:
                self._model.copy(best, target, known[best])
            self._places[target] = _Place(list(answer.prompt[: known[best]]), answer)
            answer.place, answer.computed = target, known[best]
            self.reused += known[best]
            self._filling.append(answer)

    def _round(self) -> None:
        ready: list[tuple[_Answer, int]] = []
        self._drop_withdrawn()
        if self._filling:
            answer = self._filling[0]
            stretch = answer.prompt[answer.computed : answer.computed + self._stretch]
            logits = self._model.prefill(answer.place, answer.computed, stretch)
            self._places[answer.place].ids += stretch
            answer.computed += len(stretch)
            if answer.computed == len(answer.prompt):
                self._filling.popleft()
                ready.append((answer, self._model.likeliest(logits)[0]))
        if self._running:
            self.most_together = max(self.most_together, len(self._running))
            ids = [answer.forced[answer.sent - 1] for answer in self._running]
            places = [answer.place for answer in self._running]
            positions = [len(self._places[place].ids) for place in places]
            found = self._model.likeliest(self._model.decode(places, positions, ids))
            for place, token in zip(places, ids, strict=True):
                self._places[place].ids.append(token)
            ready += zip(self._running, found, strict=True)
        self._running += [answer for answer, _ in ready if answer.sent == 0]
        for answer, _ in ready:
            answer.sent += 1
        for answer in [a for a in self._running if a.sent == len(a.forced)]:
            self._running.remove(answer)
            self._places[answer.place].answer = None
        self._tell(ready)

    def _drop_withdrawn(self) -> None:
        for answers in (self._filling, self._running):
            for answer in [a for a in answers if a.withdrawn]:
                answers.remove(answer)
                self._places[answer.place].answer = None

    def _fail(self, error: Exception) -> None:
        """Every request ends with the error, and nothing in the cache is trusted any more."""
        with self._changed:
            answers = [*self._waiting, *self._filling, *self._running]
            self._waiting.clear()
        self._filling.clear()
        self._running.clear()
        self._places = [_Place() for _ in self._places]
        self._tell([(answer, error) for answer in answers])

    def _tell(self, found: Sequence[tuple[_Answer, int | Exception]]) -> None:
        def tell() -> None:
            for answer, token in found:
                answer.out.put_nowait(token)

        if found:
            with suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits any more
                self._loop.call_soon_threadsafe(tell)
