"""A packet's trace and pages, made of its leaves and opened content and of nothing else. Pure.

Whoever makes a packet and whoever checks one call the same functions.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from controls.errors import IntegrityError
from controls.evidence.packet_files import (
    LIMITS,
    REGISTER,
    VERIFY,
    Kind,
    Manifest,
    OpenedContent,
    Part,
)
from controls.evidence.page import render
from controls.evidence.page_sections import Proof
from controls.evidence.receipt_page import render_receipt
from controls.evidence.release_facts import release_facts
from controls.evidence.shape import Checkpoint as CheckpointShape
from controls.evidence.shape import Trace
from controls.evidence.texts import fixed_text
from controls.evidence.trace import checkpoint_shape, trace
from controls.evidence.turns import FromLog, Opened
from controls.ledger.envelope import parse_envelope, read_leaf
from controls.ledger.notes import Checkpoint, parse_checkpoint
from controls.ledger.records import AccessViewed, OriginOpened, Personal, ReceiptIssued, Record


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The files that follow from the rest; ``trace`` is b"" for a receipt."""

    trace: bytes
    page: bytes


def rebuild(
    manifest: Manifest,
    parts: Mapping[str, Part],
    opened: Mapping[str, OpenedContent],
    release: bytes | None,
) -> Rebuilt:
    """Make the trace and the page of a packet.

    Raises:
        IntegrityError: what they are made of cannot be read.
    """
    main = parts.get("")
    if main is None:
        raise IntegrityError("there are no leaves of the call")
    proof = _proof(manifest, parts)
    records = _opened(main, opened)
    checkpoint, witnessed = _checkpoints(main, records)
    if manifest.kind == "receipt":
        code = next((p for _, record, p in records if isinstance(record, ReceiptIssued)), None)
        page = render_receipt([record for _, record, _ in records], code, checkpoint, witnessed, proof)
        return Rebuilt(b"", page)
    every: list[FromLog] = [(*o, manifest.origin) for o in records]
    for prefix, part in sorted(parts.items()):
        if prefix.startswith("later/"):
            every += [(*o, prefix) for o in _opened(part, opened)]
    found = trace(
        every,
        origin=manifest.origin,
        checkpoint=checkpoint,
        witnessed=witnessed,
    )
    facts = release_facts(release) if release is not None else None
    return Rebuilt(trace_bytes(found), render(found, facts, proof))


def fixed_files(kind: Kind) -> dict[str, bytes]:
    """What stands in every packet of a kind, word for word."""
    limits = "limits.md" if kind == "audit" else "receipt-limits.md"
    return {LIMITS: fixed_text(limits).encode(), VERIFY: fixed_text("verify.md").encode()}


def trace_bytes(found: Trace) -> bytes:
    """``trace.json``: one encoding, that people can read too.

    Not RFC 8785: a tool's arguments may hold integers that it refuses.
    """
    text = json.dumps(found.model_dump(mode="json"), indent=1, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def record_of(envelope: bytes) -> Record:
    """The record in a stored leaf.

    Raises:
        IntegrityError: it cannot be read.
    """
    return read_leaf(parse_envelope(envelope).payload).record


def personal_of(record: Record, opened: Mapping[str, OpenedContent]) -> Personal | None:
    """The opened content beside a record, checked against the leaf's HMAC; None when it is not there.

    Raises:
        IntegrityError: ``hmac``, or content that is not of its record's kind.
    """
    model, ref = type(record).personal, record.sealed
    if model is None or ref is None or (found := opened.get(ref.artifact)) is None:
        return None
    plaintext = found.plaintext.encode()
    made = hmac.new(bytes.fromhex(found.salt), plaintext, hashlib.sha256).hexdigest()
    if not hmac.compare_digest("hmac-sha256:" + made, ref.hmac):
        raise IntegrityError("hmac")
    try:
        return model.model_validate_json(plaintext)
    except ValidationError:
        raise IntegrityError("opened content is not of its record's kind") from None


def _opened(part: Part, opened: Mapping[str, OpenedContent]) -> list[Opened]:
    records = ((leaf, record_of(envelope)) for leaf, envelope in sorted(part.leaves.items()))
    return [(leaf, record, personal_of(record, opened)) for leaf, record in records]


def _checkpoints(main: Part, records: Iterable[Opened]) -> tuple[CheckpointShape, CheckpointShape | None]:
    """The part's checkpoint, and the newest one with cosignatures that covers the call as it ended."""
    checkpoint = checkpoint_shape(parse_checkpoint(main.checkpoint))
    witnessed = checkpoint_shape(parse_checkpoint(main.cosigned)) if main.cosigned else checkpoint
    covers = witnessed.size > last_of_call(records) and bool(witnessed.cosigned)
    return checkpoint, witnessed if covers else None


def last_of_call(records: Iterable[Opened]) -> int:
    """The last leaf of the call itself: who looked afterwards does not count."""
    return max((leaf for leaf, record, _ in records if not isinstance(record, AccessViewed)), default=-1)


def _proof(manifest: Manifest, parts: Mapping[str, Part]) -> Proof:
    register = parts.get(REGISTER)
    name: str | None = None
    registered = False
    if register is not None:
        name = _named(register.checkpoint).origin
        registered = any(
            isinstance(record, OriginOpened) and record.origin == manifest.origin
            for record in map(record_of, register.leaves.values())
        )
    return Proof(
        log=_named(parts[""].checkpoint).origin,
        register=name,
        registered=registered,
        node_key=manifest.signer.key,
        made_by=manifest.made_by,
        withheld=len(manifest.withheld),
    )


def _named(note: bytes) -> Checkpoint:
    return parse_checkpoint(note)
