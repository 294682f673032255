"""A full disk, for real: a small tmpfs in a mount namespace of the test's own, filled and freed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.controls.ledger.full_disk import SCENARIOS
from tests.needs import needs_namespaces

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_a_full_disk(tmp_path: Path, scenario: str) -> None:
    needs_namespaces()
    command = [sys.executable, "-m", "tests.controls.ledger.full_disk", scenario, str(tmp_path)]
    done = subprocess.run(
        ["unshare", "-rm", *command], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
