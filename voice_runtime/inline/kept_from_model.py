"""Words of the caller's that a rule keeps from the model: what is said instead, and who is fetched."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from controls.decision import Decision, Verdict
from controls.findings import rule_failed
from voice_runtime.events import SayFrame
from voice_runtime.inline.attention_ports import Person
from voice_runtime.inline.journal import Journal
from voice_runtime.inline.undecided import UndecidedUse


async def kept_from_model(
    judged: Decision,
    turn: int,
    *,
    journal: Journal,
    person: Person,
    undecided: UndecidedUse,
    say: Callable[[SayFrame], Awaitable[None]],
) -> None:
    """Say the rule's phrase; fetch a person where it wants one, has no phrase, or could not be evaluated.

    Args:
        judged: anything but ``allow``.
    """
    failed = rule_failed(judged)
    fetches = failed or judged.verdict is Verdict.HANDOFF or not judged.phrase
    if fetches:  # which calls off what waits for a colleague; the rule's phrase is not to be cut for it
        await undecided.something_else()
    if judged.phrase:
        await say(SayFrame(phrase=judged.phrase, turn=turn))
    if failed:
        journal.control_failed("guard", "broken")
        await person.wanted("failure", "a rule could not be evaluated")
    elif fetches:
        await person.wanted("rule", judged.verdicts[0].rule)
