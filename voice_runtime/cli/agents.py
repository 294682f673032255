"""``sayso agents …``: list, check and start agent folders, and publish the files' schemas."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from controls.errors import ConfigurationError, OperatorError, Problem, SayError
from controls.retention import parse_retention
from voice_runtime import reference
from voice_runtime.agent import Release
from voice_runtime.agent_checks import unserved_languages
from voice_runtime.cli.mcp_tools import mcp_tools
from voice_runtime.cli.try_tool import try_tool
from voice_runtime.desks import Desk, load_desks, load_people
from voice_runtime.eval_file import evals_of
from voice_runtime.lines import Lines, known_agents, load_lines
from voice_runtime.new_agent import Made, add_lines, line_to_add, write_blank, write_copy
from voice_runtime.offline.book_file import FOLDER as BOOKS
from voice_runtime.offline.book_file import load_book
from voice_runtime.offline.script import load_script
from voice_runtime.resolve import RETENTION_FILE, resolve
from voice_runtime.schemas import SCHEMAS, schema, stale, write
from voice_runtime.settings import DEFAULT_PROFILE, Settings, load_settings
from voice_runtime.yaml_file import read_text

#: Kind of file → its model, named as its published schema is.
KINDS = {Path(path).name.partition(".")[0]: model for path, model in SCHEMAS.items()}

app = typer.Typer(no_args_is_help=True, help="Agent folders: list them, check them, start a new one.")

Config = Annotated[
    Path, typer.Option("--config", metavar="PROFILE", help="The profile they are to run with.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


app.command(
    "try-tool", epilog='Example: sayso agents try-tool healthcare find_slots --args \'{"doctor": "Patel"}\''
)(try_tool)
app.command("mcp-tools", epilog="Example: sayso agents mcp-tools calendar")(mcp_tools)


@app.command("list", epilog="Example: sayso agents list --json")
def list_(config: Config = DEFAULT_PROFILE, as_json: AsJson = False) -> None:
    """List agents with version, lines and state."""
    settings, lines = configured(config)
    rows = []
    for name in known_agents(settings.root):
        release, problems = resolve(settings.root, name, settings, lines)
        errors = sum(p.severity == "error" for p in problems)
        rows.append(
            {
                "name": name,
                "title": release.title if release else "",
                "digest": release.digest if release else None,
                "approved": False,
                "lines": [line.name for line in lines.of(name)],
                "errors": errors,
                "warnings": len(problems) - errors,
            }
        )
    if as_json:
        _print_json({"agents": rows})
        return
    for row in rows:
        state = f"{row['errors']} errors" if row["errors"] else "unapproved"
        digest = str(row["digest"])[:19] + "…" if row["digest"] else "not resolved"
        typer.echo(f"{row['name']:<20} {digest:<22} {state:<12} {row['title']}")


@app.command(epilog="Example: sayso agents validate healthcare")
def validate(
    name: Annotated[str | None, typer.Argument(help="An agent; all of them without it.")] = None,
    config: Config = DEFAULT_PROFILE,
    as_json: AsJson = False,
) -> None:
    """Check agents and the configuration they use; exit code 2 when there are errors."""
    problems: list[Problem] = []
    digests: dict[str, str] = {}
    settings = _settings_or(problems, config)
    if settings is not None:
        lines = _lines_or(problems, settings)
        for agent in [name] if name else known_agents(settings.root):
            found, release = check_agent(settings, agent, lines)
            problems += [p for p in found if p not in problems]
            if release is not None:
                digests[agent] = release.digest
        if not name and not known_agents(settings.root):
            remedy = "make one with: sayso agents new NAME"
            problems.append(Problem("agents", 0, "", "there is no agent", remedy))
    errors = sum(p.severity == "error" for p in problems)
    if as_json:
        rows = [{s: getattr(p, s) for s in Problem.__slots__} for p in problems]
        _print_json({"ok": not errors, "problems": rows, "agents": digests})
    else:
        for problem in problems:
            typer.echo(f"{problem.severity:<8}{problem}", err=problem.severity == "error")
        for agent, digest in digests.items():
            typer.echo(f"ok      {agent} {digest}")
        if errors:
            typer.echo(f"{errors} error{'s' if errors > 1 else ''}", err=True)
    raise typer.Exit(2 if errors else 0)


@app.command(epilog="Example: sayso agents new front-desk --from healthcare")
def new(
    name: Annotated[str, typer.Argument(help="Its folder's name, such as front-desk.")],
    source: Annotated[
        str,
        typer.Option("--from", metavar="AGENT", help="Copy this agent; else the least there can be."),
    ] = "",
    language: Annotated[
        list[str] | None,
        typer.Option(metavar="TAG", help="A language it serves, such as es-US; may be repeated."),
    ] = None,
    with_lines: Annotated[
        bool, typer.Option("--lines/--no-lines", help="Give it a web entry and a fictional number.")
    ] = True,
    config: Config = DEFAULT_PROFILE,
    as_json: AsJson = False,
) -> None:
    """Start a new agent folder that validates and holds its conversations as it is."""
    try:
        settings = load_settings(config, environ=_AnyVariable())
        root = settings.root
        made = _make(settings, name, source, language or [])
        release, problems = resolve(root, name, settings)
        unserved = unserved_languages(release, settings) if release is not None else ()
        if with_lines and release is not None and release.language not in unserved:
            made = add_lines(root, made, name, like=source)
        lines = load_lines(root)
    except SayError as error:
        _fail(error)
    problems, release = check_agent(settings, name, lines)
    if as_json:
        rows = [{s: getattr(p, s) for s in Problem.__slots__} for p in problems]
        digest = release.digest if release is not None else None
        _print_json(
            {"agent": name, "files": made.files, "lines": made.lines, "digest": digest, "problems": rows}
        )
    else:
        _tell(name, made, problems, release, settings, line_to_add(name, lines))
    raise typer.Exit(0 if release is not None else 2)


def _make(settings: Settings, name: str, source: str, languages: list[str]) -> Made:
    if source:
        return write_copy(settings.root, name, source, languages)
    root = settings.root
    people, desks = load_people(root)[0], load_desks(root)[0]
    text = read_text(root / RETENTION_FILE, root)
    return write_blank(
        root,
        name,
        languages,
        owner=_one(people.roles, "role in configs/people.yaml"),
        desk=_one(_in_every(desks.desks, languages[1:]), "desk in configs/desks.yaml with titles in them"),
        schedule=_one(parse_retention(text, RETENTION_FILE.as_posix()), "schedule in configs/retention.yaml"),
        voice=next(iter(settings.voice.voices)),
    )


def _in_every(desks: Mapping[str, Desk], languages: list[str]) -> dict[str, Desk]:
    """Desks that have a title in each of these languages."""
    return {name: desk for name, desk in desks.items() if all(la in desk.titles for la in languages)}


def _tell(
    name: str, made: Made, problems: list[Problem], release: Release | None, settings: Settings, entry: str
) -> None:
    for file in made.files:
        typer.echo(f"wrote   {file}")
    for line in made.lines:
        typer.echo(f"line    {line}{f'  {made.number}' if line == made.lines[0] else f'  /call/{name}'}")
    for problem in problems:
        typer.echo(f"{problem.severity:<8}{problem}", err=problem.severity == "error")
    if release is not None:
        typer.echo(f"ok      {name} {release.digest}")
    port = settings.server.port
    steps = [
        (f"sayso evals run {name}", "have its conversations"),
        ("sayso serve", f"then talk to it: http://127.0.0.1:{port}/call/{name}"),
        (
            f"sayso agents validate {name}",
            f"after each change in agents/{name}: purpose, facts, tools …",
        ),
    ]
    if not made.lines:
        steps.insert(1, ("configs/lines.yaml", f"add a line, so that calls reach it: {entry.strip()}"))
    for i, (what, why) in enumerate(steps):
        typer.echo(f"{'next' if not i else '':<8}{what:<34} {why}")


@app.command("schema", epilog="Example: sayso agents schema profile")
def schema_(
    write_files: Annotated[bool, typer.Option("--write", help="Publish all schemas again.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Exit 1 when a published one is stale.")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help=f"{reference.PAGE.as_posix()} instead of the schemas.")
    ] = False,
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")] = "agent",
    config: Config = DEFAULT_PROFILE,
) -> None:
    """Print the JSON Schema of a kind of file, or publish all of them; or the reference made of them."""
    if markdown and not (write_files or check):
        sys.stdout.write(reference.page())
        return
    if write_files or check:
        try:
            root = load_settings(config, environ=_AnyVariable()).root
        except SayError as error:
            _fail(error)
        if markdown:
            names = reference.write(root) if write_files else reference.stale(root)
        else:
            names = write(root) if write_files else stale(root)
        for path in names:
            typer.echo(f"{'wrote' if write_files else 'stale':<8}{path}")
        raise typer.Exit(1 if check and not write_files and names else 0)
    if kind not in KINDS:
        _fail(OperatorError(f"there is no kind of file '{kind}': write one of {', '.join(KINDS)}"))
    _print_json(schema(KINDS[kind]))


def check_agent(settings: Settings, name: str, lines: Lines | None) -> tuple[list[Problem], Release | None]:
    """Everything that can be said of one agent: its release, its script, its conversations."""
    release, problems = resolve(settings.root, name, settings, lines)
    for file in sorted((settings.root / "agents" / name).glob("offline*.yaml")):
        if any(p.severity == "error" and p.file.endswith(f"/{file.name}") for p in problems):
            continue
        try:
            load_script(file, settings.root)
        except ConfigurationError as error:
            problems += error.problems
    if release is not None:
        problems += evals_of(settings.root, release)[1]
        problems += _book_problems(settings, release)
    return problems, release


def _book_problems(settings: Settings, release: Release) -> list[Problem]:
    """What is wrong with the books of the embedded services the agent's tools use."""
    problems: list[Problem] = []
    for service in sorted({tool.service for tool in release.tools}):
        if (address := settings.services.get(service)) is not None and address.embedded:
            try:
                load_book(settings.root / BOOKS / f"{service}.yaml", settings.root)
            except ConfigurationError as error:
                problems += error.problems
    return problems


# --- inside ---------------------------------------------------------------------------------------


class _AnyVariable(dict[str, str]):
    """An environment in which every secret is set: checking a file needs none of them."""

    def get(self, key: str, default: Any = None) -> Any:
        return "unset"


def _settings_or(problems: list[Problem], config: Path) -> Settings | None:
    try:
        return load_settings(config, environ=_AnyVariable())
    except ConfigurationError as error:
        problems += error.problems
        return None


def _lines_or(problems: list[Problem], settings: Settings) -> Lines | None:
    try:
        return load_lines(settings.root)
    except ConfigurationError as error:
        problems += error.problems
        return None


def configured(config: Path) -> tuple[Settings, Lines]:
    try:
        settings = load_settings(config, environ=_AnyVariable())
        return settings, load_lines(settings.root)
    except SayError as error:
        _fail(error)


def _one(found: Mapping[str, object], what: str) -> str:
    for name in found:
        return str(name)
    raise OperatorError(f"there is no {what}: add one first")


def _print_json(data: object) -> None:
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def _fail(error: SayError) -> NoReturn:
    typer.echo(str(error), err=True)
    raise typer.Exit(error.exit_code) from None
