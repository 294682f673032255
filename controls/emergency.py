"""Emergencies in what the caller said, ahead of every other rule. Pure.

The words are data: the packs of ``configs/rules`` with ``kind: emergency``, each with its citation.
No verdict, approval or failing record delays what follows from one: a fixed
script, and a transfer at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from controls.rules.engine import Rules
from controls.rules.model import Pack

#: Fixed phrase spoken where an emergency rule has no words in the call's language; every release has it.
SCRIPT = "emergency"


@dataclass(frozen=True, slots=True)
class Emergency:
    """An emergency that was named.

    Attributes:
        rule: ``pack/name``, such as ``emergency-us/danger-to-life``.
        script: id of the fixed phrase to speak, ``rule.<pack>.<name>``.
        annex_a: controls it exercises.
        risk: 0 to 100; the gravest named decides.
    """

    rule: str
    script: str
    annex_a: tuple[str, ...]
    risk: int


class Emergencies:
    """Finds emergencies; immutable, one for the process."""

    def __init__(self, packs: Iterable[Pack]) -> None:
        """Compile the emergency packs among ``packs``.

        Raises:
            ConfigurationError: a rule does not hold its own examples.
        """
        self._rules = Rules.compile(p for p in packs if p.kind == "emergency")

    @property
    def phrases(self) -> dict[str, dict[str, str]]:
        """Scripts, id → language → words; they belong among the release's fixed phrases."""
        return self._rules.phrases

    def find(self, text: str, language: str) -> Emergency | None:
        """The gravest emergency in recognised speech, or None."""
        return find(self._rules, text, language)


def scripts(rules: Rules | None) -> frozenset[str]:
    """Fixed phrases that say what to do in an emergency: those of the packs, and ``SCRIPT``."""
    packs = [pack for pack in rules.packs if pack.kind == "emergency"] if rules is not None else []
    return frozenset((SCRIPT, *(pack.phrase_id(spec) for pack in packs for spec in pack.rules if spec.say)))


def script_at(rules: Rules | None, rule: str, script: str, language: str, place: str) -> str:
    """The fixed phrase to speak on a line of that place (a jurisdiction, "" for unknown).

    Args:
        rule: that found the emergency.
        script: what is spoken where no release says more.
    """
    if rules is None or not place:
        return script
    return rules.script(rule, language, place) or SCRIPT


def find(rules: Rules, text: str, language: str) -> Emergency | None:
    """As ``Emergencies.find``, with the rules of a release."""
    finding = rules.emergency(text, language)
    if finding is None:
        return None
    return Emergency(finding.rule, finding.say or SCRIPT, finding.annex_a, finding.risk)
