"""What a model answered to the examples of rules that ask one, kept beside the pack.

``configs/rules/answers/<pack>.yaml``. With it the examples of such rules can be tried without the model, and
whoever reviews a rule reads what its judge made of them. An answer to other words of the question is none.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from controls.documents import Document, parse
from controls.errors import ConfigurationError, Problem
from controls.ledger.records import Digest, Slug
from controls.rules.judges import JudgeAnswer, Key
from controls.rules.model import Name, Pack

FOLDER = Path("answers")
#: As ``controls.rules.judges.about`` writes what was asked about.
About = Annotated[str, StringConstraints(min_length=1, max_length=4000)]


class Answered(Document):
    """One rule's answers.

    Attributes:
        question: digest of the words that were asked, ``sha256:…``.
        model: who answered, as its supplier calls it.
    """

    question: Digest
    model: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    supplier: Slug
    says_yes: tuple[About, ...] = ()
    says_no: tuple[About, ...] = ()


class AnswerFile(Document):
    """``configs/rules/answers/<pack>.yaml``."""

    format: Literal[1]
    made: datetime.date
    rules: dict[Name, Answered] = Field(default_factory=dict)


def answers_beside(folder: Path, packs: Iterable[Pack]) -> dict[Key, JudgeAnswer]:
    """Every kept answer that is one to today's question of its rule; a pack without a file has none.

    Args:
        folder: that of the packs.

    Raises:
        ConfigurationError: a file cannot be used; with file, line, field and remedy.
    """
    found: dict[Key, JudgeAnswer] = {}
    problems: list[Problem] = []
    for pack in packs:
        try:
            kept = kept_beside(folder, pack)
            found |= {key: JudgeAnswer(yes) for key, (yes, _) in kept.items()}
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(problems)
    return found


def kept_beside(folder: Path, pack: Pack) -> dict[Key, tuple[bool, str]]:
    """One pack's kept answers, each with the model that gave it.

    Raises:
        ConfigurationError: as ``answers_beside``.
    """
    path = folder / FOLDER / f"{pack.pack}.yaml"
    if not path.is_file():
        return {}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        problem = Problem(str(path), 0, "", "cannot be read", "write it as UTF-8 text")
        raise ConfigurationError([problem]) from None
    kept = parse(text, str(path), AnswerFile)
    found: dict[Key, tuple[bool, str]] = {}
    for rule in pack.rules:
        answered, judge = kept.rules.get(rule.name), rule.if_.judge
        if answered is None or judge is None or answered.question != judge.digest:
            continue
        for yes, texts in ((True, answered.says_yes), (False, answered.says_no)):
            found |= {(f"{pack.pack}/{rule.name}", text): (yes, answered.model) for text in texts}
    return found


def written(pack: Pack, given: Mapping[Key, tuple[bool, str]], made: datetime.date) -> str:
    """The file of a pack's answers, for somebody to read; every rule's question as it is asked today.

    Args:
        given: question → what was answered, and the model that did.
    """
    lines = [
        "# What models answered to the examples of rules that ask one: `sayso rules test --ask --keep`.",
        "format: 1",
        f"made: {made.isoformat()}",
        "rules:",
    ]
    for rule in pack.rules:
        judge, name = rule.if_.judge, f"{pack.pack}/{rule.name}"
        mine = {about: answer for (of, about), answer in given.items() if of == name}
        if judge is None or not mine:
            continue
        model = next(iter(mine.values()))[1]
        lines += [
            f"  {rule.name}:",
            f"    question: {judge.digest}",
            f"    supplier: {judge.supplier}",
            f"    model: {json.dumps(model)}",
        ]
        for field, wanted in (("says_yes", True), ("says_no", False)):
            said = [json.dumps(a, ensure_ascii=False) for a, (yes, _) in mine.items() if yes is wanted]
            lines += [f"    {field}:", *(f"      - {a}" for a in said)] if said else []
    return "\n".join(lines) + "\n"
