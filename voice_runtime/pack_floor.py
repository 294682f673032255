"""The packs no agent goes without: what every one names, what its trade adds, and its place's emergencies.

Leaving one out takes an entry in ``configs/left_out.yaml``, which is not the agent's to write: agent, pack,
the reason in words, who decided it and until when. What is left out is part of the release's digest, and a
bypass on record, red until the pack is named again (``voice_runtime.bypasses``). What keeps a caller from
being lied to about whom they talk to, and what knows emergencies, cannot be left out at all.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, StringConstraints

from controls.errors import ConfigurationError, Problem
from controls.ledger.records import Slug
from controls.rules.pack_files import emergency_names, load_packs
from voice_runtime.lines import AgentName
from voice_runtime.yaml_file import Closed, Path_, check, load_document

if TYPE_CHECKING:
    from controls.rules.model import Pack
    from voice_runtime.agent_folder import Parts

RULES_FOLDER = Path("configs/rules")

LEFT_OUT_FILE = Path("configs/left_out.yaml")
#: Every agent's, whatever its trade; the first cannot be left out.
TRUTHFUL = "truthful-ai"
EVERYBODY = (TRUTHFUL, "forbidden-promises", "personal-data", "payment", "injection", "abuse", "minors")
#: A health agent's besides: one that says the clinical disclaimer, or meets one of these.
HEALTH = ("health-boundaries",)
HEALTH_DISCLOSURES = frozenset(("us-health",))


class LeftOutSpec(Closed):
    """One pack of the floor that one agent goes without."""

    agent: AgentName = Field(description="a folder below agents/")
    pack: Slug = Field(description="a pack that agent would have to name, such as payment")
    because: Annotated[str, StringConstraints(strip_whitespace=True, min_length=20, max_length=600)] = Field(
        description="the reason, for whoever audits it: what is done instead, and where that is written down"
    )
    decided_by: Slug = Field(description="the role that answers for it, from configs/people.yaml")
    until: datetime.date = Field(description="the last day it counts; then that agent is not served")


class LeftOutFile(Closed):
    """``configs/left_out.yaml``."""

    format: Literal[1] = Field(description="1")
    left_out: tuple[LeftOutSpec, ...] = Field(max_length=200, description="the exceptions, one by one")


def load_left_out(root: Path) -> LeftOutFile:
    """Read the file; no exceptions where there is none.

    Raises:
        ConfigurationError: with every problem found.
    """
    if not (root / LEFT_OUT_FILE).exists():
        return LeftOutFile(format=1, left_out=())
    document = load_document(root / LEFT_OUT_FILE, root, what="list of packs left out")
    found, problems = check(LeftOutFile, document)
    if found is None:
        raise ConfigurationError(problems)
    seen: set[tuple[str, str]] = set()
    for i, entry in enumerate(found.left_out):
        at: Path_ = ("left_out", i, "pack")
        if entry.pack not in (*EVERYBODY, *HEALTH):
            remedy = f"remove the entry; it is for: {', '.join((*EVERYBODY[1:], *HEALTH))}"
            problems.append(document.problem(at, f"no agent has to name '{entry.pack}'", remedy))
        if entry.pack == TRUTHFUL:
            problems.append(document.problem(at, f"'{TRUTHFUL}' cannot be left out", "remove the entry"))
        if (entry.agent, entry.pack) in seen:
            problems.append(document.problem(at, "stands here twice", "remove one of the two"))
        seen.add((entry.agent, entry.pack))
    if problems:
        raise ConfigurationError(problems)
    return found


def floor_of(parts: Parts) -> tuple[str, ...]:
    """Packs the agent has to name, emergencies not among them."""
    disclosure = parts.agent.disclosure
    health = disclosure.clinical or not HEALTH_DISCLOSURES.isdisjoint(disclosure.meets)
    return (*EVERYBODY, *HEALTH) if health else EVERYBODY


def left_out(parts: Parts) -> tuple[LeftOutSpec, ...]:
    """What the agent goes without, on somebody's word, and as of today."""
    return tuple(
        entry
        for entry in parts.left_out
        if entry.agent == parts.name
        and entry.until >= parts.today
        and entry.pack in floor_of(parts)
        and entry.pack not in parts.agent.rules.packs
    )


def check_floor(parts: Parts) -> None:
    """Note every pack that is missing, and every exception that is none."""
    excused = {entry.pack for entry in left_out(parts)}
    named = parts.agent.rules.packs
    for pack in floor_of(parts):
        if pack in named or pack in excused:
            continue
        ended = [e for e in parts.left_out if (e.agent, e.pack) == (parts.name, pack)]
        message = f"pack '{pack}' is missing"
        if ended:
            message += f"; leaving it out ended on {ended[0].until}"
        remedy = f"add {pack}; every {'health ' if pack in HEALTH else ''}agent has it"
        if pack != TRUTHFUL and not ended:
            remedy += f", or have it left out for a reason in {LEFT_OUT_FILE.as_posix()}"
        parts.wrong(("rules", "packs"), message, remedy)
    parts.problems += list(_exceptions(parts))
    _emergencies(parts)


def _exceptions(parts: Parts) -> Iterator[Problem]:
    """Exceptions of this agent's that no role answers for, or that nothing needs; and what holds, told."""
    file = LEFT_OUT_FILE.as_posix()
    for entry in parts.left_out:
        if entry.agent != parts.name:
            continue
        field = f"left_out[{parts.left_out.index(entry)}]"
        if parts.people is not None and entry.decided_by not in parts.people.roles:
            roles = ", ".join(parts.people.roles)
            message = f"there is no role '{entry.decided_by}'"
            yield Problem(file, 0, f"{field}.decided_by", message, f"roles in configs/people.yaml: {roles}")
        elif entry in left_out(parts):
            message = (
                f"agent '{parts.name}' goes without '{entry.pack}' until {entry.until}: a bypass, and red"
            )
            remedy = f"name {entry.pack} in its rules.packs"
            yield Problem(file, 0, f"{field}.pack", message, remedy, "warning")
        elif entry.pack in parts.agent.rules.packs:
            message = f"agent '{parts.name}' names '{entry.pack}' all the same"
            yield Problem(file, 0, f"{field}.pack", message, "remove the entry", "warning")


def _emergencies(parts: Parts) -> None:
    """Somebody's emergency is told the number of where they are."""
    packs = [pack for pack in parts.packs if pack.kind == "emergency"]
    if parts.packs and not packs:
        parts.wrong(("rules", "packs"), "no pack knows emergencies", "add one, such as emergency-us")
        return
    lines = parts.lines.of(parts.name) if parts.lines is not None else ()
    for jurisdiction, line in {line.jurisdiction: line for line in reversed(lines)}.items():
        if packs and not any(pack.covers(jurisdiction) for pack in packs):
            message = f"no pack here knows emergencies in '{jurisdiction}', where line {line.name} is"
            known = [pack.pack for pack in _every_emergency(parts) if pack.covers(jurisdiction)]
            remedy = f"add {known[0]}" if known else "write a pack with `kind: emergency` for that place"
            parts.wrong(("rules", "packs"), message, remedy)


def _every_emergency(parts: Parts) -> tuple[Pack, ...]:
    folder = parts.root / RULES_FOLDER
    try:
        return load_packs(folder, emergency_names(folder))
    except ConfigurationError:  # told to whoever names it
        return ()
