"""Profiles to frozen settings: what this process runs with, read once at start.

A profile (``configs/profiles/*.yaml``) names engines, addresses and limits. It
holds no secret: a secret is named by the environment variable it lies in, is
looked up when the profile is loaded, and is never printed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, PrivateAttr, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from controls.errors import ConfigurationError, OperatorError, Problem
from controls.ledger.records import Environment, Slug
from voice_runtime.agent import Release
from voice_runtime.budget import ANNOUNCED_PAUSE_MS, LOOP_LAG_P99_MS
from voice_runtime.dialled import Dialled
from voice_runtime.engine_settings import (
    ClassPath,
    ModelSettings,
    PipecatModel,
    PipecatRecogniserEngine,
    PipecatVoiceEngine,
    RecogniserSettings,
    SentenceModel,
    VoiceSettings,
)
from voice_runtime.risk_limits import DEFAULT_LIMITS, RiskLimits
from voice_runtime.secret import Secret
from voice_runtime.worker_settings import WorkerSettings
from voice_runtime.yaml_file import Closed, Document, check, load_document

#: Used by every command without ``--config``.
DEFAULT_PROFILE = Path("configs/profiles/offline.yaml")

Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+(/[^\s]*)?$", max_length=500)]
Seconds = Annotated[float, Field(gt=0, le=3600)]
Milliseconds = Annotated[int, Field(ge=0, le=60_000)]

#: On which models an answer may be begun before the caller's turn is over.
EagerTurns = Literal["off", "inside", "all"]


class Server(Closed):
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=7860, ge=0, le=65535, description="port to listen on; 0 lets the system choose")
    public_url: Url | None = Field(
        default=None, description="the address carriers reach, https://…; signatures cover it"
    )
    drain_s: Seconds = Field(default=30.0, description="how long running calls may go on when stopping, s")


class Headroom(Closed):
    """The most that is still well; above it a call is told that all lines are busy. ``null``: never.

    What each is, over which time it is measured, and how it is decided: ``docs/operate.md``.
    """

    loop_lag_ms: float = Field(
        default=float(LOOP_LAG_P99_MS), gt=0, le=10_000,
        description="lateness of the event loop, 99th percentile of 10 s, ms",
    )  # fmt: skip
    loop_percent: float = Field(
        default=80.0, gt=0, le=100, description="CPU of the event loop's thread over 5 s, % of one core"
    )
    cpu_percent: float = Field(
        default=85.0, gt=0, le=100, description="CPU of this process and children over 5 s, % of its cores"
    )
    announced_pause_ms: float = Field(
        default=float(ANNOUNCED_PAUSE_MS), gt=0, le=10_000,
        description="longest collection of garbage in 10 s that audio was sent ahead of, ms",
    )  # fmt: skip
    underruns: int = Field(
        default=3, ge=0, le=10_000, description="silences of our making in 10 s, all calls"
    )
    recogniser_waiting: int = Field(
        default=2, ge=0, le=10_000, description="utterances that wait for a recogniser, fewest over 5 s"
    )
    turn_questions_refused: int = Field(
        default=3, ge=0, le=10_000, description="questions the turn model was too busy for, in 10 s"
    )
    call_percent: float = Field(
        default=4.0, gt=0, le=100, description="what a call is taken to cost until that is known, % of a core"
    )
    resume_percent: float = Field(
        default=85.0, gt=0, le=100, description="calls are taken again below this share of every limit, %"
    )
    calm_s: Seconds = Field(default=5.0, description="and only after so long below it, s")


class Admission(Closed):
    calls: int = Field(default=8, ge=1, le=10_000, description="most simultaneous calls of this process")
    headroom: Headroom | None = Field(
        default=Headroom(), description="turns calls away while those there need all there is; null: off"
    )


class PatienceSettings(Closed):
    """How long the ear waits for more, in ms of silence after the last speech."""

    complete_wait_ms: Milliseconds = Field(description="when the words are a complete question or answer")
    unsure_wait_ms: Milliseconds = Field(
        description="when only the turn model takes them for complete; without it half-way to the next"
    )
    incomplete_wait_ms: Milliseconds = Field(description="when the words break off; the bound")

    @model_validator(mode="after")
    def _ordered(self) -> PatienceSettings:
        if not self.complete_wait_ms <= self.unsure_wait_ms <= self.incomplete_wait_ms:
            raise PydanticCustomError(
                "patience", "has waits out of order", {"remedy": "complete ≤ unsure ≤ incomplete"}
            )
        return self


_PATIENCE: dict[Literal["quick", "normal", "unhurried"], PatienceSettings] = {
    "quick": PatienceSettings(complete_wait_ms=200, unsure_wait_ms=400, incomplete_wait_ms=1600),
    "normal": PatienceSettings(complete_wait_ms=200, unsure_wait_ms=600, incomplete_wait_ms=2400),
    "unhurried": PatienceSettings(complete_wait_ms=200, unsure_wait_ms=900, incomplete_wait_ms=3200),
}


class Turn(Closed):
    vad_stop_ms: Milliseconds = Field(default=200, description="silence after which speech counts as paused")
    preroll_ms: int = Field(default=300, ge=300, le=2000, description="audio kept from before speech began")
    longest_s: Seconds = Field(default=30.0, description="a caller who never stops is answered after this")
    media_stopped_s: Seconds = Field(default=10.0, description="wall-clock s without media before giving up")
    eager: EagerTurns = Field(
        default="inside",
        description="begin an answer at a pause that may be the end of the turn: off, inside (only where the "
        "model to be asked is this house's), or all (outside ones too, once the words are on record)",
    )
    patience: dict[Literal["quick", "normal", "unhurried"], PatienceSettings] = Field(
        default_factory=lambda: dict(_PATIENCE), description="waits by the patience an agent asks for"
    )

    @model_validator(mode="after")
    def _complete(self) -> Turn:
        missing = set(_PATIENCE) - set(self.patience)
        if missing:
            raise PydanticCustomError(
                "turn", "lacks a patience", {"remedy": f"add {', '.join(sorted(missing))}"}
            )
        return self


class Witness(Closed):
    """Who else sees the log's checkpoints (C2SP tlog-witness). Run by the operator, it counts for nothing."""

    url: Url = Field(description="the witness's submission prefix")
    key: str = Field(
        pattern=r"^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{44}$", description="its verifier key, <name>+<hash>+…"
    )


class LedgerSettings(Closed):
    receipt_deadline_ms: int = Field(
        default=1000,
        ge=10,
        le=10_000,
        description="past it audio is discarded, and a fixed phrase apologises",
    )
    spool_mb: int = Field(default=4, ge=1, le=1024, description="pre-allocated fallback spool, MB")
    period: Literal["month", "quarter", "year"] = Field(
        default="quarter", description="how long one log is used for new calls"
    )
    kept_months: int = Field(
        default=84, ge=6, le=1200, description="months after its period in which no log is pruned"
    )
    signer: Literal["in_process", "own_process"] = Field(
        default="in_process", description="own_process: log keys are never in the process that runs agents"
    )
    publish: bool = Field(default=True, description="write C2SP tiles beside each log, for others to read")
    witnesses: tuple[Witness, ...] = Field(default=(), max_length=16, description="asked about every minute")
    cosign_every_s: Seconds = Field(default=60.0, description="s between questions to the witnesses")


class Twilio(Closed):
    account_sid: Secret = Field(description="{env: TWILIO_ACCOUNT_SID}")
    auth_token: Secret = Field(description="{env: TWILIO_AUTH_TOKEN}")
    rest_url: Url = Field(default="https://api.twilio.com", description="Twilio's REST interface")
    validate_signature: Literal[True] = Field(default=True, description="true; it cannot be switched off")
    fallback_number: Dialled | Literal[""] = Field(
        default="", description="who is called when this server fails, +1…"
    )


class Carrier(Closed):
    twilio: Twilio | None = Field(default=None, description="the Twilio account")


Origin = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+$", max_length=300)]
IceUrl = Annotated[str, StringConstraints(pattern=r"^(stun|turns?):[^\s]+$", max_length=300)]


class IceServer(Closed):
    """A STUN or TURN server, for this server and for callers' browsers (RFC 7064, RFC 7065)."""

    urls: tuple[IceUrl, ...] = Field(min_length=1, max_length=8, description="such as stun:… or turn:…")
    username: str = Field(default="", max_length=300, description="of a TURN account")
    credential: Secret | None = Field(default=None, description="{env: NAME} of its password")


class WebRtc(Closed):
    """Callers in a browser."""

    origins: tuple[Origin, ...] = Field(
        default=(), max_length=50, description="sites whose pages may call; this server's own always may"
    )
    ice_servers: tuple[IceServer, ...] = Field(default=(), max_length=8, description="STUN and TURN servers")
    page: bool = Field(default=True, description="serve the caller's page at /call/{agent}")


class Otlp(Closed):
    """Where spans go, over OTLP/HTTP."""

    endpoint: Url = Field(description="base address of a collector, such as http://127.0.0.1:4318")
    headers: dict[str, Secret] = Field(default={}, description="header → {env: NAME}")
    content: bool = Field(default=False, description="true: spans carry callers' and the agent's words")


class TelemetrySettings(Closed):
    otlp: Otlp | None = Field(default=None, description="send spans to an OpenTelemetry collector")


class Providers(Closed):
    allow: tuple[ClassPath, ...] = Field(
        default=(), max_length=50, description="classes that `use:` may name; nothing else is imported"
    )


class ServiceAddress(Closed):
    """Where a service of ``configs/services.yaml`` answers."""

    url: Url | None = Field(default=None, description="base address")
    embedded: bool = Field(default=False, description="true: this process brings the service (demo)")
    key: Secret | None = Field(default=None, description="{env: NAME} of the variable with the HMAC key")

    @model_validator(mode="after")
    def _one_place(self) -> ServiceAddress:
        if (self.url is None) != self.embedded:
            raise PydanticCustomError(
                "service", "needs one place", {"remedy": "write url, or embedded: true"}
            )
        return self


class Profile(Closed):
    """What a profile says, enough to look at its records; ``Settings`` adds what serving needs."""

    format: Literal[1] = Field(description="1")
    environment: Environment = Field(description="demo, development, staging or production")
    data_dir: Path = Field(default=Path(".sayso"), description="where records and state lie")
    server: Server = Server()
    admission: Admission = Admission()
    recogniser: RecogniserSettings = RecogniserSettings()
    model: ModelSettings = Field(description="the language model's endpoints, or standin: true")
    voice: VoiceSettings = Field(description="the voice engine and its voices")
    turn: Turn = Turn()
    ledger: LedgerSettings = LedgerSettings()
    carrier: Carrier = Carrier()
    webrtc: WebRtc | None = Field(default=None, description="take calls from browsers")
    providers: Providers = Providers()
    telemetry: TelemetrySettings = TelemetrySettings()
    risk: RiskLimits = Field(
        default=DEFAULT_LIMITS, description="risk scores at which to block, or to ask a person"
    )
    desks: Literal["by_hours", "nobody_there"] = Field(
        default="by_hours", description="nobody_there: no desk ever answers (demo only)"
    )
    services: dict[Slug, ServiceAddress] = Field(default={}, description="service name → its address")
    workers: WorkerSettings | None = Field(default=None, description="other processes of the same house")
    meaning: SentenceModel | None = Field(default=None, description="a model of sentences, for rules")
    dry_run: bool = Field(default=False, description="true: no agent's use of a tool is sent")
    _name: str = PrivateAttr(default="")
    _root: Path = PrivateAttr(default=Path())

    @property
    def name(self) -> str:
        """The profile's name: its file's without the ending."""
        return self._name

    @property
    def root(self) -> Path:
        """The project's root: the folder that holds ``agents`` and ``configs``."""
        return self._root

    def engines(self) -> list[Any]:
        """Every entry of every chain."""
        return [*self.recogniser.engines, *self.model.endpoints, *self.model.judges, *self.voice.engines]

    def secrets(self) -> list[tuple[tuple[str | int, ...], Secret]]:
        """Every secret this profile names, with the path of its field."""
        found: list[tuple[tuple[str | int, ...], Secret]] = []
        for place, engines in (
            (("recogniser", "engines"), self.recogniser.engines),
            (("model", "endpoints"), self.model.endpoints),
            (("model", "judges"), self.model.judges),
            (("voice", "engines"), self.voice.engines),
        ):
            for i, engine in enumerate(engines):
                found += [((*place, i, *path), secret) for path, secret in engine.secrets()]
        if self.carrier.twilio is not None:
            found.append((("carrier", "twilio", "account_sid"), self.carrier.twilio.account_sid))
            found.append((("carrier", "twilio", "auth_token"), self.carrier.twilio.auth_token))
        for i, server in enumerate(self.webrtc.ice_servers if self.webrtc else ()):
            if server.credential is not None:
                found.append((("webrtc", "ice_servers", i, "credential"), server.credential))
        for name, header in (self.telemetry.otlp.headers if self.telemetry.otlp else {}).items():
            found.append((("telemetry", "otlp", "headers", name), header))
        for name, service in self.services.items():
            if service.key is not None:
                found.append((("services", name, "key"), service.key))
        return [*found, *(self.workers.secrets() if self.workers else ())]


class Settings(Profile):
    """One profile. ``name``, ``root`` and absolute ``data_dir`` are filled in by ``load_settings``."""

    @model_validator(mode="after")
    def _demo_only(self) -> Settings:
        if self.environment in (Environment.DEMO, Environment.DEVELOPMENT):
            return self
        for what, bad in (
            ("a stand-in for its model", self.model.standin),
            ("a generated secret", any(s.generate for _, s in self.secrets())),
            ("desks that nobody answers", self.desks == "nobody_there"),
            ("an embedded service", any(s.embedded for s in self.services.values())),
        ):
            if bad:
                raise PydanticCustomError(
                    "environment",
                    "uses {what}, which is for demo and development only",
                    {"what": what, "remedy": "name a real one, or set environment: development"},
                )
        return self

    @model_validator(mode="after")
    def _allowed(self) -> Settings:
        for engine in self.engines():
            if isinstance(engine, PipecatRecogniserEngine | PipecatModel | PipecatVoiceEngine) and (
                engine.use not in self.providers.allow
            ):
                raise PydanticCustomError(
                    "providers",
                    "uses {use}, which is not on its list of providers",
                    {
                        "use": engine.use,
                        "remedy": f"only if you trust this class: add {engine.use} under providers.allow",
                    },
                )
        return self


P = TypeVar("P", bound=Profile)


def load_settings(
    path: Path | str = DEFAULT_PROFILE,
    *,
    environ: Mapping[str, str] | None = None,
    root: Path | None = None,
) -> Settings:
    """Read a profile and look up its secrets.

    Args:
        path: the profile's file.
        environ: where secrets are looked up; the process's environment by default.
        root: the project's root; by default the nearest folder above the profile
            that holds ``agents`` and ``configs``.

    Raises:
        ConfigurationError: every problem of the file, and every secret that is unset.
    """
    settings, document = _load(Settings, Path(path), root)
    problems = _look_up(settings, document, os.environ if environ is None else environ)
    if problems:
        raise ConfigurationError(problems)
    return settings


def load_profile(path: Path | str = DEFAULT_PROFILE, *, root: Path | None = None) -> Profile:
    """Read a profile for looking at its records and keys: without what only serving needs.

    No secret is looked up, and a stand-in is no reason to refuse.

    Args:
        path, root: as ``load_settings``.

    Raises:
        ConfigurationError: every problem of the file.
    """
    return _load(Profile, Path(path), root)[0]


def _load(model: type[P], path: Path, root: Path | None) -> tuple[P, Document]:
    root = root or _root_of(path)
    document = load_document(path, root, what="profile")
    profile, problems = check(model, document)
    if profile is None:
        raise ConfigurationError(problems)
    profile._name = path.stem
    profile._root = root
    object.__setattr__(profile, "data_dir", (root / profile.data_dir).absolute())
    return profile, document


def _root_of(path: Path) -> Path:
    for folder in path.absolute().parents:
        if (folder / "agents").is_dir() and (folder / "configs").is_dir():
            return folder
    return Path.cwd()


def _look_up(settings: Settings, document: Document, environ: Mapping[str, str]) -> list[Problem]:
    problems = []
    for path, secret in settings.secrets():
        if secret.generate:
            secret._file = settings.data_dir / "secrets" / "-".join(str(p) for p in path)
        elif value := environ.get(secret.env or "", "").strip():
            secret._value = value
        elif not secret.optional:
            remedy = f"set {secret.env} before starting"
            problems.append(document.problem(path, f"environment variable {secret.env} is not set", remedy))
    return problems


def may_serve(settings: Settings, release: Release) -> None:
    """Refuse what may not take calls.

    Until releases can be approved, every one is unapproved, and ``production`` takes no call with such.

    Raises:
        OperatorError: with what to do instead.
    """
    if settings.environment is Environment.PRODUCTION:
        raise OperatorError(
            f"production refuses to serve {release.name} {release.digest[:15]}…: it is unapproved, and "
            "approvals do not exist yet (use environment: staging, development or demo)"
        )


def public_view(settings: Settings) -> dict[str, Any]:
    """The settings as plain data for people to read; secrets appear by name only."""
    return settings.model_dump(mode="json")
