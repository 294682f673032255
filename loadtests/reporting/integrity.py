"""What a load has to keep besides its targets: speech without gaps, a record of every audible event. Pure.

A system that answers in time but stutters, or of which something sounded that no record tells of, did not
carry its load. What is missing is named: an entry of ``Completeness`` is a sentence with the clause, the
record or the moment in it; without these it is the *kind* under which entries are counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from loadtests.ramp import MOST_GAPS_PERCENT, gaps_in_answers
from loadtests.reporting.loads import OF_THE_TEST, Load, Setting, tested
from loadtests.reporting.verdict import Judgement, Overall, calls_words, overall
from loadtests.results import Call, Completeness

SPEECH = "agent's speech without a gap of 40 ms or more"
RECORDS = "every audible event on record, every record audible"
#: Calls that are named for each kind of flaw.
_NAMED = 3
_SIDES = {
    "missing": "sounded, no record",
    "silent": "on record, did not sound",
    "unsettled": "on record, never settled",
}
_MOMENT = re.compile(r"^\d+ to \d+ ms: ")
_WHICH = re.compile(r"^[^:]{1,60}: ")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Kept:
    """One of the two lines in one setting, over all its loads."""

    title: str
    setting: Setting
    near: Overall


def kept(by_setting: Mapping[Setting, Sequence[Load]]) -> list[Kept]:
    """Both lines for every setting in which ours, or a server somebody named, was called."""
    found = []
    for setting, of_setting in by_setting.items():
        if ours := tested(of_setting):
            found.append(Kept(SPEECH, setting, overall([judge_speech(load) for load in ours])))
            found.append(Kept(RECORDS, setting, overall([judge_records(load) for load in ours])))
    return found


def gaps(load: Load) -> tuple[int, int]:
    """Gaps of at least 40 ms in the agent's speech, and answers that were waited for and came."""
    return gaps_in_answers(load.calls, load.turns)


def judge_speech(load: Load) -> Judgement:
    """At most 5 gaps for each hundred answers."""
    if not load.valid:
        return Judgement(load, "not decidable", None, "the run does not count")
    count, answers = gaps(load)
    if not answers:
        return Judgement(load, "not decidable", None, "no answer that was waited for came")
    percent = 100 * count / answers
    counted = f"{count:,} gap{'' if count == 1 else 's'} in {answers:,} answers"
    why = f"{counted}, {percent:.1f} % of at most {MOST_GAPS_PERCENT:.0f} %"
    return Judgement(load, "missed" if percent > MOST_GAPS_PERCENT else "met", None, why)


def judge_records(load: Load) -> Judgement:
    """Every record that could be read is whole, and none that could not be."""
    if not load.valid:
        return Judgement(load, "not decidable", None, "the run does not count")
    checked = list(_checked(load))
    if not checked:
        return Judgement(load, "not decidable", None, "no record was read")
    torn = sum(1 for _, record in checked if not record.whole)
    unread = sum(1 for call in load.calls if call.outcome == "completed" and call.completeness is None)
    events = sum(record.heard for _, record in checked)
    why = f"{torn} of {calls_words(len(checked))} not whole" if torn else f"{calls_words(len(checked))} whole"
    why += f", {calls_words(unread)} without a record that could be read" if unread else ""
    return Judgement(load, "missed" if torn else "met", None, f"{why}, {events:,} stretches of speech")


def _checked(load: Load) -> Iterator[tuple[Call, Completeness]]:
    for call in load.calls:
        if call.completeness is not None and call.outcome not in OF_THE_TEST:
            yield call, call.completeness


@dataclass(slots=True)
class Flaw:
    """One kind of what is missing, at one load.

    Attributes:
        side: which way record and speech differ.
        kind: the entry without its clause, record or moment.
        count: entries.
        calls: those they are of, in order, each once.
    """

    load: Load
    side: str
    kind: str
    count: int = 0
    calls: dict[str, None] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """The first few calls by their ids."""
        named = list(self.calls)[:_NAMED]
        more = len(self.calls) - len(named)
        return ", ".join(named) + (f" and {more} more" if more else "")


def flaws(found: Iterable[Load]) -> list[Flaw]:
    """What is missing from records, or from what sounded: by load, side and kind, the most frequent first."""
    made: list[Flaw] = []
    for load in found:
        of_load: dict[tuple[str, str], Flaw] = {}
        for call, record in _checked(load):
            for side, words in _SIDES.items():
                for entry in getattr(record, side):
                    key = words, kind_of(entry)
                    flaw = of_load.setdefault(key, Flaw(load, *key))
                    flaw.count += 1
                    flaw.calls[call.call_sid or f"call {call.n}"] = None
        made += sorted(of_load.values(), key=lambda flaw: -flaw.count)
    return made


def kind_of(entry: str) -> str:
    """An entry without the clause, record or moment it begins with, and without its figures."""
    return _NUMBER.sub("…", _WHICH.sub("", _MOMENT.sub("", entry), count=1))
