"""Who may decide, stop and resume, from ``configs/people.yaml``; and whether two names are two persons.

Enforced where it is written down: a role that names nobody is held by whoever gives a name, as before. All of
it is in memory and looks nothing up, so that a stop is refused or taken at once. A name is only said; the
account comes from the system: ``peer_account``. Two persons are two names and, where accounts are known, two
accounts, unless the file says that an account is shared (ISO/IEC 42001 A.3.2).
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from loguru import logger

from controls.errors import OperatorError
from voice_runtime.desks import PEOPLE_FILE, SERVER_ACCOUNT, Action, PeopleFile
from voice_runtime.people import written

_DOES: Mapping[Action, str] = {
    "stop": "stops", "resume": "resumes", "bypass": "confirms a bypass", "decoys": "leaves decoys",
    "blind": "decides without having been shown",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks: the name as ``written`` gives it, and the account's number; None where it is not known."""

    name: str
    account: int | None = None

    @property
    def key(self) -> str:
        """Case does not tell two names apart."""
        return self.name.casefold()


@dataclass(frozen=True, slots=True)
class Roster:
    """As the file says, names in lower case; what it leaves out is open to everybody with a name."""

    holders: Mapping[str, frozenset[str]] = field(default_factory=dict, repr=False)
    may: Mapping[Action, tuple[str, ...]] = field(default_factory=dict)
    accounts: Mapping[str, frozenset[int]] = field(default_factory=dict, repr=False)
    shared: frozenset[int] = frozenset()

    @classmethod
    def of(cls, people: PeopleFile) -> Self:
        """What the file says. Blocks: accounts are looked up by name.

        An account that this machine does not have is nobody's: who is known by it alone cannot decide here.
        """
        return cls(
            holders={
                name: frozenset(written(who).casefold() for who in role.held_by)
                for name, role in people.roles.items()
                if role.held_by
            },
            may=dict(people.may),
            accounts={
                written(who).casefold(): frozenset(n for name in names if (n := _number(name)) is not None)
                for who, names in people.accounts.items()
            },
            shared=frozenset(n for name in people.shared_accounts if (n := _number(name)) is not None),
        )

    def require(self, action: Action, asking: Asking) -> None:
        """Whether they may do that.

        Raises:
            OperatorError: they may not, or act by an account that is not theirs.
        """
        self._theirs(asking)
        roles = self.may.get(action, ())
        if roles and not any(self.holds(asking, role) for role in roles):
            who = " or ".join(roles)
            raise OperatorError(
                f"{asking.name} is not {who}, who {_DOES[action]}: {PEOPLE_FILE} says so (may)"
            )

    def require_role(self, role: str, asking: Asking) -> None:
        """Whether they hold that role, where the file names who does.

        Raises:
            OperatorError: they do not, or act by an account that is not theirs.
        """
        self._theirs(asking)
        if role in self.holders and not self.holds(asking, role):
            raise OperatorError(
                f"{asking.name} is not {role}, whose decision it is: {PEOPLE_FILE} says who is (roles)"
            )

    def holds(self, asking: Asking, role: str) -> bool:
        """Whether the file names them for that role."""
        return asking.key in self.holders.get(role, ())

    def is_shared(self, account: int | None) -> bool:
        """Whether several persons act by that account, as the file says, or it is not known."""
        return account is None or account in self.shared

    def same(self, one: Asking, other: Asking) -> bool:
        """Whether they may be one person: by their names, or by an account that is not shared."""
        by_account = one.account == other.account and not self.is_shared(one.account)
        return one.key == other.key or by_account

    def _theirs(self, asking: Asking) -> None:
        mine = self.accounts.get(asking.key)
        if mine is not None and asking.account not in mine:
            raise OperatorError(
                f"{asking.name} acts by another account: {PEOPLE_FILE} says by which (accounts)"
            )
        if mine is None and any(asking.account in known for known in self.accounts.values()):
            raise OperatorError(
                f"this account is another person's, not {asking.name}'s: {PEOPLE_FILE} says whose (accounts)"
            )


def _number(account: str | int) -> int | None:
    """An account's number on this machine; None, and a warning, where there is none."""
    if isinstance(account, int):
        return account
    if account == SERVER_ACCOUNT:
        return os.getuid()
    try:
        return pwd.getpwnam(account).pw_uid
    except KeyError:
        logger.warning("{}: an account it names is not on this machine; nobody acts by it", PEOPLE_FILE)
        return None
