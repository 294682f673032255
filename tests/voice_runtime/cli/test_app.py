"""The frame of the command line: quick help, lazy commands, exit codes, and no content in an error."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path

import pytest
import typer

from controls.errors import ConfigurationError, IntegrityError, OperatorError, Problem, ProviderError
from voice_runtime.cli import app as frame
from voice_runtime.cli.app import COMMANDS, Entry, run

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch):
    """Install a command `x` that raises or does what it is given."""

    def install(action):
        app = typer.Typer()

        @app.command(epilog="Example: sayso x")
        def x() -> None:
            """Does what the test says."""
            if isinstance(action, BaseException):
                raise action
            action()

        module = types.ModuleType("voice_runtime.cli.x")
        module.app = app  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "voice_runtime.cli.x", module)
        monkeypatch.setitem(COMMANDS, "x", Entry("x", "For a test.", "Take calls"))

    return install


def test_help_lists_every_command_without_loading_the_pipeline():
    probe = (
        "import sys; from voice_runtime.cli.app import run; code = run(['--help']);"
        "heavy = ('pipecat', 'pydantic', 'fastapi', 'numpy', 'voice_runtime.app');"
        "bad = [m for m in heavy if m in sys.modules];"
        "sys.exit(code or (3 if bad else 0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    for name in COMMANDS:
        assert name in done.stdout


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_with_an_example(name: str, capsys: pytest.CaptureFixture[str]):
    module = ROOT / "voice_runtime" / "cli" / f"{COMMANDS[name].module}.py"
    assert module.exists(), f"{name} is listed and does not exist"
    assert run([name, "--help"]) == 0
    out = capsys.readouterr().out
    if "COMMAND" not in out.split("\n", 3)[1]:
        assert "Example: sayso" in out
        assert "--config" in out


def test_no_arguments_show_the_help_as_a_usage_error(capsys: pytest.CaptureFixture[str]):
    assert run([]) == 2
    assert "Usage: sayso" in "".join(capsys.readouterr())


@pytest.mark.parametrize("args", [["nope"], ["calls", "--nope"], ["--log", "loud", "calls"], ["trace"]])
def test_usage_errors_exit_2(args: list[str], capsys: pytest.CaptureFixture[str]):
    assert run(args) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OperatorError("configs/x.yaml is missing"), 2),
        (ConfigurationError([Problem("a.yaml", 3, "f", "is wrong", "mend it")]), 2),
        (IntegrityError("record 21: digest"), 1),
        (ProviderError("the voice refused", supplier="espeak-ng"), 1),
    ],
)
def test_errors_raised_on_purpose_speak_for_themselves(command, error, code, capsys):
    command(error)
    assert run(["x"]) == code
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"sayso: {error}\n")


def test_a_bug_is_named_by_type_and_place_never_by_its_content(command, capsys):
    command(ValueError("my number is +12025550142"))
    assert run(["x"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("sayso: internal error: ValueError at test_app.py:")
    assert "+1202" not in err


def test_interrupting_is_no_error_message(command, capsys):
    command(KeyboardInterrupt())
    assert run(["x"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_an_exit_code_of_a_command_is_kept(command):
    command(typer.Exit(1))
    assert run(["x"]) == 1


def test_a_missing_module_is_an_internal_error_only_when_called(monkeypatch, capsys):
    monkeypatch.setitem(COMMANDS, "gone", Entry("no_such_module", "Not there.", "Take calls"))
    monkeypatch.setitem(COMMANDS, "bare", Entry("text", "Without an app.", "Take calls", "no_app"))
    assert run(["--help"]) == 0
    assert run(["gone"]) == 1
    assert "this build has no command 'gone'" in capsys.readouterr().err
    assert run(["bare"]) == 1
    assert "lacks 'no_app'" in capsys.readouterr().err


def test_a_missing_dependency_of_a_command_is_not_taken_for_a_missing_command(monkeypatch, capsys):
    monkeypatch.setattr(
        frame.importlib, "import_module", lambda name: (_ for _ in ()).throw(ModuleNotFoundError(name="soxr"))
    )
    assert run(["serve"]) == 1
    assert "internal error: ModuleNotFoundError" in capsys.readouterr().err


def test_logs_go_to_standard_error_at_the_level_asked_for(command, capsys):
    from loguru import logger

    def speak() -> None:
        logger.info("a quiet line")
        logger.warning("a loud line")

    command(speak)
    assert run(["x"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "a loud line" in err and "a quiet line" not in err
    assert run(["--log", "info", "x"]) == 0
    assert "a quiet line" in capsys.readouterr().err
