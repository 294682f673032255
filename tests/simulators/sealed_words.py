"""Every text in personal content, whatever its model: what a record holds that it should not.

Goes by ``controls.ledger.records`` alone, so that a new model, or a new field, is looked at once it exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from controls.ledger import records as r
from controls.redaction.redactor import Redactor

#: Random bytes and signatures in base64 or hexadecimal, of which chance makes whatever it likes.
OPAQUE = frozenset(("salt", "statement", "signature", "public"))

#: Numbers that the record is there to hold: who called whom, and where a promised call goes.
KEPT = frozenset((
    (r.CallDetails, "caller"), (r.CallDetails, "called"), (r.RouteDetails, "entry"),
    (r.CallbackDetails, "number"),
))  # fmt: skip


def texts(value: Any, at: str = "") -> Iterator[tuple[str, str, str]]:
    """Each text and number in a value, keys included: where, the name of its field or key, the text."""
    name = at.rpartition(".")[2]
    if isinstance(value, str):
        yield at, name, value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield at, name, str(value)
    elif isinstance(value, BaseModel):
        for field in type(value).model_fields:
            if field not in OPAQUE:
                yield from texts(getattr(value, field), f"{at}.{field}".lstrip("."))
    elif isinstance(value, Mapping):
        for key, held in value.items():
            yield f"{at} key", "", str(key)
            yield from texts(held, f"{at}.{key}")
    elif isinstance(value, list | tuple | set | frozenset):
        for held in value:
            yield from texts(held, at)


def raw(entries: Sequence[tuple[r.Record, r.Personal | None]], redactor: Redactor) -> list[str]:
    """Where something stands that is masked before the record, in any field of any model.

    Exact times, in ns of our clock, are nobody's number. A fixed phrase is the operator's, and is not masked.
    """
    found = []
    for record, personal in entries:
        if isinstance(personal, r.PlayedDetails) and personal.phrase is not None:
            continue
        for at, name, text in texts(personal):
            ours = name.endswith("_ns") or (type(personal), at) in KEPT
            if not ours and redactor.redact(text, context=name).found:
                found.append(f"{record.type}: {at} holds what is masked on record")
    return found


def quoted(
    entries: Iterable[tuple[r.Record, r.Personal | None]], sayings: Iterable[str], *, least: int = 12
) -> list[str]:
    """Where words of the caller's stand, in any field of any model; only those long enough to be told by."""
    said = [words for words in sayings if len(words) >= least]
    return [
        f"{record.type}: {at} quotes the caller"
        for record, personal in entries
        for at, _, text in texts(personal)
        if any(words in text for words in said)
    ]
