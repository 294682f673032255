"""The command `sayso`: which commands there are, where they live, and what exit codes mean.

A command's module is imported when the command is called, so that `sayso --help`
does not wait for the pipeline. Exit codes: 0, 1 (what it checked does not hold,
or something failed), 2 (usage or configuration), 130 (interrupted).
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from controls.errors import InternalError, SayError

EXAMPLE = "Example: sayso demo --once"


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command lives: ``attribute`` of ``voice_runtime.cli.<module>``, a Typer object."""

    module: str
    help: str
    panel: str
    attribute: str = "app"
    log: str = "WARNING"


_CALLS, _AGENTS, _RECORD = "Take calls", "Configure agents", "Review the record"

COMMANDS = {
    "demo": Entry("demo", "A simulated phone call, turn by turn, and the proof of it.", _CALLS),
    "serve": Entry("serve", "Take calls.", _CALLS, log="INFO"),
    "dial": Entry("dial", "Place a call with a simulated caller.", _CALLS),
    "approvals": Entry("approvals", "What waits for a person, and deciding on it.", _CALLS),
    "stop": Entry("stop", "Stop an agent, a tenant, a tool or everything, now.", _CALLS, "stop_app"),
    "resume": Entry("stop", "Let run again what was stopped; it takes two.", _CALLS, "resume_app"),
    "bypass": Entry("bypass", "Settings that weaken a control, and who confirms them; it takes two.", _CALLS),
    "opt-outs": Entry("opt_outs", "Who opted out of all calls, and lifting what was not meant.", _CALLS),
    "agents": Entry("agents", "List, check and describe agent folders.", _AGENTS),
    "evals": Entry("evals", "Have an agent's scripted conversations, judged from the record.", _AGENTS),
    "rules": Entry("rules", "Rules: list them, hold them to their examples, see why they decided.", _AGENTS),
    "calls": Entry("records", "List calls, newest first.", _RECORD, "calls_app"),
    "trace": Entry("records", "One call: what was said, decided and played, and why.", _RECORD, "trace_app"),
    "audit": Entry("audit", "The audit packet of one call, to be checked by anybody.", _RECORD),
    "receipt": Entry("receipt", "Show that the call of a caller's receipt is in the log.", _RECORD),
    "reconcile": Entry("reconcile", "The carrier's list of calls against what is on record.", _RECORD),
    "evidence": Entry("evidence", "Annex A held against the record: what operates and what fails.", _RECORD),
    "ledger": Entry("records", "Check the log, or show its newest checkpoint.", _RECORD, "ledger_app"),
    "keys": Entry("keys", "Make, list, rotate and back up the keys of the record.", _RECORD),
    "witness": Entry("witness", "Watch over somebody else's log (C2SP tlog-witness).", _RECORD),
}


class Lazy(TyperCommand):
    """A command known by name and one line of help; its module is imported when it is called."""

    def __init__(self, name: str, entry: Entry) -> None:
        super().__init__(name, help=entry.help, rich_help_panel=entry.panel)
        self._entry = entry

    def load(self) -> Any:
        """The real command.

        Raises:
            InternalError: the module or its Typer object is missing.
        """
        path = f"{__package__}.{self._entry.module}"
        try:
            found = getattr(importlib.import_module(path), self._entry.attribute)
        except ModuleNotFoundError as error:
            if error.name != path:
                raise
            raise InternalError(f"this build has no command {self.name!r} ({path} is missing)") from None
        except AttributeError:
            raise InternalError(f"{path} lacks {self._entry.attribute!r}") from None
        command = typer.main.get_command(found)
        command.name = self.name
        # Typer adds these to every app; for a command of ours they would do nothing useful.
        command.params = [p for p in command.params if not str(p.name).endswith("_completion")]
        return command

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        chosen = parent.params.get("log") if parent is not None else None
        from voice_runtime.telemetry import configure_logging

        configure_logging((chosen or self._entry.log).upper())
        return self.load().make_context(info_name, args, parent=parent, **extra)


class Root(TyperGroup):
    """Lists commands in the order of ``COMMANDS`` without loading one."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        entry = COMMANDS.get(cmd_name)
        return None if entry is None else Lazy(cmd_name, entry)


app = typer.Typer(
    name="sayso",
    cls=Root,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog=EXAMPLE,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _root(
    log: Annotated[
        str | None,
        typer.Option("--log", metavar="LEVEL", help="debug, info, warning or error; on standard error."),
    ] = None,
) -> None:
    """Voice agents of which no word is spoken without a cleared decision on record."""
    if log is not None and log.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise typer.BadParameter("is one of debug, info, warning, error", param_hint="--log")


def run(args: Sequence[str]) -> int:
    """Run one command line and return its exit code. Never raises but ``KeyboardInterrupt``'s kin.

    Errors raised on purpose go to standard error in their own words. Of any
    other error only type and place are printed: its message may hold a
    caller's words.
    """
    try:
        typer.main.get_command(app).main(args=list(args), prog_name="sayso")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except SayError as error:
        print(f"sayso: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # the reader has seen enough: `sayso calls | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001 - the last line: name the bug, not its content
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(where.filename).name}:{where.lineno} in {where.name}"
        print(f"sayso: internal error: {type(error).__name__} at {place}", file=sys.stderr)
        if os.environ.get("SAYSO_TRACEBACK") == "1":
            traceback.print_exception(error)
        return 1
    return 0


def main() -> NoReturn:
    """Entry point of the installed command."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
