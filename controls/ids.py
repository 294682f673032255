"""Random identifiers: a one-letter prefix that says what they name, and 80 random bits.

Crockford's base 32 (no I, L, O, U), so that one can be read out over a phone.
"""

from __future__ import annotations

import secrets

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

#: What each prefix names. Patterns in ``controls.ledger.records`` follow it.
PREFIXES = {
    "c": "call",
    "k": "clause",
    "u": "tool use",
    "h": "handoff",
    "a": "artifact (one sealed blob)",
    "p": "person (staff)",
    "o": "origin",
    "i": "incident",
    "l": "legal hold",
}


def new_id(prefix: str) -> str:
    """Return a fresh identifier such as ``c_7Q2MZ0G4D9RWX3KA``.

    Raises:
        KeyError: if the prefix names nothing.
    """
    PREFIXES[prefix]
    number = secrets.randbits(80)
    return prefix + "_" + "".join(_ALPHABET[(number >> shift) & 31] for shift in range(75, -1, -5))
