"""The demo's running commentary: a call's records as they become durable, in the order of the talk.

It reads the ledger from outside the server, as any reviewer could, and shows a
thing only once it is on record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from controls.decision import Verdict
from controls.ledger import records as r
from controls.ledger.reader import Reader

_LOOK_EVERY_S = 0.1

#: (style, text): style is a word of ``cli.text``'s styles.
Show = Callable[[str, str], None]


class Commentary:
    """Follows one origin and shows each new record of the demo's call."""

    def __init__(self, root: Path, show: Show) -> None:
        self._reader = Reader.open(root)
        self._show = show
        self._after: dict[str, int] = {}
        self._clauses: dict[str, tuple[r.Record, Any]] = {}
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
            for entry in self._reader.records(origin=view.origin, after_leaf=self._after.get(view.origin, -1)):
                self._after[view.origin] = entry.leaf
                found.append((entry.record, view.personal(entry.record)))
        return found

    def _lines(self, record: r.Record, personal: Any) -> Iterator[tuple[str, str]]:  # noqa: C901 # one match
        match record:
            case r.CallerSaid():
                yield "caller", f"caller  {personal.text:<56} confidence {personal.confidence:.2f}"
            case r.ClauseCleared() | r.ClauseRefused():
                yield from self._judged(record, personal)
            case r.AgentPlayed():
                yield from self._played(record, personal)
            case r.DisclosurePlayed():
                how = "played in full" if record.in_full else f"cut after {record.played_ms / 1000:.1f} s"
                basis = {"carrier_mark": "carrier marks"}.get(record.evidence.value, record.evidence.value)
                yield "verdict", f"        disclosure {record.language}, {how} ({basis}), {record.of_ms / 1000:.1f} s   A.8.2"
            case r.ToolRequested():
                read_back = " · read back, caller said yes" if record.read_back == "confirmed" else ""
                yield "tool", f"        tool {personal.name} requested{read_back} · risk {record.risk}"
            case r.ToolExecuted():
                row = (personal.result or {}).get("row")
                made = f" · row {row}" if row is not None else ""
                yield "tool", f"        tool {personal.name} {'ok' if record.ok else 'refused'}, {record.duration_ms} ms{made}"
            case r.ToolRefused():
                yield "tool", f"        tool {personal.name} refused: {record.reason.replace('_', ' ')}"
            case r.HandoffRequested():
                yield "handoff", f"        HANDOFF asked for ({record.requested_by.replace('_', ' ')})   {', '.join(record.annex_a)}"
            case r.HandoffFailed():
                yield "handoff", f"        no desk: {record.reason.replace('_', ' ')}"
            case r.CallbackPromised():
                confirmed = "number confirmed" if record.number_confirmed else "number not confirmed"
                yield "handoff", f"        call-back promised: {confirmed}, by {personal.due_at[:16]}, summary saved"
            case r.EmergencyDetected():
                yield "bad", f"        EMERGENCY {personal.rule}   {', '.join(record.annex_a)}"
            case r.ControlFailed():
                yield "bad", f"        control failed: {record.control} ({record.reason})"
            case r.CallClosed():
                yield "note", f"        call ended by {record.ended_by} ({record.reason}), {record.duration_s} s, {record.n + 1} records"
            case _:
                return

    def _judged(self, record: r.ClauseCleared | r.ClauseRefused, personal: Any) -> Iterator[tuple[str, str]]:
        self._clauses[record.clause] = (record, personal)
        if isinstance(record, r.ClauseRefused):
            yield "refused", f'model   ✗ "{personal.text}"{"":<24} never spoken'
            for verdict in personal.verdicts:
                if verdict.verdict is not Verdict.ALLOW:
                    yield "refused", f"        {verdict.verdict.value.upper()} {verdict.rule}   {', '.join(verdict.annex_a)}"
                    yield "verdict", f"        because: {verdict.reason}"

    def _played(self, record: r.AgentPlayed, personal: Any) -> Iterator[tuple[str, str]]:
        if not record.samples:
            return
        yield "agent", f"agent   {personal.played_text}{' —' if record.interrupted else ''}"
        if record.interrupted:
            seconds = record.samples / record.rate_hz
            yield "verdict", f'        interrupted after {seconds:.1f} s; played by then: "{personal.played_text}"'
        judged = self._clauses.get(record.clause)
        if record.phrase is not None:
            yield "verdict", f"        fixed phrase {record.phrase}, cleared by digest when the call opened"
        elif judged is not None and isinstance(judged[0], r.ClauseCleared):
            rules = ", ".join(v.rule for v in judged[1].verdicts)
            controls = ", ".join(judged[0].annex_a)
            yield "verdict", f"        {judged[0].verdict.value} ({rules}) risk {judged[0].risk}{'   ' + controls if controls else ''}"
