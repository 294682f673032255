"""`sayso keys`: create, list, rotate, back up and restore the keys of the record."""

from __future__ import annotations

import getpass
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controls.errors import LedgerError, OperatorError
from voice_runtime.cli.records import keys_of
from voice_runtime.cli.text import (
    DEFAULT_CONFIG,
    Config,
    Json,
    emit_json,
    emit_table,
    emit_text,
    profile_of,
)

if TYPE_CHECKING:
    from controls.ledger.ledger import Ledger
    from controls.ledger.tenant_logs import FoundLog
    from voice_runtime.local import OperationName
    from voice_runtime.settings import Profile

app = typer.Typer(
    no_args_is_help=True,
    help="The keys of the record: log keys sign leaves and checkpoints, the node's key signs packets, the "
    "wrapping key opens what is sealed.",
    epilog="Example: sayso keys list",
)
rotate_app = typer.Typer(
    no_args_is_help=True,
    help="Replace a key by a new one, on record. What the old one signed stays valid; what it wrapped is "
    "wrapped anew.",
    epilog="Example: sayso keys rotate log --tenant demo-clinic",
)
app.add_typer(rotate_app, name="rotate")

PassphraseFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Read the passphrase from this file (mode 0600) instead of asking."),
]


def key_directory(settings: Profile) -> Path:
    """Where a profile's keys lie."""
    return settings.data_dir / "ledger" / "keys"


# --- create and list --------------------------------------------------------------------------------


@app.command(epilog="Example: sayso keys create --config configs/profiles/cloud.yaml")
def create(config: Config = DEFAULT_CONFIG, as_json: Json = False) -> None:
    """Make the node's and the wrapping key, and their directory, ahead of the first start.

    Keys that are there already stay as they are. Each log's own key is made with the log.
    """
    from controls.ledger.keys import FileKeys
    from controls.ledger.tenant_logs import find_logs

    settings = profile_of(config)
    directory = key_directory(settings)
    keys = FileKeys(directory)
    made = [stem for stem in ("node", "wrapping") if not keys.path(stem).exists()]
    if "wrapping" in made and find_logs(directory.parent):
        raise OperatorError(
            f"{keys.path('wrapping')} is missing, and content on record was sealed under it: restore it with "
            "sayso keys restore FILE (a new one would open nothing)"
        )
    keys.node_signer(create=True)
    keys.wrapping(create=True)
    if as_json:
        emit_json({"directory": str(directory), "made": made})
    else:
        emit_text(
            "".join(f"made {keys.path(stem)}\n" for stem in made) or "nothing to make: both are there\n"
        )


@app.command(
    "list",
    epilog="Example: sayso keys list --trust > auditor.keys, or sayso keys list --witness > logs.keys",
)
def list_keys(
    trust: Annotated[
        bool, typer.Option("--trust", help="Print only the verifier keys for an auditor's trust file.")
    ] = False,
    witness: Annotated[
        bool, typer.Option("--witness", help="Print only the verifier keys for a witness's file of logs.")
    ] = False,
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """List the keys, and the verifier keys an auditor puts into a trust file. Prints no secret half.

    Hand the verifier keys over by a way that whoever could change the record does not control.
    With --witness: for `sayso witness serve --logs FILE`, every key of every log (the register's
    too), those before a rotation as well, since a witness follows none by itself.
    """
    from controls.ledger.keys import FileKeys
    from controls.ledger.tenant_logs import find_logs

    if trust and witness:
        raise OperatorError("an auditor's file is not a witness's: give --trust or --witness")
    directory = key_directory(profile_of(config))
    found = FileKeys(directory).describe() if directory.is_dir() else []
    logs = find_logs(directory.parent)
    tenants = {log.origin: log.tenant for log in logs}
    lines = _trust_lines(logs)
    witnessed = [key for log in logs for key in _keys(log)] if witness or as_json else []
    if as_json:
        rows = [asdict(key) | {"tenant": tenants.get(key.origin)} for key in found]
        emit_json({"keys": rows, "trust": [key for key, _ in lines], "witness": witnessed})
        return
    if witness:
        emit_text("".join(f"{key}\n" for key in witnessed))
        return
    if not trust:
        emit_table(
            ["key", "tenant", "state", "made", "digest", "file"],
            [
                [
                    key.role, tenants.get(key.origin, ""), "in use" if key.state == "present" else "next",
                    datetime.fromtimestamp(key.created, UTC).date().isoformat(), key.digest[:23] + "…",
                    key.path,
                ]
                for key in found
            ],
            empty="no keys yet: sayso keys create makes them, or the first start does",
        )  # fmt: skip
        emit_text("\nfor an auditor's trust file:\n" if lines else "")
    emit_text("".join(f"{key}  # {what}\n" for key, what in lines))


def _trust_lines(logs: list[FoundLog]) -> list[tuple[str, str]]:
    """Verifier keys and what they are: the register's, from which all others follow; else every log's.

    Those before a rotation too, the newest first: what they signed is verified by them.
    """
    from controls.ledger.records import REGISTER

    register = [log for log in logs if log.tenant == REGISTER]
    lines = []
    for log in register or logs:
        what = "the register: every log's and the node's key stand in it" if register else log.tenant
        for i, key in enumerate(reversed(_keys(log))):
            lines.append(
                (key, what if i == 0 else f"{'the register' if register else what}, before a rotation")
            )
    return lines


def _keys(log: FoundLog) -> list[str]:
    """Every key it ever had, the newest last."""
    from controls.ledger.reader import LogView

    view = LogView(log.directory)
    try:
        return [str(key) for key in keys_of(view).keys]
    finally:
        view.close()


# --- rotate -----------------------------------------------------------------------------------------


@rotate_app.command(
    "log",
    epilog="Example: sayso keys rotate log --tenant demo-clinic, or every log: sayso keys rotate log --all",
)
def rotate_log(
    tenant: Annotated[
        str,
        typer.Option(metavar="T", help="Whose present log; `register` is the register's."),
    ] = "",
    everybody: Annotated[bool, typer.Option("--all", help="Every tenant's and the register's.")] = False,
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Give a log a new key: the old one signs its announcement and its own end, and is destroyed.

    A trust file with the old key (or the register's) goes on holding; a witness has to be given
    the new one (sayso keys list --witness). Runs in the running server, or takes the writer lock
    where there is none.
    """
    settings = profile_of(config)
    if bool(tenant) == everybody:
        from controls.ledger.tenant_logs import find_logs

        known = dict.fromkeys(log.tenant for log in find_logs(key_directory(settings).parent))
        raise OperatorError(f"say whose: --tenant T ({', '.join(sorted(known)) or 'none yet'}), or --all")
    _rotated(_operate(settings, "rotate_log", tenant), as_json)


@rotate_app.command("node", epilog="Example: sayso keys rotate node")
def rotate_node(config: Config = DEFAULT_CONFIG, as_json: Json = False) -> None:
    """Give the node a new key for audit packets; the register says from when on, and the old one's end."""
    _rotated(_operate(profile_of(config), "rotate_node"), as_json)


@rotate_app.command("wrapping", epilog="Example: sayso keys rotate wrapping")
def rotate_wrapping(config: Config = DEFAULT_CONFIG, as_json: Json = False) -> None:
    """Wrap every call's key anew under a new wrapping key; the old one is destroyed at the end.

    Cut short at any point, everything still opens; run it again. Back-ups of the old
    wrapping key open nothing written from then on: make a new one.
    """
    done = _operate(profile_of(config), "rewrap")
    if as_json:
        emit_json(done)
    else:
        emit_text(f"{done['subjects']} keys wrapped anew; make a new back-up: sayso keys backup FILE\n")


def _rotated(done: dict[str, Any], as_json: bool) -> None:
    if as_json:
        emit_json(done)
        return
    for key in done["rotated"]:
        emit_text(f"{key['tenant'] or 'node'}  {key['vkey']}\n")
    emit_text("make a new back-up: sayso keys backup FILE\n")


def _operate(settings: Profile, operation: OperationName, tenant: str = "") -> dict[str, Any]:
    """Have the running server do it, or do it under the writer lock.

    Raises:
        SayError: it could not be done; WriterLocked: a writer runs that does not listen.
    """
    from voice_runtime.local import operate_via_server

    told = operate_via_server(settings.data_dir, operation, tenant)
    if told is None:
        with _alone(settings) as (ledger, keys):
            from voice_runtime.key_operations import key_operations

            try:
                told = key_operations(ledger, keys)[operation](tenant)
            except LedgerError as error:
                remedy = "; start the server once, which takes up the spool, and try again"
                raise LedgerError(f"{error}{remedy if ledger.spooled else ''}") from error
    found: dict[str, Any] = json.loads(told)
    return found


@contextmanager
def _alone(settings: Profile) -> Iterator[tuple[Ledger, Any]]:
    """This profile's ledger and keys, in this process."""
    from controls.ledger.keys import FileKeys
    from controls.ledger.ledger import Ledger

    directory = key_directory(settings)
    if not directory.is_dir():
        raise OperatorError(f"{directory} is missing: there is no key to rotate (sayso keys create)")
    keys = FileKeys(directory)
    ledger = Ledger.open(
        directory.parent, tagger=_kept_by_the_server, keys=keys, publish=settings.ledger.publish,
        spool_bytes=settings.ledger.spool_mb * 1024 * 1024, period=settings.ledger.period,
        kept_months=settings.ledger.kept_months,
    )  # fmt: skip
    try:
        yield ledger, keys
    finally:
        ledger.close()


def _kept_by_the_server(kind: str, at: int) -> Any:
    """How long content is kept is the agents' and tenants' business: what lies in a spool waits for them."""
    raise OperatorError("content in the fallback spool is taken up by the server: start it once, then rotate")


# --- back-ups ---------------------------------------------------------------------------------------


@app.command(epilog="Example: sayso keys backup /media/safe/keys-2026-07.backup")
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file; none is ever replaced.")],
    days: Annotated[int, typer.Option(min=1, max=3650, help="Days after which it is refused.")] = 400,
    passphrase_file: PassphraseFile = None,
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Write every private key into one encrypted file (scrypt, AES-256-GCM) that expires.

    Keep file and passphrase in different hands. The passphrase is asked for twice, or read
    from a file; it is never an argument.
    """
    from controls.ledger.backup import make_backup, open_backup, write_backup

    if file.exists():
        raise OperatorError(f"{file} exists already; give the back-up a name of its own")
    directory = key_directory(profile_of(config))
    now, passphrase = int(time.time()), _passphrase(passphrase_file, twice=True)
    data = make_backup(directory, passphrase, now=now, days=days)
    opened = open_backup(data, passphrase, now=now)  # a back-up nobody has opened is a hope
    write_backup(file, data)
    if as_json:
        emit_json({"file": str(file), "expires_at": _rfc3339(opened.expires), "keys": sorted(opened.files)})
        return
    emit_text(f"{len(opened.files)} keys in {file}, to be used until {_rfc3339(opened.expires)[:10]}\n")


@app.command(epilog="Example: sayso keys restore /media/safe/keys-2026-07.backup")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `sayso keys backup` wrote.")],
    even_expired: Annotated[
        bool, typer.Option("--even-expired", help="Use it although it has expired; then rotate the keys.")
    ] = False,
    passphrase_file: PassphraseFile = None,
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Write back the keys that are missing. A key that is there and differs is never replaced."""
    from controls.ledger.backup import open_backup, read_backup, restore_backup

    directory = key_directory(profile_of(config))
    data = read_backup(file)
    passphrase = _passphrase(passphrase_file, twice=False)
    opened = open_backup(data, passphrase, now=int(time.time()), even_expired=even_expired)
    done = restore_backup(directory, opened)
    if as_json:
        emit_json({"directory": str(directory), "made_at": _rfc3339(opened.created), "keys": done})
        return
    for name, what in sorted(done.items()):
        emit_text(f"{what:<14} {directory / name}\n")


def _passphrase(file: Path | None, *, twice: bool) -> str:
    """From the file, or from whoever sits at the terminal.

    Raises:
        OperatorError: the file cannot be used, or there is no terminal.
    """
    if file is None:
        if not _terminal():
            raise OperatorError("there is no terminal to ask for the passphrase: give --passphrase-file FILE")
        asked = getpass.getpass("Passphrase: ")
        if twice and getpass.getpass("Once more: ") != asked:
            raise OperatorError("these were two passphrases; nothing was written")
        return asked
    try:
        with file.open("rb") as opened:
            if os.fstat(opened.fileno()).st_mode & 0o077:
                raise OperatorError(f"{file} is open to others; run: chmod 600 {file}")
            text = opened.read(4096).decode()
    except OSError as error:
        raise OperatorError(f"{file} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise OperatorError(f"{file} is not text (UTF-8)") from None
    return text.removesuffix("\n").removesuffix("\r")


def _terminal() -> bool:
    return sys.stdin.isatty()


def _rfc3339(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat().replace("+00:00", "Z")
