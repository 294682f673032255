"""Rule packs for tests: the shipped ones, and small ones made on the spot."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from controls.rules.engine import Rules
from controls.rules.model import Pack
from controls.rules.pack_files import load_packs

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "configs" / "rules"
SHIPPED = ("truthful-ai", "health-boundaries", "personal-data", "payment", "abuse", "emergency-us")
#: The others, of other trades or places too.
OTHERS = (
    "cards", "prices", "fair-housing", "mortgage", "forbidden-promises", "injection", "minors",
    "out-of-scope", "emergency-eu",
)  # fmt: skip


@lru_cache(maxsize=1)
def shipped_packs() -> tuple[Pack, ...]:
    return load_packs(FOLDER, SHIPPED)


@lru_cache(maxsize=1)
def shipped() -> Rules:
    return Rules.compile(shipped_packs())


def rule(name: str = "a-rule", **changes: Any) -> dict[str, Any]:
    """A rule as plain values; it blocks "foo bar"."""
    base: dict[str, Any] = {
        "name": name,
        "when": "agent_says",
        "if": {"phrases": ["foo bar"]},
        "then": "block",
        "say": {"en-US": "No."},
        "risk": 50,
        "annex_a": ["A.9.4"],
        "because": "a reason of the test's own",
        "catches": ["well, foo bar"],
        "lets_pass": ["nothing of it"],
    }
    return {**base, **changes}


def pack(*rules: dict[str, Any], name: str = "made-up", **changes: Any) -> Pack:
    return Pack.model_validate(
        {
            "format": 1, "pack": name, "title": "made up", "owner": "compliance", "reviewed": "2026-01-01",
            "languages": ["en-US"], "rules": list(rules) or [rule()], **changes,
        }
    )  # fmt: skip
