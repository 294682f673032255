"""A setting that weakens a control takes two persons before calls are taken with it; the record names them.

    weakened ──Confirm by A──▶ asked ──Confirm by B, not A, within a day──▶ confirmed ──start──▶ on record

Wishes lie in ``data_dir/bypasses.db`` until a process starts with the setting: then ``control.disabled`` says
who confirmed it. In staging and production nothing starts before; in a demonstration it does, and is red all
the same. What is restored and weakened again is confirmed anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from controls import stop as s
from controls.decision import Recorder
from controls.errors import OperatorError
from controls.floor import CONTROL_OF, Weaker
from controls.ledger import records as r
from controls.ledger.envelope import parse_envelope, read_leaf
from controls.ledger.reader import Reader
from voice_runtime.people import account_text
from voice_runtime.receipts import receipt_in_time
from voice_runtime.store.small_file import SmallFile

FILE = "bypasses.db"
#: A first wish that nobody has joined by then counts for nothing, s.
WITHIN_S = 86_400.0
#: Where nothing is a real caller's.
UNCONFIRMED_IN = frozenset((r.Environment.DEMO, r.Environment.DEVELOPMENT))
_BUSY_S = 5.0
_DURABLE_S = 10.0
_TABLES = """
CREATE TABLE IF NOT EXISTS wishes (
  tenant TEXT NOT NULL, setting TEXT NOT NULL, person TEXT NOT NULL, why TEXT NOT NULL, at_s REAL NOT NULL
) STRICT;
"""

#: Tenant, and the setting that weakens a control of its calls.
Bypass: TypeAlias = tuple[str, r.WeakenedBy]


@dataclass(frozen=True, slots=True)
class Wish:
    """One person's; ``at_s``: Unix time, s."""

    by: s.Person
    why: str
    at_s: float


class Wishes:
    """Of one data directory. Any thread and process; blocks."""

    def __init__(self, data_dir: Path) -> None:
        """Make the file where there is none. Raises OperatorError: it cannot be made."""
        self._file = SmallFile(data_dir, FILE, _TABLES, busy_s=_BUSY_S)

    def confirm(self, bypass: Bypass, wish: Wish) -> tuple[Wish, ...]:
        """Add one, and return those that count: two confirm it.

        Raises:
            OperatorError: it is the same person's as the first, or the file cannot be used.
        """
        with self._file.open() as db:
            db.execute("BEGIN IMMEDIATE")
            before = self._of(db.execute(_FIND, bypass).fetchall())
            young = tuple(x for x in before if wish.at_s - x.at_s <= WITHIN_S)
            standing = before if len(before) == 2 else young
            if len(standing) == 2:
                return standing
            if standing and standing[0].by.same(wish.by):
                raise OperatorError(
                    "confirming a bypass takes two different persons, by accounts of their own where several "
                    "do not share one (shared_accounts in configs/people.yaml), and you are the first"
                )
            db.execute(_CLEAR, bypass)
            for kept in (*standing, wish):
                db.execute(_ADD, (*bypass, kept.by.model_dump_json(), kept.why, kept.at_s))
            return (*standing, wish)

    def of(self, bypass: Bypass) -> tuple[Wish, ...]:
        """What was wished and not used yet, the first one first."""
        with self._file.open() as db:
            return self._of(db.execute(_FIND, bypass).fetchall())

    def used(self, bypass: Bypass) -> None:
        """It is on record: the next time it takes two anew."""
        with self._file.open() as db:
            db.execute(_CLEAR, bypass)

    @staticmethod
    def _of(rows: Iterable[tuple[str, str, float]]) -> tuple[Wish, ...]:
        return tuple(Wish(s.Person.model_validate_json(person), why, at_s) for person, why, at_s in rows)


_FIND = "SELECT person, why, at_s FROM wishes WHERE tenant = ? AND setting = ? ORDER BY at_s"
_CLEAR = "DELETE FROM wishes WHERE tenant = ? AND setting = ?"
_ADD = "INSERT INTO wishes VALUES (?, ?, ?, ?, ?)"


async def record_confirmed(
    data_dir: Path,
    root: Path,
    recorder: Recorder,
    wanted: Mapping[str, Iterable[Weaker]],
    environment: r.Environment,
) -> None:
    """Put on record who confirmed what the configuration weakens; returns once that is durable.

    Args:
        root: the ledger's directory.
        wanted: tenant → what is weaker, from ``bypasses.weakened``.

    Raises:
        OperatorError: staging or production, and two persons have not confirmed all of it.
        SayError: the record cannot be read or written: no call may be taken.
    """
    every = [
        (tenant, setting)
        for tenant, found in sorted(wanted.items())
        for setting in sorted({weaker.setting for weaker in found})
    ]
    if not every:
        return
    known = await asyncio.to_thread(confirmed_on_record, root)
    wishes = await asyncio.to_thread(Wishes, data_dir)
    missing: list[Bypass] = []
    for bypass in every:
        found = await asyncio.to_thread(wishes.of, bypass)
        if bypass not in known and len(found) == 2:
            await _record(recorder, bypass, found)
        elif bypass not in known:
            missing.append(bypass)
            continue
        await asyncio.to_thread(wishes.used, bypass)
    if missing and environment not in UNCONFIRMED_IN:
        commands = "; ".join(f"sayso bypass confirm {s} --tenant {t} --as NAME" for t, s in missing)
        raise OperatorError(
            f"{', '.join(f'{s} of tenant {t}' for t, s in missing)}: weaker than it comes or as declared. In "
            f"{environment.value} that takes two different persons: take the settings back, or each runs: "
            f"{commands}"
        )


async def _record(recorder: Recorder, bypass: Bypass, wishes: tuple[Wish, ...]) -> None:
    tenant, setting = bypass
    first, second = (wish.by for wish in wishes)
    record = r.ControlDisabled.model_validate({
        "tenant": tenant, "control": CONTROL_OF[setting], "setting": setting, "how": "bypass",
        "by": second.id, "first_by": first.id, "accounts": first.apart(second),
    })  # fmt: skip
    accounts = await asyncio.to_thread(lambda: tuple(_told(wish.by.account) for wish in wishes))
    details = r.BypassDetails(
        who=(first.name, second.name), accounts=accounts,
        why="; ".join(wish.why for wish in wishes if wish.why),
    )  # fmt: skip
    await receipt_in_time(recorder.append(record, details), _DURABLE_S)


def confirmed_on_record(root: Path) -> set[Bypass]:
    """What is weakened in the record by now, and was confirmed by two. Blocks.

    Raises:
        SayError: the record cannot be read.
    """
    newest: dict[Bypass, r.ControlDisabled] = {}
    with Reader.open(root) as reader:
        for view in reader.views():
            for row in view.rows_of(r.ControlDisabled.type):
                record = read_leaf(parse_envelope(row.envelope).payload).record
                if isinstance(record, r.ControlDisabled) and record.setting is not None:
                    before = newest.get((record.tenant, record.setting))
                    if before is None or record.at >= before.at:
                        newest[record.tenant, record.setting] = record
    return {bypass for bypass, record in newest.items() if record.first_by and not record.restored}


def _told(account: str) -> str:
    return account_text(int(account)) if account else ""
