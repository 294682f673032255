"""The composition root: settings to running engines, agents, ledger and doors. Nothing else builds them.

Order of starting, each step named in the error when it fails: 1. configuration,
2. ledger (and what a crash left open), 3. engines, 4. agents, 5. doors. Stopping
is the reverse, and drains.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from loguru import logger

from controls import intents
from controls.errors import OperatorError
from controls.ledger.keys import Keys
from controls.ledger.ledger import Ledger
from controls.ledger.witnesses import Witnesses
from controls.redaction.file import Redaction, unconfigured
from controls.stop import Stopped
from voice_runtime.agent import Release
from voice_runtime.agent_folder import read_redaction
from voice_runtime.at_once import at_once
from voice_runtime.binding import bound_judges, bound_suppliers, read_suppliers, rules_of, taggers_of
from voice_runtime.breaker import Breaker, readings
from voice_runtime.call import Call
from voice_runtime.carrier import Hearing
from voice_runtime.children import Child
from voice_runtime.clock import SystemClock
from voice_runtime.deciding import Deciding, start_deciding
from voice_runtime.doors import Doors
from voice_runtime.engines import prepare_speech, start_chats, start_recogniser, start_voices
from voice_runtime.garbage import Ahead
from voice_runtime.headroom import Headroom, Reading
from voice_runtime.house import Agent, House
from voice_runtime.ingress.admission import Admission
from voice_runtime.inline.in_time import ended_within_s
from voice_runtime.key_operations import key_operations
from voice_runtime.lines import Line, Lines, load_lines
from voice_runtime.listen.smart_turn import SmartTurn
from voice_runtime.listen.vad import silero_session
from voice_runtime.local import LocalSocket, socket_path
from voice_runtime.masked_counts import MaskedCounts
from voice_runtime.offline.standin import MODEL
from voice_runtime.process_usage import ProcessUsage
from voice_runtime.record_keeping import open_ledger, witnesses_of
from voice_runtime.recovery import close_what_is_open
from voice_runtime.release_archive import archive_releases
from voice_runtime.resolve import load_release
from voice_runtime.server import build_server
from voice_runtime.settings import Settings, may_serve
from voice_runtime.speak.spoken import spoken_phrases
from voice_runtime.speak.underrun import Cause, TrackCause
from voice_runtime.speak.voice import Engine
from voice_runtime.stops import Names
from voice_runtime.store.coordination import InProcessCoordinator
from voice_runtime.store.opt_outs import OptOutBook
from voice_runtime.store.tool_uses import ToolUseBook
from voice_runtime.telemetry import CountingRecorder, Telemetry, mask_logs
from voice_runtime.think.endpoints import ChatSource, Endpoint, Endpoints
from voice_runtime.think.mcp_servers import mcp_servers
from voice_runtime.think.services import Service, ServiceClient
from voice_runtime.tracing import Tracing
from voice_runtime.vitals import Counts, Vitals
from voice_runtime.warmth import Warmable, Warmth
from voice_runtime.weaker_on_record import record_what_is_weaker


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
        self.doors: Doors | None = None
        self.coordinator = InProcessCoordinator(settings.admission.calls, clock=self.clock)
        limits = settings.admission.headroom
        self.headroom = Headroom(limits) if limits is not None else None
        self.admission = Admission(self.coordinator, self.headroom)
        self.usage = ProcessUsage()
        self.ahead = Ahead()
        self.vitals = Vitals(
            self.telemetry, counts=self._counts, on_reading=self._measured,
            busy=lambda: self.admission.active > 0, ahead=self.ahead, usage=self.usage,
        )  # fmt: skip
        self.telemetry.before_exposition = self._observe
        self.ledger: Ledger | None = None
        self.keys: Keys | None = None
        self.witnesses: Witnesses | None = None
        self._deciding: Deciding | None = None
        self.house: House | None = None
        self.hearing: Hearing | None = None
        server = settings.server
        self.public_url = server.public_url or f"http://{server.host}:{server.port}"
        self.recovered = 0
        self._stack = AsyncExitStack()
        self._services: dict[str, Service] = {}
        self._standin_address = ""
        self._voices: list[Engine] = []
        self._smart_turn: SmartTurn | None = None
        self._underruns = 0
        self._masked = MaskedCounts(unconfigured())
        self._chats: Mapping[str, ChatSource] = {}
        self._model_breakers: dict[str, Breaker] = {}  # one for each supplier, whichever agents it serves

    # -- starting and stopping ------------------------------------------------------------------

    async def start(self) -> FastAPI:
        """Start everything and return the application to serve.

        Raises:
            SayError: something cannot be used as configured; what was started is stopped again.
        """
        try:
            await self._enter(self.vitals.start, self.vitals.close)
            releases = self._configuration()
            # First, so that what is on record as served can be read again.
            await asyncio.to_thread(archive_releases, self.settings.data_dir, releases.values())
            await self._start_ledger(releases)
            await self._start_engines(releases)
            routers = await self._open_doors()
            self.begin()
        except BaseException:
            await self._stack.aclose()
            raise
        return build_server(self, self.telemetry, routers)

    def begin(self) -> None:
        """Calls may come: whatever was measured until now is of starting up, and counts for nothing."""
        self.vitals.begin()
        if self.headroom is not None:
            self.headroom.begin()

    async def stop(self) -> None:
        """Take no more calls, let running ones end, then close everything."""
        self.admission.drain()
        if not await self.admission.wait_empty(self.settings.server.drain_s):
            for call in self.calls:
                call.drain()
            if not await self.admission.wait_empty(ended_within_s(x.person.urgency for x in self.calls)):
                logger.error("{} calls did not end when told to", self.admission.active)
        for call in self.calls:
            await call.close()
        await self._stack.aclose()

    @property
    def calls(self) -> list[Call]:
        """Calls whose record is open."""
        return list(self.doors.calls.values()) if self.doors else []

    def _configuration(self) -> dict[str, Release]:
        root = self.settings.root
        self._masked = MaskedCounts(Redaction(read_redaction(root)))
        mask_logs(self._masked.log.mask)
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
        packs = [p for release in releases.values() if release.rules is not None for p in release.rules.packs]
        intents.use(intents.load_intents(root / "configs" / "rules", packs))
        return releases

    async def _start_ledger(self, releases: dict[str, Release]) -> None:
        lines, mine = self._all_lines(), list(releases.values())
        taggers = taggers_of(self.settings.root, mine, lines)
        if (witnesses := witnesses_of(self.settings.ledger)) is not None:
            self.witnesses = witnesses
            self.telemetry.witness_readings = witnesses.readings
        self.ledger, self.keys = await open_ledger(self.settings, taggers, lines, self._stack, self.witnesses)
        await record_what_is_weaker(self.settings, self.ledger, mine)
        await self._stack.enter_async_context(self._masked.telling(self.ledger, {x.tenant for x in lines}))

    def _all_lines(self) -> list[Line]:
        lines = self.lines
        return [line for name in lines.agents() for line in lines.of(name)] if lines else []

    # -- engines ----------------------------------------------------------------------------------

    def _tracing(self) -> Tracing | None:
        """Where spans go, when the profile names a collector."""
        otlp = self.settings.telemetry.otlp
        if otlp is None:
            return None
        headers = {name: secret.reveal() for name, secret in otlp.headers.items()}
        tracing = Tracing(
            otlp.endpoint, headers, content=otlp.content, environment=self.settings.environment.value,
            now_unix_ns=lambda: round(self.clock.unix_s() * 1e9), now_monotonic_ns=self.clock.monotonic_ns,
            mask=self._masked.span.mask,
        )  # fmt: skip
        self._stack.push_async_callback(asyncio.to_thread, tracing.close)
        return tracing

    async def _start_engines(self, releases: dict[str, Release]) -> None:
        settings = self.settings
        await self._start_children(releases)
        self._chats = await start_chats(settings, self._enter)
        voices = self._voices = await start_voices(settings, self._enter)
        recogniser = await start_recogniser(settings, self._enter)
        silero_session()  # 50 ms of the event loop, which the first caller would hear
        smart_turn = self._smart_turn = SmartTurn()
        self._stack.callback(smart_turn.close)
        await smart_turn.warm()
        self.hearing = Hearing(recogniser, smart_turn, settings.turn, self.clock)

        services = ServiceClient(self._services, clock=self.clock, mcp=await mcp_servers(releases, settings))
        self._stack.push_async_callback(services.aclose)
        for release in releases.values():
            services.require(release.tools)
        ledger = self._open_ledger()
        deciding = self._deciding = await start_deciding(
            settings, ledger, self.clock, alone=self.coordinator, stopped=self._stopped, enter=self._enter,
            decoy_ended=lambda outcome: self.telemetry.decoys.labels(outcome).inc(),
            names=Names.of(
                [(line.agent, line.tenant) for line in self._all_lines()],
                {name: [tool.name for tool in release.tools] for name, release in releases.items()},
            ),
        )  # fmt: skip
        self.house = House(
            recorder=CountingRecorder(ledger, self.telemetry),
            clock=self.clock,
            services=services,
            environment=settings.environment,
            spool=ledger.append_spooled,
            tracing=self._tracing(),
            on_underrun=self._underrun,
            on_track_underrun=self._track_underrun,
            on_governed=self.telemetry.governance.observe,
            receipt_deadline_s=settings.ledger.receipt_deadline_ms / 1000,
            media_patience_s=settings.turn.media_stopped_s,
            eager=settings.turn.eager,
            approvals=deciding.approvals,
            stops=deciding.stops,
            ahead=self.ahead,
            opt_outs=await asyncio.to_thread(OptOutBook, settings.data_dir),
            tool_uses=await asyncio.to_thread(ToolUseBook, settings.data_dir, self.clock),
        )  # fmt: skip
        suppliers = read_suppliers(settings.root)
        spoken = {name: spoken_phrases(x.phrases, x.say_as) for name, x in releases.items()}
        languages = {name: self._languages_of(x) for name, x in releases.items()}
        phrases, served = await prepare_speech(releases, spoken, languages, voices, recogniser)
        for name, release in releases.items():
            endpoints = self._endpoints(name)
            self._stack.push_async_callback(endpoints.aclose)
            await endpoints.warm()
            self.agents[name] = Agent(
                release, rules_of(release), endpoints, voices, phrases,
                bound_suppliers(release, settings, endpoints, suppliers), served[name], spoken[name],
                bound_judges(settings, endpoints, self._stack),
            )  # fmt: skip
        for speech in self._speech_suppliers():
            await speech.warm()
        warmth = Warmth(self._suppliers_in_use)
        await self._enter(warmth.start, warmth.close)
        tools = {(name, tool.name): tool for name, release in releases.items() for tool in release.tools}
        masks = {name: release.redaction for name, release in releases.items() if release.redaction}
        self.recovered = await close_what_is_open(
            settings.data_dir / "ledger", ledger, services, tools, masks
        )

    def _speech_suppliers(self) -> list[Warmable]:
        """Recognisers and voices with connections of their own."""
        recognisers = self.hearing.recogniser.recognisers if self.hearing else []
        engines = [*recognisers, *(engine.synthesiser for engine in self._voices)]
        return [engine for engine in engines if isinstance(engine, Warmable)]

    def _suppliers_in_use(self) -> list[Warmable]:
        """What is kept warm now: what the calls on the line talk to."""
        answering = {call.release.name for call in self.calls}
        models = [self.agents[name].endpoints for name in answering]
        return [*models, *self._speech_suppliers()] if answering else []

    def _languages_of(self, release: Release) -> frozenset[str]:
        """The languages of an agent's lines, which must be served; a page may offer the others."""
        lines = self.lines.of(release.name) if self.lines else ()
        return frozenset(line.language or release.language for line in lines)

    async def _start_children(self, releases: dict[str, Release]) -> None:
        """The embedded services and the stand-in model, at once: each takes a second to be ready."""
        settings = self.settings
        embedded: dict[str, Child] = {}
        for name, address in settings.services.items():
            key = address.key.reveal() if address.key is not None else ""
            self._services[name] = Service(name, key.encode(), address.url or "")
            if address.embedded:
                embedded[name] = Child(
                    "voice_runtime.offline.appointments", "--db", str(self._embedded_dir / f"{name}.db"),
                    "--book", str(settings.root / "configs" / "books" / f"{name}.yaml"),
                    environment={"SAYSO_APPOINTMENTS_KEY": key},
                )  # fmt: skip
        files = (str(settings.root / "agents" / name / "offline.yaml") for name in releases)
        options = [argument for file in files for argument in ("--agent-file", file)]
        standin = [Child("voice_runtime.offline.standin", *options)] if settings.model.standin else []
        await at_once(*(self._enter(child.start, child.stop) for child in (*embedded.values(), *standin)))
        for name, child in embedded.items():
            self._services[name] = replace(self._services[name], base_url=str(child.ready["address"]))
        for child in standin:
            self._standin_address = str(child.ready["address"])

    def _endpoints(self, agent: str) -> Endpoints:
        standin = None
        if self._standin_address:
            standin = Endpoint("standin", f"{self._standin_address}/v1", f"{MODEL}/{agent}")
        return Endpoints.of(self.settings.model, standin, self._chats, self._model_breakers)

    async def _enter(self, start: Callable[[], Awaitable[Any]], stop: Callable[[], Awaitable[Any]]) -> None:
        self._stack.push_async_callback(stop)
        await start()

    # -- doors ------------------------------------------------------------------------------------

    async def _open_doors(self) -> list[APIRouter]:
        assert self.house is not None
        assert self.hearing is not None
        assert self.lines is not None
        ledger = self._open_ledger()
        assert self.keys is not None
        operations = key_operations(ledger, self.keys)
        assert self._deciding is not None
        local = LocalSocket(ledger, socket_path(self.settings.data_dir), operations, self._deciding.questions)
        await self._enter(local.start, local.close)
        self._stack.push_async_callback(self.admission.close)
        self.doors = Doors(
            self.settings,
            lines=self.lines,
            agents=self.agents,
            house=self.house,
            hearing=self.hearing,
            ledger=ledger,
            admission=self.admission,
            coordinator=self.coordinator,
            telemetry=self.telemetry,
            public_url=lambda: self.public_url,
        )
        return await self.doors.routers(self._stack)

    def _stopped(self, stopped: Stopped) -> None:
        """A person stopped this: running calls of it are told, and what waits for a person waits in vain."""
        scope = stopped.scope
        names = {scope.kind: scope.name or None}
        if (deciding := self._deciding) is None:  # found at the start: no call is running
            return
        deciding.approvals.withdraw(names.get("tenant"), names.get("agent"), names.get("tool"))
        for call in self.calls:
            call.tool_stopped(names.get("tool"))
            if deciding.stops.of_call(call.facts.tenant, call.release.name):
                call.stop(scope.kind)

    # -- room for calls ----------------------------------------------------------------------------

    def _underrun(self, cause: Cause) -> None:
        self._underruns += cause != "source"  # a slow model needs no other house, but another model
        self.telemetry.underruns.labels(cause).inc()

    def _track_underrun(self, cause: TrackCause) -> None:
        self._underruns += cause == "unknown"  # of the others egress has told
        self.telemetry.track_underruns.labels(cause).inc()

    def _counts(self) -> Counts:
        return Counts(
            underruns=self._underruns,
            recogniser_waiting=self.hearing.recogniser.waiting if self.hearing else 0,
            turn_questions_refused=self._smart_turn.refused if self._smart_turn else 0,
        )

    def _measured(self, reading: Reading) -> None:
        change = self.headroom.measured(reading) if self.headroom is not None else None
        if change is not None and change.open:
            logger.info("calls are taken again, {} on the line", self.admission.active)
        elif change is not None:
            over = ", ".join(change.over)
            logger.warning("calls are turned away, {} on the line: {}", self.admission.active, over)

    def _observe(self) -> None:
        """Metrics that are read, not counted."""
        telemetry, headroom, turns = self.telemetry, self.headroom, self._smart_turn
        telemetry.threads.set(self.usage.threads())
        telemetry.descriptors.set(self.usage.descriptors())
        telemetry.admission_open.set(headroom is None or headroom.open)
        if headroom is not None:
            for measure, share in headroom.used().items():
                telemetry.headroom_used.labels(measure).set(share)
        if self._deciding is not None:
            telemetry.approvals(*self._deciding.approvals.waiting())
        if turns is not None:
            for outcome in ("answered", "refused", "withdrawn"):
                telemetry.turn_questions.labels(outcome).set(getattr(turns, outcome))

    # -- state ------------------------------------------------------------------------------------

    def _open_ledger(self) -> Ledger:
        if self.ledger is None:
            raise OperatorError("the ledger is not open")
        return self.ledger

    def breakers(self) -> Mapping[str, Iterable[Breaker]]:
        """What is known of each stage's suppliers, for ``/metrics``."""
        return {
            "recogniser": self.hearing.recogniser.breakers if self.hearing else (),
            "model": self._model_breakers.values(),
            "voice": [engine.breaker for engine in self._voices],
        }

    def readiness(self) -> dict[str, Any]:
        """Each part's state, for ``/readyz``."""
        ledger = self.ledger is not None and self.ledger.healthy
        models = {name: agent.endpoints.health() for name, agent in self.agents.items()}
        recognisers = self.hearing.recogniser.health() if self.hearing else {"ok": False}
        voices = readings(engine.breaker for engine in self._voices)
        stages = [*models.values(), recognisers, voices]
        answering = bool(self.agents) and all(stage["ok"] for stage in stages)
        draining = self.admission.draining
        return {
            "ready": ledger and bool(self.agents) and answering and not draining,
            "ledger": ledger,
            "spooled": self.ledger.spooled if self.ledger else 0,
            # For people: a call can be taken whatever a witness says.
            "witnesses": {w.name: w._asdict() for w in self.witnesses.readings()} if self.witnesses else {},
            "recognisers": recognisers,
            "models": models,
            "voices": voices,
            "agents": {name: agent.release.digest for name, agent in self.agents.items()},
            "calls": self.admission.active,
            # For people: calls go on with what was stopped last.
            "workers": self._deciding.stops.reached if self._deciding and self.settings.workers else None,
            # Full is not out of order: load balancers must not cut off the webhooks of running calls.
            "headroom": self.headroom.state() if self.headroom is not None else None,
            "draining": draining,
        }
