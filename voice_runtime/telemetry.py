"""What ``/metrics`` tells: counters and histograms without personal data, and quiet logs.

Names follow Prometheus' conventions (base units, ``_total``). No label ever
holds an identifier of a call or caller, so the number of series is bounded.
"""

from __future__ import annotations

import logging
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from loguru import logger
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics import MetricWrapperBase

from controls.decision import PendingReceipt, Recorder
from controls.ledger import records as r
from controls.ledger.witnesses import Reading
from controls.redaction.file import strictest
from controls.redaction.redactor import Mask
from voice_runtime.breaker import Breaker, State
from voice_runtime.phrases import HOLDING

if TYPE_CHECKING:
    from loguru import Record

_SECONDS = (0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0, 1.4, 2.0, 3.0, 5.0)
#: Bounds of what a clause's verdict and record may take: 2 and 10 ms are what the product aims at.
_GOVERNANCE = (
    0.0005, 0.00075, 0.001, 0.0015, 0.002, 0.0025, 0.003, 0.004, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03,
    0.05, 0.1, 0.25, 1.0,
)  # fmt: skip


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
        self.eager = Counter(
            "sayso_eager_turns_total", "Provisional turns: the model was asked before the turn was over",
            registry=registry,
        )  # fmt: skip
        self.eager_withdrawn = Counter(
            "sayso_eager_withdrawn_total", "Provisional turns that came to nothing: the caller went on",
            registry=registry,
        )  # fmt: skip
        self.eager_tokens = Counter(
            "sayso_eager_tokens_wasted_total", "Tokens of provisional turns that came to nothing",
            ["direction"], registry=registry,
        )  # fmt: skip
        self.eager_gained = Histogram(
            "sayso_eager_gained_seconds", "Of the time to the first token, what passed before the turn ended",
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.durable = Histogram(
            "sayso_record_durable_seconds", "Append to receipt",
            buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0), registry=registry,
        )  # fmt: skip
        self.governance = Histogram(
            "sayso_clause_governance_seconds",
            "A clause before its verdict to its record durable, of every clause that was judged and cleared",
            buckets=_GOVERNANCE, registry=registry,
        )  # fmt: skip
        self.carrier_messages = Counter(
            "sayso_carrier_messages_refused_total",
            "Messages of a carrier not used, by kind",
            ["kind"],
            registry=registry,
        )

        self.loop_lag = Histogram(
            "sayso_loop_lag_seconds", "How late the event loop woke a timer of 50 ms",
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0), registry=registry,
        )  # fmt: skip
        self.loop_lag_p99 = Gauge(
            "sayso_loop_lag_p99_seconds", "99th percentile of the event loop's lateness over the last 10 s",
            registry=registry,
        )  # fmt: skip
        self.loop_lag_felt_p99 = Gauge(
            "sayso_loop_lag_felt_p99_seconds", "The same without announced pauses, as admission sees it",
            registry=registry,
        )  # fmt: skip
        self.loop_busy = Gauge(
            "sayso_loop_busy_ratio", "CPU time of the event loop's thread over the last 5 s, of one core",
            registry=registry,
        )  # fmt: skip
        self.cpu_used = Gauge(
            "sayso_cpu_used_ratio",
            "CPU time of the process and its children over the last 5 s, of the cores it may use",
            registry=registry,
        )
        self.gc_pause = Histogram(
            "sayso_gc_pause_seconds", "How long a collection of garbage stopped every thread",
            ["announced"], buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.34, 0.5),
            registry=registry,
        )  # fmt: skip
        self.gc_longest = Gauge(
            "sayso_gc_pause_longest_seconds", "The longest of them since serving began", registry=registry
        )
        self.gc_uncovered = Gauge(
            "sayso_gc_pause_uncovered_seconds", "Longest part of one that no audio sent ahead of it pays for",
            registry=registry,
        )  # fmt: skip
        self.threads = Gauge("sayso_threads", "Threads of the process, as of this reading", registry=registry)
        self.descriptors = Gauge(
            "sayso_descriptors", "Open descriptors of the process, as of this reading", registry=registry
        )
        self.admission_open = Gauge(
            "sayso_admission_open", "1 when measured headroom lets calls in, 0 when they are turned away",
            registry=registry,
        )  # fmt: skip
        self.headroom_used = Gauge(
            "sayso_headroom_used_ratio", "Each measure of headroom as a share of its limit", ["measure"],
            registry=registry,
        )  # fmt: skip
        self.underruns = Counter(
            "sayso_underruns_total", "Silences in the agent's speech that are of our making, by cause",
            ["cause"], registry=registry,
        )  # fmt: skip
        self.track_underruns = Counter(
            "sayso_track_underruns_total",
            "Silences in mid-speech of browsers' outgoing tracks, by cause; unknown: egress was in time",
            ["cause"],
            registry=registry,
        )
        self.turn_questions = Gauge(
            "sayso_turn_questions", "Questions to the turn model since the start, by what became of them",
            ["outcome"], registry=registry,
        )  # fmt: skip
        self.holding = Counter(
            "sayso_holding_phrases_total", "Holding phrases played while a tool took long", registry=registry
        )
        self.pending = Gauge(
            "sayso_receipts_pending", "Records appended and not durable yet", registry=registry
        )
        self.engine_up = Gauge(
            "sayso_engine_up", "1 when a supplier answers, 0 when its breaker is open",
            ["stage", "engine"], registry=registry,
        )  # fmt: skip
        self.engine_failures = Gauge(
            "sayso_engine_failures", "Failures of a supplier since the start",
            ["stage", "engine"], registry=registry,
        )  # fmt: skip

        self.witness_up = Gauge(
            "sayso_witness_up", "1 when a witness's last answer for every log was a cosignature",
            ["witness"], registry=registry,
        )  # fmt: skip
        self.witness_cosigned = Gauge(
            "sayso_witness_cosigned_timestamp_seconds",
            "Unix time of a log's last cosignature, of those it cosigned the one longest ago; "
            "0 before the first",
            ["witness"], registry=registry,
        )  # fmt: skip
        self.witness_logs = Gauge(
            "sayso_witness_logs", "Open logs, by whether a witness's last answer was a cosignature",
            ["witness", "cosigned"], registry=registry,
        )  # fmt: skip
        self.witness_conflicts = Gauge(
            "sayso_witness_conflicts", "How often a witness came to stand against a log since the start",
            ["witness"], registry=registry,
        )  # fmt: skip
        self.approvals_waiting = Gauge(
            "sayso_approvals_waiting", "Uses of tools that wait for a person's decision", registry=registry
        )
        self.approvals_oldest = Gauge(
            "sayso_approvals_oldest_seconds", "How long the oldest of them has waited; 0 without any",
            registry=registry,
        )  # fmt: skip
        self.decoys = Counter(
            "sayso_approval_decoys_total", "Decoys among them that are over, by what became of them",
            ["outcome"], registry=registry,
        )  # fmt: skip
        #: Called before each exposition, to set what is read and not counted.
        self.before_exposition: Callable[[], object] = lambda: None
        #: Asked at each exposition.
        self.witness_readings: Callable[[], Iterable[Reading]] = tuple

    def approvals(self, waiting: int, oldest_s: float) -> None:
        """Take how many uses wait for a person, and how long the oldest has."""
        self.approvals_waiting.set(waiting)
        self.approvals_oldest.set(oldest_s)

    def engines(self, stage: str, breakers: Iterable[Breaker]) -> None:
        """Take the readings of a stage's suppliers, as of this exposition."""
        for breaker in breakers:
            self.engine_up.labels(stage, breaker.name).set(breaker.state is not State.OPEN)
            self.engine_failures.labels(stage, breaker.name).set(breaker.failures)

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        self.before_exposition()
        for witness in self.witness_readings():
            self.witness_up.labels(witness.name).set(witness.state == "ok")
            self.witness_cosigned.labels(witness.name).set(witness.oldest_cosigned_at or 0)
            self.witness_logs.labels(witness.name, "yes").set(witness.cosigned)
            self.witness_logs.labels(witness.name, "no").set(witness.logs - witness.cosigned)
            self.witness_conflicts.labels(witness.name).set(witness.conflicts)
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
        self._telemetry.pending.inc()
        future.add_done_callback(lambda _: self._done(started))
        self._count(record, personal)
        return future

    def _done(self, started: float) -> None:
        self._telemetry.pending.dec()
        self._telemetry.durable.observe(time.perf_counter() - started)

    def _count(self, record: r.Record, personal: r.Personal | None) -> None:
        t = self._telemetry
        match record:
            case r.CallerSaid():
                t.turns.labels(record.addressed).inc()
            case r.TurnProvisional():
                t.eager.inc()
            case r.TurnWithdrawn() if record.reason == "eager":
                t.eager_withdrawn.inc()
                t.eager_tokens.labels("in").inc(record.tokens_in)
                t.eager_tokens.labels("out").inc(record.tokens_out)
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
                if personal.latency_ms.eager is not None:
                    t.eager_gained.observe(personal.latency_ms.eager / 1000)
            case r.AgentPlayed() if isinstance(personal, r.PlayedDetails) and personal.phrase == HOLDING:
                t.holding.inc(min(1, record.samples))
            case _:
                pass


def _may_be_logged(record: Any) -> bool:
    """Pipecat only from errors on, and nothing of it that runs for a provider (``supplier`` is set)."""
    if not str(record["name"]).startswith("pipecat"):
        return True
    return record["level"].no >= logger.level("ERROR").no and not record["extra"].get("supplier")


class _Masking:
    """What every log line goes through: its message, and the text of an exception beside it.

    No message of ours quotes a caller (house style, rule 15); this catches the line of ours, or of a library,
    that does. A line that cannot be masked is logged without its words.
    """

    def __init__(self, mask: Mask) -> None:
        self.mask = mask

    def text(self, text: str) -> str:
        """A message as it may be logged."""
        try:
            return self.mask(text)
        except Exception as error:  # noqa: BLE001  # a fault here must not log what it could not read
            return f"[withheld: redaction failed with {type(error).__name__}]"

    def __call__(self, record: Record) -> None:
        """Loguru's patcher. The exception is written out here, since loguru's own text cannot be masked."""
        record["message"] = self.text(record["message"])
        record["extra"]["trace"] = ""
        if record["exception"] is not None:
            error = record["exception"].value
            record["extra"]["trace"] = "\n" + self.text(_written_out(error)) if error is not None else ""
            record["exception"] = None

    def record(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        """Makes the records of ``logging``, which uvicorn and other libraries write."""
        made = logging.LogRecord(*args, **kwargs)
        try:
            made.msg, made.args = self.text(made.getMessage()), ()
        except Exception:  # noqa: BLE001  # arguments that do not fit: logging would print them in clear
            made.msg, made.args = "[withheld: a message that does not fit its arguments]", ()
        if made.exc_info and made.exc_info[1] is not None:
            made.exc_text, made.exc_info = self.text(_written_out(made.exc_info[1])), None
        return made


def _written_out(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)).rstrip()


_masking = _Masking(strictest().mask)  # until a configuration says what a log may hold


def mask_logs(mask: Mask) -> None:
    """From now on log lines are masked so; by the configuration's redactor for logs."""
    _masking.mask = mask


def configure_logging(level: str = "INFO") -> None:
    """Log to standard error, one line each; pipecat only from errors on (its debug lines quote callers).

    Every line is masked on its way, those that libraries write through ``logging`` too.
    """
    logger.remove()
    logger.configure(patcher=_masking)
    logging.setLogRecordFactory(_masking.record)
    logger.add(
        sys.stderr,
        level=level,
        format="{time:HH:mm:ss.SSS} {level: <7} {name}: {message}{extra[trace]}",
        filter=_may_be_logged,
        backtrace=False,
        diagnose=False,  # diagnose prints the values of variables: callers' words
    )


def metrics_table() -> str:
    """Every metric as a Markdown table (``python -m voice_runtime.telemetry``)."""
    rows = ["| metric | kind | labels | what it tells |", "|---|---|---|---|"]
    metrics = [m for m in vars(Telemetry()).values() if isinstance(m, MetricWrapperBase)]
    for metric in sorted(metrics, key=lambda m: str(m._name)):
        [family] = metric.describe()
        name = family.name + "_total" * (family.type == "counter")
        labels = ", ".join(f"`{label}`" for label in metric._labelnames)
        rows.append(f"| `{name}` | {family.type} | {labels} | {family.documentation} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(metrics_table())  # noqa: T201 - it is asked for on the command line
