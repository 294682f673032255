"""`sayso demo`: serves the offline profile, places one simulated call, and proves what it showed."""

from __future__ import annotations

import asyncio
import getpass
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controls.errors import InternalError, OperatorError, SayError
from controls.ledger import records as r
from voice_runtime.cli.text import DEFAULT_CONFIG

if TYPE_CHECKING:
    from controls.evidence.shape import Trace
    from voice_runtime.caller.results import CallResult
    from voice_runtime.cli.demo_proof import Held, TurnTimes
    from voice_runtime.lines import Line
    from voice_runtime.settings import Settings

app = typer.Typer()

#: A number reserved for fiction (ATIS: 555-0100 to 555-0199).
_CALLER = "+12025550143"
_FIRST_CALL_S = 180.0
_STYLES = {
    "head": "bold", "caller": "cyan", "agent": "green", "verdict": "dim", "refused": "bold yellow",
    "tool": "magenta", "note": "dim", "handoff": "bold blue", "bad": "bold red", "ok": "green",
}  # fmt: skip


@app.command(epilog="Example: sayso demo --once")
def demo(
    agent: Annotated[
        str, typer.Argument(help="An agent folder; its line must stand in configs/lines.yaml.")
    ] = "healthcare",
    once: Annotated[
        bool, typer.Option("--once", help="End after the call; exit 0 only if every check held.")
    ] = False,
    port: Annotated[int, typer.Option(help="Port of the server; 0 lets the system choose.")] = 7860,
    config: Annotated[
        Path, typer.Option("--config", metavar="PROFILE", help="An offline profile.")
    ] = DEFAULT_CONFIG,
) -> None:
    """A simulated phone call to the clinic's front desk, turn by turn, and the proof of it.

    A synthetic caller (flite) talks to the server over Twilio's media-stream protocol at
    real-time pace: one sentence is blocked, one appointment booked, one answer interrupted,
    one call-back promised. Nothing leaves this machine.
    """
    from voice_runtime.settings import load_settings

    settings = load_settings(config)
    if not settings.model.standin:
        raise OperatorError(
            "the demo needs a profile with the stand-in (model: standin: true), such as offline.yaml"
        )
    held = asyncio.run(_demo(settings, config, agent, once, port))
    if once and not held:
        raise typer.Exit(1)


async def _demo(settings: Settings, config: Path, agent: str, once: bool, port: int) -> bool:
    from voice_runtime.children import Child
    from voice_runtime.lines import load_lines

    screen = Screen()
    line = next((x for x in load_lines(settings.root).of(agent) if x.number), None)
    if line is None:
        raise OperatorError(f"no telephone line leads to {agent}: add one to configs/lines.yaml")
    screen.step(1, "setup", f"Python {sys.version.split()[0]}, everything below runs on this machine")
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Rows of its own, so that each demo books the same time and no server's rows are touched.
    rows = tempfile.TemporaryDirectory(prefix="demo-", dir=settings.data_dir)
    log = Path(rows.name) / "server.log"
    server = Child(
        "voice_runtime.cli.app", "serve", "--json", "--config", str(config), "--port", str(port),
        "--embedded-dir", rows.name, log=log,
    )  # fmt: skip
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    try:
        started = time.monotonic()
        await _starting(server, stop, log)
        _introduce(screen, server.ready, settings, agent, time.monotonic() - started)
        place = Place(settings, server.ready["address"], Path(rows.name) / "appointments.db", once)
        held = await _call_and_prove(screen, place, line, stop)
        if not once and not stop.is_set():
            screen.line("note", " Ctrl-C stops it.")
            await stop.wait()
        return held
    finally:
        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(signum)
        await server.stop(patience_s=settings.server.drain_s + 20)
        rows.cleanup()


async def _starting(server: Any, stop: asyncio.Event, log: Path) -> None:
    starting = asyncio.create_task(server.start(deadline_s=60))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not starting.done():
        starting.cancel()
        raise SayError("stopped")
    try:
        await starting
    except InternalError:
        said = (await asyncio.to_thread(log.read_text, encoding="utf-8", errors="replace"))[-2000:].strip()
        raise OperatorError(f"the server did not start; it said:\n{said}") from None


def _introduce(screen: Screen, ready: dict[str, Any], settings: Settings, agent: str, seconds: float) -> None:
    screen.step(
        2,
        "server",
        f"{ready['address']}   profile {settings.name}, environment {ready['environment']}   {seconds:.1f} s",
    )
    screen.line(
        "note",
        "      ear    pocketsphinx, with this agent's phrases only        (stand-in for general speech)",
    )
    screen.line("note", "      mind   rule-based stand-in, NOT a language model")
    screen.line("note", "      voice  espeak-ng (GPL, in a process of its own)")
    screen.line(
        "note",
        f"      agent  {agent} {ready['agents'][agent][:19]}…  UNAPPROVED (production would refuse it)",
    )


async def _call_and_prove(screen: Screen, place: Place, line: Line, stop: asyncio.Event) -> bool:
    from voice_runtime.caller.recorded import RecordedFlite
    from voice_runtime.caller.script import HangUp, Interrupt, Say, Script, Wait
    from voice_runtime.caller.twilio import TwilioCaller
    from voice_runtime.cli.demo_live import Commentary
    from voice_runtime.cli.records import record_access

    settings = place.settings
    twilio = settings.carrier.twilio
    if twilio is None:
        raise OperatorError("the demo's profile needs carrier: twilio")
    script = Script(
        steps=(
            Wait(),
            Say(text="can i see doctor patel on tuesday"),
            Say(text="at ten"),
            Say(text="yes"),
            Say(text="is this rash serious", wait=False),
            Interrupt(text="let me talk to a person", after_ms=1000),
            Say(text="yes", quiet_ms=2500, timeout_s=30),
            Say(text="yes", quiet_ms=4000, timeout_s=30),
            HangUp(),
        )
    )
    screen.step(3, "call", "Twilio protocol, synthetic caller (flite), real time")
    commentary = Commentary(settings.data_dir / "ledger", screen.line)
    try:
        # What follows opens personal content (of a synthetic caller): that goes on record first.
        looking = r.AccessDetails(who=getpass.getuser(), purpose="demo commentary")
        await asyncio.to_thread(record_access, settings, line.tenant, line.region, None, looking)
        commentary.skip_to_end()
        following = asyncio.create_task(commentary.follow())
        caller = TwilioCaller(
            place.address,
            twilio.auth_token.reveal(),
            _CALLER,
            line.number,
            voice=RecordedFlite("rms"),
            longest_s=_FIRST_CALL_S,
        )
        calling = asyncio.create_task(caller.run(script))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([calling, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not calling.done():
            calling.cancel()
            commentary.stop()
            await asyncio.gather(calling, following, return_exceptions=True)
            return False
        result = await calling
        await asyncio.sleep(1.2)  # the newest checkpoint is a second behind at most
        commentary.stop()
        await following
    finally:
        commentary.close()
    if result.error or not commentary.call:
        screen.line("bad", f" the call failed: {result.error or 'no call on record'}")
        return False
    return await _prove(screen, place, commentary.call, result, script.sentences)


async def _prove(screen: Screen, place: Place, call: str, result: CallResult, said: tuple[str, ...]) -> bool:
    from voice_runtime.cli import demo_proof
    from voice_runtime.cli.records import read_trace

    trace: Trace = await asyncio.to_thread(read_trace, place.settings, call)
    times = demo_proof.times(trace, result)
    screen.latencies(times, result)
    ledger = place.settings.data_dir / "ledger"
    checks = await asyncio.to_thread(demo_proof.proof, ledger, place.rows, trace, said)
    screen.step(4, "proof", f"{trace.ledger.records} records of this call")
    screen.checks(checks)
    screen.where_to_look(call, "" if place.once else place.address)
    return all(check.ok for check in checks)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the demo's call takes place. ``rows`` is the booking service's file."""

    settings: Settings
    address: str
    rows: Path
    once: bool


class Screen:
    """What the demo prints."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(highlight=False, soft_wrap=True)

    def line(self, style: str, text: str) -> None:
        """One line in one of the demo's styles."""
        from rich.text import Text

        self._console.print(Text(text.rstrip(), style=_STYLES.get(style, "")))

    def step(self, number: int, name: str, text: str) -> None:
        """Announce one of the four steps."""
        self.line("head", f"[{number}/4] {name:<8} {text}")

    def latencies(self, times: list[TurnTimes], result: CallResult) -> None:
        """Latency per turn, at the caller, and the worst turn."""
        from voice_runtime.cli.demo_proof import TARGET_AUDIO_MS, TARGET_TOKEN_MS

        def ms(value: float | None) -> str:
            return "–" if value is None else f"{value:.0f}"

        self.line("head", "")
        row = "{:<24}{:>12}{:>13}{:>16}".format
        self.line("head", row(" at the caller, ms", "first token", "first audio", "barge-in pause"))
        for turn in times:
            pause = ms(turn.barge_in_pause)
            self.line("note", row(f"   turn {turn.n}", ms(turn.first_token), ms(turn.first_audio), pause))
        tokens = [t.first_token for t in times if t.first_token is not None]
        audio = [t.first_audio for t in times if t.first_audio is not None]
        worst = row("   worst turn", ms(max(tokens, default=None)), ms(max(audio, default=None)), "")
        self.line("head", f"{worst.rstrip()}   (targets {TARGET_TOKEN_MS} / {TARGET_AUDIO_MS})")
        if result.opening_first_ms is not None:
            self.line(
                "note", f"   disclosure starts {result.opening_first_ms:.0f} ms after the call is answered"
            )

    def checks(self, checks: list[Held]) -> None:
        """Each check, and how many held."""
        for check in checks:
            mark = "ok " if check.ok else "NO "
            self.line(
                "ok" if check.ok else "bad",
                f"      {mark} {check.what}{'  · ' + check.detail if check.detail else ''}",
            )
        good = sum(check.ok for check in checks)
        word = "HELD" if good == len(checks) else "NOT HELD"
        self.line("head" if good == len(checks) else "bad", f"{word}  {good} of {len(checks)} checks")

    def where_to_look(self, call: str, address: str) -> None:
        """What to do next."""
        self.line("head", "")
        self.line("note", f" read it        .venv/bin/sayso trace {call}")
        self.line("note", " check it       .venv/bin/sayso ledger verify")
        self.line("note", f" hand it over   .venv/bin/sayso audit {call} -o call.zip")
        if address:
            dial = f'.venv/bin/sayso dial healthcare --url {address} --say "when are you open"'
        else:
            dial = '.venv/bin/sayso serve & .venv/bin/sayso dial healthcare --say "when are you open"'
        self.line("note", f" call it        {dial}")
        page = f"{address or 'http://127.0.0.1:7860'}/call/healthcare"
        when = "" if address else " while it serves"
        self.line("note", f" talk to it     {page}{when}   (type if you have no microphone)")
        self.line(
            "note",
            " real engines   configs/profiles/cpu.yaml (Whisper, any compatible model), docs/providers.md",
        )
