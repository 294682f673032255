"""What an emergency sounds like: sentences that the phrases of the emergency packs stand for.

A pack names lists of persons, places and signs, and phrases that join them; a recogniser needs sentences.
Each phrase gives as many as its longest list has entries (at most ``MOST_OF_A_PHRASE``), so that every
entry is said at least once beside its neighbours, and never all combinations, of which there are billions.
Rules write words apart ("can not", "he is"), callers mostly do not: such sentences are there in both ways.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from voice_runtime.phrases import in_language, intent_phrases, listened_for, read_lists

#: Sentences from one phrase, and from all of them.
MOST_OF_A_PHRASE = 40
MOST = 40_000

#: Numbers as the packs write them, figure by figure, and as people say them.
_NUMBERS = {
    "2 0": "twenty", "3 0": "thirty", "4 0": "forty", "5 0": "fifty", "6 0": "sixty", "1 5": "fifteen",
    "9 1 1": "nine one one", "9 8 8": "nine eight eight", "1 1 2": "one one two", "1 0": "ten",
}  # fmt: skip
_FIGURES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_SHORT = tuple(
    (re.compile(rf"\b{long}\b"), short)
    for long, short in {
        "can not": "can't", "will not": "won't", "do not": "don't", "does not": "doesn't",
        "did not": "didn't", "is not": "isn't", "are not": "aren't", "was not": "wasn't",
        "could not": "couldn't", "would not": "wouldn't", "has not": "hasn't", "have not": "haven't",
        "i am": "i'm", "i have": "i've", "it is": "it's", "he is": "he's", "she is": "she's",
        "that is": "that's", "there is": "there's", "they are": "they're", "we are": "we're",
        "going to": "gonna", "want to": "wanna",
    }.items()
)  # fmt: skip
_WORD = re.compile(r"[a-z][a-z']*$")


def urgent_sentences(folder: Path, language: str) -> tuple[str, ...]:
    """What the second reading of a caller's speech is to know: emergencies, and asking for a person.

    Args:
        folder: ``configs/rules``. What cannot be read there is reported by whoever compiles it, and left
            out here.
    """
    return _of(folder, listened_for(folder), language)


@lru_cache(maxsize=8)  # half a second of computing, and every agent of a house has the same packs
def _of(folder: Path, texts: tuple[str, ...], language: str) -> tuple[str, ...]:
    found: list[str] = []
    for data in read_lists(texts):
        if data.get("kind") == "emergency" and language in (data.get("languages") or ()):
            found += urgent_phrases(in_language(data, language), data.get("lists") or {})
        elif isinstance(data.get("languages"), dict):  # the intents
            given = data["languages"].get(language) or {}
            asks = (given.get("person") or {}).get("anywhere")
            found += urgent_phrases([{"if": {"phrases": asks}}], given.get("lists") or {})
    return tuple(dict.fromkeys([*intent_phrases(folder, language), *found])) if found else ()


def urgent_phrases(rules: Sequence[Mapping[str, Any]], lists: Mapping[str, Sequence[Any]]) -> list[str]:
    """Sentences that the ``phrases`` of some rules stand for, without repeats; the same for the same rules.

    Args:
        rules: as written in a pack; phrases of what they do not mean (``unless``) are left out.
        lists: the pack's word lists.
    """
    found: dict[str, None] = {}
    for phrase in (p for rule in rules for p in _phrases(rule.get("if"))):
        for sentence in _sentences(phrase, lists):
            found[sentence] = None
    return list(found)[:MOST]


def _phrases(condition: Any) -> Iterator[str]:
    """Every phrase below a condition that speaks for it."""
    if isinstance(condition, Mapping):
        for name, below in condition.items():
            if name == "phrases" and isinstance(below, list):
                yield from (phrase for phrase in below if isinstance(phrase, str))
            elif name != "not":
                yield from _phrases(below)
    elif isinstance(condition, list):
        for below in condition:
            yield from _phrases(below)


def _sentences(phrase: str, lists: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    places: list[list[str]] = []
    for part in phrase.replace("…", "...").replace("...", " ").split():
        if part.startswith("<"):
            entries = [str(entry) for entry in lists.get(part.strip("<>,.?!"), ())]
        else:
            entries = part.split("/")
        spoken = [words for entry in entries if (words := said(entry))]
        if not spoken:
            return  # a place that nothing can be said at, such as a beginning of words (diagnos*)
        places.append(spoken)
    if not places:
        return
    count = min(MOST_OF_A_PHRASE, max(map(len, places)) * (2 if len(places) > 1 else 1))
    for i in range(count):
        # Every list is gone through once, then again one further on: neighbours meet in ever new pairs.
        words = " ".join(
            entries[(i + at * (i // len(entries))) % len(entries)] for at, entries in enumerate(places)
        )
        yield words
        yield _short(words)


def said(entry: str) -> str:
    """An entry as people say it, in plain lower-case words; "" where it holds something else."""
    text = entry.lower().strip(" ,.?!").replace("-", " ")
    for figures, number in _NUMBERS.items():
        text = re.sub(rf"(?<!\d ){figures}(?! \d)", number, text)
    words = [_FIGURES[int(w)] if len(w) == 1 and w.isascii() and w.isdigit() else w for w in text.split()]
    return " ".join(words) if all(_WORD.match(word) for word in words) else ""


def _short(text: str) -> str:
    for long, short in _SHORT:
        text = long.sub(short, text)
    return text
