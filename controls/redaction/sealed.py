"""What is masked in the personal content beside a record, before it is sealed. Pure.

One table says of every model of personal content which fields hold words of a conversation. A new model has
to be entered there (a test looks), so that nothing is sealed unmasked because nobody thought of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Literal

from controls.ledger import records as r
from controls.redaction.redactor import Found, Redacted, applied

#: Whose words a model holds, as ``redaction.made`` tells it.
Whose = Literal["caller", "agent", "model", "tool", "person"]
#: Masks words of somebody's; the second is what they are said to be, such as an argument's name, or "".
Redact = Callable[[str, str], Redacted]

#: Model → whose words, and the fields that hold them. Mappings and lists are gone through, keys included.
WORDS: Mapping[type[r.Personal], tuple[Whose, tuple[str, ...]]] = {
    r.SaidDetails: ("caller", ("text",)),
    r.EmergencyDetails: ("caller", ("said",)),
    r.DecidedDetails: ("model", ("candidate", "tools")),
    r.SummaryDetails: ("model", ("summary",)),
    r.ClauseDetails: ("agent", ("text", "candidate")),
    r.JudgeAskedDetails: ("agent", ("shown",)),
    r.JudgeAnsweredDetails: ("model", ("text",)),
    r.PlayedDetails: ("agent", ("text", "played_text")),
    r.ToolDetails: ("tool", ("name", "arguments", "result", "reason")),
    r.ApprovalDetails: ("tool", ("arguments", "edited", "shown", "note")),
    r.HandoffDetails: ("person", ("reason", "summary", "given")),
    r.HandoffWordsDetails: ("person", ("text",)),
    r.CallbackDetails: ("person", ("reason", "summary")),
}
#: Model → fields that hold what was said in the call. They are empty where the caller lets no words be kept,
#: and the record's ``kept`` tells which it is.
QUOTES: Mapping[type[r.Personal], tuple[str, ...]] = {
    r.SaidDetails: ("text",),
    r.EmergencyDetails: ("said",),
    r.SummaryDetails: ("summary",),
    r.HandoffDetails: ("summary", "given"),
    r.HandoffWordsDetails: ("text",),
    r.CallbackDetails: ("summary",),
    r.ApprovalDetails: (),  # ``controls.approvals`` knows what of the words shown was said by whom
}
#: Model → why nothing in it is masked.
LEFT: Mapping[type[r.Personal], str] = {
    r.CallDetails: "who called whom is what it is for; no words of a conversation",
    r.RefusalDetails: "the carrier's id of a call",
    r.SupplierDetails: "of the profile",
    r.EndingDetails: "rules' findings, counts and names: no words of a conversation",
    r.ReceiptDetails: "a code of ours",
    r.AccessDetails: "who looked, and why: a member of staff answers for these words",
    r.StopDetails: "what a member of staff stopped, and why: they answer for these words",
    r.RouteDetails: "of the configuration",
    r.MissedDetails: "who found a failure, and what they write of it: they answer for these words",
    r.BypassDetails: "who confirmed that a setting weakens a control, and why: as above",
    r.LiftedDetails: "who lifted an opt-out, and why: as above",
    r.CorrectedDetails: "who put it right, and how: as above",
}


def masked(personal: r.Personal, redact: Redact) -> tuple[r.Personal, Counter[r.PersonalData]]:
    """The same content, masked, and how often something of each type was found in it.

    Words that stand in several fields of one model are counted once a field. The same object comes back where
    nothing was found.
    """
    whose = WORDS.get(type(personal))
    counted: Counter[r.PersonalData] = Counter()
    if whose is None:
        return personal, counted
    if isinstance(personal, r.PlayedDetails):
        return _played(personal, redact)
    walk = _Walk(redact, counted)
    changed = {}
    for field in whose[1]:
        value = getattr(personal, field)
        new = walk.value(value)
        if new is not value:
            changed[field] = new
    return (personal.model_copy(update=changed) if changed else personal), counted


def told(record: r.Record, personal: r.Personal | None) -> r.Record:
    """The record, saying whether its sealed part holds what was said in the call."""
    fields = QUOTES.get(type(personal)) if personal is not None else None
    if not fields or not isinstance(record, r.Quoting):
        return record
    return record.model_copy(update={"kept": any(getattr(personal, field) for field in fields)})


def masked_value(value: Any, redact: Redact) -> tuple[Any, Counter[r.PersonalData]]:
    """A text, or a mapping or list of any depth, masked; the same object where nothing was found."""
    counted: Counter[r.PersonalData] = Counter()
    return _Walk(redact, counted).value(value), counted


def _played(personal: r.PlayedDetails, redact: Redact) -> tuple[r.Personal, Counter[r.PersonalData]]:
    """A clause, and as much of it as was played: half a number is masked as the whole one is.

    Its words are those of its ``clause.cleared``, masked in the same way, so the two can be compared. A fixed
    phrase is the operator's, and ``release.bound`` holds the digest of its exact words: it stays as it is.
    """
    if personal.phrase is not None:
        return personal, Counter()
    whole = redact(personal.text, "")
    counted = Counter(f.type for f in whole.found)
    heard = personal.played_text
    if heard == personal.text:
        played = whole.text
    elif personal.text.startswith(heard):
        played = applied(heard, begun(whole.found, len(heard)))
    else:
        apart = redact(heard, "")
        played = apart.text
        counted += Counter(f.type for f in apart.found)
    if not counted:
        return personal, counted
    return personal.model_copy(update={"text": whole.text, "played_text": played}), counted


def begun(found: tuple[Found, ...], length: int) -> list[Found]:
    """Of the findings in a text, those in its first ``length`` characters, cut off there."""
    return [Found(f.type, f.start, min(f.end, length)) for f in found if f.start < length]


class _Walk:
    """Through a value of any depth; returns the very same object where nothing was found."""

    def __init__(self, redact: Redact, counted: Counter[r.PersonalData]) -> None:
        self._redact, self._counted = redact, counted

    def value(self, value: Any, name: str = "") -> Any:
        if isinstance(value, str):
            return self._text(value, value, name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return self._text(str(value), value, name)
        if isinstance(value, r.Closed):
            fields = {field: getattr(value, field) for field in type(value).model_fields}
            changed = {f: new for f, old in fields.items() if (new := self.value(old)) is not old}
            return value.model_copy(update=changed) if changed else value
        if isinstance(value, Mapping):
            pairs = [(k, v, self.value(k), self.value(v, str(k))) for k, v in value.items()]
            if all(k is new_k and v is new_v for k, v, new_k, new_v in pairs):
                return value
            return {new_k: new_v for _, _, new_k, new_v in pairs}
        if isinstance(value, list | tuple):
            parts = [self.value(v, name) for v in value]
            return value if all(a is b for a, b in zip(parts, value, strict=True)) else type(value)(parts)
        return value

    def _text(self, text: str, value: Any, name: str) -> Any:
        redacted = self._redact(text, name)
        self._counted.update(f.type for f in redacted.found)
        return redacted.text if redacted.found else value
