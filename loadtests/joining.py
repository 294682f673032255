"""What callers measured and what servers keep, joined by sample index into a run's calls and turns. Pure.

A server's turn belongs to a caller's turn when it began in the caller's window: from
the turn's first sample to the next turn's first sample, both counted in the caller's
media. A turn that got another answer than the one expected stands at its cap, as one
that got none. A turn's first token counts from the caller's last sample (t0); a token that came
before t0 answered half an utterance and is no answer to it. A backchannel opens no
window: nobody wants an answer to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest

from loadtests.generator.job import Finished
from loadtests.outcomes import awaited
from loadtests.results import Call, Gap, Turn
from loadtests.systems import Evidence, ServerTurn
from voice_runtime.caller.results import CallResult, TurnResult, played_at_ms
from voice_runtime.caller.script import Backchannel, HangUp, MakeSound, Noise, Script, Silence, Wait
from voice_runtime.events import RATE_HZ

#: Silence in the middle of speech counts from here on, ms.
SHORTEST_GAP_MS = 40.0
_NOTHING = Evidence()
#: Steps at which nobody waits for an answer.
_TIMELESS = Backchannel | HangUp | MakeSound | Noise | Silence


def call_of(finished: Finished, scenario: str, evidence: Evidence = _NOTHING) -> Call:
    """One call as it stands in the results."""
    result = finished.result
    gaps = [Gap(at_ms=played_at_ms(gap.start), ms=played_at_ms(gap.samples)) for gap in result.underruns]
    return Call(
        n=finished.start.n,
        call_sid=result.call_sid,
        scenario=scenario,
        intended_at_s=finished.start.at_s,
        started_late_ms=finished.started_late_ms,
        outcome=finished.outcome,
        error=result.error,
        duration_s=result.sent_samples / RATE_HZ,
        answered_ms=finished.answered_ms,
        disclosure_first_ms=result.opening_first_ms,
        disclosure_last_ms=result.opening_last_ms,
        gaps=tuple(gap for gap in gaps if gap.ms >= SHORTEST_GAP_MS),
        jitter_ms=result.jitter_ms,
        lost_packets=result.lost_packets,
        bad_messages=result.bad_messages,
        late_p99_ms=result.late_p99_ms,
        completeness=evidence.completeness,
    )


def turns_of(
    finished: Finished, script: Script, evidence: Evidence = _NOTHING, *, cold: bool = False
) -> list[Turn]:
    """The turns of one call, in order; those that were never answered stand at their cap.

    Args:
        finished: the call.
        script: what its caller acted out.
        evidence: what the server keeps of it.
        cold: its first turn is the first that the server ever answered.
    """
    result = finished.result
    servers = _assigned(result, evidence.turns)
    cut = finished.outcome == "cut_short"
    found = []
    for i, turn in enumerate(result.turns):
        server = servers.get(turn.n)
        patience_ms = _patience_ms(script, turn)
        correct = _correct(finished, i, script, server)
        # Another answer than the one asked for is none, however quick it was.
        unanswered = (turn.first_audio_out_ms is None or correct is False) and patience_ms is not None
        # Stopped by us while it waited: nobody knows what would have come.
        unknown = cut and turn.first_audio_out_ms is None and turn is result.turns[-1]
        censored = unanswered and not unknown
        found.append(
            Turn(
                call=finished.start.n,
                n=turn.n,
                kind=turn.kind,
                text=turn.text or turn.keys,
                asr_to_first_token_ms=_token_ms(turn, server),
                first_audio_out_ms=patience_ms if censored else turn.first_audio_out_ms,
                barge_in_pause_ms=turn.barge_in_pause_ms if turn.kind == "interrupt" else None,
                barge_in_commit_ms=turn.barge_in_commit_ms if turn.kind == "interrupt" else None,
                audible_pause_ms=turn.audible_pause_ms,
                governance_ms=server.governance_ms if server else None,
                answer_correct=correct,
                censored=censored,
                cold=cold and turn.n == 1,
                stages=dict(server.stages) if server and server.stages is not None else None,
            )
        )
    return found


def _patience_ms(script: Script, turn: TurnResult) -> float | None:
    """How long the caller waits for this turn's answer, ms; None when it does not."""
    if turn.kind == "backchannel" or turn.step not in awaited(script):
        return None
    steps = script.steps[turn.step :]
    waits = (s for s in steps if isinstance(s, Wait) or getattr(s, "wait", False))
    return next((1000.0 * s.timeout_s for s in waits if not isinstance(s, _TIMELESS)), None)


def _correct(finished: Finished, i: int, script: Script, server: ServerTurn | None) -> bool | None:
    """By the waveform where it tells; else by the words on record, where the script expects some."""
    judged = finished.correct[i] if i < len(finished.correct) else None
    if judged is not None:
        return judged
    turn = finished.result.turns[i]
    step = script.steps[turn.step] if turn.step < len(script.steps) else None
    expected = str(getattr(step, "expect", ""))
    if not expected or server is None or turn.first_audio_out_ms is None:
        return None
    return " ".join(expected.lower().split()) in " ".join(server.played.lower().split())


def _token_ms(turn: TurnResult, server: ServerTurn | None) -> float | None:
    if server is None or server.first_token_at_ms is None:
        return None
    return server.first_token_at_ms - _at_ms(turn.last_sample)


def _assigned(result: CallResult, servers: Sequence[ServerTurn]) -> Mapping[int, ServerTurn]:
    """A caller's turn number to the server's turn that answered it."""
    asked = [turn for turn in result.turns if turn.kind != "backchannel"]
    found: dict[int, ServerTurn] = {}
    for turn, after in zip_longest(asked, asked[1:]):
        ends_ms = _at_ms(after.first_sample) if after is not None else float("inf")
        mine = [s for s in servers if _began_ms(s) is not None and _within(s, turn, ends_ms)]
        t0_ms = _at_ms(turn.last_sample)
        answered = [s for s in mine if s.first_token_at_ms is not None and s.first_token_at_ms >= t0_ms]
        if answered:
            found[turn.n] = answered[0]
        elif mine:
            last = mine[-1]  # its token, if any, came before t0: spans and words are kept, the token is not
            found[turn.n] = ServerTurn(last.said_ended_ms, None, last.stages, last.played, last.governance_ms)
    return found


def _within(server: ServerTurn, turn: TurnResult, ends_ms: float) -> bool:
    began = _began_ms(server)
    return began is not None and _at_ms(turn.first_sample) <= began < ends_ms


def _began_ms(server: ServerTurn) -> float | None:
    return server.said_ended_ms if server.said_ended_ms is not None else server.first_token_at_ms


def _at_ms(sample: int) -> float:
    """A sample of the caller's media, as ms of media."""
    return sample * 1000 / RATE_HZ
