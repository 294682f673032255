"""Why a rule applies: which of its lines found which words. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from controls.rules.condition import Case, Rule
from controls.rules.matchers import Span, Words
from controls.rules.phrase_index import PhraseIndex
from controls.rules.together import together


@dataclass(frozen=True, slots=True)
class Ground:
    """One line of a rule that holds.

    Attributes:
        line: the phrase, the parts or the expression, as written.
        words: what it found, as spoken; "" for an expression.
    """

    line: str
    words: str


def grounds(rule: Rule, case: Case) -> list[Ground]:
    """Every line of a rule that finds something no ``unless`` or ``without`` takes back, in its order.

    Empty when the rule does not apply.
    """
    if not rule.reads_words:
        return [*_whole(rule, case), *_judged(rule)] if rule.applies(case, ()) is not None else []
    found = []
    for line, spans in _lines(rule, case):
        for begin, end in rule.applies(case, spans) or ():
            found.append(Ground(line, _spoken(case.words, begin, end)))
    return [*found, *_judged(rule)] if found else []


def _judged(rule: Rule) -> Iterator[Ground]:
    """The question to a model, which the rule goes by as well; what was answered is on the call's record."""
    if rule.spec.if_.judge is not None:
        judge = rule.spec.if_.judge
        yield Ground(f"asked of {judge.supplier} ({judge.mode}): {judge.asks}", "")


def _whole(rule: Rule, case: Case) -> Iterator[Ground]:
    """What a rule that looks for no words goes by."""
    if rule.spec.if_.cel:
        yield Ground(rule.spec.if_.cel, "")
    likeness = rule.likeness(case)
    if likeness is not None and rule.spec.if_.like is not None:
        like = rule.spec.if_.like
        line = f"like {like.topic}: {likeness.score:.1f}, from {rule.like_from:g} on"
        yield Ground(line, " … ".join(likeness.traits))


def _lines(rule: Rule, case: Case) -> Iterator[tuple[str, list[Span]]]:
    for phrase in rule.phrases:
        yield phrase.written, PhraseIndex([(0, phrase)]).find(case.words, case.start).get(0, [])
    for line in rule.together:
        found = PhraseIndex(enumerate(line.parts)).find(case.words)
        parts = [found.get(i, []) for i in range(len(line.parts))]
        yield line.written, together(parts, case.words, case.start)


def _spoken(text: Words, begin: int, end: int) -> str:
    return text.text[text.spans[begin][0] : text.spans[end - 1][1]]
