"""Staff as the record knows them: a name, an opaque id, and the key the server signs with on their behalf.

One file for each person in a directory that only its owner can read, made when the person is first named.
The id is random; the name stands here and in sealed content, never in a leaf. The key is held by the
server: what it signs says that the server let this name decide, not that the person held it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import pwd
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel, ConfigDict, ValidationError

from controls.approval import Label
from controls.errors import OperatorError
from controls.ids import new_id
from controls.ledger.private_files import read_private, write_private
from controls.ledger.records import PersonId, PublicKey

#: Below ``data_dir``.
DIRECTORY = "people"
#: Letters of the longest name.
LONGEST = 80


def written(name: str) -> str:
    """The name as it is kept and shown: one space between words, composed letters. Looks nothing up.

    Raises:
        OperatorError: it is empty, too long, or cannot be printed.
    """
    shown = " ".join(unicodedata.normalize("NFKC", name).split())
    if not shown or len(shown) > LONGEST or not shown.isprintable():
        raise OperatorError(f"say who decides: --as NAME, at most {LONGEST} letters")
    return shown


@dataclass(frozen=True, slots=True)
class Person:
    """One of the staff, with the key that signs for them.

    Attributes:
        account: by which they act now, for the record; "" where it is not known.
    """

    id: str
    name: str = field(repr=False)
    label: Label
    _private: Ed25519PrivateKey = field(repr=False)
    account: str = field(default="", repr=False)

    @property
    def public(self) -> bytes:
        """The raw public key, 32 bytes."""
        return self._private.public_key().public_bytes_raw()

    def sign(self, signed: bytes) -> bytes:
        """Ed25519 over these bytes, 64 bytes."""
        return self._private.sign(signed)


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid")
    person: PersonId
    name: str
    key: PublicKey  # of the same shape: 32 bytes in base64


class People:
    """Everybody who ever decided something on this data directory. Thread-safe; blocks."""

    def __init__(self, data_dir: Path) -> None:
        self._directory = data_dir / DIRECTORY

    def named(self, name: str, account: int | None = None) -> Person:
        """The person of that name, made when there was none. Case and spacing do not tell two apart.

        Args:
            account: the number of the account they act by, where it is known.

        Raises:
            OperatorError: the name is empty or too long, or the files cannot be used.
        """
        shown = written(name)
        stem = hashlib.sha256(shown.casefold().encode()).hexdigest()[:40]
        path = self._directory / f"{stem}.json"
        if not _exists(path):
            private = Ed25519PrivateKey.generate().private_bytes_raw()
            kept = _Kept(person=new_id("p"), name=shown, key=base64.b64encode(private).decode())
            write_private(path, json.dumps(kept.model_dump()).encode() + b"\n")  # or somebody else was first
        try:
            found = _Kept.model_validate_json(read_private(path))
            key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(found.key, validate=True))
        except (ValidationError, ValueError):
            raise OperatorError(f"{path} does not say who that is; restore it from its back-up") from None
        return Person(found.person, found.name, "server_attested", key, account_text(account))


def account_text(account: int | None) -> str:
    """An account as the record tells it: its name and number; "" where it is not known. May look it up."""
    if account is None:
        return ""
    try:
        return f"{pwd.getpwuid(account).pw_name} ({account})"
    except (KeyError, OverflowError):  # none of this machine's
        return str(account)


def _exists(path: Path) -> bool:
    """Raises OperatorError: its directory cannot be looked at."""
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise OperatorError(f"{path} cannot be read ({error.strerror})") from None
    return True
