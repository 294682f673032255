"""What a tool's service answered is untrusted text: cleaned, bounded, and looked at for instructions. Pure.

1. Signs that nobody reads or says are dropped: controls, format signs, whatever turns the direction.
2. What is too long, or nested too deep, is not read at all.
3. Whatever looks like a part of a chat (a role's mark, as model servers write them) or names one of the
   agent's own tools is found at once: no data needs either.
4. The rules of the pack ``injection`` on what callers say are asked of every text in it, and of all of
   them together, in every language of the pack: an answer may be in another one than the call.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from controls.decision import RuleVerdict, Verdict
from controls.rules.compiled import compiled
from controls.rules.condition import Case
from controls.rules.engine import Rules
from controls.rules.matchers import words

#: The pack whose rules on callers' words count for results too.
PACK = "injection"
#: An answer is for a sentence or two: more than this, as JSON, is not given to a model (characters).
MOST_CHARACTERS = 8_000
#: Objects and lists within one another.
MOST_DEEP = 12

#: The finding of what is written as a part of a chat, and of an agent's tool named in data.
MARKS_RULE, TOOL_RULE = "default/chat-mark", "default/tool-named"
#: How chats are written for models: ChatML, Llama's and Mistral's tokens, tags and headings of roles.
_MARKS = re.compile(
    r"<\|[a-z_]{2,24}\|>|\[/?INST\]|<</?SYS>>|</?\s*(?:system|assistant|user|developer|tool_call|function_call)\s*>"
    r"|(?:^|\n|[.!?]\s)\s*#{0,6}\s*(?:system|assistant|developer)(?: (?:prompt|message))?\s*:",
    re.IGNORECASE,
)

#: Cc controls, Cf format signs (zero width, bidi, tags), Cs and Co: halves of pairs and private signs.
_DROPPED = frozenset(("Cc", "Cf", "Cs", "Co", "Cn"))
#: Line ends are spaces: a text within JSON has no lines of its own.
_SPACES = frozenset("\t\n\r\v\f\x85\u2028\u2029")


def cleaned(value: Any) -> Any:
    """The same JSON without signs that nobody reads, in keys and in texts."""
    if isinstance(value, str):
        if value.isascii() and value.isprintable():
            return value
        return "".join(_sign(sign) for sign in value)
    if isinstance(value, Mapping):
        return {cleaned(str(key)): cleaned(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(inner) for inner in value]
    return value


def _sign(sign: str) -> str:
    if sign in _SPACES:
        return " "
    return "" if unicodedata.category(sign) in _DROPPED else sign


def too_long(value: Any) -> bool:
    """Whether it is more than a model is given, or nested deeper."""
    return _deeper(value, MOST_DEEP) or len(json.dumps(value, ensure_ascii=False)) > MOST_CHARACTERS


def _deeper(value: Any, most: int) -> bool:
    """Without recursion: what is asked about may be nested deeper than Python goes."""
    level = [value]
    for _ in range(most):
        inner: list[Any] = []
        for one in level:
            if isinstance(one, Mapping):
                inner += one.values()
            elif isinstance(one, list | tuple):
                inner += one
        if not inner:
            return False
        level = inner
    return any(isinstance(one, Mapping | list | tuple) for one in level)


def texts(value: Any, *, keys: bool = True) -> Iterator[str]:
    """Every text in it, in order; ``keys`` too, with low lines read as spaces."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if keys:
                yield str(key).replace("_", " ")
            yield from texts(inner, keys=keys)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts(inner, keys=keys)


class ResultRules:
    """What finds instructions: marks, tools' names, and the rules of ``injection`` if a release has them."""

    def __init__(self, rules: Rules, tools: Iterable[str] = ()) -> None:
        """Look with a release's rules.

        Args:
            tools: names of the agent's tools; those of one word stand in many a text, and are passed over.
        """
        names = "|".join(re.escape(name) for name in tools if "_" in name)
        self._tools = re.compile(rf"(?<![A-Za-z0-9_])(?:{names})(?![A-Za-z0-9_])") if names else None
        self._packs = [compiled(pack) for pack in rules.packs if pack.pack == PACK]

    def instructions(self, value: Any) -> RuleVerdict | None:
        """The gravest finding in an answer's texts; None when nothing reads as instructions.

        A rule that fails counts as one that found something.
        """
        if any(_MARKS.search(text) for text in texts(value)):
            return _finding(MARKS_RULE, "an answer is written as a part of a chat")
        if self._tools is not None and any(self._tools.search(text) for text in texts(value, keys=False)):
            return _finding(TOOL_RULE, "an answer names a tool of the agent")
        if not self._packs:
            return None
        together = " ".join(texts(value, keys=False))
        worst: RuleVerdict | None = None
        for text in dict.fromkeys([*texts(value), together]):
            for finding in self._findings(text):
                if worst is None or finding.risk > worst.risk:
                    worst = finding
        return worst

    def _findings(self, text: str) -> Iterator[RuleVerdict]:
        said = words(text)
        for pack in self._packs:
            for language in pack.pack.languages:
                case = Case(said, said, 0, text, "", {}, language)
                for rule, spans in pack.candidates("caller_says", case):
                    try:
                        applies = rule.applies(case, spans) is not None
                    except Exception:  # noqa: BLE001  # whatever went wrong may only refuse
                        applies = True
                    if applies:
                        yield rule.finding(language)


def _finding(rule: str, why: str) -> RuleVerdict:
    return RuleVerdict(rule, Verdict.BLOCK, ("A.9.2",), 100, why)
