"""What the stages of a call tell one another, with units.

These are pipecat frames, so they travel the pipeline in order and in priority.
``SystemFrame`` overtakes data and survives an interruption; ``DataFrame`` keeps
its order and is dropped by an interruption unless ``interruptible`` is False.

Audio is everywhere 16-bit signed little-endian mono PCM at 8000 Hz, in 20 ms
chunks of 160 samples (320 bytes), unless a field says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from pipecat.frames.frames import ControlFrame, DataFrame, SystemFrame

from controls.decision import Cleared
from controls.ledger.records import Evidence

RATE_HZ = 8000
CHUNK_MS = 20
CHUNK_SAMPLES = RATE_HZ * CHUNK_MS // 1000
CHUNK_BYTES = CHUNK_SAMPLES * 2

#: Name of the recogniser in whose place words were typed.
TYPED = "typed"


# --- from the ear, downstream ---------------------------------------------------------------------


class TurnEnd(StrEnum):
    """Why the ear closed the caller's turn."""

    QUESTION = "question"  # the text is a complete question or answer
    TURN_MODEL = "turn_model"  # Smart Turn judged it complete
    SILENCE = "silence"  # the bounded wait ran out
    TOO_LONG = "too_long"  # a caller who never stops
    MEDIA = "media"  # media stopped


@dataclass
class CallerSaidFrame(SystemFrame):
    """One turn of the caller, recognised. A system frame: no interruption may drop it.

    Attributes:
        text: what was recognised; never empty (an empty recognition sends nothing).
        confidence: 0 to 1.
        started_s, ended_s: first and last speech sample, s of media time.
        t0_ns: monotonic time at which the last speech sample was received.
        ended_ns: monotonic time of the decision that the turn was over.
        recognised_ns: monotonic time of the final text.
        engine: name of the recogniser.
        why: why the turn ended.
        during_agent: said while the agent spoke uninterruptibly.
        urgent: acts at once even when the turn is not over (emergency, person, …).
        aside: nothing but listening ("mhm") while the agent had the floor: on record, and for nobody.
        private: said, in part at least, while figures were entered by keys: its words are kept nowhere.
        unsure: too unsure to act on, had they not named an emergency.
    """

    text: str
    confidence: float
    started_s: float
    ended_s: float
    t0_ns: int
    ended_ns: int
    recognised_ns: int
    engine: str
    why: TurnEnd = TurnEnd.SILENCE
    during_agent: bool = False
    urgent: bool = False
    aside: bool = False
    private: bool = False
    unsure: bool = False


@dataclass
class CallerPausedFrame(SystemFrame):
    """What the caller has said by a pause that may be the end of the turn, which is still open.

    It is settled in bounded time: by a ``CallerSaidFrame``, which confirms it by saying the same
    words, or by pipecat's ``EagerEndOfTurnCancelFrame``, which voids it.

    Attributes:
        text: as recognised; never empty.
        confidence: 0 to 1.
        started_s, ended_s: first and last speech sample so far, s of media time.
        engine: name of the recogniser.
    """

    text: str
    confidence: float
    started_s: float
    ended_s: float
    engine: str


@dataclass
class CallerStartedFrame(SystemFrame):
    """The caller began to speak (speech, not noise), at ``at_s`` s of media time."""

    at_s: float


@dataclass
class KeyPressedFrame(SystemFrame):
    """A telephone key: one of ``0123456789*#``; no ``repr`` shows it, for it may be a card's figure."""

    key: str = field(repr=False)


@dataclass
class TypedWordsFrame(SystemFrame):
    """Words the caller typed. From the transport, to the ear, which makes a turn of them."""

    text: str


@dataclass
class ReceiptAskedFrame(SystemFrame):
    """The caller asked for the call's receipt at a screen, to be shown there. From the transport."""


@dataclass
class AudioReadyFrame(SystemFrame):
    """The caller's device plays our audio (browsers only): the disclosure may begin.

    Attributes:
        microphone: whether audio will come from the caller; False for who only types.
    """

    microphone: bool = True


@dataclass
class CallerCaptionFrame(SystemFrame):
    """The caller's words as recognised, to be shown to the caller. From attention, to egress."""

    text: str
    turn: int = 0


@dataclass
class PauseSpeechFrame(SystemFrame):
    """Speech while the agent speaks: fall silent at once, keep what is unplayed."""

    at_s: float


@dataclass
class ResumeSpeechFrame(SystemFrame):
    """It was a backchannel, a cough or noise: go on from the first unplayed sample."""


@dataclass
class CallerSilentFrame(SystemFrame):
    """Nobody has said anything for ``for_s`` s of media time; ``step`` is 1 (ask) or 2 (end)."""

    for_s: float
    step: int


@dataclass
class MediaStoppedFrame(SystemFrame):
    """No media came for ``for_s`` s of wall-clock time."""

    for_s: float


# --- from attention, to the model -----------------------------------------------------------------


@dataclass
class ProvisionalTurnFrame(SystemFrame):
    """Were the turn over now, these words would go to the model: it may begin, and give nothing away.

    A system frame, so that what settles it (an interruption, pipecat's ``EagerEndOfTurnCancelFrame``)
    never overtakes it. The turn itself comes as every other: the model finds that it has begun on it.

    Attributes:
        turn: the number the turn will have.
    """

    turn: int
    paused: CallerPausedFrame


# --- to the voice, downstream ---------------------------------------------------------------------


@dataclass
class SayFrame(DataFrame):
    """Something the runtime itself says. Exactly one of ``phrase`` and ``text`` is set.

    Attributes:
        phrase: id of a fixed phrase, cleared by the call's ``release.bound``.
        text: words composed from values (a read-back, a number): judged by the guard.
        turn: caller's turn it answers, 0 before the first.
        tag: comes back in ``SpokenFrame`` so that whoever asked knows it sounded.
        final: the agent's answer ends with it (the floor is the caller's).
        answers: it answers that turn, and its latency is the turn's; False for what nobody asked for.
        silence_ms: silence that is meant behind a fixed phrase, before whatever follows.
    """

    phrase: str = ""
    text: str = ""
    turn: int = 0
    tag: str = ""
    final: bool = True
    answers: bool = True
    silence_ms: int = 0


@dataclass
class ClauseFrame(DataFrame):
    """A clause the gate has cleared; the voice synthesises nothing else.

    Attributes:
        cleared: the token; its receipt is waited for by egress, not here.
        verdict_ms: what judging cost.
        tag: of the SayFrame it came from, or "".
        first: the first clause of an answer (carries the turn's latency marks).
        written: how captions show it, such as "10:30 AM"; "" shows the spoken words.
        silence_ms: silence that is meant behind it, before whatever follows: no part of the clause.
    """

    cleared: Cleared
    verdict_ms: float = 0.0
    tag: str = ""
    first: bool = False
    final: bool = False
    written: str = ""
    silence_ms: int = 0


@dataclass
class ReceiptShownFrame(SystemFrame):
    """The call's receipt code, to be shown at the caller's screen. To egress.

    Attributes:
        cleared: ``text`` is the code; its receipt is that of ``receipt.issued``.
    """

    cleared: Cleared


@dataclass(frozen=True, slots=True)
class Word:
    """``text[start:end]`` is spoken from sample ``sample`` of its clause on."""

    start: int
    end: int
    sample: int


@dataclass
class ClauseAudioFrame(DataFrame):
    """Samples of one clause, in order; ``last`` closes it and may carry no samples.

    ``words`` are those whose audio starts in this frame, offsets from the clause's start.
    ``broken``, on the last: synthesis failed on the way, so it can never be played in full.
    """

    clause: ClauseFrame
    pcm: bytes
    words: list[Word] = field(default_factory=list)
    last: bool = False
    broken: bool = False


@dataclass
class AnswerEndFrame(ControlFrame):
    """The model's answer is complete: no further clause of ``turn`` follows."""

    turn: int


@dataclass
class AnswerBrokenFrame(ControlFrame):
    """The model's answer broke off: the clause it had begun is not to be spoken."""


# --- from egress, upstream ------------------------------------------------------------------------


@dataclass
class AgentSpeakingFrame(SystemFrame):
    """The agent's floor changed.

    Attributes:
        speaking: samples are going out (or paused); False when nothing is left to say.
        yields: the caller may interrupt; False while the disclosure, emergency script and the like
            sound. (Not named ``interruptible``: that is pipecat's word for the frame itself.)
    """

    speaking: bool
    yields: bool = True


@dataclass
class SpokenFrame(SystemFrame):
    """A clause has been played, or cut. Upstream, to whoever asked for ``tag``.

    Attributes:
        full: every sample was played, as far as ``evidence`` in its record says.
        played_ms, of_ms: how much of it.
        text: the words played.
        started_s: its first sample, s since the call was answered.
        evidence: what "played" rests on.
    """

    tag: str
    clause: str
    phrase: str
    turn: int
    full: bool
    played_ms: int
    of_ms: int
    text: str
    started_s: float = 0.0
    evidence: Evidence = Evidence.SENT_ONLY


@dataclass
class SoundsFrame(SystemFrame):
    """A clause begins to sound, perhaps once more from its start. Upstream, as ``SpokenFrame``.

    Attributes:
        started_s: its first sample, s since the call was answered.
    """

    tag: str
    started_s: float


@dataclass
class ThinkingFrame(SystemFrame):
    """The model started (True) or stopped (False) working on ``turn``. Upstream, to the ear."""

    active: bool
    turn: int
