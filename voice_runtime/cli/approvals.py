"""`sayso approvals`: what waits for a person, and deciding on it, in the running server."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controls.errors import OperatorError
from voice_runtime.cli.records import NO_NAME_NEEDED, existing, ledger_root, opening_of, record_access
from voice_runtime.cli.text import DEFAULT_CONFIG, Config, Json, emit_json, emit_table, emit_text, profile_of

if TYPE_CHECKING:
    from controls.approval_rates import Decided, Rates
    from controls.ledger import records as r
    from voice_runtime.local import QuestionName
    from voice_runtime.settings import Profile

app = typer.Typer(
    no_args_is_help=True,
    help="Uses of tools that a person decides before they happen. The caller waits on the line meanwhile.",
    epilog="Example: sayso approvals list",
)

Use = Annotated[str, typer.Argument(metavar="ID", help="What waits, from `sayso approvals list`.")]
Who = Annotated[str, typer.Option("--as", metavar="NAME", help="Who you are; goes on record.")]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="Why, for those who review it.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="An argument and its new value (JSON, else text)."),
]


@app.command("list", epilog="Example: sayso approvals list --json")
def list_waiting(config: Config = DEFAULT_CONFIG, as_json: Json = False) -> None:
    """List what waits: ids, roles and times. Opens nothing personal."""
    told = ask(profile_of(config), "approvals.list")
    if as_json:
        emit_json(told)
        return
    emit_table(
        ["id", "call", "role", "risk", "waits for", "left"],
        [
            [x["use"], x["call"], x["role"], str(x["risk"]), f"{x['waited_s']} s", f"{x['left_s']} s"]
            for x in told["waiting"]
        ],
        empty="nothing waits for a person",
    )
    if not told["reached"]:
        emit_text("what waits in other workers is not known: Redis does not answer\n")


@app.command(epilog="Example: sayso approvals show u_7Q2MZ0G4D9RWX3KA --as r.okafor")
def show(
    use: Use,
    who: Who = "",
    purpose: Annotated[str, typer.Option(help="What for; goes on record.")] = "to decide",
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Show what is to be decided: the tool, its arguments, the reasons and what was said.

    Opens personal content: that you looked, and why, is on record before it is told.
    """
    settings = profile_of(config)
    told = ask(settings, "approvals.show", use=use, who=named(settings, who), purpose=purpose)
    if as_json:
        emit_json(told)
        return
    emit_text(f"{told['use']}  {told['role']} decides within {told['left_s']} s  risk {told['risk']}\n\n")
    emit_text(f"{told['tool']} {json.dumps(told['arguments'], ensure_ascii=False)}\n\n{told['shown']}\n")


@app.command(epilog="Example: sayso approvals grant u_7Q2MZ0G4D9RWX3KA --as r.okafor --why 'as agreed'")
def grant(
    use: Use, who: Who = "", why: Why = "", config: Config = DEFAULT_CONFIG, as_json: Json = False
) -> None:
    """Let it happen, exactly as it was shown. Exit 1: somebody else, or the end of the time, came first."""
    _decide(config, as_json, use, "granted", who, why)


@app.command(epilog="Example: sayso approvals edit u_7Q2MZ0G4D9RWX3KA --set day=tuesday --as r.okafor")
def edit(
    use: Use,
    changed: Set = None,
    who: Who = "",
    why: Why = "",
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Have something else proposed: read back where values are, judged, and decided on anew."""
    _decide(config, as_json, use, "edited", who, why, changed=pairs(changed or ()))


@app.command(epilog="Example: sayso approvals refuse u_7Q2MZ0G4D9RWX3KA --as r.okafor --why 'too much'")
def refuse(
    use: Use, who: Who = "", why: Why = "", config: Config = DEFAULT_CONFIG, as_json: Json = False
) -> None:
    """Let it not happen; the agent tells the caller so."""
    _decide(config, as_json, use, "refused", who, why)


@app.command("take-over", epilog="Example: sayso approvals take-over u_7Q2MZ0G4D9RWX3KA --as r.okafor")
def take_over(
    use: Use, who: Who = "", why: Why = "", config: Config = DEFAULT_CONFIG, as_json: Json = False
) -> None:
    """Let it not happen, and have the caller put through to a person, or promised a call-back."""
    _decide(config, as_json, use, "taken_over", who, why)


@app.command(
    epilog="Example: sayso approvals decoy --role compliance --tool refund --set amount=9000 "
    "--shown 'a refund without an order' --as o.head"
)
def decoy(
    role: Annotated[str, typer.Option(metavar="ROLE", help="Who is to notice it.")],
    tool: Annotated[str, typer.Option(metavar="TOOL", help="What it pretends to use.")],
    shown: Annotated[str, typer.Option(metavar="TEXT", help="What is shown with it.")],
    changed: Set = None,
    who: Who = "",
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Leave a request that has to be refused; it comes with the next real one for that role."""
    settings = profile_of(config)
    told = ask(
        settings, "approvals.decoy", role=role, tool=tool, shown=shown, arguments=pairs(changed or ()),
        who=named(settings, who),
    )  # fmt: skip
    if as_json:
        emit_json(told)
    else:
        emit_text(f"it comes with the next request for {told['role']}\n")


@app.command(epilog="Example: sayso approvals stats --as r.okafor --json")
def stats(
    who: Who = "",
    purpose: Annotated[str, typer.Option(help="What for; goes on record.")] = "how people decide",
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """How often people grant, how long they take, and whether they notice decoys; by person.

    Which requests were decoys is sealed: that you looked is on record before it is opened.
    """
    from controls.ledger.reader import Reader

    settings = profile_of(config)
    name = named(settings, who)
    with Reader.open(existing(ledger_root(settings))) as reader:
        found = [e.record for e in reader.records() if _is_decision(e.record)]
        for tenant in dict.fromkeys(record.tenant for record in found):
            _looked(settings, tenant, name, purpose)
        opened = [(record, reader.personal(record)) for record in found]
    everybody, each = _rates(opened)
    if as_json:
        from dataclasses import asdict

        emit_json(
            {"everybody": asdict(everybody), "people": {by: asdict(found) for by, found in each.items()}}
        )
        return
    emit_table(
        ["person", "decided", "granted", "median", "decoys", "caught", "expired", "late"],
        [_line("everybody", everybody), *(_line(by, found) for by, found in sorted(each.items()))],
        empty="",
    )


# --- inside -----------------------------------------------------------------------------------------


def ask(settings: Profile, question: QuestionName, **fields: Any) -> dict[str, Any]:
    """Ask the running server.

    Raises:
        OperatorError: none runs, or it refuses.
        LedgerError: it could not be put on record.
    """
    from voice_runtime.local import ask_server

    told = ask_server(settings.data_dir, question, **fields)
    if told is None:
        raise OperatorError(
            f"no server runs on {settings.data_dir}: start it with `sayso serve`, or give its --config"
        )
    return told


def named(settings: Profile, who: str) -> str:
    """Who acts: as said, or (where nothing is a real caller's) the account.

    Raises:
        OperatorError: not said, where it must be.
    """
    if who:
        return who
    if settings.environment not in NO_NAME_NEEDED:
        raise OperatorError(f"in {settings.environment} say who you are: --as NAME")
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no such account, as in some containers
        raise OperatorError("this account has no name: say who you are with --as NAME") from None


def pairs(changed: Iterable[str]) -> dict[str, Any]:
    """``field=value`` each; a value that is JSON is read as that.

    Raises:
        OperatorError: one has no name or no value.
    """
    found: dict[str, Any] = {}
    for pair in changed:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise OperatorError(f"{pair!r} is not FIELD=VALUE, such as --set day=tuesday")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def _decide(
    config: Path,
    as_json: bool,
    use: str,
    word: str,
    who: str,
    why: str,
    *,
    changed: dict[str, Any] | None = None,
) -> None:
    settings = profile_of(config)
    told = ask(
        settings, "approvals.decide", use=use, word=word, who=named(settings, who), why=why,
        changed=changed or {},
    )  # fmt: skip
    if as_json:
        emit_json(told)
    elif not told["counts"]:
        emit_text(f"too late: it is {told['state']} already; your decision is on record as late\n")
    elif told["becomes"]:
        emit_text(f"on record: it is proposed anew as {told['becomes']}, and waits for a grant of its own\n")
    else:
        emit_text(f"on record: {told['state'].replace('_', ' ')}\n")
    if not told["counts"]:
        raise typer.Exit(1)


def _is_decision(record: r.Record) -> bool:
    from controls.ledger import records as r

    return isinstance(record, r.ApprovalDecided | r.ApprovalExpired | r.ApprovalLate)


def _looked(settings: Profile, tenant: str, who: str, purpose: str) -> None:
    """Through the running server, or into the record itself where none runs.

    Raises:
        LedgerError: it is not on record, so nothing may be opened.
    """
    from controls.ledger import records as r
    from controls.ledger.reader import Reader

    with Reader.open(existing(ledger_root(settings))) as reader:
        calls = [c.call for view in reader.views() if view.tenant == tenant for c in view.calls(1)]
        region = opening_of(reader, calls[0]).region if calls else "local"
    details = r.AccessDetails(who=who, purpose=purpose)
    record_access(settings, tenant, region, None, details, what="approvals")


def _rates(opened: list[tuple[Any, Any]]) -> tuple[Rates, dict[str, Rates]]:
    """Of everybody, and of each person by their opaque id. What was erased counts as a real request."""
    from controls.approval_rates import Decided, rates
    from controls.ledger import records as r

    decided: list[Decided] = []
    late: list[str] = []
    expired = 0
    for record, sealed in opened:
        is_decoy = bool(sealed is not None and sealed.decoy)
        if isinstance(record, r.ApprovalDecided):
            word: Any = record.type.rpartition(".")[2]
            decided.append(Decided(record.by, word, record.after_s, is_decoy))
        elif isinstance(record, r.ApprovalLate):
            late.append(record.by)
        else:
            expired += not is_decoy
    people = dict.fromkeys([*(d.by for d in decided), *late])
    each = {by: rates([d for d in decided if d.by == by], late=late.count(by)) for by in people}
    return rates(decided, expired=expired, late=len(late)), each


def _line(who: str, found: Rates) -> list[str]:
    share = "–" if found.approval_rate is None else f"{found.approval_rate:.0%}"
    median = "–" if found.median_s is None else f"{found.median_s:g} s"
    counts = (found.decoys, found.caught, found.expired, found.late)
    return [who, str(found.decided), share, median, *map(str, counts)]
