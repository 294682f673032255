"""Many Ed25519 signatures at once: verifying lets go of the interpreter, so threads share the cores."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

#: Signatures one task verifies.
_CHUNK = 256
#: Tasks that may wait, so that memory stays bounded.
_WAITING = 8


class Claim(NamedTuple):
    """Leaf ``leaf`` says that ``public`` (32 bytes) signed ``message``."""

    leaf: int
    public: bytes
    message: bytes
    signature: bytes


@dataclass(slots=True)
class Signatures:
    """A queue of claims. Fewer than a chunk are verified in the caller's own thread.

    Closing: ``finish`` and ``close`` end its threads.
    """

    _keys: dict[bytes, Ed25519PublicKey | None] = field(default_factory=dict)
    _chunk: list[Claim] = field(default_factory=list)
    _running: deque[Future[list[int]]] = field(default_factory=deque)
    _pool: ThreadPoolExecutor | None = None
    _wrong: list[int] = field(default_factory=list)

    def put(self, claim: Claim) -> None:
        """Have a claim verified some time before ``finish`` returns."""
        self._chunk.append(claim)
        if len(self._chunk) >= _CHUNK:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="verify")
            self._running.append(self._pool.submit(self._verify, self._chunk))
            self._chunk = []
            if len(self._running) > _WAITING:
                self._wrong += self._running.popleft().result()

    def holds(self, claim: Claim) -> bool:
        """Verify one claim now."""
        key = self._key(claim.public)
        if key is None:
            return False
        try:
            key.verify(claim.signature, claim.message)
        except (InvalidSignature, ValueError):
            return False
        return True

    def finish(self) -> list[int]:
        """The leaves whose claims do not hold, in order."""
        self._wrong += self._verify(self._chunk)
        self._chunk = []
        while self._running:
            self._wrong += self._running.popleft().result()
        self.close()
        return sorted(self._wrong)

    def close(self) -> None:
        """End the threads; may be repeated."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def _verify(self, claims: list[Claim]) -> list[int]:
        return [claim.leaf for claim in claims if not self.holds(claim)]

    def _key(self, public: bytes) -> Ed25519PublicKey | None:
        if public not in self._keys:
            try:
                self._keys[public] = Ed25519PublicKey.from_public_bytes(public)
            except ValueError:
                self._keys[public] = None
        return self._keys[public]
