"""What a scripted conversation expected against what the record holds. Pure.

Nothing here asks a stage: words count once ``agent.played`` says so, a verdict
once ``clause.cleared`` or ``clause.refused`` does. Every failure is a sentence
that names the expectation and what was found instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from controls.decision import Verdict
from controls.ledger import records as r
from voice_runtime.eval_file import Expected, Handoff, Outcome, ToolExpected
from voice_runtime.phrases import plain
from voice_runtime.speak.spoken import Reader

Entry = tuple[r.Record, r.Personal | None]
_R = TypeVar("_R", bound=r.Record)
_P = TypeVar("_P", bound=r.Personal)

_TOOLS: dict[str, type[r.ToolRecord]] = {
    "executed": r.ToolExecuted, "refused": r.ToolRefused, "unknown": r.ToolUnknown,
}  # fmt: skip
_WITH_VERDICTS = (r.ClauseCleared, r.ClauseRefused, r.ToolRequested, r.ToolRefused)


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of one call's records, in order, with their personal content; and rows booked meanwhile.

    ``reader``: the call's, so that expectations may be written as people write ("at 10:30").
    """

    entries: Sequence[Entry]
    rows: int = 0
    reader: Reader | None = None

    def played(self, text: str) -> bool:
        """Whether these words sounded, as they are written or as they are spoken."""
        said = f" {plain(self.words)} "
        forms = {plain(text), plain(self.reader.read(text).text) if self.reader else ""} - {""}
        return any(f" {form} " in said for form in forms)

    def of(self, record: type[_R], personal: type[_P]) -> Iterator[tuple[_R, _P]]:
        """The records of a type whose personal content was sealed with them."""
        for found, sealed in self.entries:
            if isinstance(found, record) and isinstance(sealed, personal):
                yield found, sealed

    def has(self, *records: type[r.Record]) -> bool:
        return any(isinstance(found, records) for found, _ in self.entries)

    @property
    def words(self) -> str:
        """Everything that was played, in order."""
        played = [p.played_text for _, p in self.of(r.AgentPlayed, r.PlayedDetails)]
        return " ".join(text for text in played if text)

    @property
    def verdicts(self) -> list[r.Found]:
        """Every rule's finding on a clause or a tool."""
        found: list[r.Found] = []
        for record, sealed in self.entries:
            if isinstance(record, _WITH_VERDICTS) and isinstance(sealed, r.ClauseDetails | r.ToolDetails):
                found += sealed.verdicts
        return found

    @property
    def handoff(self) -> Handoff:
        """What the way to a person came to, as far as it got."""
        if self.has(r.HandoffCompleted):
            return "transferred"
        if self.has(r.CallbackPromised):
            return "callback"
        return "nobody" if self.has(r.HandoffRequested, r.HandoffFailed) else "none"


def judge(expected: Expected, part: Part) -> list[str]:
    """Every way in which ``part`` is not what was expected."""
    return [
        *_words(expected.says, expected.never_says, part),
        *_phrase(expected, part),
        *_verdict(expected, part),
        *_addressed(expected, part),
        *(_tool(expected.tool, part) if expected.tool else ()),
        *_differs("rows", expected.rows, part.rows),
        *_differs("handoff", expected.handoff, part.handoff),
        *_emergency(expected, part),
    ]


def judge_outcome(expected: Outcome, part: Part) -> list[str]:
    """Every way in which the whole call is not what was expected."""
    types = [record.type for record, _ in part.entries]
    closed = [record for record, _ in part.entries if isinstance(record, r.CallClosed)]
    ended_by = closed[0].ended_by if closed else "nobody: it was never closed"
    found = _words((), expected.never_says, part)
    found += _differs("rows", expected.rows, part.rows)
    found += _differs("handoff", expected.handoff, part.handoff)
    found += _differs("emergency", expected.emergency, part.has(r.EmergencyDetected))
    found += _differs("ended_by", expected.ended_by, ended_by)
    found += [f"records: expected {name}, found none" for name in expected.records if name not in types]
    found += [
        f"never_records: {name} was found {types.count(name)} time(s)"
        for name in expected.never_records
        if name in types
    ]
    return found


def settled(part: Part) -> list[str]:
    """What a complete record of a call must have, whatever was expected of it."""
    found = []
    if sum(isinstance(record, r.CallClosed) for record, _ in part.entries) != 1:
        found.append("the call was not closed exactly once")
    played = [record.clause for record, _ in part.entries if isinstance(record, r.AgentPlayed)]
    cleared = [record.clause for record, _ in part.entries if isinstance(record, r.ClauseCleared)]
    if owed := len(set(cleared) - set(played)):
        found.append(f"{owed} cleared clause(s) have no agent.played")
    if len(played) != len(set(played)):
        found.append("a clause has more than one agent.played")
    begun = [record.use for record, _ in part.entries if isinstance(record, r.CaptureStarted)]
    ended = [record.use for record, _ in part.entries if isinstance(record, r.CaptureEnded)]
    if begun != ended:
        found.append(f"{len(begun)} entries by keys began, and {len(ended)} ended")
    return found


# --- one expectation each -------------------------------------------------------------------------


def _differs(what: str, expected: object, found: object) -> list[str]:
    if expected is None or expected == found:
        return []
    return [f"{what}: expected {expected}, found {found}"]


def _words(says: Sequence[str], never_says: Sequence[str], part: Part) -> list[str]:
    found = [
        f'says: expected "{text}", but what was played is "{part.words}"'
        for text in says
        if not part.played(text)
    ]
    found += [
        f'never_says: "{text}" was played, in "{part.words}"' for text in never_says if part.played(text)
    ]
    return found


def _phrase(expected: Expected, part: Part) -> list[str]:
    if expected.phrase is None:
        return []
    spoken = {
        str(details.phrase): record.samples and not record.interrupted
        for record, details in part.of(r.AgentPlayed, r.PlayedDetails)
        if details.phrase is not None
    }
    if spoken.get(expected.phrase):
        return []
    cut = " (it was cut)" if expected.phrase in spoken else ""
    others = ", ".join(sorted(spoken)) or "no fixed phrase"
    return [f"phrase: expected {expected.phrase} in full, found {others}{cut}"]


def _verdict(expected: Expected, part: Part) -> list[str]:
    found: list[str] = []
    verdicts = part.verdicts
    if expected.verdict is not None:
        gravest = max((v.verdict for v in verdicts), key=lambda v: Verdict(v).gravity, default=None)
        found += _differs("verdict", expected.verdict, gravest.value if gravest else "no clause judged")
    if expected.rule is not None and expected.rule not in (rules := [v.rule for v in verdicts]):
        found.append(f"rule: expected {expected.rule}, found {', '.join(dict.fromkeys(rules)) or 'none'}")
    return found


def _addressed(expected: Expected, part: Part) -> list[str]:
    to = [record.addressed for record, _ in part.of(r.CallerSaid, r.SaidDetails)]
    if expected.addressed is None or expected.addressed in to:
        return []
    return [f"addressed: expected {expected.addressed}, found {', '.join(to) or 'nothing said'}"]


def _emergency(expected: Expected, part: Part) -> list[str]:
    rules = [details.rule for _, details in part.of(r.EmergencyDetected, r.EmergencyDetails)]
    if expected.emergency is None or expected.emergency in rules:
        return []
    return [f"emergency: expected {expected.emergency}, found {', '.join(rules) or 'none'}"]


def _tool(expected: ToolExpected, part: Part) -> list[str]:
    if expected.outcome == "asked":
        return _asked(expected, part)
    kind = _TOOLS[expected.outcome]
    uses = [
        details
        for record, details in part.of(kind, r.ToolDetails)
        if details.name == expected.name and not (isinstance(record, r.ToolExecuted) and not record.ok)
    ]
    if any(_fits(expected, details.arguments) for details in uses):
        return []
    if uses:
        return [
            f"tool: {expected.name} was {expected.outcome} with {uses[0].arguments}, not {expected.arguments}"
        ]
    others = [f"{record.type} {details.name}" for record, details in part.of(r.ToolRecord, r.ToolDetails)]
    return [f"tool: expected {expected.name} {expected.outcome}, found {', '.join(others) or 'no tool'}"]


def _asked(expected: ToolExpected, part: Part) -> list[str]:
    """The model wanted it, the caller was told of every value, and nothing has come of it yet."""
    wanted = [
        use
        for _, decided in part.of(r.TurnDecided, r.DecidedDetails)
        for use in decided.tools
        if use.name == expected.name and _fits(expected, use.arguments)
    ]
    if not wanted:
        return [f"tool: expected the model to ask for {expected.name}, and it did not"]
    done = [
        record.type
        for record, details in part.of(r.ToolRecord, r.ToolDetails)
        if details.name == expected.name
    ]
    if done:
        return [f"tool: expected {expected.name} to wait for a yes, found {', '.join(done)}"]
    unheard = [n for n, value in wanted[-1].arguments.items() if not part.played(str(value))]
    return [f"tool: {expected.name} was not read back: {', '.join(unheard)}"] if unheard else []


def _fits(expected: ToolExpected, arguments: dict[str, object]) -> bool:
    return all(
        str(arguments.get(name, "")).casefold() == value.casefold()
        for name, value in expected.arguments.items()
    )
