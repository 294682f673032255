"""`sayso opt-outs`: who opted out of all calls, and lifting one that was not meant, or not any more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from controls.errors import OperatorError
from controls.ledger import records as r
from voice_runtime.cli.approvals import Who, Why, named
from voice_runtime.cli.records import append
from voice_runtime.cli.text import DEFAULT_CONFIG, Config, Json, emit_json, emit_table, emit_text, profile_of

if TYPE_CHECKING:
    from voice_runtime.settings import Profile
    from voice_runtime.store.opt_outs import OptOutBook

app = typer.Typer(
    no_args_is_help=True,
    help="Callers who opted out of all calls. No number is kept: each is a keyed digest.",
    epilog="Example: sayso opt-outs list",
)

Tenant = Annotated[str, typer.Option("--tenant", metavar="T", help="With which tenant.")]


@app.command("list", epilog="Example: sayso opt-outs list --tenant clinic --json")
def list_all(tenant: Tenant = "", config: Config = DEFAULT_CONFIG, as_json: Json = False) -> None:
    """List them, newest first: since when, and in which call it was said. Shows no numbers."""
    found = _book(profile_of(config)).all(tenant)
    if as_json:
        emit_json(
            {"opt_outs": [{"tenant": x.tenant, "id": x.entry, "at_s": x.at_s, "call": x.call} for x in found]}
        )
        return
    rows = [[x.tenant, x.entry, _since(x.at_s), x.call] for x in found]
    emit_table(["tenant", "id", "since", "call"], rows, empty="nobody opted out")


@app.command(
    epilog="Example: sayso opt-outs lift --tenant clinic --number +12025550123 --why 'asked in writing'"
)
def lift(
    tenant: Annotated[str, typer.Option("--tenant", metavar="T", help="With which tenant.")],
    entry: Annotated[str, typer.Argument(metavar="[ID]", help="From `sayso opt-outs list`.")] = "",
    number: Annotated[str, typer.Option(metavar="NUMBER", help="Or the caller's number.")] = "",
    who: Who = "",
    why: Why = "",
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Lift an opt-out: the caller may be asked and called again. On record, with who did it and why.

    Do it on the caller's own wish, or where the call shows that they meant something else.
    """
    settings = profile_of(config)
    person = named(settings, who)
    if not why.strip():
        raise OperatorError("say why, for those who review it: --why TEXT")
    if bool(entry) == bool(number):
        raise OperatorError("say whose: an ID from `sayso opt-outs list`, or --number NUMBER")
    book = _book(settings)
    entry = entry or book.entry(tenant, number)
    kept = next((x for x in book.all(tenant) if x.entry == entry), None)
    if kept is None:
        raise OperatorError(f"no such opt-out with {tenant}: `sayso opt-outs list` shows those there are")
    record = r.OptOutLifted(tenant=tenant)
    details = r.LiftedDetails(who=person, why=why, entry=entry, call=kept.call)
    receipt = append(settings, _region(settings, kept.call), record, details)
    book.lift(tenant, entry)  # once it is on record, never before
    if as_json:
        emit_json({"origin": receipt.origin, "leaf": receipt.leaf, "id": entry})
    else:
        emit_text(f"lifted; on record as {receipt.origin} {receipt.leaf}\n")


def _book(settings: Profile) -> OptOutBook:
    from voice_runtime.store.opt_outs import OptOutBook

    return OptOutBook(settings.data_dir)


def _region(settings: Profile, call: str) -> str:
    """Where what is sealed beside the record is kept: as the call's own content, if that is there."""
    from controls.errors import SayError
    from controls.ledger.reader import Reader
    from voice_runtime.cli.records import ledger_root, opening_of

    try:
        with Reader.open(ledger_root(settings)) as reader:
            return opening_of(reader, call).region
    except SayError:  # no call is named, or it has been pruned
        return "local"


def _since(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat().replace("+00:00", "Z") if at_s else "unknown"
