"""One telephone call through chaos at every stage: how long the caller waits is read off the waveform.

The server is a process of its own with a chain at each stage: transcriptions
behind chaos, then pocketsphinx; a model behind chaos, then a good one; a voice
behind chaos, then espeak-ng. At each turn another fault strikes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from controls.ledger import records as r
from controls.ledger.verify import verify_directory
from tests.journeys.conftest import Server
from tests.simulators.chaos import BROKEN, HALF, RESET, STOPS, TOO_MANY, UNAVAILABLE, WELL, Chaos, Fault
from tests.simulators.model_server import ModelServer, say, serving
from tests.simulators.speech_server import SpeechServer
from voice_runtime.caller.results import CallerEvent
from voice_runtime.caller.script import HangUp, Say, Wait

pytestmark = pytest.mark.anyio

QUESTION = "when are you open"
#: Each engine's deadline in the profile under test, s.
DEADLINE_S = 2.0
#: Beside that deadline: the silence that ends a turn (0.2 s for a whole question),
#: and the next engine's own time (decoding anew, its first words, its first samples) on a shared machine, s.
ALLOWANCE_S = 1.2
#: What strikes at each turn of the caller; between two faults of a stage it answers, so no breaker opens.
SCHEDULE: tuple[tuple[str, Fault], ...] = (
    ("recogniser", STOPS),
    ("model", STOPS),
    ("voice", STOPS),
    ("recogniser", TOO_MANY),
    ("model", BROKEN),
    ("voice", HALF),
    ("recogniser", RESET),
    ("voice", UNAVAILABLE),
    ("model", HALF),
)

SUPPLIERS = """
  chaos:
    does: Fails in tests.
    stages: [recogniser, model, voice]
    regions: [local]
    outside: false
    responsible: practice-manager
    reviewed: 2026-11-02
"""


@dataclass
class Striking:
    """Chaos at three stages, and who sets it turn by turn; follows the call's events."""

    stages: dict[str, Chaos]
    said_ms: list[float] = field(default_factory=list)
    #: Stretches in which the agent was audible after each turn, ms since answered.
    audible_ms: list[list[tuple[float, float]]] = field(default_factory=list)
    _began_ms: float = 0.0

    async def event(self, event: CallerEvent) -> None:
        if event.kind == "said_started":
            turn = int(event.data["turn"])
            for chaos in self.stages.values():
                chaos.fault = WELL
            if turn <= len(SCHEDULE):
                stage, self.stages[stage].fault = SCHEDULE[turn - 1]
        elif event.kind == "said":
            self.said_ms.append(event.at_ms)
            self.audible_ms.append([])
        elif event.kind == "agent_started":
            self._began_ms = event.at_ms
        elif event.kind == "agent_stopped" and self.audible_ms:
            self.audible_ms[-1].append((self._began_ms, event.at_ms))

    def silences_s(self, turn: int) -> list[float]:
        """Silences from the caller's last sample to the end of what the agent said to it, s."""
        silences, since = [], self.said_ms[turn]
        for began, ended in self.audible_ms[turn]:
            silences.append((began - since) / 1000)
            since = ended
        return silences


@asynccontextmanager
async def striking() -> AsyncIterator[tuple[Striking, ModelServer]]:
    speech = SpeechServer(ms=900, transcripts=[{"text": QUESTION}])
    model = ModelServer(plans=[say("We are open ", "from eight ", "to five.")])
    good = ModelServer(plans=[say("From eight ", "to five.")])
    async with (
        serving(speech),
        serving(model),
        serving(good),
        serving(Chaos(upstream=speech)) as recogniser_chaos,
        serving(Chaos(upstream=model)) as model_chaos,
        serving(Chaos(upstream=speech)) as voice_chaos,
    ):
        yield Striking({"recogniser": recogniser_chaos, "model": model_chaos, "voice": voice_chaos}), good


def chaotic(make_server: Callable[..., Server], stages: dict[str, Chaos], good: ModelServer) -> Server:
    """A server whose chains begin in chaos."""
    entry = {"name": "chaos", "model": "chaos", "outside": False, "deadline_s": DEADLINE_S}
    base = {stage: f"{chaos.url}/v1" for stage, chaos in stages.items()}
    server = make_server(
        start=False,
        recogniser={
            "deadline_s": 8,
            "engines": [
                {"engine": "openai", "base_url": base["recogniser"], **entry},
                {"engine": "pocketsphinx", "processes": 1},
            ],
        },
        model={
            "standin": False,
            "endpoints": [
                {"name": "chaos", "base_url": base["model"], "model": "chaos", "outside": False},
                {"name": "local", "base_url": f"{good.url}/v1", "model": "good", "outside": False},
            ],
            "first_token_s": DEADLINE_S,
            "total_s": 20,
            "retries": 0,
        },
        voice={
            "deadline_s": 8,
            "engines": [
                {
                    "engine": "openai",
                    "base_url": base["voice"],
                    "voices": {"warm": "w", "clear": "c"},
                    **entry,
                },
                {"engine": "espeak-ng"},
            ],
        },
    )
    register = server.root / "configs" / "suppliers.yaml"
    register.write_text(register.read_text(encoding="utf-8") + SUPPLIERS, encoding="utf-8")
    return server


async def test_no_fault_at_any_stage_costs_more_silence_than_its_deadline(
    make_server: Callable[..., Server],
) -> None:
    async with striking() as (chaos, good):
        server = await (await asyncio.to_thread(chaotic, make_server, chaos.stages, good)).up()
        steps = [Say(text=QUESTION, quiet_ms=2000 if fault.within else 400) for _, fault in SCHEDULE]
        result = await server.call(Wait(), *steps, HangUp(), on_event=chaos.event)
        async with httpx.AsyncClient(base_url=server.address, trust_env=False) as client:
            ready = (await client.get("/readyz")).json()
            metrics = (await client.get("/metrics")).text
        await server.down()

    assert not result.error
    for turn, (stage, fault) in enumerate(SCHEDULE):
        silences = chaos.silences_s(turn)
        assert silences, f"{stage} {fault}: the caller got nothing"
        most_s = DEADLINE_S + ALLOWANCE_S + result.late_worst_ms / 1000  # by so much this machine stalled
        assert max(silences) <= most_s, f"{stage} {fault}: {silences} s of silence"
    for stage, striker in chaos.stages.items():
        struck = [fault for fault in striker.met if fault is not WELL]
        assert struck == [fault for at, fault in SCHEDULE if at == stage]

    records = await asyncio.to_thread(server.records)
    failed = [(x.control, x.reason) for x in records if isinstance(x, r.ControlFailed)]
    assert failed == [
        ("recogniser", "deadline"), ("model", "deadline"), ("voice", "deadline"),
        ("recogniser", "broken"), ("model", "broken"), ("voice", "broken"),
        ("recogniser", "broken"), ("voice", "broken"), ("model", "exhausted"),
    ]  # fmt: skip
    trace = await server.ended()
    assert not trace.ledger.gaps
    assert (await asyncio.to_thread(verify_directory, server.ledger)).ok
    assert {t.said.engine for t in trace.turns if t.said} == {"chaos", "pocketsphinx"}
    assert {t.said.text for t in trace.turns[1 : 1 + len(SCHEDULE)] if t.said} == {QUESTION}
    phrases = [phrase for t in trace.turns if t.played for phrase in t.played.phrases]
    assert phrases.count("fallback") == 2, "half a clause, and half an answer"
    assert trace.handoff is not None
    assert trace.handoff.requested_by == "failure"
    assert ready["recognisers"]["engines"]["chaos"]["failures"] == 3
    assert ready["voices"]["engines"]["chaos"]["failures"] == 3
    assert 'sayso_engine_failures{engine="chaos",stage="model"} 3.0' in metrics
