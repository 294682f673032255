"""`sayso bypass`: which controls the configuration weakens, and the two persons who confirm it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from controls.errors import OperatorError
from voice_runtime.cli.approvals import Who, Why, named
from voice_runtime.cli.text import DEFAULT_CONFIG, Config, Json, emit_json, emit_table, emit_text

if TYPE_CHECKING:
    from voice_runtime.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    help="Settings that weaken a control are named bypass, stay red, and take two persons.",
    epilog="Example: sayso bypass list",
)


@app.command("list", epilog="Example: sayso bypass list --json")
def list_weakened(config: Config = DEFAULT_CONFIG, as_json: Json = False) -> None:
    """List what the configuration weakens, and who has confirmed it. Starts nothing."""
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
            "control": control,
            "on_record": (tenant, control) in known,
            "confirmed_by": [wish.by.name for wish in wishes.of((tenant, control))],
        }
        for tenant, controls in sorted(_weakened(settings).items())
        for control in sorted(controls)
    ]
    if as_json:
        emit_json({"weakened": rows})
        return
    emit_table(
        ["tenant", "control", "confirmed"],
        [[str(x["tenant"]), str(x["control"]), _confirmed(x)] for x in rows],
        empty="no setting weakens a control",
    )


@app.command(epilog="Example: sayso bypass confirm guard --tenant riverside --as r.okafor --why 'a trial'")
def confirm(
    control: Annotated[str, typer.Argument(metavar="CONTROL", help="From `sayso bypass list`.")],
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
    if control not in weakened.get(tenant, ()):
        found = ", ".join(f"{c} of {t}" for t, every in sorted(weakened.items()) for c in sorted(every))
        raise OperatorError(
            f"no setting weakens the {control} of tenant {tenant}; weakened: {found or 'nothing'}"
        )
    person = People(settings.data_dir).named(asking.name)
    account = "" if asking.account is None else str(asking.account)
    by = Person(id=person.id, name=person.name, account=account, shared=roster.is_shared(asking.account))
    standing = Wishes(settings.data_dir).confirm((tenant, control), Wish(by, why, time.time()))
    needs = "" if len(standing) == 2 else "somebody else"
    if as_json:
        emit_json({"tenant": tenant, "control": control, "needs": needs})
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


def _weakened(settings: Settings) -> dict[str, frozenset[str]]:
    """Tenant → controls. Raises ConfigurationError: an agent cannot be resolved."""
    from voice_runtime.bypasses import weakened
    from voice_runtime.lines import load_lines
    from voice_runtime.resolve import load_release

    lines = load_lines(settings.root)
    names = dict.fromkeys(lines.agents())
    releases = [load_release(settings.root, name, settings, lines) for name in names]
    found = weakened(settings, releases)
    return {tenant: frozenset(map(str, controls)) for tenant, controls in found.items() if controls}
