"""What a call's ``release.bound`` clears: every fixed phrase, by the digest of its exact words. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from controls.ledger import records as r

#: Fixed phrases in one ``release.bound``; more go into further records.
PHRASES_PER_RECORD = 40


def phrase_digest(text: str) -> str:
    """``sha256:…`` of a fixed phrase's exact UTF-8 words, as ``release.bound`` holds it."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def bound_records(
    tenant: str,
    call: str,
    release: str,
    phrases: Mapping[str, Mapping[str, str]],
    redaction: str | None = None,
) -> list[r.ReleaseBound]:
    """The records that bind a call to a release and its phrases; one where there are none.

    Args:
        release: its digest, ``sha256:…``.
        phrases: id → language → words.
        redaction: version of the redaction rules, ``sha256:…``; in each of the records.

    Raises:
        pydantic.ValidationError: a phrase id, language or digest is malformed.
    """
    fixed = [
        r.FixedPhrase(phrase=phrase, language=language, digest=phrase_digest(text))
        for phrase, said in sorted(phrases.items())
        for language, text in sorted(said.items())
    ]
    parts = [fixed[i : i + PHRASES_PER_RECORD] for i in range(0, len(fixed), PHRASES_PER_RECORD)] or [[]]
    return [
        r.ReleaseBound(tenant=tenant, call=call, release=release, fixed=tuple(part), redaction=redaction)
        for part in parts
    ]
