"""What leaves the house masked: by which redactor, and what was masked in it, on record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controls.ledger import records as r

if TYPE_CHECKING:
    from controls.decision import Receipt
    from controls.redaction.counting import Counting
    from voice_runtime.settings import Profile


def export_redactor(settings: Profile) -> Counting:
    """What an export is masked by: the configured types, and names where a recogniser is installed.

    Raises:
        ConfigurationError: configs/redaction.yaml cannot be used.
    """
    from controls.redaction.counting import Counting
    from controls.redaction.file import Redaction
    from voice_runtime.agent_folder import read_redaction
    from voice_runtime.presidio import installed

    redaction = Redaction(read_redaction(settings.root), recognisers=installed())
    return Counting(redaction.before("export"))


def tell_masked(settings: Profile, opening: r.CallOpened, access: Receipt, masked: Counting) -> None:
    """Put on record what was masked in an export, before it is handed out; durable on return.

    Args:
        opening: of the call it is about.
        access: of the ``access.viewed`` under which it was opened.

    Raises:
        LedgerError: it could not be made durable, so nothing may be handed out.
    """
    from voice_runtime.cli.records import append

    where = {} if access.spooled else {"origin": access.origin, "leaf": access.leaf}
    for what, found in sorted(masked.take().items()):
        record = r.RedactionCounted.model_validate(
            {
                "tenant": opening.tenant, "sink": "export", "what": what, "found": found,
                "version": masked.version, **where,
            }
        )  # fmt: skip
        append(settings, opening.region, record, None)
