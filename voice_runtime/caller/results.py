"""What a simulated call tells while it lasts, and what is left of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from voice_runtime.caller.failure import Failure
from voice_runtime.caller.playout import Gap, MarkBack, Onset
from voice_runtime.caller.twilio_wire import Verb
from voice_runtime.events import CHUNK_SAMPLES, RATE_HZ

#: What happens in a call, in the words of ``CallerEvent.kind``.
Kind = Literal[
    "ringing",  # the webhook is sent
    "refused",  # the answer has no stream in it
    "answered",  # the stream has started
    "agent_started",  # first audible sample of the agent after a silence
    "agent_stopped",  # the agent has been silent for 300 ms
    "said_started",  # the caller begins to speak; data: text, interrupts
    "said",  # the last audible sample of it is out; data: text
    "key",  # data: key
    "typed",  # the caller sends typed words; data: text
    "caption",  # a browser is shown words; data: who, id, text, state
    "state",  # a browser is shown who has the floor; data: agent
    "sound",  # data: sound
    "noise",  # the background changes; data: noise, snr_db
    "no_answer",  # the agent did not answer in time
    "ended",  # data: by, and a browser's reason
    "afterwards",  # what the carrier did once the stream was over; data: verbs
]


#: What the caller did in a turn. A ``backchannel`` ("mhmm") is never expected to be answered.
TurnKind = Literal["say", "interrupt", "backchannel", "press", "type"]


@dataclass(frozen=True, slots=True)
class CallerEvent:
    """Something that happened at the caller.

    Attributes:
        at_ms: since the call was answered, on the caller's media clock where samples tell.
        data: of the kind; see ``Kind``.
    """

    kind: Kind
    at_ms: float
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class TurnResult:
    """One turn of the caller. Sample indices count media sent or played since ``answered``.

    Attributes:
        n: 1-based.
        kind: what the caller did.
        step: index of the script's step that it acts out.
        first_sample, last_sample: audible part of what was said, in media sent, of the clean
            speech whatever noise lies under it; of a
            key press, the sample at which the last key was sent; of typed words, that at which
            they were sent.
        t0_ns: monotonic time of ``last_sample``.
        first_audio_out_ms: from ``last_sample`` to the first audible sample of the
            answer at the caller's playout; negative never (speech over it does not
            count); None without an answer.
        barge_in_pause_ms: from ``first_sample`` to where the agent fell silent for at
            least 200 ms; None when it was silent already or never fell silent.
        barge_in_commit_ms: from ``first_sample`` to where the interruption is decided, as the
            caller can see it: the last ``clear`` (Twilio; to the 20 ms tick in which it comes) up to half a
            second behind the turn, or else the first after that: the clear by which an agent falls silent is
            no decision; or a caption with state "cut" (browser). None when the agent was
            silent, or nothing shows it.
        audible_pause_ms: the longest silence of the agent, of at least 200 ms, that began while a backchannel
            was said or within half a second of its end; None when there was none. A pause the agent
            makes between two sentences counts, too: nothing in a waveform tells the two apart.
        answer_first_sample, answer_last_sample: first audible sample of the answer and end of its last
            audible window, in the playout.
        answer_ends_ms: from ``last_sample`` to the end of the answer's last audible window.
        timed_out: the agent did not answer, or did not finish, in time.
    """

    n: int
    kind: TurnKind = "say"
    step: int = 0
    text: str = ""
    keys: str = ""
    typed: bool = False
    interrupts: bool = False
    first_sample: int = 0
    last_sample: int = 0
    t0_ns: int = 0
    first_audio_out_ms: float | None = None
    barge_in_pause_ms: float | None = None
    barge_in_commit_ms: float | None = None
    audible_pause_ms: float | None = None
    answer_first_sample: int | None = None
    answer_last_sample: int | None = None
    answer_ends_ms: float | None = None
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class CaptionShown:
    """Words that a browser was shown. ``state`` "cut" replaces what was shown under the same ``id``."""

    at_ms: float
    who: str
    id: str
    text: str
    state: str


@dataclass(slots=True)
class CallResult:
    """A whole simulated call.

    Attributes:
        answered_ns: monotonic time of ``start``: sample 0 of both directions; 0 if refused.
        webhook_ms: from the webhook to ``start``.
        opening_first_ms, opening_last_ms: first and last audible sample before the
            caller's first turn, since answered: the disclosure (and a greeting, if
            one follows it without the caller).
        ended_by: ``caller``, ``server`` (it closed the stream), ``carrier`` (told to by
            REST), ``refused`` (no stream in the answer) or ``failed``.
        afterwards: verbs the carrier went on with after the stream.
        failure: why it came to nothing (``failure.failure_of`` the error that ended it), "" when it did not.
        gaps: nothing to play between two pieces of audio.
        underruns: those of them that last at least 40 ms in the agent's speech: not where the caller
            speaks, nor behind a ``clear``.
        heard: every stretch of the whole call in which the agent was audible, between silences of at
            least 200 ms; samples of the playout.
        jitter_ms: 95th percentile of how late the agent's audio arrived, measured from the earliest pace
            of its stretch (``arrivals``); None when none arrived.
        spoke_over: the caller spoke while the agent did, and the agent went on for more than 2 s
            without a pause of 200 ms.
        late_ms: how late the worst 20 ms tick was, and the 99th percentile of all.
        bad_messages: from the server that Twilio, or a browser's page, would not have taken.
        captions: words that a browser was shown, in order.
        reason: why the server ended a browser's call, as it told the page.
        lost_packets: of the agent's audio that came too late to be played, or never (browsers only).
    """

    call_sid: str
    answered_ns: int = 0
    webhook_ms: float = 0.0
    opening_first_ms: float | None = None
    opening_last_ms: float | None = None
    turns: list[TurnResult] = field(default_factory=list)
    ended_by: Literal["caller", "server", "carrier", "refused", "failed"] = "failed"
    error: str = ""
    failure: Failure = ""
    close_code: int | None = None
    afterwards: list[Verb] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    underruns: list[Gap] = field(default_factory=list)
    heard: list[Onset] = field(default_factory=list)
    jitter_ms: float | None = None
    spoke_over: bool = False
    marks: list[MarkBack] = field(default_factory=list)
    clears: list[int] = field(default_factory=list)
    sent_samples: int = 0
    played_samples: int = 0
    late_worst_ms: float = 0.0
    late_p99_ms: float = 0.0
    bad_messages: int = 0
    events_lost: int = 0
    captions: list[CaptionShown] = field(default_factory=list)
    reason: str = ""
    lost_packets: int = 0


def sent_at_ms(sample: int) -> float:
    """When sample ``sample`` of the media sent was spoken, ms since answered.

    A packet leaves when its last sample has been spoken, so the first packet's
    last sample is at 0 ms: packetisation counts against the server.
    """
    return (sample - (CHUNK_SAMPLES - 1)) * 1000 / RATE_HZ


def played_at_ms(sample: int) -> float:
    """When sample ``sample`` of the playout sounded, ms since answered."""
    return sample * 1000 / RATE_HZ
