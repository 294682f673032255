"""Records of an invented call, numbered as the log numbers them; all persons and companies are fictional."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from controls.decision import Verdict
from controls.evidence.trace import Opened
from controls.ids import new_id
from controls.ledger import records as r

RELEASE = "sha256:" + "9f" * 32
TAG = r.RetentionTag(
    retention_class="transcript",
    purpose="service",
    legal_basis="contract",
    region="us",
    expires_at=1_800_000_000,
)


@dataclass
class CallScript:
    """Appends records like the log: numbered within the call, personal content sealed by reference."""

    call: str = field(default_factory=lambda: new_id("c"))
    opened: list[Opened] = field(default_factory=list)
    first_leaf: int = 100

    def add(self, kind: type[r.Record], personal: r.Personal | None = None, **fields: Any) -> r.Record:
        if "call" in kind.model_fields:
            fields.setdefault("call", self.call)
        sealed = None
        if personal is not None:
            sealed = r.SealedRef(
                artifact=new_id("a"),
                kind=personal.kind,
                digest="sha256:" + "0" * 64,
                hmac="hmac-sha256:" + "0" * 64,
                tag=TAG,
            )
        leaf = self.first_leaf + len(self.opened)
        n = sum(1 for _, record, _ in self.opened if getattr(record, "call", None) == fields.get("call"))
        record = kind(tenant="clinic", at=1_790_000_000 + leaf, n=n, sealed=sealed, **fields)
        self.opened.append((leaf, record, personal))
        return record

    def erase(self, kind: type[r.Record]) -> None:
        """Personal content of every record of this type is gone, and a tombstone says so."""
        for i, (leaf, record, personal) in enumerate(list(self.opened)):
            if isinstance(record, kind) and personal is not None and record.sealed is not None:
                self.opened[i] = (leaf, record, None)
                self.add(r.ErasureDone, artifact=record.sealed.artifact, ground="request")


def found(rule: str, verdict: Verdict, *annex_a: str, risk: int = 0, reason: str = "") -> r.Found:
    return r.Found(rule=rule, verdict=verdict, annex_a=annex_a, risk=risk, reason=reason)


PHRASES = {
    "disclosure": "I'm an AI assistant.",
    "rule.health-boundaries.no-diagnosis": "I can't judge that.",
}


def fixed(phrase: str, text: str) -> r.FixedPhrase:
    digest = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    return r.FixedPhrase(phrase=phrase, language="en-US", digest=digest)


ALLOWED = (found("default/allow", Verdict.ALLOW, "A.9.2"),)


def said(script: CallScript, turn: int, text: str, confidence: float = 0.91) -> None:
    script.add(
        r.CallerSaid,
        r.SaidDetails(text=text, confidence=confidence, started_s=turn * 10.0, ended_s=turn * 10.0 + 1.5),
        turn=turn,
        engine="pocketsphinx",
    )


def cleared(script: CallScript, turn: int, text: str) -> str:
    clause = new_id("k")
    script.add(
        r.ClauseCleared,
        r.ClauseDetails(text=text, verdicts=ALLOWED),
        turn=turn,
        clause=clause,
        verdict=Verdict.ALLOW,
        risk=0,
        annex_a=("A.9.2",),
    )
    return clause


def played(
    script: CallScript,
    turn: int,
    clause: str,
    text: str,
    *,
    samples: int = 16_000,
    of: int = 16_000,
    phrase: str | None = None,
    evidence: r.Evidence = r.Evidence.CARRIER_MARK,
    latency: r.Latency | None = None,
    script_of_emergency: bool = False,
) -> None:
    spoken = text if samples == of else text[: len(text) * samples // of]
    script.add(
        r.AgentPlayed,
        r.PlayedDetails(
            phrase=phrase,
            text=text,
            played_text=spoken,
            receipt_at_ns=1,
            first_sample_at_ns=2,
            latency_ms=latency,
        ),
        turn=turn,
        clause=clause,
        fixed=phrase is not None,
        script=True if script_of_emergency else None,
        samples=samples,
        of_samples=of,
        rate_hz=8000,
        interrupted=samples < of,
        evidence=evidence,
    )


def opening(script: CallScript) -> None:
    script.add(
        r.CallOpened,
        r.CallDetails(
            agent="healthcare",
            line="front-desk",
            operator_of_record="Riverside Clinic (fictional)",
            opened_at="2026-09-21T13:54:00.123456Z",
        ),
        release=RELEASE,
        environment=r.Environment.DEMO,
        approved=False,
        ingress="twilio",
        region="us",
        language="en-US",
    )
    script.add(r.ReleaseBound, release=RELEASE, fixed=tuple(fixed(*phrase) for phrase in PHRASES.items()))
    script.add(
        r.SupplierBound,
        r.SupplierDetails(model="stand-in", note="not a language model"),
        stage="model",
        supplier="standin",
        region="local",
        outside=False,
    )
    played(script, 0, new_id("k"), "I'm an AI assistant.", phrase="disclosure", samples=48_000, of=48_000)
    script.add(
        r.DisclosurePlayed,
        language="en-US",
        attempt=1,
        in_full=True,
        played_ms=6000,
        of_ms=6000,
        evidence=r.Evidence.CARRIER_MARK,
        at_ms=420,
    )


def clinic_call() -> CallScript:
    """A booking, a blocked sentence, an interruption, and a handoff ending in a promised call-back."""
    script = CallScript()
    opening(script)
    said(script, 1, "at ten")
    use = new_id("u")
    script.add(
        r.TurnDecided,
        r.DecidedDetails(model="stand-in", candidate="", tools=(r.ToolUse(name="book_appointment"),)),
        turn=1,
        supplier="standin",
        outcome="tools",
        tokens_in=40,
        tokens_out=5,
    )
    details = r.ToolDetails(name="book_appointment", arguments={"time": "10:00"}, verdicts=ALLOWED)
    script.add(
        r.ToolRequested, details, turn=1, use=use, risk="medium", read_back="confirmed", idempotent=True
    )
    script.add(
        r.ToolExecuted,
        r.ToolDetails(name="book_appointment", arguments={"time": "10:00"}, result={"row": 17}),
        turn=1,
        use=use,
        ok=True,
        status=200,
        duration_ms=14,
    )
    script.add(
        r.TurnDecided,
        r.DecidedDetails(model="stand-in", candidate="Booked. Tuesday at ten."),
        turn=1,
        supplier="standin",
        outcome="answered",
        tokens_in=50,
        tokens_out=6,
    )
    one, two = cleared(script, 1, "Booked."), cleared(script, 1, "Tuesday at ten.")
    played(script, 1, one, "Booked.", latency=r.Latency(asr_to_first_token=310.0, first_audio_out=480.0))
    played(script, 1, two, "Tuesday at ten.", samples=8_000, evidence=r.Evidence.SENT_ONLY)
    said(script, 2, "is this rash serious")
    script.add(
        r.TurnDecided,
        r.DecidedDetails(model="stand-in", candidate="It is probably just eczema."),
        turn=2,
        supplier="standin",
        outcome="answered",
    )
    script.add(
        r.ClauseRefused,
        r.ClauseDetails(
            text="It is probably just eczema.",
            instead="rule.health-boundaries.no-diagnosis",
            verdicts=(
                found(
                    "health-boundaries/no-diagnosis", Verdict.BLOCK, "A.9.4", risk=80, reason="a diagnosis"
                ),
            ),
        ),
        turn=2,
        clause=new_id("k"),
        verdict=Verdict.BLOCK,
        risk=80,
        annex_a=("A.9.4",),
    )
    played(script, 2, new_id("k"), "I can't judge that.", phrase="rule.health-boundaries.no-diagnosis")
    said(script, 3, "let me talk to a person")
    handoff = new_id("h")
    script.add(
        r.HandoffRequested,
        r.HandoffDetails(reason="the caller asked", summary="Booked; asked about a rash."),
        handoff=handoff,
        requested_by="caller_voice",
    )
    script.add(r.HandoffFailed, handoff=handoff, reason="nobody_there", waited_s=12)
    script.add(
        r.CallbackPromised,
        r.CallbackDetails(
            number="+12025550142",
            reason="asked for a person",
            summary="Booked; asked about a rash.",
            desk="reception",
            due_at="2026-09-21T16:00:00Z",
        ),
        handoff=handoff,
        number_confirmed=True,
        within_working_h=4,
    )
    records = sum(1 for _, record, _ in script.opened if getattr(record, "call", None))
    script.add(r.CallClosed, ended_by="agent", reason="callback", duration_s=61, records=records)
    return script
