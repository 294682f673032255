"""The house's doors: health, metrics, and the carrier's entry. FastAPI, no state of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import JSONResponse

from voice_runtime.breaker import Breaker
from voice_runtime.telemetry import Telemetry


class Readiness(Protocol):
    """What decides whether a call can be taken now."""

    def readiness(self) -> dict[str, Any]:
        """Each part's state; ``ready`` is True only when all of them are."""
        ...

    def breakers(self) -> Mapping[str, Iterable[Breaker]]:
        """What is known of each stage's suppliers."""
        ...


def build_server(readiness: Readiness, telemetry: Telemetry, routers: list[APIRouter]) -> FastAPI:
    """Make the application.

    ``GET /healthz`` the process lives · ``GET /readyz`` a call can be taken (503 when not) ·
    ``GET /metrics`` Prometheus text.
    """
    app = FastAPI(title="sayso", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        state = readiness.readiness()
        return JSONResponse(state, status_code=200 if state["ready"] else 503)

    @app.get("/metrics")
    async def metrics() -> Response:
        telemetry.tasks.set(len(asyncio.all_tasks()))
        for stage, breakers in readiness.breakers().items():
            telemetry.engines(stage, breakers)
        return Response(telemetry.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")

    for router in routers:
        app.include_router(router)
    return app
