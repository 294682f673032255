"""The command line of the load tests: ``python -m loadtests run|compare|report|calibrate|pauses``.

An option that would change nothing where it stands is refused, with what it is of: who gave it believes
that it did something, and so would whoever reads the command in the report. For that, a parser keeps what
was said and nothing else; what was not said is ``Options``' own.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from controls.errors import OperatorError
from loadtests import calibrate_options
from loadtests.arguments import Parser, count, milliseconds, percent, seconds
from loadtests.calibrate_options import TRIALS
from loadtests.pauses.options import PauseOptions, add_options, read_options
from loadtests.results import Profile, SystemName, Transport

Command = Literal["run", "compare", "report", "calibrate", "pauses"]
#: How calls arrive: lines that each take one after another, or by chance.
Arrivals = Literal["lines", "poisson"]
#: Where outputs lie when nobody says.
OUT = Path("loadtests/out")
#: Systems ours is compared with.
BASELINES: tuple[SystemName, ...] = ("defaults", "equal_silence", "controls_off")
#: Default length of a level, and of a block of a comparison, s.
RUN_S, BLOCK_S = 20.0, 20.0
#: Times A B B A in a comparison.
ROUNDS = 2
#: A ramp ends there at the latest.
MOST = 128
#: What a telephone network adds between carrier and caller, stated and not measured, ms.
ALLOWANCE_MS = 150.0

#: Of each sub-command, what follows ``python -m loadtests`` and its name.
_EXAMPLES: dict[Command, tuple[str, ...]] = {
    "run": (
        "--profile mock --calls 5",
        "--profile mock --calls 1 2 4 8 --transport webrtc --out loadtests/out/webrtc",
        "--profile cpu-whisper --whisper-shape base --ramp --seconds 60",
        "--scenario interrupts --calls 8 --turns 420",
        "--scenario mixed --calls 8 --soak 3600",
        "--calls 8 --turns 200 --arrivals poisson",
        "--calls 5 --loss 1 --jitter 30",
        "--system defaults --calls 1 2 4 8",
        "--profile remote --url https://agent.example --to +12025550142 \\\n"
        "      --auth-token-env CARRIER_TOKEN --scenario booking --calls 2",
        "--profile remote --stream-url wss://agent.example/ws --no-wait-first --calls 1",
        "--profile remote --transport webrtc --url http://127.0.0.1:7860 --dialect pipecat",
    ),
    "compare": (
        "--calls 4",
        "--calls 1 4 --baselines equal_silence --rounds 5",
        "--calls 16 --baselines equal_silence controls_off --rounds 3 --turns 60",
    ),
    "report": (
        "--out loadtests/out/run",
        "--out loadtests/out/a --out loadtests/out/b --into loadtests/out/both",
    ),
    "calibrate": (
        "",
        "--transport webrtc --trials 400",
        "--calls 40 --out loadtests/out/calibrate-40",
    ),
    "pauses": (
        "",
        "--voices slt --show-cut",
        "--file loadtests/pauses/second.yaml --patience unhurried",
        "--snr 15 --text-ms 300 --out loadtests/out/pauses-noisy",
    ),
}
_EXIT_CODES = """\
Exit code 0: the test itself was valid; 1: it was not, or was interrupted (or, with --strict, a target
was missed); 2: it could not be made. A target that was missed is a finding, not a failure.
Ctrl-C writes results and report of what was done until then; a second Ctrl-C gives up (130).
"""


def _epilog(*commands: Command, each: int | None = None) -> str:
    """Examples of sub-commands, of each the first few, and what exit codes mean."""
    lines = [
        f"  python -m loadtests {command} {arguments}".rstrip()
        for command in commands
        for arguments in _EXAMPLES[command][:each]
    ]
    return "\n".join(["examples:", *lines, "", _EXIT_CODES])


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for; fields a command does not have keep these values."""

    command: Command
    profile: Profile = "mock"
    system: SystemName = "ours"
    transport: Transport = "twilio"
    scenario: str = "short"
    calls: tuple[int, ...] = (1,)
    turns: int = 0
    seconds: float = 0.0
    arrivals: Arrivals = "lines"
    ramp: bool = False
    most: int = MOST
    soak: float = 0.0
    headroom: bool = False
    seed: int = 1
    loss: float = 0.0
    delay: float = 0.0
    jitter: float = 0.0
    network_allowance_ms: float = ALLOWANCE_MS
    out: tuple[Path, ...] = ()
    into: Path | None = None
    strict: bool = False
    calibrate: bool = False
    whisper_shape: Literal["tiny", "base", "small"] = "base"
    engines_shape: Literal["toy", "full"] = "toy"
    device: str = "cpu"
    url: str = ""
    to: str = ""
    from_: str = ""
    auth_token_env: str = ""
    webhook: str = "/telephony/twilio/voice"
    stream_url: str = ""
    agent: str = ""
    dialect: Literal["sayso", "pipecat"] = "sayso"
    wait_first: bool = True
    baselines: tuple[SystemName, ...] = BASELINES
    rounds: int = ROUNDS
    trials: int = TRIALS
    callers: int = 0
    pauses: PauseOptions = field(default_factory=PauseOptions)

    @property
    def folder(self) -> Path:
        """Where results and report go."""
        return self.into or (self.out[0] if self.out else OUT / self.command)

    @property
    def level_s(self) -> float:
        """How long calls are started on each level, s."""
        return self.seconds or (BLOCK_S if self.command == "compare" else RUN_S)

    @property
    def auth_token(self) -> str:
        """What webhooks are signed with, from the environment; "" signs nothing.

        Raises:
            OperatorError: the variable that was named is not set.
        """
        if not self.auth_token_env:
            return ""
        token = os.environ.get(self.auth_token_env, "")
        if not token:
            raise OperatorError(f"the environment has no {self.auth_token_env}")
        return token


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line; ends the process with 2, or after ``--help`` with 0, as argparse does.

    Raises:
        OperatorError: options that do not go together.
    """
    namespace = _parser().parse_args(arguments)
    known = {known.name for known in fields(Options)}
    said: dict[str, Any] = {name: value for name, value in vars(namespace).items() if name in known}
    for name in ("calls", "out", "baselines"):
        if name in said:
            said[name] = tuple(said[name])
    if namespace.command == "pauses":
        said["pauses"] = read_options(namespace)
    options = Options(**said)
    _check_folders(options)
    _check_what_is_called(options, said.keys())
    _check_load(options, said.keys())
    return options


# -- what does not go together ----------------------------------------------------------------------

_OF_WEBHOOKS = ("to", "from_", "auth_token_env", "webhook")
#: Options, what they are of, and whether that is what was asked for.
_ONLY: tuple[tuple[tuple[str, ...], str, Callable[[Options], bool]], ...] = (
    (("whisper_shape",), "--profile cpu-whisper", lambda asked: asked.profile == "cpu-whisper"),
    (("engines_shape", "device"), "--profile gpu", lambda asked: asked.profile == "gpu"),
    (
        ("url", "stream_url", *_OF_WEBHOOKS, "agent", "dialect"),
        "--profile remote",
        lambda asked: asked.profile == "remote",
    ),
    (
        ("stream_url", *_OF_WEBHOOKS, "network_allowance_ms"),
        "--transport twilio",
        lambda asked: asked.transport == "twilio",
    ),
    (("agent", "dialect"), "--transport webrtc", lambda asked: asked.transport == "webrtc"),
    (_OF_WEBHOOKS, "calls that begin with a webhook", lambda asked: not asked.stream_url),
    (("most",), "--ramp", lambda asked: asked.ramp),
    (
        ("headroom",),
        "a server of ours",
        lambda asked: asked.profile != "remote" and asked.system in ("ours", "controls_off"),
    ),
)  # fmt: skip


def _check_what_is_called(options: Options, said: AbstractSet[str]) -> None:
    remote = options.profile == "remote"
    for names, of, here in _ONLY:
        strangers = [name for name in names if name in said]
        if strangers and not here(options):
            raise OperatorError(f"{_option(strangers[0])} is of {of}: leave it away, or ask for that")
    if remote and not (options.url or options.stream_url):
        raise OperatorError("--profile remote needs --url (or, for Twilio's protocol alone, --stream-url)")
    if options.command == "compare" and remote:
        raise OperatorError("a comparison starts both sides itself: it has no --profile remote")
    bare = set(options.baselines) - {"controls_off"}
    if options.command == "compare" and bare and options.profile not in ("mock", "gpu"):
        raise OperatorError(
            "bare pipecat needs engines behind a protocol: compare takes --profile mock or gpu"
        )
    if options.stream_url and (options.loss or options.delay or options.jitter):
        raise OperatorError(
            "a bad network stands before --url, not before --stream-url: leave one of them away"
        )
    if remote and "system" in said:
        raise OperatorError("--profile remote tests whatever answers at --url: leave --system away")


def _check_load(options: Options, said: AbstractSet[str]) -> None:
    if options.ramp and "calls" in said:
        raise OperatorError(
            "a ramp goes 1, 2, 4, 8 … by itself: leave --calls away; --most N says where it ends"
        )
    if options.soak and (options.ramp or len(options.calls) > 1):
        raise OperatorError("a soak has one number of calls and no ramp: leave --ramp away, give --calls one")
    if options.soak and options.turns:
        raise OperatorError("a soak lasts as long as it says: leave --turns away, or --soak")
    if options.soak and "seconds" in said:
        raise OperatorError("--soak S says itself how long it lasts: leave --seconds away")
    if options.soak and "arrivals" in said and options.arrivals != "poisson":
        raise OperatorError("a soak draws Poisson arrivals: leave --arrivals away")
    if options.turns and "seconds" in said:
        raise OperatorError("a level lasts for --turns N or for --seconds S: leave one of them away")


def _check_folders(options: Options) -> None:
    if options.command != "report":
        if len(options.out) > 1:
            raise OperatorError(
                f"{options.command} writes into one folder: give --out once (report puts several into one)"
            )
        return
    if len(options.out) > 1 and options.into is None:
        raise OperatorError("a report of several folders would overwrite the first: give it --into")
    places = [_place(folder) for folder in options.out]
    for folder, place in zip(options.out, places, strict=True):
        if places.count(place) > 1:
            raise OperatorError(f"--out {folder} would count the same runs twice: name each folder once")
    if options.into is not None and _place(options.into) in places:
        raise OperatorError(
            f"--into {options.into} would overwrite results that the report is made from: name another folder"
        )


def _place(folder: Path) -> Path:
    """Which folder that is, however it was written; results may be named by their file."""
    place = folder.resolve()
    return place.parent if place.name == "results.json" else place


def _option(name: str) -> str:
    return f"--{name.rstrip('_').replace('_', '-')}"


# -- the parser -------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m loadtests",
        description="Load tests that measure what the caller hears.",
        epilog=_epilog(*get_args(Command), each=1),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: Command, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=text,
            description=text,
            epilog=_epilog(name),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            argument_default=argparse.SUPPRESS,  # what was not said is in no namespace
        )

    run = command("run", "one system under one load, or several loads")
    _load(run)
    _remote(run)
    run.add_argument("--system", choices=["ours", *BASELINES], help="what answers the calls (default ours)")
    run.add_argument("--ramp", action="store_true", help="1, 2, 4, 8 … calls until the knee")
    run.add_argument("--most", type=count, metavar="N", help=f"a ramp ends there (default {MOST})")
    run.add_argument(
        "--arrivals", choices=get_args(Arrivals),
        help="each line takes one call after another (default), or callers who know nothing of each other",
    )  # fmt: skip
    run.add_argument("--soak", type=seconds, metavar="S", help="Poisson arrivals for so long")
    run.add_argument(
        "--headroom", action="store_true", help="our server turns calls away by measured headroom, as shipped"
    )
    compare = command("compare", "ours against bare pipecat, and without controls: blocks A B B A")
    _load(compare)
    compare.add_argument("--baselines", nargs="+", choices=BASELINES, help="default: all of them")
    compare.add_argument(
        "--rounds", type=count, metavar="N", help=f"A B B A so many times (default {ROUNDS})"
    )
    report = command("report", "make report.html anew from one or several results.json")
    report.add_argument("--out", type=Path, action="append", required=True, help="folder; may be repeated")
    report.add_argument("--into", type=Path, help="where the report of several folders goes")
    report.add_argument("--strict", action="store_true", help="a missed target exits with 1")
    calibrate = command("calibrate", "the harness's own error, against an echo agent of known delay")
    calibrate_options.add_options(calibrate)
    _out(calibrate)
    pauses = command("pauses", "turn policies on labelled pauses: cut-offs against delay")
    add_options(pauses)
    _out(pauses)
    return parser


def _load(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--profile", choices=get_args(Profile), help="what the engines are (default mock)")
    add("--transport", choices=get_args(Transport), help="default twilio")
    add("--scenario", metavar="NAME|FILE", help="a name under loadtests/scenarios (default short), or a file")
    add("--calls", type=count, nargs="+", metavar="N", help="simultaneous calls; levels (default 1)")
    add("--turns", type=count, metavar="N", help="at least so many on each level while its load stands")
    add(
        "--seconds",
        type=seconds,
        metavar="S",
        help=f"of each level (default {RUN_S:.0f}, blocks {BLOCK_S:.0f})",
    )
    add("--seed", type=int, metavar="N", help="of everything that is drawn (default 1)")
    add("--loss", type=percent, metavar="PERCENT", help="of packets, on the way")
    add("--delay", type=milliseconds, metavar="MS", help="each way")
    add("--jitter", type=milliseconds, metavar="MS", help="each way")
    add(
        "--network-allowance-ms",
        type=milliseconds,
        metavar="MS",
        help=f"of a telephone network, stated (default {ALLOWANCE_MS:.0f})",
    )
    _out(parser)
    add("--strict", action="store_true", help="a missed target exits with 1")
    add("--calibrate", action="store_true", help="first measure the harness's own error")
    add("--whisper-shape", choices=["tiny", "base", "small"], help="of cpu-whisper (default base)")
    add("--engines-shape", choices=["toy", "full"], help="of gpu (default toy)")
    add("--device", choices=["cpu", "cuda"], help="of gpu (default cpu)")


def _out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, action="append", metavar="DIR", help="folder for results.json and report.html"
    )


def _remote(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("--profile remote: any deployment, ours or not").add_argument
    add("--url", help="public base address, http(s)")
    add("--to", metavar="NUMBER", help="number that is called, E.164")
    add("--from", dest="from_", metavar="NUMBER", help="number that calls")
    add("--auth-token-env", metavar="NAME", help="environment variable that signs webhooks")
    add("--webhook", metavar="PATH", help="default /telephony/twilio/voice")
    add("--stream-url", metavar="URL", help="ws(s) address of a media stream: no webhook is sent")
    add("--agent", metavar="NAME", help="whom a browser calls")
    add("--dialect", choices=["sayso", "pipecat"], help="of a browser's offer (default sayso)")
    add("--wait-first", action=argparse.BooleanOptionalAction, help="the agent speaks first (default)")
