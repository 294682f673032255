"""`sayso dial`: places one call with a simulated caller, to a server that is running."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from controls.errors import OperatorError
from voice_runtime.cli.text import DEFAULT_CONFIG, Config, Json, emit_json

if TYPE_CHECKING:
    from voice_runtime.caller.results import CallerEvent, CallResult
    from voice_runtime.caller.script import Script
    from voice_runtime.settings import Settings

app = typer.Typer()

#: A number reserved for fiction (ATIS: 555-0100 to 555-0199).
_CALLER = "+12025550143"
_PATIENCE_S = 15


@app.command(
    epilog='Example: sayso dial healthcare --say "when are you open" --say "thank you", or in a browser: '
    'sayso dial healthcare --via webrtc --type "when are you open"'
)
def dial(
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="The agent whose line is called.")],
    via: Annotated[str, typer.Option(help="twilio (a telephone) or webrtc (a browser).")] = "twilio",
    url: Annotated[str, typer.Option(help="The server's base address; the profile's by default.")] = "",
    say: Annotated[
        list[str] | None, typer.Option(help="A sentence to speak (flite); may be repeated.")
    ] = None,
    type: Annotated[
        list[str] | None, typer.Option("--type", help="Words to type (webrtc only); may be repeated.")
    ] = None,
    script: Annotated[Path | None, typer.Option(help="A caller's script, as YAML.")] = None,
    language: Annotated[str, typer.Option(help="Of the call (webrtc only); the line's by default.")] = "",
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
    from voice_runtime.settings import load_settings

    if via not in ("twilio", "webrtc"):
        raise OperatorError(f"--via {via} is not supported: use --via twilio or --via webrtc")
    if bool(say) + bool(type) + bool(script) != 1:
        raise OperatorError("say what to say: --say TEXT or --type TEXT (may be repeated), or --script FILE")
    settings = load_settings(config)
    if script:
        chosen = load_script(script)
    else:
        chosen = Script.typing(*type) if type else Script.saying(*(say or ()), voice=voice)
    public = settings.server.public_url or url or f"http://{settings.server.host}:{settings.server.port}"
    tell = _Teller(quiet=as_json)
    if via == "webrtc":
        place = _browser(settings, agent, url or public, language, tell)
    else:
        place = _telephone(settings, agent, public, url or public, caller, tell)
    result = asyncio.run(_call(place, chosen, url or public, quiet=as_json))
    if as_json:
        emit_json(asdict(result))
    failed = bool(result.error) or result.ended_by in ("failed", "refused")
    if failed:
        typer.echo(f"the call failed: {result.error or result.ended_by}", err=True)
    if failed or any(turn.timed_out for turn in result.turns):
        raise typer.Exit(1)


class _Caller(Protocol):
    async def run(self, script: Script) -> CallResult: ...


class _Teller:
    """Prints a call as it happens, unless it is to be quiet."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    async def __call__(self, event: CallerEvent) -> None:
        if not self._quiet:
            data = " ".join(f"{k}={v}" for k, v in event.data.items())
            if event.kind == "caption":  # only a browser is shown words: a telephone call's are on record
                data = "{who} ({state}): {text}".format_map(event.data)
            typer.echo(f"{event.at_ms / 1000:7.2f} s  {event.kind:<14} {data}")


def _telephone(
    settings: Settings, agent: str, public: str, connect_to: str, caller: str, tell: _Teller
) -> Callable[[], _Caller]:
    from voice_runtime.lines import load_lines

    twilio = settings.carrier.twilio
    line = next((x for x in load_lines(settings.root).of(agent) if x.number), None)
    if twilio is None or line is None:
        raise OperatorError(
            f"no telephone line leads to {agent}: see configs/lines.yaml and the profile's carrier"
        )
    token, number = twilio.auth_token.reveal(), line.number

    def place() -> _Caller:
        from voice_runtime.caller.twilio import TwilioCaller

        return TwilioCaller(public, token, caller, number, connect_to=connect_to, on_event=tell)

    return place


def _browser(settings: Settings, agent: str, url: str, language: str, tell: _Teller) -> Callable[[], _Caller]:
    from voice_runtime.lines import load_lines

    if settings.webrtc is None or load_lines(settings.root).web(agent) is None:
        raise OperatorError(
            f"no web entry leads to {agent}: see configs/lines.yaml (web: true) and the profile's webrtc"
        )

    def place() -> _Caller:
        from voice_runtime.caller.webrtc import WebRtcCaller

        return WebRtcCaller(url, agent, language=language, on_event=tell)

    return place


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


async def _call(place: Callable[[], _Caller], script: Script, connect_to: str, *, quiet: bool) -> CallResult:
    await _ready(connect_to)
    result = await place().run(script)
    if not quiet:
        for turn in (t for t in result.turns if t.kind != "backchannel"):  # nobody answers "mhmm"
            heard = (
                "no answer"
                if turn.first_audio_out_ms is None
                else f"answer after {turn.first_audio_out_ms:.0f} ms"
            )
            typer.echo(f"turn {turn.n}: {turn.text or turn.keys!r}: {heard}")
    return result
