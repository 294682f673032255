"""Exports without personal data: a trace with its words masked, and what an audit packet leaves sealed. Pure.

A trace is a view, and is masked. A packet proves what it shows, and masked words could not be proven: content
in which something is found stays sealed in it, and its manifest says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from controls.evidence import shape as s
from controls.evidence import shape_of_decisions as d
from controls.ledger import records as r
from controls.redaction.redactor import Redacts
from controls.redaction.sealed import masked_value

#: Fields of a trace that leaves alone fill: ids, times, digests and closed lists, in which nobody's words
#: stand. Whatever is not named here is gone through: a new field is masked before anybody has thought of it.
_FROM_LEAVES = frozenset((
    "id", "tenant", "release", "environment", "ingress", "region", "language", "ended_at", "ended_by",
    "end_reason", "stage", "supplier", "transport", "codec", "echo_cancellation", "outcome", "evidence",
    "scope", "how", "engine", "addressed", "withdrawn", "requested_by", "failed_because", "mode", "use",
    "what", "at", "control", "artifact", "kind", "retention_class", "legal_basis", "expires_at",
    "erased_at", "witness", "root", "origin", "verdict", "of", "answer", "why", "moment", "effect", "clause",
    "risk", "read_back", "by", "label", "role", "asked_at", "becomes", "latency_ms",
))  # fmt: skip
#: Fields of personal content that hold random bytes and signatures over them.
_OPAQUE = frozenset(("salt", "statement", "signature", "public"))

S = TypeVar("S", bound=d.Shape)


def redacted_trace(trace: s.Trace, redactor: Redacts) -> s.Trace:
    """The trace with what is personal in it masked; ids, times and closed lists stay."""
    language, asked, turns = trace.call.language, "", []
    for turn in trace.turns:
        turns.append(_masked(turn, redactor, language, asked))
        asked = (turn.played.played_text or "") if turn.played else ""
    rest = trace.model_copy(update={"turns": []})
    return _masked(rest, redactor, language, "").model_copy(update={"turns": turns})


def holds_personal(personal: r.Personal, redactor: Redacts, language: str) -> bool:
    """Whether something is found in content that a packet would open, in any field of any model.

    Figures that stand alone in a field of their own are our clocks' and counts; within a mapping or a list
    they are somebody's.
    """
    fields = (getattr(personal, name) for name in type(personal).model_fields if name not in _OPAQUE)
    given = [value for value in fields if isinstance(value, str | Mapping | tuple)]
    _, found = masked_value(given, lambda text, name: redactor.redact(text, language, name))
    return bool(found)


def _masked(value: S, redactor: Redacts, language: str, asked: str) -> S:
    """A part of a trace, gone through by the names of its fields."""

    def words(text: str, name: str) -> Any:
        return redactor.redact(text, language, name or asked)

    changed: dict[str, Any] = {}
    for field in type(value).model_fields:
        old = getattr(value, field)
        if isinstance(old, d.Shape):
            new: Any = _masked(old, redactor, language, asked)
        elif isinstance(old, list) and old and isinstance(old[0], d.Shape):
            new = [_masked(part, redactor, language, asked) for part in old]
        elif field not in _FROM_LEAVES and isinstance(old, str | list | tuple | Mapping):
            new, _ = masked_value(old, words)
        else:  # figures of our own, and what is not there
            continue
        changed[field] = new
    return value.model_copy(update=changed)
