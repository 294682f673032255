"""The demo's running commentary: a call's records as they become durable, in the order of the talk.

It reads the ledger from outside the server, as any reviewer could, and shows a
thing only once it is on record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import shorten
from typing import Any

from controls.decision import Verdict
from controls.ledger import records as r
from controls.ledger.reader import Reader

_LOOK_EVERY_S = 0.1

#: Style and text.
Line = tuple[str, str]
Show = Callable[[str, str], None]

#: What is said about a line stands below its words.
_BELOW = " " * 8


class Commentary:
    """Follows one origin and shows each new record of the demo's call."""

    def __init__(self, root: Path, show: Show) -> None:
        self._reader = Reader.open(root)
        self._show = show
        self._after: dict[str, int] = {}
        self._cleared: dict[str, tuple[r.ClauseCleared, Any]] = {}
        self.call = ""
        self._stop = asyncio.Event()

    def skip_to_end(self) -> None:
        """Begin behind whatever is on record now."""
        for view in self._reader.views():
            self._after[view.origin] = view.size() - 1

    async def follow(self) -> None:
        """Show records until ``stop``."""
        while not self._stop.is_set():
            await self.catch_up()
            try:
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._stop.wait()
            except TimeoutError:
                continue
        await self.catch_up()

    def stop(self) -> None:
        self._stop.set()

    def close(self) -> None:
        self._reader.close()

    async def catch_up(self) -> None:
        """Show what has become durable since the last look."""
        for record, personal in await asyncio.to_thread(self._new):
            if isinstance(record, r.CallOpened):
                self.call = record.call
            for style, text in self._lines(record, personal):
                self._show(style, text)

    def _new(self) -> list[tuple[r.Record, Any]]:
        found = []
        for view in self._reader.views():
            for entry in self._reader.records(
                origin=view.origin, after_leaf=self._after.get(view.origin, -1)
            ):
                self._after[view.origin] = entry.leaf
                found.append((entry.record, view.personal(entry.record)))
        return found

    def _lines(self, record: r.Record, personal: Any) -> Iterator[Line]:
        match record:
            case r.CallerSaid():
                yield "caller", f"caller  {personal.text:<56} confidence {personal.confidence:.2f}"
            case r.ClauseCleared():
                self._cleared[record.clause] = (record, personal)
            case r.ClauseRefused():
                yield from _refused(personal)
            case r.AgentPlayed() if record.samples:
                yield from self._played(record, personal)
            case r.DisclosurePlayed():
                yield _disclosed(record)
            case r.ToolRequested() | r.ToolExecuted() | r.ToolRefused():
                yield "tool", _BELOW + _tool(record, personal)
            case r.HandoffRequested():
                asked = record.requested_by.replace("_", " ")
                yield "handoff", f"{_BELOW}HANDOFF asked for ({asked})   {', '.join(record.annex_a)}"
            case r.HandoffFailed():
                yield "handoff", f"{_BELOW}no desk: {record.reason.replace('_', ' ')}"
            case r.CallbackPromised():
                number = "confirmed" if record.number_confirmed else "not confirmed"
                due = personal.due_at[:16]
                yield "handoff", f"{_BELOW}call-back promised by {due}, number {number}, summary saved"
            case r.EmergencyDetected():
                yield "bad", f"{_BELOW}EMERGENCY {personal.rule}   {', '.join(record.annex_a)}"
            case r.ControlFailed():
                yield "bad", f"{_BELOW}control failed: {record.control} ({record.reason})"
            case r.CallClosed():
                ended = f"ended by {record.ended_by} ({record.reason})"
                yield "note", f"{_BELOW}call {ended}, {record.duration_s} s, {record.n + 1} records"
            case _:
                return

    def _played(self, record: r.AgentPlayed, personal: Any) -> Iterator[Line]:
        yield "agent", f"agent   {personal.played_text}{' —' if record.interrupted else ''}"
        if record.interrupted:
            seconds = record.samples / record.rate_hz
            yield (
                "verdict",
                f'{_BELOW}interrupted after {seconds:.1f} s; played by then: "{personal.played_text}"',
            )
        if personal.phrase is not None:
            yield "verdict", f"{_BELOW}fixed phrase {personal.phrase}, cleared by digest when the call opened"
        elif record.clause in self._cleared:
            cleared, details = self._cleared[record.clause]
            rules = ", ".join(v.rule for v in details.verdicts)
            controls = ", ".join(cleared.annex_a)
            yield "verdict", f"{_BELOW}{cleared.verdict.value} ({rules}), risk {cleared.risk}   {controls}"


def _refused(personal: Any) -> Iterator[Line]:
    yield "refused", f'model   ✗ "{personal.text}"{"":<24} never spoken'
    for verdict in personal.verdicts:
        if verdict.verdict is not Verdict.ALLOW:
            controls = ", ".join(verdict.annex_a)
            yield "refused", f"{_BELOW}{verdict.verdict.value.upper()} {verdict.rule}   {controls}"
            yield "verdict", f"{_BELOW}because: {shorten(verdict.reason, 92, placeholder=' …')}"


def _disclosed(record: r.DisclosurePlayed) -> Line:
    how = "played in full" if record.in_full else f"cut after {record.played_ms / 1000:.1f} s"
    basis = record.evidence.value.replace("_", " ")
    seconds = record.of_ms / 1000
    return "verdict", f"{_BELOW}disclosure {record.language}, {how} ({basis}), {seconds:.1f} s   A.8.2"


def _tool(record: r.Record, personal: Any) -> str:
    match record:
        case r.ToolRequested():
            asked = "read back, caller said yes · " if record.read_back == "confirmed" else ""
            return f"{asked}{personal.name} requested, risk {record.risk}"
        case r.ToolExecuted():
            row = (personal.result or {}).get("row")
            outcome = "ok" if record.ok else "refused by the service"
            made = "" if row is None else f" · row {row}"
            return f"{personal.name} {outcome}, {record.duration_ms} ms{made}"
        case r.ToolRefused():
            return f"{personal.name} not used: {record.reason.replace('_', ' ')}"
        case _:
            return ""
