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
from controls.rules.compiled import Compiled
from controls.rules.condition import Case, Rule
from controls.rules.matchers import EMPTY, words
from controls.rules.model import Moment, Pack

#: Name of the pack an agent's own rules make up.
OURS = "ours"


def contradictions(compiled: Sequence[Compiled]) -> Iterator[Problem]:
    """What cannot be meant, each with the line of the later rule.

    Args:
        compiled: the packs, with where their rules are written.
    """
    rules = [rule for pack in compiled for rule in pack.rules]
    packs = {pack.pack.pack: pack.pack for pack in compiled}
    for i, rule in enumerate(rules):
        for earlier in rules[:i]:
            if _same(rule, earlier) and _milder(rule, earlier):
                message = f"{earlier.id} asks for {earlier.spec.then} on the same condition"
                remedy = "remove one of the two: the graver always decides"
                yield _problem(packs, rule, ("then",), message, remedy)
    for rule in rules:
        if rule.spec.then != "rewrite":
            continue
        for j, example in enumerate(rule.spec.catches):
            for other in _catching(compiled, "agent_says", example.text):
                if other is not rule and other.spec.then == "rewrite":
                    message = f"{other.id} would change these words too, and both are refused"
                    remedy = "tell the two rules apart with `unless`, or make one of them `then: block`"
                    yield _problem(packs, rule, ("catches", j), message, remedy)
    for rule in rules:
        if rule.pack.pack == OURS:
            yield from _refused(compiled, packs, rule)


def _refused(compiled: Sequence[Compiled], packs: Mapping[str, Pack], rule: Rule) -> Iterator[Problem]:
    for j, example in enumerate(rule.spec.lets_pass):
        for other in _catching(compiled, rule.spec.when, example.text):
            # what a model would say is not known here
            if other is not rule and other.spec.then != "allow" and other.spec.if_.judge is None:
                message = f"{other.id} does not let it pass"
                remedy = "take the example away; no rule can take another's verdict back"
                yield _problem(packs, rule, ("lets_pass", j), message, remedy)


def _catching(compiled: Sequence[Compiled], moment: Moment, text: str) -> Iterator[Rule]:
    """Rules of one moment that find something in these words, each asked alone."""
    said = words(text)
    case = Case(said if moment == "caller_says" else EMPTY, said, 0, text, "", {}, "en-US")
    for pack in compiled:
        for rule, spans in pack.candidates(moment, case):
            try:
                applies = rule.applies(case, spans) is not None
            except Exception:  # noqa: BLE001 - what an expression cannot judge refuses, on the call and here
                applies = True
            if applies:
                yield rule


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


def _problem(
    packs: Mapping[str, Pack], rule: Rule, field: tuple[int | str, ...], message: str, remedy: str
) -> Problem:
    place = rule.pack.rules.index(rule.spec)
    file, line, where = packs[rule.pack.pack].where(place, *field)
    return Problem(file, line, where, message, remedy)
