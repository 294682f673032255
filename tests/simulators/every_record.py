"""One record of every type, with a mark in every text of its personal content, whatever its model.

Made from the models alone: a type, a field or a model that is new is in it at once.
"""

from __future__ import annotations

import types
import typing
from enum import Enum
from itertools import count
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from controls.evidence.turns import Opened
from controls.ledger import records as r

#: Ends every mark: an address, which each recogniser of texts finds.
MARK = "@example.com"
TAG = r.RetentionTag(
    retention_class="transcript",
    purpose="service",
    legal_basis="contract",
    region="us",
    expires_at=1_800_000_000,
)
_EXAMPLES = {
    r"^[a-z][a-z0-9]*([-.][a-z0-9]+){0,8}$": "clinic",
    r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?$": "en-US",
    r"^A\.(10|[2-9])(\.[0-9]{1,2}){1,2}$": "A.9.2",
    r"^sha256:[0-9a-f]{64}$": "sha256:" + "9f" * 32,
    r"^hmac-sha256:[0-9a-f]{64}$": "hmac-sha256:" + "9f" * 32,
    r"^n_[0-9a-f]{64}$": "n_" + "9f" * 32,
    r"^[A-Za-z0-9+/]{43}=$": "A" * 43 + "=",
}


class Marks:
    """Makes marks, each another one."""

    def __init__(self) -> None:
        self._numbers = count()

    def text(self) -> str:
        return f"mark{next(self._numbers)}{MARK}"

    def value(self, kind: Any, metadata: list[Any], *, personal: bool) -> Any:
        """Something of that type; in personal content a mark wherever a text may stand."""
        if typing.get_origin(kind) is typing.Annotated:
            return self.value(kind.__origin__, [*metadata, *kind.__metadata__], personal=personal)
        origin, parts = typing.get_origin(kind), typing.get_args(kind)
        if origin in (typing.Union, types.UnionType):
            some = [part for part in parts if part is not type(None)]
            return self.value(some[0], metadata, personal=personal)
        if origin is typing.Literal:
            return parts[0]
        if origin is tuple:
            return (self.value(parts[0], [], personal=personal),)
        if origin is dict:
            return {self.text(): self.text(), "deep": [{"list": [self.text()]}]} if Any in parts else {
                self.text(): self.text()
            }  # fmt: skip
        if kind is bool:
            return True
        if kind in (int, float):
            return kind(1)
        if kind is str:
            return self.text() if personal else _example(metadata)
        assert isinstance(kind, type), kind
        if issubclass(kind, Enum):
            return next(iter(kind))
        assert issubclass(kind, BaseModel), kind
        return self.made(kind, personal=personal)

    def field(self, field: FieldInfo, *, personal: bool) -> Any:
        return self.value(field.annotation, list(field.metadata), personal=personal)

    def made(self, model: type[BaseModel], *, personal: bool, **known: Any) -> Any:
        """A model with all its fields, unchecked: marks fit no pattern."""
        made = {
            name: known[name] if name in known else self.field(field, personal=personal)
            for name, field in model.model_fields.items()
        }
        return model.model_construct(**made)


def _example(metadata: list[Any]) -> str:
    pattern = next((p for m in metadata if (p := getattr(m, "pattern", None))), None)
    if pattern is None:  # a note of a checkpoint
        return "AAAA"
    if pattern in _EXAMPLES:
        return _EXAMPLES[pattern]
    letter = str(pattern)[1]
    return f"{letter}_" + "7Q2MZ0G4D9RWX3KA" if str(pattern)[2] == "_" else "AAAA"


def every_record(marks: Marks | None = None) -> list[Opened]:
    """One record of each type that a call may have, ``call.opened`` first, all of one call and one use."""
    marks = marks or Marks()
    kinds = sorted(r.RECORDS.values(), key=lambda kind: (kind is not r.CallOpened, kind.type))
    found: list[Opened] = []
    for leaf, kind in enumerate(k for k in kinds if "call" in k.model_fields):
        personal = None if kind.personal is None else marks.made(kind.personal, personal=True)
        sealed = None if personal is None else marks.made(r.SealedRef, personal=False, tag=TAG)
        record = marks.made(
            kind, personal=False, at=1_790_000_000 + leaf, n=leaf, sealed=sealed, checkpoint=None
        )
        found.append((leaf, record, personal))
    return found
