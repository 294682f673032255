"""One call's rules for the moments a person is fetched and the call ends: decided, and on record. Pure.

No rule stands in a person's way, and none keeps a caller on the line. What a rule finds about the words for a
person keeps them back or has another desk tried first; what it finds as the agent would end the call keeps it
on the line once. A rule that fails, or rules that cannot be evaluated, keep words back and stop no end twice.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from controls.decision import FALLBACK, Recorder, RuleVerdict, Verdict
from controls.errors import LedgerError
from controls.findings import as_found
from controls.ledger import records as r
from controls.rules.condition import Case
from controls.rules.deciding import said_instead
from controls.rules.engine import Rules
from controls.rules.matchers import EMPTY, words
from controls.rules.model import Moment, RuleSpec
from controls.rules.moments import CallFacts, HandoffFacts

#: The finding where the rules of a moment could not be evaluated at all.
_BROKEN = RuleVerdict("default/engine", Verdict.BLOCK, ("A.9.2",), 100, "the rules could not be evaluated")
#: Ends after which nobody is fetched any more: somebody has the caller's number, or they want no calls.
_NO_PERSON = frozenset(("callback", "opted_out"))
_Findings = list[tuple[RuleSpec | None, RuleVerdict]]


@dataclass(frozen=True, slots=True)
class Told:
    """What a person may be told, and who is tried first.

    Attributes:
        text: the words, or "" where they are kept back.
        to: a desk, or "" for the agent's own order.
    """

    text: str
    to: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """Whether the agent may end the call now.

    Attributes:
        phrase: fixed phrase to say first, or "".
        rule: whose finding decides, ``pack/name``.
        person: a person is fetched; otherwise the call ends behind the phrase.
    """

    refused: bool = False
    phrase: str = ""
    rule: str = ""
    person: bool = False


class Moments:
    """One call's. Not thread-safe, as its gate."""

    def __init__(
        self,
        recorder: Recorder,
        rules: Rules,
        *,
        tenant: str,
        call: str,
        language: str,
        bound: Callable[[str], bool],
    ) -> None:
        """Make it.

        Args:
            bound: whether a fixed phrase may be spoken in this call.
        """
        self._recorder, self._rules = recorder, rules
        self._tenant, self._call, self._language = tenant, call, language
        self._bound = bound
        self._refused: set[str] = set()  # rules that have kept the agent on the line, once each
        self._told: dict[tuple[str, str], Told] = {}

    def handoff(self, handoff: str, text: str, facts: HandoffFacts, turn: int) -> Told:
        """What a person may be told of a call. Never raises; the same words are judged once for a handoff.

        Args:
            handoff: its id, ``h_…``.
            text: what would be told.
        """
        known = self._told.get((handoff, text))
        if known is None:
            known = self._told[handoff, text] = self._handoff(handoff, text, facts, turn)
        return known

    def _handoff(self, handoff: str, text: str, facts: HandoffFacts, turn: int) -> Told:
        said = words(text)
        found = self._found("handoff", Case(EMPTY, said, 0, text, "", {}, self._language, facts.model_dump()))
        if not found:
            return Told(text)
        withheld = any(finding.verdict is Verdict.BLOCK or _failed(finding) for _, finding in found)
        to = next((spec.to for spec, f in found if spec is not None and spec.to and not _failed(f)), "")
        to = "" if facts.by == "emergency" else to  # it goes where the agent's own order sends it, at once
        self._append(
            r.HandoffJudged(
                tenant=self._tenant, call=self._call, turn=turn, handoff=handoff, withheld=withheld,
                routed=bool(to), risk=max(f.risk for _, f in found), annex_a=_annex_a(found),
            ),
            r.HandoffWordsDetails(
                text=text, verdicts=as_found([f for _, f in found]), facts=facts.model_dump(), desk=to
            ),
        )  # fmt: skip
        return Told("" if withheld else text, to)

    def end(self, facts: CallFacts, turn: int, *, over: bool = False) -> End:
        """Whether the call may end as it is about to. Never raises.

        Only the agent is ever refused, and by each rule once; what is found of others' ends is on record.

        Args:
            over: it ends now, whatever is found.
        """
        case = Case(EMPTY, EMPTY, 0, "", "", {}, self._language, facts.model_dump())
        found = [f for f in self._found("call_ends", case) if f[1].rule not in self._refused]
        if not found:
            return End()
        self._refused.update(finding.rule for _, finding in found)
        worst = found[0][1]
        end = End(rule=worst.rule) if over or facts.ended_by != "agent" else self._end(found, facts.reason)
        self._append(
            r.EndingJudged(
                tenant=self._tenant, call=self._call, turn=turn, ended_by=facts.ended_by, refused=end.refused,
                verdict=worst.verdict, risk=max(f.risk for _, f in found), annex_a=_annex_a(found),
            ),
            r.EndingDetails(
                verdicts=as_found([f for _, f in found]), facts=facts.model_dump(mode="json"),
                instead=end.phrase or None,
            ),
        )  # fmt: skip
        return end

    def _end(self, found: _Findings, reason: str) -> End:
        worst = found[0][1]
        fallback = FALLBACK if worst.verdict is Verdict.BLOCK else ""
        wanted = said_instead([finding for _, finding in found]) or fallback
        phrase = next((p for p in (wanted, FALLBACK) if wanted and self._bound(p)), "")
        person = (worst.verdict is Verdict.HANDOFF or not phrase) and reason not in _NO_PERSON
        return End(person or bool(phrase), phrase, worst.rule, person)

    def _found(self, moment: Moment, case: Case) -> _Findings:
        try:
            return [*self._rules.found(moment, case)]
        except Exception:  # noqa: BLE001  # whatever went wrong: words are kept back, an end waits once
            return [(None, _BROKEN)]

    def _append(self, record: r.Record, personal: r.Personal) -> None:
        with suppress(LedgerError):  # neither a person nor an end waits for the ledger
            self._recorder.append(record, personal)


def _failed(finding: RuleVerdict) -> bool:
    return finding.reason.startswith("rule failed")


def _annex_a(found: _Findings) -> tuple[str, ...]:
    return tuple(dict.fromkeys(a for _, finding in found for a in finding.annex_a))
