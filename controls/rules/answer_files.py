"""What a model answered to the examples of rules that ask one, kept beside the pack.

``configs/rules/answers/<pack>.yaml``. With it the examples of such rules can be tried without the model, and
whoever reviews a rule reads what its judge made of them. An answer to other words of the question is none.
"""

from __future__ import annotations

import datetime
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
    yes: tuple[About, ...] = ()
    no: tuple[About, ...] = ()


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
        path = folder / FOLDER / f"{pack.pack}.yaml"
        if not path.is_file():
            continue
        try:
            found |= _answers(pack, parse(path.read_text(encoding="utf-8"), str(path), AnswerFile))
        except ConfigurationError as error:
            problems += error.problems
        except (OSError, UnicodeDecodeError):
            problems.append(Problem(str(path), 0, "", "cannot be read", "write it as UTF-8 text"))
    if problems:
        raise ConfigurationError(problems)
    return found


def _answers(pack: Pack, kept: AnswerFile) -> Mapping[Key, JudgeAnswer]:
    found: dict[Key, JudgeAnswer] = {}
    for rule in pack.rules:
        answered, judge = kept.rules.get(rule.name), rule.if_.judge
        if answered is None or judge is None or answered.question != judge.digest:
            continue
        for yes, texts in ((True, answered.yes), (False, answered.no)):
            found |= {(f"{pack.pack}/{rule.name}", text): JudgeAnswer(yes) for text in texts}
    return found
