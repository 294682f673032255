"""Engines on random weights from the command line: serve them, or compute with each and print what it took.

python -m loadtests.engines serve --shape toy --device cpu
python -m loadtests.engines check --shape full --device cuda --calls 8
python -m loadtests.engines whisper models/turbo --shape large-v3-turbo --say "where can i park"
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import uvicorn

from controls.errors import OperatorError, SayError
from loadtests.engines.process import Told
from loadtests.engines.server import bound_threads, create_engine_app

#: What is answered when no scenario is named.
_ANSWERS = {"where can i park": "Parking is behind the building. It is free for patients."}


def _serve(told: argparse.Namespace, answers: Mapping[str, str]) -> None:
    """In this process, so that a port can be chosen; uvicorn ends at SIGINT and SIGTERM."""
    if told.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, told.cores)
    bound_threads(max(1, len(told.cores)))
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", told.port))
        listening.listen()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"

        def ready(lines: Sequence[str]) -> None:
            print(json.dumps({"address": address, "lines": lines}), flush=True)

        engines = Told(
            shape=told.shape, device=told.device, answers=dict(answers), batching=told.batching,
            whisper=str(told.whisper or ""), threads=max(1, len(told.cores)),
        )  # fmt: skip
        app = create_engine_app(engines, ready)
        server = uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="warning"))
        server.run(sockets=[listening])
    if not server.started:
        raise OperatorError("the engines did not start; what they said stands above")


async def _check(told: argparse.Namespace, answers: Mapping[str, str]) -> None:
    from loadtests.engines.check import check, table

    rows, lines = await check(
        told.shape, told.device, answers, calls=told.calls, batching=told.batching, cores=told.cores
    )
    print(table(rows))
    print("\n".join(lines))
    if told.out:
        content = {"lines": lines, "rows": [row.model_dump() for row in rows]}
        told.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _write_whisper(told: argparse.Namespace) -> None:
    from loadtests.engines.known_speech import write_whisper

    print(write_whisper(told.folder, told.say, told.shape, quantization=told.compute))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.engines", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--shape", choices=["toy", "full"], default="toy", help="full: 33 GB on the device")
    common.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    common.add_argument("--batching", choices=["auto", "vllm", "stand-in"], default="auto")
    common.add_argument("--cores", type=int, nargs="*", default=[], help="CPUs of the engines' process")
    common.add_argument("--scenario", default="", help="whose answers are given; name or path")
    serve = commands.add_parser("serve", parents=[common], help="run until interrupted")
    serve.add_argument("--whisper", type=Path, help="folder of a model for /v1/audio/transcriptions")
    serve.add_argument("--port", type=int, default=0, help="0: a free one")
    checked = commands.add_parser(
        "check", parents=[common], help="compute with each engine and print a table"
    )
    checked.add_argument("--calls", type=int, default=4, help="at once, besides one alone")
    checked.add_argument("--out", type=Path, help="also write the table as JSON")
    whisper = commands.add_parser("whisper", help="write a recogniser that says one sentence")
    whisper.add_argument("folder", type=Path)
    whisper.add_argument("--shape", default="large-v3-turbo")
    whisper.add_argument("--compute", default="float16", help="int8 for a CPU")
    whisper.add_argument("--say", nargs=1, default=list(_ANSWERS))
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked; 2 when it cannot be done here, with the reason on standard error."""
    told = _parser().parse_args(arguments)
    print("random weights: cost, not accuracy", file=sys.stderr)
    try:
        if told.command == "whisper":
            _write_whisper(told)
            return 0
        answers: Mapping[str, str] = _ANSWERS
        if told.scenario:
            from loadtests.scenario import load_scenario

            answers = load_scenario(told.scenario).answers
        if told.command == "serve":
            _serve(told, answers)
        else:
            asyncio.run(_check(told, answers))
    except SayError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
