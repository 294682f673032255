"""Logs, spans and metrics: whatever a line of ours or of a library says, no caller's number leaves in it."""

from __future__ import annotations

import io
import logging
import re
import typing
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from loguru import logger
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, Status, StatusCode

from controls.ids import new_id
from controls.ledger import records as r
from controls.redaction.file import strictest
from controls.rules.matchers import words
from tests.controls.redaction import planted
from tests.simulators.recorder import MemoryRecorder
from voice_runtime import telemetry
from voice_runtime.telemetry import CountingRecorder, Telemetry, configure_logging
from voice_runtime.tracing import MaskingExporter

CARD = "4111 1111 1111 1111"


def figures(text: str) -> str:
    return "".join(t for t in words(text).tokens if t.isdigit())


# --- logs -----------------------------------------------------------------------------------------


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What ``configure_logging`` writes to standard error; afterwards everything is as it was."""
    out = io.StringIO()
    monkeypatch.setattr(telemetry.sys, "stderr", out)
    factory = logging.getLogRecordFactory()
    configure_logging("DEBUG")
    yield out
    logger.remove()
    logger.configure(patcher=lambda record: None)
    logging.setLogRecordFactory(factory)


def test_a_message_is_masked(log: io.StringIO) -> None:
    logger.info("the caller said {}", f"my card is {CARD}, mail john@example.com")
    line = log.getvalue()
    assert line.endswith("the caller said my card is [card], mail [email]\n")


def test_an_exception_is_written_out_masked(log: io.StringIO) -> None:
    try:
        raise ValueError(f"no card: {CARD}")
    except ValueError:
        logger.exception("it failed")
    text = log.getvalue()
    assert "it failed\nTraceback" in text
    assert "ValueError: no card: [card]" in text
    assert "1111" not in text.replace(__file__, "")


def test_ids_and_figures_of_ours_stay_readable(log: io.StringIO) -> None:
    call, digest = new_id("c"), "sha256:" + "4" * 64
    logger.info("call {} turn {}: {} ms, {} calls on the line, {}", call, 3, 12.5, 1234, digest)
    assert f"call {call} turn 3: 12.5 ms, 1234 calls on the line, {digest}" in log.getvalue()


def test_what_libraries_log_is_masked_too(log: io.StringIO) -> None:
    out = io.StringIO()
    library = logging.getLogger("some.library")
    stream = logging.StreamHandler(out)
    stream.setFormatter(logging.Formatter("%(message)s"))
    library.addHandler(stream)
    try:
        library.error("payload %s of %d", f"card {CARD}", 2)
        library.error("broken %d", "4111 1111 1111 1111 is no figure")
        try:
            raise RuntimeError(CARD)
        except RuntimeError:
            library.exception("oh")
    finally:
        library.removeHandler(stream)
    text = out.getvalue()
    assert "payload card [card] of 2" in text
    assert "withheld: a message that does not fit its arguments" in text
    assert "RuntimeError: [card]" in text
    assert "4111" not in text


def test_a_line_that_cannot_be_masked_is_logged_without_its_words(
    log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(text: str) -> str:
        raise RuntimeError

    monkeypatch.setattr(telemetry._masking, "mask", broken)
    logger.info(f"card {CARD}")
    assert "withheld: redaction failed with RuntimeError" in log.getvalue()
    assert "4111" not in log.getvalue()


@given(planted.CHAFF, planted.found_anywhere())
@settings(max_examples=100, deadline=None)
def test_no_planted_number_is_logged(chaff: str, made: tuple[r.PersonalData, str, str]) -> None:
    lines: list[str] = []
    logger.configure(patcher=telemetry._masking)
    sink = logger.add(lambda message: lines.append(message.record["message"]), format="{message}")
    try:
        logger.info("{} {}", chaff, made[2])
    finally:
        logger.remove(sink)
        logger.configure(patcher=lambda record: None)
    assert figures(lines[0]) == ""


# --- spans ----------------------------------------------------------------------------------------


class Kept(SpanExporter):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans += spans
        return SpanExportResult.SUCCESS


def exported(mask: Any, **attributes: Any) -> list[ReadableSpan]:
    kept, provider = Kept(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(MaskingExporter(kept, mask)))
    span = provider.get_tracer("t").start_span(f"pay {CARD}", kind=SpanKind.CLIENT, attributes=attributes)
    span.add_event(f"said {CARD}", {"text": CARD})
    span.set_status(Status(StatusCode.ERROR, f"no card {CARD}"))
    span.end()
    provider.shutdown()
    return kept.spans


def test_every_text_of_a_span_is_masked_and_nothing_else_changes() -> None:
    call = new_id("c")
    [span] = exported(strictest().mask, **{
        "sayso.text": f"my card is {CARD}", "sayso.turn": 3, "sayso.risk": 0.5, "sayso.ok": True,
        "sayso.rules": ["cards/a", CARD], "gen_ai.conversation.id": call,
    })  # fmt: skip
    assert dict(span.attributes or {}) == {
        "sayso.text": "my card is [card]", "sayso.turn": 3, "sayso.risk": 0.5, "sayso.ok": True,
        "sayso.rules": ("cards/a", "[card]"), "gen_ai.conversation.id": call,
    }  # fmt: skip
    assert span.name == "pay [card]"
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "no card [card]")
    [event] = span.events
    assert (event.name, dict(event.attributes or {})) == ("said [card]", {"text": "[card]"})
    assert span.kind is SpanKind.CLIENT
    assert span.end_time > span.start_time > 0
    assert span.context.is_valid


def test_a_span_that_cannot_be_masked_is_not_sent() -> None:
    def broken(text: str) -> str:
        raise RuntimeError

    assert exported(broken) == []


# --- metrics --------------------------------------------------------------------------------------


def test_labels_of_what_is_counted_from_records_are_closed_lists() -> None:
    """Whatever a record says, its labels come from fields whose models take no free text."""
    fields = {
        r.CallerSaid: "addressed", r.ClauseCleared: "verdict", r.ClauseRefused: "verdict",
        r.ControlFailed: "control", r.CallClosed: "reason", r.CallRefused: "reason",
    }  # fmt: skip
    for model, name in fields.items():
        annotation = model.model_fields[name].annotation
        assert typing.get_origin(annotation) is typing.Literal, f"{model.__name__}.{name} is no closed list"


@given(planted.found_anywhere())
@settings(max_examples=60, deadline=None)
def test_no_planted_number_is_a_label(made: tuple[r.PersonalData, str, str]) -> None:
    metrics = Telemetry()
    before = metrics.exposition()
    recorder = CountingRecorder(MemoryRecorder(), metrics)
    call, said = {"tenant": "clinic", "call": new_id("c"), "turn": 1}, made[2]
    recorder.append(
        r.CallerSaid(**call, engine="test"), r.SaidDetails(text=said, confidence=1, started_s=0, ended_s=1)
    )
    recorder.append(
        r.ClauseRefused(**call, clause=new_id("k"), verdict="block", risk=1), r.ClauseDetails(text=said)
    )
    recorder.append(
        r.ToolRefused(**call, use=new_id("u"), reason="rule"), r.ToolDetails(name=said, arguments={"a": said})
    )
    shown = metrics.exposition().decode()
    labels = set(re.findall(r'="([^"]*)"', shown))
    assert not any(said in label or made[1] in label for label in labels)
    assert {line.split(" ")[0].split("{")[0] for line in shown.splitlines()} >= {
        line.split(" ")[0].split("{")[0] for line in before.decode().splitlines()
    }
