"""Calls whose ledger, service, voice, staff and caller each fail as they like: what is promised holds.

    SAYSO_WALKS=10000 pytest -n 2 tests/voice_runtime/test_walks_through_failures.py

walks as many; ``python -m tests.voice_runtime.walks.report`` does so too and writes what came of it into
docs/measuring.md.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.voice_runtime.walks.invariants import wrong
from tests.voice_runtime.walks.way import Way

pytestmark = pytest.mark.anyio

#: Calls walked in all, and by one test.
WALKS, EACH = int(os.environ.get("SAYSO_WALKS", "60")), 10


async def found(seed: int, people: Path) -> list[str]:
    """What is wrong with one call, with the way it went."""
    way = Way(seed)
    problems = wrong(await way.walked(people))
    return [f"seed {seed} ({', '.join(way.way)}): {problem}" for problem in problems]


@pytest.mark.parametrize("first", range(0, WALKS, EACH))
async def test_whatever_fails_what_is_promised_holds(first: int, tmp_path: Path) -> None:
    problems = [problem for seed in range(first, first + EACH) for problem in await found(seed, tmp_path)]
    assert not problems, "\n".join(problems)
