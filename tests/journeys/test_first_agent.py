"""docs/first-agent, done as it says: a new folder, its conversations, a server, a call."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from tests.journeys.conftest import ROOT, Server
from tests.journeys.test_commands import sayso

PAGE = (ROOT / "docs" / "first-agent.md").read_text(encoding="utf-8")


def test_a_new_agent_answers_its_first_call(make_server: Callable[..., Server]) -> None:
    server = make_server(start=False)
    made = sayso("agents", "new", "front-desk", cwd=server.root)
    assert made.returncode == 0, made.stdout + made.stderr
    assert "sayso evals run front-desk" in made.stdout
    validated = sayso("agents", "validate", "front-desk", cwd=server.root)
    assert validated.returncode == 0, validated.stdout + validated.stderr
    warnings = [line for line in validated.stdout.splitlines() if line.startswith("warning")]
    assert ["an emergency reaches nobody" in line for line in warnings] == [True], "its owner's to mend"
    server.start()
    spoken = re.search(r'dial front-desk --say "([^"]+)"', PAGE)
    assert spoken is not None
    dialled = sayso(
        "dial", "front-desk", "--url", server.address, "--config", str(server.profile_file),
        "--say", spoken[1], cwd=server.root,
    )  # fmt: skip
    assert dialled.returncode == 0, dialled.stdout + dialled.stderr
    trace = asyncio.run(server.ended())
    assert trace.call.agent == "front-desk"
    assert trace.call.tenant == "front-desk"
    assert "nine to five" in (trace.turns[1].played.played_text or "" if trace.turns[1].played else "")
    assert server.stop() == 0
