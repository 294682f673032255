"""A fresh agent folder that works as it is: written blank, or copied from another agent.

Nothing is generated that a person could not have written: the copy is the other
agent's files with its name, its title and its languages changed.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from controls.errors import ConfigurationError, OperatorError
from voice_runtime import blank_agent
from voice_runtime.lines import AGENT_NAME, FILE, Lines, known_agents, load_lines
from voice_runtime.offline_file import offline_name
from voice_runtime.yaml_file import load_document

#: Numbers for new agents, among those reserved for fiction (ATIS: 555-0100 to 555-0199).
_FICTION = tuple(f"+120255501{n}" for n in range(60, 77))


@dataclass(frozen=True, slots=True)
class Made:
    """What was written: files, and lines of ``configs/lines.yaml``, by name."""

    files: tuple[str, ...]
    lines: tuple[str, ...] = ()
    number: str = ""


def write_blank(
    root: Path, name: str, languages: Sequence[str], *, owner: str, desk: str, schedule: str, voice: str
) -> Made:
    """Write ``agents/<name>`` with the least an agent can be.

    Raises:
        OperatorError: the name is none, the folder exists, there are no words for a
            language, or it cannot be written.
    """
    chosen = tuple(languages) or ("en-US",)
    _named(root, name)
    title = f"{_title(name)} (draft)"
    texts = blank_agent.files(
        name, chosen, title=title, owner=owner, desk=desk, schedule=schedule, voice=voice
    )
    return Made(_write(root, name, texts))


def write_copy(root: Path, name: str, source: str, languages: Sequence[str]) -> Made:
    """Write ``agents/<name>`` as a copy of another agent.

    Args:
        languages: those of the other's it is to serve, the first one first; all of them when empty.

    Raises:
        OperatorError: the name is none, the folder exists, there is no such agent, it
            does not serve a language, or the copy cannot be written.
    """
    _named(root, name)
    if source not in known_agents(root):
        raise OperatorError(f"there is no agent {source}: copy one of {', '.join(known_agents(root))}")
    folder = root / "agents" / source
    served = _served(folder / "agent.yaml")
    chosen = tuple(languages) or served
    if strange := [language for language in chosen if language not in served]:
        raise OperatorError(f"agent {source} does not serve {strange[0]}: it serves {', '.join(served)}")
    copy = _Copy(name, source, served, chosen)
    texts = {"agent.yaml": copy.agent((folder / "agent.yaml").read_text(encoding="utf-8"))}
    for file in ("prompt.md", "facts.md", "impact.md"):
        if (folder / file).is_file():
            texts[file] = (folder / file).read_text(encoding="utf-8")
    for language in chosen:
        script = folder / offline_name(language, served[0])
        if script.is_file():
            texts[offline_name(language, chosen[0])] = copy.named(script.read_text(encoding="utf-8"))
    for path in sorted((folder / "examples").glob("*.txt")):  # of its own rules' topics
        if path.stem.partition(".")[2] in chosen:
            texts[f"examples/{path.name}"] = path.read_text(encoding="utf-8")
    for path in sorted((folder / "evals").glob("*.yaml")):
        if (text := copy.case(path.read_text(encoding="utf-8"))) is not None:
            texts[f"evals/{path.name}"] = text
    return Made(_write(root, name, texts))


def add_lines(root: Path, made: Made, name: str, *, like: str = "") -> Made:
    """Give the agent a web entry and a number reserved for fiction, at the end of ``configs/lines.yaml``.

    Args:
        like: an agent whose line's region and jurisdiction they take; the first line's without.

    Returns:
        With the lines' names; without any when the file has a form that cannot be added to.
    """
    path = root / FILE
    try:
        lines, before = load_lines(root), path.read_text(encoding="utf-8")
    except (ConfigurationError, OSError):
        return made
    model = next(iter((*lines.of(like), *lines.all)), None)
    number = next((n for n in _FICTION if lines.find(n) is None), "")
    if model is None or not number or lines.of(name):
        return made
    stem = name.replace("_", "-")
    shared = f"agent: {name}, tenant: {stem}, region: {model.region}, jurisdiction: {model.jurisdiction}"
    added = (
        f'  - {{name: {stem}, number: "{number}", {shared}}}   # reserved for fiction: put your own\n'
        f"  - {{name: {stem}-web, web: true, {shared}}}\n"
    )
    path.write_text(before.rstrip("\n") + "\n" + added, encoding="utf-8")
    try:
        load_lines(root)
    except ConfigurationError:  # not in block style, or nothing like a list
        path.write_text(before, encoding="utf-8")
        return made
    return Made(made.files, (stem, f"{stem}-web"), number)


# --- inside ---------------------------------------------------------------------------------------


def _named(root: Path, name: str) -> None:
    """Refuse a name that is none or taken."""
    if not re.fullmatch(AGENT_NAME, name) or len(name) > 40:
        raise OperatorError("an agent's name is lower-case words with dashes, such as front-desk")
    if (root / "agents" / name).exists():
        raise OperatorError(f"agents/{name} exists already")


def _title(name: str) -> str:
    return re.sub("[-_]", " ", name).capitalize()


def _served(path: Path) -> tuple[str, ...]:
    try:
        languages = load_document(path).data["languages"]
        return (str(languages["first"]), *map(str, languages.get("also") or ()))
    except (ConfigurationError, AttributeError, KeyError, TypeError):
        raise OperatorError(
            f"agents/{path.parent.name}/agent.yaml is not valid: mend it before it is copied"
        ) from None


def _write(root: Path, name: str, texts: Mapping[str, str]) -> tuple[str, ...]:
    folder = root / "agents" / name
    written = []
    try:
        folder.mkdir(parents=True)
        for file, text in texts.items():
            path = folder / file
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            written.append(path.relative_to(root).as_posix())
    except FileExistsError:
        raise OperatorError(f"agents/{name} exists already") from None
    except OSError as error:
        raise OperatorError(f"agents/{name} cannot be written: {error.strerror}") from error
    return tuple(written)


class _Copy:
    """Another agent's files under a new name, in some of its languages."""

    def __init__(self, name: str, source: str, served: tuple[str, ...], chosen: tuple[str, ...]) -> None:
        self._name, self._source, self._served, self._chosen = name, source, served, chosen

    def named(self, text: str) -> str:
        """The check named in the first line is the new agent's."""
        return text.replace(
            f"sayso agents validate {self._source}\n", f"sayso agents validate {self._name}\n"
        )

    def agent(self, text: str) -> str:
        """Its agent.yaml, as a draft."""
        title = f"title: {_title(self._name)} (draft, copied from {self._source})"
        text = re.sub(r"^title: .*$", lambda _: title, self.named(text), count=1, flags=re.MULTILINE)
        if self._chosen == self._served:
            return text
        data = _yaml().load(text)
        data["languages"]["first"] = self._chosen[0]
        data["languages"].pop("also", None)
        if len(self._chosen) > 1:
            data["languages"].insert(1, "also", list(self._chosen[1:]))
        self._only(data)
        return _dumped(data)

    def case(self, text: str) -> str | None:
        """A conversation, or None when it is in a language the copy does not serve."""
        text = self.named(text)
        if self._chosen == self._served:
            return text
        data = _yaml().load(text)
        language = str(data.get("language") or self._served[0])
        if language not in self._chosen:
            return None
        data.pop("language", None)
        if language != self._chosen[0]:
            data.insert(list(data).index("steps"), "language", language)
        return _dumped(data)

    def _only(self, data: Any) -> None:
        """Drop words in languages that were not chosen, wherever they stand by language."""
        if isinstance(data, dict):
            if data and set(data) <= set(self._served):
                for language in set(data) - set(self._chosen):
                    del data[language]
            for value in data.values():
                self._only(value)
        elif isinstance(data, list):
            data[:] = [v for v in data if not self._foreign(v)]
            for value in data:
                self._only(value)

    def _foreign(self, value: Any) -> bool:
        """A known word of a language that was not chosen."""
        return isinstance(value, dict) and value.get("language") in set(self._served) - set(self._chosen)


def _yaml() -> YAML:
    """Reads and writes a file with its comments where they were."""
    yaml = YAML(typ="rt", pure=True)
    yaml.preserve_quotes = True
    yaml.width = 110
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _dumped(data: Any) -> str:
    out = io.StringIO()
    _yaml().dump(data, out)
    return out.getvalue()


def line_to_add(name: str, lines: Lines | None) -> str:
    """The entry of ``configs/lines.yaml`` that would lead to an agent, for somebody to add."""
    model = lines.all[0] if lines is not None and lines.all else None
    region, law = (model.region, model.jurisdiction) if model else ("us", "us-il")
    stem = name.replace("_", "-")
    return (
        f"  - {{name: {stem}-web, web: true, agent: {name}, tenant: {stem}, region: {region}, "
        f"jurisdiction: {law}}}"
    )
