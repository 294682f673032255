"""Errors, grouped by whose fault they are.

Every error raised on purpose in Sayso derives from one of the four classes
here, so that a reader of a log knows whom to call and the command line knows
its exit code. Foreign errors are translated at the edge, streaming ones too.

No message of these errors ever holds a transcript, a telephone number or a
secret (house style, rule 15).
"""

from __future__ import annotations

from dataclasses import dataclass


class SayError(Exception):
    """Base of every error Sayso raises on purpose."""

    exit_code = 1


class OperatorError(SayError):
    """Configuration or usage is wrong; the operator can mend it (exit code 2)."""

    exit_code = 2


class ProviderError(SayError):
    """A supplier (recogniser, model, voice, carrier, tool) failed, refused or timed out.

    Attributes:
        supplier: the supplier's name from the profile.
        transient: whether the same request may succeed when sent again.
    """

    def __init__(self, message: str, *, supplier: str, transient: bool = True) -> None:
        super().__init__(message)
        self.supplier = supplier
        self.transient = transient


class IntegrityError(SayError):
    """The record does not hold: a digest, signature, proof or order is wrong."""


class InternalError(SayError):
    """A bug of ours: an invariant of the runtime does not hold."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file, in the form an operator can act on.

    Attributes:
        file: path relative to the project root.
        line: 1-based line, 0 when the file as a whole is meant.
        field: dotted path of the field, such as ``handoff.to[0].desk``.
        message: what is wrong.
        remedy: what to write instead.
        severity: ``error`` refuses the file, ``warning`` does not.
    """

    file: str
    line: int
    field: str
    message: str
    remedy: str
    severity: str = "error"

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        field = f" {self.field}:" if self.field else ""
        return f"{where}:{field} {self.message} ({self.remedy})"


class ConfigurationError(OperatorError):
    """One or more files cannot be used as they are; ``problems`` says where and why."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(p) for p in problems))
        self.problems = problems


class LedgerError(SayError):
    """A record could not be made durable (disk full, read-only, closed, damaged)."""


class WriterLocked(OperatorError):
    """Another process already writes this ledger."""
