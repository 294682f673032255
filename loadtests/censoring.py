"""What never came about, at its cap: turns of calls that were lost, silence an interruption waited for. Pure.

A server that drops a call before its third question is not asked the third one, and would shine by the two it
answered. So every spoken turn of a script whose answer is waited for, and which a call never came to, stands
in the run as a turn that was never answered: censored, at the caller's patience. Calls that the test itself
cut short or broke lost nothing by the server's doing. Such a turn lies at an *edge* when its call was lost
there: it would have come next.

An agent that speaks on through an interruption has no time after which it fell silent: it stands at
``BARGE_IN_CAP_MS``. An interruption that found the agent silent has none either, and counts nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from loadtests.generator.job import Finished
from loadtests.outcomes import patience_ms
from loadtests.ramp import OURS
from loadtests.results import Turn
from loadtests.steady_stretch import Stretch
from voice_runtime.caller.measure import PAUSE, place
from voice_runtime.caller.script import Interrupt, Say, Script

#: An agent that never fell silent counts as if it had after so long, ms: longer than callers talk on.
BARGE_IN_CAP_MS = 10_000.0


def never_came(finished: Finished, script: Script, stretch: Stretch) -> list[Turn]:
    """The spoken turns a call was to come to and never did, in the script's order.

    Args:
        finished: the call.
        script: what its caller acted out.
        stretch: in which the load stood.
    """
    if finished.outcome in OURS or finished.outcome == "completed":  # all it was to come to, it came to
        return []
    taken = {turn.step for turn in finished.result.turns}
    edge = finished.ended_at_s not in stretch
    found: list[Turn] = []
    for n, waits_ms in patience_ms(script).items():
        step = script.steps[n]
        if n not in taken and isinstance(step, Say | Interrupt):
            found.append(
                Turn(
                    call=finished.start.n,
                    n=len(finished.result.turns) + len(found) + 1,
                    kind="interrupt" if isinstance(step, Interrupt) else "say",
                    text=step.text,
                    first_audio_out_ms=waits_ms,
                    censored=True,
                    never_said=True,
                    edge=edge,
                )
            )
    return found


def spoken_through(finished: Finished, turns: Sequence[Turn]) -> list[Turn]:
    """One call's turns, in order; interruptions that never silenced a speaking agent stand at the cap."""
    ours = finished.outcome in OURS
    return [
        turn.model_copy(update={"barge_in_pause_ms": BARGE_IN_CAP_MS, "barge_in_censored": True})
        if turn.kind == "interrupt"
        and turn.barge_in_pause_ms is None
        and not ours
        and _agent_spoke(finished, said.first_sample)
        else turn
        for turn, said in zip(turns, finished.result.turns, strict=True)
    ]


def _agent_spoke(finished: Finished, sent: int) -> bool:
    """Whether the agent was in the middle of speech as the caller's sample ``sent`` was spoken."""
    at = place(sent)
    return any(onset.first < at < onset.end + PAUSE for onset in finished.result.heard)
