"""An unregistered supplier, stage or region is refused."""

from __future__ import annotations

import pytest

from controls.errors import ConfigurationError
from controls.suppliers import SupplierRefused, Suppliers, parse_suppliers
from tests.controls.rules.packs import ROOT

TEXT = (ROOT / "configs" / "suppliers.yaml").read_text(encoding="utf-8")


def register(text: str = TEXT) -> Suppliers:
    return parse_suppliers(text, "configs/suppliers.yaml")


def test_registered_suppliers_pass() -> None:
    for stage, name in (("recogniser", "pocketsphinx"), ("model", "standin"), ("voice", "espeak-ng")):
        assert not register().check(stage, name, "local", health=True).outside
    assert register().check("model", "openai", "us").outside


def test_what_runs_here_serves_any_region() -> None:
    assert not register().check("model", "standin", "us", health=True).outside


@pytest.mark.parametrize(
    ("stage", "name", "region", "health", "reason"),
    [
        ("model", "somebody", "us", False, "unknown"),
        ("voice", "standin", "local", False, "stage"),
        ("model", "openai", "eu", False, "region"),
        ("model", "openai", "local", False, "region"),
        ("model", "openai", "us", True, "baa"),
    ],
)
def test_others_are_refused(stage: str, name: str, region: str, health: bool, reason: str) -> None:
    with pytest.raises(SupplierRefused) as caught:
        register().check(stage, name, region, health=health)
    assert caught.value.reason == reason


def test_a_business_associate_may_serve_health() -> None:
    signed = register(TEXT.replace("baa: false", "baa: true", 1))
    assert signed.check("model", "openai", "us", health=True).baa


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("stages: [carrier]", "stages: [carier]", "stages[0]: not one of the known values"),
        ("outside: true", "outside: yes please", "outside"),
        ("regions: [us]", "regions: [local]", "an outside supplier is not `local`"),
        ("    responsible: compliance\n", "", "responsible: a required key is missing"),
    ],
)
def test_what_is_wrong_is_said(old: str, new: str, expected: str) -> None:
    assert old in TEXT
    with pytest.raises(ConfigurationError) as caught:
        register(TEXT.replace(old, new, 1))
    assert expected in str(caught.value)


def test_content_that_leaves_unrecorded_needs_a_reason() -> None:
    lenient = TEXT.replace("    baa: false\n", "    baa: false\n    waits: false\n", 1)
    register(lenient)  # its note says why
    at = lenient.index("  openai:")
    bare = lenient[:at] + lenient[at:].replace("    note: sign a business", "    # note: sign a business", 1)
    with pytest.raises(ConfigurationError, match="content leaves before it is on record"):
        register(bare)
