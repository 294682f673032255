"""Every record type as a closed model: *the* list.

A record is a leaf of the log. Leaves hold no personal data: random ids,
enumerations, whole seconds, counts and references to sealed blobs, and no free
strings (``tests/controls/ledger/test_records.py`` walks every type). What a
caller or the agent said, names of tools and rules, numbers and exact times
travel in the *personal* model beside the record, are encrypted on the way to
disk and stand in the leaf as a ``SealedRef`` only.

Rules: docs/record-format and the GDPR articles named there.
"""

from __future__ import annotations

import base64
import binascii
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from controls.decision import Verdict
from controls.errors import IntegrityError
from controls.ledger.notes import parse_checkpoint

CallId = Annotated[str, StringConstraints(pattern=r"^c_[0-9A-HJKMNP-TV-Z]{16}$")]
ClauseId = Annotated[str, StringConstraints(pattern=r"^k_[0-9A-HJKMNP-TV-Z]{16}$")]
ToolUseId = Annotated[str, StringConstraints(pattern=r"^u_[0-9A-HJKMNP-TV-Z]{16}$")]
HandoffId = Annotated[str, StringConstraints(pattern=r"^h_[0-9A-HJKMNP-TV-Z]{16}$")]
ArtifactId = Annotated[str, StringConstraints(pattern=r"^a_[0-9A-HJKMNP-TV-Z]{16}$")]
PersonId = Annotated[str, StringConstraints(pattern=r"^p_[0-9A-HJKMNP-TV-Z]{16}$")]
IncidentId = Annotated[str, StringConstraints(pattern=r"^i_[0-9A-HJKMNP-TV-Z]{16}$")]
HoldId = Annotated[str, StringConstraints(pattern=r"^l_[0-9A-HJKMNP-TV-Z]{16}$")]
OriginId = Annotated[str, StringConstraints(pattern=r"^o_[0-9A-HJKMNP-TV-Z]{16}$")]
#: A raw Ed25519 public key (32 bytes) in base64.
PublicKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{43}=$")]
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Mac = Annotated[str, StringConstraints(pattern=r"^hmac-sha256:[0-9a-f]{64}$")]
#: A name from a configuration file that reveals nothing about a caller.
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*([-.][a-z0-9]+){0,8}$", max_length=64)]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?$")]
Control = Annotated[str, StringConstraints(pattern=r"^A\.(10|[2-9])(\.[0-9]{1,2}){1,2}$")]
#: Unix time in s, set by our clocks and calendars (the largest is in the year 4147).
Seconds = Annotated[int, Field(ge=0, le=2**36)]
#: Nine digits at most: a telephone number with its area code, or a card's, fits into neither.
Elapsed = Annotated[int, Field(ge=0, le=999_999_999)]
Count = Annotated[int, Field(ge=0, le=999_999_999)]
Percent = Annotated[int, Field(ge=0, le=100)]


def _embedded(note: str) -> str:
    """A signed checkpoint of one of our logs in base64, and nothing else."""
    try:
        origin = parse_checkpoint(base64.b64decode(note, validate=True)).origin
    except (IntegrityError, binascii.Error):
        raise ValueError("not a signed checkpoint") from None
    if not origin.startswith(LOG_NAME):
        raise ValueError("not a checkpoint of a log of ours")
    return note


#: What a log's checkpoints call it: this and its origin.
LOG_NAME = "sayso.dev/log/"
#: A whole checkpoint with its cosignatures, in base64; ``checkpoint_in`` reads it.
EmbeddedNote = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9+/]+={0,2}$", max_length=4096), AfterValidator(_embedded)
]
#: The tenant under which the register of origins, keys and routes is kept.
REGISTER = "register"


class Environment(StrEnum):
    DEMO = "demo"
    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"


class Evidence(StrEnum):
    """What a claim that audio was played rests on.

    ``carrier_mark``: a mark behind the audio came back. Of words cut short, the audio behind the last such
    mark (at most 180 ms and the way there) is counted by the time that has passed since it came.
    """

    CARRIER_MARK = "carrier_mark"
    RTCP = "rtcp"
    CLIENT_REPORT = "client_report"
    SENT_ONLY = "sent_only"


class PersonalData(StrEnum):
    """What redaction looks for, as coarse as a leaf may tell it: which country's number it was stays out."""

    CARD = "card"
    CARD_CODE = "card-code"
    IBAN = "iban"
    NATIONAL_ID = "national-id"
    BIRTH_DATE = "birth-date"
    EMAIL = "email"
    TELEPHONE = "telephone"
    ADDRESS = "address"
    NAME = "name"


class Closed(BaseModel):
    """Frozen, and refuses fields it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class RetentionTag(Closed):
    """How long an artefact may live, and on what ground; written with it.

    ``expires_at`` is in whole Unix seconds.
    """

    retention_class: Slug
    purpose: Slug
    legal_basis: Slug
    region: Slug
    expires_at: Seconds


class SealedRef(Closed):
    """A reference to personal content: AES-256-GCM ciphertext under a key of its own.

    ``digest`` is the ciphertext's; ``hmac`` is the plaintext's under a random
    256-bit salt inside the ciphertext, so neither can be guessed from outside.
    """

    artifact: ArtifactId
    kind: Slug
    digest: Digest
    hmac: Mac
    tag: RetentionTag


class Personal(Closed):
    """Base of what is sealed beside a record. ``kind`` selects the retention class."""

    kind: ClassVar[str]


#: Record models have a class variable named ``type``, which would hide the builtin.
_PersonalModel = type[Personal]


class Record(Closed):
    """Base of every leaf's predicate. The writer adds ``at``, ``n`` and ``sealed``.

    Attributes:
        at: Unix time of the commit, whole seconds; exact times are sealed.
        n: 0-based number within the call (within the origin for records
            without a call), assigned at commit; a gap shows loss.
        tenant: whose record it is.
        sealed: the personal content beside it.
        recovered: appended later, from the fallback spool or by the janitor.
    """

    type: ClassVar[str]
    personal: ClassVar[_PersonalModel | None] = None

    tenant: Slug
    at: Seconds = 0
    n: Count = 0
    sealed: SealedRef | None = None
    recovered: bool = False


class CallRecord(Record):
    """A record that belongs to one call."""

    call: CallId


class Quoting(CallRecord):
    """A record whose sealed part may hold what was said, in the caller's words or close to them."""

    kept: bool | None = Field(
        default=None, description="whether it does; null: written where nobody told, or before it was told"
    )


# --- the call -------------------------------------------------------------------------------------


class CallDetails(Personal):
    """Who called, which line and agent took it, and when to the nanosecond."""

    kind = "call-details"
    caller: str = ""
    called: str = ""
    agent: str
    line: str
    operator_of_record: str
    carrier_call: str = ""
    opened_at: str = Field(description="RFC 3339 with microseconds")


class CallOpened(CallRecord):
    type = "call.opened"
    personal = CallDetails
    release: Digest
    environment: Environment
    approved: bool
    ingress: Literal["twilio", "webrtc", "sip"]
    region: Slug
    language: Language
    checkpoint: EmbeddedNote | None = Field(
        default=None, description="newest (cosigned) checkpoint when the call was opened: not before it"
    )


class RefusalDetails(Personal):
    """What the carrier calls a call that was not taken, so that its records can be reconciled."""

    kind = "call-details"
    carrier_call: str


class CallRefused(Record):
    type = "call.refused"
    personal = RefusalDetails
    reason: Literal[
        "capacity",
        "overload",  # places were free, and one more call would have cost the others their quality
        "unknown_line",
        "draining",
        "ledger",
        "unapproved",
        "stopped",
        "signature",
        "token",
        "expired",  # a file of disclosure rules is past its last day: nobody answers for it any more
    ]


class CallClosed(CallRecord):
    type = "call.closed"
    ended_by: Literal["caller", "agent", "person", "carrier", "operator", "failure", "unknown"]
    reason: Literal[
        "completed",
        "hung_up",
        "silence",
        "too_long",
        "transferred",
        "callback",
        "opted_out",
        "emergency",
        "stopped",
        "drained",
        "failed",
        "crashed",
    ]
    duration_s: Elapsed
    records: Count = Field(description="records of this call before this one")


class CallRecovered(CallRecord):
    """The janitor closes what a crash left open."""

    type = "call.recovered"
    last_n: Count
    tools_unknown: Count = 0


class CallbackDetails(Personal):
    kind = "callback"
    number: str
    reason: str
    summary: str
    desk: str
    due_at: str = Field(description="RFC 3339")


class CallbackPromised(Quoting):
    type = "callback.promised"
    personal = CallbackDetails
    handoff: HandoffId
    number_confirmed: bool
    within_working_h: Count


# --- what the call is bound to --------------------------------------------------------------------


class FixedPhrase(Closed):
    """A phrase cleared once for the whole call, by digest of its exact UTF-8 words."""

    phrase: Slug
    language: Language
    digest: Digest


class ReleaseBound(CallRecord):
    """The exact agent version, and every fixed phrase it may speak without a clearance of its own."""

    type = "release.bound"
    release: Digest
    fixed: tuple[FixedPhrase, ...] = Field(max_length=40)
    redaction: Digest | None = Field(
        default=None,
        description="version of the redaction rules the call is under; null: nothing is redacted",
    )


class SupplierDetails(Personal):
    kind = "supplier"
    model: str
    address: str = ""
    note: str = Field(default="", description='such as "not a language model"')


class SupplierBound(CallRecord):
    type = "supplier.bound"
    personal = SupplierDetails
    stage: Literal["recogniser", "model", "voice", "carrier", "tool"]
    supplier: Slug
    region: Slug
    outside: bool = Field(description="content leaves this host")


class MediaOpened(CallRecord):
    """What carries the caller's and the agent's voice, as far as the other side told us."""

    type = "media.opened"
    transport: Literal["twilio", "webrtc", "sip", "typed"]
    codec: Literal["pcmu", "pcma", "opus", "none"]
    echo_cancellation: Literal["on", "off", "unknown"] = Field(description="as the caller's device says")
    microphone: bool = Field(description="audio is expected from the caller")


class MediaHalfDuplex(CallRecord):
    """The caller's line returns the agent's voice: while the agent speaks, speech does not interrupt."""

    type = "media.half_duplex"
    active: bool


class DisclosurePlayed(CallRecord):
    type = "disclosure.played"
    language: Language
    attempt: Count
    in_full: bool
    played_ms: Count
    of_ms: Count
    evidence: Evidence
    at_ms: Count = Field(description="first sample, ms after the call was answered")


#: What a consent is about: ``controls.consent`` says what each means.
ConsentScope = Literal["record", "transcript", "supplier", "listening", "training", "callback"]


class ConsentRecorded(CallRecord):
    """An answer, its absence (``default``: a refusal), or what an earlier call left behind (``stored``)."""

    type = "consent.recorded"
    scope: ConsentScope
    given: bool
    how: Literal["voice", "keypad", "default", "stored"]
    language: Language
    asked: Digest | None = Field(
        default=None, description="of the exact words of the question; none where nothing was asked"
    )
    at_s: Elapsed


class ConsentWithdrawn(CallRecord):
    """Taken back, or objected to without having been asked."""

    type = "consent.withdrawn"
    scope: ConsentScope
    how: Literal["voice", "keypad"]
    at_s: Elapsed


class LiftedDetails(Personal):
    """Who lifted an opt-out, why, which one, and in which call it was said.

    Attributes:
        entry: the first digits of its keyed digest.
        call: "" where that is not known.
    """

    kind = "operation"
    who: str
    why: str
    entry: str
    call: str = ""


class OptOutLifted(Record):
    """Somebody of the operator's undid an opt-out, because the caller wanted that or never meant it."""

    type = "opt_out.lifted"
    personal = LiftedDetails


# --- the turns ------------------------------------------------------------------------------------


class SaidDetails(Personal):
    """What the caller said. Times in s of media time since the call was answered."""

    kind = "transcript"
    text: str
    confidence: float = Field(ge=0, le=1)
    started_s: float
    ended_s: float


#: Whose business the caller's words are. maybe_opt_out: the caller is asked back; ai_question: they asked
#: whether this is a machine, and a fixed phrase answers that.
Addressed = Literal[
    "model", "question", "person", "emergency", "opt_out", "maybe_opt_out", "consent", "ai_question", "stop",
    "receipt", "nobody",
]  # fmt: skip


class CallerSaid(CallRecord):
    type = "caller.said"
    personal = SaidDetails
    turn: Count
    engine: Slug
    addressed: Addressed = "model"
    kept: bool = Field(default=True, description="false: the sealed part holds times, and none of the words")


class TurnProvisional(CallRecord):
    """The caller's words by a pause go to the model before the turn is over; nothing comes of it until it is.

    Either the turn ends with exactly these words, or ``turn.withdrawn`` says ``eager``.
    """

    type = "turn.provisional"
    personal = SaidDetails
    turn: Count = Field(description="the number the turn has once it is over")
    engine: Slug
    kept: bool = Field(default=True, description="as of caller.said")


class ToolUse(Closed):
    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class DecidedDetails(Personal):
    kind = "decision"
    model: str
    candidate: str = Field(description="every word the model produced, spoken or not")
    tools: tuple[ToolUse, ...] = ()


class TurnDecided(CallRecord):
    """The model's whole answer to one request, before judgement."""

    type = "turn.decided"
    personal = DecidedDetails
    turn: Count
    supplier: Slug
    outcome: Literal["answered", "tools", "withdrawn", "failed"]
    tokens_in: Count = 0
    tokens_out: Count = 0
    attempts: Count = 1
    provisional: bool = Field(default=False, description="asked at a pause, before the turn was over")
    estimated: bool = Field(default=False, description="tokens as we estimate them: the supplier told none")


class SummaryDetails(Personal):
    kind = "summary"
    model: str
    summary: str = Field(description="what the model is given in place of the turns it replaces")


class ContextSummarised(Quoting):
    """The conversation no longer fitted: what the model is shown of its beginning was replaced."""

    type = "context.summarised"
    personal = SummaryDetails
    turn: Count = Field(description="the newest turn when it was decided")
    from_turn: Count
    to_turn: Count
    supplier: Slug
    outcome: Literal["summarised", "trimmed"] = Field(description="trimmed: no summary could be had")
    tokens_before: Count
    tokens_after: Count


class TurnWithdrawn(CallRecord):
    type = "turn.withdrawn"
    turn: Count
    reason: Literal["caller_went_on", "interrupted", "blocked", "hung_up", "eager"] = Field(
        description="eager: a provisional turn's request, whose answer nobody gets; the turn itself goes on"
    )
    tokens_in: Count = Field(default=0, description="spent on what was withdrawn; told with eager only")
    tokens_out: Count = 0
    estimated: bool = Field(default=False, description="as of turn.decided")


class Found(Closed):
    """One rule's finding, as ``controls.decision.RuleVerdict``."""

    rule: str
    verdict: Verdict
    annex_a: tuple[str, ...]
    risk: int
    reason: str


class RiskPoints(Closed):
    """One feature of a risk score, as ``controls.decision.RiskReason``; the points add up to the score."""

    feature: str
    points: Percent


class ClauseDetails(Personal):
    kind = "clause"
    text: str = Field(description="the words that may be spoken (or, refused, that may not)")
    candidate: str = Field(default="", description="the model's words, where they were rewritten")
    verdicts: tuple[Found, ...] = ()
    reasons: tuple[RiskPoints, ...] = Field(default=(), description="what the leaf's risk is made of")
    instead: Slug | None = Field(default=None, description="fixed phrase spoken in a refused clause's place")


class ClauseCleared(CallRecord):
    type = "clause.cleared"
    personal = ClauseDetails
    turn: Count
    clause: ClauseId
    verdict: Literal[Verdict.ALLOW, Verdict.REWRITE]
    risk: Percent
    annex_a: tuple[Control, ...] = ()


class ClauseRefused(CallRecord):
    type = "clause.refused"
    personal = ClauseDetails
    turn: Count
    clause: ClauseId
    verdict: Literal[Verdict.BLOCK, Verdict.APPROVE, Verdict.HANDOFF]
    risk: Percent
    annex_a: tuple[Control, ...] = ()


class JudgeAskedDetails(Personal):
    """What a model was asked about a clause or a tool's use, exactly as it was shown."""

    kind = "decision"
    rule: str
    model: str
    asks: str
    shown: dict[str, Any] = Field(default_factory=dict)


class JudgeRecord(CallRecord):
    turn: Count
    of: ClauseId | ToolUseId
    mode: Literal["before", "after"] = Field(
        description="after: nothing waits for it, and it prevents nothing"
    )
    supplier: Slug
    question: Digest = Field(description="of the question's exact words, which the rule holds")


class JudgeAsked(JudgeRecord):
    """A rule's question to a model is about to be sent; durable before it leaves for an outside supplier."""

    type = "judge.asked"
    personal = JudgeAskedDetails


class JudgeAnsweredDetails(Personal):
    kind = "decision"
    rule: str
    model: str
    text: str = Field(default="", description="as the model wrote it")


class JudgeAnswered(JudgeRecord):
    """What became of a rule's question; without an answer the rule applies (before), or nothing is known."""

    type = "judge.answered"
    personal = JudgeAnsweredDetails
    answer: Literal["yes", "no", "none"]
    why: Literal["answered", "deadline", "failed", "nonsense", "not_asked", "withdrawn"]
    ms: Elapsed


class Latency(Closed):
    """What the server can know, in ms, from the last speech sample received (docs/measuring).

    None where the mark does not exist for this turn.

    Attributes:
        eager: of the model's time to its first word, what passed before the turn was found to be over.
            ``first_token`` is the rest of it.
    """

    endpointing: float | None = None
    recognition: float | None = None
    first_token: float | None = None
    verdict: float | None = None
    durable: float | None = None
    synthesis: float | None = None
    egress: float | None = None
    asr_to_first_token: float | None = None
    first_audio_out: float | None = None
    eager: float | None = None


class PlayedDetails(Personal):
    """What became audible. ``*_at_ns`` are of one monotonic clock: receipt before first sample."""

    kind = "played"
    phrase: Slug | None = Field(default=None, description="the fixed phrase; a rule's tells what it judged")
    text: str
    played_text: str
    started_s: float = 0.0
    receipt_at_ns: int = 0
    first_sample_at_ns: int = 0
    latency_ms: Latency | None = None


class AgentPlayed(CallRecord):
    """One per cleared clause and per fixed phrase; zero samples if it never sounded."""

    type = "agent.played"
    personal = PlayedDetails
    turn: Count
    clause: ClauseId
    fixed: bool = Field(default=False, description="a phrase release.bound cleared, not a clause.cleared")
    samples: Count
    of_samples: Count
    rate_hz: Literal[8000, 16000, 24000, 48000]
    interrupted: bool
    evidence: Evidence
    script: Literal[True] | None = Field(
        default=None, description="the words of an emergency, which name the number to dial; else null"
    )


# --- actions --------------------------------------------------------------------------------------


class ToolDetails(Personal):
    kind = "tool"
    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    result: dict[str, Any] | None = None
    reason: str = ""
    verdicts: tuple[Found, ...] = ()
    reasons: tuple[RiskPoints, ...] = Field(default=(), description="what the leaf's score is made of")


class ToolRecord(CallRecord):
    personal = ToolDetails
    turn: Count
    use: ToolUseId


class ToolRequested(ToolRecord):
    """Durable before the request leaves; ``idempotent`` means it can be asked about later."""

    type = "tool.requested"
    risk: Literal["low", "medium", "high"]
    score: Percent | None = Field(default=None, description="of this use; risk is the tool's own class")
    read_back: Literal["none", "confirmed"]
    idempotent: bool
    dry: bool = Field(default=False, description="a dry run: nothing leaves, and nothing follows")
    undo_of: ToolUseId | None = Field(default=None, description="the earlier use that this one takes back")
    repeats: ToolUseId | None = Field(
        default=None,
        description="the earlier use it is the same as, whose idempotency key it leaves with: nobody knows "
        "whether that one was done",
    )


class ToolRefused(ToolRecord):
    type = "tool.refused"
    reason: Literal[
        "rule", "caller_said_no", "too_often", "unknown_tool", "bad_arguments", "stopped", "unconfirmed",
        "not_approved", "too_much", "not_counted", "changed", "not_entered", "in_doubt",
    ]  # fmt: skip
    score: Percent | None = Field(default=None, description="of this use, where it was scored")


class ToolExecuted(ToolRecord):
    type = "tool.executed"
    ok: bool
    status: Count
    duration_ms: Count


class ToolUnknown(ToolRecord):
    """The request left, the outcome never came. Never retried silently."""

    type = "tool.unknown"
    reason: Literal["timeout", "crash", "broken_answer"]
    reconciled: Literal["no", "done", "not_done"] = "no"


class ToolAnswer(ToolRecord):
    """What a service answered, where the model was not given it as it came: it is untrusted text.

    ``invalid``: not as the tool declares; ``instructions``: it reads as such; ``cleaned``: without signs
    that nobody reads, and given. Of what is not given the model is told no word.
    """

    type = "tool.result"
    state: Literal["invalid", "too_long", "instructions", "cleaned"]
    given: bool


class ApprovalDetails(Personal):
    """What was asked and what a person made of it; ``statement`` and all below it of decisions only.

    What was shown stands with the request alone: a decision's signature says that it is about these words.
    ``salt`` (hexadecimal) is that of the HMAC in the statement. ``decoy``: made up, to be refused.
    """

    kind = "approval"
    tool: str = ""
    arguments: dict[str, Any] = Field(default_factory=dict)
    edited: dict[str, Any] | None = Field(default=None, description="what takes the place of the arguments")
    shown: str = Field(default="", description="with a request: exactly what the person is shown")
    verdicts: tuple[Found, ...] = ()
    salt: str = ""
    decoy: bool = False
    written_by: str = Field(default="", description="who wrote a decoy: a person, or a role")
    who: str = ""
    account: str = Field(default="", description='by which they acted; "": the system does not tell')
    note: str = ""
    statement: str = Field(default="", description="the bytes that were signed, in base64")
    signature: str = Field(default="", description="Ed25519 over them, in base64")
    public: str = Field(default="", description="the key that signed, raw, in base64")


#: 32 random bytes; each request has its own, and a decision names it.
Nonce = Annotated[str, StringConstraints(pattern=r"^n_[0-9a-f]{64}$")]


class ApprovalRecord(Quoting):
    personal = ApprovalDetails
    use: ToolUseId
    nonce: Nonce


class ApprovalRequested(ApprovalRecord):
    """Durable before anybody is asked. Nothing is done before ``approval.granted`` is durable, too."""

    type = "approval.requested"
    role: Slug = Field(description="whose decision it is; from configs/people.yaml")
    expires_at: Seconds
    risk: Percent
    annex_a: tuple[Control, ...] = ()


class ApprovalDecided(ApprovalRecord):
    """A decision that counts: the first in time.

    Attributes:
        label: who held the key that signed: the server for the person, or the person.
        after_s: from the request to the decision.
        blind: they had not been shown what it is about.
    """

    by: PersonId
    label: Literal["server_attested", "own_key"]
    after_s: Elapsed
    blind: bool = False


class ApprovalGranted(ApprovalDecided):
    type = "approval.granted"


class ApprovalEdited(ApprovalDecided):
    """Not carried out: what it became is proposed anew, as a use of its own."""

    type = "approval.edited"
    becomes: ToolUseId


class ApprovalRefused(ApprovalDecided):
    type = "approval.refused"


class ApprovalTakenOver(ApprovalDecided):
    """The person wants the caller: the use is not made."""

    type = "approval.taken_over"


class ApprovalExpired(ApprovalRecord):
    """Nobody decided in time; a passed time never grants."""

    type = "approval.expired"
    leads_to: Literal["refuse", "handoff"]


class ApprovalAbandoned(ApprovalRecord):
    """Nobody waits for it any more. Behind a grant: the use was not made all the same."""

    type = "approval.abandoned"
    reason: Literal["hung_up", "interrupted", "stopped", "unrecorded", "nobody", "crashed"]


class ApprovalLate(ApprovalRecord):
    """A decision that did not count: somebody else's, or the end of the time, came first."""

    type = "approval.late"
    by: PersonId
    label: Literal["server_attested", "own_key"]
    blind: bool = False
    verdict: Literal["granted", "edited", "refused", "taken_over"]


# --- people ---------------------------------------------------------------------------------------


class HandoffDetails(Personal):
    kind = "handoff"
    to: str = ""
    reason: str = ""
    summary: str = ""
    given: dict[str, str] = Field(default_factory=dict, description="details the caller gave")


class HandoffRecord(Quoting):
    personal = HandoffDetails
    handoff: HandoffId


class HandoffRequested(HandoffRecord):
    """Also the clearance of the transfer that follows it."""

    type = "handoff.requested"
    requested_by: Literal["caller_voice", "caller_key", "rule", "agent", "emergency", "failure"]
    annex_a: tuple[Control, ...] = ("A.9.2",)


class HandoffAccepted(HandoffRecord):
    type = "handoff.accepted"
    mode: Literal["blind", "warm", "callback"]
    waited_s: Elapsed


class HandoffFailed(HandoffRecord):
    """One place, or the whole of it, came to nothing.

    ``declined``: the caller wants no call-back, or opted out. ``hung_up``: the caller went before anybody
    came. ``overtaken``: an emergency took its place.
    """

    type = "handoff.failed"
    reason: Literal[
        "nobody_there", "no_answer", "busy", "carrier", "outside_hours", "no_desk", "declined", "hung_up",
        "overtaken",
    ]  # fmt: skip
    waited_s: Elapsed


class HandoffCompleted(HandoffRecord):
    type = "handoff.completed"
    mode: Literal["blind", "warm", "callback"]
    waited_s: Elapsed


class HandoffWordsDetails(Personal):
    """What the rules found on the words for a person, and the words themselves."""

    kind = "handoff"
    text: str
    verdicts: tuple[Found, ...] = ()
    facts: dict[str, Any] = Field(default_factory=dict, description="what the rules went by besides")
    desk: str = Field(default="", description="which is tried first instead")


class HandoffJudged(Quoting):
    """Rules found something on what a person would be told. It never keeps the person away."""

    type = "handoff.judged"
    personal = HandoffWordsDetails
    turn: Count
    handoff: HandoffId
    withheld: bool = Field(description="the words are not told")
    routed: bool = Field(description="another desk is tried first")
    risk: Percent
    annex_a: tuple[Control, ...] = ()


class EndingDetails(Personal):
    """What the rules found as a call was about to end, and the facts they went by."""

    kind = "decision"
    verdicts: tuple[Found, ...] = ()
    facts: dict[str, Any] = Field(default_factory=dict)
    instead: Slug | None = Field(default=None, description="fixed phrase spoken first")


class EndingJudged(CallRecord):
    """Rules found something as the call was about to end; nobody's own hanging up is ever refused."""

    type = "ending.judged"
    personal = EndingDetails
    turn: Count
    ended_by: Literal["caller", "agent", "person", "carrier", "operator", "failure", "unknown"]
    refused: bool = Field(description="the agent may not end the call yet")
    verdict: Verdict
    risk: Percent
    annex_a: tuple[Control, ...] = ()


class PersonJoined(CallRecord):
    type = "person.joined"
    person: PersonId | None = None
    mode: Literal["listens", "whispers", "speaks", "took_over"]


class PersonLeft(CallRecord):
    type = "person.left"
    person: PersonId | None = None


class EmergencyDetails(Personal):
    kind = "emergency"
    rule: str
    said: str


class EmergencyDetected(Quoting):
    type = "emergency.detected"
    personal = EmergencyDetails
    turn: Count
    asked_back: bool = Field(
        default=False, description="the words were too unsure: told what to dial, and asked whether it is one"
    )
    annex_a: tuple[Control, ...] = ("A.9.2",)


# --- the caller's receipt -----------------------------------------------------------------------


class ReceiptDetails(Personal):
    """The code the caller was given; its HMAC under the sealed salt stands in the leaf."""

    kind = "receipt"
    code: str


class ReceiptIssued(CallRecord):
    """The caller asked for a code with which this call can later be shown to be in the log."""

    type = "receipt.issued"
    personal = ReceiptDetails
    turn: Count
    how: Literal["spoken", "shown"]


# --- controls, artefacts, access ------------------------------------------------------------------


#: What may break, be switched off, or be found to have missed something.
ControlName = Literal[
    "ledger", "guard", "egress", "disclosure", "recogniser", "model", "voice", "tool", "carrier", "silence",
    "redaction",
]  # fmt: skip


#: What can make a control weaker than it comes: the part of the configuration, never a name out of it.
WeakenedBy = Literal[
    "risk_limits", "risk_points", "receipt_first", "redaction", "rules", "emergency", "intents",
    "tool_limits", "approvals", "cleared_below",
]  # fmt: skip


class ControlFailed(Record):
    """A control that broke, on the spot."""

    type = "control.failed"
    call: CallId | None = None
    control: ControlName
    reason: Literal[
        "deadline", "refused", "broken", "disk", "crash", "overflow", "unbound_phrase", "exhausted"
    ]
    attempt: Count = 0


class BypassDetails(Personal):
    """Who confirmed that a setting may weaken a control: two different persons."""

    kind = "operation"
    who: tuple[str, ...] = ()
    accounts: tuple[str, ...] = Field(default=(), description='of each; "": the system does not tell')
    why: str = ""


class ControlDisabled(Record):
    """A control is off, or a setting makes it weaker than declared: from this leaf until it is restored."""

    type = "control.disabled"
    personal = BypassDetails
    control: ControlName
    how: Literal["off", "bypass"] = Field(
        default="off", description="bypass: it acts, and a setting weakens it"
    )
    setting: WeakenedBy | None = Field(default=None, description="for a bypass, what weakens it")
    restored: bool = Field(default=False, description="from here on it acts as declared again")
    by: PersonId | None = Field(default=None, description="who confirmed it second; none: nobody did")
    first_by: PersonId | None = Field(default=None, description="the other one, who confirmed it first")
    accounts: Literal["different", "shared", "unknown"] = Field(
        default="unknown", description="by what the two are told apart, besides their names"
    )


class MissedDetails(Personal):
    """Who found out, and what the control should have done."""

    kind = "operation"
    who: str
    why: str


class ControlMissed(Record):
    """A failure found later, linked to the leaf it missed.

    Attributes:
        control: what should have acted, where it is one of the runtime's own.
        annex_a: the controls it counts against until ``control.corrected`` names this leaf.
        origin: the log of ``leaf``.
    """

    type = "control.missed"
    personal = MissedDetails
    call: CallId | None = None
    control: ControlName | None = None
    annex_a: tuple[Control, ...] = ()
    origin: OriginId | None = None
    leaf: Count


class CorrectedDetails(Personal):
    """Who answers for it, and what was done (clause 10.2: nonconformity and corrective action)."""

    kind = "operation"
    who: str
    how: str


class ControlCorrected(Record):
    """What a ``control.missed`` or ``control.failed`` told of was put right."""

    type = "control.corrected"
    personal = CorrectedDetails
    origin: OriginId
    leaf: Count = Field(description="of the record that told of it")


class ArtifactTagged(CallRecord):
    type = "artifact.tagged"
    artifact: ArtifactId
    tag: RetentionTag


class RedactionMade(CallRecord):
    """Personal data was masked before a sink: of which type, how often, and by which version of the rules.

    One for each type; it stands behind the record that was masked, or alone where nothing else is recorded.
    """

    type = "redaction.made"
    turn: Count
    sink: Literal["record", "model"]
    of: Literal["caller", "agent", "model", "tool", "person"] = Field(description="whose words they were in")
    what: PersonalData
    found: Count
    version: Digest


class RedactionCounted(Record):
    """Personal data was masked where no record of a call stands behind it; counted, one for each type.

    ``log``, ``span``: in lines and spans of a process since it last told; in each log of a tenant it serves.
    ``export``: in what somebody took out behind the ``access.viewed`` at ``origin`` and ``leaf``.
    """

    type = "redaction.counted"
    sink: Literal["log", "span", "export"]
    what: PersonalData
    found: Count
    version: Digest
    origin: OriginId | None = None
    leaf: Count | None = None


#: What is entered by keys, with everything else paused.
CaptureOf = Literal["card", "card-code", "account", "national-id", "number"]


class CaptureStarted(CallRecord):
    """The caller enters figures by keys: from here on recording, recognition, model and logs are paused.

    Attributes:
        use: the tool use that asks for them.
    """

    type = "capture.started"
    turn: Count
    use: ToolUseId
    what: CaptureOf


class CaptureEnded(CallRecord):
    """They are no longer paused. No figure, and not how many there were.

    Attributes:
        attempts: how often something was entered to its end.
    """

    type = "capture.ended"
    turn: Count
    use: ToolUseId
    outcome: Literal[
        "captured", "gave_up", "timed_out", "stopped", "person", "emergency", "hung_up", "failed"
    ]  # fmt: skip
    attempts: Count


class RecordingStarted(CallRecord):
    type = "recording.started"
    artifact: ArtifactId


class RecordingPaused(CallRecord):
    type = "recording.paused"
    artifact: ArtifactId
    why: Literal["payment", "consent", "person"]


class RecordingStopped(CallRecord):
    type = "recording.stopped"
    artifact: ArtifactId


class AccessDetails(Personal):
    kind = "access"
    who: str
    purpose: str
    account: str = Field(default="", description='by which they looked; "": not known')


class AccessViewed(Record):
    """Appended, and durable, before personal content is opened."""

    type = "access.viewed"
    personal = AccessDetails
    call: CallId | None = None
    what: Literal["trace", "audit", "calls", "recording", "receipt", "reconciliation", "approvals"]


class RetentionExpired(Record):
    type = "retention.expired"
    artifact: ArtifactId


class LegalHoldPlaced(Record):
    type = "legal_hold.placed"
    hold: HoldId
    call: CallId


class LegalHoldLifted(Record):
    type = "legal_hold.lifted"
    hold: HoldId
    call: CallId


class ErasureDone(Record):
    """A tombstone; old proofs stay valid."""

    type = "erasure.done"
    artifact: ArtifactId
    ground: Literal["request", "expiry", "withdrawn"]


# --- agents, releases, incidents, keys, origins ---------------------------------------------------


class StopDetails(Personal):
    """What was stopped, by whom and why: the name of an agent or a tool may tell of its callers' illness."""

    kind = "operation"
    name: str = Field(default="", description="the tenant, agent or tool; none for everything")
    who: tuple[str, ...] = Field(default=(), description="one stops; two different persons resume")
    accounts: tuple[str, ...] = Field(
        default=(), description='of each, as the system knows it; "": it does not'
    )
    why: str = ""


StopScope = Literal["everything", "tenant", "agent", "tool"]


class AgentStopped(Record):
    """In every tenant's log that it concerns; in force until ``agent.resumed`` of the same scope and name."""

    type = "agent.stopped"
    personal = StopDetails
    scope: StopScope
    by: PersonId


class CallStopped(CallRecord):
    """A stop reached this call: its agent answers nothing more, and the caller is told and gets a person."""

    type = "call.stopped"
    turn: Count = Field(description="of the caller's newest words then; 0 before the first")
    scope: StopScope


class AgentResumed(Record):
    """Two different persons wanted it."""

    type = "agent.resumed"
    personal = StopDetails
    scope: StopScope
    by: PersonId
    first_by: PersonId = Field(description="the other one, who asked first")
    accounts: Literal["different", "shared", "unknown"] = Field(
        default="unknown", description="by what the two are told apart, besides their names"
    )


class ReleaseRecord(Record):
    release: Digest
    by: PersonId | None = None


class ReleaseProposed(ReleaseRecord):
    type = "release.proposed"


class ReleaseApproved(ReleaseRecord):
    type = "release.approved"


class ReleaseServed(Record):
    """A process that takes calls began to serve this release, for the first time on this record.

    An agent's limits count as declared in the newest of its releases that was approved, else in the first
    that was served; what a later one loosens is a bypass (``control.disabled``).
    """

    type = "release.served"
    release: Digest


class ReleasePromoted(ReleaseRecord):
    type = "release.promoted"


class ReleaseRolledBack(ReleaseRecord):
    type = "release.rolled_back"


class IncidentOpened(Record):
    type = "incident.opened"
    incident: IncidentId


class IncidentClosed(Record):
    type = "incident.closed"
    incident: IncidentId


class KeyCreated(Record):
    """A key and what it is for, valid from this leaf on; the register of keys is made of these.

    In a log: a key of that log, announced by its predecessor's signature. In
    the register: any key of the house, and of which log (``origin``) it is.
    """

    type = "key.created"
    key: Digest = Field(description="SHA-256 of the raw public key")
    public: PublicKey | None = Field(default=None, description="None for a key that signs nothing")
    role: Literal["log", "node", "wrapping", "witness", "person"]
    origin: OriginId | None = None


class KeyRetired(Record):
    """The key signs nothing behind this leaf; what it signed before stays valid."""

    type = "key.retired"
    key: Digest
    origin: OriginId | None = None


class OriginOpened(Record):
    """A log and its first key. Leaf 0 of every log, and in the register for each of them.

    Attributes:
        period_from, period_to: Unix times in s between which calls open in it
            (0 to 0: the register's, without end).
        kept_until: Unix time in s before which nothing of it is pruned.
        previous: the log of the tenant's period before.
        of: whose it is (in the register).
    """

    type = "origin.opened"
    key: Digest
    public: PublicKey
    origin: OriginId
    period_from: Seconds = 0
    period_to: Seconds = 0
    kept_until: Seconds = 0
    previous: OriginId | None = None
    of: Slug | None = None


class OriginClosed(Record):
    """Last leaf of a log whose period is over; in the register, its size and root."""

    type = "origin.closed"
    origin: OriginId
    size: Count = Field(description="leaves, this one included")
    root: Digest | None = Field(default=None, description="in the register only")


class RouteDetails(Personal):
    kind = "operation"
    entry: str = Field(description="a telephone number, or a web entry")
    line: str


class OriginRouted(Record):
    """In the register: calls that come in by this entry are recorded in that tenant's logs (or no more)."""

    type = "origin.routed"
    personal = RouteDetails
    of: Slug
    origin: OriginId
    active: bool = True


def _concrete(cls: type[Record]) -> list[type[Record]]:
    found = [cls] if "type" in cls.__dict__ else []
    for sub in cls.__subclasses__():
        found += _concrete(sub)
    return found


#: Record type → model, such as ``"caller.said"`` → ``CallerSaid``.
RECORDS: dict[str, type[Record]] = {c.type: c for c in _concrete(Record)}
