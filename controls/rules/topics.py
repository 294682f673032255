"""What a sentence is about, by example: sentences it should be like, and sentences it should not. Pure.

A rule's phrases know the words somebody thought of. Examples know ways to say a thing: of both kinds it is
counted which words, pairs and triples of words and which parts of words speak for the topic and which
against it (naive Bayes on presence, smoothed; Manning, Raghavan and Schütze, Introduction to Information
Retrieval, 2008, chapter 13), and a sentence applies when enough speaks for it. Nothing is trained elsewhere
and no weights are kept: the sentences are the rule, and whoever reviews it reads sentences.

It errs, in both directions, where a word list does not; what it errs at is measured (docs/rules.md). A rule
that the law wants certain has phrases as well.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from controls.rules.matchers import Words, words

#: Words in a row that count together, and letters of a word that do.
_RUN = 3
_PART = (4, 5)
#: What a trait that one kind never has counts as: three tenths of an example.
_SMOOTH = 0.3
#: Traits shown to whoever asks why.
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Likeness:
    """How much a text is like a topic.

    Attributes:
        score: what speaks for it less what speaks against it, by the square root of how much speaks at all;
            0 is neither.
        traits: runs of words that speak for it most, at most five.
    """

    score: float
    traits: tuple[str, ...]


class Topic:
    """A topic made of examples. Immutable; made once, asked for every clause."""

    def __init__(self, like: Sequence[Words], unlike: Sequence[Words]) -> None:
        """Count the examples.

        Raises:
            ValueError: one kind has none; the message reads ``problem | remedy``.
        """
        if not like or not unlike:
            raise ValueError(
                "a topic needs sentences of both kinds | write examples under `like` and `unlike`"
            )
        speaks_for, against = _counted(like), _counted(unlike)
        sizes = len(like) + 2 * _SMOOTH, len(unlike) + 2 * _SMOOTH
        self._weights = {
            trait: math.log((speaks_for[trait] + _SMOOTH) / sizes[0])
            - math.log((against[trait] + _SMOOTH) / sizes[1])
            for trait in speaks_for.keys() | against.keys()
        }

    def score(self, text: Words, start: int = 0) -> float:
        """How much the words from ``start`` on are like it; 0 for words it knows nothing of."""
        known = [w for w in map(self._weights.get, _traits(text.tokens[start:])) if w is not None]
        return sum(known) / math.sqrt(len(known)) if known else 0.0

    def likeness(self, text: Words, start: int = 0) -> Likeness:
        """The score, and which runs of words speak for it most."""
        traits = [t for t in _traits(text.tokens[start:]) if not t.startswith("·")]
        traits = [t for t in traits if self._weights.get(t, 0) > 0]
        shown: list[str] = []
        for trait in sorted(traits, key=lambda t: (-self._weights[t], -len(t), t)):
            if not any(f" {trait} " in f" {longer} " for longer in shown):
                shown.append(trait)
        return Likeness(self.score(text, start), tuple(shown[:_SHOWN]))


@lru_cache(maxsize=256)  # the same topic of several rules, and of several agents
def topic_of(like: tuple[str, ...], unlike: tuple[str, ...]) -> Topic:
    """The topic made of these sentences.

    Raises:
        ValueError: as ``Topic``.
    """
    return Topic([words(text) for text in like], [words(text) for text in unlike])


def _counted(texts: Iterable[Words]) -> Counter[str]:
    return Counter(trait for text in texts for trait in _traits(text.tokens))


@lru_cache(maxsize=64)  # every topic asks for those of the same clause
def _traits(tokens: tuple[str, ...]) -> frozenset[str]:
    """Runs of one to three words, and parts of words as ``·_doct``, each once."""
    found = {" ".join(tokens[i : i + n]) for n in range(1, _RUN + 1) for i in range(len(tokens) - n + 1)}
    for token in tokens:
        bounded = f"_{token}_"
        for n in _PART:
            found.update(f"·{bounded[i : i + n]}" for i in range(len(bounded) - n + 1))
    return frozenset(found)
