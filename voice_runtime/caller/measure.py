"""From the caller's playout to figures per turn: pure, all in samples of one clock.

Definitions: shared with the load tests. t0 is the last audible sample of the
caller's speech; an answer is the first audible sample after t0 that does not
belong to speech already going on at t0.
"""

from __future__ import annotations

from voice_runtime.caller.playout import Playout
from voice_runtime.caller.results import TurnResult, played_at_ms, sent_at_ms
from voice_runtime.events import CHUNK_SAMPLES, RATE_HZ

#: Silence that ends a stretch of the agent's speech, samples (200 ms).
PAUSE = RATE_HZ * 200 // 1000


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


def fill_in(playout: Playout, turn: TurnResult, until: int | None) -> None:
    """Compute a turn's figures; ``until`` is the playout sample at which the next turn begins."""
    begins = place(turn.first_sample)
    if not (turn.keys or turn.typed) and speaking_at(playout, begins):
        silent = playout.silent_from(begins, for_samples=PAUSE)
        if silent is not None and (until is None or silent < until):
            turn.barge_in_pause_ms = played_at_ms(silent) - sent_at_ms(turn.first_sample)
    first = answer_start(playout, place(turn.last_sample), until)
    if first is None:
        return
    turn.first_audio_out_ms = played_at_ms(first) - sent_at_ms(turn.last_sample)
    ends = playout.onsets(pause=PAUSE, since=first, until=until)
    if ends:
        turn.answer_ends_ms = played_at_ms(ends[-1].end) - sent_at_ms(turn.last_sample)


def opening(playout: Playout, until: int | None) -> tuple[float, float] | None:
    """First and last audible ms before the caller's first turn; None when nothing sounded."""
    heard = playout.onsets(pause=PAUSE, until=until)
    return (played_at_ms(heard[0].first), played_at_ms(heard[-1].end)) if heard else None
