"""C2SP ``.tlog-proof`` files: one leaf's proof that anybody can check offline. Pure.

Source: C2SP tlog-proof. The file names a leaf's index, its audit path and the
checkpoint (with whatever cosignatures it carries) the path leads to.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Self

from controls.errors import IntegrityError
from controls.ledger.notes import MAX_NOTE, Checkpoint, parse_checkpoint
from controls.ledger.tree import HASH_SIZE, leaf_hash, verify_inclusion

HEADER = "c2sp.org/tlog-proof@v1"
#: Hashes a path may have: the height of the largest tree (``tiles.MAX_SIZE``).
MAX_PATH = 63
#: Largest extra data, and largest file, in bytes.
MAX_EXTRA = 65_535
MAX_PROOF = 256 * 1024


@dataclass(frozen=True, slots=True)
class ProofFile:
    """A proof as it lies in its file; nothing in it is believed yet.

    Attributes:
        index: the leaf's place, from 0.
        path: 32 bytes each, from the leaf's sibling up to the root's child.
        checkpoint: the signed note, byte for byte.
        extra: opaque and not authenticated.
    """

    index: int
    path: list[bytes]
    checkpoint: bytes
    extra: bytes = b""

    def to_bytes(self) -> bytes:
        """The file's bytes."""
        lines = [HEADER]
        if self.extra:
            lines.append("extra " + base64.b64encode(self.extra).decode())
        lines.append(f"index {self.index}")
        lines += [base64.b64encode(h).decode() for h in self.path]
        return ("\n".join(lines) + "\n\n").encode() + self.checkpoint

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a file; only the one encoding ``to_bytes`` writes is accepted.

        Raises:
            IntegrityError: it is malformed, or larger than a proof can be.
        """
        try:
            if len(data) > MAX_PROOF:
                raise ValueError
            head, found, checkpoint = data.partition(b"\n\n")
            header, *lines = head.decode("ascii").split("\n")
            extra = b""
            if lines[0].startswith("extra "):
                extra = base64.b64decode(lines.pop(0).removeprefix("extra "), validate=True)
            word, number = lines.pop(0).split(" ")
            path = [base64.b64decode(line, validate=True) for line in lines]
            if header != HEADER or word != "index" or not found or not number.isdigit() or len(number) > 19:
                raise ValueError
            if len(path) > MAX_PATH or any(len(h) != HASH_SIZE for h in path) or len(extra) > MAX_EXTRA:
                raise ValueError
            proof = cls(int(number), path, checkpoint, extra)
            if len(checkpoint) > MAX_NOTE or proof.to_bytes() != data:
                raise ValueError
        except (ValueError, IndexError, binascii.Error):
            raise IntegrityError("malformed proof") from None
        parse_checkpoint(checkpoint)
        return proof


def verify_proof(proof: ProofFile, leaf: bytes) -> Checkpoint:
    """Check that ``leaf`` (its stored bytes) stands at the proof's index under its checkpoint.

    The checkpoint returned is still to be authenticated (``notes.verify_checkpoint``,
    ``notes.cosigned_at``): the path alone proves nothing about who signed.

    Raises:
        IntegrityError: ``proof``: the path does not lead there; or a malformed checkpoint.
    """
    checkpoint = parse_checkpoint(proof.checkpoint)
    if not verify_inclusion(leaf_hash(leaf), proof.index, checkpoint.size, proof.path, checkpoint.root):
        raise IntegrityError("proof")
    return checkpoint
