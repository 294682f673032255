"""The page of a caller's receipt: one paragraph, and how to check it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from controls.errors import IntegrityError
from controls.evidence import shape as s
from controls.evidence.markup import joined, tag, words
from controls.evidence.page import FORMAT, document
from controls.evidence.page_sections import Proof, bullets, readable_time
from controls.evidence.texts import sentences
from controls.evidence.trace import rfc3339
from controls.ledger import records as r


def render_receipt(
    records: Sequence[r.Record],
    details: r.Personal | None,
    checkpoint: s.Checkpoint,
    witnessed: s.Checkpoint | None,
    proof: Proof,
) -> bytes:
    """The page, as UTF-8.

    Args:
        details: the opened ``ReceiptDetails``; None once erased.

    Raises:
        IntegrityError: the record of the call's opening is missing.
    """
    opened = next((x for x in records if isinstance(x, r.CallOpened)), None)
    if opened is None:
        raise IntegrityError("the record of the call's opening is missing")
    end = next((x for x in records if isinstance(x, r.CallClosed | r.CallRecovered)), None)
    code = words(details.code if isinstance(details, r.ReceiptDetails) else None)
    until = f"ended {readable_time(rfc3339(end.at))}" if end else "had not ended when this was made"
    by = ""
    if witnessed is not None:
        names = ", ".join(f"{c.witness} at {readable_time(c.at)}" for c in witnessed.cosigned)
        by = f"; the one over {witnessed.size} leaves is cosigned by {names}"
    began = readable_time(rfc3339(opened.at))
    paragraph = joined(
        [
            joined(["The call with the receipt code ", tag("strong", code), " is on record: "]),
            joined(["call ", tag("code", opened.call), f" began {began} and {until}. "]),
            joined(["Its records stand in the log ", tag("code", proof.log)]),
            f", under a checkpoint over {checkpoint.size} leaves{by}.",
        ]
    )
    body = tag(
        "body",
        tag("header", tag("h1", "Receipt for a call")),
        tag(
            "main",
            tag("p", paragraph),
            tag("h2", "What this cannot prove"),
            bullets(sentences("receipt-limits.md")),
            tag("h2", "How to check it"),
            tag("p", tag("code", "python -m controls.ledger verify THIS.zip --trust auditor.keys")),
            tag("p", "VERIFY.md says how to check it without our code.", class_="small"),
        ),
        tag("footer", tag("p", f"Sayso {proof.made_by}, page format {FORMAT}.", class_="small")),
    )
    return document("Receipt for a call", body)
