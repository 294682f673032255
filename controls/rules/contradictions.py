"""Rules that contradict one another, named before a release is served. Pure.

Verdicts never contradict one another on a call: the gravest decides (docs/rules.md). What cannot be
meant is

* the same condition again with a milder verdict, which never has a say;
* two rewrites of the same words: both together refuse them;
* an agent's own rule that expects a sentence to pass which another rule refuses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from controls.errors import Problem
from controls.rules.compiled import RuleIndex
from controls.rules.condition import Case, Rule
from controls.rules.matchers import EMPTY, words
from controls.rules.model import Pack

#: Name of the pack an agent's own rules make up.
OURS = "ours"


def contradictions(rules: Sequence[Rule], packs: Mapping[str, Pack]) -> Iterator[Problem]:
    """What cannot be meant, each with the line of the later rule.

    Args:
        packs: where the rules are written, by name.
    """
    for i, rule in enumerate(rules):
        for earlier in rules[:i]:
            if _same(rule, earlier) and _milder(rule, earlier):
                message = f"{earlier.id} asks for {earlier.spec.then} on the same condition"
                remedy = "remove one of the two: the graver always decides"
                yield _problem(packs, rule, ("then",), message, remedy)
    rewriters = [_Alone(rule) for rule in rules if rule.spec.then == "rewrite"]
    for i, one in enumerate(rewriters):
        for j, example in enumerate(one.rule.spec.catches):
            for other in rewriters[:i] + rewriters[i + 1 :]:
                if other.catches(example.text):
                    message = f"{other.rule.id} would change these words too, and both are refused"
                    remedy = "tell the two rules apart with `unless`, or make one of them `then: block`"
                    yield _problem(packs, one.rule, ("catches", j), message, remedy)
    ours = [rule for rule in rules if rule.pack.pack == OURS]
    # what a model would say is not known here
    others = [_Alone(r) for r in rules if ours and r.spec.then != "allow" and r.spec.if_.judge is None]
    for rule in ours:
        yield from _refused(packs, rule, others)


def _refused(packs: Mapping[str, Pack], rule: Rule, others: Sequence[_Alone]) -> Iterator[Problem]:
    for j, example in enumerate(rule.spec.lets_pass):
        for other in others:
            if other.rule is rule or other.rule.spec.when != rule.spec.when:
                continue
            if other.catches(example.text):
                message = f"{other.rule.id} does not let it pass"
                remedy = "take the example away; no rule can take another's verdict back"
                yield _problem(packs, rule, ("lets_pass", j), message, remedy)


def _milder(rule: Rule, earlier: Rule) -> bool:
    """A graver rule of another pack tightens; a milder one, or two minds in one pack, cannot be meant."""
    if rule.spec.verdict is earlier.spec.verdict:
        return False
    return rule.pack is earlier.pack or rule.spec.verdict.gravity < earlier.spec.verdict.gravity


def _same(one: Rule, other: Rule) -> bool:
    if (one.spec.when, one.spec.tools) != (other.spec.when, other.spec.tools):
        return False
    if one.spec.if_ != other.spec.if_:
        return False
    return "<" not in str(one.spec.if_) or one.pack.lists == other.pack.lists


class _Alone:
    """A rule asked alone, with an index of its own."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._index: RuleIndex | None = None

    def catches(self, text: str) -> bool:
        """Whether the rule finds something in these words."""
        self._index = self._index or RuleIndex([self.rule])
        said = words(text)
        by_caller = self.rule.spec.when == "caller_says"
        case = Case(said if by_caller else EMPTY, said, 0, text, "", {}, "en-US")
        try:
            return self.rule.applies(case, self._index.find(said).get(0, ())) is not None
        except Exception:  # noqa: BLE001 - what an expression cannot judge refuses, on the call and here
            return True


def _problem(
    packs: Mapping[str, Pack], rule: Rule, field: tuple[int | str, ...], message: str, remedy: str
) -> Problem:
    place = rule.pack.rules.index(rule.spec)
    file, line, where = packs[rule.pack.pack].where(place, *field)
    return Problem(file, line, where, message, remedy)
