"""What the record of a finished call must hold about what was said and played, whatever happened in it.

Reads records with their personal content and names what is wrong. Nothing here
asks a stage; ``said`` is what the test itself knows the caller said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from controls.bound_phrases import phrase_digest
from controls.ledger import records as r

Entry = tuple[r.Record, Any]

#: Rounding of each of six parts, ms.
_ROUNDING_MS = 0.06
#: Records that others append to a call's after its end.
_AFTERWARDS = (r.AccessViewed, r.ErasureDone, r.RetentionExpired, r.LegalHoldPlaced, r.LegalHoldLifted)


def problems(entries: Sequence[Entry], said: Sequence[str] = ()) -> list[str]:
    """Everything that is wrong with one finished call's records, in the order of the log."""
    return [
        *_cleared(entries),
        *_settled(entries),
        *_account(entries),
        *_ending(entries),
        *_words(entries, said),
        *_latencies(entries),
    ]


def _cleared(entries: Sequence[Entry]) -> list[str]:
    """No sample without an earlier clearance whose receipt came first, or a bound phrase."""
    found = []
    bound: set[tuple[str, str]] = set()
    cleared: dict[str, Any] = {}
    for record, personal in entries:
        match record:
            case r.ReleaseBound():
                bound |= {(f.phrase, f.digest) for f in record.fixed}
            case r.ClauseCleared():
                cleared[record.clause] = personal
            case r.AgentPlayed() if record.samples or personal.first_sample_at_ns:
                if record.fixed:
                    if (personal.phrase, phrase_digest(personal.text)) not in bound:
                        found.append(f"{personal.phrase} sounded and is not bound by these words")
                elif record.clause not in cleared:
                    found.append(f"{record.clause} sounded before it was cleared")
                elif cleared[record.clause].text != personal.text:
                    found.append(f"{record.clause} sounded in other words than were cleared")
                if not 0 < personal.receipt_at_ns <= personal.first_sample_at_ns:
                    found.append(f"{record.clause} sounded before its receipt")
    return found


def _settled(entries: Sequence[Entry]) -> list[str]:
    """Every cleared clause has exactly one ``agent.played``."""
    played = Counter(x.clause for x, _ in entries if isinstance(x, r.AgentPlayed))
    cleared = {x.clause for x, _ in entries if isinstance(x, r.ClauseCleared)}
    return [f"{clause} has {n} agent.played" for clause, n in played.items() if n > 1] + [
        f"{clause} has no agent.played" for clause in cleared - set(played)
    ]


def _account(entries: Sequence[Entry]) -> list[str]:
    """Samples and words of each clause fit each other."""
    found = []
    for record, personal in entries:
        if not isinstance(record, r.AgentPlayed):
            continue
        if record.samples > record.of_samples:
            found.append(f"{record.clause}: more was played than there was")
        if not record.interrupted and record.samples != record.of_samples:
            found.append(f"{record.clause}: in full, and not to its end")
        if not personal.text.startswith(personal.played_text):
            found.append(f"{record.clause}: the words played are not its own")
        if not record.samples and personal.played_text:
            found.append(f"{record.clause}: words without a sample")
        if record.samples and not record.interrupted and personal.played_text != personal.text.strip():
            found.append(f"{record.clause}: in full, and not all of its words")
    return found


def _ending(entries: Sequence[Entry]) -> list[str]:
    """``call.closed`` ends the call, and names as many records as there are."""
    at = [i for i, (x, _) in enumerate(entries) if isinstance(x, r.CallClosed)]
    if len(at) != 1:
        return [f"{len(at)} call.closed"]
    closed = entries[at[0]][0]
    assert isinstance(closed, r.CallClosed)
    mine = [x for i, (x, _) in enumerate(entries) if i != at[0] and not isinstance(x, _AFTERWARDS)]
    found = []
    if closed.records != len(mine):
        found.append(f"call.closed names {closed.records} records, there are {len(mine)}")
    for record, _ in entries[at[0] + 1 :]:
        if not record.recovered and not isinstance(record, _AFTERWARDS):
            found.append(f"{record.type} behind call.closed")
    return found


def _words(entries: Sequence[Entry], said: Sequence[str]) -> list[str]:
    """Every turn has its number, and nothing that the caller said is missing."""
    turns = [(x.turn, p.text) for x, p in entries if isinstance(x, r.CallerSaid)]
    found = []
    numbers = sorted(n for n, _ in turns)  # what lay in the spool comes late
    if numbers != list(range(1, len(turns) + 1)):
        found.append(f"turns are numbered {numbers}")
    missing = Counter(said) - Counter(text for _, text in turns)
    return found + [f"the caller's words {text!r} are not on record" for text in missing]


def _latencies(entries: Sequence[Entry]) -> list[str]:
    """Once a turn, no stage negative, and the parts are not longer than the whole."""
    found = []
    seen: set[int] = set()
    for record, personal in entries:
        if not isinstance(record, r.AgentPlayed) or personal.latency_ms is None:
            continue
        latency = personal.latency_ms
        if record.turn in seen:
            found.append(f"turn {record.turn} has two latencies")
        seen.add(record.turn)
        values = {name: v for name, v in latency.model_dump().items() if v is not None}
        found += [f"turn {record.turn}: {name} is negative" for name, v in values.items() if v < 0]
        whole = values.get("first_audio_out")
        if whole is None or not personal.first_sample_at_ns:
            found.append(f"turn {record.turn}: a latency without its first sample")
            continue
        parts = sum(values.get(name, 0.0) for name in ("endpointing", "first_token", "verdict", "egress"))
        parts += max(values.get("durable", 0.0), values.get("synthesis", 0.0))
        if parts > whole + _ROUNDING_MS:
            found.append(f"turn {record.turn}: {parts:.2f} ms of parts in {whole:.2f} ms")
        for name in ("recognition", "asr_to_first_token"):
            if values.get(name, 0.0) > whole + _ROUNDING_MS:
                found.append(f"turn {record.turn}: {name} is longer than the whole")
    return found
