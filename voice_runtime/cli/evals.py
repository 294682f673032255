"""``sayso evals …``: an agent's scripted conversations on its real parts, judged from the record alone."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voice_runtime.cli.text import DEFAULT_CONFIG, Config, Json, emit_json

if TYPE_CHECKING:
    from voice_runtime.eval_file import EvalFile
    from voice_runtime.evals import EvalResult
    from voice_runtime.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Scripted conversations: have them, and see what did not hold.")


@app.callback()
def _evals() -> None:
    """Keeps ``run`` a command of its own while it is the only one."""


@app.command(epilog="Example: sayso evals run healthcare --case emergency")
def run(
    agent: Annotated[str, typer.Argument(help="An agent's folder, such as healthcare.")],
    case: Annotated[list[str] | None, typer.Option("--case", help="Only this one; may be repeated.")] = None,
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the records of these calls there.")
    ] = None,
    config: Config = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Have an agent's conversations; exit code 1 when one does not hold, 2 when one cannot be had.

    Rules, model, tools, voice and record are those of a real call; only the ear and the
    carrier are typed. Records go to a directory of their own, bookings to books of their own.
    """
    import voice_runtime.rehearsal  # noqa: F401 - loaded before there is a loop that it would block
    from controls.errors import ConfigurationError, OperatorError
    from voice_runtime.cli.text import settings_of
    from voice_runtime.eval_file import FOLDER, evals_of
    from voice_runtime.lines import load_lines
    from voice_runtime.resolve import load_release

    settings = settings_of(config)
    release = load_release(settings.root, agent, settings, load_lines(settings.root))
    cases, problems = evals_of(settings.root, release)
    if problems:
        raise ConfigurationError(problems)
    if not cases:
        raise OperatorError(f"agent {agent} has no conversations: write one in agents/{agent}/{FOLDER}")
    if unknown := [name for name in case or () if name not in cases]:
        raise OperatorError(f"agent {agent} has no conversation {unknown[0]}: it has {', '.join(cases)}")
    chosen = {name: found for name, found in cases.items() if not case or name in case}
    show = _silent if as_json else _line
    if not as_json:
        typer.echo(f"agent   {agent}  {release.digest}")
    if keep is not None:
        results = asyncio.run(_have(settings, agent, chosen, keep, show))
    else:
        with tempfile.TemporaryDirectory(prefix="sayso-evals-") as directory:
            results = asyncio.run(_have(settings, agent, chosen, Path(directory), show))
    held = sum(result.ok for result in results)
    if as_json:
        rows = [_row(result, chosen[result.name]) for result in results]
        emit_json({"agent": agent, "release": release.digest, "ok": held == len(rows), "cases": rows})
    else:
        typer.echo(f"{held} of {len(results)} hold")
    raise typer.Exit(0 if held == len(results) else 1)


async def _have(
    settings: Settings,
    agent: str,
    cases: Mapping[str, EvalFile],
    directory: Path,
    show: Callable[[EvalResult, EvalFile], None],
) -> list[EvalResult]:
    """One conversation after the other, each with the books as they were at first."""
    from voice_runtime.evals import run_eval
    from voice_runtime.house import Facts
    from voice_runtime.rehearsal import rehearsing

    results = []
    async with rehearsing(settings, agent, directory) as parts:
        facts = Facts(
            parts.agent.release.tenant, "rehearsal", parts.region, "webrtc", jurisdiction=parts.jurisdiction
        )
        for name, case in cases.items():
            await asyncio.to_thread(parts.empty_book)
            result = await run_eval(name, case, parts.agent, parts.house, rows=parts.rows, facts=facts)
            results.append(result)
            show(result, case)
    return results


def _line(result: EvalResult, case: EvalFile) -> None:
    language = f" [{case.language}]" if case.language else ""
    typer.echo(f"{'ok' if result.ok else 'FAIL':<8}{result.name}{language}: {case.title}")
    for failure in result.failures:
        typer.echo(f"        {failure}")


def _silent(result: EvalResult, case: EvalFile) -> None:
    """With ``--json`` everything is printed at the end."""


def _row(result: EvalResult, case: EvalFile) -> dict[str, Any]:
    return {
        "name": result.name, "title": case.title, "about": list(case.about), "language": case.language,
        "ok": result.ok, "call": result.call, "release": result.release, "failures": list(result.failures),
    }  # fmt: skip
