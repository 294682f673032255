"""The ledger of a process, opened as its profile wants it: keys, periods, witnesses, routes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from controls.ledger.batching import Tagger
from controls.ledger.keys import FileKeys, Keys
from controls.ledger.ledger import Ledger
from controls.ledger.witness_client import WitnessAddress
from controls.ledger.witnesses import Witnesses
from voice_runtime.lines import Line
from voice_runtime.settings import LedgerSettings, Settings
from voice_runtime.signer import SigningProcess

#: Below ``data_dir``.
DIRECTORY, SIGNING_SOCKET = "ledger", "signing.sock"


async def open_ledger(
    settings: Settings,
    taggers: Mapping[str, Tagger],
    lines: Sequence[Line],
    stack: AsyncExitStack,
    witnesses: Witnesses | None = None,
) -> tuple[Ledger, Keys]:
    """Open the ledger, every tenant's log in it, and have the register name what leads there.

    Args:
        taggers: tenant → how long its content is kept.
        stack: closes what was opened.
        witnesses: the profile's (``witnesses_of``), when somebody else watches them too.

    Raises:
        SayError: something cannot be opened as configured.
    """
    data_dir, wanted = settings.data_dir, settings.ledger
    await asyncio.to_thread(_private, data_dir)
    root = data_dir / DIRECTORY
    keys = await _keys(wanted, root, data_dir / SIGNING_SOCKET, stack)
    ledger = await asyncio.to_thread(
        Ledger.open, root, tagger=next(iter(taggers.values())), taggers=taggers, keys=keys,
        spool_bytes=wanted.spool_mb * 1024 * 1024, period=wanted.period, kept_months=wanted.kept_months,
        publish=wanted.publish,
        cosigner=witnesses or witnesses_of(wanted),
    )  # fmt: skip
    stack.push_async_callback(asyncio.to_thread, ledger.close)
    for tenant in taggers:
        await asyncio.to_thread(ledger.prepare, tenant)
    await asyncio.to_thread(ledger.route, routes_of(lines))
    return ledger, keys


def witnesses_of(wanted: LedgerSettings) -> Witnesses | None:
    """The witnesses a profile names; None without any.

    Raises:
        OperatorError: an address or a key cannot be one.
    """
    found = [WitnessAddress.parse(w.url, w.key) for w in wanted.witnesses]
    return Witnesses(found, wanted.cosign_every_s) if found else None


def routes_of(lines: Sequence[Line]) -> set[tuple[str, str, str]]:
    """Tenant, entry (a telephone number, or the page's path) and line of each line."""
    return {(line.tenant, line.number or f"/call/{line.agent}", line.name) for line in lines}


async def _keys(wanted: LedgerSettings, root: Path, socket: Path, stack: AsyncExitStack) -> Keys:
    if wanted.signer == "in_process":
        return FileKeys(root / "keys")
    process = SigningProcess(root / "keys", socket)
    stack.push_async_callback(process.stop)
    await process.start()
    return process.keys


def _private(directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
