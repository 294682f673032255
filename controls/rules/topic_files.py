"""Examples of a topic as text: one sentence a line, ``+`` for what is like it and ``-`` for what is not.

``configs/rules/examples/<pack>/<topic>.<language>.txt`` beside the packs; for an agent's own rules
``examples/<topic>.<language>.txt`` in its folder. Thousands of them are to be read,
compared and added to by people who do not program: a line is a sentence, ``#`` begins a remark.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from controls.documents import Document
from controls.errors import ConfigurationError, Problem

#: Largest file read, in bytes, and longest sentence, in characters.
MAX_BYTES = 512 * 1024
LONGEST = 400
_NAME = re.compile(r"([a-z][a-z0-9]*(?:-[a-z0-9]+)*)\.([a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-[A-Z]{2})?)\Z")


class Examples(Document):
    """What makes up a topic in one language: sentences it is like, and others."""

    like: tuple[str, ...]
    unlike: tuple[str, ...]


def topics_of(folder: Path, pack: str) -> dict[str, dict[str, Examples]]:
    """Topic → language → its sentences, of the pack's files under ``folder/examples``; none is no fault.

    Raises:
        ConfigurationError: as ``topics_in``.
    """
    return topics_in(folder / "examples" / pack)


def topics_in(folder: Path) -> dict[str, dict[str, Examples]]:
    """The same of the files of one folder, which need not be there.

    Raises:
        ConfigurationError: with file, line and remedy of every problem.
    """
    found: dict[str, dict[str, Examples]] = {}
    problems: list[Problem] = []
    for path in sorted(folder.glob("*")):
        try:
            topic, language = _named(path)
            text = path.read_text(encoding="utf-8")
            found.setdefault(topic, {})[language] = parse_examples(text, str(path))
        except ConfigurationError as error:
            problems += error.problems
        except (OSError, UnicodeDecodeError):
            problems.append(Problem(str(path), 0, "", "cannot be read", "write it as UTF-8 text"))
    if problems:
        raise ConfigurationError(problems)
    return found


@lru_cache(maxsize=256)
def parse_examples(text: str, file: str) -> Examples:
    """Read one file.

    Raises:
        ConfigurationError: with the line and remedy of every problem.
    """
    if len(text.encode()) > MAX_BYTES:
        raise ConfigurationError(
            [Problem(file, 0, "", "the file is too large", f"keep it under {MAX_BYTES // 1024} kB")]
        )
    kinds: dict[str, dict[str, int]] = {"+": {}, "-": {}}
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), 1):
        written = line.strip()
        if not written or written.startswith("#"):
            continue
        sign, sentence = written[0], written[1:].strip()
        if problem := _fault(sign, sentence, kinds):
            problems.append(Problem(file, number, "", *problem))
        else:
            kinds[sign][sentence] = number
    problems += [
        Problem(file, 0, "", f"there are no sentences with {sign}", f"write what is {what} it")
        for sign, what in (("+", "like"), ("-", "not like"))
        if not kinds[sign] and not problems
    ]
    if problems:
        raise ConfigurationError(problems)
    return Examples(like=tuple(kinds["+"]), unlike=tuple(kinds["-"]))


def _fault(sign: str, sentence: str, kinds: dict[str, dict[str, int]]) -> tuple[str, str] | None:
    if sign not in kinds:
        return (
            "the line begins with neither + nor -",
            "write + before what is like it, - before what is not",
        )
    if not sentence or len(sentence) > LONGEST:
        return f"a sentence has 1 to {LONGEST} characters", "shorten it, or take the line away"
    for other, known in kinds.items():
        if sentence in known:
            same = "stands" if other == sign else "is the other kind"
            return f"this sentence {same} in line {known[sentence]} already", "take one of the two away"
    return None


def _named(path: Path) -> tuple[str, str]:
    found = _NAME.match(path.stem) if path.suffix == ".txt" else None
    if found is None:
        message, remedy = (
            "is no file of examples",
            "name it <topic>.<language>.txt, such as diagnosis.en-US.txt",
        )
        raise ConfigurationError([Problem(str(path), 0, "", message, remedy)])
    return found[1], found[2]
