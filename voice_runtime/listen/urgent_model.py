"""The language model of the second reading: emergencies' sentences on a ground of common English. Pure.

The phrase model (``listen.phrase_model``) knows what callers of this agent say in the ordinary way, and
bends everything towards it: "standing on my chest" becomes "standing on i can't". This one knows what an
emergency sounds like, and enough ordinary English for other speech to be read as something else.

Method: three models interpolated, each resting on the next: trigrams and bigrams of the sentences
(Witten-Bell, as in the phrase model), the pairs of common English, the words' own frequencies.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from voice_runtime.listen.word_pairs import END, START, WordPairs

#: How readily a pair or a triple that no sentence has is taken after words that have others (Witten-Bell's
#: weight of the number of ways on), and the most that sentences may count for beside common English.
_NOVELTY_PAIR, _NOVELTY_TRIPLE = 1.0, 0.5
_MOST_PAIR, _MOST_TRIPLE = 0.9, 0.8
#: The sentences' share in how often a single word is said.
_SHARE = 0.5
#: What common English may take of a word's ways on, so that others stay possible.
_MOST_GENERAL = 0.95
_NOTHING = 1e-9
_UNSEEN = 1e-6

#: Words of emergencies that the English dictionary of pocketsphinx has no sounds for, in its ARPAbet.
SOUNDS = {
    "adderall": "AE D ER AO L", "anaphylactic": "AE N AH F AH L AE K T IH K", "ativan": "AE T AH V AE N",
    "benadryl": "B EH N AH D R IH L", "breastbone": "B R EH S T B OW N", "convulses": "K AH N V AH L S AH Z",
    "convulsing": "K AH N V AH L S IH NG", "cpr": "S IY P IY AA R", "drano": "D R EY N OW",
    "emts": "IY EH M T IY Z", "epipen": "EH P IY P EH N", "fentanyl": "F EH N T AH N IH L",
    "heatstroke": "HH IY T S T R OW K", "heaviness": "HH EH V IY N AH S", "klonopin": "K L AA N AH P IH N",
    "meds": "M EH D Z", "narcan": "N AA R K AE N", "od": "OW D IY", "opioids": "OW P IY OY D Z",
    "oxycodone": "AA K S IY K OW D OW N", "percocet": "P ER K AH S EH T", "puked": "P Y UW K T",
    "ribcage": "R IH B K EY JH", "sanitizer": "S AE N AH T AY Z ER", "sedatives": "S EH D AH T IH V Z",
    "sternum": "S T ER N AH M", "swole": "S W OW L", "thinners": "TH IH N ER Z",
    "vicodin": "V AY K AH D AH N",
    "vomited": "V AA M AH T AH D", "warfarin": "W AO R F ER AH N", "windex": "W IH N D EH K S",
    "windpipe": "W IH N D P AY P",
}  # fmt: skip

Row = dict[str, float]


class UrgentModel:
    """The model of some sentences. Deterministic: the same sentences and pairs, the same model.

    Attributes:
        words: all it knows.
    """

    def __init__(self, sentences: Iterable[str], pairs: WordPairs) -> None:
        """Build it; 0.5 s of computing for the shipped packs.

        Args:
            sentences: in plain lower-case words.
            pairs: common English, with the sentences' words.

        Raises:
            ValueError: there is no sentence.
        """
        counted = [Counter[tuple[str, ...]]() for _ in range(3)]
        for sentence in sentences:
            said = [START, *sentence.split(), END]
            for n, counts in enumerate(counted, 1):
                counts.update(tuple(said[i : i + n]) for i in range(len(said) - n + 1))
        if not counted[0]:
            raise ValueError("an urgent model needs at least one sentence")
        known = {word for (word,) in counted[0]} | set(pairs.words)
        self.words = tuple(sorted(known - {START, END}))
        self._one = self._singles(counted[0], pairs)
        self._rest_one: Row = {}
        self._rest_two: dict[tuple[str, str], float] = {}
        self._two = self._pairs(_following(counted[1]), pairs)
        self._three = self._triples(_following(counted[2]))

    def _singles(self, counts: Counter[tuple[str, ...]], pairs: WordPairs) -> Row:
        said = sum(count for (word,), count in counts.items() if word != START)
        general = {word: pairs.words.get(word, _UNSEEN) for word in self.words}
        ends = sum(after.get(END, 0.0) for after in pairs.after.values())
        general[END] = max(ends / max(1, len(pairs.after)), _UNSEEN)
        whole = sum(general.values())
        return {w: (1 - _SHARE) * p / whole + _SHARE * counts[(w,)] / said for w, p in general.items()}

    def _pairs(self, following: dict[tuple[str, ...], dict[str, int]], pairs: WordPairs) -> dict[str, Row]:
        table: dict[str, Row] = {}
        for word in {START, *self.words}:
            general = {nxt: p for nxt, p in pairs.after.get(word, {}).items() if nxt in self._one}
            counts = following.get((word,), {})
            if not general and not counts:
                continue
            whole = sum(general.values())
            mass = min(whole, _MOST_GENERAL)
            others = (1 - mass) / max(1 - sum(self._one[nxt] for nxt in general), _NOTHING)
            seen = sum(counts.values())
            kept = min(_MOST_PAIR, seen / (seen + _NOVELTY_PAIR * len(counts))) if counts else 0.0
            row = {}
            for nxt in {*general, *counts}:
                ground = general[nxt] * mass / whole if nxt in general else others * self._one[nxt]
                row[nxt] = (kept * counts.get(nxt, 0) / seen if seen else 0.0) + (1 - kept) * ground
            table[word] = row
            self._rest_one[word] = _rest(row, self._one)
        return table

    def _triples(self, following: dict[tuple[str, ...], dict[str, int]]) -> dict[tuple[str, str], Row]:
        table: dict[tuple[str, str], Row] = {}
        for (first, second), counts in following.items():
            seen = sum(counts.values())
            kept = min(_MOST_TRIPLE, seen / (seen + _NOVELTY_TRIPLE * len(counts)))
            lower = {nxt: self._after(second, nxt) for nxt in counts}
            row = {nxt: kept * n / seen + (1 - kept) * lower[nxt] for nxt, n in counts.items()}
            table[first, second] = row
            self._rest_two[first, second] = _rest(row, lower)
        return table

    def _after(self, word: str, nxt: str) -> float:
        row = self._two.get(word, {})
        return row[nxt] if nxt in row else self._rest_one.get(word, 1.0) * self._one[nxt]

    def attested(self, words: Sequence[str]) -> float:
        """The share of steps from word to word that a sentence or common English has, 0 to 1.

        The sentence's start and end count as words. Speech that was no emergency and is read as one is
        mostly a row of an emergency's words that nobody says one after the other.
        """
        said = [START, *words, END]
        steps = list(pairwise(said))
        return sum(nxt in self._two.get(word, {}) for word, nxt in steps) / len(steps)

    def arpa(self) -> str:
        """The model as an ARPA file: base-10 logarithms of probabilities and back-off weights."""
        one = [
            f"{_log(p)} {word} {_log(self._rest_one.get(word, 1.0))}"
            for word, p in sorted({**self._one, START: 0.0}.items())
        ]
        two = [
            f"{_log(p)} {word} {nxt} {_log(self._rest_two.get((word, nxt), 1.0))}"
            for word, row in sorted(self._two.items())
            for nxt, p in sorted(row.items())
        ]
        three = [
            f"{_log(p)} {' '.join(before)} {nxt}"
            for before, row in sorted(self._three.items())
            for nxt, p in sorted(row.items())
        ]
        counts = [f"ngram {n}={len(grams)}" for n, grams in enumerate((one, two, three), 1)]
        return "\n".join(
            ["\\data\\", *counts, "", "\\1-grams:", *one, "", "\\2-grams:", *two, "", "\\3-grams:", *three,
             "", "\\end\\", ""]
        )  # fmt: skip


def _following(counts: Counter[tuple[str, ...]]) -> dict[tuple[str, ...], dict[str, int]]:
    found: defaultdict[tuple[str, ...], dict[str, int]] = defaultdict(dict)
    for gram, count in counts.items():
        found[gram[:-1]][gram[-1]] = count
    return found


def _rest(row: Row, lower: Row) -> float:
    """The weight of the lower model for words that are not in ``row``."""
    return max(1 - sum(row.values()), _NOTHING) / max(1 - sum(lower[nxt] for nxt in row), _NOTHING)


def _log(p: float) -> str:
    return f"{math.log10(max(p, 1e-12)):.3f}"
