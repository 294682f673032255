"""Makes an audit packet or a caller's receipt: one signed file with everything a stranger needs.

Reads the ledger, changes nothing. That somebody asked must be on record before
(``access.viewed``): its place is an argument here, and its leaf is in the packet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from controls.errors import IntegrityError, LedgerError, OperatorError
from controls.evidence import packet_files as f
from controls.evidence.container import write_zip
from controls.evidence.page import FORMAT as PAGE_FORMAT
from controls.evidence.rebuild import fixed_files, last_of_call, personal_of, rebuild, record_of
from controls.ledger import records as r
from controls.ledger.keys import Signer, checkpoint_name
from controls.ledger.notes import Checkpoint, key_digest, parse_checkpoint
from controls.ledger.proof_file import ProofFile
from controls.ledger.prover import LogTiles, Prover
from controls.ledger.reader import LogView, Reader
from controls.ledger.sealed import unseal_salted

_OWN = (r.OriginOpened.type, r.OriginClosed.type, r.KeyCreated.type, r.KeyRetired.type)
_TOMBSTONES = (r.ErasureDone.type, r.RetentionExpired.type)
_RECEIPT = (r.CallOpened, r.ReceiptIssued, r.CallClosed, r.CallRecovered)


@dataclass(frozen=True, slots=True)
class Made:
    """A packet's bytes, and what its reader is told first."""

    data: bytes
    call: str
    origin: str
    leaves: int
    size: int
    released: bool
    withheld: int = 0


def audit_packet(
    root: Path,
    call: str,
    *,
    access: f.Place,
    release: bytes | None,
    signer: Signer,
    version: str,
    withhold: Callable[[r.Personal], bool] | None = None,
) -> Made:
    """Everything on record about one call.

    Args:
        root: the ledger's directory.
        access: where the ``access.viewed`` of this packet stands; durable and under a checkpoint
            (``covered``).
        release: the bytes of the resolved release the call is bound to; None where nobody kept them.
        signer: the node's key.
        version: Sayso's.
        withhold: content for which it is true stays sealed; None opens all of it.

    Raises:
        OperatorError: there is no such call, or the wrapping key is not at hand.
        IntegrityError: a leaf or its content cannot be read, or ``release`` is another one.
        LedgerError: no checkpoint covers the call, or a file cannot be read.
    """
    with Reader.open(root) as reader:
        views = _frozen(reader)
        main = _view_of(views, call)
        parts = {"": _main(main, _about(main, call, set()))}
        artifacts = set(_artifacts(parts[""]))
        for view in views:
            if view is not main and view.tenant == main.tenant:
                prefix = f"later/{view.origin}/"
                later = _part(view, prefix, _about(view, call, artifacts))
                parts |= {prefix: later} if later is not None else {}
        _register(views, parts, signer)
        logs = {main.origin: main, **{v.origin: v for v in views}}
        sealed, opened = _content(parts, logs)
        withheld = () if withhold is None else tuple(_to_withhold(parts, opened, withhold))
        opened = [o for o in opened if o.artifact not in withheld]
        _check_release(parts[""], release)
        made_at = record_of(_access(parts, access, main.origin)).at
        files = {f"sealed/{artifact}.bin": blob for artifact, blob in sealed.items()}
        if release is not None:
            files[f.RELEASE] = release
        fields = {
            "kind": "audit", "call": call, "origin": main.origin, "made_at": made_at, "made_by": version,
            "page": PAGE_FORMAT, "access": access, "withheld": withheld,
        }  # fmt: skip
        data = _finish(files, fields, parts, opened, release, signer)
    size = parse_checkpoint(parts[""].checkpoint).size
    return Made(data, call, main.origin, len(parts[""].leaves), size, release is not None, len(withheld))


def receipt_packet(
    root: Path, call: str, code: str, *, access: f.Place, made_at: int, signer: Signer, version: str
) -> Made:
    """Shows a caller that the call of their receipt is in the log, and nothing of what was said.

    Args:
        code: as it was issued.
        access, signer, version: as in ``audit_packet``.
        made_at: Unix time in s.

    Raises:
        SayError: as ``audit_packet``.
    """
    with Reader.open(root) as reader:
        views = _frozen(reader)
        main = _view_of(views, call)
        shown: dict[int, bytes] = {}
        issued: r.ReceiptIssued | None = None
        for row in main.rows(call):
            record = record_of(row.envelope)
            if isinstance(record, r.ReceiptIssued):
                if issued is not None or _code(main, record) != code:
                    continue
                issued = record
            if isinstance(record, _RECEIPT):
                shown[row.leaf] = row.envelope
        if issued is None:
            raise OperatorError("no receipt with this code is on record")
        parts = {"": _main(main, shown)}
        _register(views, parts, signer)
        _, opened = _content(parts, {main.origin: main}, only=issued)
        if not opened:
            raise LedgerError("no checkpoint covers the receipt yet; try again in a few seconds")
        fields = {
            "kind": "receipt", "call": call, "origin": main.origin, "made_at": made_at, "made_by": version,
            "page": PAGE_FORMAT, "access": access,
        }  # fmt: skip
        data = _finish({}, fields, parts, opened, None, signer)
    size = parse_checkpoint(parts[""].checkpoint).size
    return Made(data, call, main.origin, len(shown), size, False)


def find_receipt(reader: Reader, code: str, *, tenant: str) -> str | None:
    """The call whose receipt has this code, among one tenant's logs; opens every receipt's code.

    ``access.viewed`` (``receipt``) must be on record before.

    Raises:
        IntegrityError: a receipt cannot be read.
        OperatorError: the wrapping key is not at hand.
    """
    for view in reader.views():
        if view.tenant != tenant:
            continue
        for row in view.rows_of(r.ReceiptIssued.type):
            record = record_of(row.envelope)
            if isinstance(record, r.ReceiptIssued) and _code(view, record) == code:
                return record.call
    return None


def covered(reader: Reader, place: f.Place) -> bool:
    """Whether a checkpoint of that log covers the leaf there already.

    Raises:
        LedgerError, IntegrityError: the log cannot be read.
    """
    newest = next((v.checkpoint() for v in reader.views() if v.origin == place.origin), None)
    return newest is not None and newest.size > place.leaf


# --- reading ------------------------------------------------------------------------------------------


def _frozen(reader: Reader) -> list[LogView]:
    views = reader.views()
    for view in views:
        view.snapshot()
    return views


def _view_of(views: Iterable[LogView], call: str) -> LogView:
    """The log in which the call was opened; later ones may hold records about it too."""
    for view in views:
        row = next(view.rows(call), None)
        if row is not None and row.type == r.CallOpened.type:
            return view
    raise OperatorError("there is no such call; `sayso calls` lists them")


def _about(view: LogView, call: str, artifacts: set[str]) -> dict[int, bytes]:
    """A log's records of the call, and the tombstones of its artefacts (and of these)."""
    found = {row.leaf: row.envelope for row in view.rows(call)}
    artifacts = artifacts | {
        record.sealed.artifact for record in map(record_of, found.values()) if record.sealed is not None
    }
    for row in view.rows_of(*_TOMBSTONES):
        if getattr(record_of(row.envelope), "artifact", None) in artifacts:
            found[row.leaf] = row.envelope
    return found


def _artifacts(part: f.Part) -> Iterator[str]:
    for record in map(record_of, part.leaves.values()):
        if record.sealed is not None:
            yield record.sealed.artifact


def _part(view: LogView, prefix: str, leaves: Mapping[int, bytes]) -> f.Part | None:
    """Those leaves of one log that a checkpoint covers, with their proofs under it; None without any.

    A call that is still going on has records behind it: they are not in the packet.
    """
    newest, cosigned = view.checkpoint(), _cosigned(view)
    under = {leaf: e for leaf, e in leaves.items() if newest is not None and leaf < newest.size}
    if newest is None or not under:
        return None
    if cosigned is not None and cosigned.size > max(under):
        newest, cosigned = cosigned, None
    part = f.Part(prefix, under, checkpoint=newest.note)
    part.own = {
        row.leaf: row.envelope
        for row in view.rows_of(*_OWN)
        if row.leaf < newest.size and row.leaf not in leaves and _is_own(view, record_of(row.envelope))
    }
    prover = Prover(LogTiles(view), newest.size)
    for leaf in part.every:
        part.proofs[leaf] = ProofFile(leaf, prover.inclusion(leaf), newest.note).to_bytes()
    records = [(leaf, record_of(envelope), None) for leaf, envelope in part.leaves.items()]
    if cosigned is not None and cosigned.size > last_of_call(records):
        part.cosigned = cosigned.note
    for size in _earlier(part, checkpoint_name(view.origin)):
        if 0 < size < newest.size:
            part.consistency[size] = f.encode_path(prover.consistency(size))
    return part


def _main(view: LogView, leaves: Mapping[int, bytes]) -> f.Part:
    part = _part(view, "", leaves)
    if part is None:
        raise LedgerError("no checkpoint covers the call yet; try again in a few seconds")
    return part


def _is_own(view: LogView, record: r.Record) -> bool:
    """Whether a log's record is about that log itself; a register has others."""
    if isinstance(record, r.KeyCreated) and record.role != "log":
        return False
    return getattr(record, "origin", None) == view.origin


def _cosigned(view: LogView) -> Checkpoint | None:
    found = view.cosigned()
    return parse_checkpoint(found[-1][1]) if found else None


def _earlier(part: f.Part, name: str) -> set[int]:
    """Sizes of the older checkpoints a reader can see: cosigned, and embedded in ``call.opened``."""
    notes = [part.cosigned] if part.cosigned else []
    notes += f.embedded(part)
    return {c.size for c in map(parse_checkpoint, notes) if c.origin == name}


def _register(views: Iterable[LogView], parts: dict[str, f.Part], signer: Signer) -> None:
    """Add what the register says of these logs, of their keys and of the node's."""
    view = next((v for v in views if v.tenant == r.REGISTER), None)
    if view is None:
        return
    origins = {parse_checkpoint(p.checkpoint).origin.removeprefix(r.LOG_NAME) for p in parts.values()}
    found: dict[int, bytes] = {}
    node = key_digest(signer.verifier.public)
    for row in view.rows_of(*_OWN):
        record = record_of(row.envelope)
        if getattr(record, "origin", None) in origins or getattr(record, "key", None) == node:
            found[row.leaf] = row.envelope
    part = _part(view, f.REGISTER, found)
    if part is not None:
        parts[f.REGISTER] = part


def _content(
    parts: Mapping[str, f.Part], logs: Mapping[str, LogView], only: r.Record | None = None
) -> tuple[dict[str, bytes], list[f.OpenedContent]]:
    """Ciphertexts and plaintexts of everything sealed (or of one record) that is not erased."""
    sealed: dict[str, bytes] = {}
    opened: list[f.OpenedContent] = []
    for prefix, part in parts.items():
        if prefix == f.REGISTER:
            continue
        view = logs[parse_checkpoint(part.checkpoint).origin.removeprefix(r.LOG_NAME)]
        for leaf, envelope in part.leaves.items():
            record = record_of(envelope)
            if record.sealed is None or (only is not None and record != only):
                continue
            found = _open(view, record.sealed)
            if found is None:
                continue
            sealed[record.sealed.artifact], salt, plaintext = found
            opened.append(
                f.OpenedContent(
                    artifact=record.sealed.artifact, leaf=leaf, salt=salt.hex(), plaintext=plaintext.decode()
                )
            )
    return sealed, opened


def _to_withhold(
    parts: Mapping[str, f.Part], opened: Iterable[f.OpenedContent], withhold: Callable[[r.Personal], bool]
) -> Iterator[str]:
    """Artefacts that stay sealed."""
    by_artifact = {o.artifact: o for o in opened}
    for prefix, part in parts.items():
        if prefix == f.REGISTER:
            continue
        for envelope in part.leaves.values():
            record = record_of(envelope)
            personal = personal_of(record, by_artifact)
            if record.sealed is not None and personal is not None and withhold(personal):
                yield record.sealed.artifact


def _open(view: LogView, ref: r.SealedRef) -> tuple[bytes, bytes, bytes] | None:
    """(ciphertext, salt, plaintext), or None once erased."""
    stored = view.stored([ref.artifact]).get(ref.artifact)
    if stored is None:
        raise IntegrityError("a sealed blob is missing")
    if stored.row.wrapped is None or stored.subject_key is None:
        return None
    row = view.with_ciphertext(stored.row)
    if row.ciphertext is None or row.wrapped is None:
        raise IntegrityError("a sealed blob is missing")
    key = view._subject_key(row.subject, stored.subject_key)
    return row.ciphertext, *unseal_salted(ref, row.ciphertext, row.wrapped, subject_key=key)


def _code(view: LogView, record: r.ReceiptIssued) -> str | None:
    details = view.personal(record)
    return details.code if isinstance(details, r.ReceiptDetails) else None


def _access(parts: Mapping[str, f.Part], access: f.Place, main: str) -> bytes:
    part = parts.get("" if access.origin == main else f"later/{access.origin}/")
    envelope = part.leaves.get(access.leaf) if part is not None else None
    if envelope is None or not isinstance(record_of(envelope), r.AccessViewed):
        raise LedgerError("who asked for this packet is not on record")
    return envelope


def _check_release(main: f.Part, release: bytes | None) -> None:
    bound = {x.release for x in map(record_of, main.leaves.values()) if isinstance(x, r.ReleaseBound)}
    if release is not None and bound and bound != {"sha256:" + f.sha256(release)}:
        raise IntegrityError("the archived release is not the one the call was bound to")


# --- writing ------------------------------------------------------------------------------------------


def _finish(
    files: dict[str, bytes],
    fields: Mapping[str, object],
    parts: Mapping[str, f.Part],
    opened: Iterable[f.OpenedContent],
    release: bytes | None,
    signer: Signer,
) -> bytes:
    opened = list(opened)
    manifest = f.unsigned_manifest(fields, signer.verifier.public)
    made = rebuild(manifest, parts, {o.artifact: o for o in opened}, release)
    for part in parts.values():
        files |= part.files()
    files[f.OPENED] = f.write_opened(opened)
    files |= fixed_files(manifest.kind)
    files[f.INDEX] = made.page
    if made.trace:
        files[f.TRACE] = made.trace
    files[f.MANIFEST] = f.write_manifest(files, manifest, signer)
    try:
        return write_zip(files)
    except ValueError as error:
        raise LedgerError(f"the packet cannot be written: {error}") from None
