"""How common English words are, and which follow which: the ground that an emergency's words stand on.

``english_pairs.txt.xz`` lies beside this module: one line a word with the base-10 logarithm of its
probability, then the words that often follow it, each with theirs. It is taken from the language model that
pocketsphinx carries (BSD-2-Clause), which its decoder could read whole, at three times the cost and with
more errors: 72,547 words, few of which anybody says to an agent.

``python -m voice_runtime.listen.word_pairs`` makes the file anew from the words of the emergency packs.
"""

from __future__ import annotations

import lzma
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from controls.errors import InternalError

FILE = Path(__file__).with_name("english_pairs.txt.xz")
START, END = "<s>", "</s>"

#: Words kept whether or not an emergency names them, most common first.
COMMON = 1000
#: Pairs rarer than this after their first word are left to the words' own frequency, base-10 logarithm.
_RAREST = -2.5


@dataclass(frozen=True, slots=True)
class WordPairs:
    """Frequencies of words and pairs, as probabilities.

    Attributes:
        words: word → how often it is said, most common first.
        after: word (or ``<s>``) → the words that often follow it (or ``</s>``) → how often each does.
    """

    words: dict[str, float]
    after: dict[str, dict[str, float]]

    def of(self, wanted: Iterable[str]) -> WordPairs:
        """What is known of these words, and of the most common ones."""
        kept = {*wanted, *list(self.words)[:COMMON], START, END}
        return WordPairs(
            {word: p for word, p in self.words.items() if word in kept},
            {
                word: {nxt: p for nxt, p in following.items() if nxt in kept}
                for word, following in self.after.items()
                if word in kept
            },
        )


@lru_cache(maxsize=1)
def read(path: Path = FILE) -> WordPairs:
    """Read the file; some 0.2 s of computing, so not in an event loop.

    Raises:
        InternalError: it is missing or broken: the installation is.
    """
    words: dict[str, float] = {}
    after: dict[str, dict[str, float]] = {}
    try:
        with lzma.open(path, "rt", encoding="ascii") as lines:
            for line in lines:
                word, p, *pairs = line.split()
                if word != START:
                    words[word] = 10 ** float(p)
                after[word] = {pairs[i]: 10 ** -float(pairs[i + 1]) for i in range(0, len(pairs), 2)}
    except (OSError, EOFError, lzma.LZMAError, ValueError) as error:
        raise InternalError(f"{path.name} cannot be read: {type(error).__name__}; install anew") from None
    return WordPairs(words, after)


def make(wanted: Iterable[str], path: Path = FILE) -> int:
    """Write the file for these words and the most common ones, from pocketsphinx's model; the pairs in it."""
    import pocketsphinx  # only here: the file is made once

    folder = Path(pocketsphinx.get_model_path()) / "en-us"
    logarithms = pocketsphinx.LogMath()
    model = pocketsphinx.NGramModel(pocketsphinx.Config(), logarithms, str(folder / "en-us.lm.bin"))

    def log10(*words: str) -> float:
        return float(logarithms.log_to_log10(model.prob(list(words))))  # the newest word first

    with (folder / "cmudict-en-us.dict").open(encoding="utf-8") as lines:
        known = {line.split(" ", 1)[0] for line in lines if "(" not in line.split(" ", 1)[0]}
    plain = {word for word in known if word.replace("'", "").isalpha() and word[0].isalpha()}
    said = {word: p for word in plain if (p := log10(word)) > -_NEVER}
    common = sorted(said, key=lambda word: (-said[word], word))[: 3 * COMMON]
    kept = sorted({*common, *(set(wanted) & set(said))}, key=lambda word: (-said[word], word))
    count = 0
    out = []
    for word in (START, *kept):
        pairs = [(nxt, p) for nxt in (*kept, END) if (p := log10(nxt, word)) > _RAREST]
        count += len(pairs)
        own = 0.0 if word == START else said[word]
        out.append(" ".join((word, f"{own:.2f}", *(f"{nxt} {-p:.2f}" for nxt, p in pairs))))
    path.write_bytes(lzma.compress(("\n".join(out) + "\n").encode("ascii"), preset=9))
    return count


#: A logarithm that the model gives to words it does not know is far below this.
_NEVER = 20.0


def main() -> int:
    """Make the file from the packs of the working folder."""
    from voice_runtime.urgent_phrases import urgent_sentences

    wanted = {word for s in urgent_sentences(Path("configs/rules"), "en-US") for word in s.split()}
    sys.stdout.write(f"{make(wanted)} pairs in {FILE.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
