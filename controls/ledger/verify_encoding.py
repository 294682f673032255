"""Check 3 on single leaves: whether what is stored is in its one encoding, read as fast as that allows."""

from __future__ import annotations

import base64
import binascii
import json
import re

from controls.errors import IntegrityError
from controls.ledger.envelope import Envelope, envelope_of, parse_envelope

#: The fixed bytes of an envelope around its payload, key digest and signature.
_DIGEST = re.compile(rb"sha256:[0-9a-f]{64}").fullmatch
_EXAMPLE = envelope_of(b"", "k" * 71, bytes(64))
_HEAD, _ENDS = b'{"payload":"', _EXAMPLE.removeprefix(b'{"payload":"')
_KEYID = slice(_ENDS.index(b"k" * 71), _ENDS.index(b"k" * 71) + 71)
_SIGNED = slice(_ENDS.index(b"AAAA"), _ENDS.index(b"AAAA") + 88)
_AROUND = (_HEAD, _ENDS[: _KEYID.start], _ENDS[_KEYID.stop : _SIGNED.start], _ENDS[_SIGNED.stop :])


def is_canonical(payload: bytes) -> bool:
    """Whether a statement is the RFC 8785 form of what it says.

    What one verifier reads, every other one does then: no member stands twice.
    Statements hold neither fractions nor names beyond ASCII, so that sorting is all.
    """
    try:
        value = json.loads(payload)
        text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return text.encode() == payload
    except (ValueError, TypeError, RecursionError):
        return False


def split_envelope(data: bytes) -> Envelope:
    """As ``parse_envelope``, without JSON where the encoding is plainly ours.

    Raises:
        IntegrityError: not the one encoding we write.
    """
    cut = len(data) - len(_ENDS)
    ends = data[max(0, cut) :]
    keyid, signed = ends[_KEYID], ends[_SIGNED]
    head, between, last = data[: len(_HEAD)], ends[_KEYID.stop : _SIGNED.start], ends[_SIGNED.stop :]
    around = (head, ends[: _KEYID.start], between, last)
    if cut < len(_HEAD) or around != _AROUND or not _DIGEST(keyid):
        return parse_envelope(data)
    inside = data[len(_HEAD) : cut]
    try:
        payload, signature = binascii.a2b_base64(inside), binascii.a2b_base64(signed)
    except binascii.Error:
        raise IntegrityError("cannot be parsed") from None
    if base64.b64encode(payload) != inside or base64.b64encode(signature) != signed:
        raise IntegrityError("cannot be parsed")
    return Envelope(payload, keyid.decode(), signature)
