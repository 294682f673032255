"""Rule packs read from ``configs/rules``, with the topics that stand in files of their own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from controls.documents import MAX_BYTES, read, validate
from controls.errors import ConfigurationError, Problem
from controls.quick_yaml import quickly
from controls.rules.model import Pack, problems_of
from controls.rules.topic_files import Examples, topics_of

_PACK = re.compile(r"^pack:", re.MULTILINE)
_EMERGENCY = re.compile(r"""^kind:[ \t]*["']?emergency\b""", re.MULTILINE)


def parse_pack(text: str, file: str, topics: Mapping[str, Mapping[str, Examples]] | None = None) -> Pack:
    """Read one pack, with the topics that stand in files of their own; the same text is read once.

    Raises:
        ConfigurationError: with file, line, field and remedy of every problem.
    """
    given = topics or {}
    known = _quickly(text, tuple((t, la, found) for t in given for la, found in given[t].items()))
    if known is None:
        return _with_lines(text, file, given)
    pack = known.model_copy()  # shares what it was compiled to; where it came from is its own
    pack.came_from(file, lambda: read(text, file)["rules"], ("rules",))
    return pack


@lru_cache(maxsize=32)  # several agents name the same packs
def _quickly(text: str, topics: tuple[tuple[str, str, Examples], ...]) -> Pack | None:
    """The pack, if nothing is wrong with it."""
    data = quickly(text) if len(text) <= MAX_BYTES else None
    try:
        pack = Pack.model_validate(data)
    except ValidationError:
        return None
    by_topic: dict[str, dict[str, Examples]] = {}
    for topic, language, examples in topics:
        by_topic.setdefault(topic, {})[language] = examples
    pack = _with_topics(pack, by_topic)
    return None if any(problems_of(pack, data, "")) else pack


def _with_topics(pack: Pack, topics: Mapping[str, Mapping[str, Examples]]) -> Pack:
    return pack.model_copy(update={"topics": topics}) if topics else pack


def _with_lines(text: str, file: str, topics: Mapping[str, Mapping[str, Examples]]) -> Pack:
    data = read(text, file)
    pack = _with_topics(validate(data, file, Pack), topics)
    pack.came_from(file, lambda: data["rules"], ("rules",))
    problems = list(problems_of(pack, data, file))
    if problems:
        raise ConfigurationError(problems)
    return pack


def load_packs(folder: Path, names: Iterable[str]) -> tuple[Pack, ...]:
    """Read the named packs from ``folder`` (``<name>.yaml``).

    Raises:
        ConfigurationError: a pack is missing, or cannot be used.
    """
    packs: list[Pack] = []
    problems: list[Problem] = []
    for name in dict.fromkeys(names):
        path = folder / f"{name}.yaml"
        try:
            packs.append(parse_pack(path.read_text(encoding="utf-8"), str(path), topics_of(folder, name)))
        except ConfigurationError as error:
            problems += error.problems
        except (OSError, UnicodeDecodeError):
            known = ", ".join(pack_names(folder)) or "none"
            problems.append(Problem(str(path), 0, "", f"there is no pack `{name}`", f"use one of: {known}"))
    if problems:
        raise ConfigurationError(problems)
    return tuple(packs)


def pack_names(folder: Path) -> list[str]:
    """Names of the packs in ``folder``, sorted."""
    return _holding(folder, _PACK)


def emergency_names(folder: Path) -> list[str]:
    """Those of them that say they are of ``kind: emergency``, whatever their files are called."""
    return _holding(folder, _EMERGENCY)


def _holding(folder: Path, line: re.Pattern[str]) -> list[str]:
    return sorted(
        path.stem for path in folder.glob("*.yaml") if line.search(path.read_text("utf-8", "replace"))
    )
