"""The second reading's language model: probabilities that sum to one, and what it prefers."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import InternalError
from voice_runtime.listen import word_pairs
from voice_runtime.listen.urgent_model import UrgentModel
from voice_runtime.listen.word_pairs import WordPairs

WORDS = ["chest", "pain", "can't", "breathe", "my", "the", "open", "see", "doctor"]
SENTENCES = st.lists(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join), min_size=1, max_size=12
)
SHARES = st.floats(0.001, 0.3)
PAIRS = st.builds(
    WordPairs,
    st.dictionaries(st.sampled_from(WORDS), SHARES),
    st.dictionaries(
        st.sampled_from([*WORDS, "<s>"]),
        st.dictionaries(st.sampled_from([*WORDS, "</s>"]), SHARES, max_size=3),
    ),
)


def _parsed(arpa: str) -> tuple[dict[tuple[str, ...], float], dict[tuple[str, ...], float]]:
    probabilities, rests, order = {}, {}, 0
    for line in arpa.splitlines():
        if line.endswith("-grams:"):
            order = int(line[1])
        elif order and line and not line.startswith("\\"):
            p, *rest = line.split()
            probabilities[tuple(rest[:order])] = 10 ** float(p)
            if len(rest) > order:
                rests[tuple(rest[:order])] = 10 ** float(rest[order])
    return probabilities, rests


@given(SENTENCES, PAIRS)
def test_what_may_follow_a_history_sums_to_one(sentences: list[str], pairs: WordPairs) -> None:
    model = UrgentModel(sentences, pairs)
    probabilities, rests = _parsed(model.arpa())
    words = {gram[0] for gram in probabilities if len(gram) == 1} - {"<s>"}
    assert words == {*model.words, "</s>"}

    def p(history: tuple[str, ...], word: str) -> float:
        if (*history, word) in probabilities:
            return probabilities[(*history, word)]
        return rests.get(history, 1.0) * p(history[1:], word)

    for history in {gram[:-1] for gram in probabilities}:
        assert math.isclose(sum(p(history, w) for w in words), 1.0, rel_tol=3e-2), history


@given(SENTENCES, PAIRS)
def test_the_same_sentences_make_the_same_model(sentences: list[str], pairs: WordPairs) -> None:
    arpa = UrgentModel(sentences, pairs).arpa()
    assert arpa == UrgentModel(sentences, pairs).arpa()
    probabilities, _ = _parsed(arpa)
    for n in (1, 2, 3):
        assert f"ngram {n}={sum(len(gram) == n for gram in probabilities)}\n" in arpa


def test_a_sentence_is_likelier_than_the_ground_it_stands_on() -> None:
    pairs = WordPairs({"pain": 0.01, "pane": 0.01, "chest": 0.01}, {"chest": {"pane": 0.1}})
    probabilities, _ = _parsed(UrgentModel(["chest pain"], pairs).arpa())
    assert probabilities["chest", "pain"] > 2 * probabilities["chest", "pane"] > 0


def test_what_nobody_says_in_a_row_is_not_attested() -> None:
    model = UrgentModel(["chest pain", "my chest"], WordPairs({"pain": 0.1}, {"my": {"pain": 0.1}}))
    assert model.attested(["my", "chest", "pain"]) == 1.0
    assert model.attested(["my", "pain"]) == 1.0, "common English has it"
    assert model.attested(["pain", "my", "chest"]) == 0.5
    assert model.attested([]) == 0.0


def test_without_a_sentence_there_is_no_model() -> None:
    with pytest.raises(ValueError, match="sentence"):
        UrgentModel([], WordPairs({}, {}))


def test_the_shipped_pairs_know_common_english() -> None:
    pairs = word_pairs.read()
    assert next(iter(pairs.words)) == "the"
    assert pairs.after["chest"]["pain"] > 0.01
    assert "chest" not in pairs.after["<s>"]
    kept = pairs.of(["chest", "pain", "zorbax"])
    assert set(kept.after) <= {*kept.words, "<s>"}
    assert set(kept.words) >= {"the", "chest", "pain"}
    assert word_pairs.COMMON <= len(kept.words) <= word_pairs.COMMON + 2
    for word, following in pairs.after.items():
        assert sum(following.values()) < 1.05, word


@pytest.mark.parametrize("content", [None, b"", b"chest -2 pain", b"\xfd7zXZ\0\0\4broken"])
def test_a_broken_file_of_pairs_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "pairs.xz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InternalError, match=r"pairs\.xz"):
        word_pairs.read(path)
