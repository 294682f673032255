"""``configs/redaction.yaml``: which personal data is masked before which sink, and whose numbers. Pure.

An agent's ``redaction:`` adds types to sinks. Nothing takes one away: the file has a least set of its own.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from controls.documents import Document, Fault, Location, read, refuse, validate
from controls.ledger.records import PersonalData
from controls.redaction.redactor import Recogniser, Redactor

Region = Literal["us", "gb", "es", "de"]
#: Where text leaves a call for.
Sink = Literal["record", "log", "span", "export", "model"]
SINKS: tuple[Sink, ...] = ("record", "log", "span", "export", "model")
Types = Annotated[tuple[PersonalData, ...], Field(max_length=len(PersonalData))]
Because = Annotated[str, StringConstraints(strip_whitespace=True, min_length=10, max_length=600)]

#: What no file may leave out: card data is nowhere kept in clear (PCI DSS 4.0.1, 3.3.1 and 3.5.1).
LEAST: frozenset[PersonalData] = frozenset((PersonalData.CARD, PersonalData.CARD_CODE))
#: Everything that is found without a model.
PATTERNS: frozenset[PersonalData] = frozenset(PersonalData) - {PersonalData.NAME}
#: Sinks that a call does not wait for, where a recogniser with a model may take its time.
_NOT_ON_THE_LINE: frozenset[Sink] = frozenset(("export",))


class SinkEntry(Document):
    """One sink.

    Attributes:
        mask: types of personal data that are masked before it.
        because: why these, with its source.
    """

    mask: Types
    because: Because


class RedactionFile(Document):
    """``configs/redaction.yaml``.

    Attributes:
        reviewed: day on which a person last read the sources cited in it.
        regions: whose telephone, national and tax numbers are looked for.
        sinks: what is masked where.
    """

    format: Literal[1]
    reviewed: datetime.date
    regions: tuple[Region, ...] = Field(min_length=1)
    sinks: dict[Sink, SinkEntry]


#: Sink → types that an agent masks there besides.
Added = Mapping[Sink, Iterable[PersonalData]]


class Redaction:
    """The redactors of one release, by sink.

    Attributes:
        types: sink → what is masked there.
        regions: whose numbers are known.
    """

    def __init__(
        self,
        file: RedactionFile,
        added: Added | None = None,
        recognisers: tuple[Recogniser, ...] = (),
    ) -> None:
        """Compile.

        Args:
            added: what an agent masks besides.
            recognisers: for names and addresses, where they are installed; asked for exports only.
        """
        added = added or {}
        self.regions = tuple(sorted(file.regions))
        self.types: Mapping[Sink, frozenset[PersonalData]] = {
            sink: frozenset(file.sinks[sink].mask) | frozenset(added.get(sink, ())) for sink in SINKS
        }
        self._redactors = {
            sink: Redactor(types, self.regions, recognisers if sink in _NOT_ON_THE_LINE else ())
            for sink, types in self.types.items()
        }

    def before(self, sink: Sink) -> Redactor:
        """What text takes its way through before it gets there."""
        return self._redactors[sink]

    def as_plain(self) -> dict[str, object]:
        """For a release's digest: what is masked where. The tables' version stands in each record."""
        return {
            "regions": list(self.regions),
            "sinks": {sink: sorted(types) for sink, types in self.types.items()},
        }


def parse_redaction(text: str, file: str) -> RedactionFile:
    """Read ``configs/redaction.yaml``.

    Raises:
        ConfigurationError: with file, line, field and remedy of every problem.
    """
    data = read(text, file)
    parsed = validate(data, file, RedactionFile)
    refuse(data, file, _faults(parsed))
    return parsed


def _faults(file: RedactionFile) -> Iterator[Fault]:
    for sink in SINKS:
        if sink not in file.sinks:
            yield (
                ("sinks",),
                f"nothing is said of the sink {sink}",
                f"add `{sink}: {{mask: […], because: …}}`",
            )
    if len(set(file.regions)) != len(file.regions):
        yield ("regions",), "a region is named twice", "name each once"
    for sink, entry in file.sinks.items():
        where: Location = ("sinks", sink, "mask")
        if missing := sorted(LEAST - set(entry.mask)):
            yield where, f"leaves out {', '.join(missing)}", "add it: card data is masked before every sink"
        for message, remedy in not_possible(sink, entry.mask):
            yield where, message, remedy


def not_possible(sink: Sink, types: Iterable[PersonalData]) -> Iterator[tuple[str, str]]:
    """What cannot be masked before a sink, as (message, remedy)."""
    if PersonalData.NAME in set(types) and sink not in _NOT_ON_THE_LINE:
        yield (
            f"names cannot be masked before the {sink}: a call would wait for a recogniser's model",
            f"mask names in {', '.join(sorted(_NOT_ON_THE_LINE))}",
        )


def unconfigured() -> Redaction:
    """What is masked where nobody configured anything: as the shipped file, without what needs a model."""
    least = (*sorted(LEAST), PersonalData.IBAN, PersonalData.NATIONAL_ID)
    masks: dict[Sink, tuple[PersonalData, ...]] = {
        "record": least, "model": tuple(sorted(LEAST)), "log": tuple(sorted(PATTERNS)),
        "span": tuple(sorted(PATTERNS)), "export": tuple(sorted(PATTERNS)),
    }  # fmt: skip
    sinks = {sink: SinkEntry(mask=mask, because="nothing was configured") for sink, mask in masks.items()}
    reviewed = datetime.date(2026, 11, 22)
    return Redaction(
        RedactionFile(format=1, reviewed=reviewed, regions=("us", "gb", "es", "de"), sinks=sinks)
    )


def strictest(regions: Iterable[str] = ("us", "gb", "es", "de")) -> Redactor:
    """Everything that patterns find, for logs before any configuration was read."""
    return Redactor(PATTERNS, regions)
