"""Where a secret lies, never what it is: an environment variable, or a file made at first use."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Annotated

from pydantic import Field, PrivateAttr, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from controls.errors import OperatorError
from voice_runtime.yaml_file import Closed


class Secret(Closed):
    """Where a secret lies: an environment variable, or a file made at first use.

    Its value is never part of a dump, a log line or a message.
    """

    env: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")] | None = Field(
        default=None, description="name of the environment variable that holds it, such as OPENAI_API_KEY"
    )
    generate: bool = Field(default=False, description="true: make a random one in data_dir (demo only)")
    optional: bool = Field(default=False, description="true: an unset variable means no secret")
    _value: str | None = PrivateAttr(default=None)
    _file: Path | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _one_source(self) -> Secret:
        if (self.env is None) == (not self.generate):
            raise PydanticCustomError(
                "secret", "needs one source", {"remedy": "write {env: NAME}, or {generate: true} in a demo"}
            )
        return self

    def reveal(self) -> str:
        """The secret itself; "" when it is optional and unset.

        Raises:
            OperatorError: the generated secret's file cannot be made or read.
        """
        if self._value is None and self._file is not None:
            self._value = _generated(self._file)
        return self._value or ""

    def __repr__(self) -> str:
        return f"Secret(env={self.env!r}, generate={self.generate})"

    __str__ = __repr__


def _generated(path: Path) -> str:
    """Read the secret in ``path``; make it (mode 0600) when there is none."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            found = path.read_text(encoding="ascii").strip()
            if len(found) < 32:
                raise OperatorError(f"the generated secret {path.name} is damaged: remove the file") from None
            return found
        with os.fdopen(handle, "w", encoding="ascii") as file:
            value = secrets.token_hex(16)
            file.write(value + "\n")
        return value
    except (OSError, UnicodeError) as error:
        raise OperatorError(
            f"the generated secret {path.name} cannot be kept: {type(error).__name__}"
        ) from error
