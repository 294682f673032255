"""Rules held to their own examples: what each must catch, and what it must let pass. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any
from weakref import WeakKeyDictionary

from controls.decision import Effect, Proposal
from controls.errors import Problem
from controls.rules.compiled import compiled
from controls.rules.condition import Case, Rule, tool_case
from controls.rules.judges import UNANSWERED, Answers, Question, about, shown
from controls.rules.matchers import rewritten, words
from controls.rules.model import Example, Pack
from controls.rules.moments import CallFacts, HandoffFacts


@dataclass(frozen=True)
class Tried:
    """One example, tried. Where it is written is looked up when it is asked for.

    Attributes:
        rule: ``pack/name``.
        wanted: whether it must be caught.
        shown: the example in one line.
        fault: what did not hold, or "".
        asks: what a model would have to be asked, and no answer is known: the example was not tried.
    """

    rule: str
    wanted: bool
    shown: str
    where: Callable[[], tuple[str, int, str]] = field(repr=False, compare=False)
    fault: str = ""
    asks: Question | None = field(default=None, compare=False)

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


def tried(rule: Rule, pack: Pack, answers: Answers = UNANSWERED) -> Iterator[Tried]:
    """Every example of a rule, tried alone: what other rules would find does not count.

    Args:
        pack: where the rule is written.
        answers: what a model answered on examples before; of a rule that asks one.
    """
    place = rule.pack.rules.index(rule.spec)
    for name, i, line, fault, asks in _outcomes(rule):
        where = partial(pack.where, place, name, i)
        wanted = name == "catches"
        answer = answers.get(asks.key) if asks is not None else None
        if answer is not None and answer.yes is not None:
            fault = "" if answer.yes is wanted else _JUDGED[answer.yes]
            asks = None
        yield Tried(rule.id, wanted, line, where, fault, asks)


#: What does not hold, by what the model said.
_JUDGED = {
    True: "the model says yes to what the rule is to let pass",
    False: "the model says no to what the rule is to catch",
}
_Outcome = tuple[str, int, str, str, Question | None]
#: Rule → its examples' field, place in it, short form, fault, and what a model is to be asked.
_TRIED: WeakKeyDictionary[Rule, list[_Outcome]] = WeakKeyDictionary()


def _outcomes(rule: Rule) -> list[_Outcome]:
    """Compiled once, tried once; where a model of sentences is gone by, with today's."""
    like = rule.spec.if_.like
    if rule not in _TRIED or (like is not None and like.by == "meaning"):
        _TRIED[rule] = [
            (name, i, _shown(example), *_outcome(rule, example, name == "catches"))
            for name in ("catches", "lets_pass")
            for i, example in enumerate(getattr(rule.spec, name))
        ]
    return _TRIED[rule]


def _outcome(rule: Rule, example: Example, wanted: bool) -> tuple[str, Question | None]:
    """What does not hold, or what a model has to be asked."""
    judge = rule.spec.if_.judge
    if judge is None:
        return _fault(rule, example, wanted), None
    missed = _fault(rule, example, True)
    if missed and wanted:
        return "nobody would be asked about it: the rest of the rule does not apply", None
    proposal = _proposal(rule, example)
    asks = Question(rule.id, judge, about(proposal), shown(proposal, ""), rule.spec.annex_a)
    return "", None if missed else asks


def _fault(rule: Rule, example: Example, wanted: bool) -> str:
    case, pack = _case(rule, example), compiled(rule.pack)
    try:
        spans = rule.applies(case, pack.spans(rule, case.words))
    except Exception as error:  # noqa: BLE001  # shown to the operator, who wrote it
        return f"the rule fails on this example: {str(error)[:160]}"
    if (spans is not None) is not wanted:
        return (
            "the rule does not catch its own example" if wanted else "the rule catches what it is to let pass"
        )
    if wanted and rule.spec.then == "rewrite" and spans is not None:
        text = rewritten(case.words, 0, spans, rule.spec.rewrite_to.get(case.language, ""))
        if text is None or pack.spans(rule, words(text)):
            return "the rule would have to rewrite its own rewriting"
    return ""


def _case(rule: Rule, example: Example) -> Case:
    proposal = _proposal(rule, example)
    if rule.spec.when == "tool":
        return tool_case(proposal)
    facts = _facts(rule, example)
    text = words(example.text)
    said = text if rule.spec.when == "caller_says" else words(example.said)
    return Case(said, text, 0, example.text, "", {}, proposal.language, facts)


def _facts(rule: Rule, example: Example) -> dict[str, Any]:
    """Of a handoff or of a call's end; what the example does not give is as by default."""
    match rule.spec.when:
        case "handoff":
            return (example.handoff or HandoffFacts()).model_dump()
        case "call_ends":
            return (example.call or CallFacts()).model_dump()
        case _:
            return {}


def _proposal(rule: Rule, example: Example) -> Proposal:
    effect = Effect.TOOL if rule.spec.when == "tool" else Effect.SPEAK
    proposal = Proposal(effect, "", 0, "", text=example.text, tool=example.tool, arguments=example.args)
    language = example.language or rule.pack.languages[0]
    return replace(proposal, caller_said=example.said, language=language)


def _shown(example: Example) -> str:
    if example.tool or example.args:
        return f"{example.tool or 'a tool'} {json.dumps(example.args, ensure_ascii=False)}"
    facts = example.handoff or example.call
    if facts is not None:
        given = json.dumps(facts.model_dump(exclude_unset=True), ensure_ascii=False, default=list)
        return f"{example.text} {given}".strip()
    return f"{example.text} (said: {example.said})" if example.said else example.text
