"""Trust files: C2SP tlog-policy and the plain form, quorums, and errors that name their line."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from contextlib import suppress
from itertools import combinations
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import OperatorError
from controls.ledger.notes import COSIGNER, ED25519, VerifierKey
from controls.ledger.trust import Trust


def key(name: str, kind: int = ED25519) -> VerifierKey:
    """The same key each time: it stands in the names of tests, which several workers must agree on."""
    seed = hashlib.sha256(name.encode()).digest()
    return VerifierKey(name, Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw(), kind)


LOG, OTHER = key("sayso.dev/log/o_1"), key("sayso.dev/log/o_2")
W = {name: key(f"{name}.example", COSIGNER) for name in ("X1", "X2", "X3", "Y1", "Y2", "Y3")}
WITNESSES = "".join(f"witness {name} {vkey} https://{vkey.name}/\n" for name, vkey in W.items())


def parsed(text: str | bytes) -> Trust:
    return Trust.parse(text if isinstance(text, bytes) else text.encode(), "auditor.policy")


def test_the_example_of_the_specification() -> None:
    trust = parsed(
        f"# \xfc opaque\n\n \tlog\t{LOG}  https://rome.example/\n{WITNESSES}"
        "group X-witnesses 2 X1 X2 X3\ngroup Y-witnesses any Y1 Y2 Y3\n"
        "group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n"
    )
    assert trust.logs == (LOG,) and trust.witnesses == W
    assert trust.keys_of(LOG.name) == [LOG] and trust.keys_of(OTHER.name) == []
    for size in range(7):
        for cosigners in combinations(W, size):
            expected = sum(c[0] == "X" for c in cosigners) >= 2 and any(c[0] == "Y" for c in cosigners)
            assert trust.quorum(cosigners) == expected, cosigners


def test_one_witness_or_none() -> None:
    one = parsed(f"witness X1 {W['X1']}\nquorum X1\n")
    assert one.quorum({"X1"}) and not one.quorum({"X2"}) and not one.quorum(())
    none = parsed(f"log {LOG}\nquorum none")
    assert none.needed is None and none.quorum(())


@given(st.lists(st.sampled_from(sorted(W)), unique=True, min_size=1), st.data())
def test_a_group_counts_its_members(members: list[str], draw: st.DataObject) -> None:
    needed = draw.draw(st.integers(1, len(members)))
    trust = parsed(f"{WITNESSES}group g {needed} {' '.join(members)}\nquorum g\n")
    cosigners: Collection[str] = draw.draw(st.sets(st.sampled_from(sorted(W))))
    assert trust.quorum(cosigners) == (len(set(members) & set(cosigners)) >= needed)


def test_the_plain_form() -> None:
    trust = parsed(f"# logs\n{LOG}  # the clinic's (fictional)\n\n{OTHER}\n{W['X1']}\n{W['Y1']}\n")
    assert trust.logs == (LOG, OTHER) and set(trust.witnesses.values()) == {W["X1"], W["Y1"]}
    assert trust.quorum([str(W["Y1"])]) and not trust.quorum(())
    assert Trust.of([LOG, W["X1"]]).witnesses == {str(W["X1"]): W["X1"]}
    assert parsed("") == Trust() and parsed(f"{LOG}\r\n").logs == (LOG,)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (f"log {LOG}\n", "", "no quorum line"),
        (f"log {LOG}\nlog {LOG}\nquorum none\n", ":2", "the same key"),
        (f"log {W['X1']}\nquorum none\n", ":1", "signature type 1"),
        (f"witness w {LOG}\nquorum none\n", ":1", "signature type 4"),
        (f"{WITNESSES}witness X9 {W['X1']}\nquorum none\n", ":7", "the same key"),
        (f"{WITNESSES}witness X1 {key('n', COSIGNER)}\nquorum none\n", ":7", "taken"),
        (f"witness none {W['X1']}\nquorum none\n", ":1", "taken"),
        (f"{WITNESSES}group g any none\nquorum g\n", ":7", "no line above"),
        (f"group g any X1\n{WITNESSES}quorum g\n", ":1", "no line above"),
        (f"{WITNESSES}group g any g\nquorum g\n", ":7", "no line above"),
        (f"{WITNESSES}group g 0 X1\nquorum g\n", ":7", "a group needs"),
        (f"{WITNESSES}group g 3 X1 X2\nquorum g\n", ":7", "a group needs"),
        (f"{WITNESSES}group g 01 X1 X2\nquorum g\n", ":7", "a group needs"),
        (f"{WITNESSES}group g most X1 X2\nquorum g\n", ":7", "a group needs"),
        (f"{WITNESSES}group g any\nquorum g\n", ":7", "write: group"),
        (f"{WITNESSES}group g any X1 X1\nquorum g\n", ":7", "named twice"),
        (f"{WITNESSES}group g any X1\ngroup h any X1 g\nquorum h\n", ":8", "another group"),
        (f"{WITNESSES}quorum X9\n", ":7", "no line above"),
        (f"{WITNESSES}quorum none\nquorum X1\n", ":8", "second quorum"),
        ("quorum none\nwitnes X1\n", ":2", "begins with"),
        ("quorum none # no comment here\n", ":1", "write: quorum"),
        (f"log {LOG}\r\nquorum none\n", ":1", "control character"),
        ("log no-key\nquorum none\n", ":1", "verifier key"),
        ("no key\n", ":1", "verifier key"),
        (b"\xff\xfe\n", ":1", "verifier key"),
    ],
)
def test_what_is_wrong_is_named_by_its_line(text: str | bytes, line: str, says: str) -> None:
    with pytest.raises(OperatorError) as raised:
        parsed(text)
    assert str(raised.value).startswith(f"auditor.policy{line}: ") and says in str(raised.value)


@given(st.binary(max_size=300) | st.text("logwitnesgrupqm 123#\n\t+").map(str.encode))
def test_no_file_is_a_traceback(data: bytes) -> None:
    with suppress(OperatorError):
        Trust.parse(data)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(OperatorError, match="cannot be read as a trust file"):
            Trust.read(path)
    (tmp_path / "auditor.keys").write_text(f"{LOG}\n")
    assert Trust.read(tmp_path / "auditor.keys").logs == (LOG,)
