"""Checks a packet offline, step by numbered step (``controls.ledger.findings``), and names what failed.

Nothing in the file is believed but what the auditor's trust file vouches for.
Check 9 (root) has nothing to look at: a packet holds proofs, not a tree.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from controls.errors import IntegrityError, LedgerError, OperatorError
from controls.evidence import packet_files as f
from controls.evidence.container import MAX_CONTAINER, read_foreign_zip, read_zip
from controls.evidence.page import FORMAT as PAGE_FORMAT
from controls.evidence.part_check import (
    UNKNOWN_KEY,
    CheckedPart,
    Content,
    broken_note,
    check_part,
    check_witnesses,
)
from controls.evidence.rebuild import fixed_files, rebuild, record_of
from controls.ledger import records as r
from controls.ledger.findings import Findings, Report
from controls.ledger.keys import checkpoint_name, node_name
from controls.ledger.notes import VerifierKey, key_digest
from controls.ledger.trust import Trust

_CHANGED = "the container was changed, cut off or added to"
_MADE_ANEW = "the container was made anew; the contents hold"


def verify_packet(path: Path, trust: Trust | None = None) -> Report:
    """Run every check on an audit packet or a receipt.

    Args:
        trust: the auditor's keys; None: only whether the packet agrees with itself.

    Raises:
        OperatorError: the file cannot be read. What is damaged is reported, not raised.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONTAINER + 1)
    except OSError as error:
        raise OperatorError(f"{path} cannot be read: {error.strerror}") from None
    return verify_bytes(data, trust)


def verify_bytes(data: bytes, trust: Trust | None = None) -> Report:
    """As ``verify_packet``, of a packet in memory."""
    findings = Findings()
    check = _PacketCheck(findings, trust)
    issued = False
    try:
        issued = check.run(data)
    except Exception as error:  # noqa: BLE001 - hostile input must end in a finding, not a traceback
        findings.fail("files", f"cannot be read ({type(error).__name__})")
    if check.foreign:
        told = findings.failed.get("files", [])
        findings.failed["files"] = [_CHANGED if findings.failed else _MADE_ANEW, *told]
    checks = list(findings.checks())
    ok = all(c.ok for c in checks)
    origins = [part.leaves.origin for part in check.parts.values()]
    return Report(checks, ok, ok and issued, findings.records, origins)


@dataclass(slots=True)
class _PacketCheck:
    """One run over one packet.

    Attributes:
        manifest: None while it could not be read.
        foreign: the container is not ours byte for byte, and its content was read all the same.
    """

    findings: Findings
    trust: Trust | None
    manifest: f.Manifest | None = None
    foreign: bool = False
    opened: dict[str, f.OpenedContent] = field(default_factory=dict)
    raw: dict[str, f.Part] = field(default_factory=dict)
    parts: dict[str, CheckedPart] = field(default_factory=dict)

    def run(self, data: bytes) -> bool:
        """Every check; returns whether the issuer is one the auditor trusts, as far as all of them hold."""
        files = self._container(data)
        if files is None:
            return False
        self._manifest(files)
        kind: f.Kind = self.manifest.kind if self.manifest else "audit" if f.TRACE in files else "receipt"
        self.raw, sealed, strange = f.read_parts(files, kind)
        self._files(files, kind, strange)
        self._opened(files)
        withheld = self._withheld()
        self._parts(Content(sealed, self.opened, carries=kind == "audit", withheld=withheld))
        self._settle(sealed)
        self.findings.note("root", "not applicable: a packet holds proofs, not the tree")
        check_witnesses(self.parts, self.findings, self.trust)
        if self.manifest is None:
            return False
        self._about(self.manifest, files)
        self._rebuilt(self.manifest, files)
        return self._issuer(self.manifest)

    def _container(self, data: bytes) -> dict[str, bytes] | None:
        """Check 1; a container that is not ours fails, and is read on, so that what differs is named."""
        try:
            return read_zip(data)
        except IntegrityError as error:
            ours = error
        try:
            found = read_foreign_zip(data)
        except IntegrityError as error:
            self.findings.fail("files", f"{ours}: {error}" if str(error) != str(ours) else str(ours))
            return None
        self.foreign = True
        for name in found.damaged:
            self.findings.fail("files", f"{name}: not what its check sum in the container says")
        return found.files

    # -- files, manifest, content -------------------------------------------------------------------

    def _manifest(self, files: Mapping[str, bytes]) -> None:
        """Check 2, and its signature (4)."""
        if f.MANIFEST not in files:
            return  # told as missing
        try:
            signed = f.read_manifest(files[f.MANIFEST])
        except IntegrityError as error:
            self.findings.fail("manifest", f"{f.MANIFEST}: {error}")
            return
        self.findings.count("signature")
        if not signed.holds:
            self.findings.fail("signature", f"{f.MANIFEST}: signature")
        self.manifest = signed.manifest
        for name in sorted(files.keys() - signed.files.keys() - {f.MANIFEST}):
            self.findings.fail("manifest", f"{name}: not in the manifest")
        for name, digest in signed.files.items():
            self.findings.count("manifest")
            if name not in files:
                self.findings.fail("manifest", f"{name}: missing")
            elif f.sha256(files[name]) != digest:
                self.findings.fail("manifest", f"{name}: digest")

    def _files(self, files: Mapping[str, bytes], kind: f.Kind, strange: Iterable[str]) -> None:
        """Check 1."""
        for name in sorted(f.REQUIRED[kind] - files.keys()):
            self.findings.fail("files", f"{name}: missing")
        for name in strange:
            self.findings.fail("files", f"{name}: no file of a packet is called so")
        if "" not in self.raw or not self.raw[""].leaves:
            self.findings.fail("files", "leaves/: missing")
        for part in self.raw.values():
            for problem in f.part_problems(part):
                self.findings.fail("files", problem)
        for _ in files:
            self.findings.count("files")

    def _opened(self, files: Mapping[str, bytes]) -> None:
        if f.OPENED not in files:
            return  # told as missing
        try:
            self.opened = f.read_opened(files[f.OPENED])
        except IntegrityError as error:
            self.findings.fail("parse", f"{f.OPENED}: {error}")

    def _withheld(self) -> frozenset[str]:
        """What the manifest says is left sealed; said in clear, for whoever made the packet chose it."""
        withheld = frozenset(self.manifest.withheld if self.manifest else ())
        for artifact in sorted(withheld & self.opened.keys()):
            self.findings.fail("opened", f"{f.OPENED}: {artifact}: the manifest says that it is withheld")
        if withheld:
            told = f"{len(withheld)} pieces of content are withheld: the packet was made with --redact"
            self.findings.note("manifest", told)
        return withheld

    # -- leaves -------------------------------------------------------------------------------------

    def _parts(self, content: Content) -> None:
        for prefix, part in sorted(self.raw.items()):
            origin = self.manifest.origin if prefix == "" and self.manifest else None
            if prefix.startswith("later/"):
                origin = prefix.removeprefix("later/").rstrip("/")
            call = self.manifest.call if self.manifest else None
            found = check_part(part, self.findings, call=call, origin=origin, content=content)
            if found is not None:
                self.parts[prefix] = found
                self.findings.records += found.leaves.count

    def _settle(self, sealed: Mapping[str, bytes]) -> None:
        """Checks 13 and 14, for what concerns several logs, and for what nothing refers to."""
        for prefix, part in self.parts.items():
            others = [(p, x) for p, x in self.parts.items() if p != prefix]
            part.leaves.settle({a: p for p, x in others for a in x.leaves.tombstones})
        known = {a: leaf for part in self.parts.values() for a, leaf in part.leaves.sealed.items()}
        for artifact in sorted(sealed.keys() - known.keys()):
            self.findings.fail("sealed", f"sealed/{artifact}.bin: no record refers to it")
        for artifact, content in self.opened.items():
            if known.get(artifact) != content.leaf:
                self.findings.fail("opened", f"{f.OPENED}: {artifact}: not of the record it names")

    def _records(self, prefix: str) -> dict[int, r.Record]:
        if prefix not in self.parts:
            return {}
        unread = self.parts[prefix].leaves.unread
        leaves = self.parts[prefix].part.leaves
        return {leaf: record_of(e) for leaf, e in sorted(leaves.items()) if leaf not in unread}

    # -- the whole packet ---------------------------------------------------------------------------

    def _about(self, manifest: f.Manifest, files: Mapping[str, bytes]) -> None:
        """What the manifest says of the call, and the release that the call was bound to."""
        main = self._records("")
        if not any(isinstance(x, r.CallOpened) for x in main.values()):
            self.findings.fail("order", "the record of the call's opening is missing")
        if manifest.kind == "receipt":
            self._receipt(main, manifest)
            return
        place = "" if manifest.access.origin == manifest.origin else f"later/{manifest.access.origin}/"
        access = self._records(place).get(manifest.access.leaf)
        if not isinstance(access, r.AccessViewed) or access.what != "audit" or access.at != manifest.made_at:
            self.findings.fail("manifest", f"{f.MANIFEST}: names no access.viewed of this packet")
        digests = {x.release for x in main.values() if isinstance(x, r.CallOpened | r.ReleaseBound)}
        if f.RELEASE not in files:
            self.findings.note("files", "the resolved release is not here, only its digest")
        elif digests != {"sha256:" + f.sha256(files[f.RELEASE])}:
            self.findings.fail("files", f"{f.RELEASE}: not the release that the call was bound to")

    def _receipt(self, main: Mapping[int, r.Record], manifest: f.Manifest) -> None:
        issued = [x for x in main.values() if isinstance(x, r.ReceiptIssued)]
        codes = {x.sealed.artifact for x in issued if x.sealed is not None}
        if len(issued) != 1 or self.opened.keys() != codes:
            self.findings.fail("files", "a receipt holds one receipt's code, and nothing else of the call")
            return
        shown = ", ".join(map(str, main))
        self.findings.note("proof", f"call {manifest.call} is in log {manifest.origin}, leaves {shown}")

    def _rebuilt(self, manifest: f.Manifest, files: Mapping[str, bytes]) -> None:
        """Checks 18 and 19."""
        if any(part.broken for prefix, part in self.parts.items() if prefix in ("", f.REGISTER)):
            for check in ("trace", "page"):
                self.findings.note(check, "not checkable: the checkpoint it names does not hold")
            return
        try:
            made = rebuild(manifest, self.raw, self.opened, files.get(f.RELEASE))
        except (IntegrityError, LedgerError) as error:
            self.findings.fail("trace", f"cannot be made of what is here: {error}")
            return
        if manifest.kind == "receipt":
            self.findings.note("trace", "not applicable: a receipt has none")
        elif made.trace != files.get(f.TRACE):
            self.findings.fail("trace", f"{f.TRACE}: not what leaves and opened content give")
        else:
            self.findings.count("trace")
        if manifest.page != PAGE_FORMAT:
            told = f"made as format {manifest.page}, this verifier makes {PAGE_FORMAT}: use its version"
            self.findings.fail("page", f"{f.INDEX}: {told}")
            return
        for name, text in fixed_files(manifest.kind).items():
            if files.get(name) != text:
                self.findings.fail("page", f"{name}: not the text of this format")
        if made.page != files.get(f.INDEX):
            self.findings.fail("page", f"{f.INDEX}: not what leaves and opened content give")
        else:
            self.findings.count("page")

    # -- issuer -------------------------------------------------------------------------------------

    def _issuer(self, manifest: f.Manifest) -> bool:
        """Check 20: the logs' keys and the node's, by the trust file or by the register it vouches for."""
        registered, node = self._registered(), manifest.key
        listed = registered.get(key_digest(node.public))
        others = any(x.role == "node" for x in registered.values())
        if others and (listed is None or listed.role != "node"):
            self.findings.fail("issuer", f"{f.MANIFEST}: not signed by the node that is in {f.REGISTER}")
        if self.trust is None:
            self.findings.note("issuer", "not authenticated: no trust file")
            return False
        believed = set(self.trust.logs)
        for _ in (*self.parts, f.MANIFEST):
            self.findings.count("issuer")
        register = self.parts.get(f.REGISTER)
        undecided = register is not None and register.broken  # it could have vouched for the others
        if register is not None and register.vouched(believed):
            believed |= {_key(x) for x in registered.values()}
        elif register is not None and not register.broken:
            why = register.unknown(self.trust)
            why = "its key is not in the trust file" if why == UNKNOWN_KEY else why
            self.findings.note("issuer", f"{f.REGISTER}: not believed, {why}")
        for prefix, part in self.parts.items():
            if part.broken:
                self.findings.note("issuer", broken_note(part.part))
            elif prefix != f.REGISTER and not undecided and not part.vouched(believed):
                self.findings.fail("issuer", f"{prefix}checkpoint: {part.unknown(self.trust)}")
        if node not in believed and not undecided:
            self.findings.fail("issuer", f"{f.MANIFEST}: {UNKNOWN_KEY}")
        return True

    def _registered(self) -> dict[str, r.KeyCreated]:
        """The log and node keys that the register's leaves in here name and do not end, by digest."""
        if f.REGISTER not in self.parts:
            return {}
        records = [record for _, record in self.parts[f.REGISTER].leaves.register]
        ended = {x.key for x in records if isinstance(x, r.KeyRetired) and x.origin is None}
        return {
            x.key: x
            for x in records
            if isinstance(x, r.KeyCreated)
            and x.role in ("log", "node")
            and x.key not in ended
            and x.public is not None
            and key_digest(base64.b64decode(x.public)) == x.key
        }


def _key(record: r.KeyCreated) -> VerifierKey:
    raw = base64.b64decode(record.public or "")
    name = checkpoint_name(record.origin) if record.role == "log" and record.origin else node_name(raw)
    return VerifierKey(name, raw)
