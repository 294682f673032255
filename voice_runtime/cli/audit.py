"""`sayso audit`: everything on record about one call, in one file that anybody can check."""

from __future__ import annotations

import importlib.metadata
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controls.errors import LedgerError, OperatorError
from voice_runtime.cli.exports import export_redactor, tell_masked
from voice_runtime.cli.records import (
    existing,
    ledger_root,
    node_signer,
    opening_of,
    record_access,
    viewer,
)
from voice_runtime.cli.text import DEFAULT_CONFIG, Config, Json, emit_json, emit_text, profile_of

if TYPE_CHECKING:
    from controls.decision import Receipt
    from controls.evidence.packet_files import Place
    from controls.ledger.records import Personal
    from controls.redaction.redactor import Redacts

app = typer.Typer()

#: Longest wait for a checkpoint over the record that somebody asked, and between looks, in s.
_CHECKPOINT_S, _LOOK_S = 15.0, 0.1

Out = Annotated[Path, typer.Option("-o", "--out", metavar="FILE.zip", help="Where the packet goes.")]
Force = Annotated[bool, typer.Option("--force", help="Replace FILE if it is there.")]


@app.command(epilog="Example: sayso audit c_7Q2MZ0G4D9RWX3KA -o call.zip --as r.okafor --purpose complaint")
def audit(
    call: Annotated[str, typer.Argument(metavar="CALL", help="A call's id, from `sayso calls`.")],
    out: Out,
    who: Annotated[str, typer.Option("--as", metavar="NAME", help="Who asks; goes on record.")] = "",
    purpose: Annotated[str, typer.Option(help="What for; goes on record.")] = "",
    force: Force = False,
    redact: Annotated[
        bool, typer.Option("--redact", help="Leave content sealed in which personal data is found.")
    ] = False,
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Write the audit packet of one call: a page to read, the records, their proofs, and how to check them.

    Opens personal content: that you asked, and why, is on record (and in the packet)
    before it is opened. The file holds what was said in clear; with --redact only that in which
    no personal data is found, and the packet says how much is left out. Check it, here or
    anywhere else, with `python -m controls.ledger verify FILE.zip --trust auditor.keys`.
    Exit 1: the packet was written, and it does not hold.
    """
    from controls.evidence.packet import audit_packet
    from controls.evidence.packet_check import verify_bytes
    from controls.ledger.reader import Reader
    from voice_runtime.release_archive import archived_release

    settings = profile_of(config)
    free_to_write(out, force=force)
    root = existing(ledger_root(settings))
    signer = node_signer(settings)
    with Reader.open(root) as reader:
        opening = opening_of(reader, call)
    receipt = record_access(
        settings, opening.tenant, opening.region, call, viewer(settings, opening, who, purpose), what="audit"
    )
    access = under_checkpoint(root, receipt)
    release = archived_release(settings.data_dir, opening.release)
    redactor = export_redactor(settings) if redact else None
    made = audit_packet(
        root, call, access=access, release=release, signer=signer, version=version_of_sayso(),
        withhold=None if redactor is None else _withhold(redactor, opening.language),
    )  # fmt: skip
    if redactor is not None:
        tell_masked(settings, opening, receipt, redactor)
    report = verify_bytes(made.data)
    write_out(out, made.data, force=force)
    if as_json:
        emit_json(
            {
                "file": str(out), "bytes": len(made.data), "call": call, "origin": made.origin,
                "leaves": made.leaves, "checkpoint": made.size, "release_archived": made.released,
                "withheld": made.withheld,
                "holds": report.ok, "verdict": report.verdict,
            }
        )  # fmt: skip
    else:
        emit_text(f"{out}: {made.leaves} leaves under a checkpoint over {made.size}\n")
        if not made.released:
            emit_text("the resolved release is not in it: this machine's archive lacks it\n")
        if redact:
            emit_text(f"{made.withheld} pieces of content are left sealed: personal data was found in them\n")
        emit_text(f"{report.verdict}\n")
        emit_text(f" check it  python -m controls.ledger verify {out} --trust auditor.keys\n")
    if not report.ok:
        raise typer.Exit(1)


def _withhold(redactor: Redacts, language: str) -> Callable[[Personal], bool]:
    """Which content a redacted packet leaves sealed."""
    from controls.evidence.redacted import holds_personal

    return lambda personal: holds_personal(personal, redactor, language)


def free_to_write(out: Path, *, force: bool) -> None:
    """Refuse early what ``write_out`` would refuse late: nothing is opened for a file that cannot be written.

    Raises:
        OperatorError: it is there already, or its folder is not.
    """
    if not out.parent.is_dir():
        raise OperatorError(f"{out.parent} is not a folder")
    if out.exists() and not force:
        raise OperatorError(f"{out} is there already; give another name, or --force to replace it")


def write_out(out: Path, data: bytes, *, force: bool) -> None:
    """Write a file that only its owner can read, whole or not at all.

    Raises:
        OperatorError: it is there already, or cannot be written.
    """
    partial = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            if force:
                partial.replace(out)
            else:
                os.link(partial, out)  # unlike a rename, fails when somebody else was first
        finally:
            partial.unlink(missing_ok=True)
    except FileExistsError:
        raise OperatorError(f"{out} is there already; give another name, or --force to replace it") from None
    except OSError as error:
        raise OperatorError(f"{out} cannot be written: {error.strerror}") from None


def under_checkpoint(root: Path, receipt: Receipt) -> Place:
    """Wait until a checkpoint covers a durable record; returns its place.

    Raises:
        LedgerError: none did in time.
    """
    from controls.evidence.packet import covered
    from controls.evidence.packet_files import Place
    from controls.ledger.reader import Reader

    if receipt.spooled:
        raise LedgerError("that somebody asks is in the fallback spool only: mend the log's storage first")
    place = Place(origin=receipt.origin, leaf=receipt.leaf)
    with Reader.open(root) as reader:
        for _ in range(round(_CHECKPOINT_S / _LOOK_S)):
            if covered(reader, place):
                return place
            time.sleep(_LOOK_S)
    raise LedgerError(f"no checkpoint covers the record of this request after {_CHECKPOINT_S:g} s")


def version_of_sayso() -> str:
    """The installed version."""
    try:
        return importlib.metadata.version("sayso")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
