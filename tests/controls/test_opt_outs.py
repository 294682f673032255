"""What a caller is remembered under: a keyed digest, never a plain one."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import InternalError
from controls.opt_outs import SALT_BYTES, new_salt, subject, subject_key

SALT = bytes(range(SALT_BYTES))
NUMBER = "+12025550123"


def test_one_caller_is_one_subject_however_the_number_is_written() -> None:
    assert subject_key(SALT, "clinic", "+1 (202) 555-0123") == subject_key(SALT, "clinic", NUMBER)


def test_tenants_and_salts_tell_callers_apart() -> None:
    keys = {subject_key(s, t, NUMBER) for s in (SALT, new_salt()) for t in ("clinic", "salon")}
    assert len(keys) == 4


def test_it_is_the_hmac_of_rfc_2104_and_no_hash_of_the_number() -> None:
    message = b"sayso opt-out v1\x00clinic\x0012025550123"
    assert subject_key(SALT, "clinic", NUMBER) == hmac.new(SALT, message, "sha256").hexdigest()
    assert subject_key(SALT, "clinic", NUMBER) != hashlib.sha256(b"12025550123").hexdigest()


@pytest.mark.parametrize("number", ["", "anonymous", "911", "+1 22"])
def test_nobody_is_known_by_a_withheld_number(number: str) -> None:
    assert subject(number) == ""
    with pytest.raises(InternalError):
        subject_key(SALT, "clinic", number)


def test_a_short_salt_is_refused() -> None:
    with pytest.raises(InternalError):
        subject_key(b"short", "clinic", NUMBER)


@given(st.from_regex(r"[0-9]{7,15}", fullmatch=True), st.from_regex(r"[0-9]{7,15}", fullmatch=True))
def test_two_numbers_are_two_subjects(one: str, other: str) -> None:
    assert (subject_key(SALT, "t", one) == subject_key(SALT, "t", other)) is (one == other)
