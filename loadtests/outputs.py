"""Where results and report go: looked at before anything is measured, so that nothing measured is lost."""

from __future__ import annotations

import tempfile
from pathlib import Path

from controls.errors import OperatorError

#: What a command writes into its folder.
FILES = ("results.json", "report.html")


def prepare(folder: Path) -> None:
    """Make the folder, and try that it takes a file; what lies in it is left as it is.

    Raises:
        OperatorError: it takes none, and what to do instead.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        for file in (folder / name for name in FILES):
            if file.exists():
                with file.open("ab"):
                    pass
    except OSError as error:
        raise refused(folder, error) from None


def refused(folder: Path, error: OSError) -> OperatorError:
    """The error of a folder that takes no results: why, and what to do instead."""
    if isinstance(error, FileExistsError):
        why = f"{folder} is a file"
    else:
        why = f"{error.filename or folder}: {error.strerror}"
    return OperatorError(f"no results can be written ({why}): name another folder with --out")
