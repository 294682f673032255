"""What it takes to judge one clause by all rules of all packs: CPU and wall clock of one thread."""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controls.decision import Effect, Proposal
from controls.rules.engine import LOOK_BACK, Rules
from controls.rules.matchers import tail, words
from loadtests.packs.sentences import Sentence
from loadtests.statistics import percentile

#: Each clause is judged so often; the collector runs between rounds, not within.
ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds a clause, with as much before it as is ever looked back on.

    Attributes:
        rules: how many there are.
        judged: how often a clause was judged, of ``clauses`` different ones.
    """

    language: str
    rules: int
    clauses: int
    judged: int
    p50_ms: float
    p99_ms: float
    max_ms: float


def cost(sentences: Sequence[Sentence], rules: Mapping[str, Rules], rounds: int = ROUNDS) -> list[Cost]:
    """Judge every clause of the sets, language by language, by every rule."""
    found = []
    for language, compiled in rules.items():
        texts = [s for s in sentences if s.moment == "agent_says" and s.language == language]
        if not texts:
            continue
        befores = [
            tail(words(" ".join(s.text for s in texts[max(0, i - LOOK_BACK) : i])), LOOK_BACK)
            for i in range(len(texts))
        ]
        took = []
        for _ in range(rounds):
            gc.collect()
            gc.disable()  # what it costs is measured by itself: ``voice_runtime.vitals``
            for sentence, before in zip(texts, befores, strict=True):
                said = sentence.said
                proposal = Proposal(
                    Effect.SPEAK, "c", 1, "k", text=sentence.text, caller_said=said, language=language
                )
                began = time.perf_counter_ns()
                compiled.evaluate(proposal, before)
                took.append((time.perf_counter_ns() - began) / 1e6)
            gc.enable()
        count = sum(len(pack.rules) for pack in compiled.packs)
        found.append(
            Cost(
                language, count, len(texts), len(took), round(percentile(took, 50), 3),
                round(percentile(took, 99), 3), round(max(took), 3),
            )
        )  # fmt: skip
    return found
