"""Invented calls in which every control acted, to be spoiled one record at a time, and their counts."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from controls.decision import Verdict
from controls.evidence.coverage import ABOUT_CALLS, ControlCoverage, Coverage, Statement
from controls.ids import new_id
from controls.ledger import records as r
from controls.soa import SoaFile
from controls.suppliers import Suppliers, parse_suppliers
from tests.controls.evidence.calls import RELEASE, CallScript, cleared, fixed, played, said
from tests.controls.rules.packs import ROOT

ORIGIN = "o_0123456789ABCDEF"
NOW = 1_790_100_000
SUPPLIERS = (("recogniser", "pocketsphinx"), ("model", "standin"), ("voice", "espeak-ng"))


@lru_cache(maxsize=1)
def register() -> Suppliers:
    text = (ROOT / "configs" / "suppliers.yaml").read_text(encoding="utf-8")
    return parse_suppliers(text, "configs/suppliers.yaml")


def begun(environment: str = "demo", approved: bool = False) -> CallScript:
    """Opened, bound, answered, disclosed in full."""
    script = CallScript()
    details = r.CallDetails(agent="healthcare", line="desk", operator_of_record="A (fictional)", opened_at="")
    script.add(
        r.CallOpened, details, release=RELEASE, environment=environment, approved=approved,
        ingress="twilio", region="us", language="en-US",
    )  # fmt: skip
    for stage, supplier in SUPPLIERS:
        script.add(r.SupplierBound, stage=stage, supplier=supplier, region="local", outside=False)
    script.add(
        r.ReleaseBound, release=RELEASE, fixed=(fixed("disclosure", "I'm an AI."),),
        redaction="sha256:" + "7" * 64,
    )  # fmt: skip
    script.add(r.MediaOpened, transport="twilio", codec="pcmu", echo_cancellation="unknown", microphone=True)
    played(script, 0, new_id("k"), "I'm an AI.", phrase="disclosure")
    disclosed(script)
    return script


def disclosed(script: CallScript, in_full: bool = True, attempt: int = 1) -> None:
    script.add(
        r.DisclosurePlayed, language="en-US", attempt=attempt, in_full=in_full, played_ms=1, of_ms=1,
        evidence=r.Evidence.CARRIER_MARK, at_ms=0,
    )  # fmt: skip


def asked(script: CallScript, turn: int, outcome: str = "answered", supplier: str = "standin") -> None:
    """The caller says something, and the model answers."""
    said(script, turn, "at ten")
    script.add(
        r.TurnDecided, r.DecidedDetails(model="m", candidate="Yes."), turn=turn, supplier=supplier,
        outcome=outcome,
    )  # fmt: skip


def spoken(script: CallScript, turn: int) -> None:
    played(script, turn, cleared(script, turn, "Yes."), "Yes.")


def refused(script: CallScript, turn: int, *annex_a: str, risk: int = 80) -> str:
    clause = new_id("k")
    script.add(
        r.ClauseRefused, r.ClauseDetails(text="No."), turn=turn, clause=clause, verdict=Verdict.BLOCK,
        risk=risk, annex_a=annex_a or ("A.9.4",),
    )  # fmt: skip
    return clause


def used(
    script: CallScript, turn: int, risk: str = "medium", read_back: str = "confirmed", **more: Any
) -> str:
    use = new_id("u")
    script.add(
        r.ToolRequested, r.ToolDetails(name="book"), turn=turn, use=use, risk=risk, read_back=read_back,
        idempotent=True, **more,
    )  # fmt: skip
    return use


def executed(script: CallScript, use: str, turn: int = 1) -> None:
    script.add(
        r.ToolExecuted, r.ToolDetails(name="book"), turn=turn, use=use, ok=True, status=200, duration_ms=3
    )


def ended(script: CallScript, by: str = "caller", reason: str = "hung_up") -> CallScript:
    own = sum(1 for _, record, _ in script.opened if isinstance(record, r.CallRecord))
    script.add(r.CallClosed, ended_by=by, reason=reason, duration_s=10, records=own)
    return script


def whole() -> CallScript:
    """One in which everything held, something was refused, and a tool's answer withheld."""
    script = begun()
    asked(script, 1)
    spoken(script, 1)
    use = used(script, 1)
    executed(script, use)
    script.add(r.ToolAnswer, turn=1, use=use, state="instructions", given=False)
    asked(script, 2)
    refused(script, 2)
    return ended(script)


def count(*scripts: CallScript, soa: SoaFile | None = None, **more: Any) -> Coverage:
    """The scripts' calls, and what belongs to none of them."""
    coverage = Coverage(soa or SoaFile(format=1), register(), **({"now": NOW} | more))
    for script in scripts:
        mine = [
            (leaf, record)
            for leaf, record, _ in script.opened
            if getattr(record, "call", None) == script.call
        ]
        if mine:
            coverage.call(ORIGIN, script.call, mine)
        for leaf, record, _ in script.opened:
            if getattr(record, "call", None) is None or record.type in ABOUT_CALLS:
                coverage.house(ORIGIN, leaf, record)
    return coverage


def statement(*scripts: CallScript, soa: SoaFile | None = None, **more: Any) -> Statement:
    return count(*scripts, soa=soa, **more).statement({})


def of(found: Statement, control: str) -> ControlCoverage:
    [one] = [c for c in found.controls if c.id == control]
    return one


def counts(found: Statement, control: str) -> tuple[int, int, int, int]:
    """Population, passed, failed, unexplained."""
    one = of(found, control)
    return one.population, one.passed, one.failed, one.unexplained


Spoil = Callable[[CallScript], object]
