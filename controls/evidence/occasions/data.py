"""What was kept of one call, and promised in it: tagged, with what consent, and what was taken out. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from controls.evidence.occasions.tally import Call, Tallies
from controls.ledger import records as r

#: Scopes of a consent, as the question names them.
_RECORDING = frozenset(("recording", "record"))
_TRANSCRIPT = frozenset(("transcript",))
#: Purposes of a retention class that only a consent of its own allows.
_TRAINING = "training"
#: The consent that a promised call-back stands on.
_CALLBACK = "callback"


@dataclass(slots=True)
class Data:
    """Topics: artefact, purpose, basis, withdrawal, callback, redaction."""

    of: Call
    tallies: Tallies = field(default_factory=Tallies)
    said: int = -1
    redacts: bool = False
    training: bool = False
    callback: bool = False  # the caller said yes to one, and has not taken it back
    #: scope → the leaf at which it was refused or taken back
    denied: dict[str, int] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    #: recording → whether it runs; recordings with a tag of their own
    runs: dict[str, bool] = field(default_factory=dict)
    started: dict[str, int] = field(default_factory=dict)
    tagged: set[str] = field(default_factory=set)

    def add(self, leaf: int, record: r.Record) -> None:
        if record.sealed is not None:
            self._sealed(leaf, record, record.sealed)
        match record:
            case r.ConsentRecorded():
                self._consent(leaf, record)
            case r.ConsentWithdrawn():
                self._denied(leaf, record.scope, record.at)
            case r.CallbackPromised():
                self.tallies["callback"].judge(self.callback, self.of.where(leaf))
                self.broken |= {_CALLBACK} & self.denied.keys()
            case r.ClauseCleared() if "ai" in self.denied:
                self.broken.add("ai")
            case r.RecordingStarted():
                self.started.setdefault(record.artifact, leaf)
                self.runs[record.artifact] = True
            case r.RecordingPaused() | r.RecordingStopped():
                self.runs[record.artifact] = False
            case r.ArtifactTagged():
                self.tagged.add(record.artifact)
            case r.ReleaseBound():
                self.redacts = self.redacts or record.redaction is not None
            case r.RedactionMade():
                self.tallies["redaction"].challenge(record.at)
            case r.ControlFailed() if record.control == "redaction":
                self.tallies["redaction"].judge(False, self.of.where(leaf))  # what it was about is withheld
            case _:
                pass

    def _sealed(self, leaf: int, record: r.Record, ref: r.SealedRef) -> None:
        where = self.of.where(leaf)
        self.tallies["artefact"].judge(ref.tag.expires_at > 0, where)
        asks = _TRAINING in ref.tag.purpose
        self.tallies["purpose"].judge(self.training or not asks, where)
        self._words(leaf, record)

    def _words(self, leaf: int, record: r.Record) -> None:
        """Words of the call, whatever record they are sealed beside: of each that can hold any, it tells."""
        if not isinstance(record, r.Quoting | r.CallerSaid | r.TurnProvisional) or record.kept is False:
            return
        denied = bool(_TRANSCRIPT & self.denied.keys())
        if record.kept is None:  # nobody told: only where there may be none does that matter
            if denied:
                self.tallies["basis"].judge(None, self.of.where(leaf))
            return
        self.said = leaf if self.said < 0 else self.said
        self.tallies["basis"].judge(not denied, self.of.where(leaf))
        if denied:
            self.broken |= _TRANSCRIPT

    def _consent(self, leaf: int, record: r.ConsentRecorded) -> None:
        if not record.given:
            self._denied(leaf, record.scope, record.at)
            return
        self.denied.pop(record.scope, None)
        self.training = self.training or record.scope == _TRAINING
        self.callback = self.callback or record.scope == _CALLBACK

    def _denied(self, leaf: int, scope: str, at: int) -> None:
        self.denied[scope] = leaf
        self.tallies["withdrawal"].challenge(at)
        self.tallies["basis"].challenge(at)
        self.tallies["purpose"].challenge(at)
        if scope == _TRAINING:
            self.training = False
        if scope == _CALLBACK:
            self.callback = False
            self.tallies["callback"].challenge(at)

    def finish(self, tallies: Tallies) -> None:
        recorded = any(self.runs.values())
        for scope, leaf in self.denied.items():
            held = scope not in self.broken and not (scope in _RECORDING and recorded)
            self.tallies["withdrawal"].judge(held, self.of.where(leaf))
        for artifact, leaf in self.started.items():
            self.tallies["artefact"].judge(True if artifact in self.tagged else None, self.of.where(leaf))
        if self.said >= 0:
            self.tallies["redaction"].judge(True if self.redacts else None, self.of.where(self.said))
        tallies.add(self.tallies)
