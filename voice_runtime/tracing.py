"""OpenTelemetry spans of a call, made from its records: call › turn › said, think, verdict, tool, play.

Spans follow the record, not the other way round: what is traced is what was
decided, and a collector that is slow or gone costs a call nothing (spans wait
in a bounded queue of the exporter's own thread and are dropped when it is
full). Attributes are OpenTelemetry's GenAI conventions where they exist
(``gen_ai.*``) and ``sayso.*`` elsewhere. Nobody's words are in them unless the
profile says ``content: true``; what of these is personal is masked in the exporter's
thread, whatever attribute it stands in, before anything is sent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from opentelemetry import trace as otel
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

from controls.ledger import records as r
from controls.redaction.file import strictest
from controls.redaction.redactor import Mask

#: How long a collector may take to answer, s; and how many spans wait for it at most.
_EXPORT_S = 5.0
_QUEUE = 8192


@dataclass(frozen=True, slots=True)
class CallTimes:
    """Where a call's spans get their times: both return monotonic ns, 0 when not known yet."""

    answered: Callable[[], int]
    asked: Callable[[int], int]


class MaskingExporter(SpanExporter):
    """Masks every text of a span (its name, attributes, events and status) and hands it on.

    A span that cannot be masked is not sent.
    """

    def __init__(self, exporter: SpanExporter, mask: Mask) -> None:
        self._exporter, self._mask = exporter, mask

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """In the exporter's own thread."""
        try:
            masked = [self._masked(span) for span in spans]
        except Exception:  # noqa: BLE001  # whatever goes wrong, nothing unmasked leaves
            return SpanExportResult.FAILURE
        return self._exporter.export(masked)

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)

    def _masked(self, span: ReadableSpan) -> ReadableSpan:
        status = span.status
        if status.description:
            status = Status(status.status_code, self._mask(status.description))
        return ReadableSpan(
            name=self._mask(span.name),
            context=span.get_span_context(),
            parent=span.parent,
            resource=span.resource,
            attributes=self._attributes(span.attributes),
            events=[
                Event(self._mask(event.name), self._attributes(event.attributes), event.timestamp)
                for event in span.events
            ],
            links=span.links,
            kind=span.kind,
            status=status,
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )

    def _attributes(self, given: Mapping[str, AttributeValue] | None) -> dict[str, AttributeValue]:
        return {name: self._value(value) for name, value in (given or {}).items()}

    def _value(self, value: AttributeValue) -> AttributeValue:
        if isinstance(value, str):
            return self._mask(value)
        if isinstance(value, Sequence):
            masked = (self._mask(item) if isinstance(item, str) else item for item in value)
            return tuple(masked)
        return value


class Tracing:
    """The process's exporter. ``close`` sends what is left, for a few seconds."""

    def __init__(
        self,
        endpoint: str,
        headers: Mapping[str, str],
        *,
        content: bool,
        environment: str,
        now_unix_ns: Callable[[], int],
        now_monotonic_ns: Callable[[], int],
        mask: Mask | None = None,
    ) -> None:
        """Prepare; the exporter's thread starts at once, nothing is sent yet.

        Args:
            endpoint: the collector's base address; spans go to ``/v1/traces`` under it (OTLP/HTTP).
            headers: sent with each export, such as an authorisation.
            content: whether spans carry callers' and agents' words.
            mask: masks what is personal in them; None: everything that patterns find.
        """
        resource = Resource.create({"service.name": "sayso", "deployment.environment.name": environment})
        exporter = OTLPSpanExporter(
            endpoint=f"{endpoint.rstrip('/')}/v1/traces", headers=dict(headers), timeout=_EXPORT_S
        )
        self._provider = TracerProvider(sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False)
        masking = MaskingExporter(exporter, mask or strictest().mask)
        self._provider.add_span_processor(BatchSpanProcessor(masking, max_queue_size=_QUEUE))
        self._tracer = self._provider.get_tracer("sayso")
        self._content = content
        self._offset_ns = now_unix_ns() - now_monotonic_ns()
        self._now_unix_ns = now_unix_ns

    def call(self, opened: r.CallOpened, agent: str, times: CallTimes) -> CallSpans:
        """The spans of one call, from its first record on."""
        return CallSpans(
            self._tracer, opened, agent, times, content=self._content, offset_ns=self._offset_ns,
            now_ns=self._now_unix_ns,
        )  # fmt: skip

    def close(self) -> None:
        """Send what is left and stop; blocks for a few seconds at most."""
        self._provider.shutdown()


class CallSpans:
    """One call's spans. ``record`` is given every record in the order it is written; never raises."""

    def __init__(
        self,
        tracer: Tracer,
        opened: r.CallOpened,
        agent: str,
        times: CallTimes,
        *,
        content: bool,
        offset_ns: int,
        now_ns: Callable[[], int],
    ) -> None:
        self._tracer, self._times, self._content = tracer, times, content
        self._offset_ns, self._now_ns = offset_ns, now_ns
        self._call = tracer.start_span(
            "call",
            kind=SpanKind.SERVER,
            start_time=now_ns(),
            attributes={
                "gen_ai.conversation.id": opened.call,
                "gen_ai.agent.name": agent,
                "gen_ai.agent.version": opened.release,
                "sayso.tenant": opened.tenant,
                "sayso.ingress": opened.ingress,
                "sayso.language": opened.language,
                "sayso.region": opened.region,
            },
        )
        self._turn: Span | None = None
        self._number = 0
        self._end_ns = 0
        self._tools: dict[str, tuple[int, str]] = {}
        self._begun = 0  # when the newest provisional turn was put to the model, Unix ns

    def record(self, record: r.Record, personal: r.Personal | None) -> None:
        """Make the span of a record, where it has one."""
        now = self._now_ns()
        match record:
            case r.CallerSaid():
                self._said(record, personal, now)
            case r.TurnProvisional():
                self._begun = now
            case r.TurnWithdrawn() if record.reason == "eager":
                self._withdrawn(record, now)
            case r.TurnDecided():
                self._think(record, personal, now)
            case r.ClauseCleared() | r.ClauseRefused():
                self._verdict(record, personal, now)
            case r.ToolRequested():
                name = personal.name if isinstance(personal, r.ToolDetails) else ""
                if not record.dry:
                    self._tools[record.use] = (now, name)
            case r.ToolExecuted() | r.ToolUnknown() | r.ToolRefused():
                self._tool(record, personal, now)
            case r.AgentPlayed():
                self._play(record, personal)
            case r.ControlFailed():
                attributes = {"sayso.control": record.control, "sayso.reason": record.reason}
                (self._turn or self._call).add_event("control.failed", attributes, timestamp=now)
            case r.HandoffRequested():
                self._call.add_event("handoff.requested", {"sayso.by": record.requested_by}, timestamp=now)
            case r.CallClosed():
                self._close(record, now)
            case _:
                pass

    # -- inside -----------------------------------------------------------------------------------

    def _unix(self, monotonic_ns: int) -> int:
        return monotonic_ns + self._offset_ns

    def _open_turn(self, number: int, start_ns: int) -> None:
        self._close_turn()
        self._number = number
        context = otel.set_span_in_context(self._call)
        self._turn = self._tracer.start_span(
            "turn", context=context, start_time=start_ns, attributes={"sayso.turn": number}
        )
        self._end_ns = start_ns

    def _close_turn(self) -> None:
        if self._turn is not None:
            self._turn.end(self._end_ns)
            self._turn = None

    def _span(
        self, name: str, turn: int, start_ns: int, end_ns: int, attributes: Mapping[str, AttributeValue],
        *, kind: SpanKind = SpanKind.INTERNAL, failed: str = "", ahead: bool = False,
    ) -> None:  # fmt: skip
        if self._turn is None and not ahead:
            self._open_turn(turn, start_ns)
        late = ahead or turn < self._number  # of a turn that is over, or is none yet: it belongs to the call
        parent = self._call if late or self._turn is None else self._turn
        span = self._tracer.start_span(
            name,
            context=otel.set_span_in_context(parent),
            kind=kind,
            start_time=start_ns,
            attributes=attributes,
        )
        if failed:
            span.set_status(Status(StatusCode.ERROR, failed))
        end_ns = max(start_ns, end_ns)
        span.end(end_ns)
        if not late:
            self._end_ns = max(self._end_ns, end_ns)

    def _said(self, record: r.CallerSaid, personal: r.Personal | None, now: int) -> None:
        attributes: dict[str, AttributeValue] = {
            "sayso.engine": record.engine,
            "sayso.addressed": record.addressed,
        }
        start = end = now
        if isinstance(personal, r.SaidDetails):
            answered = self._times.answered()
            if answered:
                start = self._unix(answered + round(personal.started_s * 1e9))
                end = self._unix(answered + round(personal.ended_s * 1e9))
            attributes["sayso.confidence"] = personal.confidence
            if self._content:
                attributes["sayso.text"] = personal.text
        start, end = min(start, now), min(end, now)
        self._open_turn(record.turn, start)
        self._span("said", record.turn, start, end, attributes)

    def _think(self, record: r.TurnDecided, personal: r.Personal | None, now: int) -> None:
        attributes: dict[str, AttributeValue] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": record.supplier,
            "gen_ai.usage.input_tokens": record.tokens_in,
            "gen_ai.usage.output_tokens": record.tokens_out,
            "sayso.outcome": record.outcome,
            "sayso.attempts": record.attempts,
            "sayso.provisional": record.provisional,
        }
        if isinstance(personal, r.DecidedDetails):
            attributes["gen_ai.request.model"] = personal.model
            if self._content:
                attributes["gen_ai.output.messages"] = json.dumps(
                    [{"role": "assistant", "parts": [{"type": "text", "content": personal.candidate}]}]
                )
        asked = self._times.asked(record.turn)
        if record.provisional:  # asked before its turn had a mark
            start = self._begun or now
        else:
            start = self._unix(asked) if asked else now
        failed = "no endpoint answered" if record.outcome == "failed" else ""
        model = str(attributes.get("gen_ai.request.model", ""))
        name = f"chat {model}".strip()
        ahead = record.provisional and record.turn > self._number
        self._span(
            name, record.turn, start, now, attributes, kind=SpanKind.CLIENT, failed=failed, ahead=ahead
        )

    def _withdrawn(self, record: r.TurnWithdrawn, now: int) -> None:
        self._call.add_event(
            "turn.withdrawn",
            {"sayso.reason": record.reason, "sayso.turn": record.turn, "sayso.tokens_out": record.tokens_out},
            timestamp=now,
        )

    def _verdict(
        self, record: r.ClauseCleared | r.ClauseRefused, personal: r.Personal | None, now: int
    ) -> None:
        attributes: dict[str, AttributeValue] = {
            "sayso.clause": record.clause,
            "sayso.verdict": record.verdict.value,
            "sayso.risk": record.risk,
            "sayso.annex_a": list(record.annex_a),
        }
        if isinstance(personal, r.ClauseDetails) and personal.verdicts:
            attributes["sayso.rules"] = [found.rule for found in personal.verdicts]
        self._span("verdict", record.turn, now, now, attributes)

    def _tool(
        self, record: r.ToolExecuted | r.ToolUnknown | r.ToolRefused, personal: r.Personal | None, now: int
    ) -> None:
        started, name = self._tools.pop(record.use, (now, ""))
        if not name and isinstance(personal, r.ToolDetails):
            name = personal.name
        attributes: dict[str, AttributeValue] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": name,
            "gen_ai.tool.call.id": record.use,
            "sayso.outcome": record.type.partition(".")[2],
        }
        failed = ""
        if isinstance(record, r.ToolExecuted):
            attributes["http.response.status_code"] = record.status
            failed = "" if record.ok else "the tool failed"
        else:
            failed = record.reason
        if self._content and isinstance(personal, r.ToolDetails):
            attributes["gen_ai.tool.call.arguments"] = json.dumps(personal.arguments)
        title = f"execute_tool {name}".strip()
        self._span(title, record.turn, started, now, attributes, kind=SpanKind.CLIENT, failed=failed)

    def _play(self, record: r.AgentPlayed, personal: r.Personal | None) -> None:
        if not record.samples or not isinstance(personal, r.PlayedDetails):
            return
        if not personal.first_sample_at_ns:
            return
        start = self._unix(personal.first_sample_at_ns)
        attributes: dict[str, AttributeValue] = {
            "sayso.clause": record.clause,
            "sayso.phrase": personal.phrase or "",
            "sayso.interrupted": record.interrupted,
            "sayso.evidence": record.evidence.value,
        }
        latency = personal.latency_ms
        if latency is not None and latency.first_audio_out is not None:
            attributes["sayso.first_audio_out_ms"] = latency.first_audio_out
        if latency is not None and latency.asr_to_first_token is not None:
            attributes["sayso.asr_to_first_token_ms"] = latency.asr_to_first_token
        if self._content:
            attributes["sayso.text"] = personal.played_text
        end = start + record.samples * 1_000_000_000 // record.rate_hz
        self._span("play", record.turn, start, end, attributes)

    def _close(self, record: r.CallClosed, now: int) -> None:
        self._close_turn()
        self._call.set_attributes({"sayso.ended_by": record.ended_by, "sayso.end_reason": record.reason})
        if record.ended_by == "failure":
            self._call.set_status(Status(StatusCode.ERROR, record.reason))
        self._call.end(now)
