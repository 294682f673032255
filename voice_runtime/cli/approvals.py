"""`sayso approvals`: what waits for a person, and deciding on it, in the running server."""

from __future__ import annotations

import getpass
import json
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controls.errors import LedgerError, OperatorError
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

#: How often `list --watch` looks, s.
WATCH_EVERY_S = 2.0

Use = Annotated[str, typer.Argument(metavar="ID", help="What waits, from `sayso approvals list`.")]
Who = Annotated[str, typer.Option("--as", metavar="NAME", help="Who you are; goes on record.")]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="Why, for those who review it.")]
Blind = Annotated[
    bool, typer.Option("--blind", help="Decide without having been shown it; the record says so.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="An argument and its new value (JSON, else text)."),
]


@app.command("list", epilog="Example: sayso approvals list --watch")
def list_waiting(
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on, and say what comes and what is over.")
    ] = False,
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """List what waits: ids, roles and times. Opens nothing personal."""
    settings = profile_of(config)
    if watch:
        with suppress(KeyboardInterrupt):
            _watch(settings, as_json)
        return
    told = ask(settings, "approvals.list")
    if as_json:
        emit_json(told)
        return
    emit_table(
        ["id", "role", "risk", "waits for", "left"],
        [
            [x["use"], x["role"], str(x["risk"]), f"{x['waited_s']} s", f"{x['left_s']} s"]
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
    else:
        _print_shown(told)


def _watch(settings: Profile, as_json: bool) -> None:
    """Say what comes (with a bell, where somebody sits at it) and what is over, until it is interrupted.

    A server that is restarted is waited for.

    Raises:
        OperatorError: none runs at the start.
    """
    known: dict[str, Any] = {}
    told: dict[str, Any] | None = ask(settings, "approvals.list")
    while True:
        if told is not None:
            rows = {row["use"]: row for row in told["waiting"]}
            for use in known.keys() - rows.keys():
                _say(as_json, {"over": use}, f"{use}  over")
            for use in rows.keys() - known.keys():
                row = rows[use]
                bell = "\a" if sys.stdout.isatty() else ""
                text = f"{use}  {row['role']} decides within {row['left_s']} s  risk {row['risk']}{bell}"
                _say(as_json, {"waits": row}, text)
            known = rows
        _pause()
        before, told = told, _list_of(settings)
        if told is None and before is not None:
            _say(as_json, {"server": False}, "the server does not answer; waiting for it")


def _list_of(settings: Profile) -> dict[str, Any] | None:
    try:
        return ask(settings, "approvals.list")
    except (OperatorError, LedgerError):
        return None


def _say(as_json: bool, row: dict[str, Any], text: str) -> None:
    """One line, at once: whoever watches reads it through a pipe, too."""
    typer.echo(json.dumps(row) if as_json else text)
    sys.stdout.flush()


def _pause() -> None:
    time.sleep(WATCH_EVERY_S)


def _print_shown(told: dict[str, Any]) -> None:
    emit_text(f"{told['use']}  {told['role']} decides within {told['left_s']} s  risk {told['risk']}\n\n")
    emit_text(f"{told['tool']} {json.dumps(told['arguments'], ensure_ascii=False)}\n\n{told['shown']}\n")


@app.command(epilog="Example: sayso approvals grant u_7Q2MZ0G4D9RWX3KA --as r.okafor --why 'as agreed'")
def grant(
    use: Use,
    who: Who = "",
    why: Why = "",
    blind: Blind = False,
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Let it happen, exactly as it was shown. Exit 1: somebody else, or the end of the time, came first.

    Whoever has not been shown it yet is shown it now, and asked; without a terminal, `approvals show` comes
    first, or --blind.
    """
    _decide(config, as_json, use, "granted", who, why, blind=blind)


@app.command(epilog="Example: sayso approvals edit u_7Q2MZ0G4D9RWX3KA --set day=tuesday --as r.okafor")
def edit(
    use: Use,
    changed: Set = None,
    who: Who = "",
    why: Why = "",
    blind: Blind = False,
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Have something else proposed: read back where values are, judged, and decided on anew."""
    _decide(config, as_json, use, "edited", who, why, blind=blind, changed=pairs(changed or ()))


@app.command(epilog="Example: sayso approvals refuse u_7Q2MZ0G4D9RWX3KA --as r.okafor --why 'too much'")
def refuse(
    use: Use,
    who: Who = "",
    why: Why = "",
    blind: Blind = False,
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Let it not happen; the agent tells the caller so."""
    _decide(config, as_json, use, "refused", who, why, blind=blind)


@app.command("take-over", epilog="Example: sayso approvals take-over u_7Q2MZ0G4D9RWX3KA --as r.okafor")
def take_over(
    use: Use,
    who: Who = "",
    why: Why = "",
    blind: Blind = False,
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Let it not happen, and have the caller put through to a person, or promised a call-back."""
    _decide(config, as_json, use, "taken_over", who, why, blind=blind)


@app.command(
    epilog="Example: sayso approvals decoy --role compliance --tool refund --set amount=9000 "
    "--said 'caller: refund me for a visit i never had' --as o.head"
)
def decoy(
    role: Annotated[str, typer.Option(metavar="ROLE", help="Who is to notice it.")],
    tool: Annotated[
        str, typer.Option(metavar="TOOL", help="What it pretends to use; a real request for it comes first.")
    ],
    said: Annotated[
        list[str],
        typer.Option(metavar="LINE", help="'caller: …' or 'agent: …', a line a turn, the newest last."),
    ],
    changed: Set = None,
    who: Who = "",
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Leave a request that has to be refused; it comes some seconds behind the next real one like it.

    Whoever leaves it decides nothing about it.
    """
    settings = profile_of(config)
    told = ask(
        settings, "approvals.decoy", role=role, tool=tool, said=said, arguments=pairs(changed or ()),
        who=named(settings, who),
    )  # fmt: skip
    if as_json:
        emit_json(told)
    else:
        emit_text(f"it comes behind the next {told['tool']} for {told['role']}\n")


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
        [
            "person",
            "decided",
            "granted",
            "median",
            "blind",
            "decoys",
            "caught",
            "decoys granted",
            "decoys undecided",
            "expired",
            "late",
        ],
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
    blind: bool,
    changed: dict[str, Any] | None = None,
) -> None:
    settings = profile_of(config)
    name = named(settings, who)

    def decide() -> dict[str, Any]:
        return ask(
            settings, "approvals.decide", use=use, word=word, who=name, why=why, blind=blind,
            changed=changed or {},
        )  # fmt: skip

    told = decide()
    if told["needs"] == "shown":
        _look_first(settings, use, name, word, as_json)
        told = decide()
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


def _look_first(settings: Profile, use: str, who: str, word: str, as_json: bool) -> None:
    """Show it, and have them say yes: nobody signs that they were shown what they were not.

    Raises:
        OperatorError: there is no terminal to show it on, or they did not say yes.
    """
    if as_json or not sys.stdin.isatty():
        raise OperatorError(
            f"you have not been shown it: `sayso approvals show {use} --as NAME` first, or --blind, "
            "which goes on record"
        )
    _print_shown(ask(settings, "approvals.show", use=use, who=who, purpose="to decide"))
    if not typer.confirm(f"\nPut on record as {word.replace('_', ' ')}?"):
        raise OperatorError("nothing was decided; it still waits")


def _is_decision(record: r.Record) -> bool:
    from controls.ledger import records as r

    return isinstance(record, r.ApprovalDecided | r.ApprovalExpired | r.ApprovalAbandoned | r.ApprovalLate)


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

    decided: dict[str, Decided] = {}
    late: list[str] = []
    expired = undecided = 0
    for record, sealed in opened:
        is_decoy = bool(sealed is not None and sealed.decoy)
        if isinstance(record, r.ApprovalDecided):
            word: Any = record.type.rpartition(".")[2]
            decided[record.use] = Decided(record.by, word, record.after_s, is_decoy, record.blind)
        elif isinstance(record, r.ApprovalLate):
            late.append(record.by)
        else:
            undecided += is_decoy and record.use not in decided
            expired += isinstance(record, r.ApprovalExpired) and not is_decoy
    every = list(decided.values())
    people = dict.fromkeys([*(d.by for d in every), *late])
    each = {by: rates([d for d in every if d.by == by], late=late.count(by)) for by in people}
    return rates(every, expired=expired, late=len(late), undecided=undecided), each


def _line(who: str, found: Rates) -> list[str]:
    share = "–" if found.approval_rate is None else f"{found.approval_rate:.0%}"
    median = "–" if found.median_s is None else f"{found.median_s:g} s"
    counts = (
        found.blind, found.decoys, found.caught, found.granted_decoys, found.undecided_decoys, found.expired,
        found.late,
    )  # fmt: skip
    return [who, str(found.decided), share, median, *map(str, counts)]
