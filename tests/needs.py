"""Programs from outside Python that a test needs: skipped by name without them, failed under REQUIRE_ALL=1."""

from __future__ import annotations

import os
import shutil

import pytest


def needs_system(*programs: str) -> None:
    """Go on only when every program is there.

    The Debian package is named like the program (``make system-deps`` installs them).
    """
    missing = [p for p in programs if shutil.which(p) is None]
    if not missing:
        return
    message = f"needs {', '.join(missing)} (make system-deps, or install the package of that name)"
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(f"REQUIRE_ALL=1: {message}", pytrace=False)
    pytest.skip(message)
