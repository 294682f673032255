"""A model asked as a judge: what a rule asks it, and what an answer counts for. Pure.

A rule's ``judge`` is looked at last: the question is open only where everything else of the rule applies.
With ``mode: before`` the answer decides whether the rule applies, and no answer counts as yes: whatever was
late, broken or unreadable may only refuse. With ``mode: after`` nothing waits for the answer, and it prevents
nothing: a yes is entered as ``control.missed``. Nothing here asks anybody; whoever does hands the answers in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, StringConstraints

from controls.decision import Effect, Proposal
from controls.documents import Document
from controls.ledger.records import Slug

if TYPE_CHECKING:
    from controls.rules.model import RuleSpec

Mode = Literal["before", "after"]
#: Longest wait of a caller for a judge, and longest time of one that nobody waits for, ms.
MOST_BEFORE_MS, MOST_AFTER_MS = 2000, 10_000
#: Why there is no answer. ``not_asked``: nobody may be asked; ``withdrawn``: nobody waits for it any more.
NoAnswer = Literal["deadline", "failed", "nonsense", "not_asked", "withdrawn"]


class JudgeSpec(Document):
    """A question to a model, as a rule writes it.

    Attributes:
        asks: a question about the clause, or about the tool's use, whose yes makes the rule apply.
        supplier: who is asked: a model endpoint of the profile, by its name in configs/suppliers.yaml.
        within_ms: how long the answer may take, ms.
        mode: whether what is judged waits for the answer.
    """

    asks: Annotated[str, StringConstraints(strip_whitespace=True, min_length=10, max_length=400)]
    supplier: Slug
    within_ms: int = Field(ge=50, le=MOST_AFTER_MS)
    mode: Mode = "before"

    @property
    def digest(self) -> str:
        """``sha256:…`` of the question's exact words."""
        return "sha256:" + hashlib.sha256(self.asks.encode()).hexdigest()


#: Which rule's question (``pack/name``), and what it is about (``Question.about``).
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Question:
    """One open question.

    Attributes:
        rule: ``pack/name``.
        about: the clause, or the tool's use as JSON: exactly what the answer is about.
        shown: the same as a model is shown it, with what the agent said just before in the same answer.
        annex_a: what the rule counts for.
    """

    rule: str
    spec: JudgeSpec
    about: str = field(repr=False)
    shown: Mapping[str, Any] = field(default_factory=dict, repr=False)
    annex_a: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        return (self.rule, self.about)


@dataclass(frozen=True, slots=True)
class JudgeAnswer:
    """What became of a question: ``yes`` and ``no`` were answered; None was not, and ``why`` says why."""

    yes: bool | None
    why: NoAnswer | Literal[""] = ""


Answers = Mapping[Key, JudgeAnswer]
#: Nobody was asked anything: every open question counts as yes.
UNANSWERED: Answers = {}


def about(proposal: Proposal) -> str:
    """What a question on this proposal is about: the clause, or the tool's use in one canonical line."""
    if proposal.effect is Effect.TOOL:
        use = {"tool": proposal.tool, "arguments": proposal.arguments}
        return json.dumps(use, sort_keys=True, ensure_ascii=False, default=str)
    return proposal.text


def shown(proposal: Proposal, before: str) -> dict[str, Any]:
    """What a model is shown: the clause and what was said just before it, or the tool's use."""
    if proposal.effect is Effect.TOOL:
        return {"tool": proposal.tool, "arguments": dict(proposal.arguments)}
    return {"clause": proposal.text, **({"said_before": before} if before else {})}


_Fault = tuple[tuple[int | str, ...], str, str]


def faults_of(rule: RuleSpec) -> Iterator[_Fault]:
    """What is wrong with a rule's judge beside the rest of the rule."""
    judge = rule.if_.judge
    if judge is None:
        return
    if rule.when not in ("agent_says", "tool"):
        remedy = "take `judge` away, or write `when: agent_says` or `when: tool`"
        yield ("if", "judge"), f"nobody can be asked in `when: {rule.when}`", remedy
    if judge.mode == "after" and rule.then != "allow":
        remedy = "write `then: allow`, or `mode: before`"
        yield ("then",), "what is asked afterwards stops nothing: it only tells what was missed", remedy
    if judge.mode == "before" and rule.then in ("allow", "rewrite"):
        remedy = "write block, handoff or, for a tool, approve"
        yield ("then",), "without an answer the rule has to refuse", remedy
    if judge.mode == "before" and judge.within_ms > MOST_BEFORE_MS:
        remedy = f"give at most {MOST_BEFORE_MS} ms, or write `mode: after`"
        yield ("if", "judge", "within_ms"), "a caller would wait too long", remedy


def asks_about_everything(rule: RuleSpec) -> bool:
    """Whether the model is asked about every clause, or every use; each of them costs the wait."""
    condition: Any = rule.if_
    narrowed = condition.phrases or condition.together or condition.cel or condition.like or rule.tools
    return condition.judge is not None and not narrowed
