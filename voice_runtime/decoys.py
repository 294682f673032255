"""``configs/decoys.yaml``: requests that have to be refused, laid beside real ones to see who reads them.

Who decides on requests all day comes to grant them unread (automation bias: Regulation (EU) 2024/1689
Art. 14(4)(b)). The file is not part of a release: no agent can tell a decoy from a request, nor make one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from controls.errors import ConfigurationError, Problem
from controls.ledger.records import Slug
from voice_runtime.desks import load_people
from voice_runtime.shown import is_said
from voice_runtime.yaml_file import Closed, check, load_document

DECOYS_FILE = Path("configs/decoys.yaml")


def _said(line: str) -> str:
    if not is_said(line):
        raise PydanticCustomError(
            "said", "does not say who spoke", {"remedy": 'write "caller: …" or "agent: …"'}
        )
    return line


class DecoySpec(Closed):
    """One request that has to be refused."""

    role: Slug = Field(description="who is to notice it, from configs/people.yaml")
    tool: str = Field(
        min_length=1,
        max_length=64,
        description="what it pretends to use; it comes behind a real request for the same tool",
    )
    arguments: dict[str, Any] = Field(default={}, description="field → value, as the tool would get them")
    said: tuple[Annotated[str, AfterValidator(_said)], ...] = Field(
        min_length=1,
        max_length=12,
        description="the conversation shown with it, a line a turn, each with who spoke; "
        "real requests show the newest six turns",
    )


class DecoysFile(Closed):
    format: Literal[1] = Field(description="1")
    written_by: Slug = Field(
        description="the role that writes them, from configs/people.yaml; decides on none of them"
    )
    one_in: int = Field(
        default=20, ge=1, le=1000, description="on average one decoy comes with so many real requests"
    )
    decoys: tuple[DecoySpec, ...] = Field(
        min_length=1, max_length=100, description="drawn by lot for each role"
    )


def load_decoys(root: Path) -> DecoysFile | None:
    """Read the file; None where there is none.

    Raises:
        ConfigurationError: with every problem found: it cannot be read, names no role, or has people
            decide on decoys they wrote themselves.
    """
    if not (root / DECOYS_FILE).exists():
        return None
    document = load_document(root / DECOYS_FILE, root, what="list of decoys")
    found, problems = check(DecoysFile, document)
    if found is None:
        raise ConfigurationError(problems)
    roles = load_people(root)[0].roles
    named = [(("written_by",), found.written_by)]
    named += [(("decoys", i, "role"), decoy.role) for i, decoy in enumerate(found.decoys)]  # type: ignore[misc]
    remedy = f"name one of configs/people.yaml: {', '.join(sorted(roles))}"
    wrong: list[Problem] = [
        document.problem(path, f"there is no role {role!r}", remedy)
        for path, role in named
        if role not in roles
    ]
    wrong += [
        document.problem(
            ("decoys", i, "role"),
            "whoever writes decoys would decide on them",
            "have another role write them",
        )
        for i, decoy in enumerate(found.decoys)
        if decoy.role == found.written_by
    ]
    if wrong:
        raise ConfigurationError(wrong)
    return found
