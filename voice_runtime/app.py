"""The composition root: settings to running engines, agents, ledger and doors. Nothing else builds them.

Order of starting, each step named in the error when it fails: 1. configuration,
2. ledger (and what a crash left open), 3. engines, 4. agents, 5. doors. Stopping
is the reverse, and drains.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
from fastapi import APIRouter, FastAPI
from loguru import logger

from controls import intents
from controls.errors import LedgerError, OperatorError, SayError
from controls.ledger import records as r
from controls.ledger.log import Ledger
from voice_runtime.agent import Release
from voice_runtime.binding import bound_suppliers, read_suppliers, rules_of, taggers_of
from voice_runtime.call import Call, open_call
from voice_runtime.carrier import Hearing, TwilioCarrier
from voice_runtime.children import Child
from voice_runtime.clock import SystemClock
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
from voice_runtime.lines import Line, Lines, load_lines
from voice_runtime.listen.smart_turn import SmartTurn
from voice_runtime.listen.sphinx import SphinxRecogniser
from voice_runtime.local import LocalSocket, socket_path
from voice_runtime.offline.standin import MODEL
from voice_runtime.recovery import close_what_is_open
from voice_runtime.resolve import load_release
from voice_runtime.server import build_server
from voice_runtime.settings import Settings, may_serve
from voice_runtime.speak.espeak import EspeakSynthesiser, VoiceSettings
from voice_runtime.speak.voice import Engine, PhraseCache
from voice_runtime.store.coordination import InProcessCoordinator
from voice_runtime.telemetry import CountingRecorder, Telemetry
from voice_runtime.think.endpoints import Endpoint, Endpoints
from voice_runtime.think.services import Service, ServiceClient

#: Counts of ``MediaStats`` that say a carrier's message was not used.
_REFUSED_MESSAGES = ("gaps", "late", "malformed", "oversized", "foreign", "unknown", "dropped_out")


class App:
    """One process's house. ``start`` before serving, ``stop`` after."""

    def __init__(self, settings: Settings, *, embedded_dir: Path | None = None) -> None:
        """Prepare; nothing runs before ``start``.

        Args:
            embedded_dir: where embedded services keep their rows; ``data_dir`` when None.
        """
        self.settings = settings
        self._embedded_dir = embedded_dir or settings.data_dir
        self.telemetry = Telemetry()
        self.clock = SystemClock()
        self.lines: Lines | None = None
        self.agents: dict[str, Agent] = {}
        self.calls: dict[str, Call] = {}
        self.coordinator = InProcessCoordinator(settings.admission.calls, clock=self.clock)
        self.admission = Admission(self.coordinator)
        self.ledger: Ledger | None = None
        self.house: House | None = None
        self.hearing: Hearing | None = None
        self.public_url = (
            settings.server.public_url or f"http://{settings.server.host}:{settings.server.port}"
        )
        self.recovered = 0
        self._stack = AsyncExitStack()
        self._services: dict[str, Service] = {}
        self._standin_address = ""

    # -- starting and stopping ------------------------------------------------------------------

    async def start(self) -> FastAPI:
        """Start everything and return the application to serve.

        Raises:
            SayError: something cannot be used as configured; what was started is stopped again.
        """
        try:
            releases = self._configuration()
            await self._start_ledger(releases)
            await self._start_engines(releases)
            router = await self._doors()
        except BaseException:
            await self._stack.aclose()
            raise
        return build_server(self, self.telemetry, [router] if router else [])

    async def stop(self) -> None:
        """Take no more calls, let running ones end, then close everything."""
        self.admission.drain()
        if not await self.admission.wait_empty(self.settings.server.drain_s):
            for call in list(self.calls.values()):
                call.drain()
            if not await self.admission.wait_empty(10.0):
                logger.error("{} calls did not end when told to", self.admission.active)
        for call in list(self.calls.values()):
            await call.close()
        await self._stack.aclose()

    def _configuration(self) -> dict[str, Release]:
        root = self.settings.root
        self.lines = load_lines(root)
        releases = {
            name: load_release(root, name, self.settings, self.lines)
            for name in dict.fromkeys(self.lines.agents())
        }
        if not releases:
            raise OperatorError(
                "configs/lines.yaml names no line: add one, so that a call can reach an agent"
            )
        for release in releases.values():
            may_serve(self.settings, release)
        intents.use(intents.load_intents(root / "configs" / "rules"))
        return releases

    async def _start_ledger(self, releases: dict[str, Release]) -> None:
        taggers = taggers_of(self.settings.root, list(releases.values()), self._all_lines())
        tagger = next(iter(taggers.values()))
        self.settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.settings.data_dir.chmod(0o700)
        root = self.settings.data_dir / "ledger"
        ledger = await asyncio.to_thread(
            Ledger.open,
            root,
            tagger=tagger,
            taggers=taggers,
            spool_bytes=self.settings.ledger.spool_mb * 1024 * 1024,
        )
        self.ledger = ledger
        self._stack.push_async_callback(asyncio.to_thread, ledger.close)
        for tenant in dict.fromkeys(release.tenant for release in releases.values()):
            await asyncio.to_thread(ledger.prepare, tenant)

    def _all_lines(self) -> list[Line]:
        lines = self.lines
        return [line for name in lines.agents() for line in lines.of(name)] if lines else []

    # -- engines ----------------------------------------------------------------------------------

    async def _start_engines(self, releases: dict[str, Release]) -> None:
        settings = self.settings
        await self._start_children(releases)
        synthesiser = EspeakSynthesiser(
            {
                name: VoiceSettings(variant=v.variant, rate_wpm=v.rate_wpm, pitch=v.pitch)
                for name, v in settings.voice.voices.items()
            },
            settings.voice.deadline_s,
        )
        await self._enter(synthesiser.start, synthesiser.close)
        recogniser = SphinxRecogniser(
            processes=settings.recogniser.processes, deadline_s=settings.recogniser.deadline_s
        )
        await self._enter(recogniser.start, recogniser.close)
        smart_turn = SmartTurn()
        self._stack.callback(smart_turn.close)
        self.hearing = Hearing(recogniser, smart_turn, settings.turn, self.clock)

        services = ServiceClient(self._services, clock=self.clock)
        self._stack.push_async_callback(services.aclose)
        ledger = self._open_ledger()
        self.house = House(
            recorder=CountingRecorder(ledger, self.telemetry),
            clock=self.clock,
            services=services,
            environment=settings.environment,
            spool=ledger.append_spooled,
            receipt_deadline_s=settings.ledger.receipt_deadline_ms / 1000,
            media_patience_s=settings.turn.media_stopped_s,
        )
        suppliers = read_suppliers(settings.root)
        phrases = PhraseCache()
        for name, release in releases.items():
            services.require(release.tools)
            await phrases.fill(release.phrases, synthesiser, voice=release.voice)
            await recogniser.load(release.digest, release.known_phrases, release.pronunciations)
            endpoints = self._endpoints(name)
            self._stack.push_async_callback(endpoints.aclose)
            await endpoints.warm()
            voices = [Engine(synthesiser, first_piece_s=settings.voice.deadline_s)]
            bound = bound_suppliers(release, endpoints, suppliers, synthesiser.name, recogniser.name)
            self.agents[name] = Agent(release, rules_of(release), endpoints, voices, phrases, bound)
        tools = {(name, tool.name): tool for name, release in releases.items() for tool in release.tools}
        self.recovered = await close_what_is_open(settings.data_dir / "ledger", ledger, services, tools)

    async def _start_children(self, releases: dict[str, Release]) -> None:
        settings = self.settings
        for name, address in settings.services.items():
            key = address.key.reveal() if address.key is not None else ""
            url = address.url or ""
            if address.embedded:
                child = Child(
                    "voice_runtime.offline.appointments", "--db", str(self._embedded_dir / f"{name}.db"),
                    environment={"SAYSO_APPOINTMENTS_KEY": key},
                )  # fmt: skip
                await self._enter(child.start, child.stop)
                url = str(child.ready["address"])
            self._services[name] = Service(name, key.encode(), url)
        if settings.model.standin:
            files = [
                argument
                for name in releases
                for argument in ("--agent-file", str(settings.root / "agents" / name / "offline.yaml"))
            ]
            standin = Child("voice_runtime.offline.standin", *files)
            await self._enter(standin.start, standin.stop)
            self._standin_address = str(standin.ready["address"])

    def _endpoints(self, agent: str) -> Endpoints:
        standin = None
        if self._standin_address:
            standin = Endpoint("standin", f"{self._standin_address}/v1", f"{MODEL}/{agent}")
        return Endpoints.of(self.settings.model, standin)

    async def _enter(self, start: Callable[[], Awaitable[Any]], stop: Callable[[], Awaitable[Any]]) -> None:
        self._stack.push_async_callback(stop)
        await start()

    # -- doors ------------------------------------------------------------------------------------

    async def _doors(self) -> APIRouter | None:
        ledger = self._open_ledger()
        local = LocalSocket(ledger, socket_path(self.settings.data_dir))
        await self._enter(local.start, local.close)
        self._stack.push_async_callback(self.admission.close)
        twilio = self.settings.carrier.twilio
        if twilio is None or self.lines is None:
            return None
        rest = None
        if not twilio.account_sid.generate:
            client = httpx.AsyncClient(trust_env=False)
            self._stack.push_async_callback(client.aclose)
            rest = TwilioRest(
                client, twilio.account_sid.reveal(), twilio.auth_token.reveal(), rest_url=twilio.rest_url
            )
        return twilio_router(
            public_url=lambda: self.public_url,
            auth_token=twilio.auth_token.reveal(),
            lines=self.lines,
            words=self._words,
            admission=self.admission,
            coordinator=self.coordinator,
            hooks=TwilioHooks(
                on_call=self._on_call,
                open_call=self._open,
                on_refused=self._on_refused,
                on_dialled=self._on_dialled,
            ),
            rest=rest,
        )

    def _words(self, line: Line | None) -> Words:
        """What the carrier's own voice says on a line."""
        twilio = self.settings.carrier.twilio
        person = twilio.fallback_number if twilio else ""
        agent = self.agents.get(line.agent) if line else None
        if agent is None:
            agent = next(iter(self.agents.values()))
        phrases, language = agent.release.phrases, agent.release.language

        def phrase(name: str) -> str:
            return phrases.get(name, {}).get(language, "")

        return Words(
            capacity=phrase("capacity"), failed=phrase("fallback"), no_person=phrase("nobody"),
            person=person, language=language,
        )  # fmt: skip

    # -- calls ------------------------------------------------------------------------------------

    async def _open(self, opened: Opened) -> Reason | None:
        """Before a call is answered: its first records are durable, or it is not taken."""
        house, agent = self.house, self.agents.get(opened.line.agent)
        if house is None or agent is None:
            return "unknown_line"
        size, root = self._newest_checkpoint(opened.line.tenant)
        facts = Facts(
            tenant=opened.line.tenant, line=opened.line.name, region=opened.line.region, ingress="twilio",
            caller=opened.caller, called=opened.called, carrier_call=opened.call_sid,
            checkpoint_size=size, checkpoint_root=root,
        )  # fmt: skip
        try:
            self.calls[opened.call] = await open_call(agent, house, facts, opened.call)
        except LedgerError:
            logger.error("a call was not taken: its first records are not durable")
            return "ledger"
        asyncio.get_running_loop().call_later(opened.within_s, self._never_came, opened.call)
        return None

    def _never_came(self, call_id: str) -> None:
        """The carrier was answered and never opened the stream: close the record."""
        call = self.calls.get(call_id)
        if call is not None and not call.answered:
            call.spawn(self._close_alone(call))

    async def _close_alone(self, call: Call) -> None:
        """Close the record of a call that no pipeline runs any more."""
        self.calls.pop(call.id, None)
        await asyncio.shield(call.close())

    async def _on_call(self, incoming: IncomingCall) -> None:
        call, hearing = self.calls.get(incoming.id), self.hearing
        if call is None or hearing is None:
            raise SayError("media for a call that was not opened")
        leg = call.legs + 1
        self.telemetry.active.inc()
        logger.info("call {} answered on line {}", call.id, incoming.line.name)
        try:
            await call.run(TwilioCarrier(incoming, hearing, call.release), came_back=incoming.resumed)
        finally:
            self.telemetry.active.dec()
            for kind in _REFUSED_MESSAGES:
                self.telemetry.carrier_messages.labels(kind).inc(getattr(incoming.stats, kind))
            logger.info("call {} left the line{}", call.id, ": transferred" * call.person.transferring)
            if call.legs != leg:  # the caller is back already, in a pipeline of its own
                pass
            elif call.person.transferring:
                asyncio.get_running_loop().call_later(DIAL_TTL_S, self._never_reported, call, leg)
            else:
                self.calls.pop(incoming.id, None)

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

    async def _on_refused(self, refusal: Refusal) -> None:
        """Record a call that was not taken; into the spool when the ledger is the reason."""
        lines = self._all_lines()
        tenant = refusal.line.tenant if refusal.line else (lines[0].tenant if lines else "local")
        record = r.CallRefused(tenant=tenant, reason=refusal.reason)
        ledger = self._open_ledger()
        if refusal.reason == "ledger":
            await asyncio.to_thread(ledger.append_spooled, record)
        elif self.house is not None:
            self.house.recorder.append(record)

    # -- state ------------------------------------------------------------------------------------

    def _open_ledger(self) -> Ledger:
        if self.ledger is None:
            raise OperatorError("the ledger is not open")
        return self.ledger

    def _newest_checkpoint(self, tenant: str) -> tuple[int, str | None]:
        checkpoint = self._open_ledger().checkpoint(tenant)
        return checkpoint.size, ("sha256:" + checkpoint.root.hex()) if checkpoint.size else None

    def readiness(self) -> dict[str, Any]:
        """Each part's state, for ``/readyz``."""
        ledger = self.ledger is not None and self.ledger.healthy
        models = {name: agent.endpoints.health() for name, agent in self.agents.items()}
        answering = all(model["ok"] for model in models.values())
        draining = self.admission.draining
        return {
            "ready": ledger and bool(self.agents) and answering and not draining,
            "ledger": ledger,
            "spooled": self.ledger.spooled if self.ledger else 0,
            "models": models,
            "agents": {name: agent.release.digest for name, agent in self.agents.items()},
            "calls": self.admission.active,
            "draining": draining,
        }
