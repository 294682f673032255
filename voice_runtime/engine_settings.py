"""Engines as a profile names them: recognisers, models and voices, each a chain in order of preference.

``engine:`` says which kind an entry is; every kind has the same first facts
(``name`` on record, ``region``, ``outside``, ``deadline_s``), so that suppliers
are checked and bound in one way whatever they speak.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, StringConstraints, Tag, model_validator
from pydantic_core import PydanticCustomError

from controls.ledger.records import Slug
from voice_runtime.secret import Secret
from voice_runtime.yaml_file import Closed

Url = Annotated[str, StringConstraints(pattern=r"^(https?|wss?)://[^\s/]+(/[^\s]*)?$", max_length=500)]
Seconds = Annotated[float, Field(gt=0, le=3600)]
ClassPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$", max_length=200)]
Named = tuple[tuple[str | int, ...], Secret]
#: What a supplier's own voice is called.
VoiceId = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class _Engine(Closed):
    """What every entry has. ``name`` is the supplier's on record and in configs/suppliers.yaml."""

    name: Slug = Field(description="supplier's name on record and in configs/suppliers.yaml, lower case")
    region: Slug = Field(default="local", description="where the supplier computes, such as us or eu")
    outside: bool = Field(default=True, description="whether callers' words or voice leave this host")
    deadline_s: Seconds | None = Field(
        default=None, description="s this engine may take before the next is asked; the stage's by default"
    )

    @property
    def address(self) -> str:
        """Where it answers, as far as the entry says."""
        return str(getattr(self, "base_url", "") or "")

    def secrets(self) -> Iterator[Named]:
        """Every secret the entry names, with the path of its field."""
        key = getattr(self, "api_key", None)
        if isinstance(key, Secret):
            yield ("api_key",), key
        for name, secret in (getattr(self, "keys", None) or {}).items():
            yield ("keys", name), secret


class _OnThisHost(_Engine):
    """An engine that runs in this house; nothing leaves it."""

    region: Literal["local"] = Field(default="local", description="this host")
    outside: Literal[False] = Field(default=False, description="false: nothing leaves this host")


class _ByImportPath(_Engine):
    """A service class of pipecat, or of a package of yours, on the profile's allow-list."""

    engine: Literal["pipecat"]
    use: ClassPath = Field(description="dotted path of the class, on the list providers.allow")
    arguments: dict[str, Any] = Field(default={}, description="arguments of its constructor")
    settings: dict[str, Any] = Field(default={}, description="fields of its Settings, such as model")
    keys: dict[str, Secret] = Field(
        default={}, description="argument → {env: NAME}: secrets among its arguments"
    )

    @property
    def model(self) -> str:
        """What is on record as the model: as the entry says, else the class."""
        return str(self.settings.get("model") or self.arguments.get("model") or self.use.rpartition(".")[2])


# --- recognisers ----------------------------------------------------------------------------------


class PocketsphinxEngine(_OnThisHost):
    engine: Literal["pocketsphinx"]
    name: Slug = Field(default="pocketsphinx", description="name on record")
    processes: int = Field(default=2, ge=1, le=64, description="decoder processes, about 96 MB each")

    model: ClassVar[str] = "phrase model of this release"


class WhisperEngine(_OnThisHost):
    engine: Literal["faster-whisper"]
    name: Slug = Field(default="faster-whisper", description="name on record")
    model: str = Field(default="base", min_length=1, max_length=200, description="its name, for the record")
    folder: Path = Field(description="folder of the converted CTranslate2 model")
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="cpu or cuda")
    compute: Literal["int8", "int8_float16", "float16", "float32"] = Field(
        default="int8", description="int8 on a CPU, float16 or int8_float16 on CUDA"
    )
    threads: int = Field(default=2, ge=1, le=64, description="CPU threads of one decoding")
    workers: int = Field(default=1, ge=1, le=16, description="decodings side by side")
    detect_language: bool = Field(default=False, description="true: the model says which language it was")
    download: bool = Field(default=False, description="true: fetch the weights when the folder is empty")
    shortest_window_s: float = Field(
        default=2.0, ge=0.5, le=30, description="speech is padded to this before encoding, s"
    )
    partial_every_ms: int = Field(
        default=500, ge=0, le=10_000,
        description="ms of speech between decodings while the caller speaks; 0 decodes only at their pauses",
    )  # fmt: skip
    batch: int = Field(default=8, ge=1, le=64, description="most utterances decoded together")
    batch_wait_ms: int = Field(default=5, ge=0, le=100, description="ms to wait for others to join a batch")


class TranscriptionsEngine(_Engine):
    """A server with OpenAI's ``/v1/audio/transcriptions``."""

    engine: Literal["openai"]
    base_url: Url = Field(description="address up to and including /v1")
    model: str = Field(min_length=1, max_length=200, description="model name as the supplier calls it")
    api_key: Secret | None = Field(default=None, description="{env: NAME} of the variable with the key")


class PipecatRecogniserEngine(_ByImportPath):
    pass


RecogniserEngine = Annotated[
    PocketsphinxEngine | WhisperEngine | TranscriptionsEngine | PipecatRecogniserEngine,
    Field(discriminator="engine"),
]


class RecogniserSettings(Closed):
    deadline_s: Seconds = Field(default=3.0, description="s from the end of speech to the final text, in all")
    engines: tuple[RecogniserEngine, ...] = Field(
        default=(PocketsphinxEngine(engine="pocketsphinx"),),
        min_length=1,
        max_length=4,
        description="recognisers in order: the next is asked when one fails or is late",
    )

    @model_validator(mode="after")
    def _names(self) -> RecogniserSettings:
        _each_once(self.engines)
        return self


# --- models ---------------------------------------------------------------------------------------


class SentenceModel(Closed):
    """What rules with `like: {by: meaning}` go by."""

    folder: Path = Field(description="a model of sentence-transformers exported to ONNX, below the root")


class Endpoint(_Engine):
    """One OpenAI-compatible model server; they are tried in order."""

    engine: Literal["openai"] = "openai"
    base_url: Url = Field(description="address up to and including /v1")
    model: str = Field(min_length=1, max_length=200, description="model name as the supplier calls it")
    api_key: Secret | None = Field(default=None, description="{env: NAME} of the variable with the key")
    receipt_first: bool = Field(
        default=True, description="wait for the durable record before sending (false only by its entry)"
    )


class PipecatModel(_ByImportPath):
    receipt_first: bool = Field(
        default=True, description="wait for the durable record before sending (false only by its entry)"
    )


def _model_engine(value: Any) -> str:
    engine = value.get("engine") if isinstance(value, dict) else getattr(value, "engine", None)
    return str(engine or "openai")


ModelEndpoint = Annotated[
    Annotated[Endpoint, Tag("openai")] | Annotated[PipecatModel, Tag("pipecat")],
    Discriminator(_model_engine),
]


class ModelSettings(Closed):
    standin: bool = Field(default=False, description="true: the rule-based stand-in, NOT a language model")
    endpoints: tuple[ModelEndpoint, ...] = Field(
        default=(), max_length=8, description="model servers, in order"
    )
    judges: tuple[Endpoint, ...] = Field(
        default=(), max_length=8, description="model servers that rules ask, and that never talk to callers"
    )
    first_token_s: Seconds = Field(default=2.0, description="deadline for the first token, s")
    total_s: Seconds = Field(default=20.0, description="deadline for a whole answer, s")
    retries: int = Field(default=1, ge=0, le=5, description="further attempts at each endpoint")
    context_tokens: int = Field(
        default=6000, ge=500, le=1_000_000, description="longer conversations are summarised to fit"
    )

    @model_validator(mode="after")
    def _some_model(self) -> ModelSettings:
        if self.standin == bool(self.endpoints):
            raise PydanticCustomError(
                "model", "needs one kind of model", {"remedy": "write standin: true, or endpoints, not both"}
            )
        _each_once((*self.endpoints, *self.judges))
        return self


# --- voices ---------------------------------------------------------------------------------------


class EspeakEngine(_OnThisHost):
    engine: Literal["espeak-ng"]
    name: Slug = Field(default="espeak-ng", description="name on record")

    model: ClassVar[str] = "formant synthesis"


class SpeechEngine(_Engine):
    """A server with OpenAI's ``/v1/audio/speech``: OpenAI, Kokoro-FastAPI, vLLM and kin."""

    engine: Literal["openai"]
    base_url: Url = Field(description="address up to and including /v1")
    model: str = Field(min_length=1, max_length=200, description="model name as the supplier calls it")
    api_key: Secret | None = Field(default=None, description="{env: NAME} of the variable with the key")
    rate_hz: int = Field(default=24000, ge=8000, le=48000, description="sample rate of its pcm answers, Hz")
    speed: float = Field(default=1.0, ge=0.5, le=2.0, description="1 is its own pace")
    voices: dict[Slug, VoiceId] = Field(min_length=1, description="our voice name → the supplier's")


class PiperEngine(_Engine):
    """Piper's own HTTP server (GPL-3.0, a process of its own)."""

    engine: Literal["piper"]
    base_url: Url = Field(description="its address, such as http://127.0.0.1:5000")
    speed: float = Field(default=1.0, ge=0.5, le=2.0, description="1 is its own pace")
    voices: dict[Slug, VoiceId] = Field(default={}, description="our voice name → Piper's")

    model: ClassVar[str] = "piper"


class PipecatVoiceEngine(_ByImportPath):
    voices: dict[Slug, VoiceId] = Field(default={}, description="our voice name → the supplier's")


VoiceEngine = Annotated[
    EspeakEngine | SpeechEngine | PiperEngine | PipecatVoiceEngine, Field(discriminator="engine")
]


class VoiceStyle(Closed):
    variant: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{0,32}$")] = Field(
        default="", description="espeak-ng's variant of the language's voice, such as f3"
    )
    rate_wpm: int = Field(default=175, ge=80, le=400, description="espeak-ng: words per minute")
    pitch: int = Field(default=50, ge=0, le=99, description="espeak-ng: 0 to 99")


class VoiceSettings(Closed):
    deadline_s: Seconds = Field(default=2.0, description="s to the first sample of a clause, each engine")
    engines: tuple[VoiceEngine, ...] = Field(
        default=(EspeakEngine(engine="espeak-ng"),),
        min_length=1,
        max_length=4,
        description="voice engines in order: the next speaks when one fails or is late",
    )
    voices: dict[Slug, VoiceStyle] = Field(
        description="voice name → style; agents choose by name", min_length=1
    )

    @model_validator(mode="after")
    def _names(self) -> VoiceSettings:
        _each_once(self.engines)
        for engine in self.engines:
            mapped = getattr(engine, "voices", None)
            if isinstance(engine, SpeechEngine) or mapped:
                for voice in self.voices:
                    if voice not in (mapped or {}):
                        raise PydanticCustomError(
                            "voice",
                            "engine {engine} has no voice for {voice}",
                            {
                                "engine": engine.name,
                                "voice": voice,
                                "remedy": f"add {voice} under its voices, with the supplier's name for it",
                            },
                        )
        return self


def _each_once(engines: tuple[_Engine, ...]) -> None:
    names = [engine.name for engine in engines]
    if len(set(names)) != len(names):
        raise PydanticCustomError("engines", "names an engine twice", {"remedy": "give each its own name"})
