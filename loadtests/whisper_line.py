"""The ``cpu`` profile with Whisper on the line: what callers wait for, one call and several at once.

``python -m loadtests.whisper_line --calls 1 2 --turns 20`` writes a Whisper model of a
published shape with **random weights that says a fixed sentence** (cost, not
accuracy), starts a server on a copy of the ``cpu`` profile with it (the language
model is the rule-based stand-in, the voice espeak-ng: both local and quick, so
what is measured is recognition and the runtime), places that many simultaneous
calls over Twilio's protocol and prints a row for each. Exits 1 when a p95 misses
its target. With fewer than 200 turns a p95 is close to the maximum, which stands
beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from loadtests.whisper_model import Sentence, build
from voice_runtime.caller.recorded import RecordedFlite
from voice_runtime.caller.results import CallResult
from voice_runtime.caller.script import HangUp, Say, Script, Step, Wait
from voice_runtime.caller.twilio import TwilioCaller

_TO, _FROM = "+12025550142", "+12025550143"
_SAY = "can i see doctor patel on tuesday"
#: Targets at the caller, ms.
TOKEN_MS, AUDIO_MS = 800, 1400


@dataclass(frozen=True, slots=True)
class Row:
    """Percentiles over every turn of ``calls`` simultaneous calls, ms at the caller; censored turns count."""

    shape: str
    calls: int
    turns: int
    unanswered: int
    token_p50: float
    token_p95: float
    token_max: float
    audio_p50: float
    audio_p95: float
    audio_max: float

    @property
    def holds(self) -> bool:
        return not self.unanswered and self.token_p95 < TOKEN_MS and self.audio_p95 < AUDIO_MS


def percentile(values: list[float], p: float) -> float:
    """Nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * round(p * 100) // 100) - 1))]


def house(folder: Path, shape: str) -> Path:
    """A copy of agents and configuration whose ``cpu`` profile has the written model; the profile's path."""
    for name in ("agents", "configs"):
        shutil.copytree(name, folder / name)
    weights = folder / "models" / shape
    build(weights, [Sentence(_SAY)], shape=shape, quantization="int8")
    path = folder / "configs" / "profiles" / "cpu.yaml"
    profile: dict[str, Any] = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    offline = YAML(typ="safe").load((path.parent / "offline.yaml").read_text(encoding="utf-8"))
    whisper = next(e for e in profile["recogniser"]["engines"] if e["engine"] == "faster-whisper")
    profile["recogniser"]["engines"] = [
        {**whisper, "folder": str(weights), "model": f"{shape}, random weights"}
    ]
    for part in ("environment", "server", "model", "carrier", "services", "desks"):
        profile[part] = offline[part]
    path.write_text(json.dumps(profile), encoding="utf-8")  # JSON is YAML
    return path


@contextmanager
def serving(profile: Path) -> Iterator[str]:
    """A server on ``profile``; its address."""
    command = [sys.executable, "-m", "voice_runtime.cli.app", "serve", "--json", "--port", "0"]
    server = subprocess.Popen([*command, "--config", str(profile)], stdout=subprocess.PIPE, text=True)
    try:
        line = server.stdout.readline() if server.stdout else ""
        if not line:
            raise SystemExit("the server did not start; what it said stands above")
        yield str(json.loads(line)["address"])
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=60)


async def place(address: str, token: str, calls: int, turns: int) -> list[CallResult]:
    """That many calls at once, each of so many turns."""
    steps: list[Step] = [Wait(), *(Say(text=_SAY) for _ in range(turns)), HangUp()]
    script = Script(steps=tuple(steps))
    callers = [TwilioCaller(address, token, _FROM, _TO, voice=RecordedFlite("rms")) for _ in range(calls)]

    async def one(n: int, caller: TwilioCaller) -> CallResult:
        await asyncio.sleep(1.7 * n)  # their turns drift against each other
        return await caller.run(script)

    return list(await asyncio.gather(*(one(n, caller) for n, caller in enumerate(callers))))


def newest_traces(profile: Path, count: int) -> list[dict[str, Any]]:
    """The newest calls' traces, oldest first."""

    def sayso(*arguments: str) -> Any:
        command = [
            sys.executable,
            "-m",
            "voice_runtime.cli.app",
            *arguments,
            "--config",
            str(profile),
            "--json",
        ]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    found = sayso("calls", "--limit", str(count))["calls"]
    return [sayso("trace", call["call"]) for call in reversed(found)]


def first_tokens(results: list[CallResult], traces: list[dict[str, Any]]) -> list[float]:
    """Caller's last audible sample to first token, joined by sample index (docs/measuring), ms."""
    found = []
    by_turns = sorted(traces, key=lambda t: str(t["call"]["started_at"]))
    for result, trace in zip(results, by_turns, strict=True):
        said = [turn for turn in trace["turns"] if turn["said"] is not None]
        for mine, theirs in zip(result.turns, said, strict=False):
            token = theirs["latency_ms"]["asr_to_first_token"]
            if token is not None:
                found.append(token + theirs["said"]["ended_s"] * 1000 - mine.last_sample / 8)
    return found


def row(shape: str, calls: int, results: list[CallResult], tokens: list[float]) -> Row:
    """Unanswered turns are counted, never dropped: they stand with the caller's patience."""
    every = [turn for result in results for turn in result.turns]
    audio = [turn.first_audio_out_ms for turn in every if turn.first_audio_out_ms is not None]
    if not audio or not tokens:
        raise SystemExit("no turn was answered")
    return Row(
        shape, calls, len(every), len(every) - len(audio),
        *(round(percentile(tokens, p)) for p in (0.5, 0.95, 1.0)),
        *(round(percentile(audio, p)) for p in (0.5, 0.95, 1.0)),
    )  # fmt: skip


def main() -> int:
    """Run, print the table, keep the results; 1 when a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.whisper_line", description=__doc__)
    parser.add_argument("--shape", default="base", choices=["tiny", "base", "small"])
    parser.add_argument("--calls", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--turns", type=int, default=20, help="of each call")
    parser.add_argument("--out", type=Path, default=None, help="folder for results.json")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        profile = house(Path(folder), options.shape)
        with serving(profile) as address:
            token = next(Path(folder).rglob("carrier-twilio-auth_token")).read_text(encoding="ascii").strip()
            for calls in options.calls:
                results = asyncio.run(place(address, token, calls, options.turns))
                time.sleep(1)  # the server settles the calls
                tokens = first_tokens(results, newest_traces(profile, calls))
                rows.append(row(options.shape, calls, results, tokens))
    print("shape, random weights | calls | turns | first token p50/p95/max | first audio p50/p95/max | held")
    for x in rows:
        token_ms = f"{x.token_p50:.0f} / {x.token_p95:.0f} / {x.token_max:.0f}"
        audio_ms = f"{x.audio_p50:.0f} / {x.audio_p95:.0f} / {x.audio_max:.0f}"
        print(f"{x.shape:>21} | {x.calls:5} | {x.turns:5} | {token_ms:>23} | {audio_ms:>23} | {x.holds}")
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        content = {
            "weights": "random: cost, not accuracy",
            "machine": machine,
            "at": time.strftime("%Y-%m-%d"),
            "rows": [asdict(x) for x in rows],
        }
        (options.out / "results.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 0 if all(x.holds for x in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
