"""configs/soa.yaml: what the operator decides is complete, and a document stands only as it was reviewed."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import ConfigurationError
from controls.soa import ControlEntry, parse_soa, standing
from tests.controls.rules.packs import ROOT

ROLES = ("compliance", "practice-manager")
DIGEST = "sha256:" + "ab" * 32
TODAY = datetime.date(2026, 11, 20)
GOOD = f"""\
format: 1
documents: documents
controls:
  A.2.2:
    owner: compliance
    document: ai-policy.md
    digest: {DIGEST}
    reviewed: 2026-10-01
    review_every_days: 100
  A.5.5:
    owner: compliance
    not_applicable: The clinic's desk books appointments; nothing it does reaches society at large.
  A.9.2:
    owner: compliance
    challenged_within_days: 7
"""


def test_it_is_read() -> None:
    found = parse_soa(GOOD, "soa.yaml", ROLES)
    assert found.controls["A.2.2"].document == "ai-policy.md"
    assert (found.challenged_within("A.9.2"), found.challenged_within("A.9.4")) == (7, 92)
    assert parse_soa("format: 1\n", "soa.yaml", ROLES).controls == {}


def test_the_shipped_file_is_in_order() -> None:
    parse_soa((ROOT / "configs" / "soa.yaml").read_text(encoding="utf-8"), "configs/soa.yaml", ROLES)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("A.2.2:", "A.2.9:", "soa.yaml:4: controls.A.2.9: no control of Annex A"),
        ("  A.5.5:\n    owner: compliance\n", "  A.5.5:\n", "soa.yaml:10: controls.A.5.5.owner:"),
        ("owner: compliance", "owner: nobody", "soa.yaml:5: controls.A.2.2.owner: there is no such role"),
        ("    not_applicable: The clinic's", "    not_applicable: n/a\n    #", "A.5.5.not_applicable"),
        ("    digest: " + DIGEST + "\n", "", "controls.A.2.2.digest: a document needs it"),
        ("    reviewed: 2026-10-01\n", "", "controls.A.2.2.reviewed: a document needs it"),
        ("    document: ai-policy.md\n", "", "soa.yaml:6: controls.A.2.2.digest: belongs to a document"),
        ("ai-policy.md", "../ai-policy.md", "soa.yaml:6: controls.A.2.2.document:"),
        ("ai-policy.md", "/etc/passwd", "soa.yaml:6: controls.A.2.2.document:"),
        ("documents: documents", "documents: ../elsewhere", "soa.yaml:2: documents:"),
        ("    challenged_within_days: 7\n", "", "soa.yaml:13: controls.A.9.2: says nothing"),
        ("    not_applicable:", "    document: x.md\n    not_applicable:", "does not apply, and has"),
        ("    challenged_within_days: 7", "    challenged_within: 7", "unknown key"),
        ("format: 1", "format: 2", "soa.yaml:1: format:"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_line(old: str, new: str, expected: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigurationError) as error:
        parse_soa(GOOD.replace(old, new, 1), "soa.yaml", ROLES)
    assert expected in str(error.value)


def entry(reviewed: datetime.date = datetime.date(2026, 10, 1), every: int = 100) -> ControlEntry:
    return ControlEntry(
        owner="compliance", document="a.md", digest=DIGEST, reviewed=reviewed, review_every_days=every
    )


@pytest.mark.parametrize(
    ("given_entry", "found", "because"),
    [
        (entry(), DIGEST, ""),
        (entry(), None, "the file cannot be read"),
        (entry(), "sha256:" + "00" * 32, "it was changed since it was reviewed"),
        (entry(every=49), DIGEST, "its review was due on 2026-11-19"),
        (entry(every=50), DIGEST, ""),
        (entry(datetime.date(2026, 11, 21)), DIGEST, "its review is dated in the future"),
    ],
)
def test_how_a_document_stands(given_entry: ControlEntry, found: str | None, because: str) -> None:
    stands = standing(given_entry, found, TODAY)
    assert stands is not None
    assert (stands.current, stands.because) == (not because, because)


def test_without_a_document_there_is_nothing_to_stand() -> None:
    assert standing(None, DIGEST, TODAY) is None
    assert standing(ControlEntry(owner="compliance", challenged_within_days=3), DIGEST, TODAY) is None


@given(st.dates(datetime.date(2020, 1, 1), datetime.date(2030, 1, 1)), st.integers(1, 1830), st.booleans())
def test_only_the_reviewed_bytes_within_their_time_are_current(
    reviewed: datetime.date, every: int, same: bool
) -> None:
    stands = standing(entry(reviewed, every), DIGEST if same else None, TODAY)
    age = (TODAY - reviewed).days
    assert stands is not None
    assert stands.current == (same and 0 <= age <= every)
