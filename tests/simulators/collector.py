"""An OpenTelemetry collector's OTLP/HTTP endpoint: takes protobuf spans, or refuses as the test wants."""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.simulators.model_server import RawServer, Request


def value(of: Any) -> Any:
    """An attribute's value as Python has it."""
    kind = of.WhichOneof("value")
    if kind == "array_value":
        return [value(item) for item in of.array_value.values]
    return getattr(of, kind) if kind else None


def attributes(span: Span) -> dict[str, Any]:
    return {pair.key: value(pair.value) for pair in span.attributes}


@dataclass
class Collector(RawServer):
    """``status`` may be changed mid-test."""

    status: int = 200
    spans: list[Span] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)

    async def answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        body = request.body
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        answer = ExportTraceServiceResponse().SerializeToString()
        if self.status == 200:
            assert request.path == "/v1/traces"
            assert request.headers["content-type"] == "application/x-protobuf"
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append({p.key: value(p.value) for p in resource.resource.attributes})
                for scope in resource.scope_spans:
                    self.spans.extend(scope.spans)
        head = f"HTTP/1.1 {self.status} X\r\ncontent-type: application/x-protobuf\r\n"
        writer.write(f"{head}content-length: {len(answer)}\r\nconnection: close\r\n\r\n".encode() + answer)
        await writer.drain()
        return False

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name or span.name.startswith(f"{name} ")]

    def children(self, of: Span) -> list[Span]:
        return [span for span in self.spans if span.parent_span_id == of.span_id]
