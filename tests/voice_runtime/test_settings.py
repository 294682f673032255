# ruff: noqa: E501 - a table of mistakes is read line by line
"""Profiles: what they hold, what is refused with its line, and secrets that never show."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from controls.errors import ConfigurationError, OperatorError
from tests.voice_runtime.project import ROOT, Project, copy
from voice_runtime.settings import Headroom, load_profile, load_settings, public_view

PROFILE = "configs/profiles/offline.yaml"
SECRETS = {
    "OPENAI_API_KEY": "sk-very-secret", "TWILIO_ACCOUNT_SID": "AC-secret", "TWILIO_AUTH_TOKEN": "token-secret",
    "APPOINTMENTS_KEY": "hmac-secret", "VIEWINGS_KEY": "hmac-secret", "SALON_KEY": "hmac-secret",
}  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return copy(tmp_path)


def test_the_offline_profile_needs_no_environment_and_makes_nothing_when_loaded(project: Project) -> None:
    settings = project.settings()
    assert (settings.name, settings.environment.value) == ("offline", "demo")
    assert settings.root == project.root
    assert settings.data_dir == project.root / ".sayso"
    assert settings.model.standin
    assert not settings.data_dir.exists()


@pytest.mark.parametrize("profile", sorted(p.stem for p in (ROOT / "configs/profiles").glob("*.yaml")))
def test_every_shipped_profile_loads_with_its_secrets_set(profile: str) -> None:
    settings = load_settings(ROOT / f"configs/profiles/{profile}.yaml", environ=SECRETS)
    assert settings.root == ROOT


def test_the_root_is_found_above_the_profile(project: Project) -> None:
    assert load_settings(project.root / PROFILE, environ={}).root == project.root


# --- secrets --------------------------------------------------------------------------------------


def test_secrets_come_from_the_environment_and_show_nowhere(project: Project) -> None:
    settings = load_settings(project.root / "configs/profiles/cloud.yaml", environ=SECRETS)
    key = settings.model.endpoints[0].api_key
    assert key is not None
    assert key.reveal() == "sk-very-secret"
    assert settings.carrier.twilio is not None
    assert settings.carrier.twilio.auth_token.reveal() == "token-secret"
    shown = repr(settings) + str(settings) + json.dumps(public_view(settings)) + settings.model_dump_json()
    assert not any(secret in shown for secret in SECRETS.values())
    assert "OPENAI_API_KEY" in shown


def test_every_unset_secret_is_named_at_once_with_its_line(project: Project) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(project.root / "configs/profiles/cloud.yaml", environ={"OPENAI_API_KEY": "  "})
    named = {(p.field, p.remedy) for p in caught.value.problems}
    assert named == {
        ("model.endpoints[0].api_key", "set OPENAI_API_KEY before starting"),
        ("carrier.twilio.account_sid", "set TWILIO_ACCOUNT_SID before starting"),
        ("carrier.twilio.auth_token", "set TWILIO_AUTH_TOKEN before starting"),
        ("services.appointments.key", "set APPOINTMENTS_KEY before starting"),
        ("services.viewings.key", "set VIEWINGS_KEY before starting"),
        ("services.salon.key", "set SALON_KEY before starting"),
    }
    assert all(p.line > 10 for p in caught.value.problems)


def test_an_optional_secret_may_be_unset(project: Project) -> None:
    settings = load_settings(project.root / "configs/profiles/cpu.yaml", environ=SECRETS)
    key = settings.model.endpoints[0].api_key
    assert key is not None
    assert key.reveal() == ""


def test_a_generated_secret_is_private_and_stays_the_same(project: Project) -> None:
    twilio = project.settings().carrier.twilio
    assert twilio is not None
    first = twilio.auth_token.reveal()
    files = list((project.root / ".sayso/secrets").iterdir())
    assert [stat.S_IMODE(f.stat().st_mode) for f in files] == [0o600]
    again = project.settings().carrier.twilio
    assert again is not None
    assert again.auth_token.reveal() == first
    assert again.account_sid.reveal() != first
    assert len(first) == 32


def test_a_damaged_generated_secret_is_refused_without_showing_it(project: Project) -> None:
    twilio = project.settings().carrier.twilio
    assert twilio is not None
    twilio.auth_token.reveal()
    (project.root / ".sayso/secrets/carrier-twilio-auth_token").write_text("abc")
    again = project.settings().carrier.twilio
    assert again is not None
    with pytest.raises(OperatorError, match="damaged") as caught:
        again.auth_token.reveal()
    assert "abc" not in str(caught.value)


def test_a_generated_secret_that_cannot_be_kept_is_an_error(project: Project) -> None:
    (project.root / ".sayso").write_text("a file in the way")
    twilio = project.settings().carrier.twilio
    assert twilio is not None
    with pytest.raises(OperatorError, match="cannot be kept"):
        twilio.auth_token.reveal()


def test_headroom_has_defaults_may_be_given_in_part_and_switched_off(project: Project) -> None:
    shipped = project.settings().admission.headroom
    assert shipped == Headroom()
    project.edit(PROFILE, "{calls: 4}", "{calls: 4, headroom: {loop_lag_ms: 25, calm_s: 10}}")
    given = project.settings().admission.headroom
    assert given == Headroom(loop_lag_ms=25, calm_s=10)
    project.edit(PROFILE, "{loop_lag_ms: 25, calm_s: 10}", "null")
    assert project.settings().admission.headroom is None


# --- mistakes -------------------------------------------------------------------------------------

MISTAKES = [
    ("admission:", "admision:", "admision", "did you mean 'admission'?"),
    ("environment: demo", "environment: prod", "environment", "demo, development, staging or production"),
    ("environment: demo", "environment: staging", "", "set environment: development"),
    ("environment: demo", "environment: production", "", "set environment: development"),
    ("{calls: 4}", "{calls: 0}", "admission.calls", "most simultaneous calls"),
    ("{calls: 4}", "{calls: 4, headroom: {loop_lag_ms: 0}}", "admission.headroom.loop_lag_ms", "lateness of the event loop"),
    ("{calls: 4}", "{calls: 4, headroom: {loop_lag: 40}}", "admission.headroom.loop_lag", "did you mean 'loop_lag_ms'?"),
    ("port: 7860", "port: 78600", "server.port", "port to listen on"),
    ("  standin: true ", "  standin: false ", "model", "standin: true, or endpoints"),
    ("first_token_s: 2", "first_token_s: fast", "model.first_token_s", "deadline for the first token"),
    ("pitch: 45", "pich: 45", "voice.voices.warm.pich", "did you mean 'pitch'?"),
    ("{engine: espeak-ng}", "{engine: my.module.Voice}", "voice.engines[0].engine", "write 'espeak-ng', 'openai'"),
    ("{engine: espeak-ng}", "{engine: espeak-ng, nam: x}", "voice.engines[0].nam", "did you mean 'name'?"),
    ("{engine: pocketsphinx, processes: 2}", "{engine: faster-whisper}", "recogniser.engines[0].folder", "CTranslate2"),
    ("{engine: pocketsphinx, processes: 2}", "{engine: pocketsphinx, outside: true}", "recogniser.engines[0].outside",
     "write false"),
    ("{engine: espeak-ng}", "{engine: pipecat, name: x, use: os.system}", "", "add os.system under providers.allow"),
    ("auth_token: {generate: true}", "auth_token: {env: twilio-token}", "carrier.twilio.auth_token.env", "OPENAI_API_KEY"),
    ("auth_token: {generate: true}", "auth_token: {}", "carrier.twilio.auth_token", "{env: NAME}"),
    ("auth_token: {generate: true}", "auth_token: hunter2", "carrier.twilio.auth_token", "TWILIO_AUTH_TOKEN"),
    ("    auth_token:", "    fallback_number: reception\n    auth_token:", "carrier.twilio.fallback_number", "+1"),
    ("    auth_token:", "    fallback_number: '911'\n    auth_token:", "carrier.twilio.fallback_number", "+1"),
    ("    auth_token:", "    fallback_number: '+19005550177'\n    auth_token:", "carrier.twilio.fallback_number",
     "premium-rate number"),
    ("    auth_token:", "    validate_signature: false\n    auth_token:", "carrier.twilio.validate_signature", "true"),
    ("{embedded: true, key", "{embedded: true, url: 'http://a/', key", "services.appointments", "embedded: true"),
    ("{embedded: true, key", "{embedded: true, url: 'file:///etc/passwd', key", "services.appointments.url", "base address"),
    ("vad_stop_ms: 200", "preroll_ms: 100", "turn.preroll_ms", "from before speech"),
    ("vad_stop_ms: 200", "eager: always", "turn.eager", "inside"),
    ("turn: {vad_stop_ms: 200,", "turn: {patience: {quick: {complete_wait_ms: 9, unsure_wait_ms: 1, incomplete_wait_ms: 2}},",
     "turn.patience.quick", "complete ≤ unsure"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "field", "remedy"), MISTAKES)
def test_a_mistake_is_named_with_line_and_remedy(
    project: Project, old: str, new: str, field: str, remedy: str
) -> None:
    line = project.edit(PROFILE, old, new)
    with pytest.raises(ConfigurationError) as caught:
        project.settings()
    problem = next(p for p in caught.value.problems if p.field == field)
    assert problem.file == PROFILE
    assert remedy in problem.remedy + problem.message
    assert not field or abs(problem.line - line) <= 1
    assert "hunter2" not in str(caught.value)


def test_records_are_reviewed_under_a_profile_that_may_not_serve(project: Project) -> None:
    project.edit(PROFILE, "environment: demo", "environment: staging")
    with pytest.raises(ConfigurationError, match="for demo and development only"):
        project.settings()
    profile = load_profile(project.root / PROFILE, root=project.root)
    assert (profile.environment, profile.name) == ("staging", "offline")
    assert (profile.root, profile.data_dir) == (project.root, project.root / ".sayso")
    assert load_profile(project.root / "configs/profiles/cloud.yaml").name == "cloud"  # no secret is set
    project.edit(PROFILE, "admission:", "admision:")
    with pytest.raises(ConfigurationError, match="admision"):
        load_profile(project.root / PROFILE)


def test_a_missing_profile_is_an_error_of_the_operator(project: Project) -> None:
    with pytest.raises(ConfigurationError, match="this profile is missing"):
        load_settings(project.root / "configs/profiles/none.yaml", environ={})


@pytest.mark.parametrize("eager", ["off", "inside", "all"])
def test_where_an_answer_may_be_begun_early_is_a_word(project: Project, eager: str) -> None:
    """``off`` is no YAML boolean here; without a word it is models of this house."""
    assert project.settings().turn.eager == "inside"
    project.edit(PROFILE, "vad_stop_ms: 200", f"eager: {eager}")
    assert project.settings().turn.eager == eager


def test_settings_are_frozen(project: Project) -> None:
    with pytest.raises(ValueError, match="frozen"):
        project.settings().server.port = 1  # type: ignore[misc]  # what is tried


# --- several workers -------------------------------------------------------------------------------


def with_workers(project: Project, **changes: object) -> Path:
    """The offline profile of a house with several workers."""
    workers = {"redis": "redis://127.0.0.1:6379/0", "key": {"env": "HOUSE_KEY"}, **changes}
    path = project.root / PROFILE
    path.write_text(f"{path.read_text()}\nworkers: {json.dumps(workers)}\n")
    return path


def test_a_house_of_several_workers_names_its_secrets_only(project: Project) -> None:
    path = with_workers(project, password={"env": "REDIS_PASSWORD"}, house="riverside")
    settings = load_settings(path, environ={"HOUSE_KEY": "k" * 32, "REDIS_PASSWORD": "r-secret"})
    assert settings.workers is not None
    assert settings.workers.key.reveal() == "k" * 32
    assert "r-secret" not in json.dumps(public_view(settings)) + repr(settings)
    with pytest.raises(ConfigurationError, match="HOUSE_KEY is not set"):
        load_settings(path, environ={})


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"redis": "127.0.0.1:6379"}, "workers.redis"),
        ({"redis": "redis://user:secret@host/0"}, "workers.redis"),
        ({"key": {"generate": True}}, "needs one key for all of them"),
        ({"key": {"env": "HOUSE_KEY", "optional": True}}, "needs one key for all of them"),
        ({"house": "A house"}, "workers.house"),
    ],
)
def test_a_house_that_cannot_share_is_refused(
    project: Project, changes: dict[str, object], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        load_settings(with_workers(project, **changes), environ={"HOUSE_KEY": "k" * 32})
