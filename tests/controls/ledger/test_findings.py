"""Findings: what a check says when it found, passed over, or had nothing to look at."""

from __future__ import annotations

from controls.ledger import findings as module
from controls.ledger.findings import CHECKS, Findings


def test_the_list_in_the_docstring_is_the_list() -> None:
    numbered = [
        line.split()[:2] for line in (module.__doc__ or "").splitlines() if line[:3].strip(" .").isdigit()
    ]
    assert [(int(n.rstrip(".")), name) for n, name in numbered] == list(enumerate(CHECKS, 1))
    assert len(CHECKS) == 21


def test_every_check_says_what_it_did() -> None:
    findings = Findings()
    findings.count("parse", 3)
    findings.note("parse", "and that")
    findings.note("parse", "and that")
    findings.not_applicable("no packet", "manifest", "parse")
    findings.not_applicable("another reason", "manifest")
    for number in range(7):
        findings.fail("root", f"checkpoint {number}: root")
    told = {c.name: (c.ok, c.detail) for c in findings.checks()}
    assert told["parse"] == (True, "3 checked; and that")
    assert told["manifest"] == (True, "not applicable: no packet")
    assert told["witness"] == (True, "not applicable: nothing of the kind here")
    assert told["root"][0] is False and told["root"][1].endswith("checkpoint 4: root; and 2 more")
    report = findings.report(["o_0000000000000000"], authenticated=True)
    assert not report.ok and not report.authenticated
    assert report.verdict.startswith("does not hold: checkpoint 0: root")


def test_a_verdict_is_a_plain_pass_only_with_an_issuer() -> None:
    assert Findings().report([]).verdict == "self-consistent, issuer not authenticated"
    assert Findings().report([], authenticated=True).verdict == "holds, issuer authenticated"


def test_what_was_not_looked_at_is_not_called_checked() -> None:
    findings = Findings()
    findings.count("parse")
    findings.count("issuer")
    findings.note("issuer", "not authenticated: no trust file")
    findings.count("opened", 2)
    findings.note("opened", "1 erased, not checkable")
    findings.note("witness", "not checked: no trust file")
    findings.fail("root", "checkpoint 1: root")
    checks = list(findings.checks())
    assert {c.name for c in checks if c.checked} == {"parse", "opened", "root"}
    assert {c.name for c in checks if not c.ok} == {"root"}
