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
from controls.redaction.redactor import Redactor
from controls.redaction.sealed import WORDS, masked_value

#: Fields of a trace that hold words of a conversation, or what a tool was given and gave.
_WORDS = frozenset((
    "text", "played_text", "candidate", "said", "summary", "reason", "arguments", "result", "tools", "to",
))  # fmt: skip

S = TypeVar("S", bound=d.Shape)


def redacted_trace(trace: s.Trace, redactor: Redactor) -> s.Trace:
    """The trace with what is personal in its words masked; figures, ids and times stay."""
    language, asked, turns = trace.call.language, "", []
    for turn in trace.turns:
        turns.append(_masked(turn, redactor, language, asked))
        asked = (turn.played.played_text or "") if turn.played else ""
    rest = trace.model_copy(update={"turns": []})
    return _masked(rest, redactor, language, "").model_copy(update={"turns": turns})


def holds_personal(personal: r.Personal, redactor: Redactor, language: str) -> bool:
    """Whether something is found in content that a packet would open."""
    _, fields = WORDS.get(type(personal), ("", tuple(type(personal).model_fields)))
    texts = [getattr(personal, field) for field in fields]
    given = [value for value in texts if isinstance(value, str | Mapping | tuple)]
    _, found = masked_value(given, lambda text, name: redactor.redact(text, language, name))
    return bool(found)


def _masked(value: S, redactor: Redactor, language: str, asked: str) -> S:
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
        elif field in _WORDS:
            new, _ = masked_value(old, words)
        else:
            continue
        changed[field] = new
    return value.model_copy(update=changed)
