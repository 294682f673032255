"""What a run sums up to: the percentiles of each measure over its turns and calls.

Which turns count, and where:

1. The first turn a server had ever answered (``cold``) counts nowhere; it has a line of its own. Nor does
   a turn at an ``edge``: it was said before the load stood, or as it fell, and is of a smaller one.
2. ASR to first token and first audio out begin with the last sample of the caller's *speech*: turns that were
   spoken (``say``, ``interrupt``) count; a key and typed words have no such sample, and a backchannel wants
   no answer. Leaving them in would flatter: nobody has to find the end of a key.
3. A turn that was never answered, got another answer than the one asked for, or that its lost call never
   came to, counts at its cap: dropping it would let a server shine by answering the easy ones only. Where
   a run's other turns have a first token, a turn without one counts too, censored: at the cap, or else at
   the first audio of its answer, when it had come.
4. An agent that spoke on through an interruption counts as silent at a cap (``loadtests.censoring``); an
   interruption that found it silent counts nowhere.
5. The disclosure is of calls: when its first sample was played, since the call was answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from loadtests.results import Call, Measure, Turn
from loadtests.shapes import Spread
from loadtests.statistics import spread

#: Kinds of turns whose answer is waited for from the last sample of speech.
SPOKEN = frozenset({"say", "interrupt"})
#: Measures of a turn.
TURN_MEASURES: tuple[Measure, ...] = (
    "asr_to_first_token_ms",
    "first_audio_out_ms",
    "barge_in_pause_ms",
    "barge_in_commit_ms",
    "governance_ms",
)
_FROM_SPEECH = frozenset({"asr_to_first_token_ms", "first_audio_out_ms"})


def summarise(turns: Sequence[Turn], calls: Sequence[Call]) -> dict[Measure, Spread]:
    """Percentiles of every measure that has at least one value, ms."""
    found: dict[Measure, Spread] = {}
    for measure in TURN_MEASURES:
        values = turn_values(turns, measure)
        if values:
            found[measure] = spread(
                [value for _, value, _ in values], sum(censored for _, _, censored in values)
            )
    if disclosures := [call.disclosure_first_ms for call in calls if call.disclosure_first_ms is not None]:
        found["disclosure_ms"] = spread(disclosures)
    return found


def turn_values(turns: Sequence[Turn], measure: Measure) -> list[tuple[int, float, bool]]:
    """Call, ms, whether it stands at the cap: of every turn that counts for a measure of turns."""
    those = list(counted(turns, measure))
    tokens_known = measure == "asr_to_first_token_ms" and any(
        turn.asr_to_first_token_ms is not None for turn in those
    )
    found = []
    for turn in those:
        value: float | None = getattr(turn, measure)
        missing = value is None and tokens_known
        if missing:
            value = turn.first_audio_out_ms
        if value is not None:
            found.append((turn.call, value, missing or _at_cap(turn, measure, value)))
    return found


def counted(turns: Iterable[Turn], measure: Measure) -> Iterable[Turn]:
    """Turns that count for a measure, with or without a value: none cold, none at an edge of the load."""
    for turn in turns:
        if not (turn.cold or turn.edge) and (turn.kind in SPOKEN or measure not in _FROM_SPEECH):
            yield turn


def _at_cap(turn: Turn, measure: Measure, value: float) -> bool:
    """A turn without an answer may still have had a token: only what stands at its cap is censored."""
    if measure == "barge_in_pause_ms":
        return turn.barge_in_censored
    if not turn.censored or measure not in _FROM_SPEECH:
        return False
    cap = turn.first_audio_out_ms
    return cap is None or value >= cap
