"""What the auditor trusts: a trust file with keys of logs and witnesses, and how many witnesses it takes.

Two forms. C2SP tlog-policy: lines ``log``, ``witness``, ``group`` and ``quorum``
(addresses are ignored). Plain: one verifier key a line, ``#`` begins a comment; a
key of type 1 is a log's (or the register's), one of type 4 a witness's, and where
there are witnesses any one of them suffices.

Source: C2SP tlog-policy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from controls.errors import IntegrityError, OperatorError
from controls.ledger.notes import COSIGNER, ED25519, VerifierKey

#: Largest trust file read, in bytes.
MAX_TRUST = 1 << 20
_KEYWORDS = ("log", "witness", "group", "quorum")
_NONE = "none"
_DIGITS = re.compile(r"[1-9][0-9]{0,5}")
#: A group in the plain form, under a name that no policy line can have.
_ANY = "any of them"


@dataclass(frozen=True, slots=True)
class Group:
    """At least ``needed`` of ``members`` (witnesses or groups) make it."""

    needed: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trust:
    """A parsed trust file.

    Attributes:
        logs: keys of logs, of the register, of nodes.
        witnesses: the file's name of each witness → its key.
        groups: the file's name of each group.
        needed: the witness or group a checkpoint needs; None for ``quorum none``.
    """

    logs: tuple[VerifierKey, ...] = ()
    witnesses: dict[str, VerifierKey] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    needed: str | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a trust file.

        Raises:
            OperatorError: it cannot be read, or a line (named by its number) is wrong.
        """
        try:
            with path.open("rb") as file:
                data = file.read(MAX_TRUST + 1)
        except OSError:
            data = None
        if data is None or len(data) > MAX_TRUST:
            raise OperatorError(f"{path} cannot be read as a trust file")
        return cls.parse(data, str(path))

    @classmethod
    def parse(cls, data: bytes, name: str = "trust file") -> Self:
        """Read a trust file's bytes; names and addresses in it stay opaque.

        Raises:
            OperatorError: ``name:line: …``.
        """
        reader = _Policy()
        text = data.decode(errors="surrogateescape")
        lines = text.split("\n")
        policy = any(words[:1] and words[0] in _KEYWORDS for words in map(_words, lines))
        for number, line in enumerate(lines, 1):
            try:
                if policy:
                    reader.line(line)
                else:
                    reader.plain(line)
            except (ValueError, IntegrityError) as error:
                raise OperatorError(f"{name}:{number}: {error}") from None
        if not policy:
            reader.any_witness()
        elif not reader.settled:
            raise OperatorError(f"{name}: no quorum line; write `quorum none` if no witness is needed")
        return cls(tuple(reader.logs), reader.witnesses, reader.groups, reader.needed)

    @classmethod
    def of(cls, keys: Iterable[VerifierKey]) -> Self:
        """The plain form of these keys."""
        return cls.parse("\n".join(map(str, keys)).encode())

    def keys_of(self, name: str) -> list[VerifierKey]:
        """The keys of the log (or node) of this name."""
        return [key for key in self.logs if key.name == name]

    def quorum(self, cosigners: Collection[str]) -> bool:
        """Whether these witnesses (by the file's names) make the quorum."""
        return self.needed is None or self._made(self.needed, cosigners)

    def _made(self, name: str, cosigners: Collection[str]) -> bool:
        group = self.groups.get(name)
        if group is None:
            return name in cosigners
        return sum(self._made(member, cosigners) for member in group.members) >= group.needed


class _Policy:
    """The lines read so far."""

    def __init__(self) -> None:
        self.logs: list[VerifierKey] = []
        self.witnesses: dict[str, VerifierKey] = {}
        self.groups: dict[str, Group] = {}
        self.needed: str | None = None
        self.settled = False
        self._members: set[str] = set()

    def line(self, text: str) -> None:
        """One line of a policy."""
        if any((ord(c) < 0x20 and c != "\t") or ord(c) == 0x7F for c in text):
            raise ValueError("a control character")
        words = _words(text)
        if not words or words[0].startswith("#"):
            return
        lines: dict[str, Callable[..., None]] = {
            "log": self._log, "witness": self._witness, "group": self._group, "quorum": self._quorum,
        }  # fmt: skip
        if words[0] not in lines:
            raise ValueError("a line begins with log, witness, group or quorum")
        lines[words[0]](*words[1:])

    def plain(self, text: str) -> None:
        """One line of the plain form."""
        if found := text.split("#", maxsplit=1)[0].strip():
            key = VerifierKey.parse(found)
            if key.kind == ED25519:
                self.logs.append(key)
            else:
                self.witnesses[str(key)] = key

    def any_witness(self) -> None:
        """The plain form's quorum."""
        if self.witnesses:
            self.groups[_ANY], self.needed = Group(1, tuple(self.witnesses)), _ANY

    def _log(self, *words: str) -> None:
        if len(words) not in (1, 2):
            raise ValueError("write: log <verifier key> [<url>]")
        key = _key(words[0], ED25519, "a log's key")
        if any(key.public == known.public for known in self.logs):
            raise ValueError("the same key as another log's")
        self.logs.append(key)

    def _witness(self, *words: str) -> None:
        if len(words) not in (2, 3):
            raise ValueError("write: witness <name> <verifier key> [<url>]")
        self._new(words[0])
        key = _key(words[1], COSIGNER, "a witness's key")
        if any(key.public == known.public for known in self.witnesses.values()):
            raise ValueError("the same key as another witness's")
        self.witnesses[words[0]] = key

    def _group(self, *words: str) -> None:
        if len(words) < 3:
            raise ValueError("write: group <name> all|any|<number> <name>...")
        name, rule, *members = words
        self._new(name)
        for member in members:
            self._known(member)
            if member in self._members:
                raise ValueError("a member of another group (or named twice)")
            self._members.add(member)
        needed = {"all": len(members), "any": 1}.get(rule, 0)
        if not needed and _DIGITS.fullmatch(rule):
            needed = int(rule)
        if not 1 <= needed <= len(members):
            raise ValueError("a group needs all, any, or a number from 1 to that of its members")
        self.groups[name] = Group(needed, tuple(members))

    def _quorum(self, *words: str) -> None:
        if len(words) != 1:
            raise ValueError("write: quorum <name>, or quorum none")
        if self.settled:
            raise ValueError("a second quorum line")
        if words[0] != _NONE:
            self._known(words[0])
            self.needed = words[0]
        self.settled = True

    def _new(self, name: str) -> None:
        if name == _NONE or name in self.witnesses or name in self.groups:
            raise ValueError("a name that is taken")

    def _known(self, name: str) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise ValueError("a name that no line above defines")


def _words(line: str) -> list[str]:
    return [word for word in re.split(r"[ \t]+", line) if word]


def _key(text: str, kind: int, what: str) -> VerifierKey:
    key = VerifierKey.parse(text)
    if key.kind != kind:
        raise ValueError(f"{what} has signature type {kind}, this one {key.kind}")
    return key
