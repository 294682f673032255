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
from voice_runtime.agent import Release
from voice_runtime.desks import load_desks, load_people
from voice_runtime.eval_file import load_evals
from voice_runtime.lines import Lines, known_agents, load_lines
from voice_runtime.new_agent import write_agent
from voice_runtime.offline.script import load_script
from voice_runtime.resolve import resolve
from voice_runtime.schemas import SCHEMAS, schema, stale, write
from voice_runtime.settings import DEFAULT_PROFILE, Settings, load_settings
from voice_runtime.yaml_file import read_text

app = typer.Typer(no_args_is_help=True, help="Agent folders: list them, check them, start a new one.")

Config = Annotated[
    Path, typer.Option("--config", metavar="PROFILE", help="The profile they are to run with.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


@app.command("list", epilog="Example: sayso agents list --json")
def list_(config: Config = DEFAULT_PROFILE, as_json: AsJson = False) -> None:
    """List agents with version, lines and state."""
    settings, lines = _configured(config)
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


@app.command(epilog="Example: sayso agents new front-desk")
def new(
    name: Annotated[str, typer.Argument(help="Its folder's name, such as front-desk.")],
    config: Config = DEFAULT_PROFILE,
    as_json: AsJson = False,
) -> None:
    """Start a new agent folder that validates as it is."""
    try:
        settings = load_settings(config, environ=_AnyVariable())
        root = settings.root
        people, desks = load_people(root)[0], load_desks(root)[0]
        text = read_text(root / "configs/retention.yaml", root)
        schedules = parse_retention(text, "configs/retention.yaml")
        files = write_agent(
            root,
            name,
            owner=_one(people.roles, "role in configs/people.yaml"),
            desk=_one(desks.desks, "desk in configs/desks.yaml"),
            schedule=_one(schedules, "schedule in configs/retention.yaml"),
            voice=next(iter(settings.voice.voices)),
            meets="eu-ai-act",
        )
    except SayError as error:
        _fail(error)
    if as_json:
        _print_json({"agent": name, "files": files})
        return
    for file in files:
        typer.echo(f"wrote   {file}")
    typer.echo(f"next    write purpose, facts and prompt; then: sayso agents validate {name}")


@app.command("schema", epilog="Example: sayso agents schema profile")
def schema_(
    write_files: Annotated[bool, typer.Option("--write", help="Publish all schemas again.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Exit 1 when a published one is stale.")] = False,
    kind: Annotated[
        str, typer.Argument(help="agent, offline, eval, profile, lines, services, desks, people, phrases")
    ] = "agent",
    config: Config = DEFAULT_PROFILE,
) -> None:
    """Print the JSON Schema of a kind of file, or publish all of them."""
    kinds = {Path(path).name.partition(".")[0]: model for path, model in SCHEMAS.items()}
    if write_files or check:
        try:
            root = load_settings(config, environ=_AnyVariable()).root
        except SayError as error:
            _fail(error)
        names = write(root) if write_files else stale(root)
        for path in names:
            typer.echo(f"{'wrote' if write_files else 'stale':<8}{path}")
        raise typer.Exit(1 if check and not write_files and names else 0)
    if kind not in kinds:
        _fail(OperatorError(f"there is no kind of file '{kind}': write one of {', '.join(kinds)}"))
    _print_json(schema(kinds[kind]))


def check_agent(settings: Settings, name: str, lines: Lines | None) -> tuple[list[Problem], Release | None]:
    """Everything that can be said of one agent: its release, its script, its conversations."""
    release, problems = resolve(settings.root, name, settings, lines)
    folder = settings.root / "agents" / name
    if (folder / "offline.yaml").is_file() and not any(p.file.endswith("/offline.yaml") for p in problems):
        try:
            load_script(folder / "offline.yaml", settings.root)
        except ConfigurationError as error:
            problems += error.problems
    if release is not None and release.rules is not None:
        rules = [f"{p.pack}/{r.name}" for p in release.rules.packs for r in p.rules]
        tools = [t.name for t in release.tools]
        problems += load_evals(settings.root, name, tools=tools, phrases=release.phrases, rules=rules)[1]
    return problems, release


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


def _configured(config: Path) -> tuple[Settings, Lines]:
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
