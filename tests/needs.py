"""Programs a test needs from outside Python: skipped by name without them, failed under REQUIRE_ALL=1."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

#: Where Debian's packages of Go libraries lie (GOPATH mode).
_GO_LIBRARIES = Path("/usr/share/gocode")


def needs_system(*programs: str) -> None:
    """Go on only when every program is there.

    The Debian package is named like the program (``make system-deps`` installs them).
    """
    if missing := [p for p in programs if shutil.which(p) is None]:
        message = f"needs {', '.join(missing)} (make system-deps, or install the package of that name)"
        pytest.skip(message)  # a failure under REQUIRE_ALL=1, as any skip (tests/conftest.py)


def needs_namespaces() -> None:
    """Go on only where a plain user may mount a small file system of its own (``unshare -rm``)."""
    needs_system("unshare", "mount")
    made = subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"],
        capture_output=True,
        timeout=30,
        check=False,
    )
    if made.returncode:
        pytest.skip("needs user and mount namespaces (unshare -rm), which this kernel or container refuses")


def needs_go(library: str) -> Path:
    """Go on only with a Go compiler and Debian's copy of ``library``; returns the GOPATH it is in."""
    found = _GO_LIBRARIES / "src" / library
    if shutil.which("go") is None or not found.is_dir():
        pytest.skip(f"needs Go and {library} (make system-deps: golang-go, golang-golang-x-mod-dev)")
    return _GO_LIBRARIES


def needs_package(name: str) -> None:
    """Go on only where an optional package of ours is installed."""
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"needs the package {name} (make .venv)")
