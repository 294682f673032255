"""Who opted out, without keeping a list of telephone numbers. Pure but for the randomness of a salt.

A subject is a telephone number in a tenant's hands. What is kept is its HMAC-SHA-256
(RFC 2104) under a random 256-bit salt of that tenant's, never a plain hash: the ten
billion numbers there are could be tried against one in minutes. Whoever erases the salt
makes all of a tenant's entries meaningless for good; whoever erases one entry forgets
one caller.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Protocol

from controls.errors import InternalError

#: Bytes of a tenant's salt.
SALT_BYTES = 32
#: What the digest is for, so that no other HMAC under the same salt ever equals it.
_PURPOSE = b"sayso opt-out v1\x00"
#: Digits of a digest that name an entry to people.
SHOWN = 16


@dataclass(frozen=True, slots=True)
class OptedOut:
    """One entry, as people see it: no number.

    Attributes:
        entry: the first ``SHOWN`` digits of its keyed digest.
        at_s: since when, Unix time in s; 0 where that is not known.
        call: in which it was said, or "".
    """

    tenant: str
    entry: str
    at_s: int
    call: str


class OptOuts(Protocol):
    """Remembers who opted out. Both calls may block for a disk.

    Ordering: a subject is known as soon as ``remember`` has returned, and after a restart.
    """

    def known(self, tenant: str, number: str) -> bool:
        """Whether that caller opted out with that tenant; False for a withheld number.

        Raises:
            OperatorError: the store cannot be read.
        """
        ...

    def remember(self, tenant: str, number: str, call: str = "") -> None:
        """Remember it; again is harmless, a withheld number cannot be remembered.

        Args:
            call: the call in which they did, so that a mistake can be found.

        Raises:
            OperatorError: the store cannot be written.
        """
        ...


def new_salt() -> bytes:
    """A fresh salt."""
    return secrets.token_bytes(SALT_BYTES)


def subject(number: str) -> str:
    """The digits of a number as one spelling, or "" when there are too few to name anybody.

    ``+1 202 555 0123`` and ``+12025550123`` are one subject.
    """
    digits = "".join(ch for ch in number if ch.isascii() and ch.isdigit())
    return digits if len(digits) >= 7 else ""


def subject_key(salt: bytes, tenant: str, number: str) -> str:
    """What a caller is remembered under: 64 hexadecimal digits.

    Raises:
        InternalError: the salt is not one of ours, or the number names nobody.
    """
    digits = subject(number)
    if len(salt) != SALT_BYTES or not digits:
        raise InternalError("an opt-out needs a salt of 32 bytes and a number")
    message = _PURPOSE + tenant.encode() + b"\x00" + digits.encode()
    return hmac.new(salt, message, hashlib.sha256).hexdigest()
