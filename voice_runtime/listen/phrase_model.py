"""A phrase model for a small recogniser: the agent's own sentences as a trigram model. Pure.

The general language model of pocketsphinx fails on 8 kHz µ-law; one built from
the sentences an agent expects does not. Sentences may be recombined ("can i see
doctor okafor" + "on friday") at a cost, so what a caller says need not be in
the list word for word.

Method: interpolated Witten-Bell discounting (Witten and Bell 1991; Chen and
Goodman 1998, section 2.3.2) with the mass given to unseen words scaled by
``_NOVELTY``, written in Doug Paul's ARPA format. Digits are a loop of their
own, because a telephone number is no sentence.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

DIGITS = ("zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
START, END = "<s>", "</s>"

#: Less than 1 trusts the sentences more than Witten-Bell does: they are a list of what to expect, no sample.
_NOVELTY = 0.3
_DIGIT = "<digit>"
_ORDER = 3
#: How long a spoken number is, on average, and how often one is said, in sentences.
_DIGITS_IN_A_NUMBER = 8.0
_NUMBERS = 0.05
_NOTHING = 1e-6
_WORD = re.compile(r"[a-z][a-z']*$")

Gram = tuple[str, ...]


class PhraseModel:
    """The trigram model of some phrases. Deterministic: the same phrases, the same model."""

    def __init__(self, phrases: Iterable[str]) -> None:
        """Build it.

        Args:
            phrases: sentences in lower case without punctuation or digits.

        Raises:
            ValueError: there is no phrase, or a phrase holds something that is no word.
        """
        sentences = [words for p in dict.fromkeys(phrases) if (words := p.lower().split())]
        strange = sum(not _WORD.match(word) for words in sentences for word in words)
        if strange:
            raise ValueError(f"{strange} words of the phrases are not plain lower-case words")
        if not sentences:
            raise ValueError("a phrase model needs at least one phrase")
        self._numbers = any(all(w in DIGITS for w in words) for words in sentences)
        self._counts = self._count([w for w in sentences if not all(x in DIGITS for x in w)])
        self.words = tuple(sorted({w for (w,) in self._counts[0]} - {START, END}))
        self._attested = {g for counts in self._counts for g in counts} | set(self._digit_grams())

    # -- what the sentences say -------------------------------------------------------------------

    def _count(self, sentences: Sequence[Sequence[str]]) -> list[Counter[Gram]]:
        counts: list[Counter[Gram]] = [Counter() for _ in range(_ORDER)]
        for words in sentences:
            tokens = [START, *words, END]
            for n, counter in enumerate(counts, 1):
                counter.update(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))
        if self._numbers:
            # Digits get bigrams only: after any digit, any digit, however many there were.
            said = max(1.0, _NUMBERS * len(sentences))
            each = said / len(DIGITS)
            for digit in DIGITS:
                counts[0][(digit,)] += math.ceil(each * _DIGITS_IN_A_NUMBER)
                counts[1][(START, digit)] += math.ceil(each)
                counts[1][(digit, END)] += math.ceil(each)
                for other in DIGITS:
                    counts[1][(digit, other)] += math.ceil(each * _DIGITS_IN_A_NUMBER / len(DIGITS))
            counts[0][(START,)] += math.ceil(said)
            counts[0][(END,)] += math.ceil(said)
        return counts

    def _digit_grams(self) -> list[Gram]:
        if not self._numbers:
            return []
        return [(_DIGIT,) * 3, (START, _DIGIT, _DIGIT), (_DIGIT, _DIGIT, END), (START, _DIGIT, END)]

    def evidence(self, words: Sequence[str]) -> float:
        """How well the phrases attest a word sequence, 0 to 1.

        Each step from word to word, the sentence's start and end included, counts 1
        when its three words stand together in a phrase, 0.5 when its two do, else 0.
        Digits in a row count like a phrase.
        """
        tokens = [START, *words, END]
        total = 0.0
        for i in range(1, len(tokens)):
            if self._stands(tokens[max(0, i - 2) : i + 1]):
                total += 1.0
            elif self._stands(tokens[i - 1 : i + 1]):
                total += 0.5
        return total / (len(tokens) - 1)

    def _stands(self, tokens: Sequence[str]) -> bool:
        gram = tuple(tokens)
        return gram in self._attested or tuple(_DIGIT if t in DIGITS else t for t in gram) in self._attested

    # -- the model --------------------------------------------------------------------------------

    def arpa(self) -> str:
        """The model as an ARPA file: base-10 logarithms of probabilities and back-off weights."""
        probabilities, backoffs = self._estimate()
        lines = ["\\data\\", *(f"ngram {n}={len(p)}" for n, p in enumerate(probabilities, 1))]
        for n, table in enumerate(probabilities, 1):
            lines += ["", f"\\{n}-grams:"]
            for gram, p in sorted(table.items()):
                line = f"{math.log10(max(p, 1e-12)):.4f} {' '.join(gram)}"
                if n < _ORDER:
                    line += f" {math.log10(backoffs[n - 1].get(gram, 1.0)):.4f}"
                lines.append(line)
        return "\n".join([*lines, "", "\\end\\", ""])

    def _estimate(self) -> tuple[list[dict[Gram, float]], list[dict[Gram, float]]]:
        probabilities: list[dict[Gram, float]] = [{} for _ in range(_ORDER)]
        backoffs: list[dict[Gram, float]] = [{} for _ in range(_ORDER)]
        unigrams = {g: c for g, c in self._counts[0].items() if g != (START,)}
        total = sum(unigrams.values()) + len(unigrams)
        probabilities[0] = {g: (c + 1) / total for g, c in unigrams.items()}
        for n in range(1, _ORDER):
            followers: defaultdict[Gram, dict[str, int]] = defaultdict(dict)
            for gram, count in self._counts[n].items():
                followers[gram[:-1]][gram[-1]] = count
            for history, counts in followers.items():
                seen = sum(counts.values())
                lower = sum(_probability(probabilities, backoffs, history[1:], word) for word in counts)
                others = 1 - lower  # what words not seen after this history have without it
                kept = seen / (seen + _NOVELTY * len(counts)) if others > _NOTHING else 1.0
                for word, count in counts.items():
                    probabilities[n][(*history, word)] = kept * count / seen
                backoffs[n - 1][history] = (1 - kept) / others if others > _NOTHING else 1.0
        probabilities[0][(START,)] = 1e-12  # never said; it only begins
        return probabilities, backoffs


def _probability(
    probabilities: list[dict[Gram, float]], backoffs: list[dict[Gram, float]], history: Gram, word: str
) -> float:
    weight = 1.0
    while (*history, word) not in probabilities[len(history)]:
        weight *= backoffs[len(history) - 1].get(history, 1.0)
        history = history[1:]
    return weight * probabilities[len(history)][(*history, word)]
