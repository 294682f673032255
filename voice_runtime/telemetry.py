"""What ``/metrics`` tells: counters and histograms without personal data, and quiet logs.

Names follow Prometheus' conventions (base units, ``_total``). No label ever
holds an identifier of a call or caller, so the number of series is bounded.
"""

from __future__ import annotations

import sys
import time

from loguru import logger
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from controls.decision import PendingReceipt, Recorder
from controls.ledger import records as r

_SECONDS = (0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0, 1.4, 2.0, 3.0, 5.0)


class Telemetry:
    """The process's metrics, in a registry of their own so that tests can have several."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.calls = Counter("sayso_calls_total", "Calls ended, by reason", ["reason"], registry=registry)
        self.refused = Counter(
            "sayso_calls_refused_total", "Calls not taken, by reason", ["reason"], registry=registry
        )
        self.tasks = Gauge("sayso_tasks", "Tasks of the event loop, as of this reading", registry=registry)
        self.active = Gauge("sayso_calls_active", "Calls on the line now", registry=registry)
        self.turns = Counter(
            "sayso_turns_total", "Turns of callers, by who was addressed", ["to"], registry=registry
        )
        self.verdicts = Counter(
            "sayso_verdicts_total", "Verdicts on clauses and actions", ["verdict"], registry=registry
        )
        self.failures = Counter(
            "sayso_control_failures_total", "Controls that broke", ["control"], registry=registry
        )
        self.first_token = Histogram(
            "sayso_asr_to_first_token_seconds", "Last speech sample received to first token",
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.first_audio = Histogram(
            "sayso_first_audio_out_seconds", "Last speech sample received to first sample handed over",
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.durable = Histogram(
            "sayso_record_durable_seconds", "Append to receipt",
            buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0), registry=registry,
        )  # fmt: skip
        self.carrier_messages = Counter(
            "sayso_carrier_messages_refused_total",
            "Messages of a carrier not used, by kind",
            ["kind"],
            registry=registry,
        )

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)


class CountingRecorder:
    """A recorder that counts what passes it: the metrics follow the record, not the other way round."""

    def __init__(self, recorder: Recorder, telemetry: Telemetry) -> None:
        self._recorder = recorder
        self._telemetry = telemetry

    def append(self, record: r.Record, personal: r.Personal | None = None) -> PendingReceipt:
        """As ``controls.decision.Recorder``."""
        started = time.perf_counter()
        future = self._recorder.append(record, personal)
        future.add_done_callback(lambda _: self._telemetry.durable.observe(time.perf_counter() - started))
        self._count(record, personal)
        return future

    def _count(self, record: r.Record, personal: r.Personal | None) -> None:
        t = self._telemetry
        match record:
            case r.CallerSaid():
                t.turns.labels(record.addressed).inc()
            case r.ClauseCleared() | r.ClauseRefused():
                t.verdicts.labels(record.verdict.value).inc()
            case r.ControlFailed():
                t.failures.labels(record.control).inc()
            case r.CallClosed():
                t.calls.labels(record.reason).inc()
            case r.CallRefused():
                t.refused.labels(record.reason).inc()
            case r.AgentPlayed() if isinstance(personal, r.PlayedDetails) and personal.latency_ms:
                if personal.latency_ms.asr_to_first_token is not None:
                    t.first_token.observe(personal.latency_ms.asr_to_first_token / 1000)
                if personal.latency_ms.first_audio_out is not None:
                    t.first_audio.observe(personal.latency_ms.first_audio_out / 1000)
            case _:
                pass


def configure_logging(level: str = "INFO") -> None:
    """Log to standard error, one line each; pipecat only from warnings on (its debug lines quote callers)."""
    logger.remove()
    logger.add(
        sys.stderr,
        level=level,
        format="{time:HH:mm:ss.SSS} {level: <7} {name}: {message}",
        filter={"": level, "pipecat": "ERROR"},
        backtrace=False,
        diagnose=False,  # diagnose prints the values of variables: callers' words
    )
