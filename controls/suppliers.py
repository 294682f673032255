"""Who may be called, for what and where; an unregistered supplier is refused. Pure.

The register is ``configs/suppliers.yaml``. It evidences A.10.2 and A.10.3: no
stage of a call is bound to a supplier that is not in it, for that stage, in that
region. It cannot prove that a supplier runs the model it names.
"""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from controls.documents import Document, line_of, read, validate
from controls.errors import ConfigurationError, OperatorError, Problem
from controls.ledger.records import Slug

Stage = Literal["recogniser", "model", "voice", "carrier", "tool"]


class SupplierRefused(OperatorError):
    """A supplier that is not registered for this stage, region or kind of content.

    Attributes:
        supplier, stage, region: what was asked for.
        reason: which of them the register does not allow.
    """

    def __init__(
        self,
        supplier: str,
        stage: str,
        region: str,
        reason: Literal["unknown", "stage", "region", "baa"],
    ) -> None:
        asks = {
            "unknown": "is not registered",
            "stage": f"is not registered as {stage}",
            "region": f"is not registered for region {region}",
            "baa": "has no business associate agreement, and this agent handles health information",
        }
        super().__init__(f"supplier {supplier} {asks[reason]} (configs/suppliers.yaml)")
        self.supplier, self.stage, self.region, self.reason = supplier, stage, region, reason


class Supplier(Document):
    """One supplier.

    Attributes:
        does: what for, in a sentence.
        stages: of a call it may serve.
        regions: where its processing may take place; ``local`` is the host itself.
        outside: content leaves the operator's own hosts.
        baa: a HIPAA business associate agreement is signed (45 CFR 164.504(e));
            nothing to do with suppliers that are not outside.
        waits: text sent to it waits for the record's receipt (an effect by itself).
        responsible: who at the operator's answers for it, a role.
        note: shown wherever the supplier is.
    """

    does: Annotated[str, StringConstraints(min_length=5, max_length=300)]
    stages: tuple[Stage, ...] = Field(min_length=1)
    regions: tuple[Slug, ...] = Field(min_length=1)
    outside: bool
    baa: bool = False
    waits: bool = True
    responsible: Slug
    reviewed: datetime.date
    note: str = ""


class SupplierFile(Document):
    """``configs/suppliers.yaml``."""

    format: Literal[1]
    suppliers: dict[Slug, Supplier]


class Suppliers:
    """The register, read. Immutable."""

    def __init__(self, entries: dict[str, Supplier]) -> None:
        self.entries = dict(entries)

    def check(self, stage: str, supplier: str, region: str, *, health: bool = False) -> Supplier:
        """The entry under which ``supplier`` may serve ``stage`` in ``region``.

        Args:
            health: the agent handles protected health information; an outside
                supplier then needs a business associate agreement.

        Raises:
            SupplierRefused: it may not.
        """
        entry = self.entries.get(supplier)
        if entry is None:
            raise SupplierRefused(supplier, stage, region, "unknown")
        if stage not in entry.stages:
            raise SupplierRefused(supplier, stage, region, "stage")
        if region not in entry.regions and (entry.outside or "local" not in entry.regions):
            raise SupplierRefused(supplier, stage, region, "region")
        if health and entry.outside and not entry.baa:
            raise SupplierRefused(supplier, stage, region, "baa")
        return entry


def parse_suppliers(text: str, file: str) -> Suppliers:
    """Read the register.

    Raises:
        ConfigurationError: with file, line, field and remedy.
    """
    data = read(text, file)
    given = validate(data, file, SupplierFile)
    problems = []
    for name, entry in given.suppliers.items():
        field = f"suppliers.{name}"
        if entry.outside and "local" in entry.regions:
            line = line_of(data, ("suppliers", name, "regions"))
            remedy = "write the region it processes in, or `outside: false`"
            problems.append(
                Problem(file, line, f"{field}.regions", "an outside supplier is not `local`", remedy)
            )
        if entry.outside and not entry.waits and not entry.note:
            line = line_of(data, ("suppliers", name, "waits"))
            problems.append(
                Problem(
                    file, line, f"{field}.waits", "content leaves before it is on record", "say why in `note`"
                )
            )
    if problems:
        raise ConfigurationError(problems)
    return Suppliers({str(k): v for k, v in given.suppliers.items()})
