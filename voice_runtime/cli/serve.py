"""`sayso serve`: takes calls until it is told to stop, then drains."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from voice_runtime.settings import DEFAULT_PROFILE, load_settings

app = typer.Typer()


@app.command(epilog="Example: sayso serve --config configs/profiles/offline.yaml --port 7860")
def serve(
    config: Annotated[Path, typer.Option("--config", help="The profile to serve with.")] = DEFAULT_PROFILE,
    host: Annotated[str | None, typer.Option(help="Address to listen on; the profile's by default.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 lets the system choose.")] = None,
    embedded_dir: Annotated[
        Path | None, typer.Option(help="Where embedded services keep their rows; data_dir by default.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON line on standard output when ready.")
    ] = False,
) -> None:
    """Take calls.

    SIGTERM and Ctrl-C drain: no new call is taken, running calls go on for the profile's
    server.drain_s, then they are ended with the goodbye phrase.
    """
    from voice_runtime.app import App
    from voice_runtime.serving import serve as run

    settings = load_settings(config)

    def ready(started: App, address: str) -> None:
        agents = {name: agent.release.digest for name, agent in started.agents.items()}
        if as_json:
            state = {
                "ready": "sayso", "address": address, "profile": settings.name,
                "environment": settings.environment.value, "agents": agents, "recovered": started.recovered,
            }  # fmt: skip
            sys.stdout.write(json.dumps(state) + "\n")
            sys.stdout.flush()
            return
        typer.echo(f"serving {address}   profile {settings.name}, environment {settings.environment.value}")
        for name, digest in agents.items():
            typer.echo(f"  agent {name} {digest[:19]}…  UNAPPROVED")
        if started.recovered:
            typer.echo(f"  {started.recovered} call(s) left open by a crash were closed as recovered")
        typer.echo("Ctrl-C stops it.")

    uvloop.run(
        run(
            settings,
            host=host or settings.server.host,
            port=settings.server.port if port is None else port,
            on_ready=ready,
            embedded_dir=embedded_dir,
        )
    )
