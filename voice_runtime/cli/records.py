"""`sayso calls`, `sayso trace` and `sayso ledger`: reviewing what is on record.

Listing calls and checking the log open nothing personal. A trace does: that is
appended as ``access.viewed``, and durable, before the first blob is opened.
"""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from controls.errors import IntegrityError, LedgerError, OperatorError
from controls.ledger import records as r
from voice_runtime.cli.exports import export_redactor, tell_masked
from voice_runtime.cli.text import (
    DEFAULT_CONFIG,
    Config,
    Json,
    emit_json,
    emit_lines,
    emit_table,
    emit_text,
    profile_of,
)

if TYPE_CHECKING:
    from controls.decision import Receipt
    from controls.evidence.shape import Checkpoint as CheckpointShape
    from controls.evidence.shape import Trace
    from controls.ledger.key_schedule import KeySchedule
    from controls.ledger.keys import Signer
    from controls.ledger.notes import Checkpoint
    from controls.ledger.reader import CallInfo, LogView, Reader
    from voice_runtime.settings import Profile

calls_app = typer.Typer()
trace_app = typer.Typer()
ledger_app = typer.Typer(no_args_is_help=True, help="The log: check it, or show its newest checkpoint.")

#: Where nobody needs to say who they are to look: nothing there is a real caller's.
NO_NAME_NEEDED = (r.Environment.DEMO, r.Environment.DEVELOPMENT)
_APPEND_S = 10.0
_NO_CHECKPOINT = ("no checkpoint yet\n", "no witness has cosigned a checkpoint yet\n")


def ledger_root(settings: Profile) -> Path:
    """Where a profile's logs lie."""
    return settings.data_dir / "ledger"


def node_signer(settings: Profile) -> Signer:
    """The node's key: in the running signing process where the profile wants one, else in its file.

    Raises:
        OperatorError: it cannot be used.
    """
    from controls.ledger.keys import FileKeys
    from controls.ledger.signing_client import ProcessKeys
    from voice_runtime.record_keeping import SIGNING_SOCKET

    folder = ledger_root(settings) / "keys"
    if settings.ledger.signer == "own_process":
        with suppress(LedgerError):  # no server runs, and so no signing process
            return ProcessKeys(settings.data_dir / SIGNING_SOCKET, folder).node_signer(create=True)
    return FileKeys(folder).node_signer(create=True)


# --- calls ------------------------------------------------------------------------------------------


@calls_app.command(epilog="Example: sayso calls --limit 5 --json")
def calls(
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 20,
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """List calls, newest first. Opens nothing personal."""
    from controls.ledger.reader import Reader

    root = ledger_root(profile_of(config))
    rows: list[dict[str, Any]] = []
    if root.is_dir():
        with Reader.open(root) as reader:
            rows = [_row(info, (e.record for e in reader.records(info.call))) for info in reader.calls(limit)]
    if as_json:
        emit_json({"calls": rows})
        return
    emit_table(
        ["call", "started", "lasted", "ended by", "turns", "handoff", "environment"],
        [
            [
                row["call"],
                row["started_at"],
                "–" if row["duration_s"] is None else f"{row['duration_s']} s",
                f"{row['ended_by']} ({row['end_reason']})" if row["ended_by"] else "still open",
                str(row["turns"]),
                "yes" if row["handoff"] else "",
                row["environment"] + ("" if row["approved"] else ", unapproved"),
            ]
            for row in rows
        ],
        empty="no calls on record yet: sayso demo places one",
    )


def _row(info: CallInfo, records: Iterable[r.Record]) -> dict[str, Any]:
    """What a call's leaves tell without opening anything."""
    from controls.evidence.trace import rfc3339

    row: dict[str, Any] = {
        "call": info.call, "tenant": info.tenant, "origin": info.origin, "records": info.records,
        "started_at": rfc3339(info.opened_at), "ended_at": None, "ended_by": None, "end_reason": None,
        "duration_s": None, "turns": 0, "handoff": False,
    }  # fmt: skip
    for record in records:
        match record:
            case r.CallOpened():
                row |= record.model_dump(
                    mode="json", include={"environment", "approved", "ingress", "region", "release"}
                )
            case r.CallerSaid():
                row["turns"] = max(row["turns"], record.turn)
            case r.HandoffRequested():
                row["handoff"] = True
            case r.CallClosed():
                row |= {
                    "ended_at": rfc3339(record.at), "ended_by": record.ended_by,
                    "end_reason": record.reason, "duration_s": record.duration_s,
                }  # fmt: skip
            case r.CallRecovered() if row["ended_by"] is None:
                row |= {"ended_at": rfc3339(record.at), "ended_by": "unknown", "end_reason": "crashed"}
    return row


# --- trace ------------------------------------------------------------------------------------------


@trace_app.command(epilog='Example: sayso trace c_7Q2MZ0G4D9RWX3KA --as r.okafor --purpose "complaint 17"')
def trace(
    call: Annotated[str, typer.Argument(metavar="CALL", help="A call's id, from `sayso calls`.")],
    who: Annotated[str, typer.Option("--as", metavar="NAME", help="Who looks; goes on record.")] = "",
    purpose: Annotated[str, typer.Option(help="What for; goes on record.")] = "",
    verify: Annotated[bool, typer.Option(help="Check signatures and proofs of the whole log too.")] = True,
    redact: Annotated[
        bool, typer.Option("--redact", help="Mask personal data, as configs/redaction.yaml says of exports.")
    ] = False,
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """One call: what was said, decided and played, by which rules, how fast, and the proof of it.

    Opens personal content: that you looked, and why, is on record before it is
    opened. --as and --purpose may be left out in demo and development only.
    """
    from controls.evidence import summary as lines

    settings = profile_of(config)
    redactor = export_redactor(settings) if redact else None
    found, opening, access = open_trace(settings, call, who=who, purpose=purpose, verify=verify)
    if redactor is not None:
        from controls.evidence.redacted import redacted_trace

        found = redacted_trace(found, redactor)
        tell_masked(settings, opening, access, redactor)
    if as_json:
        emit_json(found)
    else:
        emit_lines(lines.summary(found))
    if found.ledger.verified is False:
        raise typer.Exit(1)


def read_trace(
    settings: Profile, call: str, *, who: str = "", purpose: str = "", verify: bool = True
) -> Trace:
    """As ``open_trace``, for whoever needs the trace alone."""
    return open_trace(settings, call, who=who, purpose=purpose, verify=verify)[0]


def open_trace(
    settings: Profile, call: str, *, who: str = "", purpose: str = "", verify: bool = True
) -> tuple[Trace, r.CallOpened, Receipt]:
    """Rebuild a call's trace; that somebody looks is durable before anything is opened.

    Returns:
        The trace, the call's first record, and the receipt of the look.

    Raises:
        OperatorError: no such call, or nobody said who looks where that must be said.
        LedgerError: the look could not be put on record.
    """
    from controls.evidence import trace as rebuild
    from controls.ledger.reader import Reader
    from controls.ledger.verify import verify_directory

    with Reader.open(existing(ledger_root(settings))) as reader:
        view = reader.view_of(call)
        opening = opening_of(reader, call)
        looks = viewer(settings, opening, who, purpose)
        access = record_access(settings, opening.tenant, opening.region, call, looks)
        opened = reader.opened(call)
        # Who looked afterwards is no part of what has to be covered.
        mine = [o for o in opened if o.origin == view.origin and not isinstance(o.record, r.AccessViewed)]
        last = max(o.leaf for o in mine)
        found = rebuild.trace(
            opened,
            origin=view.origin,
            checkpoint=_covering(view.checkpoint(), last),
            witnessed=_covering(newest_cosigned(view), last),
            verified=verify_directory(view.directory).ok if verify else None,
        )
        return found, opening, access


def existing(root: Path) -> Path:
    """The ledger's directory.

    Raises:
        OperatorError: nothing was ever recorded there.
    """
    if not root.is_dir():
        raise OperatorError("there are no records yet: sayso demo makes some (or give another --config)")
    return root


def opening_of(reader: Reader, call: str) -> r.CallOpened:
    """The first record of a call.

    Raises:
        IntegrityError: it is another one.
    """
    origin = reader.view_of(call).origin  # later logs may hold records about it, too
    first = next(reader.records(call, origin=origin), None)
    if first is None or not isinstance(first.record, r.CallOpened):
        raise IntegrityError("the record of the call's opening is missing")
    return first.record


def viewer(settings: Profile, opening: r.CallOpened, who: str, purpose: str) -> r.AccessDetails:
    """Who looks and why.

    Raises:
        OperatorError: not said, where it must be.
    """
    real = [e for e in (opening.environment, settings.environment) if e not in NO_NAME_NEEDED]
    if real and not (who and purpose):
        raise OperatorError(f"in {real[0]} a call is opened with --as NAME and --purpose WHY")
    if not who:
        try:
            who = getpass.getuser()
        except (OSError, KeyError):  # no such account, as in some containers
            raise OperatorError("this account has no name: say who looks with --as NAME") from None
    return r.AccessDetails(who=who, purpose=purpose or "local review")


def record_access(
    settings: Profile,
    tenant: str,
    region: str,
    call: str | None,
    details: r.AccessDetails,
    *,
    what: Literal["trace", "audit", "calls", "recording", "receipt", "reconciliation", "approvals"] = "trace",
) -> Receipt:
    """Append ``access.viewed``, through the running server or under the writer lock, durable on return.

    Raises:
        LedgerError: it could not be made durable, so nothing may be opened.
        WriterLocked: a writer runs that does not answer on the local socket.
    """
    return append(settings, region, r.AccessViewed(tenant=tenant, call=call, what=what), details)


def append(settings: Profile, region: str, record: r.Record, details: r.Personal | None) -> Receipt:
    """Append a record a command may make, through the running server or under the writer lock.

    Args:
        region: where the content sealed beside it is kept.

    Raises:
        LedgerError: it could not be made durable.
        WriterLocked: a writer runs that does not answer on the local socket.
    """
    from voice_runtime.local import append_via_server

    receipt = append_via_server(settings.data_dir, record, details)
    return receipt or _append_alone(settings, region, record, details)


def _append_alone(settings: Profile, region: str, record: r.Record, details: r.Personal | None) -> Receipt:
    from controls.ledger.ledger import Ledger

    options, kind = settings.ledger, "access" if details is None else details.kind
    ledger = Ledger.open(
        ledger_root(settings), tagger=_tagger(settings, region, kind), period=options.period,
        kept_months=options.kept_months, publish=options.publish,
    )  # fmt: skip
    try:
        ledger.prepare(record.tenant)
        return ledger.append(record, details).result(timeout=_APPEND_S)
    except TimeoutError:
        raise LedgerError(f"{record.type} is not durable after {_APPEND_S:g} s") from None
    finally:
        ledger.close()


def _tagger(settings: Profile, region: str, kind: str) -> Any:
    """How long such content is kept: as the strictest schedule for that region asks.

    From the schedules alone: a broken agent folder must not keep anybody from the record.
    """
    from controls.retention import parse_retention
    from voice_runtime.agent_folder import RETENTION_FILE

    try:
        text = (settings.root / RETENTION_FILE).read_text(encoding="utf-8")
    except OSError as error:
        raise OperatorError(f"{RETENTION_FILE} cannot be read: {error.strerror}") from None
    schedules = parse_retention(text, RETENTION_FILE.as_posix()).values()
    taggers = [s.tagger(region) for s in schedules if region in s.regions]
    if not taggers:
        raise OperatorError(f"{RETENTION_FILE}: no schedule was reviewed for the call's region")
    return max(taggers, key=lambda tag: tag(kind, 0).expires_at)


def keys_of(view: LogView) -> KeySchedule:
    """Every key a log ever had, as its own leaves tell; whether to trust the first is decided outside.

    Raises:
        IntegrityError: a leaf about them does not hold.
    """
    from controls.ledger.key_schedule import KEY_TYPES, KeySchedule, read_schedule
    from controls.ledger.keys import checkpoint_name

    rows = view.rows_of(*KEY_TYPES)
    schedule = read_schedule(rows, origin=view.origin, name=checkpoint_name(view.origin))
    return schedule or KeySchedule(view.verifier)


def newest_cosigned(view: LogView) -> Checkpoint | None:
    """The newest checkpoint that witnesses cosigned, unverified."""
    from controls.ledger.notes import parse_checkpoint

    found = view.cosigned()
    return parse_checkpoint(found[-1][1]) if found else None


def _covering(newest: Checkpoint | None, last: int) -> CheckpointShape | None:
    """A checkpoint as a trace shows it, if it covers leaf ``last``."""
    from controls.evidence.trace import checkpoint_shape

    return None if newest is None or newest.size <= last else checkpoint_shape(newest)


# --- ledger -----------------------------------------------------------------------------------------


@ledger_app.command(epilog="Example: sayso ledger verify --trust auditor.keys")
def verify(
    directory: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="The log's directory; the profile's by default.")
    ] = None,
    trust: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Verifier keys you trust, one a line.")
    ] = None,
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Run every numbered check and name what failed: exit 0 it holds, 1 it does not.

    Without a trust file the keys beside the records are all there is to go by, and the
    verdict says so. The same checks run anywhere with `python -m controls.ledger verify DIR`.
    """
    from controls.ledger.__main__ import main

    root = directory or existing(ledger_root(profile_of(config)))
    options = ["--json"] if as_json else []
    options += ["--trust", str(trust)] if trust else []
    raise typer.Exit(main(["verify", *options, "--", str(root)]))


@ledger_app.command(epilog="Example: sayso ledger checkpoint > checkpoint.txt")
def checkpoint(
    cosigned: Annotated[
        bool, typer.Option("--cosigned", help="The newest one that witnesses cosigned, with their lines.")
    ] = False,
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Print each log's newest signed checkpoint (C2SP): whoever keeps one can later show a rewrite.

    With --json also each log's keys, newest last: what a rotated one signed is verified by it.
    """
    from controls.ledger.reader import Reader

    found = []
    with Reader.open(existing(ledger_root(profile_of(config)))) as reader:
        for view in reader.views():
            if (newest := newest_cosigned(view) if cosigned else view.checkpoint()) is not None:
                keys = keys_of(view)
                keys.verify(newest)  # a rotation's last checkpoint is still the old key's
                found.append((view, keys, newest))
    if as_json:
        emit_json(
            {
                "checkpoints": [
                    {
                        "origin": view.origin,
                        "tenant": view.tenant,
                        "size": newest.size,
                        "root": "sha256:" + newest.root.hex(),
                        "key": view.vkey,
                        "keys": [str(key) for key in keys.keys],
                        "note": newest.note.decode(),
                    }
                    for view, keys, newest in found
                ]
            }
        )
        return
    emit_text("\n".join(newest.note.decode() for _, _, newest in found) or _NO_CHECKPOINT[cosigned])
