"""All private keys of a node in one encrypted file that expires.

File: one line of canonical JSON (RFC 8785) in the clear with format, times and
scrypt's parameters (RFC 7914); AES-256-GCM ciphertext of a canonical JSON of
names and bytes, with that line as associated data; SHA-256 of all before it,
which tells damage from a wrong passphrase and protects against nothing else.

The expiry is a rule that ``open_backup`` keeps, not a lock: whoever has file and
passphrase has the keys. Destroy back-ups that have expired; rotate keys whose
back-up got lost. Sealed content that was erased stays erased: its keys are the
subjects', which are in no back-up of these.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from pydantic import Field, ValidationError

from controls.errors import IntegrityError, OperatorError
from controls.ledger.envelope import canonical
from controls.ledger.keys import KEY_FILE, FileKeys, sync_directory
from controls.ledger.private_files import read_private, write_private
from controls.ledger.records import Closed, Seconds

#: Days after which a back-up is refused, unless told otherwise.
EXPIRES_DAYS = 400
#: Shortest passphrase that is taken, characters.
SHORTEST = 12
_DAY_S = 86_400
_NONCE, _SALT, _CHECKSUM = 12, 16, 32
_MAX_BYTES = 64 << 20
_N, _R, _P = 1 << 17, 8, 1  # 128 MiB and about half a second for each guess


class _Kdf(Closed):
    name: Literal["scrypt"] = "scrypt"
    n: Literal[131072] = 131072  # nothing else is computed: a forged file cannot ask for a week of work
    r: Literal[8] = 8
    p: Literal[1] = 1
    salt: str = Field(pattern=r"^[A-Za-z0-9+/]{22}==$")


class _Header(Closed):
    format: Literal["sayso key back-up 1"] = "sayso key back-up 1"
    created: Seconds
    expires: Seconds
    kdf: _Kdf
    nonce: str = Field(pattern=r"^[A-Za-z0-9+/]{16}$")


class _Content(Closed):
    keys: dict[str, str] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Backup:
    """An opened back-up: times in Unix s, and key files by name."""

    created: int
    expires: int
    files: dict[str, bytes]

    def __repr__(self) -> str:
        return f"Backup(created={self.created}, expires={self.expires}, {len(self.files)} keys)"


def make_backup(directory: Path, passphrase: str, *, now: int, days: int = EXPIRES_DAYS) -> bytes:
    """Every key in ``directory``, present and next, encrypted. Takes about half a second.

    Args:
        now: Unix time in s.

    Raises:
        OperatorError: no key is there, one cannot be read, or the passphrase is too short.
    """
    if len(passphrase) < SHORTEST:
        raise OperatorError(f"the passphrase is too short: {SHORTEST} characters or more, such as five words")
    found = FileKeys(directory).describe()  # a broken key is told now, not when it is missed
    if not found:
        raise OperatorError(f"{directory} holds no keys; run: sayso keys create")
    files = {Path(key.path).name: read_private(Path(key.path)) for key in found}
    salt, nonce = os.urandom(_SALT), os.urandom(_NONCE)
    header = _Header(
        created=now, expires=now + days * _DAY_S, kdf=_Kdf(salt=_text(salt)), nonce=_text(nonce)
    )  # fmt: skip
    line = canonical(header.model_dump()) + b"\n"
    content = canonical({"keys": {name: _text(data) for name, data in files.items()}})
    sealed = line + AESGCM(_derive(passphrase, salt)).encrypt(nonce, content, line)
    return sealed + hashlib.sha256(sealed).digest()


def open_backup(data: bytes, passphrase: str, *, now: int, even_expired: bool = False) -> Backup:
    """Decrypt a back-up.

    Raises:
        IntegrityError: it is damaged: not whole, or not what was written.
        OperatorError: no back-up of ours, a wrong passphrase, or expired.
    """
    line, newline, _ = data.partition(b"\n")
    if b'"format":"sayso key back-up ' not in line or not newline:
        raise OperatorError("not a key back-up made by `sayso keys backup`")
    sealed, checksum = data[:-_CHECKSUM], data[-_CHECKSUM:]
    if hashlib.sha256(sealed).digest() != checksum:
        raise IntegrityError("the back-up is damaged (cut short or altered): take another copy of it")
    line += newline
    try:
        header = _Header.model_validate_json(line)
        if canonical(header.model_dump()) + b"\n" != line:
            raise ValueError
    except (ValidationError, ValueError):
        raise IntegrityError("the back-up has a header this version does not write") from None
    key = _derive(passphrase, base64.b64decode(header.kdf.salt))
    try:
        content = AESGCM(key).decrypt(base64.b64decode(header.nonce), sealed[len(line) :], line)
    except InvalidTag:
        raise OperatorError("wrong passphrase (or the back-up was altered by somebody)") from None
    if now >= header.expires and not even_expired:
        days = (now - header.expires) // _DAY_S
        raise OperatorError(
            f"the back-up expired {days} days ago: use a newer one, or say --even-expired and rotate the keys"
        )
    return Backup(header.created, header.expires, _files(content))


def restore_backup(directory: Path, backup: Backup) -> dict[str, Literal["restored", "there already"]]:
    """Write the keys that are missing in ``directory``, owner-only; returns what became of each.

    Raises:
        OperatorError: a different key of that name is there (nothing is written
            then), or the directory cannot be used.
    """
    there = {name: _present(directory / name) for name in backup.files}
    differing = [name for name, data in there.items() if data not in (None, backup.files[name])]
    if differing:
        raise OperatorError(
            f"{directory} holds other keys named {', '.join(differing)}: nothing was restored. "
            "Move them away if you are sure that the log was written with those in the back-up"
        )
    done: dict[str, Literal["restored", "there already"]] = {}
    for name, data in backup.files.items():
        written = there[name] is None and write_private(directory / name, data)
        if not written and read_private(directory / name) != data:
            raise OperatorError(
                f"{directory / name} was made by somebody else meanwhile; look, and try again"
            )
        done[name] = "restored" if written else "there already"
    return done


def write_backup(path: Path, data: bytes) -> None:
    """Create the back-up's file, owner-only and durable; never replaces one.

    Raises:
        OperatorError: a file is there already, or it cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError:
        raise OperatorError(f"{path} exists already; give the back-up a name of its own") from None
    except OSError as error:
        raise OperatorError(f"{path} cannot be written ({error.strerror})") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        sync_directory(path.absolute().parent)
    except OSError as error:
        path.unlink(missing_ok=True)  # half a back-up is worse than none
        raise OperatorError(f"{path} cannot be written ({error.strerror})") from None


def read_backup(path: Path) -> bytes:
    """The bytes of a back-up's file.

    Raises:
        OperatorError: it cannot be read, or is no back-up by its length.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise OperatorError(f"{path} cannot be read ({error.strerror})") from None
    if len(data) > _MAX_BYTES:
        raise OperatorError("not a key back-up made by `sayso keys backup`")
    return data


def _present(path: Path) -> bytes | None:
    return read_private(path) if path.is_symlink() or path.exists() else None


def _files(content: bytes) -> dict[str, bytes]:
    try:
        found: Mapping[str, str] = _Content.model_validate(json.loads(content)).keys
        files = {name: base64.b64decode(data, validate=True) for name, data in found.items()}
    except ValueError:  # pydantic's and binascii's errors are some
        files = {}
    if not files or not all(KEY_FILE.fullmatch(name) for name in files):
        raise IntegrityError("the back-up's content is not what this version writes")
    return files


def _derive(passphrase: str, salt: bytes) -> bytes:
    """The key of a back-up; one passphrase typed on two keyboards is the same (NFC)."""
    text = unicodedata.normalize("NFC", passphrase).encode()
    return Scrypt(salt=salt, length=32, n=_N, r=_R, p=_P).derive(text)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
