"""The commands a newcomer types first, as they type them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.journeys.conftest import ROOT, Server
from tests.needs import needs_system


def sayso(*words: str, cwd: Path, timeout_s: float = 150) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "voice_runtime.cli.app", *words],
        cwd=cwd, capture_output=True, text=True, timeout=timeout_s, check=False,
    )  # fmt: skip


def test_the_demo_holds_without_flite(tmp_path: Path) -> None:
    """`sayso demo --once` exits 0 only if all nine checks held; its sentences come with the package."""
    for folder in ("agents", "configs"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    ran = subprocess.run(
        [sys.executable, "-m", "voice_runtime.cli.app", "demo", "--once", "--port", "0"],
        cwd=tmp_path, capture_output=True, text=True, timeout=150, check=False,
        env={**os.environ, "PATH": "/nowhere"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "HELD  9 of 9 checks" in ran.stdout
    assert "never spoken" in ran.stdout
    assert "NOT a language model" in ran.stdout


def test_dial_calls_trace_and_verify(make_server: Callable[..., Server]) -> None:
    needs_system("flite")
    server = make_server()
    config = str(server.profile_file)
    dialled = sayso(
        "dial",
        "healthcare",
        "--url",
        server.address,
        "--config",
        config,
        "--say",
        "are you a robot",
        cwd=server.root,
    )
    assert dialled.returncode == 0, dialled.stdout + dialled.stderr
    assert "answer after" in dialled.stdout
    [call] = [trace.call.id for trace in server.traces()]
    listed = sayso("calls", "--config", config, cwd=server.root)
    assert call in listed.stdout
    traced = sayso("trace", call, "--config", config, cwd=server.root)
    assert traced.returncode == 0, traced.stderr
    assert "are you a robot" in traced.stdout
    assert "AI assistant" in traced.stdout
    verified = sayso("ledger", "verify", "--config", config, cwd=server.root)
    assert verified.returncode == 0, verified.stdout
    assert "issuer not authenticated" in verified.stdout + verified.stderr
    assert server.stop() == 0
