"""Rules compiled, and every proposal judged by all of them: the gravest finding decides. Pure.

Adding a pack never makes a verdict milder: every rule is asked, all findings
are kept, and where a rewrite is involved only one rule may change the words. A
rule that cannot be evaluated refuses; so does a language nobody reviewed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cel
import rfc8785

from controls.decision import Decision, Effect, Proposal, RuleVerdict, Verdict
from controls.errors import ConfigurationError, Problem
from controls.rules.matchers import (
    EMPTY,
    PhraseIndex,
    Words,
    cards,
    compile_phrase,
    join,
    numbers,
    rewritten,
    tail,
    words,
)
from controls.rules.model import VARIABLES, Example, Moment, Pack, RuleSpec, as_plain

#: How many words of what was cleared just before are looked at together with a clause.
LOOK_BACK = 24
#: Phrase spoken when a refusal has no words of its own; every release has it.
FALLBACK = "fallback"

#: The finding of no rule at all.
_NONE = "default/allow"

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Case:
    """What one evaluation looks at; ``start`` is the first word of the part being judged."""

    said: Words
    words: Words
    start: int
    text: str
    tool: str
    arguments: Mapping[str, Any]
    language: str


class _Rule:
    """One compiled rule."""

    def __init__(self, pack: Pack, spec: RuleSpec) -> None:
        self.id = f"{pack.pack}/{spec.name}"
        self.pack = pack
        self.spec = spec
        self.phrase = pack.phrase_id(spec) if spec.say else ""
        self.phrases = [compile_phrase(p, pack.lists) for p in spec.if_.phrases]
        self._unless = PhraseIndex((0, compile_phrase(p, pack.lists)) for p in spec.if_.unless)
        self._has_unless = bool(spec.if_.unless)
        self._program = cel.compile(spec.if_.cel) if spec.if_.cel else None
        used = self._program.variables() if self._program else []
        self._uses = frozenset(used) & frozenset(VARIABLES)
        self._topics = {
            name: PhraseIndex((0, compile_phrase(entry)) for entry in entries)
            for name, entries in (pack.lists.items() if "topics" in self._uses else ())
        }

    def applies(self, case: _Case, hits: Sequence[Span]) -> Sequence[Span] | None:
        """The places found (possibly none, for a CEL rule), or None when it does not apply.

        Raises:
            Exception: whatever the expression raises; the caller refuses then.
        """
        if self.spec.tools and case.tool not in self.spec.tools:
            return None
        if self.phrases:
            if hits and self._has_unless:
                masks = self._unless.find(case.words).get(0, ())
                hits = [h for h in hits if not any(m[0] <= h[0] and h[1] <= m[1] for m in masks)]
            if not hits:
                return None
        if self._program is not None:
            answer = self._program.execute(self._context(case))
            if not isinstance(answer, bool):
                raise TypeError("the expression yields neither true nor false")
            if not answer:
                return None
        return hits

    def _context(self, case: _Case) -> dict[str, Any]:
        context: dict[str, Any] = {}
        for name in self._uses:
            context[name] = self._value(name, case)
        return context

    def _value(self, name: str, case: _Case) -> Any:
        match name:
            case "said":
                return case.said.plain
            case "clause":
                return " ".join(case.words.tokens[case.start :])
            case "numbers":
                return numbers(case.words, case.start)
            case "cards":
                return cards(numbers(case.words, case.start))
            case "topics":
                return [topic for topic, index in self._topics.items() if index.find(case.words, case.start)]
            case "args":
                return dict(case.arguments)
            case "tool":
                return case.tool
            case "language":
                return case.language
            case _:
                return case.text

    def finding(self, language: str) -> RuleVerdict:
        spec = self.spec
        say = ""
        if spec.then == "rewrite":
            say = spec.rewrite_to.get(language, "")
        elif spec.then in ("block", "handoff") and language in spec.say:
            say = self.phrase
        elif spec.then == "block":
            say = FALLBACK
        return RuleVerdict(self.id, spec.verdict, spec.annex_a, spec.risk, spec.because, say)


class Rules:
    """Compiled packs. Immutable; one object serves every call of a release.

    Attributes:
        packs: what it was compiled from, an agent's own last.
        phrases: fixed phrases its rules speak, ``rule.<pack>.<name>`` → language → words.
        languages: those that every pack was reviewed for; all others are refused.
        digest: ``sha256:…`` over the packs in canonical form (RFC 8785).
    """

    def __init__(self, packs: Sequence[Pack]) -> None:
        self.packs = tuple(packs)
        self.languages = frozenset[str]()
        if packs:
            self.languages = frozenset.intersection(*(frozenset[str](p.languages) for p in packs))
        self.phrases = {
            p.phrase_id(r): {str(k): v for k, v in r.say.items()} for p in packs for r in p.rules if r.say
        }
        self.digest = (
            "sha256:" + hashlib.sha256(rfc8785.dumps([dict(as_plain(p)) for p in packs])).hexdigest()
        )
        self._rules = [_Rule(p, r) for p in packs if p.kind == "guard" for r in p.rules]
        self._emergencies = [_Rule(p, r) for p in packs if p.kind == "emergency" for r in p.rules]
        self._index = {m: _indexed(self._rules, m) for m in ("agent_says", "caller_says", "tool")}
        self._always = {
            m: [i for i, r in enumerate(self._rules) if r.spec.when == m and not r.phrases]
            for m in ("agent_says", "caller_says", "tool")
        }
        self._emergency_index = _indexed(self._emergencies, "caller_says")

    @classmethod
    def compile(cls, packs: Iterable[Pack], ours: Pack | None = None) -> Rules:
        """Compile packs and an agent's own rules, and hold every rule to its own examples.

        Raises:
            ConfigurationError: a pack twice, a rule that misses what it ``catches`` or
                catches what it ``lets_pass``, a safe phrase that a rule would refuse.
        """
        every = [*packs, *([ours] if ours is not None else [])]
        problems = [
            Problem(f"pack {p.pack}", 0, "pack", "the pack is given twice", "name it once")
            for i, p in enumerate(every)
            if p.pack in [q.pack for q in every[:i]]
        ]
        if problems:
            raise ConfigurationError(problems)
        rules = cls(every)
        problems = list(rules._broken_examples())
        problems += rules.objections(rules.phrases)
        if problems:
            raise ConfigurationError(problems)
        return rules

    def objections(self, phrases: Mapping[str, Mapping[str, str]]) -> list[Problem]:
        """Fixed phrases that these rules would themselves refuse, for a release to be checked."""
        found = []
        for phrase, said in phrases.items():
            for language, text in said.items():
                if language not in self.languages:
                    continue
                decision = self.evaluate(Proposal(Effect.SPEAK, "", 0, "", text=text, language=language))
                if decision.verdict is not Verdict.ALLOW:
                    rule = decision.verdicts[0].rule
                    message = f"the rule {rule} would refuse this fixed phrase"
                    found.append(
                        Problem(f"phrase {phrase}", 0, language, message, "change its words, or the rule")
                    )
        return found

    def evaluate(self, proposal: Proposal, before: Words = EMPTY) -> Decision:
        """Judge what the agent would say or do.

        Args:
            before: what was cleared just before in the same answer; a phrase may
                begin there, so that it cannot slip through between two clauses.

        Never raises: what cannot be judged is blocked.
        """
        try:
            if proposal.language not in self.languages:
                refused = _refusal("default/language", "nobody reviewed the rules for this language")
                return _decide(proposal, [refused])
            if proposal.effect is Effect.TOOL:
                return _decide(proposal, [f for _, f, _ in self._findings("tool", _tool_case(proposal))])
            return self._speak(proposal, tail(before, LOOK_BACK))
        except Exception:  # noqa: BLE001  # whatever went wrong may only refuse
            return _decide(
                proposal, [_refusal("default/engine", "rule failed: the rules could not be evaluated")]
            )

    def caller(self, proposal: Proposal) -> Decision:
        """Judge what the caller said (``proposal.caller_said``), before the model is asked.

        Rules with ``when: caller_says``; ALLOW means the words go to the model.
        Emergencies are not looked for here, but in ``emergency``. Never raises.
        """
        try:
            said = words(proposal.caller_said)
            case = _Case(said, said, 0, proposal.caller_said, "", {}, proposal.language)
            return _decide(proposal, [f for _, f, _ in self._findings("caller_says", case)])
        except Exception:  # noqa: BLE001  # as above
            return _decide(
                proposal, [_refusal("default/engine", "rule failed: the rules could not be evaluated")]
            )

    def emergency(self, text: str, language: str) -> RuleVerdict | None:
        """The gravest emergency in what the caller said; its ``say`` is the script's phrase id."""
        said = words(text)
        hits = self._emergency_index.find(said)
        case = _Case(said, said, 0, text, "", {}, language)
        worst: RuleVerdict | None = None
        for i, spans in hits.items():
            try:
                applies = self._emergencies[i].applies(case, spans) is not None
            except Exception:  # noqa: BLE001  # a broken emergency rule that was named counts as an emergency
                applies = True
            if applies:
                finding = self._emergencies[i].finding(language)
                if worst is None or finding.risk > worst.risk:
                    worst = finding
        return worst

    # -- inside -----------------------------------------------------------------------------------

    def _findings(self, moment: Moment, case: _Case) -> list[tuple[int, RuleVerdict, Sequence[Span]]]:
        hits = self._index[moment].find(case.words, case.start)
        found: list[tuple[int, RuleVerdict, Sequence[Span]]] = []
        for i in (*hits, *self._always[moment]):
            rule = self._rules[i]
            try:
                spans = rule.applies(case, hits.get(i, ()))
            except Exception:  # noqa: BLE001  # a rule that fails refuses
                found.append((i, _refusal(rule.id, "rule failed: it could not be evaluated", rule.spec), ()))
                continue
            if spans is not None:
                found.append((i, rule.finding(case.language), spans))
        return found

    def _speak(self, proposal: Proposal, before: Words) -> Decision:
        clause = words(proposal.text)
        said = words(proposal.caller_said)
        start = len(before)

        def case(text: str, new: Words) -> _Case:
            return _Case(said, join(before, new), start, text, "", {}, proposal.language)

        found = self._findings("agent_says", case(proposal.text, clause))
        findings = [f for _, f, _ in found]
        rewriters = [(i, spans) for i, f, spans in found if f.verdict is Verdict.REWRITE]
        if not rewriters or any(f.verdict.gravity > Verdict.REWRITE.gravity for f in findings):
            return _decide(proposal, findings)
        if len(rewriters) > 1:
            return _decide(
                proposal, [*findings, _refusal("default/rewrite", "two rules would change the words")]
            )
        index, spans = rewriters[0]
        text = rewritten(clause, start, spans, self._rules[index].spec.rewrite_to.get(proposal.language))
        if text is None:
            return _decide(
                proposal, [*findings, _refusal("default/rewrite", "the words cannot be taken back")]
            )
        again = [f for _, f, _ in self._findings("agent_says", case(text, words(text)))]
        if any(f.verdict is Verdict.REWRITE for f in again):
            again.append(_refusal("default/rewrite", "the words still need changing after they were changed"))
        # At most a block: nobody proposed these words, and a graver verdict here could be
        # softened by a further pack that blocks the original ones.
        graver = [
            f if f.verdict is Verdict.BLOCK else replace(f, verdict=Verdict.BLOCK, say=f.say or FALLBACK)
            for f in again
            if f.verdict.gravity > Verdict.REWRITE.gravity
        ]
        if graver:
            return _decide(proposal, [*findings, *graver])
        return _decide(
            proposal, [replace(f, say=text) if f.verdict is Verdict.REWRITE else f for f in findings]
        )

    def _broken_examples(self) -> Iterator[Problem]:
        for rule in (*self._rules, *self._emergencies):
            for field, wanted in (("catches", True), ("lets_pass", False)):
                examples: tuple[Example, ...] = getattr(rule.spec, field)
                for i, example in enumerate(examples):
                    fault = self._example_fault(rule, example, wanted)
                    if fault:
                        file, line, where = rule.pack.where(rule.pack.rules.index(rule.spec), field, i)
                        remedy = (
                            f"change the rule {rule.spec.name} until its own examples hold, or the example"
                        )
                        yield Problem(file, line, where, fault, remedy)

    def _example_fault(self, rule: _Rule, example: Example, wanted: bool) -> str:
        language = next(iter(sorted(self.languages)), "en-US")
        text = words(example.text)
        case = _Case(words(example.said), text, 0, example.text, "", {}, language)
        if rule.spec.when == "tool":
            proposal = Proposal(Effect.TOOL, "", 0, "", tool=example.tool, arguments=example.args)
            case = _tool_case(replace(proposal, caller_said=example.said, language=language))
        elif rule.spec.when == "caller_says":
            case = replace(case, said=text)
        hits = PhraseIndex((0, p) for p in rule.phrases).find(case.words).get(0, ())
        try:
            spans = rule.applies(case, hits)
        except Exception as error:  # noqa: BLE001  # shown to the operator, who wrote it
            return f"the rule fails on this example: {str(error)[:160]}"
        if (spans is not None) is not wanted:
            return (
                "the rule does not catch its own example"
                if wanted
                else "the rule catches what it is to let pass"
            )
        if wanted and rule.spec.then == "rewrite" and spans is not None:
            text_after = rewritten(text, 0, spans, rule.spec.rewrite_to.get(language, ""))
            if text_after is None or PhraseIndex((0, p) for p in rule.phrases).find(words(text_after)):
                return "the rule would have to rewrite its own rewriting"
        return ""


def gravest_form(decisions: Sequence[Decision]) -> Decision:
    """One decision on a clause that was judged in several forms, every finding kept.

    Args:
        decisions: on the form that would be spoken first; its proposal and its words count.

    Returns:
        The gravest. Words that only another form would have changed cannot be changed in
        the spoken one: they are blocked.
    """
    spoken = decisions[0]
    if all(d.verdicts == spoken.verdicts for d in decisions):
        return spoken
    found: dict[tuple[str, Verdict], RuleVerdict] = {}
    for finding in (f for d in decisions for f in d.verdicts if f.rule != _NONE):
        known = found.setdefault((finding.rule, finding.verdict), finding)  # the spoken form's words count
        found[finding.rule, finding.verdict] = replace(known, risk=max(known.risk, finding.risk))
    changes = {rule for rule, verdict in found if verdict is Verdict.REWRITE}
    if changes - {f.rule for f in spoken.verdicts if f.verdict is Verdict.REWRITE}:
        found[_NONE, Verdict.BLOCK] = _refusal("default/rewrite", "the words as spoken cannot be changed")
    return _decide(spoken.proposal, list(found.values()))


def _indexed(rules: Sequence[_Rule], moment: str) -> PhraseIndex:
    return PhraseIndex((i, p) for i, r in enumerate(rules) if r.spec.when == moment for p in r.phrases)


def _tool_case(proposal: Proposal) -> _Case:
    text = ". ".join(_leaves(proposal.arguments))
    return _Case(
        words(proposal.caller_said),
        words(text),
        0,
        text,
        proposal.tool,
        proposal.arguments,
        proposal.language,
    )


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner)
    elif value is not None:
        yield str(value)


def _refusal(rule: str, reason: str, spec: RuleSpec | None = None) -> RuleVerdict:
    if spec is None:
        return RuleVerdict(rule, Verdict.BLOCK, ("A.9.2",), 100, reason, FALLBACK)
    # never milder than what the rule itself would have asked for
    verdict = max(Verdict.BLOCK, spec.verdict, key=lambda v: v.gravity)
    return RuleVerdict(rule, verdict, spec.annex_a, 100, reason, FALLBACK)


def _decide(proposal: Proposal, findings: Sequence[RuleVerdict]) -> Decision:
    if not findings:
        allowed = RuleVerdict(_NONE, Verdict.ALLOW, ("A.9.2",), 0, "no rule objects")
        return Decision(proposal, Verdict.ALLOW, (allowed,), 0, proposal.text)
    ordered = tuple(sorted(findings, key=lambda f: (-f.verdict.gravity, -f.risk, f.rule)))
    worst = ordered[0]
    risk = max(f.risk for f in ordered)
    if worst.verdict is Verdict.ALLOW:
        return Decision(proposal, worst.verdict, ordered, risk, proposal.text)
    if worst.verdict is Verdict.REWRITE:
        return Decision(proposal, worst.verdict, ordered, risk, worst.say)
    return Decision(proposal, worst.verdict, ordered, risk, "", worst.say)
