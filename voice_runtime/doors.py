"""Where calls come in: each carrier's entry, and what a call goes through from there to its last record.

A call is opened (its first records durable) before it is answered, run on its
carrier, and closed on record whatever happens: the carrier that never came, a
transfer that was never reported, a process that stops.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
from fastapi import APIRouter
from loguru import logger

from controls.decision import PendingReceipt
from controls.errors import LedgerError, SayError
from controls.ledger import records as r
from controls.ledger.ledger import Ledger
from controls.stop import Stopped
from voice_runtime.agent import Release
from voice_runtime.call import Call
from voice_runtime.call_opening import open_call
from voice_runtime.call_ports import Carrier
from voice_runtime.caller_page import About, caller_page_router
from voice_runtime.carrier import Hearing, TwilioCarrier, WebRtcCarrier
from voice_runtime.house import Agent, Facts, House
from voice_runtime.ingress.admission import Admission
from voice_runtime.ingress.twilio import (
    AfterDial,
    Dialled,
    IncomingCall,
    Refusal,
    TwilioHooks,
    TwilioRest,
    Words,
    twilio_router,
)
from voice_runtime.ingress.twilio_control import DIAL_TTL_S
from voice_runtime.ingress.twilio_hooks import Opened, Reason
from voice_runtime.ingress.webrtc import BrowserCall, IceServer, WebRtcDoor, WebRtcHooks, WebRtcOpened
from voice_runtime.lines import Line, Lines
from voice_runtime.ports import Coordinator
from voice_runtime.settings import Settings
from voice_runtime.telemetry import Telemetry

#: Counts of a stream's statistics that say a message or packet was not used.
_REFUSED_MESSAGES = ("gaps", "late", "malformed", "oversized", "foreign", "unknown", "dropped_out")


class Doors:
    """Every way into the house. Made once everything behind it runs."""

    def __init__(
        self,
        settings: Settings,
        *,
        lines: Lines,
        agents: Mapping[str, Agent],
        house: House,
        hearing: Hearing,
        ledger: Ledger,
        admission: Admission,
        coordinator: Coordinator,
        telemetry: Telemetry,
        public_url: Callable[[], str],
    ) -> None:
        self.calls: dict[str, Call] = {}
        self._settings, self._lines, self._agents = settings, lines, agents
        self._house, self._hearing, self._ledger = house, hearing, ledger
        self._admission, self._coordinator, self._telemetry = admission, coordinator, telemetry
        self._public_url = public_url

    async def routers(self, stack: AsyncExitStack) -> list[APIRouter]:
        """The entries this profile has; ``stack`` closes what they need."""
        return [*await self._twilio(stack), *self._browser(stack)]

    # -- Twilio -----------------------------------------------------------------------------------

    async def _twilio(self, stack: AsyncExitStack) -> list[APIRouter]:
        twilio = self._settings.carrier.twilio
        if twilio is None:
            return []
        rest = None
        if not twilio.account_sid.generate:
            client = httpx.AsyncClient(trust_env=False)
            stack.push_async_callback(client.aclose)
            rest = TwilioRest(
                client, twilio.account_sid.reveal(), twilio.auth_token.reveal(), rest_url=twilio.rest_url
            )
        router = twilio_router(
            public_url=self._public_url,
            auth_token=twilio.auth_token.reveal(),
            lines=self._lines,
            words=self._words,
            admission=self._admission,
            coordinator=self._coordinator,
            hooks=TwilioHooks(
                on_call=self._on_twilio_call,
                open_call=self._open_twilio,
                on_refused=self._on_refused,
                on_dialled=self._on_dialled,
            ),
            rest=rest,
        )
        return [router]

    def _words(self, line: Line | None) -> Words:
        """What the carrier's own voice says on a line."""
        twilio = self._settings.carrier.twilio
        person = twilio.fallback_number if twilio else ""
        agent = self._agents.get(line.agent) if line else None
        if agent is None:
            agent = next(iter(self._agents.values()))
        phrases = agent.release.phrases
        language = (line.language if line else "") or agent.release.language

        def phrase(name: str) -> str:
            return phrases.get(name, {}).get(language, "")

        return Words(
            capacity=phrase("capacity"), failed=phrase("fallback"), no_person=phrase("nobody"),
            person=person, language=language,
        )  # fmt: skip

    async def _open_twilio(self, opened: Opened) -> Reason | None:
        line = opened.line
        facts = Facts(
            tenant=line.tenant, line=line.name, region=line.region, ingress="twilio",
            caller=opened.caller, called=opened.called, carrier_call=opened.call_sid, language=line.language,
            jurisdiction=line.jurisdiction,
        )  # fmt: skip
        return await self._open(opened.call, line, facts, opened.within_s)

    async def _on_twilio_call(self, incoming: IncomingCall) -> None:
        call = self._opened(incoming.id)
        carrier = TwilioCarrier(incoming, self._hearing, call)
        leg = await self._run(call, carrier, came_back=incoming.resumed, stats=lambda: incoming.stats)
        if call.legs == leg and call.person.transferring:
            asyncio.get_running_loop().call_later(DIAL_TTL_S, self._never_reported, call, leg)

    def _never_reported(self, call: Call, leg: int) -> None:
        """The carrier never said how a transfer went: close the record all the same."""
        if call.legs == leg and self.calls.pop(call.id, None) is not None:
            call.person.dialled("failed")
            call.spawn(self._close_alone(call))

    async def _on_dialled(self, dialled: Dialled) -> AfterDial | None:
        call = self.calls.get(dialled.call)
        if call is None:
            return None
        if dialled.status == "completed":
            self.calls.pop(dialled.call, None)
            await call.transferred()
            return AfterDial()
        return AfterDial(reconnect=True)

    # -- browsers ---------------------------------------------------------------------------------

    def _browser(self, stack: AsyncExitStack) -> list[APIRouter]:
        webrtc = self._settings.webrtc
        if webrtc is None:
            return []
        door = WebRtcDoor(
            public_url=self._public_url,
            origins=webrtc.origins,
            ice_servers=[
                IceServer(s.urls, s.username, s.credential.reveal() if s.credential else "")
                for s in webrtc.ice_servers
            ],
            web_line=self._lines.web,
            languages=self._languages,
            admission=self._admission,
            hooks=WebRtcHooks(
                on_call=self._on_browser_call, open_call=self._open_browser, on_refused=self._on_refused
            ),
        )
        stack.push_async_callback(door.close)
        page = [caller_page_router(self._about)] if webrtc.page else []
        return [door.router, *page]

    def _languages(self, line: Line) -> tuple[str, ...]:
        """In which a browser may call: the line's own first, then what else the agent serves here."""
        agent = self._agents.get(line.agent)
        if agent is None:
            return ()
        first = line.language or agent.release.language
        return (first, *(x for x in agent.languages if x != first))

    def _about(self, name: str) -> About | None:
        """What the page says of an agent before a call."""
        line, agent = self._lines.web(name), self._agents.get(name)
        if line is None or agent is None:
            return None
        release, languages = agent.release, self._languages(line)
        days = release.retention_days.get("transcripts") or max(release.retention_days.values(), default=0)
        outside = sorted({supplier.name for supplier in agent.suppliers if supplier.outside})

        def privacy(language: str) -> str:
            words = release.templates["privacy"][language].format(
                operator=release.operator_of_record, days=days
            )
            more = release.templates["privacy-outside"][language].format(suppliers=", ".join(outside))
            return f"{words} {more}" if outside else words

        only_phrases = all(e.engine == "pocketsphinx" for e in self._settings.recogniser.engines)
        return About(
            agent=name,
            title=release.title,
            language=languages[0],
            languages=languages,
            disclosure={x: release.phrases["disclosure"][x] for x in languages},
            privacy={x: privacy(x) for x in languages},
            environment=self._settings.environment.value,
            offline_phrases=_samples(release.known_in(languages[0]).phrases) if only_phrases else (),
            not_a_language_model=self._settings.model.standin,
        )

    async def _open_browser(self, opened: WebRtcOpened) -> Reason | None:
        line = opened.line
        facts = Facts(
            tenant=line.tenant, line=line.name, region=line.region, ingress="webrtc",
            language=opened.language or line.language, jurisdiction=line.jurisdiction,
        )  # fmt: skip
        return await self._open(opened.call, line, facts, opened.within_s)

    async def _on_browser_call(self, incoming: BrowserCall) -> None:
        call = self._opened(incoming.id)
        await self._run(call, WebRtcCarrier(incoming, self._hearing, call), stats=lambda: incoming.stats)

    # -- any call ---------------------------------------------------------------------------------

    async def _open(self, id: str, line: Line, facts: Facts, within_s: float) -> Reason | None:
        """Before a call is answered: its first records are durable, or it is not taken."""
        agent = self._agents.get(line.agent)
        if agent is None:
            return "unknown_line"
        if self._stop_of(line) is not None:
            return "stopped"
        if self._law_expired(agent.release):
            return "expired"
        newest = self._ledger.cosigned(line.tenant) or self._ledger.checkpoint(line.tenant)
        facts = replace(facts, checkpoint=base64.b64encode(newest.note).decode())
        try:
            call = self.calls[id] = await open_call(agent, self._house, facts, id)
        except LedgerError:
            logger.error("a call was not taken: its first records are not durable")
            return "ledger"
        if (stop := self._stop_of(line)) is not None:  # in this very moment: told once they can be
            call.stop(stop.scope.kind)
        asyncio.get_running_loop().call_later(within_s, self._never_came, id)
        return None

    def _stop_of(self, line: Line) -> Stopped | None:
        stops = self._house.stops
        return None if stops is None else stops.stops.of_call(line.tenant, line.agent)

    def _law_expired(self, release: Release) -> bool:
        """Whether the disclosure rules have run out since the server started; then no call is taken."""
        today = datetime.fromtimestamp(self._house.clock.unix_s(), UTC).date()
        over = release.jurisdictions.expired(today) if release.jurisdictions is not None else None
        if over is not None:
            logger.error(
                "configs/disclosures/{}.yaml expired on {}: have {} review it and start again",
                over.disclosure, over.expires, over.reviewer,
            )  # fmt: skip
        return over is not None

    def _opened(self, id: str) -> Call:
        call = self.calls.get(id)
        if call is None:
            raise SayError("media for a call that was not opened")
        return call

    async def _run(
        self, call: Call, carrier: Carrier, *, came_back: str = "", stats: Callable[[], Any]
    ) -> int:
        """Run one leg of a call; its number."""
        leg = call.legs + 1
        self._telemetry.active.inc()
        logger.info("call {} answered on line {}", call.id, call.facts.line)
        try:
            await call.run(carrier, came_back=came_back)
        finally:
            self._telemetry.active.dec()
            counted = stats()
            for kind in _REFUSED_MESSAGES:
                self._telemetry.carrier_messages.labels(kind).inc(getattr(counted, kind))
            logger.info("call {} left the line{}", call.id, ": transferred" * call.person.transferring)
            # Otherwise the caller is with a person, or back already in a pipeline of its own.
            if call.legs == leg and not call.person.transferring:
                self.calls.pop(call.id, None)
        return leg

    def _never_came(self, id: str) -> None:
        """The carrier was answered and never opened the stream: close the record."""
        call = self.calls.get(id)
        if call is not None and not call.answered:
            call.spawn(self._close_alone(call))

    async def _close_alone(self, call: Call) -> None:
        """Close the record of a call that no pipeline runs any more."""
        self.calls.pop(call.id, None)
        await asyncio.shield(call.close())

    async def _on_refused(self, refusal: Refusal) -> None:
        """Record a call that was not taken: in the log, or in the spool should the log not take it.

        The answer to the carrier waits for neither: the disk that keeps a caller out may stall for long.
        """
        line = refusal.line or next(iter(self._lines.all), None)
        record = r.CallRefused(tenant=line.tenant if line else "local", reason=refusal.reason)
        details = r.RefusalDetails(carrier_call=refusal.carrier_call) if refusal.carrier_call else None
        receipt = self._house.recorder.append(record, details)
        receipt.add_done_callback(lambda done: self._spool_refusal(done, record, details))

    def _spool_refusal(
        self, done: PendingReceipt, record: r.CallRefused, details: r.RefusalDetails | None
    ) -> None:
        """In the ledger's thread: the log did not take it."""
        if done.exception() is None:
            return
        try:
            self._ledger.append_spooled(record, details)
        except LedgerError:
            logger.error("record {} is lost to the spool as well", record.type)


def _samples(phrases: Sequence[str], most: int = 24) -> tuple[str, ...]:
    """One sentence of each kind that a phrase recogniser understands, for people to read."""
    kinds: dict[str, str] = {}
    for phrase in phrases:
        words = phrase.split()
        if len(words) > 1:
            kinds.setdefault(" ".join(words[:2]), phrase)
    return tuple(kinds.values())[:most]
