"""The risk score of a clause and of a tool's use: declared features, each with points and a reason. Pure.

``configs/risk.yaml`` declares the features; nothing about them is learned or hidden. A
score is the sum of the points of the features that are there, in the order of the file,
and never more than 100: points past that are not counted, so that the reasons on record
always add up to the score. Adding a feature, or points to one, never lowers a score.

The rules decide first, and a score only adds to that: at ``block_at`` nothing is said or
done, at ``approve_at`` a tool's use waits for a person. What cannot be scored is blocked.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import rfc8785

from controls.decision import FALLBACK, Ask, Decision, Effect, Proposal, RiskReason, RuleVerdict, Verdict
from controls.ledger import records as r
from controls.risk_file import Feature, RiskFile, as_plain
from controls.rules.condition import tool_case
from controls.rules.matchers import Words, compile_phrase, numbers, words
from controls.rules.phrase_index import PhraseIndex

#: How long somebody has to decide on what its risk alone makes wait, s.
APPROVAL_S = 60

#: The finding of a score that reached a limit, and of one that could not be made.
RISK_RULE, UNSCORED_RULE = "default/risk", "default/risk-failed"
#: The highest score there is; a limit above it is never reached.
MOST = 100
NEVER = MOST + 1
_ANNEX_A = ("A.9.2", "A.9.3")
#: A word for money behind a number; ``matchers.words`` reads the signs as these.
_MONEY = frozenset(("dollar", "dollars", "euro", "euros", "pound", "pounds", "dolar", "dolares", "libras"))
_AMOUNT = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Limits:
    """From which score on what happens, 1 to 100; ``NEVER`` (101) is never reached.

    Attributes:
        block_at: neither spoken nor done.
        approve_at: a tool's use waits for a person; a clause is not asked about.
        approve_by: the role whose decision that is, of configs/people.yaml.
        within_s: how long the caller waits for it, s.
    """

    block_at: int = NEVER
    approve_at: int = NEVER
    approve_by: str = ""
    within_s: int = 60

    def tightened(self, block_at: int | None, approve_at: int | None) -> Limits:
        """These limits or the given ones, whichever are lower; None gives none."""
        return replace(
            self,
            block_at=min(self.block_at, NEVER if block_at is None else block_at),
            approve_at=min(self.approve_at, NEVER if approve_at is None else approve_at),
        )


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a score looks at besides the proposal and the rules' findings.

    Attributes:
        tool_class: the tool's risk class; "" for a clause.
        undoable: a declared tool takes it back, or a wrong use costs little.
        first_use: the tool was not cleared before in this call.
        confidence: how sure recognition was of what the caller said, 0 to 1; None when nothing was said.
    """

    tool_class: Literal["", "low", "medium", "high"] = ""
    undoable: bool = True
    first_use: bool = False
    confidence: float | None = None


#: Of a clause answered to nothing the caller said.
NO_CIRCUMSTANCES = Circumstances()


@dataclass(frozen=True, slots=True)
class Score:
    """0 to 100; the points of its reasons add up to it."""

    points: int
    reasons: tuple[RiskReason, ...]


@dataclass
class _Case:
    """What one score looks at; words are normalised only when a feature asks for them."""

    proposal: Proposal
    found: int
    around: Circumstances
    hits: dict[str, frozenset[int]]

    @cached_property
    def proposed(self) -> Words:
        if self.proposal.effect is Effect.TOOL:
            return tool_case(self.proposal).words
        return words(self.proposal.text)


class RiskModel:
    """Declared features, compiled. Immutable; one object serves every call of a release.

    Attributes:
        file: what it was compiled from.
        limits: from which score on what happens.
        digest: ``sha256:…`` over the canonical features (RFC 8785); the limits are not in it.
    """

    def __init__(self, file: RiskFile, limits: Limits | None = None) -> None:
        self.file = file
        self.limits = limits or Limits()
        self.digest = "sha256:" + hashlib.sha256(rfc8785.dumps(dict(as_plain(file)))).hexdigest()
        self._of = {
            Effect.SPEAK: [i for i, f in enumerate(file.features) if "clause" in f.of],
            Effect.TOOL: [i for i, f in enumerate(file.features) if "tool" in f.of],
        }
        #: Place and language → the phrases of every feature that looks there, by the feature's number.
        self._phrases = {
            (place, str(language)): _index(file.features, place, str(language))
            for place in ("said", "proposed")
            for language in file.languages
        }

    def with_limits(self, limits: Limits) -> RiskModel:
        """The same features under other limits."""
        return RiskModel(self.file, limits)

    def in_said(self, said: str, language: str) -> frozenset[int]:
        """Numbers of the features whose words are in what the caller said."""
        index = self._phrases.get(("said", language))
        return frozenset(index.find(words(said))) if index is not None and said else frozenset()

    def score(
        self,
        proposal: Proposal,
        found: int,
        around: Circumstances = NO_CIRCUMSTANCES,
        in_said: frozenset[int] | None = None,
    ) -> Score:
        """The score of a clause or a tool's use.

        Args:
            found: the highest risk a rule found, 0 to 100.
            in_said: ``in_said`` of the proposal's words, where that is known already.

        Raises:
            KeyError: the proposal would neither speak nor use a tool.
        """
        case = _Case(proposal, found, around, {} if in_said is None else {"said": in_said})
        total = 0
        reasons = []
        for i in self._of[proposal.effect]:
            feature = self.file.features[i]
            points = _points(feature.points, self._strength(i, feature, case))
            if points:
                counted = min(points, MOST - total)
                total += counted
                reasons.append(RiskReason(feature.name, counted))
        return Score(total, tuple(reasons))

    def weigh(
        self,
        decision: Decision,
        around: Circumstances = NO_CIRCUMSTANCES,
        in_said: frozenset[int] | None = None,
    ) -> Decision:
        """The decision with its score, its reasons, and whatever verdict the limits add. Never raises."""
        try:
            score = self.score(decision.proposal, decision.risk, around, in_said)
        except Exception:  # noqa: BLE001  # whatever went wrong may only refuse
            return _stopped(decision, Verdict.BLOCK, UNSCORED_RULE, MOST, "the risk could not be scored")
        scored = replace(decision, risk=score.points, reasons=score.reasons)
        if scored.verdict in (Verdict.BLOCK, Verdict.HANDOFF):
            return scored
        if score.points >= self.limits.block_at:
            return _stopped(scored, Verdict.BLOCK, RISK_RULE, score.points, _why(score, self.limits.block_at))
        asked = scored.verdict is Verdict.APPROVE  # whoever a rule or the agent names decides
        if decision.proposal.effect is Effect.TOOL and score.points >= self.limits.approve_at and not asked:
            why = _why(score, self.limits.approve_at)
            ask = Ask(self.limits.approve_by, APPROVAL_S)
            return _stopped(scored, Verdict.APPROVE, RISK_RULE, score.points, why, ask)
        return scored

    # -- inside -----------------------------------------------------------------------------------

    def _strength(self, i: int, feature: Feature, case: _Case) -> float:
        """How much of the feature is there, 0 to 1."""
        around = case.around
        match feature.looks_at:
            case "findings":
                return case.found / MOST
            case "words":
                return float(i in self._hits(feature.in_ or "proposed", case))
            case "numbers":
                return min(1.0, len(numbers(case.proposed)) / feature.full_at)
            case "amount":
                return float(max(_amounts(case, feature.arguments), default=0.0) >= feature.from_)
            case "tool_class":
                return feature.shares[around.tool_class or "high"] / 100
            case "no_undo":
                return float(not around.undoable)
            case "first_use":
                return float(around.first_use)
            case "confidence":
                return 0.0 if around.confidence is None else max(0.0, 1 - around.confidence / feature.under)
            case _:
                return feature.shares[self.file.state_of(case.proposal.language)] / 100

    def _hits(self, place: str, case: _Case) -> frozenset[int]:
        """Numbers of the features with words in that place."""
        if place not in case.hits:
            language = case.proposal.language
            if place == "said":
                case.hits[place] = self.in_said(case.proposal.caller_said, language)
            else:
                index = self._phrases.get((place, language))
                case.hits[place] = frozenset(index.find(case.proposed)) if index is not None else frozenset()
        return case.hits[place]


class CallRisk:
    """One call's scoring: which tools were cleared in it, and what its newest words were found to hold.

    Not thread-safe, as the gate that owns it.
    """

    def __init__(self, model: RiskModel) -> None:
        self._model = model
        self._tools: set[str] = set()
        self._said: tuple[str, frozenset[int]] | None = None

    def weigh(self, decision: Decision, around: Circumstances = NO_CIRCUMSTANCES) -> Decision:
        """As ``RiskModel.weigh``; ``first_use`` is known here. Never raises."""
        proposal = decision.proposal
        try:
            if self._said is None or self._said[0] != proposal.caller_said:
                # several clauses answer the same words
                found = self._model.in_said(proposal.caller_said, proposal.language)
                self._said = (proposal.caller_said, found)
            in_said = self._said[1]
        except Exception:  # noqa: BLE001  # scoring fails in the same way, and refuses
            self._said = in_said = None
        if proposal.effect is Effect.TOOL:
            around = replace(around, first_use=proposal.tool not in self._tools)
        return self._model.weigh(decision, around, in_said)

    def cleared(self, tool: str) -> None:
        """A use of the tool was cleared."""
        self._tools.add(tool)


def points_of(decision: Decision | None) -> tuple[r.RiskPoints, ...]:
    """What a decision's score is made of, for what is sealed beside its record; empty without one."""
    reasons = decision.reasons if decision is not None else ()
    return tuple(r.RiskPoints(feature=reason.feature, points=reason.points) for reason in reasons)


def _points(most: int, strength: float) -> int:
    """Whole points, halves rounded up."""
    return int(most * min(1.0, max(0.0, strength)) + 0.5)


def _index(features: Sequence[Feature], place: str, language: str) -> PhraseIndex:
    return PhraseIndex(
        (i, compile_phrase(phrase))
        for i, feature in enumerate(features)
        if feature.looks_at == "words" and feature.in_ == place
        for phrase in feature.phrases.get(language, ())
    )


def _why(score: Score, limit: int) -> str:
    names = ", ".join(reason.feature for reason in score.reasons)
    return f"the risk of {score.points} reaches the limit of {limit}: {names}"


def _stopped(
    decision: Decision, verdict: Verdict, rule: str, risk: int, why: str, ask: Ask | None = None
) -> Decision:
    """The decision with one finding more, which decides."""
    say = FALLBACK if verdict is Verdict.BLOCK else ""
    found = RuleVerdict(rule, verdict, _ANNEX_A, risk, why, say, ask)
    others = tuple(f for f in decision.verdicts if f.verdict is not Verdict.ALLOW)
    return replace(decision, verdict=verdict, verdicts=(found, *others), risk=risk, text="", phrase=say)


# --- amounts --------------------------------------------------------------------------------------


def _amounts(case: _Case, arguments: Sequence[str]) -> Iterator[float]:
    """Amounts of money in what is proposed: numbers with a currency, and the named arguments' values."""
    yield from spoken_amounts(case.proposed)
    if case.proposal.effect is Effect.TOOL and arguments:
        for value in _named(case.proposal.arguments, frozenset(arguments)):
            found = _AMOUNT.search(str(value))
            if found is not None:
                yield float(found.group().replace(",", ""))


def spoken_amounts(text: Words) -> Iterator[float]:
    """Amounts in whole units of a currency: "120 dollars", "$120.50", "a hundred and twenty euros"."""
    first = 0
    for i, token in enumerate(text.tokens):
        if i in text.breaks:
            first = i  # no number reaches over the end of a sentence
        if token.isdigit():
            continue
        if token in _MONEY and first < i:
            digits = "".join(text.tokens[first:i])
            written = _AMOUNT.search(text.text, text.spans[first][0], text.spans[i][1])
            same = written is not None and re.sub(r"\D", "", written.group()) == digits
            # as written, where that is the same number: 5.50 is read as 5 5 0
            yield float(written.group().replace(",", "") if written is not None and same else digits)
        first = i + 1


def _named(value: Any, names: frozenset[str]) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in names and not isinstance(inner, Mapping | list | tuple):
                yield inner
            else:
                yield from _named(inner, names)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _named(inner, names)
