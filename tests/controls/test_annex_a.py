"""The 38 controls."""

from __future__ import annotations

import controls.ledger.records as records
from controls.annex_a import ANNEX_A, CONTROLS, exercised_by


def test_there_are_38_in_order() -> None:
    assert len(CONTROLS) == len(ANNEX_A) == 38
    keys = [tuple(int(n) for n in c.id[2:].split(".")) for c in CONTROLS]
    assert keys == sorted(keys)


def test_record_types_exist() -> None:
    for control in CONTROLS:
        unknown = set(control.records) - set(records.RECORDS)
        assert not unknown, f"{control.id}: {unknown}"


def test_no_runtime_evidence_means_no_records() -> None:
    for control in CONTROLS:
        assert bool(control.records) == (control.evidence != "N"), control.id


def test_what_a_record_exercises() -> None:
    assert "A.9.4" in exercised_by("clause.refused")
    assert "A.8.2" in exercised_by("disclosure.played")
    assert exercised_by("nothing.of.it") == ()


def test_defaults_in_records_are_controls() -> None:
    for model in records.RECORDS.values():
        field = model.model_fields.get("annex_a")
        assert field is None or set(field.default) <= set(ANNEX_A)
