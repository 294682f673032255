"""From the caller's playout to figures per turn and call: pure, all in samples of one clock.

Definitions: shared with the load tests. t0 is the last audible sample of the
caller's speech; an answer is the first audible sample after t0 that does not
belong to speech already going on at t0. A backchannel ("mhmm") is no turn that
is answered: it ends no other turn's answer, and has only its audible pause.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from voice_runtime.caller.arrivals import Arrivals
from voice_runtime.caller.playout import Gap, Onset, Playout
from voice_runtime.caller.results import CallResult, TurnResult, played_at_ms, sent_at_ms
from voice_runtime.events import CHUNK_SAMPLES, RATE_HZ

#: Silence that ends a stretch of the agent's speech, samples (200 ms).
PAUSE = RATE_HZ * 200 // 1000
#: A silence that begins within so many samples of a backchannel's end may be its doing (500 ms).
AFTERMATH = RATE_HZ // 2
#: An agent who goes on for longer than this while the caller speaks speaks over the caller, samples (2 s).
YIELDS_WITHIN = 2 * RATE_HZ
#: Captions cut within so many ms of each other are cut by one decision.
_ONE_CUT_MS = 200
#: A shorter gap is not reported as an underrun, samples (40 ms).
UNDERRUN = RATE_HZ * 40 // 1000


def place(sent_sample: int) -> int:
    """The playout sample that sounds when media sample ``sent_sample`` is spoken."""
    return max(0, sent_sample - (CHUNK_SAMPLES - 1))


def speaking_at(playout: Playout, sample: int) -> bool:
    """Whether the agent is in the middle of speech at ``sample`` (audible less than 200 ms before)."""
    first = playout.first_audible(max(0, sample - PAUSE))
    return first is not None and first < sample


def answer_start(playout: Playout, t0: int, until: int | None = None) -> int | None:
    """First audible sample of the answer after playout sample ``t0``; None while there is none."""
    start = t0
    if speaking_at(playout, t0):
        silent = playout.silent_from(t0, for_samples=PAUSE)
        if silent is None:
            return None
        start = silent
    first = playout.first_audible(start)
    return None if first is None or (until is not None and first >= until) else first


def measure_call(playout: Playout, result: CallResult, arrivals: Arrivals | None = None) -> None:
    """Fill in everything that is measured once a call is over: its turns', and its own.

    ``result.turns`` and ``result.captions`` are complete; ``arrivals``: None where nobody noted them.
    """
    spoken = [turn for turn in result.turns if turn.kind != "backchannel"]
    begins: list[int | None] = [*(place(turn.first_sample) for turn in spoken), None]
    decided = [*map(played_at_ms, playout.clears)] or _cuts(result)
    for turn, until in zip(spoken, begins[1:], strict=True):
        fill_in(playout, turn, until, decided)
    for turn in result.turns:
        if turn.kind == "backchannel":
            after = (begin for begin in begins if begin is not None and begin > place(turn.last_sample))
            turn.audible_pause_ms = audible_pause(playout, turn, next(after, None), decided)
    sounded = opening(playout, begins[0])
    if sounded is not None:
        result.opening_first_ms, result.opening_last_ms = sounded
    result.heard = playout.onsets(pause=PAUSE)
    result.underruns = underruns(playout, result.turns)
    result.spoke_over = any(spoke_over(playout, turn) for turn in spoken)
    result.jitter_ms = arrivals.jitter_ms if arrivals is not None else None


def fill_in(playout: Playout, turn: TurnResult, until: int | None, decided_ms: Sequence[float] = ()) -> None:
    """Compute the figures of a turn that expects an answer.

    Args:
        until: the playout sample at which the next such turn begins.
        decided_ms: when interruptions were seen to be decided (``clear``, a cut caption), in order.
    """
    begins = place(turn.first_sample)
    if turn.kind in ("say", "interrupt") and speaking_at(playout, begins):
        silent = playout.silent_from(begins, for_samples=PAUSE)
        if silent is not None and (until is None or silent < until):
            turn.barge_in_pause_ms = played_at_ms(silent) - sent_at_ms(turn.first_sample)
        turn.barge_in_commit_ms = _commit(turn, until, decided_ms)
    first = answer_start(playout, place(turn.last_sample), until)
    if first is None:
        return
    turn.first_audio_out_ms = played_at_ms(first) - sent_at_ms(turn.last_sample)
    ends = playout.onsets(pause=PAUSE, since=first, until=until)
    if ends:
        turn.answer_first_sample, turn.answer_last_sample = first, ends[-1].end
        turn.answer_ends_ms = played_at_ms(ends[-1].end) - sent_at_ms(turn.last_sample)


def audible_pause(
    playout: Playout, turn: TurnResult, until: int | None, decided_ms: Sequence[float] = ()
) -> float | None:
    """The longest silence a backchannel may have caused, ms; None when there was none of 200 ms.

    One that lasts to the next turn (``until``), or to the end of the call, is the end of what the agent
    had to say, unless it was cut (``decided_ms``, as for ``fill_in``).
    """
    begins, latest = place(turn.first_sample), place(turn.last_sample) + AFTERMATH
    if not speaking_at(playout, begins):
        return None
    longest = 0
    since = begins
    while (silent := playout.silent_from(since, for_samples=PAUSE)) is not None and silent <= latest:
        again = playout.first_audible(silent)
        if again is None or (until is not None and again >= until):
            if _commit(turn, until, decided_ms) is not None:
                longest = max(longest, (playout.now if until is None else until) - silent)
            break
        longest = max(longest, again - silent)
        since = again
    return longest * 1000 / RATE_HZ if longest >= PAUSE else None


def underruns(playout: Playout, turns: Sequence[TurnResult]) -> list[Gap]:
    """Gaps of at least 40 ms in the agent's speech.

    Falling silent because the caller speaks is none, nor is the silence behind a ``clear``.
    """
    said = [(place(turn.first_sample), place(turn.last_sample)) for turn in turns]
    return [
        gap
        for gap in playout.gaps
        if gap.samples >= UNDERRUN
        and not any(gap.start <= last and first <= gap.start + gap.samples for first, last in said)
        and not _cleared(playout, gap.start - CHUNK_SAMPLES, gap.start + gap.samples)
    ]


def spoke_over(playout: Playout, turn: TurnResult) -> bool:
    """Whether the agent, speaking when the turn began, spoke on for more than 2 s without a pause."""
    if turn.kind not in ("say", "interrupt"):
        return False
    begins = place(turn.first_sample)
    if not speaking_at(playout, begins):
        return False
    silent = playout.silent_from(begins, for_samples=PAUSE)
    end = silent if silent is not None else playout.last_loud
    return end is not None and end - begins > YIELDS_WITHIN


def opening(playout: Playout, until: int | None) -> tuple[float, float] | None:
    """First and last audible ms before the caller's first turn; None when nothing sounded."""
    stretches: list[Onset] = playout.onsets(pause=PAUSE, until=until)
    return (played_at_ms(stretches[0].first), played_at_ms(stretches[-1].end)) if stretches else None


def _commit(turn: TurnResult, until: int | None, decided_ms: Sequence[float]) -> float | None:
    """When it was decided, from the turn's first sample on.

    An agent may clear what lies unplayed to fall silent, and once more when it gives way: of what comes
    up to half a second behind the turn the last one counts, so the later the worse.
    """
    begins_ms = sent_at_ms(turn.first_sample)
    at = bisect_left(decided_ms, begins_ms)
    if at == len(decided_ms) or (until is not None and decided_ms[at] >= played_at_ms(until)):
        return None
    latest = place(turn.last_sample) + AFTERMATH
    latest_ms = played_at_ms(latest if until is None else min(latest, until - 1))
    return decided_ms[max(at, bisect_right(decided_ms, latest_ms) - 1)] - begins_ms


def _cuts(result: CallResult) -> list[float]:
    """Captions that were cut; several clauses that are cut at once are one decision."""
    found: list[float] = []
    for caption in result.captions:
        if caption.state == "cut" and not (found and caption.at_ms - found[-1] <= _ONE_CUT_MS):
            found.append(caption.at_ms)
    return found


def _cleared(playout: Playout, since: int, until: int) -> bool:
    return any(since <= at <= until + CHUNK_SAMPLES for at in playout.clears)
