"""`sayso dial`: places one call with a simulated caller, to a server that is running."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controls.errors import OperatorError
from voice_runtime.cli.text import DEFAULT_CONFIG, Config, Json, emit_json

if TYPE_CHECKING:
    from voice_runtime.caller.results import CallerEvent, CallResult
    from voice_runtime.caller.script import Script

app = typer.Typer()

#: A number reserved for fiction (ATIS: 555-0100 to 555-0199).
_CALLER = "+12025550143"
_PATIENCE_S = 15


@app.command(epilog='Example: sayso dial healthcare --say "when are you open" --say "thank you"')
def dial(
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="The agent whose line is called.")],
    via: Annotated[str, typer.Option(help="The carrier's protocol; only twilio yet.")] = "twilio",
    url: Annotated[str, typer.Option(help="The server's base address; the profile's by default.")] = "",
    say: Annotated[
        list[str] | None, typer.Option(help="A sentence to speak (flite); may be repeated.")
    ] = None,
    script: Annotated[Path | None, typer.Option(help="A caller's script, as YAML.")] = None,
    caller: Annotated[str, typer.Option("--from", help="The caller's number.")] = _CALLER,
    voice: Annotated[str, typer.Option(help="flite's voice.")] = "rms",
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Place a call with a simulated caller, over the carrier's real protocol at real-time pace.

    The caller waits for the disclosure, says each sentence, waits for each answer, and
    hangs up. Exit code 1 when the call failed or an answer never came.
    """
    from voice_runtime.caller.script import Script, load_script
    from voice_runtime.lines import load_lines
    from voice_runtime.settings import load_settings

    if via != "twilio":
        raise OperatorError(f"--via {via} is not supported yet: use --via twilio")
    if bool(say) == bool(script):
        raise OperatorError("say what to say: --say TEXT (may be repeated), or --script FILE, not both")
    settings = load_settings(config)
    twilio = settings.carrier.twilio
    line = next((x for x in load_lines(settings.root).of(agent) if x.number), None)
    if twilio is None or line is None:
        raise OperatorError(
            f"no telephone line leads to {agent}: see configs/lines.yaml and the profile's carrier"
        )
    chosen = load_script(script) if script else Script.saying(*(say or ()), voice=voice)
    public = settings.server.public_url or url or f"http://{settings.server.host}:{settings.server.port}"
    result = asyncio.run(
        _call(chosen, public, url or public, twilio.auth_token.reveal(), caller, line.number, quiet=as_json)
    )
    if as_json:
        emit_json(asdict(result))
    failed = bool(result.error) or result.ended_by in ("failed", "refused")
    if failed:
        typer.echo(f"the call failed: {result.error or result.ended_by}", err=True)
    if failed or any(turn.timed_out for turn in result.turns):
        raise typer.Exit(1)


async def _ready(address: str) -> None:
    """A server that was started beside us gets a moment to come up."""
    import httpx

    async with httpx.AsyncClient(trust_env=False, timeout=2.0) as client:
        for _ in range(_PATIENCE_S * 4):
            try:
                await client.get(f"{address.rstrip('/')}/healthz")
                return
            except httpx.HTTPError:
                await asyncio.sleep(0.25)
    raise OperatorError(f"no server answers at {address}: start one with sayso serve, or name it with --url")


async def _call(
    script: Script, public: str, connect_to: str, token: str, caller: str, number: str, *, quiet: bool
) -> CallResult:
    from voice_runtime.caller.twilio import TwilioCaller

    async def tell(event: CallerEvent) -> None:
        if not quiet:
            data = " ".join(f"{k}={v}" for k, v in event.data.items())
            typer.echo(f"{event.at_ms / 1000:7.2f} s  {event.kind:<14} {data}")

    await _ready(connect_to)
    placed = TwilioCaller(public, token, caller, number, connect_to=connect_to, on_event=tell)
    result = await placed.run(script)
    if not quiet:
        for turn in result.turns:
            heard = (
                "no answer"
                if turn.first_audio_out_ms is None
                else f"answer after {turn.first_audio_out_ms:.0f} ms"
            )
            typer.echo(f"turn {turn.n}: {turn.text or turn.keys!r}: {heard}")
    return result
