"""Service classes by import path: what is refused, where it stands, and what mends it."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest
from loguru import logger
from pipecat.services.cartesia.stt import CartesiaSTTService
from pipecat.services.openai.stt import OpenAISTTService
from pipecat.services.stt_service import STTService
from pipecat.transcriptions.language import Language

from controls.errors import ConfigurationError, OperatorError, Problem
from voice_runtime.engine_settings import PipecatModel, PipecatRecogniserEngine, PipecatVoiceEngine
from voice_runtime.providers import Kind, Provider, resolve
from voice_runtime.secret import Secret
from voice_runtime.yaml_file import parse_document

CARTESIA = "pipecat.services.cartesia.stt.CartesiaSTTService"
OPENAI = "pipecat.services.openai.stt.OpenAISTTService"
OLLAMA = "pipecat.services.ollama.llm.OLLamaLLMService"
_ENTRIES: dict[str, Any] = {
    "recogniser": PipecatRecogniserEngine, "voice": PipecatVoiceEngine, "model": PipecatModel,
}  # fmt: skip


def secret(value: str = "k3y-of-the-supplier") -> Secret:
    made = Secret(env="A_KEY", optional=not value)
    made._value = value
    return made


def resolved(
    use: str, kind: Kind = "recogniser", *, allow: list[str] | None = None, **entry: Any
) -> Provider:
    checked = _ENTRIES[kind](engine="pipecat", name="supplier", use=use, **entry)
    return resolve(checked, kind, [use] if allow is None else allow, at=(kind, "engines", 1))


def problems(use: str, kind: Kind = "recogniser", **entry: Any) -> list[Problem]:
    with pytest.raises(ConfigurationError) as caught:
        resolved(use, kind, **entry)
    return caught.value.problems


def only(use: str, kind: Kind = "recogniser", **entry: Any) -> Problem:
    (found,) = problems(use, kind, **entry)
    return found


@pytest.fixture
def module() -> Iterator[types.ModuleType]:
    """A package of the operator's own."""
    made = types.ModuleType("services_of_ours")
    sys.modules["services_of_ours"] = made
    yield made
    del sys.modules["services_of_ours"]


# --- the class ------------------------------------------------------------------------------------


def test_only_what_the_profile_allows_is_imported() -> None:
    before = set(sys.modules)
    found = only("antigravity.of.Somebody", allow=[CARTESIA])
    assert found.field == "recogniser.engines[1].use"
    assert "antigravity.of.Somebody is not on this profile's list" in found.message
    assert "add antigravity.of.Somebody under providers.allow" in found.remedy
    assert not {m for m in set(sys.modules) - before if m.startswith("antigravity")}


def test_a_module_that_does_not_exist() -> None:
    found = only("pipecat.services.nobody.stt.NobodySTTService")
    assert "there is no module pipecat.services.nobody.stt" in found.message
    found = only("nowhere_at_all.Service")
    assert "there is no module nowhere_at_all" in found.message


def test_a_package_that_is_missing_is_named_with_its_extra() -> None:
    found = only("pipecat.services.nvidia.stt.NvidiaSTTService")
    assert "which is not installed" in found.message
    assert found.remedy == "pip install 'pipecat-ai[nvidia]'"


def test_pipers_own_class_is_gpl_and_there_is_another_way() -> None:
    found = only("pipecat.services.piper.tts.PiperHttpTTSService", "voice")
    assert "needs piper, which is not installed" in found.message
    assert "write engine: piper" in found.remedy
    assert "GPL-3.0" in found.remedy


def test_a_class_by_another_name() -> None:
    found = only("pipecat.services.cartesia.stt.CartesiaSttService")
    assert found.remedy == "did you mean pipecat.services.cartesia.stt.CartesiaSTTService?"


@pytest.mark.parametrize(
    ("use", "kind", "wanted"),
    [
        (CARTESIA, "voice", "TTSService"),
        (CARTESIA, "model", "LLMService"),
        (OLLAMA, "recogniser", "STTService"),
        ("subprocess.Popen", "recogniser", "STTService"),
        ("os.system", "voice", "TTSService"),
    ],
)
def test_a_class_of_another_kind(use: str, kind: Kind, wanted: str) -> None:
    found = only(use, kind)
    assert f"is no {kind} of pipecat's" in found.message
    assert found.remedy == f"name a subclass of {wanted}"


def test_a_base_class_is_no_supplier() -> None:
    assert "only a base" in only("pipecat.services.stt_service.SegmentedSTTService").message


def test_a_module_that_breaks(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "broken_service_module.py").write_text("raise RuntimeError('SECRET')\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = only("broken_service_module.Service")
    assert "breaks on import (RuntimeError)" in found.message
    assert "SECRET" not in str(found)


def test_a_class_of_the_operators_own(module: types.ModuleType) -> None:
    class Ours(CartesiaSTTService):
        def __init__(self, *, flavour: str = "plain", **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.flavour = flavour

    module.Ours = Ours  # type: ignore[attr-defined]
    of = resolved("services_of_ours.Ours", arguments={"flavour": "bold"}, keys={"api_key": secret()})
    assert of.make().flavour == "bold"  # type: ignore[attr-defined]


# --- arguments and settings -----------------------------------------------------------------------


def test_every_problem_is_told_at_once_with_its_place() -> None:
    found = problems(
        CARTESIA,
        arguments={"base_ulr": "ws://x", "sample_rate": "fast", "settings": {}, "api_key": "in plain sight"},
        settings={"modle": "ink-2", "keyterm": 7},
        keys={"api_key": secret(), "nonsense": secret()},
    )
    by_field = {p.field.removeprefix("recogniser.engines[1]."): p for p in found}
    assert by_field["arguments.base_ulr"].remedy == "did you mean base_url?"
    assert "wrong type" in by_field["arguments.sample_rate"].message
    assert "under settings" in by_field["arguments.settings"].remedy
    assert by_field["settings.modle"].remedy == "did you mean model?"
    assert "wrong type" in by_field["settings.keyterm"].message
    assert "list[str]" in by_field["settings.keyterm"].remedy
    assert "no such argument" in by_field["keys.nonsense"].message
    assert "given twice" in by_field["keys.api_key"].message
    assert len(found) == 7
    assert "plain sight" not in "".join(str(p) for p in found)


def test_what_is_missing_is_named() -> None:
    found = only(CARTESIA)
    assert found.field == "recogniser.engines[1].keys.api_key"
    assert found.remedy == "add api_key under keys"


def test_lines_of_the_profile_are_told() -> None:
    text = f"recogniser:\n  engines:\n    - engine: pipecat\n      use: {CARTESIA}\n"
    text += "      arguments:\n        bas: x\n"
    document = parse_document(text, "configs/profiles/mine.yaml")
    entry = PipecatRecogniserEngine(
        engine="pipecat", name="s", use=CARTESIA, arguments={"bas": "x"}, keys={"api_key": secret()}
    )
    with pytest.raises(ConfigurationError) as caught:
        resolve(entry, "recogniser", [CARTESIA], at=("recogniser", "engines", 0), document=document)
    assert str(caught.value).startswith("configs/profiles/mine.yaml:6: recogniser.engines[0].arguments.bas:")


def test_arguments_that_a_class_hands_on_to_its_bases_are_known() -> None:
    of = resolved(OPENAI, arguments={"include_prob_metrics": True, "trailing_silence_secs": 0.1})
    assert {"base_url", "include_prob_metrics", "trailing_silence_secs", "audio_passthrough"} <= of.accepts


def test_values_take_the_types_the_class_declares() -> None:
    of = resolved(OPENAI, arguments={"language": "es"}, settings={"language": "es", "temperature": 0})
    assert of.arguments["language"] is Language.ES
    assert "language" in only(OPENAI, arguments={"language": "klingon"}).field


# --- instances ------------------------------------------------------------------------------------


def test_an_instance_gets_keys_language_and_what_is_filled_in() -> None:
    of = resolved(
        CARTESIA,
        settings={"model": "ink-2", "keyterm": "{words}"},
        arguments={"extra_headers": {"x-lang": "{language}"}},
        keys={"api_key": secret()},
    )
    made = of.make(language="en-US", words=("Patel",))
    assert isinstance(made, CartesiaSTTService)
    assert type(made).__name__ == "CartesiaSTTService"
    assert made._api_key == "k3y-of-the-supplier"
    assert made._settings.model == "ink-2"
    assert made._settings.keyterm == ["Patel"]
    assert made._settings.language == "en-US"
    assert made._extra_headers == {"x-lang": "en-US"}


def test_what_the_profile_sets_is_not_overridden() -> None:
    of = resolved(CARTESIA, settings={"language": "en"}, keys={"api_key": secret()})
    assert of.make(language="en-US")._settings.language == "en"  # type: ignore[attr-defined]


def test_no_key_of_the_environment_goes_to_a_server_it_was_not_meant_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody")
    made = resolved(OPENAI, arguments={"base_url": "http://127.0.0.1:1/v1"}).make()
    assert isinstance(made, OpenAISTTService)
    assert made._client.api_key == "none"
    optional = resolved(OPENAI, keys={"api_key": secret("")}, arguments={"base_url": "http://127.0.0.1:1/v1"})
    assert optional.make()._client.api_key == "none"  # type: ignore[attr-defined]


def test_a_default_of_the_class_stays() -> None:
    made = resolved(OLLAMA, "model", settings={"model": "llama3.2"}).make()
    assert made._client.api_key == "ollama"  # type: ignore[attr-defined]


def test_what_a_constructor_refuses_is_told_without_secrets(module: types.ModuleType) -> None:
    class Picky(CartesiaSTTService):
        def __init__(self, *, api_key: str) -> None:
            raise ValueError(f"{api_key} is no key of ours")

    module.Picky = Picky  # type: ignore[attr-defined]
    with pytest.raises(OperatorError, match=r"supplier: Picky refuses .*: ValueError: \*\*\* is no key"):
        resolved("services_of_ours.Picky", keys={"api_key": secret()}).make()


def test_a_provider_shows_no_secret() -> None:
    of = resolved(CARTESIA, keys={"api_key": secret()})
    assert "k3y" not in repr(of)


def test_what_stands_before_the_class_is_told() -> None:
    class Told(STTService):
        told = "yes"

    made = resolved(CARTESIA, keys={"api_key": secret()}).make(Told)
    assert isinstance(made, Told)
    assert isinstance(made, CartesiaSTTService)


def test_what_a_constructor_logs_can_be_told_apart(module: types.ModuleType) -> None:
    class Chatty(CartesiaSTTService):
        def __init__(self, **kwargs: Any) -> None:
            logger.info("words")
            super().__init__(**kwargs)

    module.Chatty = Chatty  # type: ignore[attr-defined]
    records: list[Any] = []
    sink = logger.add(lambda message: records.append(message.record))
    resolved("services_of_ours.Chatty", keys={"api_key": secret()}).make()
    logger.remove(sink)
    assert {r["extra"].get("supplier") for r in records if r["message"] == "words"} == {"supplier"}
