"""What became of a call: one word for it, from what its caller saw.

The first that applies, the cause before its consequences:

0. ``harness_failed``: this machine had no file, port or memory left for the call, or its caller hung up on
   a script that was not through, for want of time; no finding about the server
1. ``refused``, ``unreachable``, ``stalled``, ``out_of_protocol``: no call came about, and why
2. ``out_of_protocol``: in the call, messages that no carrier, or no page, would have taken
3. ``closed_early``: the server (or, told by it, the carrier) ended it before the script was through,
   or it broke
4. ``spoke_over``: the agent spoke on for more than two seconds over the caller
5. ``stalled``: the call stood, and never a sound came of it
6. ``no_answer``: a turn whose answer the script waits for was never answered
7. ``completed``: none of these, even when the server hung up first, once it had answered everything

Whose answer a caller waits for (``patience_ms``), and so who can be left without one: a turn
after which it waits for the agent before it speaks, presses or types again, or hangs up. It
does so by the turn's own ``wait``; by a ``wait`` behind it; or by an ``interrupt`` or
``backchannel`` behind it, both of which wait until the agent answers: an interruption comes
into an answer, so one that finds none has waited in vain. Silence and sounds in between add
to the wait. A turn behind which the caller simply goes on (another sentence, a key, silence up
to the end) is never unanswered; nor does it count when it is answered, for it could only
count when that was quick.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from loadtests.results import Outcome
from voice_runtime.caller.results import CallResult
from voice_runtime.caller.script import (
    Backchannel,
    HangUp,
    Interrupt,
    MakeSound,
    Press,
    Say,
    Script,
    Silence,
    TypeWords,
    Wait,
)

_TURNS = Say | Interrupt | Press | TypeWords


def outcome_of(result: CallResult, script: Script) -> Outcome:
    """The outcome of a call that acted out ``script``. Never raises, whatever the call came to."""
    if result.failure == "exhausted":
        return "harness_failed"
    if result.ended_by == "refused":
        return "refused"
    if not result.answered_ns:
        return result.failure or "unreachable"
    if result.bad_messages:
        return "out_of_protocol"
    through = _acted_out(result, script)
    if result.ended_by == "caller" and not through:
        return "harness_failed"  # the time its caller was given was over: nobody knows what would have come
    answered = _all_answered(result, script)
    if result.ended_by == "failed" or (result.ended_by != "caller" and not (through and answered)):
        return "closed_early"
    if result.spoke_over:
        return "spoke_over"
    if not result.heard and _expects_sound(script):
        return "stalled"
    if not answered:
        return "no_answer"
    return "completed"


def awaited(script: Script) -> frozenset[int]:
    """Steps (by index) whose answer the script waits for."""
    return frozenset(patience_ms(script))


def patience_ms(script: Script) -> Mapping[int, float]:
    """How long a script waits for an answer to each of its turns (by step) whose answer it waits for, ms.

    From the end of the turn to where the first step that waits gives up.
    """
    found: dict[int, float] = {}
    newest: int | None = None
    waited_s = 0.0
    for n, step in enumerate(script.steps):
        match step:
            case Wait() | Backchannel() | Interrupt() if newest is not None:
                found[newest] = 1000 * (waited_s + step.timeout_s)
                newest = None
            case Silence() | MakeSound():
                waited_s += step.seconds
            case HangUp():
                break
            case _:
                pass
        if isinstance(step, _TURNS):
            newest, waited_s = n, 0.0
            if step.wait:
                found[n] = 1000 * step.timeout_s
                newest = None
    return found


def _all_answered(result: CallResult, script: Script) -> bool:
    wanted = awaited(script)
    return all(turn.first_audio_out_ms is not None for turn in result.turns if turn.step in wanted)


def _acted_out(result: CallResult, script: Script) -> bool:
    """Whether every turn up to hanging up was taken. A backchannel that found nothing to nod at is none."""
    taken = {turn.step for turn in result.turns}
    acted = itertools.takewhile(lambda step: not isinstance(step, HangUp), script.steps)
    return all(n in taken for n, step in enumerate(acted) if isinstance(step, _TURNS))


def _expects_sound(script: Script) -> bool:
    return bool(awaited(script)) or any(isinstance(step, Wait) for step in script.steps)
