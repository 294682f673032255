"""`sayso receipt`: shows a caller that their call is in the log, and nothing of what was said in it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from controls.errors import OperatorError
from voice_runtime.cli.audit import (
    Force,
    Out,
    free_to_write,
    under_checkpoint,
    version_of_sayso,
    write_out,
)
from voice_runtime.cli.records import existing, ledger_root, node_signer, opening_of, record_access, viewer
from voice_runtime.cli.text import DEFAULT_CONFIG, Config, Json, emit_json, emit_text, profile_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from controls.evidence.packet_files import Place
    from controls.ledger.records import CallOpened
    from voice_runtime.settings import Profile

app = typer.Typer()


@app.command(epilog="Example: sayso receipt 7K2-M9Q-X4R -o receipt.zip --as r.okafor --purpose complaint")
def receipt(
    code: Annotated[str, typer.Argument(metavar="CODE", help="As the caller wrote it down.")],
    out: Out,
    who: Annotated[str, typer.Option("--as", metavar="NAME", help="Who looks; goes on record.")] = "",
    purpose: Annotated[str, typer.Option(help="What for; goes on record.")] = "",
    force: Force = False,
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Write a file for the caller: proof that a call with this receipt code is in the log.

    It holds the code, the call's first and last record and their proofs, and nothing that
    was said, nor anything of other calls. To find the call, every receipt's code is opened;
    that somebody does is on record first.
    """
    from controls.evidence.packet import find_receipt, receipt_packet
    from controls.evidence.packet_check import verify_bytes
    from controls.ledger.reader import Reader
    from controls.receipt_code import normalise

    settings = profile_of(config)
    wanted = normalise(code)
    free_to_write(out, force=force)
    root = existing(ledger_root(settings))
    signer = node_signer(settings)
    found: tuple[str, Place] | None = None
    for opening, access in _asked(settings, root, who, purpose):
        with Reader.open(root) as reader:
            call = find_receipt(reader, wanted, tenant=opening.tenant)
        if call is not None:
            found = (call, access)
            break
    if found is None:
        raise OperatorError("no call with this receipt code is on record (or its code was erased)")
    call, access = found
    made = receipt_packet(
        root, call, wanted, access=access, made_at=int(time.time()), signer=signer, version=version_of_sayso()
    )
    report = verify_bytes(made.data)
    write_out(out, made.data, force=force)
    if as_json:
        emit_json(
            {
                "file": str(out), "bytes": len(made.data), "call": call, "origin": made.origin,
                "checkpoint": made.size, "holds": report.ok, "verdict": report.verdict,
            }
        )  # fmt: skip
    else:
        emit_text(f"{out}: call {call} is in log {made.origin}, under a checkpoint over {made.size} leaves\n")
        emit_text(f"{report.verdict}\n")
    if not report.ok:
        raise typer.Exit(1)


def _asked(settings: Profile, root: Path, who: str, purpose: str) -> Iterator[tuple[CallOpened, Place]]:
    """Tenant after tenant that ever issued a receipt, each when its turn comes: put on record that we look.

    Yields:
        The opening of a call of that tenant's (its region and environment decide who must be
        named), and the place of the record.
    """
    from controls.ledger.reader import Reader
    from controls.ledger.records import ReceiptIssued

    with Reader.open(root) as reader:
        openings: dict[str, CallOpened] = {}
        for view in reader.views():
            row = next(view.rows_of(ReceiptIssued.type), None)
            if row is not None and row.call is not None and view.tenant not in openings:
                openings[view.tenant] = opening_of(reader, row.call)
    for opening in openings.values():
        details = viewer(settings, opening, who, purpose)
        found = record_access(settings, opening.tenant, opening.region, None, details, what="receipt")
        yield opening, under_checkpoint(root, found)
