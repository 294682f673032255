"""Personal content on its way to disk: AES-256-GCM, one key per artefact, erasable.

Three keys: the artefact's encrypts the content, the subject's (one per call)
wraps the artefact's, the node's wraps the subject's. Destroying one artefact's
wrapped key erases one artefact; destroying a subject's erases a call. A random
256-bit salt stands inside the ciphertext, and the leaf holds an HMAC of the
plaintext under it: once the key is gone, so is the salt, and a guess at the
plaintext cannot be confirmed.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from controls.errors import IntegrityError
from controls.ledger.records import RetentionTag, SealedRef

_NONCE = 12
_SALT = 32
_KEY = 32


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed artefact: what the leaf says of it, and what is stored beside the leaf."""

    ref: SealedRef
    ciphertext: bytes
    wrapped: bytes


def new_key() -> bytes:
    """A fresh AES-256 key."""
    return os.urandom(_KEY)


def wrap(key: bytes, under: bytes, *, name: str) -> bytes:
    """Encrypt ``key`` under another one, bound to ``name`` (what it belongs to)."""
    return _wrap(key, under, name, os.urandom(_NONCE))


def _wrap(key: bytes, under: bytes, name: str, nonce: bytes) -> bytes:
    return nonce + AESGCM(under).encrypt(nonce, key, b"sayso key " + name.encode())


def unwrap(wrapped: bytes, under: bytes, *, name: str) -> bytes:
    """Undo ``wrap``.

    Raises:
        IntegrityError: wrong key, wrong name or altered bytes.
    """
    try:
        return AESGCM(under).decrypt(wrapped[:_NONCE], wrapped[_NONCE:], b"sayso key " + name.encode())
    except (InvalidTag, ValueError):
        raise IntegrityError("a wrapped key cannot be opened") from None


def seal(plaintext: bytes, *, artifact: str, kind: str, tag: RetentionTag, subject_key: bytes) -> Sealed:
    """Encrypt one artefact under a key of its own."""
    # One call to the system for all four: each costs as much as the encryption itself.
    random = os.urandom(_KEY + _SALT + 2 * _NONCE)
    key, salt = random[:_KEY], random[_KEY : _KEY + _SALT]
    nonce, wrapping = random[-2 * _NONCE : -_NONCE], random[-_NONCE:]
    ciphertext = nonce + AESGCM(key).encrypt(nonce, salt + plaintext, b"sayso blob " + artifact.encode())
    ref = SealedRef(
        artifact=artifact,
        kind=kind,
        digest=blob_digest(ciphertext),
        hmac="hmac-sha256:" + hmac.digest(salt, plaintext, "sha256").hex(),
        tag=tag,
    )
    return Sealed(ref, ciphertext, _wrap(key, subject_key, artifact, wrapping))


def unseal(ref: SealedRef, ciphertext: bytes, wrapped: bytes, *, subject_key: bytes) -> bytes:
    """Return the plaintext after checking digest, tag and HMAC.

    Raises:
        IntegrityError: ``digest``, a key that does not open, or ``hmac``.
    """
    return unseal_salted(ref, ciphertext, wrapped, subject_key=subject_key)[1]


def unseal_salted(
    ref: SealedRef, ciphertext: bytes, wrapped: bytes, *, subject_key: bytes
) -> tuple[bytes, bytes]:
    """The salt (32 bytes) of the HMAC, and the plaintext: what shows a stranger that both belong to the leaf.

    Raises:
        IntegrityError: as ``unseal``.
    """
    if blob_digest(ciphertext) != ref.digest:
        raise IntegrityError("digest")
    key = unwrap(wrapped, subject_key, name=ref.artifact)
    try:
        opened = AESGCM(key).decrypt(
            ciphertext[:_NONCE], ciphertext[_NONCE:], b"sayso blob " + ref.artifact.encode()
        )
    except (InvalidTag, ValueError):
        raise IntegrityError("a sealed blob cannot be opened") from None
    salt, plaintext = opened[:_SALT], opened[_SALT:]
    found = "hmac-sha256:" + hmac.new(salt, plaintext, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(found, ref.hmac):
        raise IntegrityError("hmac")
    return salt, plaintext


def blob_digest(ciphertext: bytes) -> str:
    """``sha256:…`` of stored ciphertext."""
    return "sha256:" + hashlib.sha256(ciphertext).hexdigest()
