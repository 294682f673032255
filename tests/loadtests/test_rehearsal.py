"""A rehearsed process loads nothing in its first call; nobody is called for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from loadtests.generator.rehearsal import rehearse
from loadtests.systems import TwilioDoor, WebRtcDoor

pytestmark = pytest.mark.anyio

_FIRST_CALL = """
import asyncio, sys
from loadtests.generator.process import make_caller
from loadtests.generator.rehearsal import _SILENT, rehearse
from loadtests.systems import TwilioDoor
from tests.simulators import bad_servers

async def main():
    async with bad_servers.streaming(bad_servers.answer) as address:
        await rehearse(TwilioDoor(address))
        before = set(sys.modules)
        result = await make_caller(TwilioDoor(address)).run(_SILENT)
        print(result.answered_ns > 0, sorted(set(sys.modules) - before))

asyncio.run(main())
"""


@pytest.mark.parametrize("door", [TwilioDoor("http://127.0.0.1:1"), WebRtcDoor("http://127.0.0.1:1", "x")])
async def test_nothing_is_left_behind_and_nobody_has_to_be_there(door: TwilioDoor | WebRtcDoor):
    await rehearse(door)


def test_the_first_call_imports_nothing():
    done = subprocess.run([sys.executable, "-c", _FIRST_CALL], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "True []", done.stdout + done.stderr
