"""What callers measured and what servers keep, joined by sample index into a run's calls and turns. Pure.

A server's turn belongs to a caller's turn when it began in the caller's window: from
the turn's first sample to the next turn's first sample, both counted in the caller's
media. A turn that got another answer than the one expected stands at its cap, as one
that got none. A turn whose answer nobody waited for has neither figure of an answer
(``loadtests.outcomes``).

First audio out is that of the *answer*. A waveform does not tell an answer from a filler
before it ("are you still there?", "one moment"), but a server's record does: the answer began
so much later than the filler did, and the stretch of sound that begins nearest to there is
it. Where the two run into each other without 200 ms of silence between them, nothing at the
caller tells where the answer began: then it is where the record has it, right to a packet
and to the silence a voice begins with. A turn that got nothing but fillers got no answer. A
server that keeps no record (bare pipecat, any remote one) is taken at its first sound: it has its
fillers counted as answers, if it has any.

A turn's first token counts from the caller's last sample (t0); a token that came
before t0 answered half an utterance and is no answer to it. A backchannel opens no
window: nobody wants an answer to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest

from loadtests.generator.job import Finished
from loadtests.outcomes import patience_ms
from loadtests.results import Call, Gap, Turn
from loadtests.systems import Evidence, ServerTurn
from voice_runtime.caller.playout import Onset
from voice_runtime.caller.results import CallResult, TurnResult, played_at_ms, sent_at_ms
from voice_runtime.caller.script import Script
from voice_runtime.events import RATE_HZ

#: Silence in the middle of speech counts from here on, ms.
SHORTEST_GAP_MS = 40.0
#: So far from where a record has it an answer may begin at the caller (as ``ours.completeness`` allows), ms.
NEAR_MS = 250.0
_NOTHING = Evidence()


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
    patience = patience_ms(script)
    found = []
    for i, turn in enumerate(result.turns):
        server = servers.get(turn.n)
        # None: nobody waits for an answer.
        waits_ms = patience.get(turn.step) if turn.kind != "backchannel" else None
        correct = _correct(finished, i, script, server)
        answer_ms = _answer_ms(result, turn, server, correct)
        # Another answer than the one asked for is none, however quick it was.
        unanswered = (answer_ms is None or correct is False) and waits_ms is not None
        # Stopped by us while it waited: nobody knows what would have come.
        unknown = cut and answer_ms is None and turn is result.turns[-1]
        censored = unanswered and not unknown
        found.append(
            Turn(
                call=finished.start.n,
                n=turn.n,
                kind=turn.kind,
                text=turn.text or turn.keys,
                asr_to_first_token_ms=_token_ms(turn, server) if waits_ms is not None else None,
                first_audio_out_ms=waits_ms if censored or waits_ms is None else answer_ms,
                filler_audio_ms=turn.first_audio_out_ms if _began_with_filler(server, correct) else None,
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


def _began_with_filler(server: ServerTurn | None, correct: bool | None) -> bool:
    """Whether what sounded first was no answer, as far as a record tells."""
    return server is not None and (bool(server.filler_ms) or (server.answered is False and not correct))


def _answer_ms(
    result: CallResult, turn: TurnResult, server: ServerTurn | None, correct: bool | None
) -> float | None:
    """From t0 to the first sample of the answer, ms; None: none came, but a filler may have."""
    first = turn.answer_first_sample
    if server is None or server.answered is None or first is None:
        return turn.first_audio_out_ms
    if not server.answered:  # nothing but fixed phrases, which may still be the right answer
        return turn.first_audio_out_ms if correct else None
    if not server.filler_ms:
        return turn.first_audio_out_ms
    last = turn.answer_last_sample or 0
    mine = [onset for onset in result.heard if onset.end > first and onset.first < last]
    sample = _begins(mine, first, first + round(server.filler_ms * RATE_HZ / 1000))
    return None if sample is None else played_at_ms(sample) - sent_at_ms(turn.last_sample)


def _begins(stretches: Sequence[Onset], filler: int, about: int) -> int | None:
    """The sample at which an answer begins that is said to begin at ``about``; None: nothing sounded then.

    Args:
        stretches: what sounded of one turn.
        filler: the sample at which its filler began.
    """
    near = round(NEAR_MS * RATE_HZ / 1000)
    begins = [onset.first for onset in stretches if onset.first > filler]
    close = [first for first in begins if abs(first - about) <= near]
    if close:
        return min(close, key=lambda first: abs(first - about))
    if any(onset.first <= about < onset.end for onset in stretches):
        return about
    return next((first for first in begins if first > about), None)


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
            found[turn.n] = next((s for s in answered if s.answered is not False), answered[0])
        elif mine:
            # Its token, if any, came before t0: spans and words are kept, the token is not.
            found[turn.n] = replace(mine[-1], first_token_at_ms=None)
    return found


def _within(server: ServerTurn, turn: TurnResult, ends_ms: float) -> bool:
    began = _began_ms(server)
    return began is not None and _at_ms(turn.first_sample) <= began < ends_ms


def _began_ms(server: ServerTurn) -> float | None:
    return server.said_ended_ms if server.said_ended_ms is not None else server.first_token_at_ms


def _at_ms(sample: int) -> float:
    """A sample of the caller's media, as ms of media."""
    return sample * 1000 / RATE_HZ
