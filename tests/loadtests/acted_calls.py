"""Calls acted out for tests: a real playout at the caller, and the records that belong to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from controls.decision import Verdict
from controls.evidence.turns import Opened
from controls.ids import new_id
from controls.ledger import records as r
from controls.opening import SENTENCE_PAUSE_MS
from voice_runtime.caller import audible
from voice_runtime.caller.measure import PAUSE
from voice_runtime.caller.playout import Playout
from voice_runtime.caller.results import CallResult
from voice_runtime.events import CHUNK_SAMPLES, RATE_HZ

CALL, TENANT = "c_0000000000000001", "riverside"
CHUNK = CHUNK_SAMPLES * 1000 // RATE_HZ
_TONE = audible.to_ulaw(
    (8000 * np.sin(2 * np.pi * 400 * np.arange(CHUNK_SAMPLES) / RATE_HZ)).astype("<i2").tobytes()
)


@dataclass
class Acted:
    """A call as it goes on. ``lag_ms``: the server's clock begins so much later than the caller's."""

    lag_ms: float = 40.0
    transport: str = "twilio"
    playout: Playout = field(default_factory=Playout)
    records: list[tuple[r.CallRecord, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._add(r.ReleaseBound(
            tenant=TENANT, call=CALL, release="sha256:" + "0" * 64,
            fixed=(r.FixedPhrase(phrase="disclosure", language="en-US", digest="sha256:" + "0" * 64),),
        ))  # fmt: skip
        self._add(r.MediaOpened.model_validate({
            "tenant": TENANT, "call": CALL, "transport": self.transport, "codec": "pcmu",
            "echo_cancellation": "unknown", "microphone": True,
        }))  # fmt: skip

    def _add(self, record: r.CallRecord, personal: Any = None) -> None:
        self.records.append((record, personal))

    @property
    def now_ms(self) -> float:
        """On the server's clock of the call."""
        return self.playout.now * 1000 / RATE_HZ - self.lag_ms

    def silence(self, ms: int) -> None:
        """Nothing is sent."""
        for _ in range(ms // CHUNK):
            self.playout.tick()

    def disclosed(self, silence_ms: int = SENTENCE_PAUSE_MS) -> None:
        """The newest clause was the disclosure, and so much silence is sent behind it."""
        self._add(r.DisclosurePlayed(
            tenant=TENANT, call=CALL, language="en-US", attempt=1, in_full=True, played_ms=2000, of_ms=2000,
            evidence=r.Evidence.CARRIER_MARK, at_ms=0,
        ))  # fmt: skip
        for _ in range(silence_ms // CHUNK):
            self.playout.audio(audible.ULAW_SILENCE * (CHUNK * RATE_HZ // 1000))
            self.playout.tick()

    def clause(
        self,
        ms: int,
        *,
        phrase: str | None = None,
        cut_at: int | None = None,
        unproven: int = 0,
        pause_at: int | None = None,
        pause_ms: int = 0,
        scheduled_ms: float | None = None,
    ) -> str:
        """One clause of ``ms`` (whole packets), sounding from now on; its id.

        Args:
            cut_at: interrupted after so much, of which ``unproven`` is on no mark.
            pause_at, pause_ms: paused after so much, for so long.
            scheduled_ms: when the server handed over its first sample, as it was not late; now.
        """
        clause = new_id("k")
        if phrase is None:
            self._add(
                r.ClauseCleared(
                    tenant=TENANT, call=CALL, turn=1, clause=clause, verdict=Verdict.ALLOW, risk=0
                ),
                r.ClauseDetails(text="words"),
            )
        start_ms = self.now_ms if scheduled_ms is None else scheduled_ms
        sounds = ms if cut_at is None else cut_at
        for at in range(0, sounds, CHUNK):
            if at == pause_at:
                self.silence(pause_ms)
            self.playout.audio(_TONE)
            self.playout.tick()
        if cut_at is not None:
            self.playout.clear()
        self._add(
            r.AgentPlayed(
                tenant=TENANT, call=CALL, turn=1, clause=clause, fixed=phrase is not None,
                samples=(sounds - (unproven if cut_at is not None else 0)) * RATE_HZ // 1000,
                of_samples=ms * RATE_HZ // 1000, rate_hz=RATE_HZ, interrupted=cut_at is not None,
                evidence=r.Evidence.CARRIER_MARK,
            ),
            r.PlayedDetails(
                phrase=phrase, text="words", played_text="words", started_s=round(start_ms / 1000, 3),
                receipt_at_ns=1, first_sample_at_ns=2,
            ),
        )  # fmt: skip
        return clause

    def unplayed(self) -> str:
        """A clause that was cleared and cut before it sounded: settled with nothing."""
        clause = self.clause(0)
        record, personal = self.records.pop()
        self._add(
            record.model_copy(update={"samples": 0, "interrupted": True}),
            personal.model_copy(update={"first_sample_at_ns": 0, "started_s": 0.0}),
        )
        return clause

    def opened(self) -> list[Opened]:
        """The records as a reader gives them, numbered anew: nothing tells that one was taken out."""
        closed = r.CallClosed(
            tenant=TENANT, call=CALL, ended_by="caller", reason="completed", duration_s=1,
            records=len(self.records),
        )  # fmt: skip
        every = [*self.records, (closed, None)]
        return [(100 + n, record.model_copy(update={"n": n}), p) for n, (record, p) in enumerate(every)]

    def result(self) -> CallResult:
        """What its caller has."""
        playout = self.playout
        return CallResult(
            "CA", answered_ns=1, heard=playout.onsets(pause=PAUSE), gaps=playout.gaps, clears=playout.clears,
            played_samples=playout.played,
        )  # fmt: skip


def without(opened: list[Opened], clause: str, *kinds: type[r.Record]) -> list[Opened]:
    """The same call without this clause's records of these kinds, and numbered as if they never were."""
    kept = [
        (record, personal)
        for _, record, personal in opened
        if not (isinstance(record, kinds) and getattr(record, "clause", None) == clause)
    ]
    return renumbered(kept)


def renumbered(records: list[tuple[Any, Any]]) -> list[Opened]:
    """Leaves, numbers and the count at the end as of an honest log of just these."""
    found: list[Opened] = []
    for n, (record, personal) in enumerate(records):
        update: dict[str, Any] = {"n": n}
        if isinstance(record, r.CallClosed):
            update["records"] = n
        found.append((100 + n, record.model_copy(update=update), personal))
    return found
