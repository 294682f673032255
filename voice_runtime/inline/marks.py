"""From marks to ``latency_ms``: where the time between the caller's last word and ours went. Pure.

Every number is the distance of two marks of the call's one monotonic clock, ns, taken
where the thing happened; 0 means not reached. A stage that does not exist for a turn
(typed words are not recognised, a fixed phrase is neither judged nor synthesised) is
None, never 0 (docs/measuring has the table). In the order of time::

    t0 ─ ended ─ asked ─ first_token ─ cleared ─┬─ durable ─────┬─ first sample
     └── recognised                             └─ synthesised ─┘

so the parts that follow one another, ``endpointing``, ``first_token``, ``verdict``, the
longer of ``durable`` and ``synthesis``, and ``egress``, are never longer than
``first_audio_out`` together; ``recognition`` runs beside ``endpointing``. A model that was
asked at a pause (an eager turn) was asked before ``ended``: what it needed until then is
``eager``, beside ``endpointing`` as well, and ``first_token`` is only what was left of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from controls.ledger import records as r


@dataclass(slots=True)
class TurnMarks:
    """Of one turn of the caller.

    Attributes:
        t0: last speech sample received; when typed words came, for those.
        ended: the turn was found to be over. 0 for typed words.
        recognised: its final text was there. 0 for typed words.
        asked: the model was asked, the first time in this turn.
        first_token: its first word, or first tool call.
        reported: the turn's latency stands in a record.
    """

    t0: int = 0
    ended: int = 0
    recognised: int = 0
    asked: int = 0
    first_token: int = 0
    reported: bool = False


@dataclass(slots=True)
class ClauseMarks:
    """Of one clause.

    Attributes:
        cleared: it was cleared.
        verdict_ms: what judging it took (of what it replaces, for a safe phrase); None: nothing was judged.
        durable: its record was. 0 for a fixed phrase: that record is older than the turn.
        synthesised: its first samples existed. 0 for a phrase that was synthesised before the call.
        answers: it is part of the answer to its turn; False for what the runtime says of itself.
    """

    cleared: int
    verdict_ms: float | None = None
    durable: int = 0
    synthesised: int = 0
    answers: bool = True


def latency(turn: TurnMarks, clause: ClauseMarks, first_sample: int) -> r.Latency:
    """The latency, in ms, of a turn whose answer began with ``clause``.

    Args:
        first_sample: when its first sample was handed to the transport.

    A first token that came after the clause was cleared had no part in it: the turn's answer began with a
    fixed phrase, such as the one for an answer before that failed.
    """
    token = turn.first_token if turn.first_token <= clause.cleared else 0
    ready = max(clause.cleared, clause.durable, clause.synthesised)
    return r.Latency(
        endpointing=_ms(turn.t0, turn.ended),
        recognition=_ms(turn.t0, turn.recognised),
        first_token=_ms(_not_before(turn.ended, turn.asked), _not_before(turn.ended, token)),
        verdict=None if clause.verdict_ms is None else round(clause.verdict_ms, 3),
        durable=_ms(clause.cleared, clause.durable),
        synthesis=_ms(clause.cleared, clause.synthesised),
        egress=_ms(ready, first_sample),
        asr_to_first_token=_ms(turn.t0, token),
        first_audio_out=_ms(turn.t0, first_sample),
        eager=_ms(turn.asked, min(turn.ended, token)) if turn.asked < turn.ended else None,
    )


def _not_before(end: int, mark: int) -> int:
    """``mark``, or the turn's end where that came later; 0 stays "not reached"."""
    return max(end, mark) if mark else 0


def _ms(start: int, end: int) -> float | None:
    """None where a mark is missing, or they are not of one stretch (a late one of another attempt)."""
    return round((end - start) / 1e6, 2) if start and end >= start else None
