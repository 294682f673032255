"""Who may do what, and whether two names are two persons: from configs/people.yaml, and by accounts."""

from __future__ import annotations

import os
import pwd
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import ConfigurationError, OperatorError
from controls.ledger import unix_sockets
from controls.ledger.unix_sockets import peer_account
from tests.voice_runtime.project import Project, copy
from voice_runtime.desks import PEOPLE_FILE, PeopleFile, load_people
from voice_runtime.people import account_text
from voice_runtime.roster import Asking, Roster

ANNA, BEN, CEM = Asking("Anna Berg", 1001), Asking("Ben Oduya", 1002), Asking("Cem", 1003)
ROLES: dict[str, Any] = {
    "compliance": {"does": "reviews", "held_by": ["Anna Berg"]},
    "owner": {"does": "owns"},
}


def roster(**more: Any) -> Roster:
    return Roster.of(PeopleFile.model_validate({"format": 1, "roles": ROLES, **more}))


def test_what_the_file_leaves_out_is_open_to_whoever_gives_a_name() -> None:
    for action in ("stop", "resume", "bypass", "decoys", "blind"):
        roster().require(action, CEM)
    roster().require_role("owner", CEM)


def test_a_role_that_names_who_holds_it_is_theirs() -> None:
    roster().require_role("compliance", Asking("anna BERG"))
    with pytest.raises(OperatorError, match="Cem is not compliance, whose decision it is"):
        roster().require_role("compliance", CEM)


def test_an_action_left_to_roles_is_theirs() -> None:
    found = roster(may={"resume": ["compliance"]})
    found.require("resume", ANNA)
    found.require("stop", CEM)
    with pytest.raises(OperatorError, match="Cem is not compliance, who resumes"):
        found.require("resume", CEM)


def test_a_name_whose_accounts_are_listed_acts_by_them_alone_and_they_are_its_own() -> None:
    found = roster(accounts={"Anna Berg": [1001, "root"]})
    found.require("stop", ANNA)
    found.require("stop", Asking("anna berg", pwd.getpwnam("root").pw_uid))
    for account in (1002, None):
        with pytest.raises(OperatorError, match="Anna Berg acts by another account"):
            found.require("stop", Asking("Anna Berg", account))
    with pytest.raises(OperatorError, match="this account is another person's"):
        found.require_role("owner", Asking("Cem", 1001))
    found.require("stop", Asking("Cem", None))


def test_an_account_this_machine_does_not_have_is_nobodys() -> None:
    found = roster(accounts={"Anna Berg": ["no-such-account-here"]})
    with pytest.raises(OperatorError, match="acts by another account"):
        found.require("stop", ANNA)


def test_the_servers_account_is_shared_where_the_file_says_so() -> None:
    mine = os.getuid()
    assert not roster().is_shared(mine)
    assert roster(shared_accounts=["server"]).is_shared(mine)
    assert roster().is_shared(None), "an unknown account tells nobody apart"


@given(st.sampled_from([ANNA, BEN, CEM]), st.sampled_from([None, 1001, 1002, 7]), st.booleans())
def test_two_persons_are_two_names_and_two_accounts(one: Asking, account: int | None, shared: bool) -> None:
    found = Roster(shared=frozenset((1001, 1002, 1003)) if shared else frozenset())
    other = Asking("Dana", account)
    assert found.same(one, other) is (not shared and account == one.account)
    assert found.same(one, Asking(one.name.upper(), account))
    assert found.same(one, other) is found.same(other, one)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return copy(tmp_path)


def test_the_shipped_file_names_nobody_and_shares_the_servers_account(project: Project) -> None:
    people = load_people(project.root)[0]
    assert Roster.of(people).holders == {}
    assert people.shared_accounts == ("server",)


@pytest.mark.parametrize(
    ("added", "named"),
    [
        ("may: {stop: [compliance]}", "nobody is named as 'compliance'"),
        ("may: {stop: [nobody-known]}", "nobody is named as 'nobody-known'"),
        ("may: {dance: [compliance]}", "may"),
        ("may: {stop: []}", "may.stop"),
        ("accounts: {Anna Berg: [-1]}", "accounts"),
        ("accounts: {'': [okafor]}", "accounts"),
    ],
)
def test_a_mistake_is_named_with_its_line(project: Project, added: str, named: str) -> None:
    path = project.root / PEOPLE_FILE
    path.write_text(path.read_text() + added + "\n")
    with pytest.raises(ConfigurationError, match=named) as error:
        load_people(project.root)
    assert {p.line for p in error.value.problems} == {path.read_text().count("\n")}


def test_the_account_that_somebody_logged_in_with_counts_whatever_user_they_became(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = socket.socketpair()
    with one, other:
        assert peer_account(one) in (os.getuid(), _login())
        for login, account in (("1001", 1001), (str(2**32 - 1), os.getuid()), ("nonsense", os.getuid())):
            (tmp_path / "loginuid").write_text(login)
            monkeypatch.setattr(unix_sockets, "Path", lambda path: tmp_path / Path(path).name)
            assert peer_account(one) == account
            monkeypatch.undo()


def _login() -> int:
    found = Path("/proc/self/loginuid")
    return int(found.read_text()) if found.exists() else os.getuid()


def test_an_account_is_told_by_its_name_and_number() -> None:
    assert account_text(0) == "root (0)"
    assert account_text(2**31 - 7) == str(2**31 - 7)
    assert account_text(None) == ""
