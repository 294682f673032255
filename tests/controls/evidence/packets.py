"""What tests of packets share: a real ledger of invented calls, and packets of it; everybody is fictional."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controls.evidence import packet_files as f
from controls.evidence.packet import Made, audit_packet, receipt_packet
from controls.evidence.packet_files import Place
from controls.evidence.rebuild import rebuild
from controls.ledger import records as r
from controls.ledger.findings import Report
from controls.ledger.keys import FileKeys, LocalSigner, node_name
from controls.ledger.ledger import Ledger
from controls.ledger.reader import Reader
from controls.ledger.trust import Trust
from tests.controls.evidence.calls import CallScript, clinic_call

RESOLVED = rfc8785.dumps(
    {
        "agent": {"rules": {"packs": ["truthful-ai", "health-boundaries"]}},
        "models": [{"name": "standin", "note": "not a language model"}],
        "name": "healthcare",
        "prompt": "You answer the telephone of Riverside Clinic (fictional).",
        "rules": "sha256:" + "ab" * 32,
        "tools": [
            {"name": "book_appointment", "service": "appointments", "operation": "book", "risk": "medium"}
        ],
        "voices": [{"name": "espeak-ng", "engine": "espeak-ng"}],
    }
)
RELEASE = "sha256:" + hashlib.sha256(RESOLVED).hexdigest()
VERSION = "0.1.0"


def tagger(kind: str, at: int) -> r.RetentionTag:
    return r.RetentionTag(
        retention_class="transcripts",
        purpose="service",
        legal_basis="contract",
        region="us",
        expires_at=at + 3600,
    )


def released(script: CallScript, release: str = RELEASE) -> CallScript:
    """The same call, bound to ``RESOLVED`` or another release."""
    script.opened = [
        (
            leaf,
            record.model_copy(update={"release": release}) if hasattr(record, "release") else record,
            personal,
        )
        for leaf, record, personal in script.opened
    ]
    return script


@dataclass
class Books:
    """A ledger's directory, and what an operator does with it."""

    root: Path
    options: dict[str, object] = field(default_factory=dict)

    def writing(self) -> Ledger:
        return Ledger.open(self.root, tagger=tagger, publish=False, **self.options)  # type: ignore[arg-type]

    def do(self, *steps: Callable[[Ledger], object]) -> None:
        ledger = self.writing()
        try:
            for step in steps:
                step(ledger)
        finally:
            ledger.close()

    def fill(self, *scripts: CallScript) -> None:
        def append(ledger: Ledger) -> None:
            for script in scripts:
                futures = [ledger.append(record, personal) for _, record, personal in script.opened]
                for future in futures:
                    future.result(timeout=60)

        self.do(append)

    def ask(self, call: str | None, what: str = "audit") -> Place:
        """Put on record that somebody asks."""
        places: list[Place] = []

        def append(ledger: Ledger) -> None:
            record = r.AccessViewed(tenant="clinic", call=call, what=what)  # type: ignore[arg-type]
            details = r.AccessDetails(who="r.okafor", purpose="complaint 17")
            receipt = ledger.append(record, details).result(timeout=60)
            places.append(Place(origin=receipt.origin, leaf=receipt.leaf))

        self.do(append)
        return places[0]

    def erase(self, call: str, *kinds: type[r.Record]) -> None:
        with Reader.open(self.root) as reader:
            found = [e.record.sealed for e in reader.records(call) if isinstance(e.record, kinds)]
        self.do(
            lambda ledger: [
                ledger.erase("clinic", ref.artifact, ground="request").result(timeout=60)
                for ref in found
                if ref
            ]
        )

    def audit(self, call: str, *, release: bytes | None = RESOLVED, access: Place | None = None) -> Made:
        access = access or self.ask(call)
        signer = FileKeys(self.root / "keys").node_signer(create=True)
        return audit_packet(self.root, call, access=access, release=release, signer=signer, version=VERSION)

    def receipt(self, call: str, code: str) -> Made:
        access = self.ask(None, "receipt")
        signer = FileKeys(self.root / "keys").node_signer(create=True)
        return receipt_packet(
            self.root, call, code, access=access, made_at=1_790_000_000, signer=signer, version=VERSION
        )

    def trust(self, *tenants: str) -> Trust:
        """The keys of these tenants' logs, as an auditor got them from elsewhere."""
        with Reader.open(self.root) as reader:
            return Trust.of(v.verifier for v in reader.views() if v.tenant in tenants)


def one_call(root: Path) -> tuple[Books, str]:
    """A ledger with one short call in it."""
    books, script = Books(root), released(clinic_call())
    books.fill(script)
    return books, script.call


def failed(report: Report) -> dict[str, str]:
    return {c.name: c.detail for c in report.checks if not c.ok}


def names(files: Iterable[str], folder: str) -> list[str]:
    return sorted(name for name in files if name.startswith(folder))


def stranger() -> LocalSigner:
    """A signer nobody knows."""
    private = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
    return LocalSigner(node_name(private.public_key().public_bytes_raw()), private)


def resigned(files: dict[str, bytes], signer: LocalSigner, *, again: bool = True) -> dict[str, bytes]:
    """The same content under a manifest of somebody else's (``again``: and pages made for it)."""
    files = dict(files)
    old = f.read_manifest(files.pop(f.MANIFEST)).manifest
    fields = old.model_dump(exclude={"format", "signer", "public"})
    manifest = f.unsigned_manifest(fields, signer.verifier.public)
    if again:
        parts, _, _ = f.read_parts(files, manifest.kind)
        made = rebuild(manifest, parts, f.read_opened(files[f.OPENED]), files.get(f.RELEASE))
        files |= {f.INDEX: made.page} | ({f.TRACE: made.trace} if made.trace else {})
    files[f.MANIFEST] = f.write_manifest(files, manifest, signer)
    return files
