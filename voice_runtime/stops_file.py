"""What is stopped, on the disk of one process: replaced in one step, so that it outlives a restart."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from controls import stop as s
from controls.errors import LedgerError, OperatorError

FILE = "stopped.json"


@dataclass(frozen=True, slots=True)
class StopsFile:
    """``data_dir/stopped.json``. Blocks."""

    path: Path

    def read(self) -> s.Stops:
        """What was stopped; nothing where there is no file.

        Raises:
            OperatorError: it cannot be read, or is damaged.
        """
        try:
            return s.Stops.read(self.path.read_bytes())
        except FileNotFoundError:
            return s.Stops()
        except (OSError, OperatorError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is damaged"
            raise OperatorError(
                f"{self.path} cannot be read ({why}): the record says what was stopped; mend or remove it"
            ) from None

    def write(self, stops: s.Stops) -> None:
        """Replace the file in one step; a crash leaves the old one or the new one.

        Raises:
            LedgerError: what is in force would not outlive a restart.
        """
        try:
            self._replace(stops.model_dump_json(indent=1).encode() + b"\n")
        except OSError as error:
            raise LedgerError(f"{FILE} cannot be written: {error.strerror}") from error

    def _replace(self, content: bytes) -> None:
        partial = self.path.with_name(f".{FILE}.{secrets.token_hex(8)}")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.path)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
