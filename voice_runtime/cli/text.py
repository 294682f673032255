"""What every command shares: its common options, and how it prints.

Reports go to standard output: one JSON object with ``--json``, else text.
Everything else goes to standard error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import BaseModel

if TYPE_CHECKING:
    from controls.evidence.summary import Line
    from voice_runtime.settings import Profile, Settings

#: The same path as ``voice_runtime.settings.DEFAULT_PROFILE``, without importing it for ``--help``.
DEFAULT_CONFIG = Path("configs/profiles/offline.yaml")

Config = Annotated[
    Path, typer.Option("--config", metavar="PROFILE", help="Profile: engines, addresses, where records lie.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]

_STYLES = {
    "head": "bold",
    "caller": "cyan",
    "agent": "green",
    "verdict": "dim",
    "refused": "yellow",
    "tool": "magenta",
    "note": "dim",
    "handoff": "blue",
    "proof": "dim",
    "bad": "bold red",
}


def settings_of(config: Path) -> Settings:
    """Load the profile named by ``--config`` to serve with it.

    Raises:
        ConfigurationError: the profile or one of its secrets.
    """
    from voice_runtime.settings import load_settings

    return load_settings(config)


def profile_of(config: Path) -> Profile:
    """Load the profile named by ``--config`` to look at its records and keys: nothing is served.

    Raises:
        ConfigurationError: the profile.
    """
    from voice_runtime.settings import load_profile

    return load_profile(config)


def emit_json(value: BaseModel | dict[str, Any]) -> None:
    """Print one JSON object."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def emit_text(text: str) -> None:
    """Print text as it is, with its own line ends."""
    sys.stdout.write(text)


def emit_lines(lines: Iterable[Line]) -> None:
    """Print lines of a summary, coloured by kind on a terminal, plain anywhere else."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for line in lines:
        console.print(Text(str(line), style=_STYLES[line.kind]))


def emit_table(columns: list[str], rows: list[list[str]], *, empty: str) -> None:
    """Print rows under their column names, or the sentence ``empty`` when there are none.

    The first column, and everything that is not for a terminal, stays in one piece.
    """
    if not rows:
        sys.stdout.write(empty + "\n")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for i, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=i == 0)
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, width=None if sys.stdout.isatty() else 1000).print(table)
