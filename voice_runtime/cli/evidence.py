"""`sayso evidence`: Annex A held against the record, and failures that were found later."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from controls.annex_a import ANNEX_A
from controls.errors import ConfigurationError, OperatorError, Problem
from controls.ledger import records as r
from voice_runtime.cli.records import append, existing, ledger_root, opening_of
from voice_runtime.cli.text import DEFAULT_CONFIG, Config, Json, emit_json, emit_table, emit_text, profile_of

if TYPE_CHECKING:
    from controls.evidence.coverage import ControlCoverage, Coverage, Statement
    from controls.ledger.reader import LogView, Reader
    from controls.ledger.storage import LeafRow
    from controls.soa import SoaFile
    from controls.suppliers import Suppliers
    from voice_runtime.settings import Profile

app = typer.Typer(
    no_args_is_help=True, help="Annex A held against the record, and failures that were found later."
)

SOA_FILE = Path("configs/soa.yaml")
SUPPLIERS_FILE = Path("configs/suppliers.yaml")
#: Types that may tell of something a `control.corrected` can put right.
_FAULTS = (r.ControlMissed.type, r.ControlFailed.type)
#: What a reader is shown of a control first, by how urgent it is.
_MARKS = {
    "failing": "✗", "no evidence": "?", "document missing": "?", "not exercised": "–", "operating": "✓",
    "not applicable": " ",
}  # fmt: skip


# --- the statement of applicability ---------------------------------------------------------------


@app.command(epilog="Example: sayso evidence soa --since 2026-11-01 --json")
def soa(
    since: Annotated[str, typer.Option(help="Only calls from this day on, UTC.")] = "",
    tenant: Annotated[str, typer.Option(help="Only this tenant's logs.")] = "",
    environment: Annotated[
        list[r.Environment] | None,
        typer.Option(help="Only calls of this one; may be repeated. Without it demo calls count as well."),
    ] = None,
    verify: Annotated[bool, typer.Option(help="Verify the whole log first; that tests A.6.2.8.")] = True,
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """All 38 controls of Annex A from real records: exit 1 when one is failing.

    For each: how often it had to act, did, and how that went; when it was last really
    tested; and the state that follows. That there are records is never green. What the
    operator decides stands in configs/soa.yaml. Opens nothing personal.
    """
    environments = tuple(environment or r.Environment)
    found = statement(
        profile_of(config), since=_day(since), tenant=tenant, verify=verify, environments=environments
    )
    if as_json:
        emit_json(found)
    else:
        emit_text("\n".join(_lines(found)) + "\n")
    if not found.holds:
        raise typer.Exit(1)


def statement(
    settings: Profile,
    *,
    since: int = 0,
    tenant: str = "",
    verify: bool = True,
    environments: tuple[r.Environment, ...] = tuple(r.Environment),
) -> Statement:
    """Annex A held against a profile's record as it is now.

    Args:
        since: Unix time in s; calls opened before are left out.
        tenant: only this one's logs; "" for all.
        environments: only calls opened in these.

    Raises:
        ConfigurationError: configs/soa.yaml or the register of suppliers cannot be used.
        OperatorError: nothing was ever recorded, or no such tenant has a log.
        IntegrityError: a leaf cannot be parsed.
    """
    from controls.evidence.coverage import Coverage
    from controls.floor import shipped
    from controls.ledger.reader import Reader
    from controls.ledger.verify import verify_directory

    decided, suppliers = read_soa(settings.root), read_suppliers(settings.root)
    now = int(datetime.now(UTC).timestamp())
    coverage = Coverage(decided, suppliers, now=now, since=since, environments=environments)
    coverage.weaker(one.setting for one in shipped().soa(decided))
    with Reader.open(existing(ledger_root(settings))) as reader:
        views = [v for v in reader.views() if v.tenant != r.REGISTER and tenant in ("", v.tenant)]
        if tenant and not views:
            known = ", ".join(sorted({v.tenant for v in reader.views()} - {r.REGISTER})) or "none yet"
            raise OperatorError(f"no log of tenant {tenant!r}; there are logs of {known}")
        for view in views:
            view.snapshot()
            _count(view, coverage)
            if verify:
                coverage.verified(verify_directory(view.directory).ok)
    return coverage.statement(_documents(settings.root, decided))


def _count(view: LogView, coverage: Coverage) -> None:
    """One log: its calls one after the other, and what belongs to none; nothing of a call is kept."""
    from controls.evidence.coverage import ABOUT_CALLS

    opened: set[str] = set()
    orphans: set[str] = set()
    for info in view.calls():
        opened.add(info.call)
        coverage.call(view.origin, info.call, _records(view.rows(info.call)))
    for row in view.rows():
        if row.call is None or row.type in ABOUT_CALLS:
            coverage.house(view.origin, *next(_records(iter((row,)))))
        elif row.call not in opened and row.call not in orphans:
            orphans.add(row.call)
            coverage.call(view.origin, row.call, _records(view.rows(row.call)))


def _records(rows: Iterator[LeafRow]) -> Iterator[tuple[int, r.Record]]:
    from controls.ledger.envelope import parse_envelope, read_leaf

    for row in rows:
        yield row.leaf, read_leaf(parse_envelope(row.envelope).payload).record


def read_soa(root: Path) -> SoaFile:
    """What the operator decides about Annex A.

    Raises:
        ConfigurationError: the file is missing, or not as it should be.
    """
    from controls.soa import parse_soa
    from voice_runtime.desks import load_people

    people, _ = load_people(root)
    return parse_soa(_text(root, SOA_FILE), SOA_FILE.as_posix(), tuple(people.roles))


def read_suppliers(root: Path) -> Suppliers:
    """The register of suppliers.

    Raises:
        ConfigurationError: it is missing, or not as it should be.
    """
    from controls.suppliers import parse_suppliers

    return parse_suppliers(_text(root, SUPPLIERS_FILE), SUPPLIERS_FILE.as_posix())


def _text(root: Path, file: Path) -> str:
    try:
        return (root / file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(
            [Problem(file.as_posix(), 0, "", "the file cannot be read", "restore it")]
        ) from None


def _documents(root: Path, decided: SoaFile) -> dict[str, str | None]:
    """Digest of each document the operator names; None for one that is not there."""
    folder = root / decided.documents
    return {
        entry.document: _digest(folder, folder / entry.document)
        for entry in decided.controls.values()
        if entry.document is not None
    }


def _digest(folder: Path, path: Path) -> str | None:
    if not path.resolve().is_relative_to(folder.resolve()):
        return None  # a link out of the folder is no document in it
    try:
        return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _lines(found: Statement) -> Iterator[str]:
    calls = ", ".join(f"{n} in {environment}" for environment, n in found.calls.items()) or "no calls"
    when = f" since {found.since[:10]}" if found.since else ""
    yield f"ISO/IEC 42001:2023 Annex A held against {calls}{when}, as of {found.made_at}"
    if found.left_out:
        yield "  left out: " + ", ".join(f"{n} in {environment}" for environment, n in found.left_out.items())
    yield "  " + ", ".join(f"{n} {state}" for state, n in found.states.items() if n)
    yield ""
    yield f"  {'':<9}{'':<18}{'had to':>7} {'did':>6} {'passed':>7} {'failed':>7} {'unexpl.':>8}  last tested"
    for control in found.controls:
        tested = (control.last_challenged or "never")[:10] if control.population else ""
        counts = (control.population, control.exercised, control.passed, control.failed, control.unexplained)
        numbers = "{:>7} {:>6} {:>7} {:>7} {:>8}".format(*counts)
        yield f"{_MARKS[control.state]} {control.id:<9}{control.state:<18}{numbers}  {tested}".rstrip()
        yield f"    {control.title}: {'; '.join(control.because)}"
        if control.state == "failing":
            yield from _failing(control)
    yield ""
    for rates in found.languages:
        yield (
            f"{rates.language}: {rates.calls} calls, {rates.with_handoff} with a handoff, "
            f"{rates.with_refusal} with a refused clause"
        )
    if found.verified is None:
        yield "The log was not verified for this: leave out --no-verify, or run sayso ledger verify."


def _failing(control: ControlCoverage) -> Iterator[str]:
    for what, places in (("went wrong", control.failures), ("nothing on record", control.gaps)):
        for place in places:
            yield f"      {what}: {place.call or 'no call'}, record {place.leaf} of {place.origin}"
    for fault in control.faults:
        told = "configs/soa.yaml" if (by := fault.told_by) is None else f"record {by.leaf} of {by.origin}"
        when = f"since {fault.at}" if fault.until is None else f"from {fault.at} to {fault.until}"
        whose = "" if fault.tenant is None else f"{fault.tenant}: "
        yield f"      {whose}{fault.what} {when}: {told}"


def _day(text: str) -> int:
    if not text:
        return 0
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise OperatorError(f"--since {text}: give a date such as 2026-11-01") from None


# --- what is weaker than it comes ------------------------------------------------------------------


@app.command(epilog="Example: sayso evidence weaker --config configs/profiles/cloud.yaml")
def weaker(config: Config = DEFAULT_CONFIG, as_json: Json = False) -> None:
    """What of the configuration is weaker now than it comes, or than was declared: exit 1 when anything is.

    A server puts the same on record when it starts (control.disabled, bypass), and `soa`
    shows it red until it is restored. This tells file by file what would be.
    """
    from voice_runtime.bypasses import weakened
    from voice_runtime.cli.agents import configured
    from voice_runtime.declared import read_declared
    from voice_runtime.lines import known_agents
    from voice_runtime.resolve import load_release

    settings, lines = configured(config)
    releases = [load_release(settings.root, name, settings, lines) for name in known_agents(settings.root)]
    root = ledger_root(settings)
    declared = read_declared(root, settings.data_dir) if root.is_dir() else None
    found = weakened(settings, releases, declared)
    if as_json:
        parts = {tenant: [asdict(one) for one in mine] for tenant, mine in found.items()}
        emit_json({"weaker": parts})
    else:
        rows = [[tenant, one.setting, one.place, one.what] for tenant, mine in found.items() for one in mine]
        emit_table(["tenant", "setting", "where", "what"], rows, empty="nothing is weaker than it comes")
    if any(found.values()):
        raise typer.Exit(1)


# --- failures found later -------------------------------------------------------------------------


@app.command(
    epilog='Example: sayso evidence missed guard --call c_7Q2MZ0G4D9RWX3KA --leaf 41 --as r.okafor --why "…"'
)
def missed(
    control: Annotated[
        str, typer.Argument(metavar="CONTROL", help="One of the runtime's (guard, disclosure …), or A.9.2.")
    ],
    call: Annotated[str, typer.Option("--call", metavar="CALL", help="The call, from `sayso calls`.")],
    leaf: Annotated[int, typer.Option(min=0, help="The record at which it should have acted.")],
    who: Annotated[str, typer.Option("--as", metavar="NAME", help="Who found it; goes on record, sealed.")],
    why: Annotated[str, typer.Option(help="What it should have done; goes on record, sealed.")],
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Enter a failure that was found later: the control is failing until `corrected` names this record."""
    from controls.ledger.reader import Reader

    name, annex_a = _control(control)
    _said(who, "--as")
    _said(why, "--why")
    settings = profile_of(config)
    with Reader.open(existing(ledger_root(settings))) as reader:
        view = reader.view_of(call)
        if all(row.leaf != leaf for row in view.rows(call)):
            raise OperatorError(
                f"--leaf {leaf}: no record of that call; `sayso trace {call}` shows its records"
            )
        opening = opening_of(reader, call)
        record = r.ControlMissed(
            tenant=opening.tenant, call=call, control=name, annex_a=annex_a, origin=view.origin, leaf=leaf
        )
    receipt = append(settings, opening.region, record, r.MissedDetails(who=who, why=why))
    _entered(receipt.origin, receipt.leaf, as_json, f"{' '.join(annex_a)} failing until it is put right")


@app.command(
    epilog='Example: sayso evidence corrected 57 --as r.okafor --how "rule added, agent approved anew"'
)
def corrected(
    leaf: Annotated[int, typer.Argument(min=0, metavar="LEAF", help="The record that tells of it.")],
    who: Annotated[str, typer.Option("--as", metavar="NAME", help="Who answers for it; on record, sealed.")],
    how: Annotated[str, typer.Option(help="What was done; goes on record, sealed.")],
    origin: Annotated[str, typer.Option(help="The record's log, where several could be meant.")] = "",
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Enter that what a control missed, or how it broke, was put right (clause 10.2)."""
    from controls.ledger.reader import Reader

    _said(who, "--as")
    _said(how, "--how")
    settings = profile_of(config)
    with Reader.open(existing(ledger_root(settings))) as reader:
        view = _telling(reader, leaf, origin)
        regions = [record.region for c in view.calls(1) for record in [opening_of(reader, c.call)]]
        record = r.ControlCorrected(tenant=view.tenant, origin=view.origin, leaf=leaf)
    receipt = append(
        settings, regions[0] if regions else "local", record, r.CorrectedDetails(who=who, how=how)
    )
    _entered(receipt.origin, receipt.leaf, as_json, f"record {leaf} is put right")


def _telling(reader: Reader, leaf: int, origin: str) -> LogView:
    """The log in which that leaf tells of a fault.

    Raises:
        OperatorError: none does, or several do.
    """
    found = [
        view
        for view in reader.views()
        if origin in ("", view.origin)
        and any(row.leaf == leaf and _is_fault(row) for row in view.rows_of(*_FAULTS))
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise OperatorError(f"several logs have such a record {leaf}: name one with --origin")
    raise OperatorError(f"record {leaf} tells of nothing to put right; `sayso evidence soa` lists what does")


def _is_fault(row: LeafRow) -> bool:
    """What broke in a call was handled there or not, and stays so; outside of one it can be put right."""
    return row.type == r.ControlMissed.type or row.call is None


def _control(text: str) -> tuple[Any, tuple[str, ...]]:
    """A control of the runtime with what it serves, or one of Annex A.

    Raises:
        OperatorError: neither.
    """
    from controls.evidence.occasions.house import SERVES

    if text in get_args(r.ControlName):
        return text, SERVES[text]
    if text in ANNEX_A:
        return None, (text,)
    known = ", ".join(get_args(r.ControlName))
    raise OperatorError(f"{text!r} is no control: give one of {known}, or one of Annex A such as A.9.2")


def _said(text: str, option: str) -> None:
    if not text.strip():
        raise OperatorError(f"{option} must say something: it goes on record")


def _entered(origin: str, leaf: int, as_json: bool, what: str) -> None:
    if as_json:
        emit_json({"origin": origin, "leaf": leaf})
    else:
        emit_text(f"entered as record {leaf} of {origin}: {what}\n")
