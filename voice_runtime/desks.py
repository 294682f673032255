"""The people behind an agent: desks with numbers and hours, and roles.

``configs/desks.yaml`` says where a desk is reached and when;
``configs/people.yaml`` says which roles exist and, where the operator wants it enforced, who holds them.
"""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from controls.errors import ConfigurationError
from controls.ledger.records import Language, Slug
from voice_runtime.dialled import Dialled
from voice_runtime.hours import DAYS, Day
from voice_runtime.yaml_file import Closed, Document, M, check, load_document

DESKS_FILE = Path("configs/desks.yaml")
PEOPLE_FILE = Path("configs/people.yaml")

_SPAN = re.compile(r"^([01]\d|2[0-3]):([0-5]\d)-(([01]\d|2[0-3]):([0-5]\d)|24:00)$")


def _span(value: str) -> str:
    match = _SPAN.match(value)
    if not match or value[:5] >= value[6:]:
        raise PydanticCustomError(
            "span",
            "is not a span of hours within one day",
            {"remedy": 'write "08:00-17:00"; split a span that passes midnight'},
        )
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise PydanticCustomError(
            "zone",
            "is not a known time zone",
            {"remedy": "write one such as America/Chicago or Europe/Berlin"},
        ) from None
    return value


Span = Annotated[str, AfterValidator(_span)]
Zone = Annotated[str, AfterValidator(_zone)]


class Desk(Closed):
    """A place where people answer."""

    title: str = Field(
        min_length=1, max_length=80, description="what callers hear it called, such as reception"
    )
    titles: dict[Language, Annotated[str, StringConstraints(min_length=1, max_length=80)]] = Field(
        default={}, description="language → its title there, such as {es-US: recepción}"
    )
    number: Dialled | None = Field(default=None, description="where it is reached; left out: call-backs only")
    time_zone: Zone = Field(description="such as America/Chicago")
    hours: dict[Day, tuple[Span, ...]] = Field(
        description="weekday → spans, such as mon: [08:00-12:00, 13:00-17:00]"
    )
    closed_on: tuple[dt.date, ...] = Field(default=(), description="holidays, such as 2026-12-25")


class DesksFile(Closed):
    format: Literal[1] = Field(description="1")
    desks: dict[Slug, Desk] = Field(description="desk name → where and when")


#: What a person does that the file may leave to some roles; approvals go by the role that is asked.
Action = Literal["stop", "resume", "bypass", "decoys", "blind"]
#: Stands for the account that the server runs under.
SERVER_ACCOUNT = "server"
Named = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^\S( ?\S)*$")]
#: By its name, or its number.
Account = (
    Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_.-]{0,63}$")] | Annotated[int, Field(ge=0)]
)


class Role(Closed):
    """A role; its persons are named here only where the runtime is to enforce who they are."""

    does: str = Field(min_length=1, max_length=200, description="what the role answers for")
    reaches: Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$")] | None = Field(
        default=None, description="a shared mailbox, such as front-desk@example.com"
    )
    held_by: tuple[Named, ...] = Field(
        default=(),
        max_length=200,
        description="who decides for it, by the name given with --as; left out: whoever gives a name",
    )


class PeopleFile(Closed):
    format: Literal[1] = Field(description="1")
    roles: dict[Slug, Role] = Field(description="role name → what it answers for", min_length=1)
    may: dict[Action, Annotated[tuple[Slug, ...], Field(min_length=1)]] = Field(
        default={},
        description="stop, resume, bypass, decoys or blind → the roles that do it; "
        "left out: whoever gives a name",
    )
    accounts: dict[Named, Annotated[tuple[Account, ...], Field(min_length=1)]] = Field(
        default={}, description="who acts by which accounts of the system; one listed here is theirs alone"
    )
    shared_accounts: tuple[Account, ...] = Field(
        default=(),
        description="accounts by which several persons act, such as server, the one the server runs under; "
        "by any other, one account is one person",
    )


def load_desks(root: Path) -> tuple[DesksFile, Document]:
    """Read ``configs/desks.yaml``.

    Raises:
        ConfigurationError: with every problem found.
    """
    return _load(DesksFile, root / DESKS_FILE, root, "list of desks")


def load_people(root: Path) -> tuple[PeopleFile, Document]:
    """Read ``configs/people.yaml``.

    Raises:
        ConfigurationError: with every problem found: an action is left to a role that nobody holds, too.
    """
    found, document = _load(PeopleFile, root / PEOPLE_FILE, root, "list of roles")
    held = [name for name, role in found.roles.items() if role.held_by]
    wrong = [
        document.problem(
            ("may", action),
            f"nobody is named as '{role}'",
            f"name one whose held_by says who: {', '.join(held) or 'none does yet'}",
        )
        for action, roles in found.may.items()
        for role in roles
        if role not in held
    ]
    if wrong:
        raise ConfigurationError(wrong)
    return found, document


def hours_text(desk: Desk) -> str:
    """A desk's hours as ``voice_runtime.hours`` reads them."""
    parts = [desk.time_zone]
    parts += [f"{day} {','.join(desk.hours[day])}" for day in DAYS if desk.hours.get(day)]
    if desk.closed_on:
        parts.append("closed " + ",".join(d.isoformat() for d in sorted(desk.closed_on)))
    return "; ".join(parts)


def _load(model: type[M], path: Path, root: Path, what: str) -> tuple[M, Document]:
    document = load_document(path, root, what=what)
    found, problems = check(model, document)
    if found is None:
        raise ConfigurationError(problems)
    return found, document
