"""``configs/soa.yaml``: what the operator decides about Annex A, and the documents that show it. Pure.

For each control the operator may say that it does not apply (with the reason), or name
the document that carries it, by the digest that was reviewed. What the record shows is
not written here; ``controls.evidence`` counts it.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from controls.annex_a import ANNEX_A
from controls.documents import Document, Fault, read, refuse, validate
from controls.ledger.records import Digest, Slug

#: A file or folder below another: no way up, nothing absolute, nothing hidden.
Below = Annotated[
    str,
    StringConstraints(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$", max_length=200
    ),
]
Ground = Annotated[str, StringConstraints(strip_whitespace=True, min_length=20, max_length=600)]
Days = Annotated[int, Field(ge=1, le=1830)]


class ControlEntry(Document):
    """What the operator says of one control.

    Attributes:
        owner: a role of configs/people.yaml that answers for it.
        not_applicable: why it does not apply here; leave out where it does.
        document: the file that carries it, in the documents folder.
        digest: sha256:… of that file as it was reviewed; any change asks for a new review.
        reviewed: day on which its owner last read it.
        review_every_days: days after which it is overdue.
        challenged_within_days: how long a test of this control counts.
    """

    owner: Slug
    not_applicable: Ground | None = None
    document: Below | None = None
    digest: Digest | None = None
    reviewed: datetime.date | None = None
    review_every_days: Days = 365
    challenged_within_days: Days | None = None


class SoaFile(Document):
    """``configs/soa.yaml``.

    Attributes:
        documents: the operator's folder of documents, below the project's root.
        challenged_within_days: how long a test of a control counts, where its entry does not say.
        settle_within_days: within how long an incident, or a failure found later, has to be settled.
        cleared_below: a clause or a tool's use that was cleared at this risk or above has failed A.9.3.
        controls: Annex A control → what the operator says of it.
    """

    format: Literal[1]
    documents: Below = "documents"
    challenged_within_days: Days = 92
    settle_within_days: Days = 30
    cleared_below: int = Field(default=95, ge=1, le=100)
    controls: dict[str, ControlEntry] = Field(default_factory=dict)

    def challenged_within(self, control: str) -> int:
        """Days for which a test of this control counts."""
        entry = self.controls.get(control)
        own = entry.challenged_within_days if entry is not None else None
        return own or self.challenged_within_days


@dataclass(frozen=True, slots=True)
class DocumentStanding:
    """A control's document as it was found.

    Attributes:
        current: it is there, as reviewed, and its review is not overdue.
        because: what is wrong with it, in words; "" where it is current.
        due: the day its next review is due.
    """

    document: str
    current: bool
    because: str = ""
    due: datetime.date | None = None


def standing(entry: ControlEntry | None, found: str | None, today: datetime.date) -> DocumentStanding | None:
    """How a control's document stands; None where the operator names none.

    Args:
        found: digest of the file as it lies there; None when it cannot be read.
    """
    if entry is None or entry.document is None or entry.reviewed is None:
        return None
    due = entry.reviewed + datetime.timedelta(days=entry.review_every_days)
    if found is None:
        because = "the file cannot be read"
    elif found != entry.digest:
        because = "it was changed since it was reviewed"
    elif entry.reviewed > today:
        because = "its review is dated in the future"
    elif due < today:
        because = f"its review was due on {due.isoformat()}"
    else:
        return DocumentStanding(entry.document, current=True, due=due)
    return DocumentStanding(entry.document, current=False, because=because, due=due)


def parse_soa(text: str, file: str, roles: Collection[str]) -> SoaFile:
    """Read what the operator decided.

    Args:
        roles: of configs/people.yaml.

    Raises:
        ConfigurationError: with file, line, field and remedy of every problem.
    """
    data = read(text, file)
    given = validate(data, file, SoaFile)
    entries = given.controls.items()
    refuse(data, file, (fault for name, entry in entries for fault in _faults(name, entry, roles)))
    return given


def _faults(name: str, entry: ControlEntry, roles: Collection[str]) -> Iterator[Fault]:
    where = ("controls", name)
    if name not in ANNEX_A:
        yield where, "no control of Annex A", "the 38 are in docs/controls.md, such as A.9.2"
    if entry.owner not in roles:
        yield (*where, "owner"), "there is no such role", f"roles in configs/people.yaml: {', '.join(roles)}"
    if entry.not_applicable is not None and entry.document is not None:
        yield where, "it does not apply, and has a document", "remove one of the two"
    if entry.not_applicable is None and entry.document is None and entry.challenged_within_days is None:
        yield where, "says nothing", "give `document`, `not_applicable` or `challenged_within_days`"
    needed: Mapping[str, object] = {"digest": entry.digest, "reviewed": entry.reviewed}
    for field, value in needed.items():
        if entry.document is not None and value is None:
            yield (*where, field), "a document needs it", f"add `{field}: …`, as of its last review"
        elif entry.document is None and value is not None:
            yield (*where, field), "belongs to a document", "remove it, or name the `document`"
