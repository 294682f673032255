"""Rules compiled, and every proposal judged by all of them: the gravest finding decides. Pure.

Adding a pack never makes a verdict milder: every rule is asked, all findings
are kept, and where a rewrite is involved only one rule may change the words. A
rule that cannot be evaluated refuses; so does a language nobody reviewed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from controls.decision import FALLBACK, Ask, Decision, Effect, Proposal, RuleVerdict, Verdict
from controls.errors import ConfigurationError, Problem
from controls.rules.compiled import compiled
from controls.rules.condition import Case, Rule, tool_case
from controls.rules.contradictions import contradictions
from controls.rules.deciding import NONE, decide, gravest_first, own, refusal
from controls.rules.examples import Tried, tried
from controls.rules.judges import UNANSWERED, Answers, Question, about, shown
from controls.rules.matchers import EMPTY, Span, Words, join, rewritten, tail, words
from controls.rules.model import Moment, Pack, RuleSpec
from controls.rules.why import Ground, grounds

#: How many words of what was cleared just before are looked at together with a clause.
LOOK_BACK = 24
#: A rule that applies, what it finds, and where the words are that it goes by.
_Applies = tuple[Rule, RuleVerdict, Sequence[Span]]


class Rules:
    """Compiled packs. Immutable; one object serves every call of a release.

    Attributes:
        packs: what it was compiled from, an agent's own last.
        phrases: fixed phrases its rules speak, ``rule.<pack>.<name>`` → language → words.
        languages: those that every pack was reviewed for (of emergency packs: one of them); all others are
            refused.
        digest: ``sha256:…`` over ``canonical``.
    """

    def __init__(self, packs: Sequence[Pack]) -> None:
        self.packs = tuple(packs)
        guards = [frozenset[str](p.languages) for p in packs if p.kind == "guard"]
        urgent = [frozenset[str](p.languages) for p in packs if p.kind == "emergency"]
        # Emergencies are found by language and answered by place: each pack need not know every language.
        known = [*guards, *([frozenset[str]().union(*urgent)] if urgent else [])]
        self.languages = frozenset[str]().union(*known[:1]).intersection(*known)
        self.phrases = {
            p.phrase_id(r): {str(k): v for k, v in r.say.items()} for p in packs for r in p.rules if r.say
        }
        self._guards = [compiled(p) for p in packs if p.kind == "guard"]
        self._emergencies = [compiled(p) for p in packs if p.kind == "emergency"]
        #: Moments at which a model may be asked.
        self._asking = {r.when for p in packs for r in p.rules if r.if_.judge is not None}
        self.digest = "sha256:" + hashlib.sha256(self.canonical).hexdigest()

    @classmethod
    def compile(cls, packs: Iterable[Pack], ours: Pack | None = None) -> Rules:
        """Compile packs and an agent's own rules, and hold every rule to its own examples.

        Raises:
            ConfigurationError: a pack twice, a rule that misses what it ``catches`` or
                catches what it ``lets_pass``, rules that contradict one another, a safe
                phrase that a rule would refuse.
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
        problems = [example.problem for example in rules.examples() if example.fault]
        problems += contradictions([*rules._guards, *rules._emergencies])
        problems += rules.objections(rules.phrases)
        problems += _two_roles(every)
        if problems:
            raise ConfigurationError(problems)
        return rules

    @property
    def canonical(self) -> bytes:
        """The packs in canonical form (RFC 8785), which writes a list as its items between commas."""
        return b"[" + b",".join(compiled(pack).canonical for pack in self.packs) + b"]"

    @property
    def _every(self) -> list[Rule]:
        return [rule for pack in (*self._guards, *self._emergencies) for rule in pack.rules]

    def asks(self, tool: str) -> tuple[tuple[str, Ask], ...]:
        """Rules that may have a person decide on this tool's use, and whom they ask."""
        return tuple(
            (rule.id, spec.ask.ask)
            for pack in self._guards
            for rule in pack.rules
            if (spec := rule.spec).ask is not None and (not spec.tools or tool in spec.tools)
        )

    def examples(self, answers: Answers = UNANSWERED) -> Iterator[Tried]:
        """Every rule's own examples, tried; the rules in the order they are written.

        Args:
            answers: what a model answered on examples before.
        """
        packs = {pack.pack: pack for pack in self.packs}
        for rule in self._every:
            yield from tried(rule, packs[rule.pack.pack], answers)

    def objections(self, phrases: Mapping[str, Mapping[str, str]]) -> list[Problem]:
        """Fixed phrases that these rules would themselves refuse, for a release to be checked."""
        found = []
        for phrase, said in phrases.items():
            for language, text in said.items():
                if language not in self.languages:
                    continue
                proposal = Proposal(Effect.SPEAK, "", 0, "", text=text, language=language)
                decision = self.evaluate(proposal, answers=None)
                if decision.verdict is not Verdict.ALLOW:
                    rule = decision.verdicts[0].rule
                    message = f"the rule {rule} would refuse this fixed phrase"
                    found.append(
                        Problem(f"phrase {phrase}", 0, language, message, "change its words, or the rule")
                    )
        return found

    def found(self, moment: Moment, case: Case) -> list[tuple[RuleSpec, RuleVerdict]]:
        """What the rules of one moment find, gravest first; for moments that are not a proposal's.

        Raises:
            Exception: the rules could not be evaluated at all; one that fails by itself is found as refusing.
        """
        findings = [(rule.spec, finding) for rule, finding, _ in self._findings(moment, case)]
        return sorted(findings, key=lambda f: gravest_first(f[1]))

    def why(self, rule: str, proposal: Proposal, before: Words = EMPTY) -> list[Ground]:
        """Which lines of a rule found which words in what was judged; empty for a rule that found nothing.

        Args:
            rule: its id, ``pack/name``; one that is none of these finds nothing.
            proposal, before: as in ``evaluate``, or as in ``caller`` where the rule reads the caller's words.
        """
        for known in self._every:
            if known.id == rule:
                try:
                    return grounds(known, _case(known.spec.when, proposal, before))
                except Exception:  # noqa: BLE001  # a rule that failed, or whose model is not here any more
                    return []
        return []

    def questions(self, proposal: Proposal, before: Words = EMPTY) -> tuple[Question, ...]:
        """What models are to be asked about a proposal before it is evaluated, or (``mode: after``) later on.

        Nothing where the other rules refuse at least as gravely already: what is not said is not told to a
        judge either. Never raises; what cannot be asked stays unanswered, and refuses.

        Args:
            before: as in ``evaluate``.
        """
        moment: Moment = "tool" if proposal.effect is Effect.TOOL else "agent_says"
        if moment not in self._asking or proposal.language not in self.languages:
            return ()
        try:
            open_ = list(self._open(moment, proposal, before))
            if moment == "agent_says":  # words that a rule changes are other words, and asked about as well
                decision = self._speak(proposal, tail(before, LOOK_BACK), None)
                if decision.verdict is Verdict.REWRITE:
                    open_ += self._open(moment, replace(proposal, text=decision.text), before)
        except Exception:  # noqa: BLE001  # as below
            return ()
        return tuple({question.key: question for question in open_}.values())

    def evaluate(
        self, proposal: Proposal, before: Words = EMPTY, answers: Answers | None = UNANSWERED
    ) -> Decision:
        """Judge what the agent would say or do.

        Args:
            before: what was cleared just before in the same answer; a phrase may
                begin there, so that it cannot slip through between two clauses.
            answers: what came of ``questions``; one that is open and not answered counts as yes. None
                leaves out every rule that asks a model, as for fixed phrases, which a person has read.

        Never raises: what cannot be judged is blocked.
        """
        try:
            if proposal.language not in self.languages:
                refused = refusal("default/language", "nobody reviewed the rules for this language")
                return decide(proposal, [replace(refused, verdict=Verdict.HANDOFF)])  # nobody else can help
            if proposal.effect is Effect.TOOL:
                found = self._findings("tool", tool_case(proposal), answers, about(proposal))
                return decide(proposal, [f for _, f, _ in found])
            return self._speak(proposal, tail(before, LOOK_BACK), answers)
        except Exception:  # noqa: BLE001  # whatever went wrong may only refuse
            return decide(
                proposal, [refusal("default/engine", "rule failed: the rules could not be evaluated")]
            )

    def caller(self, proposal: Proposal) -> Decision:
        """Judge what the caller said (``proposal.caller_said``), before the model is asked.

        Rules with ``when: caller_says``; ALLOW means the words go to the model.
        Emergencies are not looked for here, but in ``emergency``. Never raises.
        """
        try:
            case = _case("caller_says", proposal)
            return decide(proposal, [f for _, f, _ in self._findings("caller_says", case)])
        except Exception:  # noqa: BLE001  # as above
            return decide(
                proposal, [refusal("default/engine", "rule failed: the rules could not be evaluated")]
            )

    def emergency(self, text: str, language: str) -> RuleVerdict | None:
        """The gravest emergency in what the caller said; its ``say`` is the script's phrase id."""
        said = words(text)
        case = Case(said, said, 0, text, "", {}, language)
        worst: RuleVerdict | None = None
        mine = [pack for pack in self._emergencies if language in pack.pack.languages]
        for pack in mine or self._emergencies:  # a language nobody reviewed: all of them
            for rule, spans in pack.candidates("caller_says", case):
                try:
                    applies = rule.applies(case, spans) is not None
                except Exception:  # noqa: BLE001  # a broken emergency rule that was named counts as one
                    applies = True
                if applies:
                    finding = rule.finding(language)
                    if worst is None or finding.risk > worst.risk:
                        worst = finding
        return worst

    def script(self, rule: str, language: str, place: str) -> str:
        """What to say where an emergency was found: the phrase that names the numbers of the place.

        Args:
            rule: that found it, ``pack/name``. Another place's pack words it under the same name.
            place: jurisdiction of the line, such as ``us-il``; "" is unknown, and the rule's own words stand.

        Returns:
            The phrase's id; "" where no pack has words for the place in this language.
        """
        own, _, name = rule.partition("/")
        here = [p for p in self.packs if p.kind == "emergency" and p.speaks_for(place)]
        here.sort(key=lambda pack: pack.pack != own)  # its own words before another's
        worded = [(p, spec) for p in here for spec in p.rules if language in spec.say]
        same = [(p, spec) for p, spec in worded if spec.name == name]
        return next((p.phrase_id(spec) for p, spec in (*same, *worded)), "")

    # -- inside -----------------------------------------------------------------------------------

    def _applying(self, moment: Moment, case: Case) -> tuple[list[_Applies], list[_Applies]]:
        """Rules that apply, and those that do if the model they ask says yes."""
        found: list[_Applies] = []
        asking: list[_Applies] = []
        for pack in self._guards:
            for rule, places in pack.candidates(moment, case):
                try:
                    spans = rule.applies(case, places)
                except Exception:  # noqa: BLE001  # a rule that fails refuses
                    failed = refusal(rule.id, "rule failed: it could not be evaluated", rule.spec)
                    found.append((rule, failed, ()))
                    continue
                if spans is not None:
                    applies = (rule, rule.finding(case.language), spans)
                    (found if rule.spec.if_.judge is None else asking).append(applies)
        refused = max((f.verdict for _, f, _ in found), key=lambda v: v.gravity, default=Verdict.ALLOW)
        if refused.gravity >= Verdict.BLOCK.gravity:  # a judge may only make that graver
            asking = [a for a in asking if a[1].verdict.gravity > refused.gravity]
        return found, asking

    def _open(self, moment: Moment, proposal: Proposal, before: Words) -> Iterator[Question]:
        case = _case(moment, proposal, before)
        said = tail(before, LOOK_BACK)
        earlier = said.text[said.spans[0][0] :] if said.tokens else ""
        for rule, _, _ in self._applying(moment, case)[1]:
            assert rule.spec.if_.judge is not None  # only such are open
            judge, annex_a = rule.spec.if_.judge, rule.spec.annex_a
            yield Question(rule.id, judge, about(proposal), shown(proposal, earlier), annex_a)

    def _findings(
        self, moment: Moment, case: Case, answers: Answers | None = None, subject: str = ""
    ) -> list[_Applies]:
        """What the rules find.

        Args:
            answers: as in ``evaluate``.
            subject: what an answer has to be about.
        """
        found, asking = self._applying(moment, case)
        for rule, finding, spans in asking if answers is not None else ():
            judge = rule.spec.if_.judge
            if answers is None or judge is None or judge.mode == "after":
                continue  # asked later on: it prevents nothing
            answer = answers.get((rule.id, subject))
            if answer is None or answer.yes is None:
                why = f"no answer from the judge, so the rule applies: {finding.reason}"
                found.append((rule, replace(finding, reason=why), spans))
            elif answer.yes:
                found.append((rule, finding, spans))
        return found

    def _speak(self, proposal: Proposal, before: Words, answers: Answers | None) -> Decision:
        clause = words(proposal.text)
        said = words(proposal.caller_said)
        start = len(before)

        def findings_on(text: str, new: Words) -> list[_Applies]:
            case = Case(said, join(before, new), start, text, "", {}, proposal.language)
            return self._findings("agent_says", case, answers, text)

        def changed(found: Sequence[_Applies]) -> Decision:
            return self._changed(proposal, clause, start, found, findings_on)

        found = findings_on(proposal.text, clause)
        mine = [f for _, f, _ in found if own(f)]
        if not any(f.verdict.gravity > Verdict.REWRITE.gravity for f in mine):
            return changed(found)
        # An own rule that refuses keeps none of the packs' from being asked about words they would change.
        packs = changed([applies for applies in found if not own(applies[1])])
        every = {(f.rule, f.verdict): f for f in (*mine, *packs.verdicts) if f.rule != NONE}
        return decide(proposal, list(every.values()))

    @staticmethod
    def _changed(
        proposal: Proposal,
        clause: Words,
        start: int,
        found: Sequence[_Applies],
        findings_on: Callable[[str, Words], list[_Applies]],
    ) -> Decision:
        """The decision on a clause, once what was found has changed its words where it does."""
        findings = [f for _, f, _ in found]
        rewriters = [(rule, spans) for rule, f, spans in found if f.verdict is Verdict.REWRITE]
        if not rewriters or any(f.verdict.gravity > Verdict.REWRITE.gravity for f in findings):
            return decide(proposal, findings)
        if len(rewriters) > 1:
            return decide(
                proposal, [*findings, refusal("default/rewrite", "two rules would change the words")]
            )
        rule, spans = rewriters[0]
        text = rewritten(clause, start, spans, rule.spec.rewrite_to.get(proposal.language))
        if text is None:
            return decide(proposal, [*findings, refusal("default/rewrite", "the words cannot be taken back")])
        again = [f for _, f, _ in findings_on(text, words(text))]
        if any(f.verdict is Verdict.REWRITE for f in again):
            again.append(refusal("default/rewrite", "the words still need changing after they were changed"))
        # At most a block: nobody proposed these words, and a graver verdict here could be
        # softened by a further pack that blocks the original ones.
        graver = [
            f if f.verdict is Verdict.BLOCK else replace(f, verdict=Verdict.BLOCK, say=f.say or FALLBACK)
            for f in again
            if f.verdict.gravity > Verdict.REWRITE.gravity
        ]
        if graver:
            return decide(proposal, [*findings, *graver])
        return decide(
            proposal, [replace(f, say=text) if f.verdict is Verdict.REWRITE else f for f in findings]
        )


def _two_roles(packs: Sequence[Pack]) -> list[Problem]:
    """Rules that would ask two roles about one use: neither could answer for the other."""
    first: list[tuple[str, RuleSpec]] = []
    found = []
    for pack in packs:
        for i, rule in enumerate(pack.rules):
            if rule.ask is None:
                continue
            for known, other in first:
                assert other.ask is not None  # only such are kept
                meet = not rule.tools or not other.tools or set(rule.tools) & set(other.tools)
                if meet and other.ask.role != rule.ask.role:
                    file, line, field = pack.where(i, "ask", "role")
                    message = f"{known} asks {other.ask.role} about the same tool"
                    remedy = "name one role for it, or give the rules different `tools`"
                    found.append(Problem(file, line, field, message, remedy))
                    break
            first.append((f"{pack.pack}/{rule.name}", rule))
    return found


def _case(moment: Moment, proposal: Proposal, before: Words = EMPTY) -> Case:
    said = words(proposal.caller_said)
    if moment == "tool":
        return tool_case(proposal)
    if moment in ("handoff", "call_ends"):  # their facts, where a tool's use has its arguments
        told = words(proposal.text)
        return Case(said, told, 0, proposal.text, "", {}, proposal.language, proposal.arguments)
    if moment == "caller_says":
        return Case(said, said, 0, proposal.caller_said, "", {}, proposal.language)
    looked_back = tail(before, LOOK_BACK)
    joined = join(looked_back, words(proposal.text))
    return Case(said, joined, len(looked_back), proposal.text, "", {}, proposal.language)
