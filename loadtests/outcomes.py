"""What became of a call: one word for it, from what its caller saw.

The first that applies, the cause before its consequences:

1. ``refused``, ``unreachable``, ``stalled``, ``out_of_protocol``: no call came about, and why
2. ``out_of_protocol``: in the call, messages that no carrier, or no page, would have taken
3. ``closed_early``: the server (or, told by it, the carrier) ended it before the script was through,
   or it broke
4. ``spoke_over``: the agent spoke on for more than two seconds over the caller
5. ``stalled``: the call stood, and never a sound came of it
6. ``no_answer``: a turn whose answer the script waits for was never answered
7. ``completed``: none of these, even when the server hung up first, once it had answered everything
"""

from __future__ import annotations

from loadtests.results import Outcome
from voice_runtime.caller.results import CallResult
from voice_runtime.caller.script import (
    Backchannel,
    HangUp,
    Interrupt,
    MakeSound,
    Noise,
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
    if result.ended_by == "refused":
        return "refused"
    if not result.answered_ns:
        return result.failure or "unreachable"
    if result.bad_messages:
        return "out_of_protocol"
    through = _acted_out(result, script)
    answered = _all_answered(result, script)
    if result.ended_by == "failed" or (result.ended_by != "caller" and not (through and answered)):
        return "closed_early"
    if result.spoke_over:
        return "spoke_over"
    if not result.heard and _expects_sound(script):
        return "stalled"
    if not answered:
        return "no_answer"
    return "completed" if through else "stalled"  # not through: the caller's longest call was over first


def awaited(script: Script) -> frozenset[int]:
    """Steps (by index) whose answer the script waits for: at once, or with the next ``wait``."""
    found: set[int] = set()
    newest: int | None = None
    for n, step in enumerate(script.steps):
        match step:
            case Say() | Interrupt() | Press() | TypeWords():
                newest = None if step.wait else n
                if step.wait:
                    found.add(n)
            case Wait() if newest is not None:
                found.add(newest)
                newest = None
            case HangUp():
                break
            case Wait() | Backchannel() | MakeSound() | Noise() | Silence():
                pass
    return frozenset(found)


def _all_answered(result: CallResult, script: Script) -> bool:
    wanted = awaited(script)
    return all(turn.first_audio_out_ms is not None for turn in result.turns if turn.step in wanted)


def _acted_out(result: CallResult, script: Script) -> bool:
    """Whether every turn of the script was taken. A backchannel that found nothing to nod at is none."""
    taken = {turn.step for turn in result.turns}
    return all(n in taken for n, step in enumerate(script.steps) if isinstance(step, _TURNS))


def _expects_sound(script: Script) -> bool:
    return bool(awaited(script)) or any(isinstance(step, Wait) for step in script.steps)
