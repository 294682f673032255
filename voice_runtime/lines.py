"""Which entry reaches which agent, tenant and region: ``configs/lines.yaml``.

A line is a telephone number or a web entry. It belongs to one tenant, and so
does every agent: two lines that give one agent to two tenants are an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from controls.errors import ConfigurationError, Problem
from controls.ledger.records import REGISTER, Language, Slug
from voice_runtime.dialled import E164
from voice_runtime.yaml_file import Closed, Document, check, load_document

FILE = Path("configs/lines.yaml")

#: A folder below ``agents``: lower-case words with dashes or underscores.
AGENT_NAME = r"[a-z][a-z0-9]*([_-][a-z0-9]+){0,8}"
AgentName = Annotated[str, StringConstraints(pattern=rf"^{AGENT_NAME}$", max_length=40)]


@dataclass(frozen=True, slots=True)
class Line:
    """One entry.

    Attributes:
        name: what records and people call it.
        kind: ``phone`` or ``web``.
        number: E.164 with its plus, "" for a web entry.
        region: where the call's content is processed and kept.
        jurisdiction: whose law on calls applies, such as ``us-il`` or ``eu-de``.
        language: calls on it are in this language, "" for the agent's first.
    """

    name: str
    kind: Literal["phone", "web"]
    agent: str
    tenant: str
    region: str
    jurisdiction: str
    number: str = ""
    language: str = ""


class LineEntry(Closed):
    """One entry as written in the file."""

    name: Slug = Field(description="a name for people and records, lower case, such as front-desk")
    number: E164 | None = Field(default=None, description='the number in quotes, such as "+12025550123"')
    web: bool = Field(default=False, description="true: the browser entry /call/<agent>")
    agent: AgentName = Field(description="a folder below agents/")
    tenant: Slug = Field(description="whose line it is, lower case")
    region: Slug = Field(description="where content is processed and kept, such as us or eu")
    jurisdiction: Slug = Field(description="whose law on calls applies, such as us-il or eu-de")
    language: Language | None = Field(
        default=None, description="calls on it are in this language; left out: the agent's first"
    )

    @model_validator(mode="after")
    def _one_entry(self) -> LineEntry:
        if (self.number is None) != self.web:
            raise PydanticCustomError("line", "needs one entry", {"remedy": "write number, or web: true"})
        return self


class LinesFile(Closed):
    """``configs/lines.yaml``."""

    format: Literal[1] = Field(description="1")
    lines: tuple[LineEntry, ...] = Field(description="the entries", max_length=10_000)


class Lines:
    """Every line, looked up by number, by web agent or by name."""

    def __init__(self, lines: tuple[Line, ...]) -> None:
        self.all = lines
        self._numbers = {line.number: line for line in lines if line.number}
        self._web = {line.agent: line for line in lines if line.kind == "web"}
        self._names = {line.name: line for line in lines}

    def find(self, number: str) -> Line | None:
        """The line of a called number; spaces, dashes, brackets and a missing plus do not matter."""
        digits = "".join(c for c in number if c.isdigit() and c.isascii())
        return self._numbers.get(f"+{digits}") if digits else None

    def web(self, agent: str) -> Line | None:
        """The browser entry of an agent."""
        return self._web.get(agent)

    def named(self, name: str) -> Line | None:
        """The line of that name."""
        return self._names.get(name)

    def of(self, agent: str) -> tuple[Line, ...]:
        """Every line that reaches an agent."""
        return tuple(line for line in self.all if line.agent == agent)

    def agents(self) -> tuple[str, ...]:
        """The agents some line reaches, in the file's order."""
        return tuple(dict.fromkeys(line.agent for line in self.all))


def load_lines(root: Path) -> Lines:
    """Read ``configs/lines.yaml`` below ``root``.

    Raises:
        ConfigurationError: every problem found: duplicates, agents without a
            folder, an agent with two tenants, anything malformed.
    """
    document = load_document(root / FILE, root, what="list of lines")
    found, problems = check(LinesFile, document)
    if found is None:
        raise ConfigurationError(problems)
    known = known_agents(root)
    problems = _duplicates(found, document) + _agents(found, document, known)
    problems += _languages(found, document, root)
    if problems:
        raise ConfigurationError(problems)
    return Lines(tuple(_line(entry) for entry in found.lines))


def known_agents(root: Path) -> tuple[str, ...]:
    """Names of the folders below ``agents`` that hold an ``agent.yaml``, sorted."""
    return tuple(sorted(p.parent.name for p in (root / "agents").glob("*/agent.yaml")))


def _line(entry: LineEntry) -> Line:
    return Line(
        name=entry.name,
        kind="web" if entry.web else "phone",
        agent=entry.agent,
        tenant=entry.tenant,
        region=entry.region,
        jurisdiction=entry.jurisdiction,
        number=entry.number or "",
        language=entry.language or "",
    )


def _duplicates(found: LinesFile, document: Document) -> list[Problem]:
    problems = []
    first: dict[tuple[str, str], int] = {}
    for i, entry in enumerate(found.lines):
        keys = [("name", entry.name)]
        keys.append(("number", entry.number) if entry.number else ("web", entry.agent))
        for field, value in keys:
            at = ("lines", i, field)
            if (field, value) in first:
                what = {"name": "name", "number": "number", "web": "agent's web entry"}[field]
                remedy = f"keep one; the first is in line {first[field, value]}"
                problems.append(document.problem(at, f"this {what} is given twice", remedy))
            else:
                first[field, value] = document.line(at)
    return problems


def _agents(found: LinesFile, document: Document, known: tuple[str, ...]) -> list[Problem]:
    problems = []
    tenants: dict[str, str] = {}
    for i, entry in enumerate(found.lines):
        if entry.agent not in known:
            options = ", ".join(known) or "none yet; make one with: sayso agents new NAME"
            problems.append(
                document.problem(
                    ("lines", i, "agent"), f"there is no agent '{entry.agent}'", f"agents here: {options}"
                )
            )
        if entry.tenant == REGISTER:
            problems.append(
                document.problem(
                    ("lines", i, "tenant"),
                    f"'{REGISTER}' is the record's own name for its register of logs",
                    "name the tenant otherwise",
                )
            )
        if tenants.setdefault(entry.agent, entry.tenant) != entry.tenant:
            problems.append(
                document.problem(
                    ("lines", i, "tenant"),
                    f"agent '{entry.agent}' already belongs to tenant '{tenants[entry.agent]}'",
                    "give each tenant an agent folder of its own",
                )
            )
    return problems


def _languages(found: LinesFile, document: Document, root: Path) -> list[Problem]:
    """A line's language is one of its agent's; what is wrong with the agent is told by who resolves it."""
    problems = []
    for i, entry in enumerate(found.lines):
        served = _served(root, entry.agent) if entry.language else ()
        if served and entry.language not in served:
            message = f"agent '{entry.agent}' does not serve {entry.language}"
            remedy = f"it serves {', '.join(served)}; add it to languages.also of its agent.yaml"
            problems.append(document.problem(("lines", i, "language"), message, remedy))
    return problems


def _served(root: Path, agent: str) -> tuple[str, ...]:
    """The languages an agent.yaml names, unchecked; () when they cannot be read."""
    try:
        data = load_document(root / "agents" / agent / "agent.yaml", root).data
        languages = data["languages"]
        return (str(languages["first"]), *map(str, languages.get("also") or ()))
    except (ConfigurationError, AttributeError, KeyError, TypeError):
        return ()
