"""Who a log is when its writer opens it: its name, its period and its keys, as its files say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from controls.errors import IntegrityError, OperatorError
from controls.ids import new_id
from controls.ledger.keys import Signer, Wrapping
from controls.ledger.options import Options
from controls.ledger.periods import Period
from controls.ledger.storage import FORMAT, Storage

#: What ``log.db`` says of a log's period.
PERIOD_KEYS = ("period_from", "period_to", "kept_until")


@dataclass(frozen=True, slots=True)
class Identity:
    """A log's name, period and keys; ``previous`` is the log of the period before."""

    origin: str
    period: Period
    previous: str | None
    signer: Signer
    wrapping: Wrapping


def identify(directory: Path, storage: Storage, options: Options) -> Identity:
    """Keys and name of the log: those it was begun with, or new ones for a new log.

    A rotation that was logged and then cut short is completed here: ``log.db``
    names the next key, which is promoted.

    Raises:
        IntegrityError: it has another version's format.
        OperatorError: it is another tenant's, or its key is not at hand.
        LedgerError: the keys cannot be reached now.
    """
    meta, keys = storage.meta(), options.keys
    fresh, name = not meta, directory.name
    origin = meta.get("origin") or (name if name.startswith("o_") else new_id("o"))
    signer = keys.log_signer(origin, create=fresh)
    wrapping = options.wrapping() or keys.wrapping(create=fresh)
    if fresh:
        period = options.period
        meta = {
            "origin": origin, "tenant": options.tenant, "vkey": str(signer.verifier), "format": FORMAT,
            "period_from": str(period.start), "period_to": str(period.end),
            "kept_until": str(period.kept_until), "previous": options.previous or "",
        }  # fmt: skip
        storage.create(meta)
    if meta.get("format") != FORMAT:
        raise IntegrityError(f"the log has format {meta.get('format')!r}, this version reads {FORMAT}")
    if meta.get("tenant") != options.tenant:
        raise OperatorError(f"{directory} is another tenant's log; use another directory")
    if meta.get("vkey") != str(signer.verifier):
        if meta.get("vkey") != str(keys.next_log_signer(origin).verifier):
            raise OperatorError(f"the key of {origin} is not the one this log is written with; restore it")
        keys.promote(origin)
        signer = keys.log_signer(origin, create=False)
    return Identity(origin, period_of(meta), meta.get("previous") or None, signer, wrapping)


def period_of(meta: dict[str, str]) -> Period:
    """The period ``log.db`` names.

    Raises:
        IntegrityError: it names none.
    """
    try:
        return Period(*(int(meta[key]) for key in PERIOD_KEYS))
    except (KeyError, ValueError):
        raise IntegrityError("log.db does not say which period it is for") from None
