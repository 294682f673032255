"""Checks a ledger offline, step by numbered step (``findings.py``), and names what failed.

What can be given: a ledger's directory or one log's (``verify_directory``),
published tiles in folders or behind an address (``verify_tiles``), one leaf with
its proof (``verify_leaf``). Damage is reported, never raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from controls.errors import IntegrityError, LedgerError, OperatorError
from controls.ledger.findings import Findings, Report
from controls.ledger.prover import FolderTiles, TileSource
from controls.ledger.read_only import CHECKPOINT_FILE, log_directories
from controls.ledger.reader import LogView, Stored
from controls.ledger.records import REGISTER, KeyCreated, Personal, Record, SealedRef
from controls.ledger.storage import ERASING
from controls.ledger.trust import Trust
from controls.ledger.url_tiles import UrlTiles
from controls.ledger.verify_checkpoints import CheckpointChecks
from controls.ledger.verify_leaves import Blob, LeafChecks, Place
from controls.ledger.verify_register import HouseChecks, VerifiedLog
from controls.ledger.verify_tiles import TileChecks, check_published_log

#: A log's published tiles, inside its directory.
TILES = "tlog"
#: What ``meta`` repeats of leaf 0.
_OPENING = ("period_from", "period_to", "kept_until", "previous")
#: Leaves a log begins with.
_OWN = 2
#: Sealed artefacts read at once.
_AHEAD = 256
_NO_PACKET = ("manifest", "proof", "trace", "page")


def verify_directory(path: Path, trust: Path | Trust | None = None, *, keys: Path | None = None) -> Report:
    """Run every check on each log in a ledger's directory (or on one log's own).

    Args:
        trust: what the auditor trusts, or the file that says so.
        keys: directory of the key files, for what only their holder can check.

    Raises:
        OperatorError: no such directory, nothing in it, or a bad trust file. What
            is damaged is reported, not raised.
    """
    trusted = Trust.read(trust) if isinstance(trust, Path) else trust
    directories = log_directories(path)
    beside = [path, *(folder for folder in path.glob("*") if folder.name != TILES)]
    lost = sorted(f for f in beside if f not in directories and (f / CHECKPOINT_FILE).is_file())
    if not directories and not lost:
        raise OperatorError(f"{path} holds no ledger; give the directory with its logs")
    findings = Findings()
    findings.not_applicable("no packet", *_NO_PACKET)
    findings.count("files", len(directories) + len(lost))
    for directory in lost:
        findings.fail("files", f"{directory.name}: log.db is missing")
    logs = []
    for directory in sorted(directories, key=_is_register):
        look = partial(_log, directory, findings, keys, several=len(directories) > 1)
        found = _guarded(findings, directory.name, look)
        logs += [found] if found is not None else []
    present = {d.name for d in log_directories(path)} | {d.name for d in lost}
    return _settled(findings, logs, trusted, present, complete=directories != [path])


def verify_tiles(place: Path | str, trust: Path | Trust | None = None) -> Report:
    """Run the checks that published tiles allow, on one log or on several below a folder.

    Args:
        place: a folder with ``checkpoint`` and ``tile/``, one with such folders
            in it, or an http(s) address of a log.
        trust: what the auditor trusts, or the file that says so.

    Raises:
        OperatorError: nothing of the kind there, or a bad trust file.
    """
    trusted = Trust.read(trust) if isinstance(trust, Path) else trust
    sources: list[tuple[str, TileSource]]
    if isinstance(place, Path):
        folders = tile_folders(place)
        sources = [(_named(folder), FolderTiles(folder)) for folder in folders]
    else:
        folders, sources = [], [(place, UrlTiles(place))]
    if not sources:
        raise OperatorError(f"{place} holds no published log; give the folder with its checkpoint")
    findings = Findings()
    findings.not_applicable("no packet", *_NO_PACKET)
    findings.not_applicable("published tiles hold no sealed content", "sealed", "opened", "receipt")
    findings.count("files", len(sources))
    logs = []
    for name, source in sources:
        look = partial(check_published_log, source, name, findings, several=len(sources) > 1)
        found = _guarded(findings, name, look)
        if found is not None:
            logs.append(found)
            if isinstance(source, FolderTiles):
                _folder(source.directory, found, findings)
    complete = isinstance(place, Path) and folders != [place]
    return _settled(findings, logs, trusted, {name for name, _ in sources}, complete=complete)


def _folder(directory: Path, log: VerifiedLog, findings: Findings) -> None:
    newest = log.checkpoints.newest
    size = newest.checkpoint.size if newest is not None else 0
    TileChecks(FolderTiles(directory), findings, log.leaves.where).folder(directory, size, log.leaves.tree)


def tile_folders(path: Path) -> list[Path]:
    """The folders at ``path``, in it, or in its logs' directories that hold published tiles."""
    return sorted(
        folder
        for folder in (path, *path.glob("*"), *path.glob("*/" + TILES))
        if (folder / "tile").is_dir()
    )  # fmt: skip


def _named(folder: Path) -> str:
    name = folder.resolve()
    return name.parent.name if name.name == TILES else name.name


def _guarded(findings: Findings, name: str, look: Callable[[], VerifiedLog | None]) -> VerifiedLog | None:
    try:
        return look()
    except (IntegrityError, LedgerError) as error:
        findings.fail("files", f"{name}: {error}")
    except Exception as error:  # noqa: BLE001 - hostile input must end in a finding, not a traceback
        findings.fail("files", f"{name}: cannot be read ({type(error).__name__})")
    return None


def _settled(
    findings: Findings, logs: list[VerifiedLog], trust: Trust | None, present: set[str], *, complete: bool
) -> Report:
    authenticated = False
    try:
        authenticated = HouseChecks(findings, logs, present, complete).finish(trust)
    except Exception as error:  # noqa: BLE001 - hostile input must end in a finding, not a traceback
        findings.fail("files", f"cannot be read ({type(error).__name__})")
    return findings.report([log.origin for log in logs], authenticated=authenticated)


def _is_register(directory: Path) -> bool:
    """The register is read last: by then every log seen before it stands in it, also while a writer runs."""
    try:
        with closing(LogView(directory)) as view:
            return view.tenant == REGISTER
    except Exception:  # noqa: BLE001 - hostile input; reported when its turn comes
        return False


def _log(directory: Path, findings: Findings, keys: Path | None, *, several: bool) -> VerifiedLog:
    # Both before the snapshot, which then must cover them.
    published = _published(directory, findings)
    notes = TileChecks(FolderTiles(directory / TILES), findings, f"{directory.name}: {TILES}/").notes()
    with closing(LogView(directory, keys)) as view:
        view.snapshot()
        for problem in view.problems():
            findings.fail("files", f"{directory.name}: {problem}")
        where = f"{view.origin} " if several else ""
        leaves = _leaves(view, findings, where)
        begun = _only_begun(leaves) and view.is_bare()
        for problem in _told_otherwise(view, leaves, begun=begun):
            findings.fail("files", f"{where}log.db: {problem}")
        checkpoints = CheckpointChecks(findings, leaves)
        checkpoints.stored(view.checkpoints())
        checkpoints.published(published)
        for _, note in view.cosigned():
            checkpoints.with_witnesses(note)
        erasing = str(view.meta.get(ERASING, ""))
        log = VerifiedLog(directory.name, leaves, checkpoints, begun=begun, erasing=erasing)
        _tiles(directory / TILES, notes, log, findings)
        findings.records += len(leaves.tree)
        return log


def _only_begun(leaves: LeafChecks) -> bool:
    """Whether it is just what a log begins with: no leaf, or (in one commit) its opening and that key."""
    own = [record.key for _, record in leaves.register if isinstance(record, KeyCreated)]
    begins = leaves.opening is not None and own == [leaves.opening.key]
    return leaves.count == 0 or (leaves.count == _OWN and begins)


def _told_otherwise(view: LogView, leaves: LeafChecks, *, begun: bool) -> Iterator[str]:
    """What the database says of the log, and no leaf does (a log laid just now has none to say it)."""
    if view.verifier not in leaves.chain.present and not (begun and leaves.count == 0):
        yield "names a key that no record made valid"
    opening = leaves.opening
    for name in _OPENING if opening is not None else ():
        if view.meta.get(name, "") != str(getattr(opening, name) or ("" if name == "previous" else 0)):
            yield f"{name} is not as record 0 has it"


def _published(directory: Path, findings: Findings) -> bytes | None:
    try:
        return (directory / CHECKPOINT_FILE).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        findings.fail("files", f"{directory.name}: checkpoint: {error.strerror}")
        return None


def _leaves(view: LogView, findings: Findings, where: str) -> LeafChecks:
    beside = _Database(view)
    leaves = LeafChecks(
        findings, view.origin, tenant=view.tenant, where=where, beside=beside, first_key=view.verifier
    )
    try:
        for row in view.rows():
            leaves.add(row.leaf, row.envelope, Place(row.call, row.n, row.type))
        leaves.finish()
    finally:
        leaves.close()
    for artifact, leaf in view.blobs():
        if leaves.sealed.get(artifact) != leaf and leaf not in leaves.unread:
            cut = f" (record {leaf} is cut off)" if leaves.is_behind(leaf) else ""
            findings.fail("sealed", f"{where}blob {artifact}: no record refers to it{cut}")
    return leaves


def _tiles(
    folder: Path, notes: tuple[bytes | None, bytes | None], log: VerifiedLog, findings: Findings
) -> None:
    """What the log has published: its own tree's tiles, and no newer checkpoint than it has itself."""
    note, cosigned = notes
    if cosigned is not None:
        log.checkpoints.with_witnesses(cosigned, f"{TILES}/cosigned checkpoint")
    if note is None:
        if folder.is_dir() and any(folder.iterdir()):
            findings.note("files", f"{log.leaves.where}{TILES}: no checkpoint published yet")
        return
    checkpoint = log.checkpoints.add(note, f"{TILES}/checkpoint")
    if checkpoint is None:
        return
    tiles = TileChecks(FolderTiles(folder), findings, f"{log.leaves.where}{TILES}/")
    tiles.whole(checkpoint.size, log.leaves.tree)
    tiles.folder(folder, checkpoint.size, log.leaves.tree)


class _Database:
    """What lies sealed in a log's directory, for ``LeafChecks``; read ahead in the order of the leaves."""

    carries = True

    def __init__(self, view: LogView) -> None:
        self._view = view
        self._order = [artifact for artifact, _ in view.blobs()]
        self._places = {artifact: place for place, artifact in enumerate(self._order)}
        self._page: dict[str, Stored] = {}
        self._ahead = _AHEAD
        self._found: Stored | None = None
        self.opens = view.has_keys()

    def blob(self, ref: SealedRef) -> Blob | None:
        found = self._page.pop(ref.artifact, None)
        if found is None and (place := self._places.get(ref.artifact)) is not None:
            # What was read ahead in vain (a table that does not tell the truth) is read singly.
            self._ahead = max(1, self._ahead // 2) if self._page else _AHEAD
            self._page = self._view.stored(self._order[place : place + self._ahead])
            found = self._page.pop(ref.artifact, None)
        if found is None:
            return None
        row = self._view.with_ciphertext(found.row)
        self._found = found._replace(row=row)
        return Blob(row.ciphertext, row.wrapped is None and found.row.ciphertext is None)

    def personal(self, record: Record) -> Personal | None:
        return self._view.personal(record, self._found)  # of the artefact asked for last
