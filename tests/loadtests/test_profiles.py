"""Load profiles: each makes a house that the product accepts, and changes nothing that decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from controls.errors import OperatorError
from loadtests.ours.profiles import SUPPLIER, Recipe, ServedEngines, make_system, recipe_of
from loadtests.ours.system import ROOT, furnish, merged
from loadtests.results import Profile
from loadtests.scenario import load_scenario
from voice_runtime.binding import read_suppliers
from voice_runtime.engine_settings import SpeechEngine, TranscriptionsEngine, WhisperEngine
from voice_runtime.lines import load_lines
from voice_runtime.settings import Headroom, Settings, load_settings

SCENARIO = load_scenario("short")
SERVED = ServedEngines("http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1", Path("weights"), lines=("made up",))


def made(recipe: Recipe, folder: Path, calls: int = 12) -> Settings:
    return load_settings(furnish(folder, recipe, "healthcare", calls), environ={})


def recipe(profile: Profile, **options: Any) -> Recipe:
    options.setdefault("suppliers", "http://127.0.0.1:3/v1")
    return recipe_of(profile, SCENARIO, **options)


def test_mock_asks_its_supplier_for_everything(tmp_path: Path):
    settings = made(recipe("mock"), tmp_path)
    recogniser, model, voice = settings.engines()
    assert isinstance(recogniser, TranscriptionsEngine)
    assert isinstance(voice, SpeechEngine)
    assert {e.base_url for e in (recogniser, model, voice)} == {"http://127.0.0.1:3/v1"}
    assert voice.rate_hz == 24_000
    assert not settings.model.standin


def test_its_supplier_may_be_asked(tmp_path: Path):
    """Nobody is who is not in the register."""
    made(recipe("mock"), tmp_path)
    suppliers = read_suppliers(tmp_path)
    for stage in ("recogniser", "model", "voice"):
        suppliers.check(stage, SUPPLIER, "local")


def test_gpu_computes_whisper_here_and_asks_for_the_rest(tmp_path: Path):
    settings = made(recipe("gpu", engines=SERVED), tmp_path)
    whisper, model, voice = settings.engines()
    assert isinstance(whisper, WhisperEngine)
    assert (whisper.device, whisper.compute) == ("cuda", "float16")
    assert (model.base_url, voice.base_url) == (SERVED.chat, SERVED.speech)
    assert recipe("gpu", engines=SERVED).engines == ("made up",)


def test_cpu_whisper_writes_its_model_and_says_that_it_is_random(tmp_path: Path):
    found = recipe("cpu-whisper", shape="tiny")
    assert "random weights" in found.engines[0]
    settings = made(found, tmp_path)
    whisper = settings.recogniser.engines[0]
    assert isinstance(whisper, WhisperEngine)
    assert (whisper.folder / "model.bin").stat().st_size > 10_000_000
    assert "random weights" in whisper.model
    assert settings.model.standin


@pytest.mark.parametrize("profile", ["mock", "cpu-offline", "gpu"])
def test_what_decides_waits_and_records_is_as_shipped(tmp_path: Path, profile: Profile):
    shipped = load_settings(ROOT / "configs" / "profiles" / "offline.yaml", environ={})
    settings = made(recipe(profile, engines=SERVED), tmp_path)
    for part in ("ledger", "turn", "environment", "telemetry", "desks"):
        assert getattr(settings, part) == getattr(shipped, part)
    assert settings.model.first_token_s == shipped.model.first_token_s
    assert settings.recogniser.deadline_s == shipped.recogniser.deadline_s
    assert settings.voice.voices == shipped.voice.voices
    if profile == "cpu-offline":
        assert settings.engines() == shipped.engines()


def test_as_many_calls_are_admitted_as_are_offered(tmp_path: Path):
    admission = made(recipe("cpu-offline"), tmp_path, calls=64).admission
    assert admission.calls >= 64
    assert admission.headroom is None


def test_only_the_agent_that_is_called_is_served(tmp_path: Path):
    made(recipe("cpu-offline"), tmp_path)
    assert load_lines(tmp_path).agents() == ("healthcare",)


def test_an_agent_that_no_line_reaches_is_the_operators_error(tmp_path: Path):
    with pytest.raises(OperatorError, match="no line"):
        furnish(tmp_path, recipe("cpu-offline"), "nobody", 1)


@pytest.mark.parametrize(("profile", "options"), [("mock", {"suppliers": ""}), ("gpu", {}), ("remote", {})])
def test_a_profile_without_what_it_needs_is_refused(profile: Profile, options: dict[str, Any]):
    with pytest.raises(OperatorError):
        recipe(profile, **options)


def test_other_peoples_systems_are_made_elsewhere():
    with pytest.raises(OperatorError):
        make_system("mock", cast(Any, "defaults"), SCENARIO, calls=1, suppliers="http://127.0.0.1:3/v1")


def test_without_controls_it_says_so_wherever_engines_are_named():
    on = make_system("cpu-offline", "ours", SCENARIO, calls=1)
    off = make_system("cpu-offline", "controls_off", SCENARIO, calls=1)
    assert off.engines == (*on.engines, "controls: OFF, for measurement only")
    assert (on.name, off.name) == ("ours", "controls_off")


def test_changes_are_merged_one_level_deep():
    assert merged({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"c": 4}, "d": {"e": 5}}) == {
        "a": {"b": 1, "c": 4},
        "d": {"e": 5},
    }


def test_admission_by_headroom_is_as_shipped_where_that_is_asked_for(tmp_path: Path):
    settings = load_settings(furnish(tmp_path, recipe("mock"), "healthcare", 12, headroom=True), environ={})
    assert settings.admission.headroom == Headroom()
    assert settings.admission.calls >= 12
