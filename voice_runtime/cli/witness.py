"""`sayso witness`: watch over somebody else's log, in a process and with a state of its own."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from voice_runtime.cli.text import Json, emit_json, emit_table, emit_text

app = typer.Typer(
    no_args_is_help=True,
    help="Watch over somebody else's log (C2SP tlog-witness). A witness that the log's own operator runs "
    "counts for nothing: run it for another house, with a state nobody else writes.",
    epilog="Example: sayso witness serve --state witness --logs logs.keys",
)

State = Annotated[
    Path, typer.Option("--state", metavar="DIR", help="The witness's key, what it cosigned, evidence.")
]


@app.command(epilog="Example: sayso witness serve --state witness --logs logs.keys --port 7870")
def serve(
    state: State,
    logs: Annotated[
        Path, typer.Option("--logs", metavar="FILE", help="Logs to watch: one verifier key a line.")
    ],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 lets the system choose.")] = 7870,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON line on standard output when ready.")
    ] = False,
) -> None:
    """Cosign checkpoints that follow what was cosigned before, until told to stop.

    FILE is read anew when it changes; a log with a rotated key has two lines.
    What a log signs against its own past is refused and kept: see conflicts.
    """
    import asyncio

    from controls.ledger.witness import Witness
    from controls.ledger.witness_logs import KnownLogs
    from controls.ledger.witness_state import WitnessState
    from voice_runtime.witness_server import serve_witness

    known = KnownLogs(logs)
    opened = WitnessState(state)
    try:
        witness = Witness(opened, known.keys_of)

        def ready(address: str) -> None:
            if as_json:
                line = {"ready": "sayso witness", "address": address, "key": str(witness.verifier)}
                sys.stdout.write(json.dumps(line) + "\n")
                sys.stdout.flush()
                return
            typer.echo(f"witness {address}   {witness.verifier}\nCtrl-C stops it.")

        asyncio.run(serve_witness(witness, host=host, port=port, on_ready=ready))
    finally:
        opened.close()


@app.command(epilog="Example: sayso witness key --state witness --name witness.example/w1")
def key(
    state: State,
    name: Annotated[
        str, typer.Option(help="For a new key: a URL without https://; made from the key by default.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Print the witness's verifier key, for auditors and for the log's operator; made when it is new.

    Hand it over by a way the log's operator does not control.
    """
    from controls.ledger.witness_state import open_key

    verifier = open_key(state, name).verifier
    if as_json:
        emit_json({"key": str(verifier), "name": verifier.name})
        return
    emit_text(
        f"{verifier}\n\nIn an auditor's trust file that line, or in the form of C2SP tlog-policy:\n"
        f"  witness {verifier.name} {verifier}\n  quorum {verifier.name}\n\n"
        "In the profile of the log's operator:\n  ledger:\n    witnesses:\n"
        f"      - url: https://…  # where this witness is reached\n        key: {verifier}\n"
    )


@app.command(epilog="Example: sayso witness conflicts --state witness --json > evidence.json")
def conflicts(state: State, as_json: Json = False) -> None:
    """List what logs signed beside what was cosigned: exit 1 if there is anything, 0 if not.

    A fork (two roots of one size) proves by itself that the log lied. A rewind,
    or a tree whose proof did not hold, is for its operator to explain: anybody
    may have sent it.
    """
    from controls.ledger.notes import parse_checkpoint
    from controls.ledger.witness_state import read_conflicts

    found = read_conflicts(state)
    if as_json:
        emit_json({"conflicts": [{**asdict(c), "proves": c.proves} for c in found]})
    else:
        emit_table(
            ["log", "kind", "cosigned size", "refused size", "at", "proves a lie"],
            [
                [
                    c.origin,
                    c.kind,
                    str(parse_checkpoint(c.cosigned.encode()).size),
                    str(parse_checkpoint(c.contradicting.encode()).size),
                    datetime.fromtimestamp(c.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
                    "yes" if c.proves else "",
                ]
                for c in found
            ],
            empty="no conflicts",
        )
    if found:
        raise typer.Exit(1)
