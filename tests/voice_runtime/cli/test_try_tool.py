"""``sayso agents try-tool``: the same verdicts as on a call, and nothing leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from controls.decision import Ask
from controls.errors import OperatorError
from controls.rules.engine import Rules
from controls.rules.pack_files import parse_pack
from controls.tool_limits import AmountLimit
from tests.simulators.house import booking
from tests.simulators.house import release as made
from tests.voice_runtime.cli.records_house import ROOT
from tests.voice_runtime.think.conftest import _PACK
from voice_runtime.agent import Release
from voice_runtime.cli import try_tool
from voice_runtime.cli.agents import app
from voice_runtime.lines import load_lines
from voice_runtime.resolve import load_release
from voice_runtime.settings import load_settings

BOOKING = {"doctor": "Patel", "day": "Tuesday", "time": "ten"}


class _Unset(dict[str, str]):
    def get(self, key: str, default: Any = None) -> Any:
        return "unset"


@pytest.fixture(scope="module")
def healthcare() -> Release:
    settings = load_settings(ROOT / "configs/profiles/offline.yaml", environ=_Unset())
    return load_release(ROOT, "healthcare", settings, load_lines(ROOT))


def tried(release: Release, name: str = "book_appointment", **arguments: Any) -> dict[str, Any]:
    return try_tool.tried(release, name, BOOKING | arguments, "", "en-US")


def changed(release: Release, **changes: Any) -> Release:
    tools = tuple(
        replace(tool, **changes) if tool.name == "book_appointment" else tool for tool in release.tools
    )
    return replace(release, tools=tools)


def test_the_command_shows_the_request_that_would_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    given = ["try-tool", "healthcare", "book_appointment", "--args", json.dumps(BOOKING)]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0
    first, *lines = done.stdout.splitlines()
    assert first == "book_appointment  would be sent"
    assert "limits    per_call 2" in lines
    assert "asks      Doctor Patel, Tuesday at ten. Shall I book it?" in lines
    assert lines[-1].startswith("request   POST http://appointments.invalid/tools/book  {")
    refused = CliRunner().invoke(app, [*given[:-1], '{"doctor": "Patel"}', "--json"])
    assert refused.exit_code == 1
    assert json.loads(refused.stdout)["reason"] == "bad_arguments"


def test_arguments_that_are_no_json_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    done = CliRunner().invoke(app, ["try-tool", "healthcare", "book_appointment", "--args", "{day: Monday}"])
    assert isinstance(done.exception, OperatorError)
    assert "--args is no JSON" in str(done.exception)


def test_a_language_the_agent_does_not_serve_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    done = CliRunner().invoke(
        app, ["try-tool", "healthcare", "find_slots", "--args", "{}", "--language", "fr-FR"]
    )
    assert isinstance(done.exception, OperatorError)
    assert "serves en-US, not fr-FR" in str(done.exception)


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("hack", {}, "unknown_tool"),
        ("book_appointment", {"sudo": "yes"}, "bad_arguments"),
        ("book_appointment", {"time": None}, "bad_arguments"),
    ],
)
def test_what_a_call_refuses_is_refused(
    healthcare: Release, name: str, arguments: dict[str, Any], reason: str
) -> None:
    report = tried(healthcare, name, **arguments)
    assert (report["outcome"], report["reason"]) == ("refused", reason)
    assert "request" not in report


def test_dry_runs_and_approvals_are_told_apart(healthcare: Release) -> None:
    assert tried(changed(healthcare, dry_run=True))["outcome"] == "dry"
    report = tried(changed(healthcare, approval=Ask("practice-manager", 60, "handoff")))
    assert report["outcome"] == "asks"
    assert report["approval"] == {"by": "practice-manager", "within_s": 60, "else": "handoff"}


def test_amounts_are_judged(healthcare: Release) -> None:
    tool = next(t for t in healthcare.tools if t.name == "book_appointment")
    schema = json.loads(json.dumps(tool.parameters))
    schema["properties"]["total"] = {"type": "number"}
    limited = changed(healthcare, parameters=schema, amount=AmountLimit("total", 200, 1000))
    assert tried(limited, total=200)["outcome"] == "sends"
    report = tried(limited, total=200.5)
    assert (report["outcome"], report["reason"]) == ("refused", "too_much")
    assert report["limits"] == {"per_call": 2, "total_at_most": 200, "total_per_day": 1000}
    assert tried(limited, total=-1)["reason"] == "bad_arguments"


def test_a_rule_refuses_here_as_on_a_call() -> None:
    rules = Rules.compile([parse_pack(_PACK, "test.yaml")])
    release = made(tools=(booking("http://appointments.invalid"),), rules=rules)
    report = try_tool.tried(release, "book", {"day": "Friday"}, "", "en-US")
    assert (report["outcome"], report["reason"]) == ("refused", "rule")
    assert [v["rule"] for v in report["rules"]] == ["test/no-friday"]
    assert try_tool.tried(release, "book", {"day": "Monday"}, "", "en-US")["outcome"] == "sends"


def test_nothing_is_written(healthcare: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tried(healthcare)
    assert list(tmp_path.iterdir()) == []
