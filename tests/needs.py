"""Programs a test needs from outside Python: skipped by name without them, failed under REQUIRE_ALL=1."""

from __future__ import annotations

import shutil

import pytest


def needs_system(*programs: str) -> None:
    """Go on only when every program is there.

    The Debian package is named like the program (``make system-deps`` installs them).
    """
    if missing := [p for p in programs if shutil.which(p) is None]:
        message = f"needs {', '.join(missing)} (make system-deps, or install the package of that name)"
        pytest.skip(message)  # a failure under REQUIRE_ALL=1, as any skip (tests/conftest.py)
