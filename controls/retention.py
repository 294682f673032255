"""How long an artefact lives, on what ground and where; the tag it is written with. Pure.

Law is data: ``configs/retention.yaml`` gives every class its period, purpose,
legal basis, citation and the day it was reviewed. An agent may shorten a class,
never lengthen it, and never below a cited floor.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from controls.documents import Document, dotted, line_of, read, validate
from controls.errors import ConfigurationError, OperatorError, Problem
from controls.ledger.records import Personal, RetentionTag, Slug

DAY_S = 86_400
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=10, max_length=600)]


class UnknownKind(OperatorError):
    """Personal content of a kind for which no retention class was given."""


class RetentionClass(Document):
    """One class of artefacts.

    Attributes:
        kinds: kinds of personal content (``Personal.kind``) that belong to it.
        days: how long they are kept.
        at_least_days: cited floor that no agent may go below; 0 for none.
        because: the ground for ``days`` (and the floor), with its citation.
    """

    kinds: tuple[Slug, ...] = Field(min_length=1)
    purpose: Slug
    legal_basis: Slug
    days: int = Field(ge=0, le=36_500)
    at_least_days: int = Field(default=0, ge=0, le=36_500)
    because: Reason


class Schedule(Document):
    """A full set of classes for one kind of operator."""

    title: str
    reviewed: datetime.date
    regions: tuple[Slug, ...] = Field(min_length=1)
    classes: dict[Slug, RetentionClass] = Field(min_length=1)

    def tagger(
        self, region: str, shorter: Mapping[str, int] | None = None
    ) -> Callable[[str, int], RetentionTag]:
        """What tags personal content when it is written.

        Args:
            region: where it is kept.
            shorter: class → days, an agent's own shorter periods.

        Returns:
            ``tag(kind, now_s)``, with ``now_s`` in whole Unix seconds; raises
            ``UnknownKind`` for a kind of no class (none, once ``parse_retention``
            has accepted the file).

        Raises:
            ConfigurationError: an unknown region or class, or a period that is
                longer than the schedule's or below its floor.
        """
        shorter = shorter or {}
        problems = self.objections(shorter)
        if region not in self.regions:
            remedy = f"use one of {', '.join(self.regions)}, or have the schedule reviewed for it"
            problems.append(Problem("", 0, "region", "this schedule was not reviewed for the region", remedy))
        if problems:
            raise ConfigurationError(problems)
        by_kind = {
            str(kind): (
                shorter.get(name, given.days) * DAY_S,
                RetentionTag(
                    retention_class=name, purpose=given.purpose, legal_basis=given.legal_basis,
                    region=region, expires_at=0,
                ),
            )
            for name, given in self.classes.items()
            for kind in given.kinds
        }  # fmt: skip

        def tag(kind: str, now_s: int) -> RetentionTag:
            try:
                period_s, template = by_kind[kind]
            except KeyError:
                raise UnknownKind(f"no retention class for {kind!r}") from None
            return template.model_copy(update={"expires_at": now_s + period_s})

        return tag

    def objections(self, shorter: Mapping[str, int], file: str = "") -> list[Problem]:
        """What is wrong with an agent's own periods (fields named ``shorter.<class>``)."""
        problems = []
        for name, days in shorter.items():
            given = self.classes.get(name)
            field = f"shorter.{name}"
            if given is None:
                known = ", ".join(self.classes)
                problems.append(Problem(file, 0, field, "there is no such class", f"use one of {known}"))
            elif days > given.days:
                remedy = f"write {given.days} days or fewer"
                problems.append(
                    Problem(file, 0, field, "an agent may shorten a period, never lengthen it", remedy)
                )
            elif days < given.at_least_days:
                remedy = f"write {given.at_least_days} days or more"
                problems.append(Problem(file, 0, field, "the period is below a cited floor", remedy))
        return problems


class RetentionFile(Document):
    """``configs/retention.yaml``."""

    format: Literal[1]
    schedules: dict[Slug, Schedule] = Field(min_length=1)


def kinds() -> frozenset[str]:
    """Every kind of personal content there is (``controls.ledger.records``), and recordings."""
    found: set[str] = {"recording"}
    queue: list[type[Personal]] = [Personal]
    while queue:
        for sub in queue.pop().__subclasses__():
            found.add(sub.kind)
            queue.append(sub)
    return frozenset(found)


def parse_retention(text: str, file: str) -> dict[str, Schedule]:
    """Read the schedules.

    Raises:
        ConfigurationError: with file, line, field and remedy; also when a kind of
            personal content has no class, or two, or a class keeps it for less than its floor.
    """
    data = read(text, file)
    given = validate(data, file, RetentionFile)
    problems: list[Problem] = []
    for name, schedule in given.schedules.items():
        where: tuple[int | str, ...] = ("schedules", name, "classes")
        seen: dict[str, str] = {}
        for label, entry in schedule.classes.items():
            here = (*where, label)
            line = line_of(data, here)
            if entry.days < entry.at_least_days:
                message, remedy = "`days` is below `at_least_days`", "raise it"
                problems.append(Problem(file, line, dotted(here), message, remedy))
            for kind in entry.kinds:
                if kind not in kinds():
                    remedy = f"use one of {', '.join(sorted(kinds()))}"
                    problems.append(Problem(file, line, dotted(here), f"no such kind: {kind}", remedy))
                if kind in seen:
                    remedy = f"remove it here or from {seen[kind]}"
                    problems.append(Problem(file, line, dotted(here), f"{kind} is in two classes", remedy))
                seen[kind] = label
        missing = sorted(kinds() - seen.keys())
        if missing:
            message = f"no class for {', '.join(missing)}"
            problems.append(
                Problem(file, line_of(data, where), dotted(where), message, "add them to a class")
            )
    if problems:
        raise ConfigurationError(problems)
    return {str(name): schedule for name, schedule in given.schedules.items()}
