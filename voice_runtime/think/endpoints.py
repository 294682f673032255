"""Language-model servers that speak OpenAI's chat protocol: deadlines, retry, fallback, health.

One ``Endpoints`` serves every call of the process: it holds one HTTP client per
server, knows which of them are well, and asks them in order until one answers.
It knows nothing of calls, frames or records.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, cast

import httpx2
from loguru import logger
from openai import AsyncOpenAI, AsyncStream, OpenAIError

from controls.errors import LedgerError, OperatorError, ProviderError
from voice_runtime.breaker import Breaker, State, in_order, readings
from voice_runtime.engine_settings import Endpoint as EndpointEntry
from voice_runtime.engine_settings import ModelEndpoint, ModelSettings
from voice_runtime.supplier_transport import SupplierTransport
from voice_runtime.think.answer import Chunk, Gathering, Reply, translate
from voice_runtime.think.event_stream import EventStream

#: After the model said why it stopped, only token counts can follow: how long they are waited for, s.
_USAGE_WAIT_S = 0.25
#: Ends a stream.
_DONE = b"[DONE]"
#: Behind the first sentence, which takes a second to speak, what comes within this, s, is taken together.
_REST_S = 0.03
#: A deadline's timer fires some time after it, s.
_TIMER_S = 0.1


class ChatSource(Protocol):
    """A model of another protocol that answers in OpenAI's chunks (``pipecat_llm.PipecatChat``)."""

    name: str
    model: str

    def chunks(self, params: Mapping[str, Any]) -> AsyncIterator[Chunk]: ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One server.

    Attributes:
        name: the supplier's name on record (a slug).
        base_url: up to and including ``/v1``.
        api_key: never printed; "" when the server wants none.
        source: asked instead of a server at ``base_url``.
        outside: what is sent leaves this host.
        receipt_first: an outside server is sent nothing before the caller's words are on record.
    """

    name: str
    base_url: str
    model: str
    api_key: str = field(default="", repr=False)
    region: str = "local"
    outside: bool = False
    receipt_first: bool = True
    source: ChatSource | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a server may take, in s, and how often it is asked.

    Attributes:
        first_token_s: from sending to the first word or tool call, for one attempt.
        give_up_s: the same over all attempts at all endpoints; past it the caller hears a phrase.
        between_s: from one piece of an answer to the next.
        total_s: for a whole answer.
        retries: further attempts at the same endpoint, only before its first word.
    """

    first_token_s: float = 2.0
    give_up_s: float = 6.0
    between_s: float = 2.0
    total_s: float = 20.0
    retries: int = 1


OnText = Callable[[str], Awaitable[None]]
Before = Callable[[], Awaitable[None]]
OnFailover = Callable[[Literal["deadline", "broken"]], None]


class Endpoints:
    """Every endpoint of the process, in order of preference."""

    def __init__(
        self,
        endpoints: tuple[Endpoint, ...],
        deadlines: Deadlines = Deadlines(),
        breakers: MutableMapping[str, Breaker] | None = None,
    ) -> None:
        """Make one client for each endpoint; opens no connection.

        Args:
            breakers: what is known of each by name, shared with other agents' endpoints; new ones are added.

        Raises:
            OperatorError: there is none, or two have the same name.
        """
        if not endpoints:
            raise OperatorError("no model endpoint: name one under model.endpoints, or use the stand-in")
        if len({e.name for e in endpoints}) != len(endpoints):
            raise OperatorError("two model endpoints have the same name: give each its own")
        self.endpoints = endpoints
        self.deadlines = deadlines
        self._clients = {e.name: _client(e, deadlines) for e in endpoints if e.source is None}
        self._used_s: dict[str, float] = {}
        shared = {} if breakers is None else breakers
        self._breakers = {e.name: shared.setdefault(e.name, Breaker(e.name)) for e in endpoints}

    @classmethod
    def of(
        cls,
        settings: ModelSettings,
        standin: Endpoint | None = None,
        sources: Mapping[str, ChatSource] | None = None,
        breakers: MutableMapping[str, Breaker] | None = None,
    ) -> Endpoints:
        """From a profile; ``standin`` is where the stand-in answers, when the profile wants it.

        Raises:
            OperatorError: the profile wants the stand-in and none is running.
        """
        if settings.standin:
            endpoints: tuple[Endpoint, ...] = (standin,) if standin else ()
        else:
            endpoints = tuple(endpoint_of(e, sources) for e in settings.endpoints)
        deadlines = Deadlines(
            first_token_s=settings.first_token_s,
            give_up_s=min(settings.total_s, settings.first_token_s * 3),
            between_s=settings.first_token_s,
            total_s=settings.total_s,
            retries=settings.retries,
        )
        return cls(endpoints, deadlines, breakers)

    def client(self, name: str) -> AsyncOpenAI | None:
        """The shared client of an endpoint; None where a service by import path answers."""
        return self._clients.get(name)

    def may_begin(self, *, outside: bool) -> bool:
        """Whether a request that may come to nothing can be made now, of whoever would be asked first.

        Not of an endpoint that is on trial after failing: a trial is for an answer.

        Args:
            outside: an outside endpoint may be asked as well.
        """
        first = next((e for e in self.endpoints if self._breakers[e.name].state is not State.OPEN), None)
        return first is not None and self._breakers[first.name].closed and (outside or not first.outside)

    async def ask(
        self, params: Mapping[str, Any], reply: Reply, *, on_first: Callable[[], None], on_text: OnText,
        before_sending: Before | None = None, before_outside: Before | None = None,
        on_failover: OnFailover | None = None,
    ) -> None:  # fmt: skip
        """Ask the endpoints in order until one answers, filling ``reply`` as it arrives.

        A server is asked again, and the next one after it, only while no word has
        arrived: what the caller may already hear is never said twice.

        Args:
            params: of ``chat.completions.create`` without the model, streaming.
            on_first: called at the first word or tool call.
            on_text: called with each piece of text, in order.
            before_sending: awaited before anything goes to an outside endpoint that
                wants the receipt first; when it raises, that endpoint is passed over.
            before_outside: awaited before anything goes to any outside endpoint; as ``before_sending``.
            on_failover: called with the reason when an endpoint failed and the next one is asked.

        Raises:
            ProviderError: nothing answered, or (``reply.words`` is not empty) an answer broke off.
        """
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self.deadlines.give_up_s
        total = loop.time() + self.deadlines.total_s
        last = ProviderError("no endpoint answered", supplier=self.endpoints[0].name)
        failed: ProviderError | None = None
        order = in_order(self.endpoints, lambda e: self._breakers[e.name])
        for behind, endpoint in zip(reversed(range(len(order))), order, strict=True):
            if not await _may_send(endpoint, before_outside, before_sending):
                last = ProviderError("not sent: no receipt", supplier=endpoint.name)
                continue
            for attempt in range(1 + self.deadlines.retries):
                if loop.time() >= give_up:
                    raise last
                if attempt and not self._time_for_another(give_up - loop.time(), behind):
                    break
                if not attempt and failed is not None and on_failover is not None:
                    on_failover("deadline" if isinstance(failed.__cause__, TimeoutError) else "broken")
                first_by = min(loop.time() + self.deadlines.first_token_s, give_up)
                reply.attempts += 1
                reply.supplier, reply.model = endpoint.name, endpoint.model
                reply.tools, reply.finish = [], ""
                try:
                    await self._attempt(endpoint, params, reply, first_by, total, on_first, on_text)
                except ProviderError as error:
                    self._failed(endpoint, error)
                    last = failed = error
                    if reply.words:
                        raise
                    if not error.transient:
                        break
                else:
                    self._breakers[endpoint.name].answered()
                    return
        raise last

    def _time_for_another(self, left_s: float, behind: int) -> bool:
        """Whether a late endpoint may be asked again: those behind it keep their time for a first word."""
        first_s = self.deadlines.first_token_s
        return not behind or left_s >= first_s * (1 + behind) - _TIMER_S

    async def _attempt(
        self, endpoint: Endpoint, params: Mapping[str, Any], reply: Reply, first_by: float, total: float,
        on_first: Callable[[], None], on_text: OnText,
    ) -> None:  # fmt: skip
        """One request to one server, to the end of its answer."""
        loop = asyncio.get_running_loop()
        gathering = Gathering(endpoint.name, reply)
        deadline, first = first_by, False
        chunks = self._chunks(endpoint, params, first_by)
        try:
            while True:
                try:
                    async with asyncio.timeout_at(min(deadline, total)):
                        come = await anext(chunks, None)
                except TimeoutError as error:
                    if reply.finish:  # only the token counts are missing
                        break
                    what = "its answer stalled" if first else "its first token is late"
                    raise ProviderError(what, supplier=endpoint.name) from error
                if come is None:
                    break
                text = "".join(map(gathering.take, come))
                if not first and (text or gathering.wants_tools):
                    first = True
                    on_first()
                if text:
                    await on_text(text)
                if reply.finish:
                    deadline = min(deadline, loop.time() + _USAGE_WAIT_S)
                elif first:
                    deadline = loop.time() + self.deadlines.between_s
                    if gathering.sentence_over:
                        await asyncio.sleep(_REST_S)
        finally:
            self._used_s[endpoint.name] = loop.time()
            await chunks.aclose()
        gathering.close()

    async def _chunks(
        self, endpoint: Endpoint, params: Mapping[str, Any], first_by: float
    ) -> AsyncGenerator[list[Chunk], None]:
        """The server's chunks, all that have come at a time; foreign errors translated.

        Closes the stream whatever happens.
        """
        if endpoint.source is not None:
            async with aclosing(
                cast(AsyncGenerator[Chunk, None], endpoint.source.chunks(params))
            ) as answered:
                async for chunk in answered:
                    yield [chunk]
            return
        try:
            # As ``chat.completions.create`` and the stream it returns, less what they spend on types that
            # nobody here needs: that costs more than all else a token does.
            stream = await self._clients[endpoint.name].post(
                "/chat/completions",
                cast_to=object,
                body={**params, "model": endpoint.model},
                stream=True,
                stream_cls=AsyncStream[object],
            )
        except Exception as error:  # noqa: BLE001  # whatever a server or client throws is the supplier's
            raise translate(error, endpoint.name) from None
        try:
            events, over = EventStream(), False
            async for received in stream.response.aiter_bytes():  # to its end, or the connection is lost
                if not over:
                    data = events.feed(received)
                    over = _DONE in data
                    if come := [_parsed(d) for d in (data[: data.index(_DONE)] if over else data)]:
                        yield come
        except (OpenAIError, httpx2.HTTPError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise translate(error, endpoint.name) from None
        finally:
            await stream.close()

    # -- health ---------------------------------------------------------------------------------

    def _failed(self, endpoint: Endpoint, error: ProviderError) -> None:
        breaker = self._breakers[endpoint.name]
        breaker.failed(str(error))
        logger.warning("model endpoint {}: {} ({} in a row)", endpoint.name, error, breaker.failures_in_a_row)

    @property
    def breakers(self) -> list[Breaker]:
        """One for each endpoint."""
        return list(self._breakers.values())

    def health(self) -> dict[str, Any]:
        """For ``/readyz``: ``ok`` unless every endpoint keeps failing."""
        return readings(self.breakers)

    async def warm(self, outside_idle_s: float = 0.0, inside_idle_s: float = 0.0) -> None:
        """Open a connection to each endpoint, or use the one there is (``warmth.Warmable``)."""
        now_s = asyncio.get_running_loop().time()
        await asyncio.gather(
            *(
                self._warm(e, now_s)
                for e in self.endpoints
                if e.source is None
                and now_s - self._used_s.get(e.name, -math.inf)
                >= (outside_idle_s if e.outside else inside_idle_s)
            )
        )

    async def _warm(self, endpoint: Endpoint, now_s: float) -> None:
        first = endpoint.name not in self._used_s
        self._used_s[endpoint.name] = now_s
        try:
            async with asyncio.timeout(self.deadlines.first_token_s):
                await self._clients[endpoint.name].models.list()
        except Exception as error:  # noqa: BLE001  # warming is a courtesy
            level = "INFO" if first else "DEBUG"
            logger.log(level, "model endpoint {} is not warm: {}", endpoint.name, type(error).__name__)

    async def aclose(self) -> None:
        """Close every connection; afterwards every request fails."""
        for client in self._clients.values():
            await client.close()


def endpoint_of(entry: ModelEndpoint, sources: Mapping[str, ChatSource] | None = None) -> Endpoint:
    """A profile's entry as it is asked; ``sources`` holds what answers for services by import path."""
    by_address = isinstance(entry, EndpointEntry)
    return Endpoint(
        name=entry.name, base_url=entry.address, model=entry.model,
        api_key=entry.api_key.reveal() if isinstance(entry, EndpointEntry) and entry.api_key else "",
        region=entry.region, outside=entry.outside, receipt_first=entry.receipt_first,
        source=None if by_address else (sources or {})[entry.name],
    )  # fmt: skip


def _parsed(data: bytes) -> Chunk:
    """One event's JSON object.

    Raises:
        ValueError: it is none, or tells of an error.
    """
    chunk = json.loads(data.decode())
    if not isinstance(chunk, dict) or chunk.get("error"):
        raise ValueError("no chunk")
    return chunk


async def _may_send(endpoint: Endpoint, before_outside: Before | None, before_sending: Before | None) -> bool:
    if not endpoint.outside:
        return True
    try:
        if before_outside is not None:
            await before_outside()
        if before_sending is not None and endpoint.receipt_first:
            await before_sending()
    except LedgerError:
        logger.error("model endpoint {} is passed over: no receipt for the caller's words", endpoint.name)
        return False
    return True


def _client(endpoint: Endpoint, deadlines: Deadlines) -> AsyncOpenAI:
    # A proxy from the environment is for outside suppliers; and nothing of the
    # environment (keys, organisations) may reach a server it was not meant for.
    transport = httpx2.AsyncClient(
        transport=SupplierTransport(outside=endpoint.outside),
        trust_env=endpoint.outside,
        follow_redirects=False,
    )
    return AsyncOpenAI(
        api_key=endpoint.api_key or "none",
        base_url=endpoint.base_url,
        organization="",
        project="",
        max_retries=0,
        timeout=httpx2.Timeout(deadlines.total_s, connect=min(1.5, deadlines.first_token_s)),
        http_client=transport,
    )
