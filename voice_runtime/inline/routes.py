"""Where a person is looked for now: a release's desks and call-backs as ``controls.handoff`` takes them."""

from __future__ import annotations

from controls.handoff import Route
from voice_runtime.agent import Release


def routes_now(release: Release, unix_s: float) -> tuple[Route, ...]:
    """In the order they are tried, with who is there at ``unix_s`` (Unix time, s)."""
    return tuple(
        Route(
            kind=route.kind, desk=route.desk, number=route.number, open_now=route.open_now,
            wait_s=route.wait_s, within_working_h=route.within_working_h, urgent_only=route.urgent_only,
            closed_because="nobody_there" if release.nobody_there else "outside_hours",
        )
        for route in release.routes_at(unix_s)
    )  # fmt: skip
