"""What an embedded appointment service holds: ``configs/books/<service>.yaml`` as a closed model.

One service serves every trade: what names an appointment (a doctor, a day and a
time; a home, a day and a time), which of them are free, and what else can be
looked up or asked for is data. Everything is written as it is spoken, in each
language the agent serves, because callers confirm it by ear.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from controls.errors import ConfigurationError
from controls.ledger.records import Language
from voice_runtime.services import ArgumentName, Name
from voice_runtime.yaml_file import Closed, check, load_document

FOLDER = Path("configs/books")
#: The service's own operations; a lookup or request cannot be called so.
OWN = ("find_slots", "book", "cancel", "move")
#: Columns of its own, which no part of a slot can be called.
_TAKEN = frozenset({"row", "slots", "found", "reason", "ok", "booked_at", "cancelled_at", "place"})
#: More slots than this are no demo (rows).
MOST_SLOTS = 5000

Spoken = Annotated[str, StringConstraints(min_length=1, max_length=80)]


def _forms(value: Any) -> Any:
    """``ten`` and ``{es-US: diez}`` as language → forms; ``""`` stands for every language."""
    if isinstance(value, str):
        return {"": [value]}
    if isinstance(value, dict):
        return {k: [v] if isinstance(v, str) else v for k, v in value.items()}
    return value


_TEXT = {"type": "string", "minLength": 1, "maxLength": 80}
_TEXTS = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]}
#: language → how it is said there, the first form being how the service says it.
Value = Annotated[
    dict[Literal[""] | Language, Annotated[tuple[Spoken, ...], Field(min_length=1)]],
    BeforeValidator(_forms),
    WithJsonSchema({"anyOf": [_TEXT, {"type": "object", "additionalProperties": _TEXTS}]}),
]


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Chosen = Annotated[
    tuple[Spoken, ...], BeforeValidator(_one_or_more), WithJsonSchema(_TEXTS), Field(min_length=1)
]


class Lookup(Closed):
    """An operation that finds rows of a table by some of their fields."""

    among: Name = Field(description="a table of this file, such as homes")
    by: tuple[ArgumentName, ...] = Field(min_length=1, description="fields that narrow it, such as [area]")
    gives: ArgumentName | None = Field(
        default=None, description="the field listed as `found`; left out: every field of the one row found"
    )


class BookFile(Closed):
    """``configs/books/<service>.yaml``."""

    format: Literal[1] = Field(description="1")
    title: str = Field(
        min_length=1, max_length=120, description="what people call it; say that it is fictional"
    )
    slot: tuple[ArgumentName, ...] = Field(
        min_length=2, max_length=5, description="what names an appointment, such as [doctor, day, time]"
    )
    values: dict[ArgumentName, tuple[Value, ...]] = Field(
        description="name → every value it may have, as it is said in each language"
    )
    before: tuple[Spoken, ...] = Field(
        default=(), description="words that may stand before a value and mean nothing, such as [doctor]"
    )
    free: tuple[dict[ArgumentName, Chosen], ...] = Field(
        min_length=1, description="slots there are, in the first language; a name left out: every value of it"
    )
    lookups: dict[Name, Lookup] = Field(default={}, description="operation → what it finds")
    tables: dict[Name, tuple[dict[ArgumentName, Value], ...]] = Field(
        default={}, description="table → its rows, each with the same fields"
    )
    requests: dict[Name, tuple[ArgumentName, ...]] = Field(
        default={}, description="operation → what it notes for people, such as ask_callback: [home, number]"
    )

    @model_validator(mode="after")
    def _whole(self) -> BookFile:
        for message, remedy in self._faults():
            raise PydanticCustomError("book", "{message}", {"message": message, "remedy": remedy})
        return self

    def _faults(self) -> Iterator[tuple[str, str]]:
        if strange := sorted(set(self.slot) & _TAKEN):
            yield f"calls a part of a slot {', '.join(strange)}", "choose another name"
        if missing := [name for name in self.slot if name not in self.values]:
            yield f"has no values for {', '.join(missing)}", "list them under values"
        for name, values in self.values.items():
            forms = [_plain(f) for value in values for f in {f for said in value.values() for f in said}]
            if len(forms) != len(set(forms)):
                yield f"has two values of {name} that are said the same way", "keep one"
        for place in self.free:
            for name, chosen in place.items():
                known = {_plain(f) for value in self.values.get(name, ()) for f in _first(value)}
                if name not in self.slot or not {_plain(c) for c in chosen} <= known:
                    yield f"frees a {name} that is not among its values", "add it under values, in words"
        if not 0 < len(self.slots()) <= MOST_SLOTS:
            yield "has no slot, or too many", f"free between one and {MOST_SLOTS}"
        if strange := sorted(
            ({*self.lookups, *self.requests} & {*OWN}) | (set(self.lookups) & set(self.requests))
        ):
            yield f"has two operations called {', '.join(strange)}", f"its own are {', '.join(OWN)}"
        for operation, lookup in self.lookups.items():
            rows = self.tables.get(lookup.among, ())
            wanted = {*lookup.by, *([lookup.gives] if lookup.gives else [])}
            if not rows or any(not wanted <= set(row) for row in rows):
                yield (
                    f"looks up in {operation} what not every row has",
                    f"rows need {', '.join(sorted(wanted))}",
                )

    @property
    def languages(self) -> tuple[str, ...]:
        """Those its values are said in, the first one first; () when every language says them alike."""
        said = [value for values in self.values.values() for value in values]
        return tuple(dict.fromkeys(str(la) for value in said for la in value if la))

    def slots(self) -> list[tuple[str, ...]]:
        """Every slot there is, each once, in the file's order; values as the first language says them."""
        found: dict[tuple[str, ...], None] = {}
        for place in self.free:
            rows: list[tuple[str, ...]] = [()]
            for name in self.slot:
                every = [_first(value)[0] for value in self.values[name]]
                here = {_plain(c) for c in place[name]} if name in place else None
                options = [v for v in every if here is None or _plain(v) in here]
                rows = [(*row, option) for row in rows for option in options]
                if len(rows) > MOST_SLOTS:
                    return []
            found |= dict.fromkeys(rows)
        return list(found)

    def resolve(self, name: str, said: str) -> tuple[str, str] | None:
        """A value as the first language says it, and the language it was said in ("" for any).

        None: there is no such value.
        """
        wanted = _plain(said)
        for word in self.before:
            wanted = wanted.removeprefix(f"{_plain(word)} ")
        for value in self.values.get(name, ()):
            for language, forms in value.items():
                if wanted in {_plain(form) for form in forms}:
                    return _first(value)[0], str(language)
        return None

    def spoken(self, name: str, value: str, language: str) -> str:
        """A value of the first language as ``language`` says it; itself where it says nothing."""
        for option in self.values.get(name, ()):
            if _first(option)[0] == value:
                return said_in(option, language)
        return value


def said_in(value: Mapping[Any, tuple[str, ...]], language: str) -> str:
    """How a value is said in a language: its own form, the one of every language, or the first."""
    return (value.get(language) or value.get("") or _first(value))[0]


def same(one: str, other: str) -> bool:
    """Whether two texts are the same words, whatever their case, accents and punctuation."""
    return _plain(one) == _plain(other)


def _first(value: Mapping[Any, tuple[str, ...]]) -> tuple[str, ...]:
    return next(iter(value.values()))


def _plain(text: str) -> str:
    """Without case, accents and punctuation: how recognisers and models write differs in these."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    return " ".join(
        "".join(c if c.isalnum() else " " for c in folded if not unicodedata.combining(c)).split()
    )


def load_book(path: Path, root: Path | None = None) -> BookFile:
    """Read one book.

    Raises:
        ConfigurationError: with every problem found.
    """
    found, problems = check(BookFile, load_document(path, root, what="book of appointments"))
    if found is None:
        raise ConfigurationError(problems)
    return found
