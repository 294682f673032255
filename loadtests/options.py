"""The command line of the load tests: ``python -m loadtests run|compare|report|calibrate|pauses``."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args

from controls.errors import OperatorError
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
#: What a telephone network adds between carrier and caller, stated and not measured, ms.
ALLOWANCE_MS = 150.0

_EXAMPLES = """examples:
  python -m loadtests run --profile mock --calls 5
  python -m loadtests run --profile mock --calls 1 2 4 8 --transport webrtc --out loadtests/out/webrtc
  python -m loadtests run --profile cpu-whisper --whisper-shape base --ramp --seconds 60
  python -m loadtests run --profile mock --calls 20 --soak 600
  python -m loadtests run --profile mock --calls 8 --turns 200 --arrivals poisson
  python -m loadtests run --profile mock --calls 5 --loss 1 --jitter 30
  python -m loadtests run --profile remote --url https://agent.example --to +12025550142 \\
      --auth-token-env CARRIER_TOKEN --scenario booking --calls 2
  python -m loadtests run --profile remote --stream-url wss://agent.example/ws --no-wait-first --calls 1
  python -m loadtests run --profile remote --transport webrtc --url http://127.0.0.1:7860 --dialect pipecat
  python -m loadtests compare --calls 1 4 --baselines equal_silence --rounds 5
  python -m loadtests report --out loadtests/out/a --out loadtests/out/b --into loadtests/out/both

Exit code 0: the test itself was valid; 1: it was not, or was interrupted (or, with --strict, a target
was missed); 2: it could not be made. A target that was missed is a finding, not a failure.
Ctrl-C writes results and report of what was done until then; a second Ctrl-C gives up (130).
"""


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
    most: int = 128
    soak: float = 0.0
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
    trials: int = 200
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
    given = vars(namespace)
    if given.get("ramp") and given.get("calls"):
        raise OperatorError(
            "a ramp goes 1, 2, 4, 8 … by itself: leave --calls away; --most N says where it ends"
        )
    known = {known.name for known in fields(Options)}
    values: dict[str, Any] = {
        name: value for name, value in given.items() if name in known and value is not None
    }
    for name in ("calls", "out", "baselines"):
        if isinstance(values.get(name), list):
            values[name] = tuple(values[name])
    if given["command"] == "pauses":
        values["pauses"] = read_options(namespace)
    options = Options(**values)
    _check(options)
    return options


def _check(options: Options) -> None:
    remote = options.profile == "remote"
    if remote and not (options.url or options.stream_url):
        raise OperatorError("--profile remote needs --url (or, for Twilio's protocol alone, --stream-url)")
    if not remote and (options.url or options.stream_url):
        raise OperatorError("--url and --stream-url are of --profile remote")
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
    if remote and options.system != "ours":
        raise OperatorError("--profile remote tests whatever answers at --url: leave --system away")
    if options.soak and (options.ramp or len(options.calls) > 1):
        raise OperatorError("a soak has one number of calls and no ramp")
    if options.soak and options.turns:
        raise OperatorError("a soak lasts as long as it says: leave --turns away, or --soak")
    if options.command == "report" and len(options.out) > 1 and options.into is None:
        raise OperatorError("a report of several folders would overwrite the first: give it --into")
    if options.command != "report" and len(options.out) > 1:
        raise OperatorError(
            f"{options.command} writes into one folder: give --out once (report puts several into one)"
        )


class _Parser(argparse.ArgumentParser):
    """Says what an option takes, in the option's own name: "--calls takes …, not 'x'"."""

    def error(self, message: str) -> NoReturn:
        super().error(re.sub(r"^argument (\S+): (?=takes )", r"\1 ", message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m loadtests",
        description="Load tests that measure what the caller hears.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=text,
            description=text,
            epilog=_EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    run = command("run", "one system under one load, or several loads")
    _load(run)
    _remote(run)
    run.add_argument("--system", choices=["ours", *BASELINES], default="ours", help="what answers the calls")
    run.add_argument("--ramp", action="store_true", help="1, 2, 4, 8 … calls until the knee")
    run.add_argument("--most", type=_count, default=128, help="a ramp ends there at the latest")
    run.add_argument(
        "--arrivals", choices=get_args(Arrivals), default="lines",
        help="each line takes one call after another, or callers who know nothing of each other",
    )  # fmt: skip
    run.add_argument("--soak", type=_positive, default=0.0, metavar="S", help="Poisson arrivals for so long")
    compare = command("compare", "ours against bare pipecat, and without controls: blocks A B B A")
    _load(compare)
    compare.add_argument("--baselines", nargs="+", choices=BASELINES, default=list(BASELINES))
    compare.add_argument("--rounds", type=_count, default=ROUNDS, help="A B B A so many times")
    report = command("report", "make report.html anew from one or several results.json")
    report.add_argument("--out", type=Path, action="append", required=True, help="folder; may be repeated")
    report.add_argument("--into", type=Path, default=None, help="where the report of several folders goes")
    report.add_argument("--strict", action="store_true", help="a missed target exits with 1")
    calibrate = command("calibrate", "the harness's own error, against an echo agent of known delay")
    calibrate.add_argument("--trials", type=_count, default=200)
    calibrate.add_argument(
        "--calls", dest="callers", type=_count, default=0, metavar="N",
        help="beside each other: what the callers' own load does to the error (default 20, browsers 5)",
    )  # fmt: skip
    calibrate.add_argument("--transport", choices=get_args(Transport), default="twilio")
    calibrate.add_argument("--out", type=Path, action="append", default=[])
    pauses = command("pauses", "turn policies on labelled pauses: cut-offs against delay")
    add_options(pauses)
    pauses.add_argument("--out", type=Path, action="append", default=[])
    return parser


def _load(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--profile", choices=get_args(Profile), default="mock", help="what the engines are")
    add("--transport", choices=get_args(Transport), default="twilio")
    add("--scenario", default="short", help="a name under loadtests/scenarios, or a file")
    add("--calls", type=_count, nargs="+", default=None, metavar="N", help="simultaneous calls; levels")
    add("--turns", type=_count, default=0, help="at least so many on each level while its load stands")
    add(
        "--seconds",
        type=_positive,
        default=0.0,
        help=f"of each level (default {RUN_S:.0f}, blocks {BLOCK_S:.0f})",
    )
    add("--seed", type=int, default=1, help="of everything that is drawn")
    add("--loss", type=_share, default=0.0, metavar="PERCENT", help="of packets, on the way")
    add("--delay", type=_least, default=0.0, metavar="MS", help="each way")
    add("--jitter", type=_least, default=0.0, metavar="MS", help="each way")
    add("--network-allowance-ms", type=_least, default=ALLOWANCE_MS, help="of a telephone network, stated")
    add("--out", type=Path, action="append", default=[], help="folder for results.json and report.html")
    add("--strict", action="store_true", help="a missed target exits with 1")
    add("--calibrate", action="store_true", help="first measure the harness's own error")
    add("--whisper-shape", choices=["tiny", "base", "small"], default="base", help="of cpu-whisper")
    add("--engines-shape", choices=["toy", "full"], default="toy", help="of gpu")
    add("--device", choices=["cpu", "cuda"], default="cpu", help="of gpu")


def _remote(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("--profile remote: any deployment, ours or not").add_argument
    add("--url", default="", help="public base address, http(s)")
    add("--to", default="", help="number that is called, E.164")
    add("--from", dest="from_", default="", help="number that calls")
    add("--auth-token-env", default="", metavar="NAME", help="environment variable that signs webhooks")
    add("--webhook", default="/telephony/twilio/voice", metavar="PATH")
    add("--stream-url", default="", help="ws(s) address of a media stream: no webhook is sent")
    add("--agent", default="", help="whom a browser calls")
    add("--dialect", choices=["sayso", "pipecat"], default="sayso", help="of a browser's offer")
    add("--wait-first", action=argparse.BooleanOptionalAction, default=True, help="the agent speaks first")


def _count(text: str) -> int:
    value = int(text) if re.fullmatch(r"[0-9]{1,7}", text) else 0
    if not 1 <= value <= 1_000_000:
        raise argparse.ArgumentTypeError(f"takes whole numbers of 1 or more, not '{text}'")
    return value


def _positive(text: str) -> float:
    value = _number(text)
    if not 0 < value <= 604_800:
        raise argparse.ArgumentTypeError(f"takes seconds above 0, a week at most, not '{text}'")
    return value


def _least(text: str) -> float:
    value = _number(text)
    if not 0 <= value <= 60_000:
        raise argparse.ArgumentTypeError(f"takes milliseconds from 0 to 60000, not '{text}'")
    return value


def _share(text: str) -> float:
    value = _number(text)
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"takes percent from 0 to 100, not '{text}'")
    return value


def _number(text: str) -> float:
    """A number, or one that is in no range."""
    try:
        return float(text)
    except ValueError:
        return float("nan")
