"""`sayso stop` and `sayso resume`: the stop switch of the running server."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from controls.errors import OperatorError
from voice_runtime.cli.approvals import Who, Why, ask, named
from voice_runtime.cli.text import DEFAULT_CONFIG, Config, Json, emit_json, emit_table, emit_text, profile_of

if TYPE_CHECKING:
    from voice_runtime.settings import Profile

stop_app = typer.Typer()
resume_app = typer.Typer()

Agent = Annotated[str, typer.Option("--agent", metavar="A", help="An agent, by its folder's name.")]
Tenant = Annotated[str, typer.Option("--tenant", metavar="T", help="A tenant, with all its lines.")]
Tool = Annotated[str, typer.Option("--tool", metavar="X", help="A tool, in every agent that has it.")]
All = Annotated[bool, typer.Option("--all", help="Everything that takes calls here.")]


@stop_app.command(epilog="Example: sayso stop --agent healthcare --as r.okafor --why 'wrong opening hours'")
def stop(
    agent: Agent = "",
    tenant: Tenant = "",
    tool: Tool = "",
    everything: All = False,
    shown: Annotated[bool, typer.Option("--list", help="Only list what is stopped.")] = False,
    who: Who = "",
    why: Why = "",
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Stop it within two seconds, also on running calls: callers are told politely and get a person.

    One person is enough. It stays stopped over a restart, until two persons have resumed it.
    Exit 1: stopped, and other workers of the house cannot be told yet, or who you are could not be kept.
    """
    settings = profile_of(config)
    if shown:
        _list(settings, as_json)
        return
    kind, name = _scope(agent, tenant, tool, everything)
    told = ask(settings, "stops.stop", kind=kind, name=name, who=named(settings, who), why=why)
    if as_json:
        emit_json(told)
    elif told["already"]:
        emit_text("it was stopped already; whoever had asked to resume it has to ask again\n")
    else:
        emit_text("stopped; two different persons resume it: sayso resume\n")
    if told["unnamed"] and not as_json:
        emit_text(f"it is stopped, and on record with your name only: {told['unnamed']}\n")
    if not (told["everywhere"] or as_json):
        emit_text("other workers cannot be told before Redis answers: stop each of them, with its --config\n")
    if told["unnamed"] or not told["everywhere"]:
        raise typer.Exit(1)


@resume_app.command(epilog="Example: sayso resume --agent healthcare --as r.okafor --why 'hours corrected'")
def resume(
    agent: Agent = "",
    tenant: Tenant = "",
    tool: Tool = "",
    everything: All = False,
    who: Who = "",
    why: Why = "",
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Let it run again. Two different persons ask for it within an hour; the second one's wish does it.

    Exit 1: it stays stopped until somebody else asks, too.
    """
    settings = profile_of(config)
    kind, name = _scope(agent, tenant, tool, everything)
    told = ask(settings, "stops.resume", kind=kind, name=name, who=named(settings, who), why=why)
    if as_json:
        emit_json(told)
    elif told["stopped"]:
        emit_text("asked for; it stays stopped until somebody else asks for it within an hour\n")
    else:
        emit_text("it runs again\n")
    if told["stopped"]:
        raise typer.Exit(1)


def _scope(agent: str, tenant: str, tool: str, everything: bool) -> tuple[str, str]:
    """Raises OperatorError: not exactly one was named."""
    given = [(k, n) for k, n in (("agent", agent), ("tenant", tenant), ("tool", tool)) if n]
    given += [("everything", "")] * everything
    if len(given) != 1:
        raise OperatorError("say what: one of --agent A, --tenant T, --tool X or --all")
    return given[0]


def _list(settings: Profile, as_json: bool) -> None:
    told = ask(settings, "stops.list")
    if as_json:
        emit_json(told)
        return
    emit_table(
        ["stopped", "since", "by", "why", "resuming asked by"],
        [
            [
                f"{x['kind']} {x['name']}".rstrip(),
                datetime.fromtimestamp(x["at_s"], UTC).isoformat().replace("+00:00", "Z"),
                x["by"],
                x["why"],
                x["resume_asked_by"] or "",
            ]
            for x in told["stopped"]
        ],
        empty="nothing is stopped",
    )
    if not told["reached"]:
        emit_text("what other workers stopped since is not known: Redis does not answer\n")
