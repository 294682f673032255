"""Every artefact has a class, and an agent may only shorten it."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import ConfigurationError
from controls.retention import DAY_S, Schedule, UnknownKind, kinds, parse_retention
from tests.controls.rules.packs import ROOT

TEXT = (ROOT / "configs" / "retention.yaml").read_text(encoding="utf-8")


@cache
def clinic() -> Schedule:
    return parse_retention(TEXT, "configs/retention.yaml")["us-clinic"]


def test_every_kind_of_personal_content_has_a_tag() -> None:
    tag = clinic().tagger("us")
    assert {"transcript", "clause", "call-details", "recording", "access"} <= kinds()
    for kind in kinds():
        made = tag(kind, 1_000_000)
        assert made.expires_at > 1_000_000, kind
        assert made.region == "us"


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(UnknownKind):
        clinic().tagger("us")("diary", 0)


def test_an_agent_may_shorten() -> None:
    tag = clinic().tagger("us", {"recordings": 10})
    assert tag("recording", 100).expires_at == 100 + 10 * DAY_S
    assert tag("transcript", 0) == clinic().tagger("us")("transcript", 0)


@given(st.sampled_from(sorted(clinic().classes)), st.integers(0, 4000))
def test_an_agent_never_lengthens_nor_goes_below_a_floor(name: str, days: int) -> None:
    given_class = clinic().classes[name]
    allowed = given_class.at_least_days <= days <= given_class.days
    assert (clinic().objections({name: days}) == []) is allowed
    if not allowed:
        with pytest.raises(ConfigurationError):
            clinic().tagger("us", {name: days})


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("kinds: [tool]", "kinds: [approval]", "no class for tool"),
        ("kinds: [tool]", "kinds: [tool, transcript]", "transcript is in two classes"),
        ("kinds: [tool]", "kinds: [tool, diary]", "no such kind: diary"),
        ("at_least_days: 2190", "at_least_days: 9999", "`days` is below `at_least_days`"),
        ("days: 30", "days: -1", "schedules.us-clinic.classes.recordings.days"),
        ("legal_basis: consent", "basis: consent", "unknown key"),
        ("format: 1", "format: 1\nswitch: off", "switch: unknown key"),
    ],
)
def test_what_is_wrong_is_said(old: str, new: str, expected: str) -> None:
    assert old in TEXT
    with pytest.raises(ConfigurationError) as caught:
        parse_retention(TEXT.replace(old, new, 1), "retention.yaml")
    assert expected in str(caught.value)
    assert all(p.line > 0 for p in caught.value.problems)


def test_unknown_region_or_class() -> None:
    with pytest.raises(ConfigurationError, match="not reviewed for the region"):
        clinic().tagger("mars")
    with pytest.raises(ConfigurationError, match="no such class"):
        clinic().tagger("us", {"recording_days": 3})
