"""`sayso bypass`: which settings weaken a control, and the two persons who confirm each."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from controls.errors import OperatorError
from voice_runtime.cli.approvals import Who, Why, named
from voice_runtime.cli.text import DEFAULT_CONFIG, Config, Json, emit_json, emit_table, emit_text

if TYPE_CHECKING:
    from controls.ledger import records as r
    from voice_runtime.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    help="Settings that weaken a control are named bypass, stay red, and take two persons.",
    epilog="Example: sayso bypass list",
)


@app.command("list", epilog="Example: sayso bypass list --json")
def list_weakened(config: Config = DEFAULT_CONFIG, as_json: Json = False) -> None:
    """List which settings weaken a control, and who has confirmed that. Starts nothing.

    What of them is weaker, file by file: `sayso evidence weaker`.
    """
    from controls.floor import CONTROL_OF
    from voice_runtime.bypass_confirmed import Wishes, confirmed_on_record
    from voice_runtime.cli.records import ledger_root
    from voice_runtime.settings import load_settings

    settings = load_settings(config)
    root = ledger_root(settings)
    known = confirmed_on_record(root) if root.exists() else set()
    wishes = Wishes(settings.data_dir)
    rows = [
        {
            "tenant": tenant,
            "setting": setting,
            "weakens": CONTROL_OF[setting],
            "on_record": (tenant, setting) in known,
            "confirmed_by": [wish.by.name for wish in wishes.of((tenant, setting))],
        }
        for tenant, found in sorted(_weakened(settings).items())
        for setting in sorted(found)
    ]
    if as_json:
        emit_json({"weakened": rows})
        return
    emit_table(
        ["tenant", "setting", "weakens", "confirmed"],
        [[str(x["tenant"]), str(x["setting"]), str(x["weakens"]), _confirmed(x)] for x in rows],
        empty="no setting weakens a control",
    )


@app.command(epilog="Example: sayso bypass confirm risk_limits --tenant riverside --as r.okafor")
def confirm(
    setting: Annotated[str, typer.Argument(metavar="SETTING", help="From `sayso bypass list`.")],
    tenant: Annotated[str, typer.Option(metavar="T", help="Whose calls it concerns.")],
    who: Who = "",
    why: Why = "",
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Be one of the two who let calls be taken with a weakened control, within a day of each other.

    Exit 1: somebody else has to confirm it, too. It is on record from the next start on.
    """
    from controls.ledger.unix_sockets import own_account
    from controls.stop import Person
    from voice_runtime.bypass_confirmed import Wish, Wishes
    from voice_runtime.desks import load_people
    from voice_runtime.people import People, written
    from voice_runtime.roster import Asking, Roster
    from voice_runtime.settings import load_settings

    settings = load_settings(config)
    asking = Asking(written(named(settings, who)), own_account())
    roster = Roster.of(load_people(settings.root)[0])
    roster.require("bypass", asking)
    weakened = _weakened(settings)
    bypass = next(((tenant, known) for known in weakened.get(tenant, ()) if known == setting), None)
    if bypass is None:
        found = ", ".join(f"{x} of {t}" for t, every in sorted(weakened.items()) for x in sorted(every))
        raise OperatorError(f"{setting} of tenant {tenant} weakens nothing; weakened: {found or 'nothing'}")
    person = People(settings.data_dir).named(asking.name)
    account = "" if asking.account is None else str(asking.account)
    by = Person(id=person.id, name=person.name, account=account, shared=roster.is_shared(asking.account))
    standing = Wishes(settings.data_dir).confirm(bypass, Wish(by, why, time.time()))
    needs = "" if len(standing) == 2 else "somebody else"
    if as_json:
        emit_json({"tenant": tenant, "setting": setting, "needs": needs})
    elif needs:
        emit_text("confirmed by you; somebody else has to confirm it within a day\n")
    else:
        emit_text("confirmed by two; on record from the next start on, and red until it is taken back\n")
    if needs:
        raise typer.Exit(1)


def _confirmed(row: Mapping[str, object]) -> str:
    if row["on_record"]:
        return "by two, on record"
    by = row["confirmed_by"]
    assert isinstance(by, list)
    return " and ".join(by) or "by nobody"


def _weakened(settings: Settings) -> dict[str, frozenset[r.WeakenedBy]]:
    """Tenant → settings, as a server finds them. Raises ConfigurationError: an agent cannot be resolved."""
    from voice_runtime.bypasses import weakened
    from voice_runtime.cli.records import ledger_root
    from voice_runtime.declared import read_declared
    from voice_runtime.lines import load_lines
    from voice_runtime.resolve import load_release

    lines, root = load_lines(settings.root), ledger_root(settings)
    names = dict.fromkeys(lines.agents())
    releases = [load_release(settings.root, name, settings, lines) for name in names]
    declared = read_declared(root, settings.data_dir) if root.is_dir() else None
    found = weakened(settings, releases, declared)
    return {tenant: frozenset(x.setting for x in every) for tenant, every in found.items() if every}
