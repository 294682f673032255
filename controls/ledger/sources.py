"""What there is to verify: tells a packet, a ledger, published tiles and a proof apart."""

from __future__ import annotations

from pathlib import Path

from controls.errors import IntegrityError, LedgerError, OperatorError
from controls.ledger.findings import CHECKS, Findings, Report
from controls.ledger.proof_file import HEADER
from controls.ledger.read_only import CHECKPOINT_FILE, log_directories
from controls.ledger.trust import Trust
from controls.ledger.url_tiles import UnreachableError, UrlTiles
from controls.ledger.verify import tile_folders, verify_directory, verify_tiles
from controls.ledger.verify_proof import verify_leaf

#: What a zip begins with: a file's header, or the end of one that is empty.
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")


def verify(
    place: Path | str,
    trust: Path | Trust | None = None,
    *,
    leaf: Path | None = None,
    keys: Path | None = None,
) -> Report:
    """Verify whatever lies at ``place``.

    Args:
        place: a path, or an http(s) address.
        trust: what the auditor trusts, or the file that says so.
        leaf: the leaf's file, for a ``.tlog-proof``.
        keys: directory of the key files, for a ledger's directory.

    Raises:
        OperatorError: usage: no such path, nothing to verify there, a bad trust file.
    """
    trusted = Trust.read(trust) if isinstance(trust, Path) else trust
    if isinstance(place, str) and place.startswith(("http://", "https://")):
        why = _unreachable(place)
        return verify_tiles(place, trusted) if why is None else _unread(f"{place}: {why}")
    path = Path(place)
    if path.is_dir():
        if _unpacked(path):
            return _unread(f"{path.name}: this looks like an unpacked packet; verify the zip itself")
        if log_directories(path):
            return verify_directory(path, trusted, keys=keys)
        if tile_folders(path) and not _ledger(path):
            return verify_tiles(path, trusted)
        return verify_directory(path, trusted, keys=keys)
    try:
        with path.open("rb") as file:
            head = file.read(len(HEADER))
    except OSError as error:
        raise OperatorError(f"{path} cannot be read ({error.strerror})") from None
    if head.startswith(_ZIP):
        return _packet(path, trusted)
    if head == HEADER.encode() or path.suffix == ".tlog-proof":
        if leaf is None:
            raise OperatorError("a proof is about a leaf: give its file with --leaf FILE")
        return verify_leaf(path, leaf, trusted)
    return _unread(f"{path.name}: neither a packet, nor a ledger, nor a proof")


def _unread(why: str) -> Report:
    findings = Findings()
    findings.fail("files", why)
    findings.not_applicable("nothing there can be read", *CHECKS)
    return findings.report([])


def _unreachable(url: str) -> str | None:
    """Why nobody answers there; asked first, so that it is said once and not of every file."""
    try:
        UrlTiles(url).get(CHECKPOINT_FILE)
    except UnreachableError as error:
        return error.why
    except (LedgerError, IntegrityError):
        pass  # told where it is read in earnest
    return None


def _unpacked(path: Path) -> bool:
    return (path / "manifest.json").is_file() and (path / "leaves").is_dir()


def _ledger(path: Path) -> bool:
    """Whether this was a ledger's directory, its databases gone: not published tiles alone."""
    return any(
        (checkpoint.parent / "blobs").is_dir() or (checkpoint.parent / "lock").exists()
        for checkpoint in (*path.glob(CHECKPOINT_FILE), *path.glob("*/" + CHECKPOINT_FILE))
    )


def _packet(path: Path, trust: Trust | None) -> Report:
    # Here alone the log's floor reaches up: the packet is made of the log and of the evidence above it.
    from controls.evidence.packet_check import verify_packet

    return verify_packet(path, trust)
