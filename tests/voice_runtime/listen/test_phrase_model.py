"""The phrase model: probabilities that sum to one, evidence, digits, bad phrases."""

from __future__ import annotations

import math
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.listen.phrase_model import DIGITS, PhraseModel

WORDS = st.sampled_from(
    ["can", "i", "see", "doctor", "on", "at", "ten", "yes", "please", "person", "the", "open", "five", "two"]
)
PHRASES = st.lists(st.lists(WORDS, min_size=1, max_size=6).map(" ".join), min_size=1, max_size=15)


def _parse(arpa: str) -> tuple[dict[tuple[str, ...], float], dict[tuple[str, ...], float]]:
    probabilities, backoffs, order = {}, {}, 0
    for line in arpa.splitlines():
        if line.endswith("-grams:"):
            order = int(line[1])
        elif order and line and not line.startswith("\\"):
            p, *rest = line.split()
            gram = tuple(rest[:order])
            probabilities[gram] = 10 ** float(p)
            if len(rest) > order:
                backoffs[gram] = 10 ** float(rest[order])
    return probabilities, backoffs


@given(PHRASES)
def test_what_may_follow_a_history_sums_to_one(phrases: list[str]) -> None:
    probabilities, backoffs = _parse(PhraseModel(phrases).arpa())
    words = {g[0] for g in probabilities if len(g) == 1} - {"<s>"}

    def p(history: tuple[str, ...], word: str) -> float:
        if (*history, word) in probabilities:
            return probabilities[(*history, word)]
        return backoffs.get(history, 1.0) * p(history[1:], word)

    histories = {g[:-1] for g in probabilities}
    for history in histories:
        assert math.isclose(sum(p(history, w) for w in words), 1.0, rel_tol=2e-2), history


@given(PHRASES)
def test_arpa_counts_are_those_of_its_sections(phrases: list[str]) -> None:
    arpa = PhraseModel(phrases).arpa()
    probabilities, _ = _parse(arpa)
    per_order: defaultdict[int, int] = defaultdict(int)
    for gram in probabilities:
        per_order[len(gram)] += 1
    for n in (1, 2, 3):
        assert f"ngram {n}={per_order[n]}\n" in arpa
    assert arpa == PhraseModel(phrases).arpa()


@given(PHRASES)
def test_a_phrase_is_attested_in_full(phrases: list[str]) -> None:
    model = PhraseModel(phrases)
    assert all(model.evidence(p.split()) == 1.0 for p in phrases if not set(p.split()) <= set(DIGITS))


def test_recombined_phrases_are_attested_more_than_nonsense() -> None:
    model = PhraseModel(["can i see doctor patel on tuesday", "is doctor okafor free on friday"])
    exact = model.evidence(["can", "i", "see", "doctor", "patel", "on", "tuesday"])
    mixed = model.evidence(["can", "i", "see", "doctor", "okafor", "free", "on", "tuesday"])
    nonsense = model.evidence(["tuesday", "free", "patel", "can"])
    assert exact == 1.0
    assert exact > mixed > nonsense


def test_any_number_is_attested_once_single_digits_are_phrases() -> None:
    with_digits = PhraseModel(["yes", *DIGITS])
    assert (
        with_digits.evidence(["four", "one", "five", "five", "five", "five", "zero", "one", "two", "three"])
        == 1.0
    )
    assert PhraseModel(["yes"]).evidence(["four", "one", "five"]) == 0.0
    assert set(DIGITS) <= set(with_digits.words)


@pytest.mark.parametrize("phrases", [[], ["  "], ["call 911"], ["qué hora es"], ["hello, there"], ["</s>"]])
def test_phrases_that_make_no_model_are_refused(phrases: list[str]) -> None:
    with pytest.raises(ValueError, match="phrase"):
        PhraseModel(phrases)
