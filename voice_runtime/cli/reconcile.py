"""`sayso reconcile`: one day of the carrier's calls against what is on record."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controls.errors import OperatorError
from controls.ledger import records as r
from voice_runtime.cli.records import existing, ledger_root, record_access, viewer
from voice_runtime.cli.text import DEFAULT_CONFIG, Config, Json, emit_json, emit_text, profile_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from controls.evidence.reconcile import OurCall
    from controls.ledger.reader import Reader

app = typer.Typer()


@app.command(epilog="Example: sayso reconcile calls-2026-11-20.csv --day 2026-11-20")
def reconcile(
    carrier_list: Annotated[
        Path, typer.Argument(metavar="FILE", help="The carrier's list of calls: CSV, or JSON as Twilio's.")
    ],
    day: Annotated[str, typer.Option(help="Which day, UTC; yesterday by default.")] = "",
    who: Annotated[str, typer.Option("--as", metavar="NAME", help="Who compares; goes on record.")] = "",
    purpose: Annotated[str, typer.Option(help="What for; goes on record.")] = "",
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Compare a day of the carrier's calls with the record: exit 0 they agree, 1 they do not.

    Besides, every tool that day's calls used is held against the grants on record: one that left before a
    person had granted it is named, and exits 1.

    A call that was never recorded leaves no gap in any log; only somebody else's
    list shows it. What the carrier calls our calls is opened for this, which goes
    on record first. Browser calls have no carrier and are left out.
    """
    from controls.evidence.page_turns import plain
    from controls.evidence.reconcile import read_carrier_list
    from controls.evidence.reconcile import reconcile as compare
    from controls.ledger.reader import Reader

    settings = profile_of(config)
    wanted = _day(day)
    try:
        text = carrier_list.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise OperatorError(f"{carrier_list} cannot be read as text") from None
    theirs = read_carrier_list(text, carrier_list.name)
    with Reader.open(existing(ledger_root(settings))) as reader:
        calls = reader.calls(1)
        opening = next((e.record for c in calls for e in reader.records(c.call)), None)
        if isinstance(opening, r.CallOpened):
            details = viewer(settings, opening, who, purpose or "reconciliation with the carrier")
            record_access(settings, opening.tenant, opening.region, None, details, what="reconciliation")
        found = compare(theirs, _ours(reader), wanted)
        wrong = _ungranted(reader, wanted)
    holds = found.holds and not wrong
    if as_json:
        emit_json({**asdict(found), "day": wanted.isoformat(), "ungranted": wrong, "holds": holds})
    else:
        lines = [f"{wanted}: {found.matched} calls agree, {found.refused} refused ones too"]
        lines += [f"NOT ON RECORD   {sid}: the carrier connected it" for sid in found.unrecorded]
        lines += [f"NOT AT CARRIER  {call}: on record, not in its list" for call in found.unknown_to_carrier]
        if found.erased:
            lines.append(f"{found.erased} on record are erased and cannot be compared")
        lines += [f"NOT GRANTED     {x['call']}: use {x['use']}, {plain(x['what'])}" for x in wrong]
        emit_text("\n".join(lines) + "\n")
    if not holds:
        raise typer.Exit(1)


def _ours(reader: Reader) -> Iterator[OurCall]:
    """Every telephone call on record, opened as far as what the carrier calls it."""
    from controls.evidence.reconcile import OurCall
    from controls.ledger.envelope import parse_envelope, read_leaf

    for view in reader.views():
        for row in view.rows_of(r.CallOpened.type, r.CallRefused.type):
            record = read_leaf(parse_envelope(row.envelope).payload).record
            if isinstance(record, r.CallOpened) and record.ingress == "twilio":
                personal = view.personal(record)
                known = personal.carrier_call if isinstance(personal, r.CallDetails) else None
                yield OurCall(record.call, known, record.at)
            elif isinstance(record, r.CallRefused) and record.sealed is not None:
                personal = view.personal(record)
                known = personal.carrier_call if isinstance(personal, r.RefusalDetails) else None
                yield OurCall("", known, record.at, "refused")


def _ungranted(reader: Reader, day: date) -> list[dict[str, Any]]:
    """Uses of that day's calls that left without their grant; from leaves alone, nothing is opened."""
    from controls.evidence.approvals import faults

    found = []
    for info in reader.calls():
        if datetime.fromtimestamp(info.opened_at, UTC).date() == day:
            entries = reader.records(info.call, origin=info.origin)
            told = faults((e.leaf, e.record, None) for e in entries)
            found += [{"call": info.call, **fault.model_dump()} for fault in told]
    return found


def _day(text: str) -> date:
    if not text:
        return datetime.now(UTC).date() - timedelta(days=1)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise OperatorError(f"--day {text}: give a date such as 2026-11-20") from None
