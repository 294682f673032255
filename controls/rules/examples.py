"""Rules held to their own examples: what each must catch, and what it must let pass. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from weakref import WeakKeyDictionary

from controls.decision import Effect, Proposal
from controls.errors import Problem
from controls.rules.compiled import RuleIndex
from controls.rules.condition import Case, Rule, tool_case
from controls.rules.matchers import rewritten, words
from controls.rules.model import Example, Pack


@dataclass(frozen=True)
class Tried:
    """One example, tried. Where it is written is looked up when it is asked for.

    Attributes:
        rule: ``pack/name``.
        wanted: whether it must be caught.
        shown: the example in one line.
        fault: what did not hold, or "".
    """

    rule: str
    wanted: bool
    shown: str
    where: Callable[[], tuple[str, int, str]] = field(repr=False, compare=False)
    fault: str = ""

    @cached_property
    def place(self) -> tuple[str, int, str]:
        """File, line and field."""
        return self.where()

    @property
    def problem(self) -> Problem:
        """What did not hold, for whoever wrote the rule."""
        name = self.rule.partition("/")[2]
        remedy = f"change the rule {name} until its own examples hold, or the example"
        return Problem(*self.place, self.fault, remedy)


def tried(rule: Rule, pack: Pack) -> Iterator[Tried]:
    """Every example of a rule, tried alone: what other rules would find does not count.

    Args:
        pack: where the rule is written.
    """
    place = rule.pack.rules.index(rule.spec)
    for name, i, shown, fault in _outcomes(rule):
        where = partial(pack.where, place, name, i)
        yield Tried(rule.id, name == "catches", shown, where, fault)


#: Rule → its examples' field, place in it, short form and fault: compiled once, tried once.
_TRIED: WeakKeyDictionary[Rule, list[tuple[str, int, str, str]]] = WeakKeyDictionary()


def _outcomes(rule: Rule) -> list[tuple[str, int, str, str]]:
    if rule not in _TRIED:
        index = RuleIndex([rule])
        _TRIED[rule] = [
            (name, i, _shown(example), _fault(rule, index, example, name == "catches"))
            for name in ("catches", "lets_pass")
            for i, example in enumerate(getattr(rule.spec, name))
        ]
    return _TRIED[rule]


def _fault(rule: Rule, index: RuleIndex, example: Example, wanted: bool) -> str:
    case = _case(rule, example)
    try:
        spans = rule.applies(case, index.find(case.words).get(0, ()))
    except Exception as error:  # noqa: BLE001  # shown to the operator, who wrote it
        return f"the rule fails on this example: {str(error)[:160]}"
    if (spans is not None) is not wanted:
        return (
            "the rule does not catch its own example" if wanted else "the rule catches what it is to let pass"
        )
    if wanted and rule.spec.then == "rewrite" and spans is not None:
        text = rewritten(case.words, 0, spans, rule.spec.rewrite_to.get(case.language, ""))
        if text is None or index.find(words(text)):
            return "the rule would have to rewrite its own rewriting"
    return ""


def _case(rule: Rule, example: Example) -> Case:
    language = example.language or rule.pack.languages[0]
    if rule.spec.when == "tool":
        proposal = Proposal(Effect.TOOL, "", 0, "", tool=example.tool, arguments=example.args)
        return tool_case(replace(proposal, caller_said=example.said, language=language))
    text = words(example.text)
    said = text if rule.spec.when == "caller_says" else words(example.said)
    return Case(said, text, 0, example.text, "", {}, language)


def _shown(example: Example) -> str:
    if example.tool or example.args:
        return f"{example.tool or 'a tool'} {json.dumps(example.args, ensure_ascii=False)}"
    return f"{example.text} (said: {example.said})" if example.said else example.text
