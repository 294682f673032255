"""Everything one agent is made of, read from its folder and from ``configs``, with every problem found.

Reading and checking shapes only: what the parts must agree on is checked in
``agent_checks``, and ``resolve`` makes the release of it.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from controls.disclosures import DisclosureRule, parse_disclosure
from controls.errors import ConfigurationError, Problem
from controls.intents import Intents, load_intents
from controls.jurisdiction import Jurisdictions
from controls.must_say import MustSay, parse_must_say
from controls.redaction.file import Redaction, RedactionFile, not_possible, parse_redaction
from controls.retention import Schedule, parse_retention
from controls.risk import RiskModel
from controls.risk_file import parse_risk
from controls.rules.engine import Rules
from controls.rules.model import Pack
from controls.rules.own import our_rules
from controls.rules.pack_files import load_packs
from controls.rules.topic_files import topics_in
from voice_runtime.agent_file import AgentFile
from voice_runtime.decoys import load_decoys
from voice_runtime.desks import DesksFile, PeopleFile, load_desks, load_people
from voice_runtime.lines import AGENT_NAME, Lines, known_agents
from voice_runtime.offline_file import OfflineFile, load_offline, offline_name
from voice_runtime.pack_floor import LeftOutSpec, load_left_out
from voice_runtime.phrases import PhrasesFile, load_phrases
from voice_runtime.risk_limits import RISK_FILE
from voice_runtime.services import ServicesFile, load_services
from voice_runtime.settings import Settings
from voice_runtime.yaml_file import Document, Path_, check, load_document, read_text

RULES_FOLDER = Path("configs/rules")
DISCLOSURES_FOLDER = Path("configs/disclosures")
RETENTION_FILE = Path("configs/retention.yaml")
REDACTION_FILE = Path("configs/redaction.yaml")
MUST_SAY_FILE = Path("configs/must_say.yaml")
#: A prompt beyond this is a document, not a prompt (characters).
MOST_PROMPT = 60_000

T = TypeVar("T")


@dataclass(slots=True)
class Parts:
    """What was read. A part that could not be read is None, and a problem says why."""

    root: Path
    name: str
    settings: Settings
    lines: Lines | None
    document: Document
    agent: AgentFile
    prompt: str = ""
    facts: str = ""
    #: language → script; without those whose file is missing or wrong
    offline: dict[str, OfflineFile] = field(default_factory=dict)
    services: ServicesFile | None = None
    desks: DesksFile | None = None
    people: PeopleFile | None = None
    #: language → its fixed phrases; without those that could not be read
    phrases: dict[str, PhrasesFile] = field(default_factory=dict)
    #: what each fixed phrase must say
    must_say: MustSay | None = None
    packs: tuple[Pack, ...] = ()
    rules: Rules | None = None
    #: what callers ask of the runtime itself, with the emergencies of these packs
    intents: Intents | None = None
    #: packs of the floor that any agent goes without, on somebody's word
    left_out: tuple[LeftOutSpec, ...] = ()
    #: what the agent says it meets, as far as it counts today
    wordings: tuple[DisclosureRule, ...] = ()
    jurisdictions: Jurisdictions = field(default_factory=Jurisdictions)
    today: datetime.date = datetime.date.min
    schedule: Schedule | None = None
    risk: RiskModel | None = None
    redaction: Redaction | None = None
    problems: list[Problem] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.root / "agents" / self.name

    @property
    def language(self) -> str:
        return self.agent.languages.first

    @property
    def languages(self) -> tuple[str, ...]:
        """All that the agent serves, the first one first."""
        return self.agent.languages.every

    def wrong(self, at: Path_, message: str, remedy: str, *, severity: str = "error") -> None:
        """Note a problem of agent.yaml."""
        self.problems.append(self.document.problem(at, message, remedy, severity=severity))

    def attempt(self, read: Callable[[], T]) -> T | None:
        """Call ``read``; what it finds wrong is noted, and None comes back."""
        try:
            return read()
        except ConfigurationError as error:
            self.problems += [in_root(p, self.root) for p in error.problems]
            return None


def in_root(problem: Problem, root: Path) -> Problem:
    """The same problem with its file's name relative to the project."""
    prefix = f"{root.as_posix().rstrip('/')}/"
    file = problem.file.removeprefix(prefix).removeprefix(f"{root.resolve().as_posix()}/")
    return replace(problem, file=file)


def read_parts(root: Path, name: str, settings: Settings, lines: Lines | None, today: datetime.date) -> Parts:
    """Read everything of one agent.

    Args:
        today: the day on which disclosure rules must count.

    Raises:
        ConfigurationError: there is no such agent, or its agent.yaml has no valid
            shape (then nothing else can be judged). Whatever else is wrong lies in
            ``Parts.problems``.
    """
    path = root / "agents" / name / "agent.yaml"
    if not re.fullmatch(AGENT_NAME, name) or not path.is_file():
        known = ", ".join(known_agents(root)) or "none yet"
        raise ConfigurationError(
            [Problem(f"agents/{name}/agent.yaml", 0, "", "there is no such agent", f"agents here: {known}")]
        )
    document = load_document(path, root)
    agent, problems = check(AgentFile, document)
    foreign = list(_foreign(document))
    if agent is None:
        raise ConfigurationError(sorted([*problems, *foreign], key=lambda p: p.line))
    parts = Parts(root, name, settings, lines, document, agent, problems=foreign, today=today)
    parts.prompt = _prose(parts, "prompt.md", required=True)
    parts.facts = _prose(parts, "facts.md", required=True)
    _prose(parts, "impact.md", required=False)
    parts.services = _first(parts.attempt(lambda: load_services(root)))
    parts.desks = _first(parts.attempt(lambda: load_desks(root)))
    parts.people = _first(parts.attempt(lambda: load_people(root)))
    parts.attempt(lambda: load_decoys(root))  # no part of a release, and wrong for every agent alike
    for language in parts.languages:
        _read_words(parts, language)
    parts.must_say = parts.attempt(lambda: read_must_say(root))
    _read_rules(parts)
    exceptions = parts.attempt(lambda: load_left_out(root))
    parts.left_out = exceptions.left_out if exceptions is not None else ()
    _read_wordings(parts)
    _read_schedule(parts)
    parts.risk = parts.attempt(lambda: _risk(parts))
    _read_redaction(parts)
    return parts


def _read_words(parts: Parts, language: str) -> None:
    """One language's fixed phrases and, where there is one, its script of the stand-in."""
    phrases = parts.attempt(lambda: load_phrases(parts.root, language))
    if phrases is not None:
        parts.phrases[language] = phrases
    file = offline_name(language, parts.language)
    offline = parts.attempt(
        lambda: load_offline(parts.folder, parts.root, frozenset(parts.agent.tools), file)
    )
    if offline is not None:
        script, found = offline
        parts.problems += found
        if script is not None:
            parts.offline[language] = script


def _first(found: tuple[T, Any] | None) -> T | None:
    return None if found is None else found[0]


def _prose(parts: Parts, file: str, *, required: bool) -> str:
    path = parts.folder / file
    shown = f"agents/{parts.name}/{file}"
    if not required and not path.is_file():
        parts.problems.append(
            Problem(
                shown,
                0,
                "",
                "there is no impact assessment",
                "write one; releases will ask for it",
                "warning",
            )
        )
        return ""
    text = parts.attempt(lambda: read_text(path, parts.root))
    if text is None:
        return ""
    text = "\n".join(line.rstrip() for line in text.splitlines()).strip()
    if not text:
        parts.problems.append(Problem(shown, 1, "", "is empty", "write at least a sentence"))
    elif len(text) > MOST_PROMPT:
        parts.problems.append(Problem(shown, 1, "", "is too long", f"keep it under {MOST_PROMPT} characters"))
    return text


def _read_rules(parts: Parts) -> None:
    agent, folder = parts.agent, parts.root / RULES_FOLDER
    packs = parts.attempt(lambda: load_packs(folder, agent.rules.packs))
    parts.packs = packs or ()
    if packs is not None:
        parts.intents = parts.attempt(lambda: load_intents(folder, packs))
    raw = (parts.document.data.get("rules") or {}).get("ours") or []
    try:
        ours = our_rules(
            raw, file=parts.document.file, languages=parts.languages, owner=agent.owner,
            topics=topics_in(parts.folder / "examples"),
        )  # fmt: skip
        if packs is None:
            return
        parts.rules = Rules.compile(packs, ours)
    except ConfigurationError as error:
        parts.problems += [_at_home(parts, p) for p in error.problems]


def _read_wordings(parts: Parts) -> None:
    """Every file of disclosure rules: which law holds on a line is decided among all of them."""
    folder, today = parts.root / DISCLOSURES_FOLDER, parts.today
    found: dict[str, DisclosureRule | None] = {}
    for path in sorted(folder.glob("*.yaml")):
        found[path.stem] = parts.attempt(partial(_wording, parts, path))
    rules = [rule for rule in found.values() if rule is not None]
    parts.jurisdictions = Jurisdictions.known(rules)
    for i, name in enumerate(parts.agent.disclosure.meets):
        rule, at = found.get(name), ("disclosure", "meets", i)
        if name not in found:
            shown = f"{DISCLOSURES_FOLDER.as_posix()}/{name}.yaml"
            known = ", ".join(found) or "none"
            parts.wrong(at, f"there is no {shown}", f"wording rules there: {known}")
        elif rule is not None and rule.in_force(today):
            parts.wordings += (rule,)
        elif rule is not None:
            remedy = "name another one until then"
            parts.wrong(at, f"'{name}' does not count before {rule.effective}", remedy, severity="warning")
    if not parts.wordings and all(found.get(name) for name in parts.agent.disclosure.meets):
        parts.wrong(("disclosure", "meets"), "none of these counts today", "name one that is effective")


def _wording(parts: Parts, path: Path) -> DisclosureRule:
    """One file; who reviewed it is a role that somebody holds."""
    shown = f"{DISCLOSURES_FOLDER.as_posix()}/{path.name}"
    rule = parse_disclosure(read_text(path, parts.root), shown, today=parts.today)
    if rule.disclosure != path.stem:
        document = load_document(path, parts.root)
        problem = document.problem(("disclosure",), "is not the file's own name", f"write {path.stem}")
        raise ConfigurationError([problem])
    if parts.people is not None and rule.reviewer not in parts.people.roles:
        roles = ", ".join(parts.people.roles)
        document = load_document(path, parts.root)
        remedy = f"roles in configs/people.yaml: {roles}"
        problem = document.problem(("reviewer",), f"there is no role '{rule.reviewer}'", remedy)
        raise ConfigurationError([problem])
    return rule


def _read_schedule(parts: Parts) -> None:
    """The retention schedule the agent names."""
    path, name = parts.root / RETENTION_FILE, parts.agent.retention.schedule
    schedules = parts.attempt(lambda: parse_retention(read_text(path, parts.root), RETENTION_FILE.as_posix()))
    if schedules is None:
        return
    parts.schedule = schedules.get(name)
    if parts.schedule is None:
        known = ", ".join(schedules)
        parts.wrong(("retention", "schedule"), f"there is no schedule '{name}'", f"known: {known}")


def _risk(parts: Parts) -> RiskModel:
    """The features of the risk score, under the profile's limits or the agent's lower ones."""
    file = parse_risk(read_text(parts.root / RISK_FILE, parts.root), RISK_FILE.as_posix())
    own = parts.agent.risk
    limits = parts.settings.risk.limits().tightened(own.block_at, own.approve_at)
    return RiskModel(file, replace(limits, approve_by=parts.agent.owner))


def read_must_say(root: Path) -> MustSay:
    """What each fixed phrase must say, as configured for every agent.

    Raises:
        ConfigurationError: the file is missing, or cannot be used.
    """
    return parse_must_say(read_text(root / MUST_SAY_FILE, root), MUST_SAY_FILE.as_posix())


def read_redaction(root: Path) -> RedactionFile:
    """What is masked before which sink, as configured for every agent.

    Raises:
        ConfigurationError: the file is missing, or cannot be used.
    """
    return parse_redaction(read_text(root / REDACTION_FILE, root), REDACTION_FILE.as_posix())


def _read_redaction(parts: Parts) -> None:
    """What is masked everywhere, and what this agent masks besides."""
    file = parts.attempt(lambda: read_redaction(parts.root))
    added = parts.agent.redaction
    for sink, types in added.items():
        for message, remedy in not_possible(sink, types):
            parts.wrong(("redaction", sink), message, remedy)
    if file is not None:
        parts.redaction = Redaction(file, added)


def _at_home(parts: Parts, problem: Problem) -> Problem:
    """Give a rule's problem the file and line its field stands in."""
    if problem.file == parts.document.file:
        return replace(problem, line=parts.document.line(_path(problem.field)))
    pack = problem.file.removeprefix("pack ")
    if pack == "ours":
        rule, _, rest = problem.field.partition(".")
        names = [r.name for r in parts.agent.rules.ours]
        at: Path_ = ("rules", "ours", *((names.index(rule), *_path(rest)) if rule in names else ()))
        return parts.document.problem(at, problem.message, problem.remedy)
    if pack != problem.file:
        return replace(problem, file=f"{RULES_FOLDER.as_posix()}/{pack}.yaml")
    return in_root(problem, parts.root)


def _path(dotted: str) -> Path_:
    """``rules.ours[0].say`` as the path it names."""
    return tuple(int(n) if n else word for word, n in re.findall(r"([^.\[\]]+)(?!\])|\[(\d+)\]", dotted))


_FOREIGN = (
    (
        re.compile(r"\b[a-z][a-z0-9+.-]*://", re.IGNORECASE),
        "holds an address",
        "addresses belong to configs/",
    ),
    (
        re.compile(r"(?<![\w.])\+?\d(?:[ ().-]?\d){8,}(?!\w)"),
        "holds a telephone number",
        "numbers belong to configs/desks.yaml; what callers may be told belongs to facts.md",
    ),
    (
        re.compile(r"\b(?:sk|pk|rk|ghp|xox[abp])[-_][A-Za-z0-9_-]{16,}|\bAKIA[0-9A-Z]{16}\b|-----BEGIN "),
        "looks like a secret",
        "remove and revoke it; profiles name the environment variable of a secret",
    ),
)


def _foreign(document: Document) -> list[Problem]:
    """What does not belong into a file that operators read and share. Never repeats it."""
    found = []

    def look(value: Any, at: Path_) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                look(item, (*at, key))
        elif isinstance(value, list):
            for i, item in enumerate(value):
                look(item, (*at, i))
        elif isinstance(value, str | int):
            for pattern, message, remedy in _FOREIGN:
                if pattern.search(str(value)):
                    found.append(document.problem(at, message, remedy))

    look(document.data, ())
    return found
