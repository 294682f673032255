"""What our server keeps of a call, read from its ledger, joined to what the caller measured.

Read in this process with the keys of the house, which is a load test's own: nobody
looks at a person's content here, and no ``access.viewed`` is written that would
change what is measured.

Times of the server's turns are on the caller's media clock, ms of media received: the
server counts the caller's samples too (``ended_s``), and its spans begin at the last
speech sample it received. So no two clocks are compared. On the telephone both count the
same samples; in a browser the server's count begins with the first packet that
reached it.

What answers a turn, and what only fills the time until then, is told by the record: a
clause the model proposed and the rules judged is an answer, and so is a fixed phrase whose
record carries the turn's latency, as it stands with the first clause of an answer and with
nothing else (``voice_runtime.inline.journal``). Other fixed phrases fill.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from controls.evidence import shape as s
from controls.evidence import trace as rebuild
from controls.evidence.turns import Opened, records_of
from controls.ledger import records as r
from controls.ledger.reader import CallInfo, Reader
from loadtests.ours.completeness import completeness
from loadtests.systems import Evidence, ServerTurn
from voice_runtime.caller.results import CallResult

#: For the records of calls that are over to be closed, s; and between two looks.
SETTLE_S, _LOOK_S = 15.0, 0.1
#: Fixed phrases that are never an answer, whatever their record carries.
FILLERS = frozenset({"moment", "still-there"})


class LedgerEvidence:
    """A ledger that is being written, asked for the calls of one run after another. Thread-safe: it locks."""

    def __init__(self, ledger: Path, *, settle_s: float = SETTLE_S) -> None:
        """Make it; nothing is opened before it is asked.

        Args:
            ledger: directory of the logs, keys beside them.
            settle_s: how long a call that is over may stay open on record.
        """
        self._ledger, self._settle_s = ledger, settle_s
        self._sids: dict[str, str] = {}
        self._lock = threading.Lock()

    def of(self, calls: Sequence[CallResult]) -> dict[str, Evidence]:
        """What is on record of each call that was answered, by ``call_sid``. Waits and blocks.

        A call without any record is no absence of evidence: its completeness says so.

        Raises:
            SayError: the records cannot be read.
        """
        wanted = {result.call_sid: result for result in calls if result.answered_ns}
        if not wanted:
            return {}
        found: dict[str, Evidence] = {}
        with self._lock, Reader.open(self._ledger) as reader:
            _settled(reader, self._settle_s)
            for info in reader.calls():
                result = wanted.pop(self._sid(reader, info), None)
                if result is not None:
                    opened = records_in(reader, info)
                    found[result.call_sid] = Evidence(server_turns(opened), completeness(result, opened))
        for sid, result in wanted.items():
            found[sid] = Evidence(completeness=completeness(result, []))
        return found

    def _sid(self, reader: Reader, info: CallInfo) -> str:
        """What the caller knows the call by: the carrier's id, or in a browser, where there is none, ours."""
        if info.call not in self._sids:
            opening = next(e.record for e in reader.records(info.call, origin=info.origin))
            details = reader.personal(opening)
            carrier_call = details.carrier_call if isinstance(details, r.CallDetails) else ""
            self._sids[info.call] = carrier_call or info.call
        return self._sids[info.call]


def records_in(reader: Reader, info: CallInfo) -> list[Opened]:
    """A call's records in the log that holds it, with their personal content, in leaf order.

    Raises:
        SayError: they cannot be read or opened.
    """
    return [
        (o.leaf, o.record, o.personal)
        for o in reader.opened(info.call)
        if o.origin == info.origin and getattr(o.record, "call", None) == info.call
    ]


def server_turns(opened: Sequence[Opened]) -> tuple[ServerTurn, ...]:
    """The turns a caller spoke, as the server saw them."""
    sounded: dict[int, list[_Sounded]] = {}
    for record, personal in records_of(opened, r.AgentPlayed):
        if personal is not None and (record.samples or personal.first_sample_at_ns):
            answers = personal.phrase not in FILLERS and (not record.fixed or personal.latency_ms is not None)
            sounded.setdefault(record.turn, []).append(_Sounded(personal.started_s * 1000, answers))
    return tuple(
        _turn(turn, sorted(sounded.get(turn.n, [])))
        for turn in rebuild.trace(opened).turns
        if turn.said is not None
    )


class _Sounded(NamedTuple):
    """Something the agent said: when its first sample left, ms of the server's clock of the call."""

    at_ms: float
    answers: bool


def _turn(turn: s.Turn, sounded: Sequence[_Sounded]) -> ServerTurn:
    spans = turn.latency_ms
    ended_ms = None if turn.said is None or turn.said.ended_s is None else turn.said.ended_s * 1000
    token_at_ms = (
        None if ended_ms is None or spans.asr_to_first_token is None else ended_ms + spans.asr_to_first_token
    )
    governance = None if spans.verdict is None or spans.durable is None else spans.verdict + spans.durable
    answer_at_ms = next((one.at_ms for one in sounded if one.answers), None)
    return ServerTurn(
        said_ended_ms=ended_ms,
        first_token_at_ms=token_at_ms,
        stages=spans.model_dump(),
        played=(turn.played.played_text or "") if turn.played is not None else "",
        governance_ms=governance,
        filler_ms=0.0 if answer_at_ms is None else answer_at_ms - sounded[0].at_ms,
        answered=answer_at_ms is not None,
    )


def _settled(reader: Reader, patience_s: float) -> None:
    """Wait until no call is open on record; one that stays open is a finding, not an error."""
    until = time.monotonic() + patience_s
    while reader.calls(unfinished=True) and time.monotonic() < until:
        time.sleep(_LOOK_S)
