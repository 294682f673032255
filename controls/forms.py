"""One clause in several forms, each judged after what was cleared before it in that form. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from controls.decision import Decision, Proposal
from controls.rules.engine import LOOK_BACK, Rules
from controls.rules.judges import UNANSWERED, Answers, Key, Question
from controls.rules.matchers import EMPTY, Words, join, tail, words


class Before:
    """What was cleared just before in the same turn, in each of its forms."""

    def __init__(self) -> None:
        self._turn = 0
        self._forms: tuple[Words, ...] = ()

    def questions(self, rules: Rules, proposal: Proposal, forms: Sequence[str]) -> tuple[Question, ...]:
        """What models are to be asked about a clause: about each form that differs, the spoken one first."""
        before = self._in(proposal.turn)
        found: dict[Key, Question] = {}
        for i, form in enumerate((proposal.text, *forms)):
            for question in rules.questions(replace(proposal, text=form), _at(before, i)):
                found.setdefault(question.key, question)
        return tuple(found.values())

    def judge(
        self, rules: Rules, proposal: Proposal, forms: Sequence[str], answers: Answers = UNANSWERED
    ) -> list[Decision]:
        """A decision on each form, the spoken one first; equal forms after equal words are judged once."""
        before = self._in(proposal.turn)
        judged: dict[tuple[str, tuple[str, ...]], Decision] = {}
        decisions = []
        for i, form in enumerate((proposal.text, *forms)):
            earlier = _at(before, i)
            key = (form, earlier.tokens)
            if key not in judged:
                judged[key] = rules.evaluate(replace(proposal, text=form), earlier, answers)
            decisions.append(judged[key])
        return decisions

    def remember(self, turn: int, forms: Sequence[str]) -> None:
        """Keep the end of what was cleared, in each of its forms; equal ones are kept once."""
        before = self._in(turn)
        kept: list[Words] = []
        for i, form in enumerate(forms):
            same = next((j for j in range(i) if forms[j] == form and _at(before, j) == _at(before, i)), None)
            kept.append(kept[same] if same is not None else _newest(_at(before, i), form))
        self._turn, self._forms = turn, tuple(kept)

    def _in(self, turn: int) -> tuple[Words, ...]:
        return self._forms if self._turn == turn else ()


def _newest(before: Words, form: str) -> Words:
    return tail(join(before, words(form)), LOOK_BACK)


def _at(before: Sequence[Words], form: int) -> Words:
    """What was cleared before in one form; the spoken one for a form that was not given then."""
    return before[form] if form < len(before) else before[0] if before else EMPTY
